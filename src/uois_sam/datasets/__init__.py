"""Labelled images from disk, all by one protocol."""

from uois_sam.datasets.folder import FolderDataset
from uois_sam.datasets.protocol import Dataset

__all__ = ["Dataset", "FolderDataset"]

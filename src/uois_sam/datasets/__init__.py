"""Labelled images from disk, with one protocol for all data sets."""

from uois_sam.datasets.base import Dataset, DatasetInfo, FrameDataset, FrameOptions
from uois_sam.datasets.folder import FolderDataset
from uois_sam.datasets.registry import DATASETS, dataset_options, open_dataset

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetInfo",
    "FolderDataset",
    "FrameDataset",
    "FrameOptions",
    "dataset_options",
    "open_dataset",
]

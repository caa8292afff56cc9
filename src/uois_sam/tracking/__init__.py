"""Ids that stay: the objects of a video keep their number from frame to frame, through short occlusion too."""

from uois_sam.tracking.config import TrackerConfig
from uois_sam.tracking.tracker import Tracker

__all__ = ["Tracker", "TrackerConfig"]

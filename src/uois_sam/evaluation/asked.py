"""What a request leaves of a sample's objects: those that do not stand in its region are not to be found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uois_sam.request import LEAST_INSIDE, Request
from uois_sam.types import Sample

OUTSIDE = "objects that do not stand in the region, left out of the scores"


def standing_inside(sample: Sample, request: Request | None) -> Sample:
    """Return the sample with every object ignored of which less than half is visible in the request's region.

    Its other objects, and what is found elsewhere, count as ever.

    Args:
        sample: photo and labels at the size that the request is for.
        request: what was asked; None, or one without ``region`` and ``exclude``, changes nothing.

    Raises:
        ImageError: the region does not fit the photo.
    """
    hw = sample.labels.shape[0], sample.labels.shape[1]
    inside = None if request is None else request.inside(hw)
    if inside is None:
        return sample
    areas = np.bincount(sample.labels.ravel())
    within = np.bincount(sample.labels[inside], minlength=len(areas))
    lost = np.flatnonzero((areas > 0) & (within < LEAST_INSIDE * areas))
    lost = lost[lost > 0]
    if not len(lost):
        return sample
    gone = np.isin(sample.labels, lost)
    labels = np.where(gone, 0, sample.labels).astype(np.uint16)
    ignore = gone if sample.ignore is None else gone | sample.ignore
    return replace(sample, labels=labels, ignore=ignore, notes={**sample.notes, OUTSIDE: len(lost)})

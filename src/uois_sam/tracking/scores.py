"""Scores of tracking against the truth: IDF1, HOTA, id switches; and flicker, which needs no truth of ids.

IDF1 is of Ristani et al. (ECCV 2016), HOTA of Luiten et al. (IJCV 2021); both by IoU of masks. Id switches are CLEAR
MOT's (Bernardin and Stiefelhagen, 2008): times that an object is reported under another id than the last time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from uois_sam.types import BoolArray

Ids = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float64]
MATCHED_IOU = 0.5
"""IoU from which on an instance is an object, in IDF1 and id switches."""
ALPHAS = np.arange(0.05, 0.99, 0.05)
"""Thresholds that HOTA is averaged over."""


@dataclass(frozen=True)
class FrameMatch:
    """One frame: which objects there are, which instances were reported, and how they overlap."""

    true_ids: Ids
    """(G,) int64."""
    found_ids: Ids
    """(N,) int64."""
    iou: Counts
    """(G, N) float64."""


@dataclass(frozen=True)
class TrackingScores:
    """Scores of one video, or of several together. All but counts in [0, 1]."""

    idf1: float
    """Share of objects and instances that agree under the best one-to-one assignment of ids."""
    hota: float
    """Root of detection times association accuracy, averaged over thresholds of IoU."""
    deta: float
    """Detection accuracy, likewise averaged."""
    assa: float
    """Association accuracy, likewise averaged."""
    switches: int
    """Id switches."""
    recall: float
    """Share of objects that are found, with any id."""
    precision: float
    """Share of instances that are objects, with any id."""


def match_frame(true_masks: BoolArray, true_ids: Ids, found_masks: BoolArray, found_ids: Ids) -> FrameMatch:
    """Compare (G, H, W) true masks of a frame with (N, H, W) found ones."""
    pixels = true_masks.shape[1] * true_masks.shape[2]
    ours = true_masks.reshape(len(true_masks), pixels).astype(np.float32)
    theirs = found_masks.reshape(len(found_masks), pixels).astype(np.float32)
    inside = (ours @ theirs.T).astype(np.float64)
    union = ours.sum(axis=1, dtype=np.float64)[:, None] + theirs.sum(axis=1, dtype=np.float64)[None] - inside
    return FrameMatch(true_ids, found_ids, inside / np.maximum(union, 1))


def score(videos: Sequence[Sequence[FrameMatch]]) -> TrackingScores:
    """Score the frames of one or several videos; ids of one video mean nothing in another."""
    apart = [_apart(frames, number) for number, frames in enumerate(videos)]
    frames = [frame for video in apart for frame in video]
    true_index = _index([frame.true_ids for frame in frames])
    found_index = _index([frame.found_ids for frame in frames])
    detection, association, both = np.array([_hota_at(frames, true_index, found_index, a) for a in ALPHAS]).T
    true, found, matched, switches = _clear(frames)
    return TrackingScores(
        idf1=_idf1(frames, true_index, found_index),
        hota=float(both.mean()),
        deta=float(detection.mean()),
        assa=float(association.mean()),
        switches=switches,
        recall=matched / true if true else 1.0,
        precision=matched / found if found else 1.0,
    )


def flicker(before: BoolArray, after: BoolArray) -> float:
    """1 - IoU of the masks of one still object in two frames, each (H, W) bool; 0 where both are empty."""
    union = np.count_nonzero(before | after)
    return 1 - np.count_nonzero(before & after) / union if union else 0.0


def _apart(frames: Sequence[FrameMatch], number: int) -> list[FrameMatch]:
    shift = number << 32
    return [FrameMatch(each.true_ids + shift, each.found_ids + shift, each.iou) for each in frames]


def _index(ids: Sequence[Ids]) -> dict[int, int]:
    every = np.unique(np.concatenate([*ids, np.zeros(0, dtype=np.int64)]))
    return {int(value): place for place, value in enumerate(every)}


def _rows(ids: Ids, index: Mapping[int, int]) -> list[int]:
    return [index[int(value)] for value in ids]


def _paired(gain: Counts, allowed: BoolArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    rows, columns = linear_sum_assignment(np.where(allowed, gain, 0), maximize=True)
    kept = allowed[rows, columns]
    return rows[kept], columns[kept]


def _idf1(frames: Sequence[FrameMatch], true_index: Mapping[int, int], found_index: Mapping[int, int]) -> float:
    together = np.zeros((len(true_index), len(found_index)))
    for frame in frames:
        near = frame.iou >= MATCHED_IOU
        together[np.ix_(_rows(frame.true_ids, true_index), _rows(frame.found_ids, found_index))] += near
    rows, columns = linear_sum_assignment(together, maximize=True)
    total = sum(len(frame.true_ids) + len(frame.found_ids) for frame in frames)
    return float(2 * together[rows, columns].sum() / total) if total else 1.0


def _hota_at(
    frames: Sequence[FrameMatch], true_index: Mapping[int, int], found_index: Mapping[int, int], alpha: float
) -> tuple[float, float, float]:
    """DetA, AssA and HOTA at one threshold. Of the matches of a frame that are possible there, those are taken which
    agree with what the two ids have in common over the whole video: the paper's rule, by the sum that TrackEval takes.
    It matches once for all thresholds, and may be lower where a match that is none yet stands in another's way."""
    shared = np.zeros((len(true_index), len(found_index)))
    true_count, found_count = np.zeros(len(true_index)), np.zeros(len(found_index))
    places = [(_rows(f.true_ids, true_index), _rows(f.found_ids, found_index)) for f in frames]
    for frame, (rows, columns) in zip(frames, places, strict=True):
        around = frame.iou.sum(axis=0, keepdims=True) + frame.iou.sum(axis=1, keepdims=True) - frame.iou
        shared[np.ix_(rows, columns)] += np.where(around > 0, frame.iou / np.maximum(around, 1e-12), 0)
        true_count[rows] += 1
        found_count[columns] += 1
    alignment = shared / np.maximum(true_count[:, None] + found_count[None] - shared, 1e-12)
    matches = np.zeros_like(shared)
    for frame, (rows, columns) in zip(frames, places, strict=True):
        ours, theirs = _paired(alignment[np.ix_(rows, columns)] * frame.iou + 1e-9, frame.iou >= alpha - 1e-9)
        matches[np.array(rows, dtype=int)[ours], np.array(columns, dtype=int)[theirs]] += 1
    positives = matches.sum()
    missed, wrong = true_count.sum() - positives, found_count.sum() - positives
    if positives + missed + wrong == 0:
        return 1.0, 1.0, 1.0
    overlap = matches / np.maximum(true_count[:, None] + found_count[None] - matches, 1)
    detection = float(positives / (positives + missed + wrong))
    association = float((matches * overlap).sum() / max(positives, 1))
    return detection, association, float(np.sqrt(detection * association))


def _clear(frames: Sequence[FrameMatch]) -> tuple[int, int, int, int]:
    """Objects, instances, matches and id switches; a pair of the frame before stays one where it can."""
    last: dict[int, int] = {}
    true = found = matched = switches = 0
    for frame in frames:
        true, found = true + len(frame.true_ids), found + len(frame.found_ids)
        near = frame.iou >= MATCHED_IOU
        same = np.array([[last.get(int(t)) == int(f) for f in frame.found_ids] for t in frame.true_ids])
        gain = frame.iou + 2 * same.reshape(frame.iou.shape)
        for row, column in zip(*_paired(gain, near), strict=True):
            known, now = int(frame.true_ids[row]), int(frame.found_ids[column])
            switches += last.get(known, now) != now
            last[known] = now
            matched += 1
    return true, found, matched, switches

"""The tracker: instances of a frame in, the same with ids out."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from uois_sam.errors import count
from uois_sam.geometry import mask_bounds
from uois_sam.instances import Instances
from uois_sam.tracking.camera import Camera
from uois_sam.tracking.config import TrackerConfig
from uois_sam.tracking.likeness import likenesses, overlaps, within_reach
from uois_sam.tracking.matching import Array, assign, stride_of, thinned
from uois_sam.tracking.motion import Motion
from uois_sam.tracking.track import Track
from uois_sam.tracking.votes import slices, window_of
from uois_sam.types import BoolArray, FloatArray

COVERED = 0.5
"""Share of a held mask that others may cover for it to be reported."""
SAME_VIEW = 0.01
"""Share by which the proportions of frames of two sizes may differ for them to show the same view."""
SURE = 0.5
"""Overlap from which on an object may change its look from one frame to the next: what comes before it may not."""
JITTER_PX = 0.5
"""Speed that the outline of a resting object seems to have."""


class Frame(Protocol):
    """A photo after the encoder, as :class:`uois_sam.pipeline.EncodedImage`."""

    def embeddings(self, masks: BoolArray) -> FloatArray:
        """(N, H, W) bool masks to (N, C) float32 embeddings of unit length."""
        ...


class Tracker:
    """Gives the objects of a video ids that stay. Holds the state of one video; call :meth:`update` frame by frame.

    Masks and boxes are matched after a shift by constant velocity, together with what objects look like to the model's
    encoder; what was lost is known again by its look and place. The outline of a still object is voted on by its
    frames, and one that is missed in a frame or two is held where it was. Memory is bounded by the number of objects
    found in ``lost_frames`` frames.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.frames = 0
        """Frames seen so far."""
        self.born = 0
        """Ids given so far; the next is one more."""
        self._tracks: list[Track] = []
        self._motion = Motion()
        self._camera = Camera()
        self._image_hw: tuple[int, int] | None = None

    def __len__(self) -> int:
        """Objects that are remembered, found in the last frame or not."""
        return len(self._tracks)

    def update(self, found: Instances, frame: Frame | None = None) -> Instances:
        """Take in the next frame, of which instances were found already.

        Args:
            found: instances of the frame, without ids; where they come with their photo, it says how the camera moves.
            frame: the encoded photo they were found in, from which their look is taken; without, place alone counts.

        Returns:
            The instances that have an id by now, best first, with ``ids``, outlines of still objects voted on, and held
            ones. Notes say what was left out, held, or begun anew: where frames change their size, ids go on if the
            proportions stay, and begin anew otherwise.
        """
        notes = list(found.notes)
        small = thinned(found.masks)
        fresh = self._follow_size(found.image_hw, small.shape[1:], notes)
        self._move(found)
        self._motion.step(np.array([track.lost == 0 for track in self._tracks], dtype=np.bool_))
        looks = None if frame is None else frame.embeddings(found.masks)
        pairs, overlap = self._pairs(found, small, looks)
        self._take_in(found, small, looks, pairs, overlap)
        born = self._begin(found, small, looks, sorted(set(range(len(found))) - set(pairs)))
        self._miss(set(pairs.values()) | set(born.values()))
        self.frames += 1
        self._name({**pairs, **born}, 1 if fresh else self.config.confirm_frames)
        return self._report(found, {**pairs, **born}, notes)

    def _follow_size(self, image_hw: tuple[int, int], grid_hw: tuple[int, ...], notes: list[str]) -> bool:
        """Bring what is known to the frames' size, or forget it with their proportions; return whether all is new."""
        before, self._image_hw = self._image_hw, image_hw
        if before == image_hw or before is None:
            return before is None
        change = f"the frames are {image_hw[1]}x{image_hw[0]} from here on"
        if not same_view(before, image_hw):
            notes.append(f"new ids: {change}; nothing before is known again")
            self._tracks, self._motion = [], Motion()
            return True
        notes.append(f"another size: {change}; ids go on")
        zoom_xy = image_hw[1] / before[1], image_hw[0] / before[0]
        self._motion.scale(zoom_xy)
        for track in self._tracks:
            track.scale(zoom_xy, (grid_hw[0], grid_hw[1]), image_hw)
        return False

    def _move(self, found: Instances) -> None:
        """Move what is known along with the camera."""
        shift = self._camera.see(found.image) if self.config.camera else None
        if shift is not None:
            self._motion.follow(shift)
            for track in self._tracks:
                track.move(shift, stride_of(found.image_hw), found.image_hw)

    def _pairs(self, found: Instances, small: BoolArray, looks: FloatArray | None) -> tuple[dict[int, int], Array]:
        """Index of an instance to that of its track, and (N, T) how well each goes on with each."""
        if not self._tracks or not len(found):
            return {}, np.zeros((len(found), len(self._tracks)), dtype=np.float32)
        config = self.config
        overlap = overlaps(small, stride_of(found.image_hw), found.boxes, self._tracks, self._motion)
        likeness = likenesses(looks, self._tracks, len(found))
        known = np.isfinite(likeness)
        alike = np.where(known, likeness, 0).clip(0, 1)
        weight = np.where(known, config.likeness_weight, 0)
        similarity = ((1 - weight) * overlap + weight * alike).astype(np.float32)
        lasting = np.array([track.lost == 0 for track in self._tracks])
        near = overlap >= config.min_overlap
        unlike = known & (likeness < config.min_likeness / 2)
        again = (
            known & (likeness >= config.min_likeness) & within_reach(found.boxes, self._tracks, self._motion, config)
        )
        pairs: dict[int, int] = {}
        for allowed in (near & lasting & ~(unlike & (overlap < SURE)), (near & ~unlike) | again):
            left = allowed.copy()
            left[list(pairs)] = False
            left[:, list(pairs.values())] = False
            pairs |= dict(assign(similarity, left))
        return pairs, overlap

    def _take_in(
        self, found: Instances, small: BoolArray, looks: FloatArray | None, pairs: dict[int, int], overlap: Array
    ) -> None:
        if not pairs:
            return
        rows = np.array(list(pairs.values()), dtype=np.intp)
        self._motion.correct(rows, found.boxes[list(pairs)])
        speed = np.abs(self._motion.speed[:, :2]).max(axis=1, initial=0)
        still = speed <= self.config.still * self._motion.size + JITTER_PX
        for index, row in pairs.items():
            look, vote = None if looks is None else looks[index], self.config.vote if still[row] else 1.0
            self._tracks[row].see(found, index, small[index], look, vote, float(overlap[index, row]))

    def _begin(self, found: Instances, small: BoolArray, looks: FloatArray | None, new: list[int]) -> dict[int, int]:
        """Begin tracks for instances that are none of the known ones."""
        born = [index for index in new if found.scores[index] >= self.config.birth_score]
        begun = {index: len(self._tracks) + place for place, index in enumerate(born)}
        if born:
            self._motion.add(found.boxes[born])
            self._tracks += [
                Track(found, index, small[index], None if looks is None else looks[index]) for index in born
            ]
        return begun

    def _miss(self, seen: set[int]) -> None:
        """Count frames in which a track was not seen."""
        for row, track in enumerate(self._tracks):
            if row not in seen:
                track.miss()

    def _name(self, rows: dict[int, int], hits: int) -> None:
        """Give ids to tracks that were found often enough, best first."""
        for index in sorted(rows):
            track = self._tracks[rows[index]]
            if track.id == 0 and track.hits >= hits:
                self.born += 1
                track.id = self.born

    def _report(self, found: Instances, rows: dict[int, int], notes: list[str]) -> Instances:
        named = [index for index in sorted(rows) if self._tracks[rows[index]].id]
        shown = [index for index in named if self._tracks[rows[index]].standing >= self.config.show_standing]
        for index in named:
            self._tracks[rows[index]].shown = index in shown
        if doubtful := len(named) - len(shown):
            notes.append(f"doubtful: {count(doubtful, 'object')} left out that come and go or change (show_standing)")
        if waiting := len(found) - len(named):
            notes.append(f"no id yet: {count(waiting, 'object')} left out until found in more frames (confirm_frames)")
        boxes = found.boxes[shown]
        masks = np.zeros((len(shown), *found.image_hw), dtype=np.bool_)
        for place, index in enumerate(shown):
            votes = self._tracks[rows[index]].voted()
            box = None if votes is None else votes.box()
            if votes is not None and box is not None:
                masks[place][votes.slices] = votes.inside
                boxes[place] = box
            else:
                window = slices(window_of(boxes[place]))
                masks[place][window] = found.masks[index][window]
        ids = np.array([self._tracks[rows[index]].id for index in shown], dtype=np.int64)
        scores, points = found.scores[shown], found.points[shown]
        result = replace(found, masks=masks, boxes=boxes, scores=scores, points=points, ids=ids)
        result = self._with_held(result, found.masks, notes)
        self._drop()
        return replace(result, notes=tuple(notes))

    def _with_held(self, shown: Instances, taken: BoolArray, notes: list[str]) -> Instances:
        """Add still objects that were missed in this frame, where none of its masks, (N, H, W) bool, is."""
        held: list[tuple[Track, BoolArray]] = []
        for track in self._tracks:
            if not (track.shown and track.still and 0 < track.lost <= self.config.hold_frames):
                continue
            inside, window = track.votes.inside, track.votes.slices
            free = inside & ~taken[:, window[0], window[1]].any(axis=0)
            if 0 < np.count_nonzero(inside) <= np.count_nonzero(free) / (1 - COVERED):
                mask = np.zeros(shown.image_hw, dtype=np.bool_)
                mask[window] = free
                held.append((track, mask))
        if not held:
            return shown
        assert shown.ids is not None
        notes.append(f"held: {count(len(held), 'object')} not found in this frame, shown where last seen (hold_frames)")
        result = replace(
            shown,
            masks=np.concatenate([shown.masks, [mask for _, mask in held]]),
            scores=np.concatenate([shown.scores, np.array([track.score for track, _ in held], dtype=np.float32)]),
            boxes=np.concatenate([shown.boxes, np.array([mask_bounds(mask) for _, mask in held], dtype=np.float32)]),
            points=np.concatenate([shown.points, np.array([track.point for track, _ in held], dtype=np.float32)]),
            ids=np.concatenate([shown.ids, np.array([track.id for track, _ in held], dtype=np.int64)]),
        )
        order: npt.NDArray[np.intp] = np.argsort(-result.scores, kind="stable")
        return result[order]

    def _drop(self) -> None:
        """End tracks that were lost for too long; those that never got an id with the first frame without them."""
        most = self.config.lost_frames
        kept = np.array([track.lost <= (most if track.id else 0) for track in self._tracks], dtype=np.bool_)
        if not kept.all():
            self._tracks = [track for track, stays in zip(self._tracks, kept, strict=True) if stays]
            self._motion.keep(kept)


def same_view(before_hw: tuple[int, int], now_hw: tuple[int, int]) -> bool:
    """Whether frames of two sizes have the same proportions, so that things are where they were, but for the scale."""
    return abs(before_hw[1] * now_hw[0] / (before_hw[0] * now_hw[1]) - 1) <= SAME_VIEW

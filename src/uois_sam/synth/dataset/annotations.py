"""Annotations of finished scenes: the lines of ``scenes.jsonl``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

from msgspec import Meta

from uois_sam.errors import DatasetError
from uois_sam.io.json_files import parse_json
from uois_sam.synth.rendering.ground_truth import GroundTruth
from uois_sam.synth.rendering.pinhole import camera_from_world, intrinsics, world_from_object
from uois_sam.synth.scene import Scene, scene_from
from uois_sam.validation import validated

Matrix = tuple[tuple[float, ...], ...]
Row3 = Annotated[tuple[float, ...], Meta(min_length=3, max_length=3)]
Row4 = Annotated[tuple[float, ...], Meta(min_length=4, max_length=4)]
Matrix33 = Annotated[tuple[Row3, ...], Meta(min_length=3, max_length=3)]
Matrix44 = Annotated[tuple[Row4, ...], Meta(min_length=4, max_length=4)]
Pixels = Annotated[int, Meta(ge=1, le=10**9)]
Side = Annotated[int, Meta(ge=1, le=20_000)]


@dataclass(frozen=True)
class LabelledObject:
    """An object that has a label in the label map."""

    label: Annotated[int, Meta(ge=1, le=65535)]
    """Value in the label map: 1 + its index in ``scene.objects``."""
    family: str
    world_from_object: Matrix44
    """(4, 4): object coordinates to world coordinates, metres."""
    visible_px: Pixels
    """Number of labelled pixels."""
    amodal_px: Pixels
    """Number of pixels within the frame if nothing occluded it."""
    whole_px: Pixels
    """As ``amodal_px``, with one frame beyond every border included."""
    whole_box: Annotated[tuple[int, ...], Meta(min_length=4, max_length=4)]
    """Box around those pixels, xyxy, ends excluded."""

    @property
    def visible_fraction(self) -> float:
        """Share of its amodal pixels within the frame that is visible, in (0, 1]."""
        return self.visible_px / self.amodal_px


_OBJECT_FIELDS = tuple(each.name for each in fields(LabelledObject))


@dataclass(frozen=True)
class SceneAnnotation:
    """Labels, geometry and description of one finished scene."""

    index: Annotated[int, Meta(ge=0, le=10**9)]
    size_hw: tuple[Side, Side]
    """Rows and columns of the picture."""
    intrinsics: Matrix33
    """(3, 3) K in pixels; pixel centres are at integer coordinates."""
    camera_from_world: Matrix44
    """(4, 4): world coordinates to camera coordinates (x right, y down, z forward), metres."""
    objects: tuple[LabelledObject, ...]
    """Labelled objects: all but slivers."""
    slivers: int
    """Number of objects too little of which is visible to be labelled."""
    redraws: dict[str, int]
    """Reason -> number of discarded attempts."""
    scene: Scene

    def to_json(self) -> str:
        """Return one line of JSON; :meth:`from_json` reads it back unchanged."""
        values = {key: value for key, value in vars(self).items() if key not in ("objects", "scene")}
        objects = [{**asdict(one), "visible_fraction": round(one.visible_fraction, 4)} for one in self.objects]
        return json.dumps({**values, "objects": objects, "scene": json.loads(self.scene.to_json())})

    @classmethod
    def from_json(cls, line: str) -> SceneAnnotation:
        """Rebuild an annotation from :meth:`to_json`'s line.

        Raises:
            DatasetError: if it is none.
        """
        return cls.from_plain(parse_json(line, where="a scene's line", error=DatasetError))

    @classmethod
    def from_plain(cls, values: Any) -> SceneAnnotation:
        """Rebuild an annotation from what its JSON holds.

        Raises:
            DatasetError: if it is none.
        """
        validated(values, SceneAnnotation, "annotation", DatasetError)
        known = [{name: one[name] for name in _OBJECT_FIELDS} for one in values["objects"]]
        if any(one["label"] > len(values["scene"]["objects"]) for one in known):
            raise DatasetError("annotation: expected labels of objects in the scene, found others")
        objects = tuple(
            LabelledObject(**{**one, "world_from_object": _matrix(one["world_from_object"]),
                              "whole_box": tuple(one["whole_box"])})
            for one in known
        )  # fmt: skip
        return cls(
            index=values["index"], size_hw=tuple(values["size_hw"]), intrinsics=_matrix(values["intrinsics"]),
            camera_from_world=_matrix(values["camera_from_world"]), objects=objects, slivers=values["slivers"],
            redraws=values["redraws"], scene=scene_from(values["scene"]),
        )  # fmt: skip


def annotate(index: int, scene: Scene, truth: GroundTruth, redraws: dict[str, int]) -> SceneAnnotation:
    """Annotate a rendered scene."""
    size_hw = truth.labels.shape
    visible, amodal = truth.visible_px.tolist(), truth.amodal_px.tolist()
    objects = tuple(
        LabelledObject(
            label=k + 1,
            family=spec.family,
            world_from_object=_matrix(world_from_object(spec.pose).tolist()),
            visible_px=visible[k],
            amodal_px=amodal[k],
            whole_px=int(truth.whole_px[k]),
            whole_box=tuple(truth.whole_boxes[k].tolist()),
        )
        for k, spec in enumerate(scene.objects)
        if visible[k]
    )
    return SceneAnnotation(
        index=index,
        size_hw=(size_hw[0], size_hw[1]),
        intrinsics=_matrix(intrinsics(scene.camera, (size_hw[0], size_hw[1])).tolist()),
        camera_from_world=_matrix(camera_from_world(scene.camera).tolist()),
        objects=objects,
        slivers=len(scene.objects) - len(objects),
        redraws=redraws,
        scene=scene,
    )


def _matrix(rows: list[list[float]]) -> Matrix:
    return tuple(tuple(row) for row in rows)

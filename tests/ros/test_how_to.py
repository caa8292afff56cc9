"""The steps of the how-to from a bag to MoveIt, run as they stand there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rosbags import rosbag2

import uois_sam
from bags import raw
from uois_sam.ros.types import empty_message, ros2_types

ROOT = Path(uois_sam.__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "grasp-planner.md"
F, DEPTH_MM = 500.0, 600


def write_scene(path: Path) -> None:
    """A bag with a photo, depth of one plane in millimetres, and intrinsics."""
    photo = np.asarray(Image.open(ROOT / "examples" / "coffee.jpg").convert("RGB"))
    height, width = photo.shape[:2]
    store = ros2_types()
    depth = raw(np.full((height, width), DEPTH_MM, "<u2"), "16UC1")
    k = np.array([F, 0, width / 2, 0, F, height / 2, 0, 0, 1])
    topics: dict[str, tuple[str, Any]] = {
        "/camera/color/image_raw": ("sensor_msgs/msg/Image", raw(photo)),
        "/camera/aligned_depth_to_color/image_raw": ("sensor_msgs/msg/Image", depth),
        "/camera/color/camera_info": ("sensor_msgs/msg/CameraInfo", SimpleNamespace(k=k)),
    }
    with rosbag2.Writer(path.with_suffix(""), version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        for topic, (kind, fields) in topics.items():
            message = empty_message(store, kind)
            message.header.frame_id = "camera_optical"
            for name, value in vars(fields).items():
                setattr(message, name, value)
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, 5, store.serialize_cdr(message, kind))
    next(path.with_suffix("").glob("*.mcap")).rename(path)


def moveit() -> dict[str, ModuleType]:
    """Doubles with the fields of the messages, which take no others."""
    fields = {
        "geometry_msgs": {"Pose": ("position", "orientation")},
        "shape_msgs": {"SolidPrimitive": ("type", "dimensions", "polygon")},
        "moveit_msgs": {"CollisionObject": ("header", "pose", "id", "type", "primitives", "primitive_poses", "meshes",
                                            "mesh_poses", "planes", "plane_poses", "subframe_names", "subframe_poses",
                                            "operation")},
    }  # fmt: skip

    def make(names: tuple[str, ...]) -> type:
        class Double:
            __slots__ = names
            BOX, ADD = 1, b"\x00"

            def __init__(self, **given: Any) -> None:
                for name in ("position", "orientation", "header"):
                    if name in names:
                        setattr(self, name, SimpleNamespace())
                for name, value in given.items():
                    setattr(self, name, value)

        return Double

    found = {}
    for package, messages in fields.items():
        found[package], found[f"{package}.msg"] = ModuleType(package), ModuleType(f"{package}.msg")
        for name, names in messages.items():
            setattr(found[f"{package}.msg"], name, make(names))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not PAGE.exists(), reason="docs/ is not beside these tests")
def test_from_a_bag_to_moveit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scene(tmp_path / "scene.mcap")
    monkeypatch.chdir(tmp_path)
    for name, module in moveit().items():
        monkeypatch.setitem(sys.modules, name, module)
    section = PAGE.read_text(encoding="utf-8").partition("## From a bag to MoveIt")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, flags=re.S)
    assert len(blocks) == 3
    found: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), found)
    instances, clouds, boxes, scene = (found[name] for name in ("instances", "clouds", "boxes", "scene"))
    assert len(instances) >= 3 and len(scene) == len(clouds) >= 3
    for label, points in clouds.items():
        assert np.all(points[:, 2] == DEPTH_MM / 1000)
        left, _, right, _ = instances[label - 1].box.tolist()
        spans = (right - left) * DEPTH_MM / 1000 / F
        assert 0.5 * spans < boxes[label][1][0] - boxes[label][0][0] <= spans
    for added in scene:
        assert added.header.frame_id == "camera_optical" and len(added.primitives[0].dimensions) == 3
        assert added.primitives[0].dimensions[2] == 0.005  # a plane has no thickness of its own
        assert added.primitive_poses[0].position.z == pytest.approx(DEPTH_MM / 1000)

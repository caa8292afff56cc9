"""Users' own meshes as families: units, colours, pieces, and files that cannot be used."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.synth.assets import user_meshes
from uois_sam.synth.assets.families import Family, Part, collision_pieces, make_parts, mesh_points
from uois_sam.synth.assets.user_meshes import load_meshes

trimesh = pytest.importorskip("trimesh")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "meshes"
    path.mkdir()
    return path


def parts(family: Family) -> tuple[Part, ...]:
    return make_parts(family, 0)


def size(family: Family) -> np.ndarray:
    return np.ptp(mesh_points(parts(family)), axis=0)


def test_meshes_of_four_formats_become_families(folder: Path, cache: Path) -> None:
    for suffix in ("obj", "ply", "glb", "stl"):
        trimesh.creation.box((0.1, 0.06, 0.04)).export(folder / f"box_{suffix}.{suffix}")
    families = load_meshes(folder, cache=cache)
    assert list(families) == ["mesh/box_glb", "mesh/box_obj", "mesh/box_ply", "mesh/box_stl"]
    for name, family in families.items():
        wanted = (0.1, 0.04, 0.06) if name.endswith("glb") else (0.1, 0.06, 0.04)  # glTF's y points up
        assert size(family) == pytest.approx(wanted, abs=1e-6)
        assert mesh_points(parts(family))[:, 2].min() == pytest.approx(0, abs=1e-9)
        assert len(collision_pieces(parts(family))) == 1


def test_a_ring_is_cut_into_pieces_that_leave_its_hole_open_and_only_once(folder: Path, cache: Path) -> None:
    trimesh.creation.annulus(0.03, 0.05, 0.02, sections=12).export(folder / "ring.stl")
    (family,) = load_meshes(folder, cache=cache).values()
    pieces = collision_pieces(parts(family))
    assert len(pieces) >= 4
    centre = np.array([0.0, 0.0, 0.01])
    for piece in pieces:
        assert not trimesh.Trimesh(piece, []).convex_hull.contains([centre]).any()
    (kept,) = cache.iterdir()
    stamp = kept.stat().st_mtime_ns
    (doubled,) = load_meshes(folder, 2.0, cache=cache).values()
    assert kept.stat().st_mtime_ns == stamp
    assert collision_pieces(parts(doubled))[0] == pytest.approx(2 * pieces[0], rel=1e-12)
    assert sorted(p.name for p in folder.iterdir()) == ["ring.stl"], "nothing is written beside the user's files"


def test_a_broken_cache_file_is_made_again(folder: Path, cache: Path) -> None:
    trimesh.creation.box((0.1, 0.06, 0.04)).export(folder / "box.stl")
    load_meshes(folder, cache=cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(b"torn")
    (family,) = load_meshes(folder, cache=cache).values()
    assert len(collision_pieces(parts(family))) == 1


def test_millimetres_are_recognised_and_told(folder: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    trimesh.creation.box((120, 60, 40)).export(folder / "box.stl")
    with caplog.at_level(logging.WARNING):
        (family,) = load_meshes(folder, cache=cache).values()
    assert "taken as millimetres (--mesh-scale 0.001)" in caplog.text
    assert size(family).max() == pytest.approx(0.12)


def test_a_given_scale_is_taken_as_it_is(folder: Path, cache: Path) -> None:
    trimesh.creation.box((12, 6, 4)).export(folder / "box.stl")
    (family,) = load_meshes(folder, 0.02, cache=cache).values()
    assert size(family).max() == pytest.approx(0.24)


def test_textures_and_colours_are_kept(folder: Path, cache: Path) -> None:
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    painted = box.copy()
    painted.visual.face_colors = [[250, 10, 20, 255]] * 6 + [[10, 200, 30, 255]] * 6
    painted.export(folder / "painted.ply")
    picture = Image.new("RGB", (8, 8), (30, 60, 90))
    visual = trimesh.visual.TextureVisuals(uv=box.vertices[:, :2] * 10 % 1, image=picture)
    trimesh.Trimesh(box.vertices, box.faces, visual=visual, process=False).export(folder / "textured.glb")
    box.export(folder / "plain.stl")
    families = load_meshes(folder, cache=cache)
    (textured,), (plain,) = parts(families["mesh/textured"]), parts(families["mesh/plain"])
    assert textured.picture is not None and tuple(textured.picture[0, 0]) == (30, 60, 90)
    assert plain.picture is None
    (part,) = parts(families["mesh/painted"])
    assert part.picture is not None
    height, width = part.picture.shape[:2]
    columns = (part.mesh.uv[:, 0] * width).astype(int)
    rows = height - 1 - (part.mesh.uv[:, 1] * height).astype(int)
    seen = {tuple(colour) for colour in part.picture[rows, columns].tolist()}
    assert seen == {(250, 10, 20), (10, 200, 30)}


def test_bad_files_are_told_and_left_out(folder: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    trimesh.creation.box((0.1, 0.06, 0.04)).export(folder / "good.stl")
    trimesh.creation.box((0.1, 0.06, 0.04)).export(folder / "good.ply")
    (folder / "torn.glb").write_bytes(b"glTF\x02\x00")
    (folder / "empty.obj").write_text("")
    (folder / "flat.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    trimesh.creation.box((0.001, 0.001, 0.001)).export(folder / "speck.stl")
    with caplog.at_level(logging.WARNING):
        assert list(load_meshes(folder, cache=cache)) == ["mesh/good"]
    for name in ("torn.glb", "empty.obj", "flat.obj", "speck.stl", "good.stl"):
        assert f"{name}:" in caplog.text


@pytest.mark.parametrize(
    ("scale", "message"), [(0.0, "above 0"), (float("nan"), "above 0"), (1.0, "none that can be used")]
)
def test_nothing_to_use_is_an_error(folder: Path, scale: float, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_meshes(folder, scale)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found nothing"):
        load_meshes(tmp_path / "nowhere")


def test_meshes_of_no_tabletop_size_are_an_error(folder: Path, cache: Path) -> None:
    trimesh.creation.box((0.001, 0.001, 0.001)).export(folder / "speck.stl")
    with pytest.raises(DatasetError, match="--mesh-scale"):
        load_meshes(folder, cache=cache)


def test_the_cache_lies_in_the_user_s_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_meshes._cache_folder() == tmp_path / "uois-sam" / "pieces"

"""Users' own meshes as families: units, colours, pieces, and files that cannot be used."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.synth.assets import convex_pieces, user_meshes
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


CUBE_FACES = ("132", "143", "567", "578", "126", "165", "237", "276", "348", "387", "415", "458")
CUBE = (
    "v 0 0 0\nv .1 0 0\nv .1 .1 0\nv 0 .1 0\nv 0 0 .1\nv .1 0 .1\nv .1 .1 .1\nv 0 .1 .1\nvt 0 0\nvt 1 0\nvt 1 1\n"
    + "".join(f"f {a}/1 {b}/2 {c}/3\n" for a, b, c in CUBE_FACES)
)


def drawn(folder: Path, cache: Path, name: str) -> Any:
    return load_meshes(folder, cache=cache)[f"mesh/{name}"].draw(np.random.default_rng(0))[0]


def test_coordinates_of_a_texture_that_is_not_there_leave_a_drawn_surface(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.obj").write_text(CUBE)
    assert drawn(tmp_path, cache, "a").picture is None


@pytest.mark.parametrize("line", ["map_Ka wood.png", "map_Kd maps\\wood.png", "map_Kd C:\\work\\wood.png"])
def test_textures_under_other_names_are_found(tmp_path: Path, cache: Path, line: str) -> None:
    (tmp_path / "maps").mkdir()
    for folder in (tmp_path, tmp_path / "maps"):
        Image.new("RGB", (8, 8), (200, 90, 10)).save(folder / "wood.png")
    (tmp_path / "a.mtl").write_text(f"newmtl m\n{line}\n")
    (tmp_path / "a.obj").write_text("mtllib a.mtl\n" + CUBE.replace("f 1/1", "usemtl m\nf 1/1", 1))
    picture = drawn(tmp_path, cache, "a").picture
    assert picture is not None and picture[0, 0].tolist() == [200, 90, 10]


def test_what_cannot_be_read_is_named(tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.mtl").write_text("newmtl m\nmap_Kd pipe.png\n")
    (tmp_path / "a.obj").write_text("mtllib a.mtl\n" + CUBE.replace("f 1/1", "usemtl m\nf 1/1", 1))
    (tmp_path / "part.step").write_text("ISO-10303-21;")
    os.mkfifo(tmp_path / "pipe.png")
    assert list(load_meshes(tmp_path, cache=cache)) == ["mesh/a"]
    assert "without pipe.png, which cannot be read as material or texture" in caplog.text
    assert "part.step: .step is not read; export it as one of .obj" in caplog.text


def test_a_mesh_in_another_unit_than_the_rest(tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in "abc":
        (tmp_path / f"{name}.obj").write_text(CUBE)
    (tmp_path / "d.obj").write_text(CUBE.replace(".1", "194"))
    assert len(load_meshes(tmp_path, cache=cache)) == 4
    assert "d.obj: 194 units long; taken as millimetres, unlike the rest" in caplog.text


def test_a_decomposition_without_end_becomes_one_hull(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convex_pieces, "SECONDS", 0.01)
    (tmp_path / "open.obj").write_text(CUBE.rsplit("f", 2)[0])
    (piece,) = drawn(tmp_path, cache, "open").pieces
    assert len(piece) == 8
    assert "open.obj: no convex pieces found" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="a named pipe, which keeps the process waiting")
def test_a_decomposition_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    pytest.importorskip("coacd")
    os.mkfifo(tmp_path / "in.npz")
    code = (
        "import subprocess, sys\n"
        f"command = [sys.executable, '-m', {convex_pieces.__name__!r}, 'in.npz', 'out.npz']\n"
        "print(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr).pid, flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=tmp_path, text=True) as asking:
        assert asking.stdin is not None and asking.stdout is not None
        asked = int(asking.stdout.readline())
        held = os.open(tmp_path / "in.npz", os.O_WRONLY)  # once it waits for its mesh
        asking.kill()
        asking.wait()
        began = time.monotonic()
        while time.monotonic() - began < 20 and _runs(asked):
            time.sleep(0.05)
        assert not _runs(asked)
        os.close(held)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{process}/stat").exists() or " Z " not in Path(f"/proc/{process}/stat").read_text()


def glb(folder: Path, **textures: bytes | None) -> Path:
    """A GLB of one box a texture, each with coordinates, and a box of a plain colour."""
    scene = trimesh.Scene()
    for k, (name, content) in enumerate(textures.items()):
        box = trimesh.creation.box((0.04, 0.04, 0.04), transform=trimesh.transformations.translation_matrix((k, 0, 0)))
        image = Image.open(io.BytesIO(content)) if content is not None else None
        material = trimesh.visual.material.PBRMaterial(name=name, baseColorTexture=image)
        box.visual = trimesh.visual.TextureVisuals(uv=box.vertices[:, :2] % 1, material=material)
        scene.add_geometry(box)
    path = folder / "boxes.glb"
    path.write_bytes(scene.export(file_type="glb"))
    return path


def png(colour: tuple[int, int, int], side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_parts_of_a_glb_have_their_own_texture_or_a_drawn_surface(folder: Path, cache: Path) -> None:
    glb(folder, red=png((200, 10, 20)), none=None, green=png((10, 200, 20)))
    found = load_meshes(folder, 0.1, cache=cache)["mesh/boxes"].draw(np.random.default_rng(0))
    corners = [None if part.picture is None else tuple(part.picture[0, 0].tolist()) for part in found]
    assert sorted(corners, key=str) == [(10, 200, 20), (200, 10, 20), None]


def test_pictures_inside_a_glb_are_of_the_formats_we_name(
    folder: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture = png((200, 10, 20), 64)
    path = glb(folder, one=picture)
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    path.write_bytes(path.read_bytes().replace(picture, postscript.ljust(len(picture), b"\n")))
    (folder / "cube.obj").write_text("mtllib cube.mtl\n" + CUBE.replace("f 1/1", "usemtl m\nf 1/1", 1))
    (folder / "cube.mtl").write_text("newmtl m\nmap_Kd wood.eps\n")
    (folder / "wood.eps").write_bytes(postscript)
    assert list(load_meshes(folder, cache=cache)) == ["mesh/cube"]
    assert "boxes.glb: cannot identify image file" in caplog.text
    assert "cube.obj: without wood.eps, which cannot be read" in caplog.text

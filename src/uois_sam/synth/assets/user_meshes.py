"""A user's own meshes as object families ``mesh/<name>``: read by trimesh, decomposed into convex pieces by CoACD.

Decomposing takes seconds a mesh and is done once: pieces are cached, and nothing is written beside the user's files.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from uois_sam.errors import DatasetError, MissingExtraError, OutputError
from uois_sam.io.files import regular_size, write_atomically
from uois_sam.synth.assets.convex_pieces import MOST_PIECES, SECONDS, convex_pieces
from uois_sam.synth.assets.families import Draw, Family, Part
from uois_sam.synth.assets.mesh_files import LARGEST_FILE, UNREAD_SUFFIXES, check_glb, resolver
from uois_sam.synth.assets.meshes import Array, Mesh
from uois_sam.synth.assets.solids import faceted
from uois_sam.synth.assets.user_files import warn, warn_skipped

SUFFIXES = (".obj", ".ply", ".glb", ".stl")
PREFIX = "mesh/"
SIZE_M = (0.005, 0.6)
"""Bounds of the longest side of a tabletop object."""
LIKELY_SIZE_M = (0.03, 0.4)
UNITS = {0.001: "millimetres", 0.01: "centimetres", 0.0254: "inches"}
"""Units tried, in this order, if the meshes are too large in metres."""
MOST_FACES = 400_000
MOST_PARTS = 12
CONVEX_SHARE = 0.97
"""Share of its convex hull from which on a mesh collides as the hull."""
LARGEST_TEXTURE = 1024


@dataclass(frozen=True)
class _Loaded:
    """A mesh in the units of its file."""

    path: Path
    parts: tuple[Part, ...]

    @property
    def points(self) -> Array:
        return np.concatenate([part.mesh.vertices for part in self.parts])

    @property
    def size(self) -> float:
        """Longest side of the bounding box."""
        return float(np.ptp(self.points, axis=0).max())


def load_meshes(folder: str | os.PathLike[str], scale: float = 1.0, cache: Path | None = None) -> dict[str, Family]:
    """Return the meshes of a folder, and of folders in it, as families ``mesh/<name>`` in alphabetical order.

    OBJ, PLY and STL files are taken as z up, GLB as y up. Textures and colours of the files are kept; parts without
    any are given a drawn surface. Files that cannot be used are logged, with the reason, and left out.

    Args:
        folder: where the meshes are.
        scale: metres that one unit of the files stands for. At 1, files that would be larger than any tabletop object
            are taken as millimetres, centimetres or inches, whichever fits; the choice is logged.
        cache: where convex pieces are kept; default: ``uois-sam/pieces`` in the user's cache folder.

    Raises:
        DatasetError: if there is no such folder, the scale is not positive, or no mesh can be used.
        MissingExtraError: if trimesh or coacd is not installed.
    """
    folder = Path(folder)
    if not (np.isfinite(scale) and scale > 0):
        raise DatasetError(f"expected a mesh scale above 0, got {scale}")
    if not os.path.isdir(folder):
        found = "a file" if os.path.exists(folder) else "nothing"
        raise DatasetError(f"{folder}: expected a folder of meshes, found {found}")
    loaded = _read_all(folder)
    if not loaded:
        raise DatasetError(f"{folder}: expected meshes ({', '.join(SUFFIXES)}), found none that can be used")
    whole = _unit(folder, list(loaded.values()), scale)
    families = {}
    for name, item in loaded.items():
        unit = _unit_of(item, whole, scale)
        if not SIZE_M[0] <= item.size * unit <= SIZE_M[1]:
            length = f"{item.size * unit:.3g} m long, expected {SIZE_M[0]} to {SIZE_M[1]} m"
            warn_skipped(item.path, f"{length}; --mesh-scale?")
            continue
        pieces = _pieces(item, cache or _cache_folder())
        families[name] = Family(_drawer(item, pieces, unit), "mesh", upright=0.5)
    if not families:
        raise DatasetError(
            f"{folder}: expected meshes of a tabletop object's size, found none among {len(loaded)}; --mesh-scale?"
        )
    return families


def _read_all(folder: Path) -> dict[str, _Loaded]:
    trimesh = _trimesh()
    loaded: dict[str, _Loaded] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in UNREAD_SUFFIXES):
        warn_skipped(path, f"{path.suffix} is not read; export it as one of {', '.join(SUFFIXES)}")
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        name = PREFIX + path.relative_to(folder).with_suffix("").as_posix()
        if name in loaded:
            warn_skipped(path, f"{loaded[name].path.name} has the same name")
            continue
        try:
            loaded[name] = _Loaded(path, _read(trimesh, path))
        except Exception as error:  # a reader of foreign files may raise anything
            warn_skipped(path, error)
    return loaded


def _trimesh() -> Any:
    try:
        import trimesh
    except ImportError as error:
        raise MissingExtraError("reading meshes", "synth", "trimesh") from error
    return trimesh


def _read(trimesh: Any, path: Path) -> tuple[Part, ...]:
    if (size := regular_size(path)) > LARGEST_FILE:
        raise ValueError(f"expected at most {LARGEST_FILE} bytes, found {size}")
    if path.suffix.lower() == ".glb":
        check_glb(path.read_bytes())
    missing: list[str] = []
    scene = trimesh.load_scene(path, process=False, resolver=resolver(trimesh, path, missing))
    if missing:
        warn(f"{path}: without {', '.join(sorted(set(missing)))}, which cannot be read as material or texture")
    meshes = [m for m in scene.dump() if isinstance(m, trimesh.Trimesh) and len(m.faces)]
    if not meshes:
        raise ValueError("expected triangles, found none")
    faces = sum(len(m.faces) for m in meshes)
    if faces > MOST_FACES:
        raise ValueError(f"expected at most {MOST_FACES} triangles, found {faces}")
    if not all(np.isfinite(m.vertices).all() for m in meshes):
        raise ValueError("expected finite coordinates, found NaN or infinity")
    if len(meshes) > MOST_PARTS:
        meshes = [trimesh.util.concatenate(meshes)]
    parts = tuple(_part(trimesh, mesh) for mesh in meshes)
    points = np.concatenate([part.mesh.vertices for part in parts])
    if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-6 * float(np.ptp(points, axis=0).max())) < 3:
        raise ValueError("expected a solid, found a flat mesh")
    upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) if path.suffix.lower() == ".glb" else np.eye(3)
    points = points @ upright.T
    low, high = points.min(axis=0), points.max(axis=0)
    foot = np.array([*((low + high) / 2)[:2], low[2]])
    return tuple(part.placed(upright, -foot) for part in parts)


def _part(trimesh: Any, mesh: Any) -> Part:
    """Return one geometry as a part, with its texture or colours if it has any."""
    visual = mesh.visual
    corners = np.asarray(mesh.vertices, dtype=float)[mesh.faces]
    if visual.kind == "texture":
        picture = _texture(visual.material, trimesh.visual.material.empty_material().image)
        if picture is not None and visual.uv is not None and len(visual.uv) == len(mesh.vertices):
            own = Mesh(
                np.asarray(mesh.vertices, dtype=float), np.asarray(mesh.faces), np.asarray(visual.uv, dtype=float)
            )
            return Part(own, "body", picture=picture)
        colour = np.asarray(visual.material.main_color)[:3]
        known = tuple(colour.tolist()) != tuple(trimesh.visual.color.DEFAULT_COLOR[:3])
        return Part(faceted(corners), "body", picture=np.full((4, 4, 3), colour, dtype=np.uint8) if known else None)
    if visual.kind in ("face", "vertex"):
        return _painted(corners, np.asarray(visual.face_colors)[:, :3])
    return Part(faceted(corners), "body")


def _texture(material: Any, placeholder: Image.Image) -> npt.NDArray[np.uint8] | None:
    """The picture of a material; None where there is none, or trimesh has put a grey one in its place."""
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is None:
        return None
    image = image.convert("RGB")
    if image.size == placeholder.size and image.getcolors() == placeholder.convert("RGB").getcolors():
        return None
    image.thumbnail((LARGEST_TEXTURE, LARGEST_TEXTURE))
    return np.asarray(image)


def _painted(corners: Array, colours: npt.NDArray[np.uint8]) -> Part:
    """Turn colours of faces into a texture: a grid of cells, one for each of at most 4096 rounded colours."""
    rounded = (colours // 16).astype(np.uint8)
    palette, index = np.unique(rounded, axis=0, return_inverse=True)
    index = index.reshape(-1)
    sums = np.stack([np.bincount(index, colours[:, k], len(palette)) for k in range(3)], axis=1)
    means = sums / np.bincount(index, minlength=len(palette))[:, None]
    side = int(np.ceil(np.sqrt(len(palette))))
    cells = np.zeros((side * side, 3), dtype=np.uint8)
    cells[: len(palette)] = np.rint(means)
    picture = cells.reshape(side, side, 3).repeat(4, axis=0).repeat(4, axis=1)
    centre = (np.column_stack([index % side, side - 1 - index // side]) + 0.5) / side  # rows run downwards, v upwards
    faces = np.arange(3 * len(corners)).reshape(-1, 3)
    mesh = Mesh(corners.reshape(-1, 3), faces, np.repeat(centre, 3, axis=0))
    return Part(mesh, "body", picture=picture)


def _unit(folder: Path, loaded: list[_Loaded], scale: float) -> float:
    """Return metres a unit: one guess for the whole folder, from its median size."""
    size = float(np.median([item.size for item in loaded]))
    if scale != 1.0 or size <= SIZE_M[1]:
        return scale
    for unit, name in UNITS.items():
        if LIKELY_SIZE_M[0] <= size * unit <= LIKELY_SIZE_M[1]:
            warn(f"{folder}: meshes are {size:.4g} units long; taken as {name} (--mesh-scale {unit:g})")
            return unit
    return scale


def _unit_of(item: _Loaded, whole: float, scale: float) -> float:
    """Return metres a unit of one file: the folder's, or what fits this file where the folder's does not."""
    if scale != 1.0 or SIZE_M[0] <= item.size * whole <= SIZE_M[1]:
        return whole
    for unit, name in {1.0: "metres", **UNITS}.items():
        if LIKELY_SIZE_M[0] <= item.size * unit <= LIKELY_SIZE_M[1]:
            warn(f"{item.path}: {item.size:.4g} units long; taken as {name}, unlike the rest of the folder")
            return unit
    return whole


def _drawer(item: _Loaded, pieces: list[Array], unit: float) -> Draw:
    """Return the draw function of the family, which gives the same shape for every seed."""
    scaled = tuple(piece * unit for piece in pieces)
    parts = [
        replace(part.placed(unit * np.eye(3)), pieces=scaled if k == 0 else scaled[:1])
        for k, part in enumerate(item.parts)
    ]

    def draw(rng: np.random.Generator) -> list[Part]:
        return parts

    return draw


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uois-sam" / "pieces"


def _pieces(item: _Loaded, cache: Path) -> list[Array]:
    """Return convex pieces in the mesh's own units; the cache holds them at unit size, named by the shape's hash."""
    points = item.points / item.size
    offsets = np.cumsum([0, *(len(part.mesh.vertices) for part in item.parts[:-1])])
    faces = np.concatenate([part.mesh.faces + k for part, k in zip(item.parts, offsets, strict=True)])
    digest = hashlib.sha256(np.round(points, 6).astype("<f4").tobytes() + faces.astype("<i4").tobytes())
    path = cache / f"{digest.hexdigest()[:32]}-{MOST_PIECES}.npz"
    pieces = _cached(path)
    if pieces is None:
        found = _decompose(points, faces, item.path.name)
        pieces = [piece.astype(np.float32) for piece in found]  # precision of the cache
        _keep(path, pieces)
    return [piece.astype(float) * item.size for piece in pieces]


def _cached(path: Path) -> list[Array] | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return [np.asarray(archive[key]) for key in sorted(archive.files)]
    except (OSError, ValueError, EOFError, KeyError):
        return None  # missing or broken: decompose again


def _keep(path: Path, pieces: list[Array]) -> None:
    def write(stream: BinaryIO) -> None:
        buffer = BytesIO()
        np.savez_compressed(buffer, **{f"{k:04d}": piece for k, piece in enumerate(pieces)})  # type: ignore[arg-type]
        stream.write(buffer.getvalue())

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)
    except (OSError, OutputError) as error:
        warn(f"cannot keep convex pieces for the next run: {error}")


def _decompose(points: Array, faces: npt.NDArray[np.int64], name: str) -> list[Array]:
    trimesh = _trimesh()
    merged = trimesh.Trimesh(points, faces, process=True)
    hull = merged.convex_hull
    if merged.is_watertight and merged.volume >= CONVEX_SHARE * hull.volume:
        return [np.asarray(hull.vertices)]
    try:
        import coacd  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("cutting meshes into convex pieces", "synth", "coacd") from error
    pieces = convex_pieces(np.asarray(merged.vertices), np.asarray(merged.faces))
    if not pieces:
        warn(f"{name}: no convex pieces found in {SECONDS:g} s; it collides as one convex hull")
    return pieces or [np.asarray(hull.vertices)]

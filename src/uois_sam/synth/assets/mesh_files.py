"""Files that a mesh names (materials, textures), and files in a folder of meshes that are not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uois_sam.io.files import read_bounded
from uois_sam.io.formats import IMAGE_SUFFIXES, open_picture

UNREAD_SUFFIXES = frozenset(
    {".3ds", ".3mf", ".blend", ".dae", ".fbx", ".gltf", ".iges", ".igs", ".off", ".step", ".stp", ".usd", ".usdz",
     ".wrl", ".x3d"}
)  # fmt: skip
"""Lower-case suffixes of meshes in formats that are not read."""
LARGEST_FILE = 1 << 28
"""Bytes of a mesh, material or texture."""


def resolver(trimesh: Any, path: Path, missing: list[str]) -> Any:
    """Return what trimesh asks for the files that a mesh names.

    Back-slashes separate folders as well, an ambient map stands in for a diffuse one, and only regular files and
    pictures in the named formats are opened.

    Args:
        trimesh: the module.
        path: the mesh.
        missing: gets the name of every file that cannot be had.
    """

    class Resolver(trimesh.resolvers.FilePathResolver):  # type: ignore[misc]
        def get(self, name: str) -> bytes:
            plain = name.replace("\\", "/").strip()
            for candidate in (plain, Path(plain).name):
                try:
                    content = read_bounded(self.absolute(candidate), LARGEST_FILE)
                    if Path(plain).suffix.lower() in IMAGE_SUFFIXES:
                        with open_picture(content):
                            pass
                except Exception:  # not there, no regular file, no picture, or outside of the folder
                    continue
                return _diffuse(content) if plain.lower().endswith(".mtl") else content
            missing.append(name)
            raise FileNotFoundError(name)

    return Resolver(str(path))


def _diffuse(material: bytes) -> bytes:
    """A material file whose ambient maps are diffuse ones where it has no others."""
    lines = material.splitlines()
    has_diffuse = any(line.strip().lower().startswith(b"map_kd") for line in lines)
    changed = [
        b"map_Kd" + line.strip()[6:] if not has_diffuse and line.strip().lower().startswith(b"map_ka") else line
        for line in lines
    ]
    return b"\n".join(changed)

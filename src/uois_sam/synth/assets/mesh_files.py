"""Files that a mesh names (materials, textures), and files in a folder of meshes that are not read."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uois_sam.io.files import read_bounded
from uois_sam.io.formats import open_picture
from uois_sam.io.json_files import parse_json

UNREAD_SUFFIXES = frozenset(
    {".3ds", ".3mf", ".blend", ".dae", ".fbx", ".gltf", ".iges", ".igs", ".off", ".step", ".stp", ".usd", ".usdz",
     ".wrl", ".x3d"}
)  # fmt: skip
"""Lower-case suffixes of meshes in formats that are not read."""
LARGEST_FILE = 1 << 28
"""Bytes of a mesh, material or texture."""
_MOST_PIXELS = 1 << 26
"""Of a texture; larger ones are taken for decompression bombs."""
_NO_PICTURES = (".mtl", ".bin")
"""Lower-case suffixes of what a mesh names besides textures."""


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
                    if Path(plain).suffix.lower() not in _NO_PICTURES:
                        _check_picture(content)
                except Exception:  # not there, no regular file, no picture, or outside of the folder
                    continue
                return _diffuse(content) if plain.lower().endswith(".mtl") else content
            missing.append(name)
            raise FileNotFoundError(name)

    return Resolver(str(path))


def check_glb(content: bytes) -> None:
    """Check the pictures inside a GLB file before trimesh hands them to any decoder that knows them.

    Raises:
        ValueError, UOISError, ...: no GLB, or a picture that is damaged, too large or of another format than we name.
    """
    length = int.from_bytes(content[12:16], "little")
    header = parse_json(content[20 : 20 + length], dict[str, Any], where="its JSON")
    inside = content[20 + length + 8 :]
    for picture in _embedded(header, inside):
        _check_picture(picture)


def _embedded(header: dict[str, Any], inside: bytes) -> Iterator[bytes]:
    """Content of the pictures of a GLB file that are not files of their own."""
    views = header.get("bufferViews", [])
    for image in header.get("images", []):
        uri = str(image.get("uri", ""))
        if "bufferView" in image:
            view = views[image["bufferView"]]
            start = int(view.get("byteOffset", 0))
            yield inside[start : start + int(view["byteLength"])]
        elif "base64," in uri:  # as trimesh recognises it
            yield base64.b64decode(uri.partition("base64,")[2])


def _check_picture(content: bytes) -> None:
    with open_picture(content) as picture:
        if picture.width * picture.height > _MOST_PIXELS:
            raise ValueError(f"expected textures of at most {_MOST_PIXELS} pixels, found {picture.size}")


def _diffuse(material: bytes) -> bytes:
    """A material file whose ambient maps are diffuse ones where it has no others."""
    lines = material.splitlines()
    has_diffuse = any(line.strip().lower().startswith(b"map_kd") for line in lines)
    changed = [
        b"map_Kd" + line.strip()[6:] if not has_diffuse and line.strip().lower().startswith(b"map_ka") else line
        for line in lines
    ]
    return b"\n".join(changed)

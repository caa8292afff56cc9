"""Changes to valid content: of bytes, of JSON, and of files in a folder."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, -0.5, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53, 2**63, 2**64 + 1,
    10**30, 1e30, 1e308, -1e308, 5e-324, float("nan"), float("inf"), -float("inf"), "", " ", "0", "1", "-1", "nan",
    "x" * 300, "\0", "\n", "é\u2028", "\ud800", "a/b", "../../etc/passwd", "/etc/passwd", "..", ".", "\\", "C:\\x",
    [], {}, [[]], [{}], {"": 0}, [1], [1, 2], [1, 2, 3], ["1", "2"], [[1, 2], [3, 4]], {"size": [4, 6], "counts": []},
    {"size": [4, 6], "counts": "0"}, {"size": [10**5, 10**5], "counts": [10**10]}, [[0, 0, 1, 0, 1, 1]],
    [[1e9, 0, 0, 1e9, -1e9, 0]], [[float("nan")] * 6],
)  # fmt: skip
"""What replaces parts of JSON."""


def mutate_bytes(rng: random.Random, content: bytes) -> bytes:
    """Change a few places: flip, set, cut, repeat, insert."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at = rng.randrange(min(len(data), rng.choice((32, 256, len(data)))))
        kind = rng.randrange(7)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del data[at : at + rng.choice((1, 4, 64))]
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            data[at:at] = data[at : at + rng.choice((1, 8, 200))] * rng.choice((1, 3, 50))
        elif kind == 5:
            data[at : at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\xff\xff"))
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 7, 99))))
    return bytes(data)


def mutate_json(rng: random.Random, value: Any) -> Any:
    """Replace, drop, double or rename a few parts."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 2, 5))):
        places = list(_places(value))
        if not places:
            return rng.choice(HOSTILE)
        holder, key = rng.choice(places)
        kind = rng.randrange(6)
        if kind == 0 and isinstance(holder, dict):
            del holder[key]
        elif kind == 0:
            holder.pop(key)
        elif kind == 1 and isinstance(holder, dict):
            holder[rng.choice(("x", "", "id", "-1", "9" * 30))] = holder.pop(key)
        elif kind == 1:
            holder.insert(key, holder[key])
        elif kind == 2 and rng.random() < 0.2:
            holder[key] = _nested(rng.choice((3, 50, 150)))
        elif kind == 3 and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] = holder[key] * rng.choice((-1, 0.5, 2, 1000, 10**6))
        else:
            holder[key] = copy.deepcopy(rng.choice(HOSTILE))
    return value


def json_text(rng: random.Random, value: Any) -> bytes:
    """JSON of a changed value, at times with changed bytes or levels by the thousand as well."""
    changed = mutate_json(rng, value) if rng.random() < 0.85 else value
    content = json.dumps(changed).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        content = mutate_bytes(rng, content)
    if rng.random() < 0.02:
        content = content.replace(b"[", b"[" * 50_000, 1)
    if rng.random() < 0.02:
        content = content.replace(b"1", b"1" * 6000, 1)
    return content


def mutate_tree(rng: random.Random, root: Path) -> None:
    """Change, remove, rename, empty or replace a few files of a folder."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        files = sorted(path for path in root.rglob("*") if path.is_file())
        if not files:
            return
        path = rng.choice(files)
        kind = rng.randrange(9)
        if kind == 0:
            path.unlink()
        elif kind == 1:
            path.rename(path.with_name(rng.choice(("x", "-1", "a b", "000099", "é", path.stem.upper())) + path.suffix))
        elif kind == 2:
            path.write_bytes(b"")
        elif kind == 3:
            path.unlink()
            path.mkdir()
        elif kind == 4 and hasattr(os, "mkfifo"):
            path.unlink()
            os.mkfifo(path)
        elif kind == 5:
            path.write_bytes(rng.choice(files).read_bytes())
        elif kind == 6:
            path.rename(path.with_suffix(rng.choice((".PNG", ".jpg", ".bmp", ".heic", ".txt", ""))))
        elif path.suffix == ".json":
            path.write_bytes(json_text(rng, _parsed(path)))
        else:
            path.write_bytes(mutate_bytes(rng, path.read_bytes()))


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def _places(value: Any) -> Any:
    """Every (container, key) in a value."""
    level = [value]
    while level:
        each = level.pop()
        keys = each if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
        for key in list(keys):
            yield each, key
            level.append(each[key])

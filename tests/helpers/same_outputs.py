"""Hash what the commands write, so that a change meant to keep all outputs can be shown to keep them, byte for byte.

Record before the change and compare after it, on the same machine (other processors round differently):

    python tests/helpers/same_outputs.py before.json
    python tests/helpers/same_outputs.py after.json --compare before.json

Covered: labels, overlays and JSON of the example photos; two rendered scenes; heads fitted on a small cache; a compact
model trained for two steps; the evaluation report of a small folder. Only the command line is used, so that any two
versions of the package can be compared: ``--source`` runs another checkout.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
UNSTABLE = ("seconds", "versions", "machine", "peak_memory_bytes", "peak_memory_mib", "when", "started", "finished",
            "environment", "provenance", "run")  # fmt: skip
"""Entries of JSON files that differ between two runs of the same code."""


def record(source: Path, work: Path) -> dict[str, str]:
    """Run the commands of the checkout ``source`` and return file name -> SHA256 of its content."""
    photos = sorted(str(path) for path in (ROOT / "examples").glob("*.jpg"))
    _run(source, "segment", *photos, "--out", work / "segment")
    size = ("--height", "96", "--width", "128", "--samples", "2", "--workers", "1", "--variant", "scalar")
    _run(source, "generate", "--out", work / "scenes", "--scenes", "4", "--seed", "1", *size)
    _run(source, "evaluate", "folder", work / "scenes", "--out", work / "evaluate", "--workers", "1")
    _run(source, "train", "heads", "--base", "compact", "--data", work / "scenes", "--out", work / "heads",
         "--epochs", "2")  # fmt: skip
    _run(source, "train", "compact", "--data", work / "scenes", "--out", work / "compact", "--start", "compact",
         "--steps", "2")  # fmt: skip
    kept = [
        *_files(work / "segment"),
        *_files(work / "scenes", "rgb/*", "label/*", "depth/*", "scenes.jsonl"),
        *_files(work / "evaluate", "predictions/*", "per_image.csv", "report.md", "report.json"),
        *_files(work / "heads", "model/model.safetensors", "curves.csv"),
        *_files(work / "compact", "model/model.safetensors"),
    ]
    return {str(path.relative_to(work)): _digest(path, work) for path in sorted(kept)}


def _run(source: Path, *arguments: object) -> None:
    environment = os.environ | {"PYTHONPATH": str(source / "src"), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "uois_sam", *map(str, arguments)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)}\n{result.stderr}")


def _files(folder: Path, *patterns: str) -> list[Path]:
    return [path for pattern in patterns or ("*",) for path in folder.glob(pattern) if path.is_file()]


def _digest(path: Path, work: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".csv":
        content = _without_times(content.decode()).encode()
    if path.suffix == ".json":
        content = json.dumps(_stable(json.loads(content)), sort_keys=True).encode()
    return hashlib.sha256(content.replace(str(work).encode(), b"WORK")).hexdigest()


def _without_times(text: str) -> str:
    rows = list(csv.reader(text.splitlines()))
    kept = [index for index, name in enumerate(rows[0]) if "seconds" not in name]
    return "\n".join(",".join(row[index] for index in kept) for row in rows)


def _stable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _stable(inner) for key, inner in value.items() if key not in UNSTABLE}
    return [_stable(inner) for inner in value] if isinstance(value, list) else value


def main() -> int:
    """Record, and compare if asked to; the exit status is 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--source", type=Path, default=ROOT, help="checkout whose commands are run")
    parser.add_argument("--compare", type=Path, help="earlier record to compare with")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = record(options.source.resolve(), Path(folder).resolve())
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    if options.compare is None:
        print(f"{len(found)} files recorded")
        return 0
    before = json.loads(options.compare.read_text())
    names = sorted(before.keys() | found.keys())
    different = [name for name in names if before.get(name) != found.get(name)]
    print(f"{len(names)} files compared, {len(different)} different", *different, sep="\n  ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())

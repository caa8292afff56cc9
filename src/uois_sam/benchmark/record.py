"""Records: what a benchmark or experiment found, with its command, date and machine, as JSON."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from uois_sam.errors import UOISError
from uois_sam.io.files import write_atomically
from uois_sam.io.json_files import read_json
from uois_sam.runtime.provenance import describe_machine


def make_record(name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result with what it was measured by and on, ready for JSON.

    Args:
        name: of the benchmark or experiment.
        payload: the result, ready for JSON.
    """
    return {
        "benchmark": name,
        "command": command_line(sys.argv),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": describe_machine(),
        "payload": dict(payload),
    }


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record.

    Raises:
        OutputError: if the file cannot be written.
    """
    write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())


def read_record(path: Path, name: str) -> dict[str, Any]:
    """Read a record, to add to what it holds.

    Args:
        path: the file.
        name: of the benchmark that has to have written it.

    Raises:
        UOISError: it is unreadable, or no record of that benchmark.
    """
    what = f"a record of {name}"
    record: Any = read_json(path, what=what)
    if not isinstance(record, dict) or record.get("benchmark") != name:
        found = f"one of {record.get('benchmark')!r:.60}" if isinstance(record, dict) else f"{record!r:.60}"
        raise UOISError(f"{path}: expected {what}, found {found}; choose another --out")
    return record


def command_line(arguments: Sequence[str]) -> str:
    """Return arguments as one line, each path cut to its last part: records hold no names of users or folders."""
    return shlex.join(re.sub(r"[^\s=]*[/\\](?=[^\s/\\])", "", argument) for argument in arguments)

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

from uois_sam.io.files import write_atomically
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


def command_line(arguments: Sequence[str]) -> str:
    """Return arguments as one line, each path cut to its last part: records hold no names of users or folders."""
    return shlex.join(re.sub(r"[^\s=]*[/\\](?=[^\s/\\])", "", argument) for argument in arguments)

"""Keep what ``uois-sam benchmark --out FILE`` wrote as a record, with the command that made it.

python benchmarks/keep.py FILE results/benchmark.json --command "uois-sam benchmark --image coffee.jpg"
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from uois_sam.benchmark.record import command_line, write_record


def main() -> None:
    """Wrap the file's content."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSON of uois-sam benchmark")
    parser.add_argument("record", type=Path, help="file to write")
    parser.add_argument("--command", required=True, help="the command line that made it")
    options = parser.parse_args()
    payload = json.loads(options.file.read_text())
    name, machine = payload.pop("benchmark"), payload.pop("machine")
    command = command_line(shlex.split(options.command))
    write_record(options.record, {"benchmark": name, "command": command, "machine": machine, "payload": payload})


if __name__ == "__main__":
    main()

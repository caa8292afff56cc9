"""Milliseconds and memory of a photo by base: encoder, 30 prompts, selection, and transformers' own beside ours.

    python benchmarks/bases.py [--bases compact sam-vit-b ...] [--repeats 3] [--wall] [--device cpu] [--out RESULT.json]

Every base runs in a process of its own (``uois-sam benchmark``), with random weights except for compact: times do not
depend on them. Ratios are to transformers' model with the same weights and pixels, in turn with ours in the same run.
On a processor the clock is the process's own processor time with one thread, which other processes disturb less than
the wall clock; with ``--wall``, for a machine with nothing else running, and on a GPU it is the wall clock, with all
threads. Peak memory is that of another process, without transformers' model.
transformers takes EdgeTAM's image encoder from timm, which is no dependency here, so EdgeTAM has no ratio.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from uois_sam.benchmark.peers import OURS
from uois_sam.benchmark.record import make_record, read_record, write_record
from uois_sam.checkpoints.bases import BASES
from uois_sam.errors import UOISError
from uois_sam.models.sam.modules import SamSize
from uois_sam.models.sam2.modules import Sam2Size
from uois_sam.runtime.provenance import describe_machine, summary

HERE = Path(__file__).parent
KNOWN = ("compact", *BASES)
DEFAULT = ("compact", "edgetam", "sam2.1-hiera-tiny", "sam-vit-b", "sam-vit-l")
SAME = ("cpu", "cores_usable", "gpu")
"""What of the machine has to be the same for all rows of a record."""
PARTS = ("encoder", "prompts", "decoder", "selection", "total")


def by_processor_time(options: argparse.Namespace) -> bool:
    """Return whether times are processor seconds of one thread."""
    return options.device == "cpu" and not options.wall


def command(base: str, options: argparse.Namespace, runs: tuple[int, int], out: Path) -> list[str]:
    """Return the words of ``uois-sam benchmark`` for one base; ``runs`` to warm up, and counted."""
    clock = ["--clock", "cpu", "--threads", "1"] if by_processor_time(options) else []
    random = [] if base == "compact" else ["--random"]
    fixed = ["--no-floor", "--device", options.device, "--precision", options.precision]
    return ["-m", "uois_sam", "benchmark", "--model", base, *random, *fixed, *clock,
            "--warm-up", str(runs[0]), "--repeats", str(runs[1]), "--out", str(out)]  # fmt: skip


def run(words: list[str], base: str) -> str:
    """Run Python with these words and return what it printed.

    Raises:
        UOISError: if it fails.
    """
    result = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if result.returncode:
        raise UOISError(f"{base}: {(result.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return result.stdout


def measure(base: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one base: times beside transformers', then memory without it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "record.json"
        comparable = base != "compact" and isinstance(BASES[base].sam, SamSize | Sam2Size)
        against = [] if not comparable else ["--against", f"transformers-{options.precision}"]
        run([*command(base, options, (1, options.repeats), out), *against], base)
        record: dict[str, Any] = json.loads(out.read_text())
        alone = [sys.executable, *command(base, options, (0, 1), out)]
        measured = json.loads(run(["-I", "-S", str(HERE / "run_measured.py"), *alone], base).strip().splitlines()[-1])
        if measured["exit"]:
            raise UOISError(f"{base}: the run whose memory is measured failed")
    parts, peers = record["parts_seconds"], record["peers"] or {}
    theirs = next((row for name, row in peers.items() if name.startswith("transformers")), None)
    return {
        "seconds": {
            "encoder": parts["encoder"]["median"],
            "prompts": record["stages_seconds"]["hpg"]["median"],
            "decoder": parts["decoder"]["median"],
            "selection": parts["selection"]["median"],
            "total": record["stages_seconds"]["total"]["median"],
        },
        "prompts": record["prompts"],
        "objects": record["objects"],
        "peak_mib": measured["peak_mib"],
        "transformers": theirs and _ratios(theirs, peers[OURS]),
    }


def _ratios(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, float]:
    """How many times ours transformers takes: image encoder, 30 points, and both together."""
    both = [sum(each[part]["median"] for part in ("features", "masks")) for each in (theirs, ours)]
    return {"features": theirs["features_ratio"], "masks": theirs["masks_ratio"], "both": both[0] / both[1]}


def markdown(rows: dict[str, dict[str, Any]]) -> str:
    """Format the measurements as a markdown table."""
    lines = [
        "| base | encoder | HPG (of a base: DINOv2) | masks | selection | total | prompts | peak MiB "
        "| transformers: encoder | 30 points | both |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for base, row in rows.items():
        times = [f"{1e3 * row['seconds'][part]:.{0 if row['seconds'][part] >= 0.01 else 1}f} ms" for part in PARTS]
        theirs = row["transformers"]
        ratios = [f"x {theirs[part]:.2f}" if theirs else "" for part in ("features", "masks", "both")]
        cells = [base, *times, str(row["prompts"]), f"{row['peak_mib']:.0f}", *ratios]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def shown(record: dict[str, Any]) -> str:
    """Format a record: its table, and how and on what it was measured."""
    how = record["payload"]
    said = f"{how['clock'].capitalize()}, {how['precision']}; weights {how['weights']}. {summary(record['machine'])}"
    return f"{markdown(how['bases'])}\n\n{said}"


def kept_bases(path: Path | None, asked: dict[str, str]) -> dict[str, Any]:
    """Return the measurements of a record that new ones are added to.

    Raises:
        UOISError: it is none of bases, or they were measured otherwise or on another machine.
    """
    if path is None or not path.exists():
        return {}
    record = read_record(path, "bases")
    here = describe_machine()
    found = {key: record["payload"].get(key) for key in asked} | {key: record["machine"].get(key) for key in SAME}
    wanted = asked | {key: here[key] for key in SAME}
    if other := [f"{key} {found[key]} instead of {wanted[key]}" for key in wanted if found[key] != wanted[key]]:
        raise UOISError(f"{path}: holds measurements with {', '.join(other)}; choose another --out")
    return dict(record["payload"]["bases"])


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", nargs="+", choices=KNOWN, default=list(DEFAULT))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--wall", action="store_true", help="the wall clock and all threads, on a quiet machine")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write everything as JSON; bases that are there already are kept")
    options = parser.parse_args()
    clock = "processor seconds, one thread" if by_processor_time(options) else "wall clock"
    asked = {"clock": clock, "precision": options.precision, "device": options.device}
    try:
        rows = kept_bases(options.out, asked)
        for base in options.bases:
            rows[base] = measure(base, options)
            print(f"{base} measured", file=sys.stderr, flush=True)
            in_order = {name: rows[name] for name in KNOWN if name in rows}
            record = make_record("bases", {**asked, "weights": "random, except for compact", "bases": in_order})
            if options.out:
                write_record(options.out, record)
    except UOISError as error:
        print(f"bases: {error}", file=sys.stderr)
        return 2
    print(shown(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())

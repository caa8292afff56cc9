"""``uois-sam import``: labels from other tools, as the folder that every other command reads."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from uois_sam.cli.options import expect_at_least, parse_option
from uois_sam.errors import OutputError, UOISError, count

if TYPE_CHECKING:
    from rich.console import Console

_MOST_WORKERS = 8


@dataclass(frozen=True)
class Import:
    """Bring photos with labels from other tools: into rgb/, label/, ignore/ and depth/, read by every other command.

        uois-sam import coco annotations.json --out data/bench
        uois-sam import labelme corrected/ --out data/bench
        uois-sam import masks data/ --out data/bench --set labels=instance --set void=255

    Objects have no classes here: what they are called is not kept. Crowds, void and LabelMe's __ignore__ become ignored
    pixels. Labels and photos that do not belong together are errors, or counted and said.

    Exit status: 0 success; 1 some photos failed (listed at the end); 2 nothing could be done; 130 interrupted.
    """

    kind: tyro.conf.Positional[Literal["coco", "yolo", "labelme", "voc", "masks"]]
    """coco: polygons and RLE in one JSON file. yolo: polygons in text files. labelme: a JSON file a photo. voc:
    SegmentationObject. masks: label maps (PNG, TIFF, .npy), colour-coded ones, or a folder of masks for each photo."""
    src: tyro.conf.Positional[Path]
    """The data set's folder, or a COCO file."""
    out: Path
    """Folder to write into; created if missing."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Option of the format, such as images=photos, categories='["cup"]', void=255, depth=true or depth_unit_m=0.0001;
    may be repeated. An unknown key lists all options."""
    workers: int | None = None
    """Photos at the same time; by default one per core."""

    def run(self, console: Console) -> int:
        """Import; return the exit status."""
        from uois_sam.datasets import open_dataset
        from uois_sam.datasets.importing import count_others, import_sample
        from uois_sam.datasets.notes import sum_notes
        from uois_sam.io.files import make_output_folder, real_path
        from uois_sam.runtime.executors import in_order, on_threads
        from uois_sam.runtime.interrupts import AGAIN, ends_softly
        from uois_sam.runtime.progress import print_line, progress

        expect_at_least("workers", self.workers, 1)
        if real_path(self.out) == real_path(self.src):
            raise OutputError(f"--out {self.out}: expected another folder than the labels to import")
        dataset = open_dataset(self.kind, self.src, **dict(map(parse_option, self.set)))
        make_output_folder(self.out)
        failures: list[str] = []
        notes: list[tuple[str, dict[str, int]]] = []
        threads = self.workers or min(os.cpu_count() or 1, _MOST_WORKERS)
        ending = threading.Event()
        tell = partial(print_line, console, f"finishing the photos in hand; {AGAIN}")
        with (
            progress(console) as watch,
            on_threads(partial(import_sample, dataset, out=self.out), threads) as executor,
            ends_softly(ending.set, tell),
        ):
            watch.stage("importing", len(dataset))
            done = 0
            begun = ((name, executor.submit(index)) for index, name in enumerate(dataset.names) if not ending.is_set())
            for done, (name, future) in enumerate(in_order(begun, executor.capacity + 1), 1):
                notes += _taken(name, future, failures)
                watch.advance(done, "")
        written = done - len(failures)
        left = "" if done == len(dataset) else f", {len(dataset) - done} left for another time"
        print_line(console, f"{count(written, 'photo')} in {self.out}{left}")
        for note in (*dataset.notes, *sum_notes(notes)):
            print_line(console, f"note: {note}")
        if others := count_others(self.out, dataset.names):
            stay = "stays" if others == 1 else "stay"
            print_line(console, f"note: {count(others, 'photo')} from before {stay} in {self.out} beside them")
        if failures:
            if not (written or left) and len(failures) == 1:
                raise UOISError(failures[0])
            print_line(console, f"{count(len(failures), 'photo')} failed:")
            for failure in failures:
                print_line(console, f"  {failure}")
        if left:
            raise KeyboardInterrupt
        return 2 if not written else 1 if failures else 0


def _taken(
    name: str, future: Future[tuple[str, dict[str, int]]], failures: list[str]
) -> list[tuple[str, dict[str, int]]]:
    """The notes on a sample; one that failed is added to the failures."""
    try:
        name, found = future.result()
    except UOISError as error:
        failures.append(str(error) if name in str(error) else f"{name}: {error}")
        return []
    return [(name, found)] if found else []

"""The loop and the command, from source to results; and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damaged_videos import cut_avi
from live_server import tiny_model
from streams_by_hand import FindsOneSquare, Numbered, picture
from uois_sam.cli.main import main
from uois_sam.errors import ImageError, OutputError
from uois_sam.io.encoding import encode_png
from uois_sam.io.video import read_video
from uois_sam.io.video_writer import VideoWriter
from uois_sam.streams.capture import CameraSource
from uois_sam.streams.outputs import AnnotatedVideo, Output, Watched
from uois_sam.streams.reader import Reader, ReaderConfig
from uois_sam.streams.watch import watch
from uois_sam.tracking import Tracker


class Kept:
    """Keeps results and whether it was closed."""

    def __init__(self, fails: bool = False) -> None:
        self.got: list[Watched] = []
        self.closed = 0
        self.fails = fails

    def write(self, watched: Watched) -> None:
        self.got.append(watched)
        if self.fails:
            raise OutputError("cannot write: disk full")

    def close(self) -> list[str]:
        self.closed += 1
        return ["kept"]


def run(source: Numbered, *outputs: Output, model: Any = None, **options: Any) -> Any:
    with Reader(source) as reader:
        return list(watch(reader, model or FindsOneSquare(), outputs, **options))[-1]


def test_every_output_gets_every_frame_and_is_closed_once() -> None:
    first, second = Kept(), Kept()
    tally = run(Numbered(5), first, second)
    assert (tally.frames, tally.objects, tally.lines) == (5, 5, ["kept", "kept"])
    assert [each.frame.index for each in first.got] == [each.frame.index for each in second.got] == list(range(5))
    assert (first.closed, second.closed) == (1, 1)


def test_outputs_are_closed_when_one_of_them_fails() -> None:
    good, bad = Kept(), Kept(fails=True)
    with pytest.raises(OutputError, match="disk full"):
        run(Numbered(5), good, bad)
    assert (good.closed, bad.closed) == (1, 1)


def test_a_tracker_gives_ids_and_its_notes_are_counted() -> None:
    kept = Kept()
    tally = run(Numbered(6, size_of=lambda number: (48, 64) if number < 3 else (64, 64)), kept, tracker=Tracker())
    assert [each.found.ids.tolist() for each in kept.got] == [[1]] * 3 + [[2]] * 3  # type: ignore[union-attr]
    assert tally.notes.lines() == [
        "new ids in 1 frame, frame 3: the frames are 64x64 from here on; nothing before is known again"
    ]


def test_each_change_of_size_is_told_in_one_line_and_the_stream_goes_on(tmp_path: Path) -> None:
    sizes = [(48, 64)] * 2 + [(96, 128)] * 2 + [(64, 48)] * 2
    lines: list[str] = []
    video = AnnotatedVideo(tmp_path / "out.mp4", 10)
    tally = run(Numbered(6, size_of=lambda number: sizes[number]), video, tracker=Tracker(), tell=lines.append)
    assert lines == [
        "numbers: frames are 128x96 from frame 2 on, 64x48 before; ids go on",
        "numbers: frames are 48x64 from frame 4 on, 128x96 before; ids begin anew, the proportions have changed",
    ]
    assert (tally.frames, tally.resized) == (6, 2)
    assert tally.lines == [f"video in {tmp_path / 'out.mp4'}; 4 frames of another size fitted into the first one's"]
    assert {image.shape for _, image in read_video(tmp_path / "out.mp4")} == {(48, 64, 3)}


def test_a_folder_of_photos_of_every_size_fills_no_screen() -> None:
    lines: list[str] = []
    tally = run(Numbered(40, size_of=lambda number: (48, 64 + number)), tell=lines.append)
    assert lines[0] == "numbers: frames are 65x48 from frame 1 on, 64x48 before"
    assert (len(lines), tally.resized) == (5, 39)


def test_frames_too_small_for_a_region_are_left_out_and_the_stream_goes_on() -> None:
    model = tiny_model().with_request(region=(40, 30, 60, 46))
    kept, lines = Kept(), list[str]()
    source = Numbered(5, size_of=lambda number: (24, 32) if 1 <= number <= 2 else (48, 64))
    tally = run(source, kept, model=model, tell=lines.append)
    assert [each.frame.index for each in kept.got] == [0, 3, 4]
    assert (tally.frames, tally.left_out, tally.resized) == (3, 2, 2)
    assert next(line for line in lines if line.startswith("frame ")).startswith("frame 1 left out: region: expected")


class PulledOut:
    """A double of cv2.VideoCapture: two frames, then nothing; not there at the second opening; then another size."""

    opened = 0

    def __init__(self, target: object) -> None:
        PulledOut.opened += 1
        self.size, self.left = {1: (48, 64), 3: (96, 128)}.get(PulledOut.opened), 2

    def isOpened(self) -> bool:  # noqa: N802
        return self.size is not None

    def get(self, name: int) -> float:
        return 30.0

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        return (self.left >= 0, picture(9, *self.size) if self.size and self.left >= 0 else None)

    def release(self) -> None:
        self.size = None


def test_a_camera_that_is_pulled_out_and_comes_back_with_another_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv2.VideoCapture", PulledOut)
    monkeypatch.setattr(PulledOut, "opened", 0)
    monkeypatch.setattr("uois_sam.streams.reader.FIRST_WAIT_S", 0.01)
    lines: list[str] = []
    kept = Kept()
    with Reader(CameraSource("/dev/null"), ReaderConfig(keep_all=True, retry_s=60), lines.append) as reader:
        *_, tally = watch(
            reader, FindsOneSquare(), [kept], Tracker(), going_on=lambda: len(kept.got) < 4, tell=lines.append
        )
    assert [each.frame.image.shape[0] for each in kept.got] == [48, 48, 96, 96]
    assert (reader.reconnects, tally.resized) == (1, 1)
    lost, *others = lines
    assert lost == "lost: /dev/null: expected a frame, found none; trying again for 60 s"
    assert any(line.startswith("/dev/null: back after ") for line in others)
    assert "/dev/null: frames are 128x96 from frame 2 on, 64x48 before; ids go on" in others


def test_results_do_not_keep_the_photo_twice() -> None:
    kept = Kept()
    run(Numbered(1), kept)
    assert kept.got[0].found.image is None


def test_it_goes_on_as_long_as_it_is_told() -> None:
    kept = Kept()
    run(Numbered(50), kept, going_on=lambda: len(kept.got) < 3)
    assert (len(kept.got), kept.closed) == (3, 1)


def test_a_frame_that_cannot_be_segmented_as_asked_is_named() -> None:
    with pytest.raises(ImageError, match="^frame 0: "):
        run(Numbered(3), model=tiny_model().with_request(region=(500, 500, 600, 600)))


def test_memory_is_flat_over_a_long_stream() -> None:
    """What Python holds after a hundred frames and after four hundred is the same, within a part of one frame."""
    import gc
    import tracemalloc

    held = []
    model = FindsOneSquare()

    def look() -> bool:
        if len(model.seen) in (100, 400):
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
        return True

    tracemalloc.start()
    try:
        run(Numbered(401), model=model, tracker=Tracker(), going_on=look)
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < picture(0).nbytes


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    with VideoWriter(path, 10) as writer:
        for number in range(8):
            writer.add(np.roll(pixels, number, axis=1), number / 10)
    return path


def test_the_command_writes_what_it_is_asked_for(
    clip: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, maps = tmp_path / "out.mp4", tmp_path / "maps"
    asked = ["--track", "--stride", "2", "--json-masks", "--save-video", str(video), "--label-maps", str(maps)]
    assert main(["watch", str(clip), "--model", str(model_folder), *asked]) == 0
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["frame"] for line in lines] == [0, 2, 4, 6]
    assert all({"id", "segmentation"} <= set(each) for line in lines for each in line["objects"])
    assert len([*read_video(video)]) == 4
    assert sorted(path.name for path in maps.iterdir()) == [f"{n:06d}_label.png" for n in (0, 2, 4, 6)]
    assert "4 frames, " in said.err and f"video in {video}" in said.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing.mp4"], "expected a camera's number"),
        (["CLIP", "--stride", "0"], "stride"),
        (["CLIP", "--fps", "0"], "fps"),
        (["CLIP", "--retry", "-1"], "retry"),
        (["CLIP", "--idle", "-1"], "--idle: expected 0 or more seconds, found -1"),
        (["CLIP", "--save-video", "x.avi"], "ends in .mp4"),
        (["CLIP", "--model", "nosuch"], "nosuch"),
        (["CLIP", "--min-score", "7"], "min_score"),
        (["CLIP", "--region", "100,100,200,200"], "frame 0: region: expected"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    arguments: list[str], expected: str, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", *(str(clip) if word == "CLIP" else word for word in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and expected in line


def test_a_video_that_is_cut_short_ends_with_status_1_and_its_results(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = cut_avi(tmp_path / "a.avi", 30), tmp_path / "out.mp4"
    assert main(["watch", str(video), "--model", str(model_folder), "--save-video", str(out)]) == 1
    assert "error: " in (said := capsys.readouterr().err) and "cut short" in said
    assert 5 < len([*read_video(out)]) < 25


def test_what_cannot_be_read_is_counted_and_nothing_else_is_status_1(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"no picture at all")
    asked = ["watch", str(folder), "--idle", "0", "--model", str(model_folder)]
    os.utime(folder / "bad.png", (time.time() - 60,) * 2)
    assert main(asked) == 1
    assert "0 frames, 0 objects" in (said := capsys.readouterr().err) and "; 1 could not be read" in said
    (folder / "good.png").write_bytes(encode_png(picture(9)))
    os.utime(folder / "good.png", (time.time() - 60,) * 2)
    assert main(asked) == 0
    assert "1 frame, " in (said := capsys.readouterr().err) and "; 1 could not be read" in said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_the_video_whole(number: signal.Signals, model_folder: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "filling", tmp_path / "out.mp4"
    folder.mkdir()
    for count in range(3):
        (folder / f"{count}.png").write_bytes(encode_png(picture(count)))
        os.utime(folder / f"{count}.png", (time.time() - 60 + count,) * 2)
    command = [sys.executable, "-m", "uois_sam", "watch", str(folder), "--model", str(model_folder), "--json-lines"]
    with subprocess.Popen([*command, "--save-video", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        assert job.stdout is not None and job.stderr is not None
        for _ in range(3):
            assert json.loads(job.stdout.readline())["height"] == 48
        job.send_signal(number)
        errors = job.communicate(timeout=120)[1].decode()
        assert job.returncode == 0, errors
    assert "Traceback" not in errors and "3 frames" in errors
    assert len([*read_video(out)]) >= 3
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

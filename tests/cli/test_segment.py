"""`uois-sam segment` around a fake model: what is found, what is written, what is said, and the exit status."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from damaged_videos import cut_avi, with_holes
from uois_sam.cli.main import main
from uois_sam.cli.options import ModelOptions
from uois_sam.cli.segment.command import Segment, segment_inputs
from uois_sam.cli.segment.formats import FormatChoice
from uois_sam.cli.segment.outputs import PictureOptions
from uois_sam.config import InferenceConfig
from uois_sam.errors import OutputError, UOISError, WeightsError
from uois_sam.instances import Instances
from uois_sam.io.masks import decode_mask
from uois_sam.io.overlay import colours
from uois_sam.io.video_writer import VideoWriter
from uois_sam.request import Request
from uois_sam.runtime import progress
from uois_sam.types import ModelCard, PromptMaps


@dataclass(frozen=True)
class FakeEncoded:
    """Two rectangles in a photo that is not black, none in a black one."""

    image: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def maps(self) -> PromptMaps:
        return PromptMaps(foreground_logits=torch.zeros(2, 336, 448), heatmap=torch.zeros(1, 336, 448))

    def predict(self, points=None) -> Instances:
        height, width = self.image.shape[:2]
        boxes = np.array([[0, 0, width // 2, height], [width // 2, 0, width, height // 2]], dtype=np.float32)
        boxes = boxes[: 2 if self.image.any() else 0]
        masks = np.zeros((len(boxes), height, width), dtype=bool)
        for mask, (left, top, right, bottom) in zip(masks, boxes.astype(int), strict=True):
            mask[top:bottom, left:right] = True
        return Instances(
            masks=masks,
            scores=np.array([0.875, 0.5], dtype=np.float32)[: len(boxes)],
            boxes=boxes,
            points=(boxes[:, :2] + boxes[:, 2:] - 1) / 2,
            model=FakeModel.name,
            image=self.image,
            notes=self.notes,
        )


@dataclass
class FakeModel:
    """Stands in for UOISSAM; ``errors`` maps a photo's height to what its segmentation raises."""

    errors: dict[int, BaseException] = field(default_factory=dict)
    notes: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Height of a photo to the notes of its result."""
    depths: list[dict] = field(default_factory=list)
    """What it was given of depth, one entry a photo."""
    settings: InferenceConfig = field(default_factory=InferenceConfig)
    request: Request = field(default_factory=Request)
    card: ModelCard = field(default_factory=lambda: ModelCard("fake", "1", "", {}, {}, {}, {}, weights_sha256="0123"))
    name = "fake-1"

    def encode_image(self, image, **depth) -> FakeEncoded:
        self.depths.append(depth)
        if len(image) in self.errors:
            raise self.errors[len(image)]
        return FakeEncoded(image, self.notes.get(len(image), ()))


def photo(path: Path, height: int = 12, width: int = 16, value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (value, value, value)).save(path)
    return path


def broken(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no photo")
    return path


def asked(first: Path | str, *others: Path | str, out: Path, **options) -> Segment:
    return Segment(str(first), tuple(map(str, others)), out, **options)


def segment(*inputs: Path | str, out: Path, model: FakeModel | None = None, **options) -> tuple[int, str]:
    """Exit status and what was said."""
    console = Console(file=io.StringIO(), width=40)
    model = model or FakeModel()
    status = segment_inputs(asked(*inputs, out=out, **options), console, lambda: model)
    return status, console.file.getvalue()


def written(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def results(*stems: str, debug: bool = False) -> list[str]:
    endings = ["_label.png", "_overlay.jpg", ".json", *(["_heatmap.jpg", "_foreground.jpg"] if debug else [])]
    return sorted(stem + ending for stem in stems for ending in endings)


# --- one photo


def test_files_of_one_photo(tmp_path):
    status, said = segment(photo(tmp_path / "a.png"), out=tmp_path / "out")
    assert status == 0
    assert written(tmp_path / "out") == results("a")
    assert said.startswith("1 photo, 2 objects in ") and str(tmp_path / "out") in said

    with Image.open(tmp_path / "out/a_label.png") as label:
        assert label.mode == "I;16"
        expected = np.zeros((12, 16), dtype=np.uint16)
        expected[:, :8], expected[:6, 8:] = 1, 2
        np.testing.assert_array_equal(np.asarray(label), expected)
    with Image.open(tmp_path / "out/a_overlay.jpg") as overlay:
        assert overlay.size == (16, 12) and overlay.mode == "RGB"

    record = json.loads((tmp_path / "out/a.json").read_text())
    assert {key: record[key] for key in ("image", "height", "width", "model")} == {
        "image": "a.png",
        "height": 12,
        "width": 16,
        "model": "fake-1",
    }
    assert record["selection"]["prompts"] == "heatmap"
    second = record["instances"][1]
    assert second["bbox"] == [8, 0, 8, 6] and second["box_xyxy"] == [8, 0, 16, 6]
    assert second["score"] == 0.5 and second["area"] == 48 and second["point"] == [11.5, 2.5]
    np.testing.assert_array_equal(decode_mask(second["segmentation"]), expected == 2)


def test_empty_scene_is_a_result(tmp_path):
    status, said = segment(photo(tmp_path / "a.png", value=0), out=tmp_path / "out")
    assert status == 0 and "1 photo, 0 objects" in said
    assert json.loads((tmp_path / "out/a.json").read_text())["instances"] == []
    with Image.open(tmp_path / "out/a_label.png") as label:
        assert not np.asarray(label).any() and label.size == (16, 12)


def test_a_note_is_kept_with_its_photo_and_told_once_a_kind_at_the_end(tmp_path):
    model = FakeModel(notes={8: ("prompts used up: 9 left out",), 9: ("prompts used up: 3 left out", "tiles: 2x2")})
    for name, height in (("a.png", 7), ("b.png", 8), ("c.png", 9)):
        photo(tmp_path / "in" / name, height)
    _, said = segment(tmp_path / "in", out=tmp_path / "out", model=model)
    kept = [json.loads((tmp_path / "out" / f"{stem}.json").read_text())["notes"] for stem in "abc"]
    assert kept == [[], ["prompts used up: 9 left out"], ["prompts used up: 3 left out", "tiles: 2x2"]]
    lines = [line for line in said.splitlines() if line.startswith("note")]
    assert lines == ["note: prompts used up in 2 photos, first b: 9 left out", "note: tiles in 1 photo, c: 2x2"]


def test_debug_pictures(tmp_path):
    segment(photo(tmp_path / "a.png"), out=tmp_path / "out", pictures=PictureOptions(debug_heatmap=True))
    assert written(tmp_path / "out") == results("a", debug=True)


def test_colour_labels_show_the_numbers_in_the_overlays_colours(tmp_path):
    segment(photo(tmp_path / "a.png"), out=tmp_path / "out", pictures=PictureOptions(colour_labels=True))
    with Image.open(tmp_path / "out/a_label.png") as label, Image.open(tmp_path / "out/a_colour.png") as coloured:
        assert coloured.mode == "P"
        np.testing.assert_array_equal(np.asarray(coloured), np.asarray(label))
        rgb = np.asarray(coloured.convert("RGB"))
    assert [rgb[0, 0].tolist(), rgb[0, 15].tolist()] == colours(2).tolist() and not rgb[11, 15].any()


def test_crops_are_numbered_and_follow_the_results(tmp_path):
    options = {"out": tmp_path / "out", "pictures": PictureOptions(crops=True)}
    segment(photo(tmp_path / "in/a.png", 40, 80), **options)
    crops = [tmp_path / f"out/a_crop_00{number}.jpg" for number in (1, 2)]
    assert [Image.open(crop).size for crop in crops] == [(44, 40), (44, 24)]  # a tenth of the longer side around it
    crops[1].unlink()
    assert "1 photo, 2 objects" in segment(tmp_path / "in", overwrite=False, **options)[1]
    assert crops[1].exists()
    assert "1 photo skipped" in segment(tmp_path / "in", overwrite=False, **options)[1]
    photo(tmp_path / "in/a.png", value=0)  # nothing is found now
    segment(tmp_path / "in", **options)
    assert written(tmp_path / "out") == results("a")


def test_numbers_can_be_left_out_of_the_overlay(tmp_path):
    image = photo(tmp_path / "a.png", 120, 160)
    segment(image, out=tmp_path / "with")
    segment(image, out=tmp_path / "without", pictures=PictureOptions(numbers=False))
    with_numbers, without = ((tmp_path / out / "a_overlay.jpg").read_bytes() for out in ("with", "without"))
    assert with_numbers != without


def test_pictures_of_results_are_no_inputs(tmp_path):
    pictures = PictureOptions(colour_labels=True, crops=True)
    segment(photo(tmp_path / "in/a.png"), out=tmp_path / "results", pictures=pictures)
    with pytest.raises(UOISError, match="found none"):
        segment(tmp_path / "results", out=tmp_path / "out")


def test_same_input_same_bytes(tmp_path):
    photo(tmp_path / "a.png")
    for out in ("one", "two"):
        segment(tmp_path / "a.png", out=tmp_path / out)
    for name in results("a"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("size", [(1, 1), (200, 20_000)])
def test_extreme_photos(tmp_path, size):
    status, _ = segment(
        photo(tmp_path / "a.png", *size), out=tmp_path / "out", pictures=PictureOptions(debug_heatmap=True)
    )
    assert status == 0 and written(tmp_path / "out") == results("a", debug=True)


def test_photo_longer_than_jpeg_allows(tmp_path):
    assert segment(photo(tmp_path / "a.png", 2, 66_000), out=tmp_path / "out")[0] == 0
    with Image.open(tmp_path / "out/a_label.png") as label:
        assert label.size == (66_000, 2)


@pytest.mark.parametrize("make", [broken, lambda path: path.touch() or path, lambda path: path.mkdir() or path])
def test_single_bad_input_stops_the_command(tmp_path, make):
    with pytest.raises(UOISError, match=r"a\.jpg: expected"):
        segment(make(tmp_path / "a.jpg"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists() or written(tmp_path / "out") == []


# --- several


def test_folder_keeps_its_tree_and_skips_hidden_and_other_files(tmp_path):
    for name in ("b.png", "a.JPG", "sub/deep/c.png", ".hidden.png", ".git/d.png"):
        photo(tmp_path / "in" / name)
    broken(tmp_path / "in/notes.txt")
    status, said = segment(tmp_path / "in", out=tmp_path / "out")
    assert status == 0 and "3 photos, 6 objects" in said
    assert written(tmp_path / "out") == results("a", "b", "sub/deep/c")
    assert json.loads((tmp_path / "out/sub/deep/c.json").read_text())["image"] == "sub/deep/c.png"


def test_batch_goes_on_and_lists_failures(tmp_path):
    inputs = [photo(tmp_path / "a.png"), broken(tmp_path / "b.png"), tmp_path / "no.png", photo(tmp_path / "c.png")]
    (tmp_path / "nothing").mkdir()
    status, said = segment(*inputs, tmp_path / "nothing", out=tmp_path / "out")
    assert status == 1
    assert written(tmp_path / "out") == results("a", "c")
    head, *failures = said.strip().splitlines()[1:]
    assert head == "3 inputs failed:"
    assert sorted(Path(line.split(":")[0].strip()).name for line in failures) == ["b.png", "no.png", "nothing"]
    assert all(" expected " in line for line in failures)


@pytest.mark.parametrize("missing", [False, True], ids=["broken", "missing"])
def test_a_batch_in_which_everything_fails_has_done_nothing(tmp_path, missing):
    names = [tmp_path / "in/a.png", tmp_path / "in/b.png"]
    inputs = names if missing else [broken(path).parent for path in names]
    status, said = segment(*inputs, out=tmp_path / "out")
    assert status == 2
    head, *failures = said.splitlines()
    assert head == "error: nothing could be segmented, 2 inputs failed:"
    assert [line.strip().startswith(f"{path}: expected") for line, path in zip(failures, names, strict=True)]


def test_a_folder_whose_only_photo_fails_is_one_line(tmp_path):
    broken(tmp_path / "in/a.png")
    with pytest.raises(UOISError, match=r"a\.png: expected"):
        segment(tmp_path / "in", out=tmp_path / "out")


def test_with_earlier_results_a_broken_photo_is_one_failure(tmp_path):
    photo(tmp_path / "in/a.png")
    segment(tmp_path / "in", out=tmp_path / "out")
    broken(tmp_path / "in/b.png")
    assert segment(tmp_path / "in", out=tmp_path / "out", overwrite=False)[0] == 1


def test_video_frames(tmp_path):
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for value in (50, 100):
        writer.write(np.full((48, 64, 3), value, dtype=np.uint8))
    writer.release()
    status, said = segment(tmp_path / "clip.avi", out=tmp_path / "out")
    assert status == 0 and "2 photos, 4 objects" in said
    assert written(tmp_path / "out") == results("clip_000000", "clip_000001")
    record = json.loads((tmp_path / "out/clip_000001.json").read_text())
    assert record["image"] == "clip.avi" and record["frame"] == 1


def test_a_video_that_is_cut_short_fails_after_its_frames(tmp_path):
    status, said = segment(cut_avi(tmp_path / "v.avi", 12), photo(tmp_path / "a.png"), out=tmp_path / "out")
    assert status == 1 and "1 input failed" in said
    assert "v.avi: expected 12 frames, found" in said and "cut short" in said
    assert 2 < len(list((tmp_path / "out").glob("v_*.json"))) < 10


def test_frames_of_a_video_that_cannot_be_decoded_are_counted(tmp_path):
    with VideoWriter(tmp_path / "whole.mp4", 10) as writer:
        for number in range(6):
            writer.add(np.full((48, 64, 3), 40 * number, dtype=np.uint8), number / 10)
    status, said = segment(with_holes(tmp_path / "whole.mp4", (2, 3), tmp_path / "v.mp4"), out=tmp_path / "out")
    assert status == 0 and "note: 2 frames of videos left out that cannot be decoded" in said
    assert written(tmp_path / "out") == results("v_000000", "v_000001", "v_000004", "v_000005")


def test_bad_video_in_a_batch(tmp_path):
    status, said = segment(broken(tmp_path / "v.mp4"), photo(tmp_path / "a.png"), out=tmp_path / "out")
    assert status == 1 and "v.mp4: expected a video" in said and "1 input failed" in said


def test_clashing_names_do_not_overwrite_one_another(tmp_path):
    for name in ("x/a.png", "x/a.jpg", "y/a.jpg"):
        photo(tmp_path / name)
    assert segment(tmp_path / "x", tmp_path / "y", out=tmp_path / "out")[0] == 0
    assert written(tmp_path / "out") == results("a.jpg", "a.png", "a.jpg-2")


def test_results_inside_the_input_folder_are_not_inputs(tmp_path):
    photo(tmp_path / "a.png")
    for _ in range(2):
        assert "1 photo," in segment(tmp_path, out=tmp_path / "out")[1]


def test_results_around_the_input_folder(tmp_path):
    photo(tmp_path / "in/a.png")
    assert segment(tmp_path / "in", out=tmp_path)[0] == 0
    assert written(tmp_path) == sorted([*results("a"), "in/a.png"])


def test_results_into_the_input_folder_are_refused(tmp_path):
    photo(tmp_path / "a.png")
    with pytest.raises(UOISError, match="another folder"):
        segment(tmp_path, out=tmp_path)


def test_an_input_is_never_overwritten(tmp_path):
    names = [photo(tmp_path / "a.png"), photo(tmp_path / "a_label.png")]
    before = names[1].read_bytes()
    status, said = segment(*names, out=tmp_path)
    assert status == 1 and "it is one of the inputs" in said
    assert names[1].read_bytes() == before


def test_overwrite_and_resume(tmp_path):
    photo(tmp_path / "in/a.png")
    segment(tmp_path / "in", out=tmp_path / "out")
    photo(tmp_path / "in/a.png", value=0)
    photo(tmp_path / "in/b.png")
    status, said = segment(tmp_path / "in", out=tmp_path / "out", overwrite=False)
    assert status == 0 and "1 photo, 2 objects" in said and "1 photo skipped" in said
    assert len(json.loads((tmp_path / "out/a.json").read_text())["instances"]) == 2
    segment(tmp_path / "in", out=tmp_path / "out")
    assert json.loads((tmp_path / "out/a.json").read_text())["instances"] == []


# --- the machine fails


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_leaves_nothing_and_the_batch_goes_on(tmp_path, monkeypatch, call):
    photo(tmp_path / "in/a.png")
    photo(tmp_path / "in/b.png")
    real, calls = getattr(os, call), []

    def second_call_fails(*args):
        calls.append(args)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args)

    monkeypatch.setattr(os, call, second_call_fails)
    status, said = segment(tmp_path / "in", out=tmp_path / "out")
    assert status == 1 and "No space left on device" in said and "a.png" in said
    assert written(tmp_path / "out") == results("b")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_no_free_memory_is_that_photos_failure(tmp_path, error):
    inputs = photo(tmp_path / "a.png", height=50), photo(tmp_path / "b.png")
    status, said = segment(*inputs, out=tmp_path / "out", model=FakeModel({50: error}))
    assert status == 1 and "a.png: no free memory" in said
    assert written(tmp_path / "out") == results("b")


def test_bugs_are_not_hidden(tmp_path):
    with pytest.raises(RuntimeError, match="bug"):
        segment(photo(tmp_path / "a.png"), out=tmp_path / "out", model=FakeModel({12: RuntimeError("bug")}))


def test_output_folder_is_checked_before_the_model_is_loaded(tmp_path):
    (tmp_path / "file").touch()

    def load():
        raise AssertionError("loaded")

    for out in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(OutputError, match="cannot write"):
            segment_inputs(asked(photo(tmp_path / "a.png"), out=out), Console(), load)
    with pytest.raises(UOISError, match="No such file"):
        segment_inputs(asked(tmp_path / "no.png", out=tmp_path / "out"), Console(), load)
    assert not (tmp_path / "out").exists()


# --- the console


def test_progress_bar_on_a_terminal(tmp_path):
    photo(tmp_path / "a.png")
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    options = asked(tmp_path / "a.png", out=tmp_path / "out")
    assert segment_inputs(options, console, FakeModel) == 0
    assert "segmenting" in console.file.getvalue()


def test_a_line_now_and_then_in_a_log(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
    console = Console(file=io.StringIO())

    class Waiting(FakeModel):
        """Takes its time over the second photo, until a line says that the first is done."""

        def encode_image(self, image) -> FakeEncoded:
            deadline = time.monotonic() + 20
            while len(image) == 13 and "segmenting: 1 of 3, 2 objects" not in console.file.getvalue():
                assert time.monotonic() < deadline, console.file.getvalue()
                time.sleep(0.005)
            return super().encode_image(image)

    inputs = (photo(tmp_path / "a.png"), photo(tmp_path / "b.png", height=13), photo(tmp_path / "c.png"))
    assert segment_inputs(asked(*inputs, out=tmp_path / "out", workers=2), console, Waiting) == 0
    assert console.file.getvalue().splitlines()[-1].startswith("3 photos, 6 objects in ")


# --- the command line


@pytest.fixture
def use(monkeypatch):
    """Make the command load this model (or fail with this error)."""

    def install(model):
        def load(options):
            if isinstance(model, BaseException):
                raise model
            return model

        monkeypatch.setattr(ModelOptions, "load", load)

    return install


def test_command_line(tmp_path, use, capsys):
    use(FakeModel())
    image = Image.new("L", (16, 12), 9)
    image.save(tmp_path / "grey.png")
    assert main(["segment", str(tmp_path / "grey.png"), "--out", str(tmp_path / "out"), "--debug-heatmap"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and "1 photo, 2 objects" in captured.err
    assert written(tmp_path / "out") == results("grey", debug=True)


@pytest.mark.parametrize("error", [WeightsError("expected a model among\ncompact, found 'x'"), UOISError("no device")])
def test_our_errors_are_one_line(tmp_path, use, capsys, error):
    use(error)
    assert main(["segment", str(photo(tmp_path / "a.png")), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1


def test_links_to_themselves_are_told_in_a_line(tmp_path):
    photo(tmp_path / "in/a.png")
    (tmp_path / "in/loop.png").symlink_to("loop.png")
    (tmp_path / "names.txt").write_text(f"{tmp_path}/in/loop.png\n{tmp_path}/in/a.png\n")
    status, said = segment(f"@{tmp_path / 'names.txt'}", out=tmp_path / "out")
    assert status == 1 and "1 photo, 2 objects" in said and "loop.png: expected a photo, found: Too many levels" in said
    (tmp_path / "results").symlink_to("results")
    for given in (tmp_path / "in", tmp_path / "in/a.png"):
        with pytest.raises(OutputError, match="results: expected a folder, found a link to nothing"):
            segment(given, out=tmp_path / "results")


def test_a_photo_given_by_two_ways_counts_once(tmp_path):
    photo(tmp_path / "in/a.png")
    (tmp_path / "in/b.png").symlink_to("a.png")
    (tmp_path / "there").symlink_to("in")
    given = [tmp_path / "in/../in/a.png", tmp_path / "in/a.png", tmp_path / "there/../in/b.png"]
    assert "2 photos, 4 objects" in segment(*given, out=tmp_path / "out")[1], "a link to a photo is another one"


def test_names_that_are_no_text_are_segmented_and_refused_by_formats_of_text(tmp_path):
    odd = os.fsdecode(b"\xff\xfe")
    try:
        photo(tmp_path / "in" / f"{odd}.png")
    except OSError:
        pytest.skip("a file system of text names")
    photo(tmp_path / "in/a.png")
    status, said = segment(tmp_path / "in", out=tmp_path / "out", formats=FormatChoice("native,coco,label-studio"))
    assert status == 1 and "coco: expected a file name in UTF-8" in said and "2 photos, 4 objects" in said
    assert results("a", odd) == [name for name in written(tmp_path / "out") if "/" not in name]


def test_interrupt(tmp_path, use, capsys):
    use(FakeModel({12: KeyboardInterrupt()}))
    assert main(["segment", str(photo(tmp_path / "a.png")), "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert written(tmp_path / "out") == []


@pytest.mark.parametrize("arguments", [[], ["segmen"], ["segment", "a.png"], ["segment", "--out"], ["segment", "-z"]])
def test_usage_errors_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_a_missing_input_is_named_first(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["segment"])
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert 0 < said.index("INPUT") < said.index("--out")


def test_inputs_may_stand_on_both_sides_of_options(tmp_path, use):
    use(FakeModel())
    first, second = photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    assert main(["segment", str(first), "--out", str(tmp_path / "out"), str(second)]) == 0
    assert written(tmp_path / "out") == results("a", "b")


# --- inputs that are no names of files


def url_of(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


class Standard(io.TextIOWrapper):
    """Standard input of the given bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


def test_a_photo_from_standard_input(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Standard(photo(tmp_path / "a.png").read_bytes()))
    assert segment("-", out=tmp_path / "out")[0] == 0
    assert written(tmp_path / "out") == results("stdin")
    assert json.loads((tmp_path / "out/stdin.json").read_text())["image"] == "stdin"


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "-: expected a photo on standard input, found nothing"), (b"x", "stdin: .*expected a photo")],
)
def test_no_photo_on_standard_input(tmp_path, monkeypatch, content, told):
    monkeypatch.setattr(sys, "stdin", Standard(content))
    with pytest.raises(UOISError, match=told):
        segment("-", out=tmp_path / "out")


def test_photos_in_urls(tmp_path):
    urls = [url_of(photo(tmp_path / "a.png")), url_of(photo(tmp_path / "b.png", height=20))]
    status, _ = segment(*urls, urls[0], out=tmp_path / "out")  # what is given twice counts once
    assert status == 0 and written(tmp_path / "out") == results("data", "data-2")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.org/a.jpg", "expected a file, found a URL: download it first"),
        ("S3://bucket/a.jpg", "expected a file, found a URL"),
        ("data:image/png;base64", "expected data:image/...;base64,CONTENT, found no comma"),
        ("data:image/png;base64,%%%", "expected base64"),
        ("data:image/png;base64,aGVsbG8=", "expected a photo"),
        ("data:,", "found an empty file"),
    ],
)
def test_urls_that_hold_no_photo(tmp_path, url, told):
    with pytest.raises(UOISError, match=told):
        segment(url, out=tmp_path / "out")


def test_patterns_in_quotes(tmp_path):
    for name in ("in/a.png", "in/b.png", "in/deep/c.png", "in/d.jpg"):
        photo(tmp_path / name)
    assert segment(f"{tmp_path}/in/*.png", out=tmp_path / "one")[0] == 0
    assert written(tmp_path / "one") == results("a", "b")
    assert segment(f"{tmp_path}/in/**/*.png", out=tmp_path / "two")[0] == 0
    assert written(tmp_path / "two") == results("a", "b", "c")
    with pytest.raises(UOISError, match=r"\*\.tif: expected files or folders that match this pattern, found none"):
        segment(f"{tmp_path}/in/*.tif", out=tmp_path / "three")


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    assert segment(photo(tmp_path / "a[1].png"), out=tmp_path / "out")[0] == 0
    assert written(tmp_path / "out") == results("a[1]")


@pytest.mark.parametrize("words", [["--version"], ["--version", "segment"], ["--verbose", "--version", "models"]])
def test_version(words, capsys):
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("uois-sam ")


def test_help_is_light():
    code = (
        "import sys\nfrom uois_sam.cli.main import main\n"
        "try: main(['segment', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'mitsuba', 'transformers', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "--debug-heatmap" in result.stdout

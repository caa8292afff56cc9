"""What becomes of results: lines of JSON, label maps of ids, a video that is whole, a window."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from moving import instances, square
from streams_by_hand import picture
from uois_sam.cli.main import main
from uois_sam.errors import OutputError, UOISError
from uois_sam.io.images import read_photo
from uois_sam.io.masks import decode_mask
from uois_sam.io.video import frame_rate, read_video
from uois_sam.io.video_writer import VideoWriter
from uois_sam.streams.frames import StreamFrame
from uois_sam.streams.outputs import AnnotatedVideo, JsonLines, LabelMaps, Watched, Window, check_apart, line_of


def watched(ids: list[int] | None = None, depth: Any = None, name: str = "") -> Watched:
    found = instances([square(4, 4, 8), square(20, 10, 8)], scores=[0.9, 0.8], image_hw=(48, 64))
    found = replace(found, model="m-1", notes=("kind: said",), ids=None if ids is None else np.array(ids))
    return Watched(StreamFrame(picture(9), 12.5, 3, name, depth), found, 0.02, 7)


def brightness(path: Path) -> list[int]:
    return [int(image[2:46, 2:62].mean()) for _, image in read_video(path)]


def test_a_line_says_what_was_found() -> None:
    line = json.loads(json.dumps(line_of(watched())))
    assert line == {
        "frame": 3, "stamp": 12.5, "height": 48, "width": 64, "model": "m-1", "milliseconds": 20.0, "dropped": 7,
        "objects": [
            {"label": 1, "score": 0.9, "box_xyxy": [4, 4, 12, 12], "area": 64, "point": [8, 8]},
            {"label": 2, "score": 0.8, "box_xyxy": [20, 10, 28, 18], "area": 64, "point": [24, 14]},
        ],
        "notes": ["kind: said"],
    }  # fmt: skip


def test_a_line_has_ids_name_masks_and_depth_where_there_are() -> None:
    depth = np.zeros((48, 64), np.float32)
    depth[4:12, 4:12] = 0.75
    depth[4, 4] = 0
    line = line_of(watched([4, 11], depth, "a.png"), masks=True)
    first, second = line["objects"]
    assert line["name"] == "a.png"
    assert (first["id"], second["id"]) == (4, 11)
    assert "label" not in first
    assert (first["depth_m"], second["depth_m"]) == (0.75, None)
    assert np.array_equal(decode_mask(first["segmentation"]), watched().found.masks[0])


def test_lines_are_there_as_soon_as_they_are_written() -> None:
    class Pipe(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    pipe = Pipe()
    output = JsonLines(pipe)
    output.write(watched())
    output.write(watched())
    assert pipe.flushed == 2
    assert [json.loads(line)["frame"] for line in pipe.getvalue().splitlines()] == [3, 3]


def test_label_maps_hold_ids_and_what_16_bits_do_not_hold_is_counted(tmp_path: Path) -> None:
    output = LabelMaps(tmp_path / "new" / "folder")
    output.write(watched([300, 70_000]))
    values = np.asarray(read_png(tmp_path / "new" / "folder" / "000003_label.png"))
    assert np.unique(values).tolist() == [0, 300]
    assert output.close() == [f"label maps in {tmp_path / 'new' / 'folder'}; 1 object with ids above 65535 left out"]


def test_label_maps_without_ids_hold_labels(tmp_path: Path) -> None:
    LabelMaps(tmp_path).write(watched())
    assert np.array_equal(read_png(tmp_path / "000003_label.png"), watched().found.label_map())


def read_png(path: Path) -> Any:
    from PIL import Image

    return np.asarray(Image.open(path))


def test_the_id_decides_the_colour_on_overlays() -> None:
    first, second = watched([7, 2]), watched([2, 7])
    one, other = first.found.overlay(picture(9)), second.found.overlay(picture(9))
    assert np.array_equal(one[11, 5], other[17, 21])
    assert not np.array_equal(one[11, 5], other[11, 5])


def test_a_video_is_shown_in_its_own_time(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 10) as writer:
        for stamp, grey in ((0.0, 0), (0.1, 60), (0.4, 120), (0.5, 240)):
            writer.add(picture(grey), 100 + stamp)
    assert frame_rate(path) == 10
    assert np.allclose(brightness(path), [0, 60, 60, 60, 120, 240], atol=5)


def test_a_long_gap_is_cut_and_a_clock_that_is_set_back_does_no_harm(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 2) as writer:
        for stamp in (0, 1000, 500, 500.5):
            writer.add(picture(9), stamp)
    assert writer.written == len(brightness(tmp_path / "out.mp4")) == 12  # 5 s and the two last


def test_pictures_faster_than_the_rate_are_shown_at_the_rate(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 5) as writer:
        for number in range(20):
            writer.add(picture(10 * number), number / 20)
    assert writer.written == 6  # at 0, 0.2, ... 1.0 s


def test_pictures_of_another_size_are_fitted_and_counted(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        writer.add(picture(200), 0)
        writer.add(picture(200, 31, 77), 0.1)
        writer.add(picture(200, 480, 64), 0.2)
    assert writer.fitted == 2
    frames = [image for _, image in read_video(tmp_path / "out.mp4")]
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    assert frames[2][24, 2].max() < 40 < 150 < frames[2][24, 32].min()


def test_a_video_of_odd_size_has_even_sides(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        writer.add(picture(200, 31, 77), 0)
    assert writer.fitted == 0
    assert next(read_video(tmp_path / "out.mp4"))[1].shape == (32, 78, 3)


def test_a_video_is_whole_when_an_error_ends_it_and_absent_before(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"

    def fail_after_five() -> None:
        with VideoWriter(path, 10) as writer:
            for number in range(5):
                writer.add(picture(number), number / 10)
            assert not path.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_five()
    assert len(brightness(path)) == 5
    assert [each.name for each in tmp_path.iterdir()] == ["out.mp4"]


def test_no_frame_makes_no_video(tmp_path: Path) -> None:
    output = AnnotatedVideo(tmp_path / "out.mp4", 10)
    assert output.close() == [f"no video {tmp_path / 'out.mp4'}: there was no frame"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.avi", "a name that ends in .mp4"), ("no/a.mp4", "expected a folder"), ("d.mp4", "a file")],
)
def test_a_place_for_a_video_that_cannot_be(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "d.mp4").mkdir()
    with pytest.raises(OutputError, match=expected):
        VideoWriter(tmp_path / name, 10)


def test_results_are_not_written_into_the_folder_that_is_watched(tmp_path: Path) -> None:
    check_apart(tmp_path, [tmp_path / "labels" / "maps", tmp_path.parent / "out.mp4"])
    for inside in (tmp_path, tmp_path / "out.mp4"):
        with pytest.raises(OutputError, match="outside of what is watched"):
            check_apart(tmp_path, [inside])


def test_a_video_is_not_written_over_the_one_that_is_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clip.mp4"
    with VideoWriter(clip, 10) as writer:
        writer.add(np.zeros((48, 64, 3), np.uint8), 0)
    (tmp_path / "same.mp4").symlink_to(clip)
    before = clip.read_bytes()
    for out in (clip, tmp_path / "same.mp4"):
        assert main(["watch", str(clip), "--save-video", str(out)]) == 2
        assert "outside of what is watched" in capsys.readouterr().err
    assert clip.read_bytes() == before


class Tk:
    """A double of tkinter with a desktop."""

    class TclError(Exception):
        pass

    def __init__(self) -> None:
        self.shown: list[bytes] = []
        self.destroyed = False
        self.close: Any = None

    def Tk(self) -> Any:  # noqa: N802
        def destroy() -> None:
            self.destroyed = True

        return SimpleNamespace(
            title=lambda text: None, update=lambda: None, destroy=destroy,
            protocol=lambda name, call: setattr(self, "close", call),
        )  # fmt: skip

    def Label(self, root: Any) -> Any:  # noqa: N802
        return SimpleNamespace(pack=lambda: None, configure=lambda image: self.shown.append(image))

    def PhotoImage(self, data: bytes) -> bytes:  # noqa: N802
        return data


def test_a_window_shows_frames_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = Tk()
    monkeypatch.setitem(sys.modules, "tkinter", desktop)
    window = Window("a stream")
    window.write(watched())
    desktop.close()
    window.write(watched())
    window.close()
    assert len(desktop.shown) == 1 and desktop.destroyed and not window.open
    shown = read_photo(desktop.shown[0]).pixels
    assert np.array_equal(shown, watched().found.overlay(picture(9), show_points=False))


def test_without_a_desktop_a_window_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = Tk()

    def no_display() -> None:
        raise Tk.TclError("no display name and no $DISPLAY environment variable")

    desktop.Tk = no_display  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "tkinter", desktop)
    with pytest.raises(UOISError, match="^no window here for --show: no desktop$"):
        Window("a stream")
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(UOISError, match="no tkinter"):
        Window("a stream")

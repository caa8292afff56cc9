"""`uois-sam segment --contact-sheet` and `--show`, around a fake model."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from cli.test_segment import FakeModel, broken, photo, results, segment, written
from uois_sam.cli.segment.formats import FormatChoice
from uois_sam.cli.segment.outputs import PictureOptions
from uois_sam.errors import UOISError
from uois_sam.io.captions import CAPTION_PX, captioned, drawable
from uois_sam.io.contact_sheet import GAP_PX, write_contact_sheet

SHEETS = PictureOptions(contact_sheet=True)


def test_a_sheet_of_each_folder_of_results(tmp_path):
    for name in ("a.png", "sub/b.png", "sub/c.png"):
        photo(tmp_path / "in" / name, height=60, width=80)
    broken(tmp_path / "in/sub/d.png")
    status, said = segment(tmp_path / "in", out=tmp_path / "out", pictures=SHEETS)
    assert status == 1 and f"at a glance in {tmp_path / 'out/contact_sheet.jpg'}, and 1 more" in said
    assert written(tmp_path / "out") == sorted(
        [*results("a", "sub/b", "sub/c"), "contact_sheet.jpg", "sub/contact_sheet.jpg"]
    )
    with (
        Image.open(tmp_path / "out/contact_sheet.jpg") as one,
        Image.open(tmp_path / "out/sub/contact_sheet.jpg") as two,
    ):
        assert two.width - GAP_PX == 2 * (one.width - GAP_PX) and one.height == two.height
        assert np.asarray(two.convert("L"))[:CAPTION_PX, : two.width // 2].min() < 100  # a caption


def test_a_sheet_holds_earlier_results_too_and_is_no_input(tmp_path):
    for name in ("a.png", "b.png"):
        photo(tmp_path / "in" / name, height=60, width=80)
    segment(tmp_path / "in", out=tmp_path / "out", pictures=SHEETS)
    whole = (tmp_path / "out/contact_sheet.jpg").read_bytes()
    for name in written(tmp_path / "out"):
        if name.startswith("b"):
            (tmp_path / "out" / name).unlink()
    segment(tmp_path / "in", out=tmp_path / "out", pictures=SHEETS, overwrite=False)
    assert (tmp_path / "out/contact_sheet.jpg").read_bytes() == whole
    photo(tmp_path / "out/new.png")
    _, said = segment(tmp_path / "out", out=tmp_path / "again")
    assert said.startswith("1 photo,") and "new.json" in written(tmp_path / "again")


def test_what_is_doubtful_is_said_of_photos_and_not_of_their_overlays(tmp_path, caplog):
    photo(tmp_path / "black.png", height=80, width=80, value=0)
    caplog.set_level("INFO", "uois_sam")
    segment(tmp_path / "black.png", out=tmp_path / "out", pictures=SHEETS)
    assert [said for said in caplog.messages if "is it a photo?" in said] == [
        f"{tmp_path / 'black.png'}: one value, 0, everywhere: is it a photo?"
    ]


def test_sheets_need_the_overlays(tmp_path):
    photo(tmp_path / "a.png")
    with pytest.raises(UOISError, match="expected native among the formats"):
        segment(tmp_path / "a.png", out=tmp_path / "out", pictures=SHEETS, formats=FormatChoice("coco"))


def test_many_and_tall_photos_do_not_make_a_sheet_large(tmp_path):
    """Pictures are read one at a time, and only those that are shown."""
    read: list[int] = []

    def tall(index: int):
        read.append(index)
        return np.full((4000, 40, 3), 100, np.uint8), None

    assert write_contact_sheet(tall, 10_000, tmp_path / "sheet.jpg", caption=lambda index: "x" * 500) == 48
    assert len(read) == 48 and read[0] == 0 and read[-1] == 9999
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width <= 2560 and sheet.height < 4000


def test_the_end_of_a_long_caption_is_kept():
    picture = np.zeros((10, 100, 3), np.uint8)
    long, short = captioned(picture, "a" * 90 + ": 3"), captioned(picture, ": 3")
    assert long.shape == (10 + CAPTION_PX, 100, 3) and np.array_equal(long[CAPTION_PX:], picture)
    assert (long != 255).sum() > (short != 255).sum()


def inked(text: str, font: object = None) -> np.ndarray:
    return captioned(np.zeros((1, 600, 3), np.uint8), text, font)[:CAPTION_PX]


def test_names_in_other_scripts_are_drawn_with_a_font_that_has_them():
    pytest.importorskip("matplotlib")
    for name in ("k\u00fcche", "\u03ba\u03bf\u03c5\u03c0\u03ac", "\u0427\u0430\u0448\u043a\u0430", "\u0142y\u017cka"):
        assert drawable(name) == name
        assert not np.array_equal(inked(name), inked("?" * len(name)))
    assert drawable("ku\u0308che") == "k\u00fcche", "as macOS writes names"


def test_accents_are_left_out_where_the_font_lacks_them_and_letters_are_not():
    small = ImageFont.load_default(size=14)
    assert drawable("k\u00fcche\u0301", small) == "kuche"
    assert drawable("\u0427\u0430\u0448\u043a\u0430", small) is None
    assert np.array_equal(inked("\u0427 1", small), inked("\\u0427 1", small))
    assert drawable("a\nb") is None


def test_names_that_no_font_has_are_numbers_which_are_told(tmp_path):
    assert drawable("\U000fffff") is None, "a letter for private use"
    for name in ("a.png", "\U000fffff.png"):
        photo(tmp_path / "in" / name, height=60, width=80)
    status, said = segment(tmp_path / "in", out=tmp_path / "out", pictures=SHEETS)
    assert status == 0
    assert f"note: {tmp_path / 'out/contact_sheet.jpg'}: 1 name that no font here can write" in said
    assert "no. 2 is \U000fffff" in said


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desktop whose viewer writes down what it shows, and stays open."""
    (tmp_path / "bin").mkdir()
    opener = tmp_path / "bin/xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/shown\nsleep 20\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path / "shown"


@pytest.mark.parametrize("sheet", [False, True])
def test_show_opens_a_picture_and_does_not_wait(sheet, desktop, tmp_path):
    for name in ("a.png", "b.png"):
        photo(tmp_path / "in" / name)
    began = time.monotonic()
    pictures = PictureOptions(show=True, contact_sheet=sheet)
    status, said = segment(tmp_path / "in", out=tmp_path / "out", pictures=pictures)
    assert status == 0 and time.monotonic() - began < 15
    opened = tmp_path / "out" / ("contact_sheet.jpg" if sheet else "a_overlay.jpg")
    assert said.endswith(f"opened {opened}{'' if sheet else ', the first of 2 overlays'}\n")
    while not (desktop.exists() and desktop.read_text()) and time.monotonic() - began < 15:
        time.sleep(0.02)
    assert desktop.read_text() == f"{opened}\n"


def test_where_there_is_no_desktop_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    status, said = segment(photo(tmp_path / "a.png"), out=tmp_path / "out", pictures=PictureOptions(show=True))
    assert status == 0
    assert (
        said.splitlines()[1] == f"no viewer here (no desktop) for --show; the picture is {tmp_path}/out/a_overlay.jpg"
    )


def test_nothing_is_shown_where_nothing_was_found_to_segment(desktop, tmp_path):
    with pytest.raises(UOISError):
        segment(broken(tmp_path / "a.png"), out=tmp_path / "out", model=FakeModel(), pictures=PictureOptions(show=True))
    assert not desktop.exists()

"""Which files inputs stand for, and that no two of them share the name of their results."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from uois_sam.cli.segment.inputs import count_photos, find_sources


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def stems(*inputs: Path, out: Path = Path("elsewhere")) -> list[str]:
    return [source.stem.as_posix() for source in find_sources(inputs, out)[0]]


def test_clashing_names_keep_their_suffix_then_get_a_number(tmp_path):
    for name in ("x/a.png", "x/a.jpg", "x/b.png", "y/a.jpg", "y/sub/b.png"):
        touch(tmp_path / name)
    assert stems(tmp_path / "x") == ["a.jpg", "a.png", "b"]
    assert stems(tmp_path / "x", tmp_path / "y") == ["a.jpg", "a.png", "b", "a.jpg-2", "sub/b"]


def test_names_that_differ_in_case_only_clash(tmp_path):
    assert stems(touch(tmp_path / "x/a.png"), touch(tmp_path / "y/A.jpg")) == ["a.png", "A.jpg"]


def test_photo_named_like_a_frame_clashes_with_the_video(tmp_path):
    names = (touch(tmp_path / "clip_000001.png"), touch(tmp_path / "clip.mp4"), touch(tmp_path / "img_000001.png"))
    assert stems(*names) == ["clip_000001.png", "clip.mp4", "img_000001"]


def test_file_given_twice_counts_once(tmp_path):
    path = touch(tmp_path / "in/a.png")
    assert stems(path, tmp_path / "in", path) == ["a"]


def test_failures_name_the_input(tmp_path):
    sources, failures = find_sources([tmp_path / "no.jpg", tmp_path], Path("elsewhere"))
    assert sources == []
    assert [line.split(":")[0] for line in failures] == [str(tmp_path / "no.jpg"), str(tmp_path)]


def test_videos_that_cannot_be_read_count_nothing(tmp_path):
    sources, _ = find_sources([touch(tmp_path / "a.png"), touch(tmp_path / "b.mp4")], Path("elsewhere"))
    assert [source.is_video for source in sources] == [False, True]
    assert count_photos(sources) == 1


def test_maps_and_earlier_results_are_left_out_and_counted(tmp_path, caplog):
    for name in ("a.jpg", "a_label.png", "a_depth.png", "a_MASK.png", "b_mask.png", "b_overlay.jpg"):
        touch(tmp_path / "flat" / name)
    for name in ("c.json", "c_overlay.jpg", "c_label.png", "c_heatmap.jpg"):
        touch(tmp_path / "results" / name)
    for name in ("rgb/d.png", "depth/d.png", "label/d.png", "mask_visib/d_000000.png"):
        touch(tmp_path / "scene" / name)
    assert stems(tmp_path) == ["flat/a", "flat/b_mask", "flat/b_overlay", "scene/rgb/d"]
    assert "left out 9 files, first flat/a_MASK.png: maps and earlier results; give them by name" in caplog.text
    assert stems(tmp_path / "flat" / "a_label.png") == ["a_label"]


def test_pictures_in_formats_that_are_not_read_are_counted(tmp_path, caplog):
    for name in ("a.jfif", "b.CR2", "c.psd", "notes.txt"):
        touch(tmp_path / name)
    assert stems(tmp_path) == ["a"]
    assert "left out 2 files, first b.CR2: pictures in formats that are not read" in caplog.text


def test_names_too_long_for_the_endings_of_results_are_cut_and_stay_unique(tmp_path):
    names = [touch(tmp_path / ("é" * 100 + "x" * 40 + ending)) for ending in ("1.png", "2.png")]
    first, second = stems(*names)
    assert first != second
    assert all(len(f"{stem}_foreground.jpg".encode()) <= 255 for stem in (first, second))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_file_is_counted_and_does_not_hang(tmp_path, caplog):
    touch(tmp_path / "in/a.png")
    touch(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/gone.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "in/good.png").symlink_to(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "in/pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "in/socket.png"))
        assert stems(tmp_path / "in") == ["a", "good"]
    assert "left out 1 file, first gone.png: links to nothing" in caplog.text
    assert "left out 2 files, first pipe.jpg: pipes, sockets and devices" in caplog.text
    assert "left out 1 folder, first folder: links to folders are not followed; give them by name" in caplog.text
    assert stems(tmp_path / "in" / "folder") == ["b"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the super-user reads every folder")
def test_folders_that_cannot_be_read_are_counted(tmp_path, caplog):
    touch(tmp_path / "a.png")
    touch(tmp_path / "closed/b.png").parent.chmod(0)
    try:
        assert stems(tmp_path) == ["a"]
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert "left out 1 folder, first closed: folders that cannot be read" in caplog.text


def test_a_name_that_no_file_can_have():
    assert "a name that no file can have" in find_sources([Path("a\0.png")], Path("elsewhere"))[1][0]

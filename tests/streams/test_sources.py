"""Cameras, URLs, videos, folders and depth cameras, each with what goes wrong with it."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from damaged_videos import cut_avi, trimmed, with_holes
from streams_by_hand import picture
from uois_sam.errors import ImageError, MissingExtraError, UOISError
from uois_sam.io.encoding import encode_jpeg, encode_png
from uois_sam.io.video import read_video
from uois_sam.io.video_ends import is_open_ended, is_torn, shown_seconds
from uois_sam.io.video_writer import VideoWriter
from uois_sam.streams.choose import source_of
from uois_sam.streams.files import FolderSource, VideoSource
from uois_sam.streams.frames import StreamLostError
from uois_sam.streams.network import NetworkSource
from uois_sam.streams.reader import Reader, ReaderConfig


def taken_until_lost(frames: Iterator[Any]) -> tuple[list[Any], str]:
    """The frames before a source is lost or fails, and what it says then."""
    taken = []
    try:
        for frame in frames:
            taken.append(frame)  # noqa: PERF402  # what came before the error is wanted
    except UOISError as error:
        return taken, f"{type(error).__name__}: {error}"
    return taken, ""


def until(happened: Callable[[], bool]) -> None:
    """Wait for another thread."""
    begun = time.monotonic()
    while not happened():
        assert time.monotonic() - begun < 30
        time.sleep(0.01)


def all_of(source: Any) -> list[Any]:
    return list(source.frames(threading.Event()))


@pytest.fixture(params=["pyav", "opencv"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to decode, with the extra and without it."""
    if request.param == "pyav":
        pytest.importorskip("av")
    for module in ("io.video", "streams.network"):
        monkeypatch.setattr(f"uois_sam.{module}.has_pyav", lambda: request.param == "pyav")
    return str(request.param)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "clip.mp4", 10) as writer:
        for number in range(40):
            writer.add(picture(5 * number), number / 10)
    return tmp_path / "clip.mp4"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cameras are files on Linux only")
@pytest.mark.parametrize("given", ["97", "/dev/video97"])
def test_a_camera_that_does_not_exist_is_told_with_those_that_do(given: str) -> None:
    with pytest.raises(UOISError, match="expected a camera at /dev/video97, found "):
        all_of(source_of(given))


def test_a_device_that_is_no_camera(tmp_path: Path) -> None:
    with pytest.raises(UOISError, match="^/dev/null: expected a camera, found none that opens$"):
        all_of(source_of("/dev/null"))


def test_a_url_that_is_refused_is_told_without_its_password(decoder: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}/video"
        with pytest.raises(UOISError) as error:
            all_of(source_of(url))
    assert str(error.value) == f"{url.replace('user:secret@', '')}: expected a stream, found none that opens"


@contextmanager
def camera_server(port: int = 0) -> Iterator[ThreadingHTTPServer]:
    """A network camera: JPEG after JPEG for ever, as most of them send."""

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                while not self.server.ended:  # type: ignore[attr-defined]
                    jpeg = encode_jpeg(picture(*self.server.shows), quality=90)[: self.server.cut]  # type: ignore[attr-defined]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    time.sleep(0.005)
            except OSError:
                pass

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Camera)
    server.ended = False  # type: ignore[attr-defined]
    server.cut = None  # type: ignore[attr-defined]
    server.shows = 120, 48, 64  # type: ignore[attr-defined]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended = True  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_network_camera_that_changes_its_size_gives_each_frame_in_its_own(decoder: str) -> None:
    lines: list[str] = []
    with camera_server() as server:
        source = NetworkSource(f"http://127.0.0.1:{server.server_address[1]}/", lines.append)
        with Reader(source) as reader:
            frames = iter(reader)
            assert next(frames).image.shape == (48, 64, 3)
            for grey, size in ((200, (96, 160)), (40, (32, 40))):
                server.shows = grey, *size  # type: ignore[attr-defined]
                changed = next(frame for frame in frames if abs(int(frame.image.mean()) - grey) < 4)
                assert changed.image.shape == (*size, 3)
    assert lines == []


def test_pictures_that_are_none_are_left_out_of_a_stream_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uois_sam.streams.network.has_pyav", lambda: False)
    lines: list[str] = []
    with camera_server() as server:
        source = NetworkSource(f"http://127.0.0.1:{server.server_address[1]}/", lines.append)
        with Reader(source) as reader:
            frames = iter(reader)
            next(frames)
            for unread in (3, 6):  # now and then, for days
                server.cut = 500  # type: ignore[attr-defined]
                until(lambda least=unread: source.unread > least)  # type: ignore[misc]
                server.cut = None  # type: ignore[attr-defined]
                until(lambda read=reader.read: reader.read > read)  # type: ignore[misc]
    assert len(lines) == 1 and "/: left out: image: " in lines[0]


def changing_video(folder: Path) -> Path:
    """H.264 in an MPEG transport stream: 10 frames of 64x48, 10 of 128x96 and 10 of 48x64, brighter and brighter."""
    av = pytest.importorskip("av")
    path = folder / "changing.ts"
    with path.open("wb") as file:
        for part, (height, width) in enumerate([(48, 64), (96, 128), (64, 48)]):
            with av.open(file, "w", format="mpegts") as container:
                stream = container.add_stream("libx264", rate=10)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                for number in range(10 * part, 10 * part + 10):
                    frame = av.VideoFrame.from_ndarray(picture(8 * number, height, width), format="rgb24")
                    frame.pts = number
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
    return path


def test_a_video_that_changes_its_size_gives_each_frame_in_its_own(tmp_path: Path) -> None:
    frames = all_of(source_of(str(changing_video(tmp_path))))
    assert [frame.image.shape[:2] for frame in frames] == [(48, 64)] * 10 + [(96, 128)] * 10 + [(64, 48)] * 10
    assert all(abs(int(frame.image.mean()) - 8 * index) < 4 for index, frame in enumerate(frames))


def test_a_network_stream_whose_size_cannot_be_known_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = changing_video(tmp_path).read_bytes()
    lines: list[str] = []
    monkeypatch.setattr("uois_sam.streams.network.has_pyav", lambda: False)
    with file_server(content) as url:
        frames, _ = taken_until_lost(NetworkSource(url, lines.append).frames(threading.Event()))
        assert {frame.image.shape[:2] for frame in frames} == {(48, 64)}
        assert len(lines) == 1 and "would not be noticed" in lines[0] and "[video]" in lines[0]
        monkeypatch.setattr("uois_sam.streams.network.has_pyav", lambda: True)
        frames, _ = taken_until_lost(NetworkSource(url, lines.append).frames(threading.Event()))
        assert {frame.image.shape[:2] for frame in frames} == {(48, 64), (96, 128), (64, 48)}
        assert len(lines) == 1


@contextmanager
def file_server(content: bytes) -> Iterator[str]:
    """A server that sends one film to everybody."""

    class Films(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Films) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/film.ts"
        server.shutdown()
        thread.join(5)


def test_both_decoders_give_the_same_pixels(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an extra changes no results; also of a video that a phone has turned."""
    pytest.importorskip("av")
    turned = bytearray(clip.read_bytes())
    matrix = turned.index(b"tkhd") + 44
    turned[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(turned)
    for path, size in ((clip, (48, 64)), (tmp_path / "turned.mp4", (64, 48))):
        both = []
        for pyav in (True, False):
            monkeypatch.setattr("uois_sam.io.video.has_pyav", lambda pyav=pyav: pyav)
            both.append(np.array([image for _, image in read_video(path)]))
        assert both[0].shape == (40, *size, 3)
        assert np.array_equal(both[0], both[1])


def test_a_network_camera_that_goes_away_and_comes_back(decoder: str) -> None:
    lines: list[str] = []
    with camera_server() as server:
        port = server.server_address[1]
        with Reader(NetworkSource(f"http://127.0.0.1:{port}/"), ReaderConfig(retry_s=60), lines.append) as reader:
            frames = iter(reader)
            first = next(frames)
            assert first.image.shape == (48, 64, 3)
            assert abs(int(first.image.mean()) - 120) < 4
            server.ended = True  # type: ignore[attr-defined]
            server.shutdown()
            server.server_close()
            until(lambda: bool(lines))
            with camera_server(port):
                while not reader.reconnects:
                    next(frames)
    assert reader.reconnects == 1
    assert lines[0].startswith(f"lost: http://127.0.0.1:{port}/: expected a frame, found none; trying again")
    assert "back after" in lines[1]


def test_every_frame_of_a_video(clip: Path, decoder: str) -> None:
    frames = all_of(source_of(str(clip)))
    assert len(frames) == 40
    assert [round(10 * frame.stamp_s) for frame in frames] == list(range(40))
    assert abs(int(frames[10].image.mean()) - 50) < 6


def test_a_video_that_is_cut_short_gives_its_frames_and_then_an_error(decoder: str, tmp_path: Path) -> None:
    frames, error = taken_until_lost(VideoSource(cut_avi(tmp_path / "cut.avi", 40)).frames(threading.Event()))
    assert (
        error == f"ImageError: {tmp_path / 'cut.avi'}: expected 40 frames, found {len(frames)}: the file is cut short"
    )
    assert 10 < len(frames) < 30


def test_frames_that_cannot_be_decoded_are_counted_and_the_others_keep_their_time(clip: Path, tmp_path: Path) -> None:
    source = VideoSource(with_holes(clip, (20, 21, 22), tmp_path / "holes.mp4"))
    frames = all_of(source)
    assert source.unread == 3 and len(frames) == 37
    assert [round(10 * frame.stamp_s) for frame in frames] == [*range(20), *range(23, 40)]
    assert all(abs(int(frame.image.mean()) - 50 * frame.stamp_s) < 10 for frame in frames)


def test_a_stream_counts_pictures_that_cannot_be_decoded_and_says_so_once(clip: Path, tmp_path: Path) -> None:
    content = with_holes(clip, (20, 21, 22), tmp_path / "holes.mp4").read_bytes()
    lines: list[str] = []
    with file_server(content) as url:
        source = NetworkSource(url, lines.append)
        assert len(all_of(source)) == 37
    assert source.unread == 3
    assert [line.partition(" (")[0] for line in lines] == [f"{url}: left out: a picture that cannot be decoded"]


def test_opencv_ends_at_damage_and_that_is_said(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = VideoSource(with_holes(clip, (20, 21, 22), tmp_path / "holes.mp4"))
    monkeypatch.setattr("uois_sam.io.video.has_pyav", lambda: False)
    frames, error = taken_until_lost(source.frames(threading.Event()))
    assert len(frames) == 20 and error.endswith("expected 40 frames, found 20: the file is cut short")


def test_a_trimmed_video_is_not_cut_short(decoder: str, tmp_path: Path) -> None:
    path = trimmed(tmp_path / "trimmed.mp4", hidden=25, shown=20)
    frames = all_of(VideoSource(path))
    assert len(frames) == 20 and abs(int(frames[0].image.mean()) - 100) < 6
    assert shown_seconds(path) == pytest.approx(2.0, abs=0.11)


def test_what_is_no_film_shows_nothing(clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes()
    for number, said in enumerate((b"", b"no film", content[:700], content.replace(b"elst", b"free"), 8 * b"\xff")):
        (tmp_path / f"{number}.mp4").write_bytes(said)
        assert shown_seconds(tmp_path / f"{number}.mp4") is None
    assert not is_open_ended(clip) and not is_torn(clip)


def test_a_film_whose_clock_stands_still_is_read_all_the_same(decoder: str, tmp_path: Path) -> None:
    path = trimmed(tmp_path / "trimmed.mp4", hidden=25, shown=20)
    content = bytearray(path.read_bytes())
    scale = content.index(b"mvhd") + 16
    content[scale : scale + 4] = bytes(4)
    path.write_bytes(content)
    assert shown_seconds(path) is None
    assert taken_until_lost(VideoSource(path).frames(threading.Event()))[0]


@pytest.mark.skipif(os.name != "posix", reason="a named pipe")
def test_a_pipe_is_refused_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ts")
    begun: list[str] = []

    def begin() -> None:
        with pytest.raises(ImageError, match="pipe.ts: expected a video, found: a pipe or device"):
            next(source_of(str(tmp_path / "pipe.ts")).frames(threading.Event()))
        begun.append("refused")

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    thread.join(20)
    assert begun == ["refused"]


def mpeg_stream(path: Path) -> Path:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(50):
            pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_transport_stream_that_ends_within_a_packet_is_cut_short(decoder: str, tmp_path: Path) -> None:
    path = mpeg_stream(tmp_path / "whole.ts")
    frames, error = taken_until_lost(read_video(path))
    assert (len(frames), error) == (50, "")
    (tmp_path / "cut.ts").write_bytes(path.read_bytes()[: path.stat().st_size // 2 // 188 * 188 + 100])
    frames, error = taken_until_lost(read_video(tmp_path / "cut.ts"))
    assert 15 < len(frames) < 35 and "cut.ts: expected " in error and error.endswith("the file is cut short")


@pytest.mark.parametrize("ending", ["ts", "mpg"])
def test_that_the_end_of_mpeg_streams_is_not_checked_is_said(ending: str, tmp_path: Path) -> None:
    path = mpeg_stream(tmp_path / f"whole.{ending}")
    lines: list[str] = []
    source_of(str(path), tell=lines.append)
    assert lines == [f"note: {path}: MPEG streams do not say how long they are, so a missing end cannot be told"]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_whole_and_cut_videos_are_told_apart_by_their_length(clip: Path, tmp_path: Path, ending: str) -> None:
    av = pytest.importorskip("av")
    whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    with av.open(str(clip)) as taken, av.open(str(whole), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream_from_template(taken.streams.video[0])
        for packet in taken.demux(taken.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    frames, error = taken_until_lost(read_video(whole))
    assert (len(frames), error) == (40, "")
    cut.write_bytes(whole.read_bytes()[: int(0.6 * whole.stat().st_size)])
    frames, error = taken_until_lost(read_video(cut))
    assert 15 < len(frames) < 38
    assert ": the file is cut short" in error


def test_a_video_without_its_index_is_refused(clip: Path, decoder: str, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:600])
    with pytest.raises(ImageError, match="cut.mp4: expected a video"):
        source_of(str(tmp_path / "cut.mp4"))


def test_a_folder_gives_what_is_there_by_age_and_then_what_comes(tmp_path: Path) -> None:
    for age, name in ((100, "b.png"), (50, "a.png")):
        (tmp_path / name).write_bytes(encode_png(picture(age)))
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / "notes.txt").write_text("no photo")
    with Reader(FolderSource(tmp_path)) as reader:
        frames = iter(reader)
        assert [next(frames).name for _ in range(2)] == ["b.png", "a.png"]
        (tmp_path / "c.png").write_bytes(encode_png(picture(7)))
        late = next(frames)
    assert (late.name, late.index, int(late.image[0, 0, 0])) == ("c.png", 2, 7)


def test_a_file_is_read_when_it_is_whole_and_one_that_is_none_is_left_out_and_said(tmp_path: Path) -> None:
    content = encode_png(np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8))
    lines: list[str] = []
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    os.utime(tmp_path / "bad.png", (time.time() - 60,) * 2)
    with (tmp_path / "slow.png").open("wb") as file:
        file.write(content[:100])
        file.flush()
        source = FolderSource(tmp_path, idle_s=1.5, tell=lines.append)

        def write_on() -> None:
            for start in range(100, len(content), 2000):
                time.sleep(0.05)
                file.write(content[start : start + 2000])
                file.flush()

        thread = threading.Thread(target=write_on)
        thread.start()
        frames = all_of(source)
        thread.join()
    assert [frame.name for frame in frames] == ["slow.png"]
    assert source.unread == 1
    assert len(lines) == 1 and "bad.png" in lines[0]


@pytest.mark.parametrize("idle_s", [0, 0.1])
def test_a_photo_that_came_just_now_is_waited_for(idle_s: float, tmp_path: Path) -> None:
    """It may still be written, which takes a second look: not before that is nothing new there."""
    (tmp_path / "new.png").write_bytes(encode_png(picture(9)))
    assert [frame.name for frame in all_of(FolderSource(tmp_path, idle_s))] == ["new.png"]


def test_a_file_that_stays_empty_is_not_waited_for_and_said(tmp_path: Path) -> None:
    (tmp_path / "never.png").touch()
    lines: list[str] = []
    source = FolderSource(tmp_path, idle_s=0.1, tell=lines.append)
    assert all_of(source) == [] and source.unread == 1
    assert lines == [f"left out: {tmp_path / 'never.png'}: expected a photo, found an empty file"]


def test_a_file_that_a_slow_copy_goes_on_with_is_read_again(tmp_path: Path) -> None:
    """A copy that halts for longer than the looks lie apart seems whole, and is not."""
    content, lines = encode_png(picture(5)), []
    (tmp_path / "slow.png").write_bytes(content[: len(content) // 2])
    source = FolderSource(tmp_path, tell=lines.append)
    with Reader(source) as reader:
        frames = iter(reader)
        while not lines:
            time.sleep(0.01)
        assert source.unread == 1 and "slow.png" in lines[0]
        with (tmp_path / "slow.png").open("ab") as file:
            file.write(content[len(content) // 2 :])
        assert next(frames).name == "slow.png"
    assert source.unread == 0 and len(lines) == 1


def test_a_folder_that_vanishes_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "filling"
    folder.mkdir()
    (folder / "a.png").write_bytes(encode_png(picture(1)))
    os.utime(folder / "a.png", (time.time() - 60,) * 2)
    with Reader(FolderSource(folder), ReaderConfig(retry_s=0)) as reader:
        frames = iter(reader)
        next(frames)
        shutil.rmtree(folder)
        with pytest.raises(StreamLostError, match="filling: the folder is gone"):
            next(frames)


def test_what_was_removed_from_a_folder_is_forgotten(tmp_path: Path) -> None:
    source = FolderSource(tmp_path, idle_s=0.3)
    for number in range(5):
        path = tmp_path / f"{number}.png"
        path.write_bytes(encode_png(picture(number)))
        os.utime(path, (time.time() - 60,) * 2)
        assert len(all_of(source)) == 1
        path.unlink()
    all_of(source)
    assert not source._done and not source._known and not source._left_out


def test_a_file_that_vanishes_during_a_look_brings_back_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a program does that writes under another name first: what it listed may be gone when it is looked at."""
    for age, name in enumerate(("a.png", "b.png", "c.png")):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    scan, looks = os.scandir, count()

    @contextmanager
    def with_one_gone(folder: Path) -> Iterator[Iterator[Any]]:
        with scan(folder) as entries:
            listed: list[Any] = sorted(entries, key=lambda each: each.name)
        if next(looks) == 1:
            gone = SimpleNamespace(name="aa.png", is_file=lambda: True, stat=Mock(side_effect=FileNotFoundError(2, "")))
            listed.insert(1, gone)
        yield iter(listed)

    monkeypatch.setattr("uois_sam.streams.files.os.scandir", with_one_gone)
    assert [frame.name for frame in FolderSource(tmp_path, idle_s=1.0).frames(Event())] == ["a.png", "b.png", "c.png"]
    assert next(looks) > 3


@pytest.mark.parametrize("url", ["rtsp://me:pass@word@camera/a@b", "rtsp://me:pass@camera/a@b", "rtsp://camera/a@b"])
def test_no_part_of_a_password_is_in_the_name(url: str) -> None:
    assert NetworkSource(url).name == "rtsp://camera/a@b"


@pytest.mark.parametrize("given", ["nothing.mp4", "camera", "", "a\0b"])
def test_a_word_that_stands_for_nothing(given: str) -> None:
    with pytest.raises(UOISError, match="expected a camera's number, a device, a URL"):
        source_of(given)


@pytest.mark.parametrize(("given", "package"), [("realsense", "pyrealsense2"), ("oak", "depthai")])
def test_a_camera_whose_sdk_is_missing(given: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*\[{given}\]"):
        source_of(given)


def no_camera(*arguments: Any) -> None:
    raise RuntimeError("No device connected")


class RealSense:
    """A double of pyrealsense2: two frames, then the cable is pulled."""

    stream = SimpleNamespace(color="color", depth="depth")
    format = SimpleNamespace(rgb8="rgb8", z16="z16")

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.stopped = 0
        self.left = 2

    def config(self) -> Any:
        return SimpleNamespace(enable_device=self.asked.append, enable_stream=lambda *a: self.asked.append(a))

    def pipeline(self) -> Any:
        return SimpleNamespace(start=self.start, wait_for_frames=self.wait, stop=self.stop)

    def start(self, config: Any) -> Any:
        sensor = SimpleNamespace(get_depth_scale=lambda: 0.0005)
        return SimpleNamespace(get_device=lambda: SimpleNamespace(first_depth_sensor=lambda: sensor))

    def align(self, to: str) -> Any:
        assert to == "color"
        return SimpleNamespace(process=lambda frames: frames)

    def wait(self, timeout_ms: int) -> Any:
        if not self.left:
            raise RuntimeError("Frame didn't arrive within 5000")
        self.left -= 1
        colour, depth = np.full((480, 640, 3), (1, 2, 3), np.uint8), np.full((480, 640), 1200, np.uint16)
        depth[0, 0] = 0
        return SimpleNamespace(
            get_color_frame=lambda: SimpleNamespace(get_data=lambda: colour),
            get_depth_frame=lambda: SimpleNamespace(get_data=lambda: depth),
        )

    def stop(self) -> None:
        self.stopped += 1


def test_a_realsense_gives_photos_and_depth_in_metres(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = RealSense()
    monkeypatch.setitem(sys.modules, "pyrealsense2", sdk)
    frames, error = taken_until_lost(source_of("realsense:123").frames(threading.Event()))
    assert error.startswith("StreamLostError: realsense 123: expected a frame, found: Frame didn't arrive")
    assert len(frames) == 2 and sdk.stopped == 1
    assert sdk.asked[0] == "123"
    assert frames[0].image[0, 0].tolist() == [1, 2, 3]
    assert frames[0].depth_m.dtype == np.float32
    assert frames[0].depth_m[0, :2].tolist() == [0, pytest.approx(0.6)]


def test_a_realsense_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = RealSense()
    sdk.start = no_camera  # type: ignore[method-assign,assignment]
    monkeypatch.setitem(sys.modules, "pyrealsense2", sdk)
    with pytest.raises(UOISError, match="^realsense: expected a RealSense, found: No device connected$"):
        all_of(source_of("realsense"))


class Port:
    """An output or input of a double's node, which counts what is linked."""

    def __init__(self, links: list[str], name: str) -> None:
        self.links, self.name = links, name

    def link(self, other: Port) -> None:
        self.links.append(f"{self.name} > {other.name}")


class Oak:
    """A double of depthai 3: two frames, then the device is gone."""

    CameraBoardSocket = SimpleNamespace(CAM_A="A", CAM_B="B", CAM_C="C")

    class node:  # noqa: N801
        Camera, StereoDepth, Sync = "Camera", "StereoDepth", "Sync"

    def __init__(self) -> None:
        self.links: list[str] = []
        self.ended = self.silent = False
        self.left = 2
        self.depth_hw = (480, 640)

    def Pipeline(self, *device: Any) -> Any:  # noqa: N802
        return SimpleNamespace(create=self.create, start=lambda: None, stop=self.stop)

    def create(self, kind: str) -> Any:
        port = lambda name: Port(self.links, name)  # noqa: E731
        if kind == "Camera":
            return SimpleNamespace(
                build=lambda socket: SimpleNamespace(requestOutput=lambda size, **options: port(socket))
            )
        if kind == "StereoDepth":
            return SimpleNamespace(
                left=port("left"), right=port("right"), inputAlignTo=port("align"), depth=port("depth")
            )
        inputs = {name: port(f"sync {name}") for name in ("colour", "depth")}
        queue = SimpleNamespace(get=self.get)
        return SimpleNamespace(inputs=inputs, out=SimpleNamespace(createOutputQueue=lambda size, blocking: queue))

    def get(self, timeout: timedelta) -> Any:
        assert 1 <= timeout.total_seconds() <= 10
        if not self.left:
            if self.silent:
                return None
            raise RuntimeError("Communication exception")
        self.left -= 1
        bgr, depth = np.full((480, 640, 3), (3, 2, 1), np.uint8), np.full(self.depth_hw, 800, np.uint16)
        return {"colour": SimpleNamespace(getCvFrame=lambda: bgr), "depth": SimpleNamespace(getFrame=lambda: depth)}

    def stop(self) -> None:
        self.ended = True


def test_an_oak_gives_photos_and_aligned_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = Oak()
    monkeypatch.setitem(sys.modules, "depthai", sdk)
    frames, error = taken_until_lost(source_of("oak").frames(threading.Event()))
    assert error.startswith("StreamLostError: oak: expected a frame, found: Communication exception")
    assert len(frames) == 2 and sdk.ended
    assert frames[0].image[0, 0].tolist() == [1, 2, 3]
    assert frames[0].depth_m[5, 5] == pytest.approx(0.8)
    assert sdk.links == ["B > left", "C > right", "A > align", "A > sync colour", "depth > sync depth"]


def test_an_oak_whose_depth_is_not_aligned_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = Oak()
    sdk.depth_hw = (400, 640)
    monkeypatch.setitem(sys.modules, "depthai", sdk)
    with pytest.raises(UOISError, match="oak: expected depth aligned to the photo, 640x480, found 640x400"):
        list(source_of("oak").frames(threading.Event()))
    assert sdk.ended


def test_an_oak_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = Oak()
    sdk.silent = True
    monkeypatch.setitem(sys.modules, "depthai", sdk)
    frames, error = taken_until_lost(source_of("oak").frames(threading.Event()))
    assert len(frames) == 2 and sdk.ended
    assert error == "StreamLostError: oak: expected a frame, found none for 5 s"

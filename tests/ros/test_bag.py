"""``uois-sam bag``: bags of every kind in, label maps and detections with the images' own headers out."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rosbags import rosbag1
from rosbags.highlevel import AnyReader

from bags import COLOUR, KINDS, packed, photo_pixels, raw, recorded_ns, stamp_of, write_bag
from live_server import tiny_model
from uois_sam import UOISSAM
from uois_sam.cli.bag import Bag, segment_bag
from uois_sam.cli.main import main
from uois_sam.errors import OutputError, UOISError
from uois_sam.io.encoding import encode_png
from uois_sam.ros.bags import BagError, open_bag
from uois_sam.ros.types import empty_message, ros1_types

PHOTOS = [photo_pixels(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return tiny_model()


def run(model: UOISSAM, bag: Path, out: Path, **options: Any) -> tuple[int, str]:
    said = io.StringIO()
    status = segment_bag(Bag(bag, out, **options), Console(file=said, width=200), lambda: model)
    return status, said.getvalue()


def read(path: Path) -> dict[str, list[tuple[int, Any]]]:
    found: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([path]) as reader:
        for connection, time_ns, content in reader.messages():
            message = reader.deserialize(content, connection.msgtype)
            found.setdefault(connection.topic, []).append((time_ns, message))
    return found


def test_what_is_no_image_under_the_name_of_the_images_is_left_aside(tmp_path: Path) -> None:
    store, kinds = ros1_types(), ("sensor_msgs/msg/Image", "std_msgs/msg/String")
    with rosbag1.Writer(tmp_path / "two.bag") as writer:
        for time_ns, kind in enumerate((*kinds, kinds[0]), start=1):
            known = {each.msgtype: each for each in writer.connections}
            connection = known.get(kind) or writer.add_connection(COLOUR, kind, typestore=store)
            writer.write(connection, time_ns, store.serialize_ros1(empty_message(store, kind), kind))
    with open_bag(tmp_path / "two.bag") as bag:
        assert [image.time_ns for image in bag.images(bag.choose(COLOUR))] == [1, 3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("out", ["labels.bag", "labels.mcap", "labels.db3"])
def test_a_bag_becomes_a_bag(model: UOISSAM, tmp_path: Path, kind: str, out: str) -> None:
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(photo) for photo in PHOTOS]}, kind)
    status, said = run(model, bag, tmp_path / "new" / out)
    assert status == 0 and f"3 images of {COLOUR}" in said
    found = read(tmp_path / "new" / out)
    assert {topic: len(messages) for topic, messages in found.items()} == {
        "/uois_sam/labels": 3,
        "/uois_sam/detections": 3,
    }
    assert [path.name for path in (tmp_path / "new").iterdir()] == [out]
    for index, photo in enumerate(PHOTOS):
        expected = model.predict(photo)
        (label_time, label), (time, detections) = (messages[index] for messages in found.values())
        assert label_time == time == recorded_ns(index)
        for header in (label.header, detections.header, detections.detections[0].header):
            assert (header.stamp.sec, header.stamp.nanosec) == stamp_of(index)
            assert header.frame_id == "camera_optical"
        pixels = label.data.view("<u2").reshape(label.height, label.width)
        assert (label.encoding, label.step) == ("16UC1", 2 * 64)
        assert np.array_equal(pixels, expected.label_map())
        assert len(detections.detections) == len(expected) > 0
        for number, (one, box) in enumerate(zip(detections.detections, expected.boxes.tolist(), strict=True), start=1):
            place = one.bbox.center if out.endswith(".bag") else one.bbox.center.position
            left, top = place.x - one.bbox.size_x / 2, place.y - one.bbox.size_y / 2
            assert [left, top, left + one.bbox.size_x, top + one.bbox.size_y] == box
            hypothesis = one.results[0] if out.endswith(".bag") else one.results[0].hypothesis
            assert hypothesis.score == pytest.approx(float(expected.scores[number - 1]))
            assert (hypothesis.id if out.endswith(".bag") else int(one.id)) == number


def test_a_bag_becomes_files(model: UOISSAM, tmp_path: Path) -> None:
    photos = [packed(encode_png(photo)) for photo in PHOTOS]
    bag = write_bag(tmp_path / "drive", {f"{COLOUR}/compressed": photos, "/chatter": [SimpleNamespace(text="a")]})
    status, said = run(model, bag, tmp_path / "out", stride=2)
    assert status == 0 and "2 images" in said
    stems = [f"{index:06d}_{stamp_of(index)[0]}_{stamp_of(index)[1]}" for index in (0, 2)]
    names = [f"{stem}{end}" for stem in stems for end in (".json", "_label.png", "_overlay.jpg")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    expected = model.predict(PHOTOS[2])
    with Image.open(tmp_path / "out" / f"{stems[1]}_label.png") as picture:
        assert np.array_equal(np.asarray(picture), expected.label_map())
    record = json.loads((tmp_path / "out" / f"{stems[1]}.json").read_text())
    assert record["header"] == {
        "stamp": {"sec": stamp_of(2)[0], "nanosec": stamp_of(2)[1]},
        "frame_id": "camera_optical",
    }
    assert (record["recorded_ns"], record["topic"]) == (recorded_ns(2), f"{COLOUR}/compressed")
    assert len(record["instances"]) == len(expected)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(PHOTOS[0])], "/depth": [raw(PHOTOS[0][:, :, 0], "mono8")]})
    out = str(tmp_path / "out.mcap")
    assert main(["bag", str(bag), "--out", out]) == 2
    assert (
        f"the name of one of its topics, found the image topics {COLOUR} (Image, 1), /depth" in capsys.readouterr().err
    )
    assert main(["bag", str(bag), "--out", out, "--topic", COLOUR, "--device", "cpu"]) == 0
    assert len(read(tmp_path / "out.mcap")["/uois_sam/labels"]) == 1


def test_a_bad_image_is_counted_and_the_others_go_on(model: UOISSAM, tmp_path: Path) -> None:
    images = [raw(PHOTOS[0]), raw(PHOTOS[1], "rgb9"), raw(PHOTOS[2], data=np.zeros(5, np.uint8))]
    bag = write_bag(tmp_path / "drive", {COLOUR: images})
    status, said = run(model, bag, tmp_path / "out.mcap")
    assert status == 1
    assert f"image 1 of {COLOUR}: encoding: expected one of" in said and "found 'rgb9'" in said
    assert "image 2" in said and "data: expected 9216 bytes (height 48 x step 192), found 5" in said
    assert len(read(tmp_path / "out.mcap")["/uois_sam/labels"]) == 1


def test_nothing_is_written_where_no_image_could_be_read(model: UOISSAM, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(PHOTOS[1], "rgb9")]})
    with pytest.raises(UOISError, match="image 0 of .* found 'rgb9'"):
        run(model, bag, tmp_path / "out.mcap")
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".folder"] == ["drive.mcap"]


def test_what_was_guessed_is_said(model: UOISSAM, tmp_path: Path) -> None:
    thermal = (PHOTOS[0][:, :, 0].astype("<u2") * 16) + 7
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(thermal, "16UC1"), raw(thermal, "16UC1")]})
    expected = "note: 16UC1 shown as grey in 2 images, first image 0: depth is no photo"
    assert expected in run(model, bag, tmp_path / "o")[1]


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("/nowhere", rf"expected the topic /nowhere, found the image topics {COLOUR} \(Image, 1\)"),
        ("/chatter", r"topic /chatter: expected sensor_msgs images, found std_msgs/msg/String"),
    ],
)
def test_another_topic(model: UOISSAM, tmp_path: Path, topic: str, said: str) -> None:
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(PHOTOS[0])], "/chatter": [SimpleNamespace(text="a")]})
    with pytest.raises(BagError, match=said):
        run(model, bag, tmp_path / "out.mcap", topic=topic)


def test_bags_without_images(model: UOISSAM, tmp_path: Path) -> None:
    chatter = write_bag(tmp_path / "chatter", {"/chatter": [SimpleNamespace(text="a")]})
    with pytest.raises(BagError, match=r"expected a topic with sensor_msgs images, found /chatter$"):
        run(model, chatter, tmp_path / "out.mcap")
    silent = write_bag(tmp_path / "silent", {COLOUR: []})
    with pytest.raises(BagError, match=rf"expected images on {COLOUR}, found none"):
        run(model, silent, tmp_path / "out.mcap")
    for kind in KINDS:
        empty = write_bag(tmp_path / f"empty_{kind}", {}, kind)
        with pytest.raises(BagError, match="found an empty bag"):
            run(model, empty, tmp_path / "out.mcap")


def test_what_is_no_bag(model: UOISSAM, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "photo.jpg").write_bytes(b"abc")
    (tmp_path / "zero.bag").write_bytes(b"")
    for name, said in (
        ("folder", "found a folder without"),
        ("photo.jpg", "found another file"),
        ("zero.bag", "found a damaged one"),
        ("missing.bag", "no such file"),
    ):
        with pytest.raises(BagError, match=said):
            run(model, tmp_path / name, tmp_path / "out.mcap")
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(PHOTOS[0])]})
    with pytest.raises(OutputError, match="expected no file there"):
        run(model, bag, bag)
    with pytest.raises(OutputError, match="found a file"):
        run(model, bag, bag / "deeper.mcap")


@pytest.mark.parametrize("kind", ["bag", "mcap", "db3"])
def test_a_bag_cut_short_anywhere_is_refused_or_read_as_far_as_it_goes(
    model: UOISSAM, tmp_path: Path, kind: str
) -> None:
    whole = write_bag(tmp_path / "drive", {COLOUR: [raw(photo) for photo in PHOTOS * 4]}, kind)
    content = whole.read_bytes()
    refusals, complete = [], 0
    for part in np.linspace(1, len(content) - 1, 12).astype(int):
        cut = tmp_path / f"cut.{kind}"
        cut.write_bytes(content[:part])
        try:
            with open_bag(cut) as bag:
                read = [image.message.data.size for image in bag.images(bag.choose(COLOUR))]
                assert all(size == 48 * 192 for size in read)
                complete += 1
        except BagError as error:
            refusals.append(str(error))
    assert refusals and all(error.startswith(f"{cut}: expected") for error in refusals)
    assert complete + len(refusals) == 12


def test_damage_after_some_images_keeps_what_was_found(model: UOISSAM, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive", {COLOUR: [raw(photo_pixels(seed, 480, 640)) for seed in range(4)]}, "bag")
    content = bytearray(bag.read_bytes())
    third = [found.start() for found in re.finditer(b"op=\x02", content)][2]  # header of a message
    content[third : third + 2] = b"xx"
    bag.write_bytes(content)
    status, said = run(model, bag, tmp_path / "out.mcap")
    assert status == 1 and "found a damaged one after 2 images" in said
    assert len(read(tmp_path / "out.mcap")["/uois_sam/labels"]) == 2

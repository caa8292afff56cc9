"""`uois-sam prelabel`: folders that labelling tools open, and the way back by `uois-sam finetune`."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from rich.console import Console

from cli.test_segment import FakeModel, photo, written
from finetuning_photos import write_photos
from uois_sam.cli.main import main
from uois_sam.cli.prelabel import PreLabel, prelabel
from uois_sam.cli.segment.formats import FormatPlan
from uois_sam.cli.segment.inputs import Photo
from uois_sam.datasets import open_dataset
from uois_sam.errors import OutputError, UOISError
from uois_sam.exchange.format import FormatOptions
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.exchange.registry import open_formats
from uois_sam.exchange.writing import FormatWriter
from uois_sam.io.masks import encode_mask
from uois_sam.pipeline import UOISSAM

ORIENTATION, ROTATED = 0x0112, 6


def run(inputs: Path, kind: str, out: Path, model: FakeModel | None = None, **options) -> tuple[int, str]:
    """Exit status and what was said."""
    console = Console(file=io.StringIO(), width=40)
    status = prelabel(PreLabel(str(inputs), (), kind, out, **options), console, lambda: model or FakeModel())
    return status, console.file.getvalue()


def photos(folder: Path, count: int = 2) -> Path:
    for index in range(count):
        photo(folder / f"sub/{index}.png", value=90 + index)
    return folder


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("labelme", ["sub/0.json", "sub/0.png", "sub/1.json", "sub/1.png"]),
        (
            "coco",
            [
                "annotations/instances_default.json", "images/default/sub/0.png", "images/default/sub/1.png",
                "results.json",
            ],
        ),
        ("label-studio", ["images/sub/0.png", "images/sub/1.png", "labels.xml", "tasks.json"]),
    ],
)  # fmt: skip
def test_the_folder_holds_photos_and_labels_as_the_tool_expects(kind, expected, tmp_path):
    out = tmp_path / "out"
    status, said = run(photos(tmp_path / "in"), kind, out)
    assert status == 0
    assert written(out) == expected
    assert "2 photos, 4 objects" in said
    assert f"correct them: {'labelme' if kind == 'labelme' else 'import'} {out}" in said
    copy = next(out / name for name in expected if name.endswith("0.png"))
    assert copy.read_bytes() == (tmp_path / "in/sub/0.png").read_bytes()


def test_labels_are_outlines_and_what_is_in_front_comes_last(tmp_path):
    """Tools draw later shapes on top, and drop the scores that say who is in front."""
    run(photos(tmp_path / "in", 1), "labelme", tmp_path / "labelme")
    shapes = json.loads((tmp_path / "labelme/sub/0.json").read_text())["shapes"]
    assert [(each["shape_type"], each["score"]) for each in shapes] == [("polygon", 0.5), ("polygon", 0.875)]
    assert sorted(map(tuple, shapes[0]["points"])) == [(8.0, 0.0), (8.0, 6.0), (16.0, 0.0), (16.0, 6.0)]

    run(tmp_path / "in", "coco", tmp_path / "coco", shapes="mask")
    coco = COCO(tmp_path / "coco/annotations/instances_default.json")
    assert [each["score"] for each in coco.loadAnns([1, 2])] == [0.5, 0.875]
    assert coco.annToMask(coco.anns[2]).tolist() == [[1] * 8 + [0] * 8] * 12

    run(tmp_path / "in", "label-studio", tmp_path / "studio")
    (task,) = json.loads((tmp_path / "studio/tasks.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=images/sub/0.png"
    assert [(each["type"], each["score"]) for each in task["predictions"][0]["result"]] == [
        ("polygonlabels", 0.5), ("polygonlabels", 0.875)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["labelme", "coco"])
def test_overlaps_are_read_as_they_were_found_also_without_scores(kind, tmp_path):
    masks = np.zeros((3, 20, 30), np.bool_)
    masks[0, 4:12, 4:12], masks[1, 0:16, 0:20], masks[2, 4:12, 4:12] = True, True, True  # the last one is out of sight
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    labels = np.zeros((20, 30), np.uint16)
    labels[masks[1]], labels[masks[0]] = 2, 1

    image = np.full((20, 30, 3), 80, np.uint8)

    class Instances:
        def labelled(self, file_name, image, labels):
            return LabelledPhoto(file_name, masks, scores, segmap=labels, image=image)

    formats = open_formats([kind], FormatOptions("polygon", photos=True))
    plan = FormatPlan(native=False, formats=formats, to_correct=True)
    with FormatWriter(tmp_path, formats, own_folders=False) as writer:
        writer.write(plan.encode(Photo("a.png", Path("a"), None, lambda: image), image, Instances(), labels).photos)
    assert list(writer.notes.values()) == [1] and "too little is visible" in next(iter(writer.notes))
    for file in tmp_path.rglob("*.json"):
        without_scores(file)
    read = open_dataset(kind, tmp_path)[0].labels
    assert [(read == value).tolist() for value in (2, 1)] == [(labels == value).tolist() for value in (1, 2)]


def without_scores(file: Path) -> None:
    """As tools that know no scores save a file."""
    content = json.loads(file.read_text())
    rows = content if isinstance(content, list) else content.get("annotations", content.get("shapes"))
    for each in rows:
        each.pop("score")
    file.write_text(json.dumps(content))


def test_a_turned_photo_is_copied_upright(tmp_path):
    (tmp_path / "in").mkdir()
    exif = Image.Exif()
    exif[ORIENTATION] = ROTATED
    Image.new("RGB", (16, 12), (90, 90, 90)).save(tmp_path / "in/a.jpg", exif=exif)
    assert run(tmp_path / "in", "coco", tmp_path / "out")[0] == 0
    data = open_dataset("coco", tmp_path / "out")
    assert data[0].image.shape == (16, 12, 3) and len(np.unique(data[0].labels)) == 3
    assert (tmp_path / "out/images/default/a.png").exists()


@pytest.mark.parametrize("kind", ["labelme", "coco", "label-studio"])
def test_corrected_labels_are_not_written_over_unasked(kind, tmp_path):
    out = tmp_path / "out"
    run(photos(tmp_path / "in", 1), kind, out)
    before = {name: (out / name).read_bytes() for name in written(out)}
    with pytest.raises(OutputError, match="expected a folder without labels"):
        run(tmp_path / "in", kind, out, model=FakeModel({12: UOISError("not reached")}))
    assert before == {name: (out / name).read_bytes() for name in written(out)}
    assert run(tmp_path / "in", kind, out, overwrite=True)[0] == 0


def test_photos_that_fail_are_listed_and_the_others_labelled(tmp_path):
    photos(tmp_path / "in", 2)
    (tmp_path / "in/sub/broken.png").write_text("no photo")
    status, said = run(tmp_path / "in", "labelme", tmp_path / "out")
    assert status == 1
    assert "2 photos, 4 objects" in said and "1 input failed:" in said and "broken.png" in said
    assert len(open_dataset("labelme", tmp_path / "out")) == 2


def test_an_input_is_never_written_over(tmp_path):
    photo(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(UOISError, match="it is one of the inputs"):
        run(tmp_path / "a.png", "labelme", tmp_path)
    assert written(tmp_path) == ["a.png"] and (tmp_path / "a.png").read_bytes() == before


@pytest.fixture
def start(tiny_pipeline: UOISSAM, tmp_path: Path) -> Path:
    settings = {"score_threshold": -1.0, "foreground_threshold": 0.0, "heatmap_threshold": -1.0, "scores": "hdnet"}
    model = tiny_pipeline.with_settings(**settings, vote_iou=0.0, max_prompts=4, max_area_fraction=1.0)
    model.save_pretrained(tmp_path / "start")
    return tmp_path / "start"


def correct(kind: str, folder: Path, truth: Path) -> None:
    """Simulate a person: in every second photo, all labels are drawn anew; elsewhere one is taken away."""
    labelled = open_dataset("folder", truth)
    masks = {s.name: [s.labels == value for value in np.unique(s.labels) if value] for s in labelled}
    if kind == "labelme":
        for file in sorted(folder.glob("*.json"))[::2]:
            content = json.loads(file.read_text())
            content["shapes"] = [rectangle(mask) for mask in masks[file.stem]]
            file.write_text(json.dumps(content))
        return
    file = folder / "annotations/instances_default.json"
    content = json.loads(file.read_text())
    for image in content["images"][::2]:
        kept = [each for each in content["annotations"] if each["image_id"] != image["id"]]
        drawn = [{"image_id": image["id"], "category_id": 1, "iscrowd": 0, "segmentation": encode_mask(mask)}
                 for mask in masks[Path(image["file_name"]).stem]]  # fmt: skip
        content["annotations"] = kept + drawn
    for number, each in enumerate(content["annotations"], 1):
        each.pop("score", None)
        each["id"] = number
    file.write_text(json.dumps(content))


def rectangle(mask: np.ndarray) -> dict[str, object]:
    """As LabelMe writes a new rectangle."""
    rows, columns = np.nonzero(mask)
    points = [[float(columns.min()), float(rows.min())], [float(columns.max() + 1), float(rows.max() + 1)]]
    return {"label": "thing", "points": points, "group_id": None, "shape_type": "rectangle", "flags": {}}


@pytest.mark.parametrize("kind", ["labelme", "coco"])
def test_label_correct_train(kind, start, tmp_path, capsys):
    """The loop of the how-to page: the command line for real, with simulated corrections."""
    truth, labels = write_photos(tmp_path / "truth", 6), tmp_path / "labels"
    shutil.copytree(truth / "rgb", tmp_path / "photos")
    model = ("--model", str(start), "--device", "cpu")
    assert main(["prelabel", str(tmp_path / "photos"), "--format", kind, "--out", str(labels), *model]) == 0
    found = open_dataset(kind, labels)
    assert len(found) == 6 and max(int(sample.labels.max()) for sample in found) > 0
    correct(kind, labels, truth)
    corrected = [sample.labels > 0 for sample in open_dataset(kind, labels)][::2]
    expected = [sample.labels > 0 for sample in open_dataset("folder", truth)][::2]
    assert all(np.array_equal(a, b) for a, b in zip(corrected, expected, strict=True))
    options = ["--kind", kind, "--start", str(start), "--steps", "2", "--device", "cpu", "--keep", "trained"]
    assert main(["finetune", str(labels), "--out", str(tmp_path / "run"), *options]) == 0
    assert "3 of 6 photos held out" in capsys.readouterr().err
    assert main(["segment", str(truth / "rgb/0.png"), "--model", str(tmp_path / "run/model"), "--device", "cpu",
                 "--out", str(tmp_path / "after")]) == 0  # fmt: skip

"""Depth on the command line: what is read, passed on, refused and recorded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.test_segment import FakeModel, photo, segment
from uois_sam.cli.main import main
from uois_sam.cli.segment.formats import FormatChoice
from uois_sam.types import Camera

INTRINSICS = "20,20,8,6"


def with_depth(folder: Path, **options: object) -> FormatChoice:
    return FormatChoice(depth=folder, intrinsics=INTRINSICS, **options)


def test_each_photo_gets_its_own_depth_and_those_without_are_told(tmp_path: Path) -> None:
    for index in range(3):
        photo(tmp_path / f"in/{index}.png", value=90 + index)
    depth = tmp_path / "depth"
    depth.mkdir()
    Image.fromarray(np.full((12, 16), 7000, np.uint16)).save(depth / "0.png")
    np.save(depth / "2.npy", np.full((12, 16), 0.5, np.float32))
    model = FakeModel()
    status, said = segment(
        tmp_path / "in", out=tmp_path / "out", model=model, formats=with_depth(depth, depth_scale=1e-4)
    )
    assert status == 0
    given = {round(float(each["depth"][0, 0]), 3) for each in model.depths if each}
    assert given == {0.7, 0.5} and len(model.depths) == 3
    assert all(each["camera"] == Camera(20, 20, 8, 6) for each in model.depths if each)
    assert "note: depth not used in 1 photo, 1: 1.png: expected one depth image" in said.replace("\n", " ")
    record = json.loads((tmp_path / "out/0.json").read_text())
    assert record["depth"] == {"unit_m": 1e-4, "fx": 20, "fy": 20, "cx": 8, "cy": 6}
    assert "depth not used" in json.loads((tmp_path / "out/1.json").read_text())["notes"][-1]


def test_results_with_and_without_depth_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from uois_sam.errors import OutputError

    photo(tmp_path / "in/0.png")
    depth = tmp_path / "depth"
    depth.mkdir()
    np.save(depth / "0.npy", np.full((12, 16), 0.5, np.float32))
    segment(tmp_path / "in", out=tmp_path / "out")
    with pytest.raises(OutputError, match="depth unit_m none instead of 0.001"):
        segment(tmp_path / "in", out=tmp_path / "out", formats=with_depth(depth), overwrite=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--depth", "nowhere", "--intrinsics", INTRINSICS], "expected a folder of depth images, found none"),
        (["--depth", "."], "expected --depth and --intrinsics together, found no --intrinsics"),
        (["--depth", ".", "--intrinsics", "1,2,3"], "--intrinsics: expected fx,fy,cx,cy in pixels"),
        (
            ["--depth", ".", "--intrinsics", INTRINSICS, "--depth-scale", "1000"],
            "--depth-scale: expected metres a step",
        ),
        (["--workspace", "1,2,3"], "workspace: expected"),
        (["--depth", ".", "--intrinsics", INTRINSICS, "--ray", "local"], "found --ray"),
    ],
)
def test_segment_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str) -> None:
    picture = photo(tmp_path / "a.png")
    assert main(["segment", str(picture), "--out", str(tmp_path / "out"), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def folder_with_depth(root: Path, *, camera: bool) -> Path:
    """The cup of the examples, labelled by what the model finds in colour; its left half is 2 m away, its right 0.6."""
    from uois_sam import UOISSAM

    with Image.open(Path(__file__).parents[2] / "examples/coffee.jpg") as picture:
        image = np.asarray(picture.convert("RGB").resize((320, 240)))
    found = UOISSAM.from_pretrained("compact", device="cpu").predict(image)
    depth = np.full((240, 320), 2000, np.uint16)
    depth[:, 160:] = 600
    for kind, pixels in (("rgb", image), ("label", found[found.scores > 0.7].label_map()), ("depth", depth)):
        (root / kind).mkdir(parents=True)
        Image.fromarray(pixels).save(root / kind / "a.png")
    if camera:
        (root / "camera.json").write_text(json.dumps({"fx": 300, "fy": 300, "cx": 159.5, "cy": 119.5}))
    return root


def test_the_bundled_model_with_depth(tmp_path: Path) -> None:
    """Run for real: in a workspace that ends at 1 m, nothing is found in the half that is 2 m away."""
    root = folder_with_depth(tmp_path / "data", camera=True)
    depth = ["--depth", str(root / "depth"), "--intrinsics", "300,300,159.5,119.5"]
    arguments = ["segment", str(root / "rgb"), "--out", str(tmp_path / "out"), *depth]
    assert main([*arguments, "--workspace", "-9,9,-9,9,0.1,1"]) == 0
    labels = np.asarray(Image.open(tmp_path / "out/a_label.png"))
    found = [label for label in np.unique(labels) if label]
    assert found and all((labels[:, :160] == label).sum() < 0.55 * (labels == label).sum() for label in found)
    notes = json.loads((tmp_path / "out/a.json").read_text())["notes"]
    assert any(note.startswith("outside the workspace") for note in notes)


def test_evaluate_with_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was labelled by colour is found again, and not when the workspace ends before everything."""
    root = folder_with_depth(tmp_path / "data", camera=True)
    found = {}
    for name, workspace in (("off", "off"), ("nowhere", "-9,9,-9,9,0.1,0.2")):
        arguments = ["--depth", "--out", str(tmp_path / name), "--pictures", "1", "--workspace", workspace]
        assert main(["evaluate", "folder", str(root), *arguments]) == 0
        report = json.loads((tmp_path / name / "report.json").read_text())
        assert report["method"]["name"].endswith(" with depth")
        found[name] = report["scores"]["all_frames"]["overlap"]["f_measure"]
    assert found["off"] > 0.6 and found["nowhere"] == 0
    capsys.readouterr()
    for options, said in (
        (["--intrinsics", INTRINSICS], "--intrinsics: expected --depth as well"),
        (["--workspace", "auto"], "--workspace: expected depth as well, found none"),
        (["--depth", "--size", "60", "80"], "--depth: expected a model at the photos' own size"),
        (["--depth", "--baseline", "components"], "--depth: expected a model at the photos' own size"),
    ):
        assert main(["evaluate", "folder", str(root), "--out", str(tmp_path / "other"), *options]) == 2
        assert said in capsys.readouterr().err


def test_a_workspace_without_depth_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would restrict nothing, and nobody would know."""
    root = folder_with_depth(tmp_path / "data", camera=True)
    assert main(["segment", str(root / "rgb"), "--out", str(tmp_path / "out"), "--workspace", "auto"]) == 2
    assert "--workspace: expected depth as well, found none" in capsys.readouterr().err
    assert main(["segment", str(root / "rgb"), "--out", str(tmp_path / "out"), "--workspace", "off"]) == 0


def test_frames_without_intrinsics_fail_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_with_depth(tmp_path / "data", camera=False)
    assert main(["evaluate", "folder", str(root), "--depth", "--out", str(tmp_path / "runs")]) == 2
    assert "intrinsics (--intrinsics fx,fy,cx,cy)" in capsys.readouterr().err

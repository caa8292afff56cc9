"""The generator's files: the same bytes for the same seed, resumed after a kill, rendered again from descriptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synth.conftest import TINY, contents, make
from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import DatasetError
from uois_sam.io.masks import decode_mask
from uois_sam.synth.dataset.annotations import SceneAnnotation
from uois_sam.synth.dataset.config import PRESETS, GenerateConfig, with_preset
from uois_sam.synth.dataset.generate import Run
from uois_sam.synth.dataset.make_scene import scene_seed
from uois_sam.synth.dataset.reader import read_annotations, read_descriptions

pytestmark = pytest.mark.slow


def test_the_folder_is_a_data_set(tiny_scenes: Path) -> None:
    data = FolderDataset(tiny_scenes)
    assert len(data) == 3
    assert data[0].image.shape == (48, 64, 3)
    assert Image.open(tiny_scenes / "depth" / "000000.png").mode.startswith("I;16")
    assert Image.open(tiny_scenes / "contact_sheet.jpg").size[0] > 600


def test_records_say_what_the_label_maps_show(tiny_scenes: Path) -> None:
    data = FolderDataset(tiny_scenes)
    annotations = read_annotations(tiny_scenes)
    assert sum(len(annotation.objects) for annotation in annotations) > 3
    for index, annotation in enumerate(annotations):
        values, counts = np.unique(data[index].labels, return_counts=True)
        found = {int(v): int(c) for v, c in zip(values, counts, strict=True) if v}
        assert {one.label: one.visible_px for one in annotation.objects} == found
        assert len(annotation.objects) + annotation.slivers == len(annotation.scene.objects)
        for one in annotation.objects:
            assert one.family == annotation.scene.objects[one.label - 1].family
            assert 0 < one.visible_fraction <= 1
            assert one.amodal_px <= one.whole_px


def test_amodal_masks_cover_the_visible_ones(tiny_scenes: Path) -> None:
    data = FolderDataset(tiny_scenes)
    for index, annotation in enumerate(read_annotations(tiny_scenes)):
        masks = json.loads((tiny_scenes / "amodal" / f"{index:06d}.json").read_text())
        assert set(masks) == {str(one.label) for one in annotation.objects}
        for one in annotation.objects:
            amodal = decode_mask(masks[str(one.label)])
            assert amodal.sum() == one.amodal_px
            assert not (data[index].labels == one.label)[~amodal].any()


def test_a_record_survives_its_line(tiny_scenes: Path) -> None:
    for line in (tiny_scenes / "scenes.jsonl").read_text().splitlines():
        assert SceneAnnotation.from_json(line).to_json() == line


def test_the_summary_counts_what_is_there(tiny_scenes: Path) -> None:
    summary = json.loads((tiny_scenes / "dataset.json").read_text())
    annotations = read_annotations(tiny_scenes)
    assert summary["statistics"]["scenes"] == 3
    assert summary["statistics"]["objects"] == sum(len(annotation.objects) for annotation in annotations)
    assert sum(summary["statistics"]["families"].values()) == summary["statistics"]["objects"]
    assert summary["config"]["seed"] == TINY.seed
    assert summary["config"]["variety"]["split"] == "train"
    assert summary["measured"]["peak_mb_a_worker"] > 50
    assert {"physics", "trace", "labels"} <= set(summary["measured"]["seconds_a_scene"])


def test_two_runs_write_the_same_bytes_and_a_third_fills_gaps(tiny_scenes: Path, tmp_path: Path) -> None:
    make(tmp_path, replace(TINY, scenes=2), workers=2)
    (tmp_path / "label" / "000001.png").unlink()
    assert [annotation.index for annotation in make(tmp_path, TINY)] == [1, 2]
    assert contents(tmp_path) == contents(tiny_scenes)


def test_descriptions_render_again_at_another_size(tiny_scenes: Path, tmp_path: Path) -> None:
    source = tmp_path / "some.jsonl"
    source.write_text((tiny_scenes / "scenes.jsonl").read_text().splitlines()[1] + "\n")
    config = GenerateConfig(height=96, width=128, samples=1, variant="scalar", from_scenes=source)
    (annotation,) = make(tmp_path / "out", config)
    assert annotation.index == 1
    assert annotation.scene == read_descriptions(tiny_scenes / "scenes.jsonl")[1]
    large = np.asarray(Image.open(tmp_path / "out" / "label" / "000001.png"))
    small = np.asarray(Image.open(tiny_scenes / "label" / "000001.png"))
    assert large.shape == (96, 128)
    assert (large[::2, ::2] == small).mean() > 0.9


def test_a_folder_of_other_scenes_is_refused(tiny_scenes: Path) -> None:
    with pytest.raises(DatasetError, match=r"made with seed 7, but asked for was seed 8: choose another --out"):
        Run(replace(TINY, seed=8), tiny_scenes)
    with pytest.raises(DatasetError, match=r"variety\.most_objects 8, but asked for was variety\.most_objects 3"):
        Run(replace(TINY, variety=replace(TINY.variety, most_objects=3)), tiny_scenes)


def test_a_folder_from_before_an_option_existed_goes_on(tiny_scenes: Path, tmp_path: Path) -> None:
    summary = json.loads((tiny_scenes / "dataset.json").read_text())
    del summary["config"]["mesh_scale"], summary["config"]["variety"]["clear"]
    (tmp_path / "dataset.json").write_text(json.dumps(summary))
    assert len(Run(TINY, tmp_path).todo) == 3


@pytest.mark.parametrize("content", ["", "{}", "nonsense", "[1]", '{"index": 3, "scene": 4}'])
def test_a_file_of_anything_else_is_no_descriptions(tmp_path: Path, content: str) -> None:
    (tmp_path / "scenes.jsonl").write_text(content)
    with pytest.raises(DatasetError, match="scene description"):
        read_descriptions(tmp_path / "scenes.jsonl")


def test_a_missing_file_of_descriptions_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found none"):
        read_descriptions(tmp_path / "scenes.jsonl")


def test_a_line_cut_short_is_made_again(tiny_scenes: Path, tmp_path: Path) -> None:
    for path in tiny_scenes.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(tiny_scenes)).parent.mkdir(exist_ok=True)
            (tmp_path / path.relative_to(tiny_scenes)).write_bytes(path.read_bytes())
    log = tmp_path / "scenes.jsonl"
    log.write_text(log.read_text()[:-30])
    assert [job.index for job in Run(TINY, tmp_path).todo] == [2]


def test_scene_seeds_differ() -> None:
    seeds = {scene_seed(s, i, a) for s in range(4) for i in range(50) for a in range(3)}
    assert len(seeds) == 4 * 50 * 3


def test_the_validation_preset_is_fixed() -> None:
    config = with_preset(GenerateConfig(variant="scalar", amodal=True), "tabletop-val")
    assert (config.scenes, config.height, config.width, config.variety.split) == (300, 480, 640, "val")
    assert config.seed == PRESETS["tabletop-val"].seed
    assert config.variant == "scalar" and config.amodal


def children_of(pid: int) -> set[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return {int(line) for line in found.stdout.split()}


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_a_killed_run_leaves_no_process_and_goes_on_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "uois_sam", "generate", "--out", str(tmp_path), "--scenes", "4", "--seed", "7",
               "--height", "48", "--width", "64", "--samples", "1", "--variant", "scalar", "--workers", "1",
               "--variety.most-objects", "4", "--variety.no-distractors"]  # fmt: skip
    log = tmp_path / "scenes.jsonl"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: log.exists() and log.read_text().count("\n") >= 1)
    workers = children_of(process.pid)
    assert workers
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in workers), 10)
    done = log.read_text().count("\n")
    assert done < 4
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")}
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{done} of 4 scenes there already" in finished.stderr
    assert len(read_annotations(tmp_path)) == 4
    assert all(p.stat().st_mtime_ns == before[p] for p in before if int(p.stem) < done), "made once"
    assert not list(tmp_path.rglob("*.tmp"))


def test_bad_folders_of_own_files_are_told_before_anything_is_written(tmp_path: Path) -> None:
    for option in ("textures", "hdris"):
        with pytest.raises(DatasetError, match=f"--{option}"):
            Run(replace(TINY, **{option: tmp_path / "none"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_own_pictures_show_on_surfaces(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(np.full((8, 8, 3), (250, 20, 20), dtype=np.uint8)).save(pictures / "red.png")
    annotations = make(tmp_path / "out", replace(TINY, scenes=2, textures=pictures, amodal=False))
    scenes = [annotation.scene for annotation in annotations]
    used = [prop.surface.texture for scene in scenes for prop in scene.props]
    used += [surface.texture for scene in scenes for one in scene.objects for surface in one.surfaces]
    assert "file/red.png" in used
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["config"]["textures"] == str(pictures)

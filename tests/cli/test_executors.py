"""Photos under way at the same time: the same files in the same order, bounded memory, runs that go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from cli.test_segment import FakeEncoded, FakeModel, broken, photo, results, segment, written
from uois_sam import UOISSAM
from uois_sam.checkpoints.compact import compact_networks
from uois_sam.checkpoints.folder import card_settings
from uois_sam.cli.segment.executors import AHEAD, choose_workers, segment_here
from uois_sam.cli.segment.inputs import Photo
from uois_sam.cli.segment.outputs import PictureOptions
from uois_sam.errors import ImageError, OutputError, UOISError
from uois_sam.models.compact.model import CompactModel
from uois_sam.runtime.executors import in_order
from uois_sam.training.train_compact import make_card

NAMES = [f"{index:02d}" for index in range(12)]


@dataclass
class SlowModel(FakeModel):
    """Takes longest for the first photos, and counts those in it at the same time."""

    inside: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def encode_image(self, image) -> FakeEncoded:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.001 * (40 - len(image)))
        with self.lock:
            self.inside -= 1
        return super().encode_image(image)


def folder_of_photos(root: Path) -> Path:
    for index, name in enumerate(NAMES):
        photo(root / f"{name}.png", height=12 + index)
    return root


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in written(out)}


def test_any_number_of_workers_writes_the_same_files(tmp_path):
    folder = folder_of_photos(tmp_path / "in")
    found = []
    for workers in (1, 3):
        model = SlowModel()
        out = tmp_path / f"out{workers}"
        status, said = segment(folder, out=out, model=model, workers=workers)
        assert status == 0 and "12 photos, 24 objects" in said and "photos/s" in said
        assert model.most == workers
        found.append(contents(out))
    assert found[0] == found[1] and sorted(found[0]) == results(*NAMES)


def test_bad_files_in_the_middle_are_listed_in_order(tmp_path):
    folder = folder_of_photos(tmp_path / "in")
    for name in ("05", "02", "09"):
        broken(folder / f"{name}.png")
    status, said = segment(folder, out=tmp_path / "out", model=SlowModel(), workers=3)
    assert status == 1
    assert written(tmp_path / "out") == results(*(name for name in NAMES if name not in ("02", "05", "09")))
    assert [Path(line.split(":")[0].strip()).stem for line in said.splitlines()[2:]] == ["02", "05", "09"]


def test_no_more_photos_are_under_way_than_memory_is_planned_for(tmp_path):
    """The writer is slow, and nothing is read ahead of it without bound."""
    begun = 0

    def read():
        nonlocal begun
        begun += 1
        raise ImageError("expected nothing")

    photos = [Photo(str(index), Path(str(index)), None, read) for index in range(50)]
    with segment_here(FakeModel(), 2, PictureOptions()) as executor:
        for done, result in enumerate(in_order(map(executor.submit, photos), executor.capacity), start=1):
            time.sleep(0.002)
            assert begun <= done + executor.capacity
            with pytest.raises(ImageError):
                result.result()
    assert begun == 50 and executor.capacity == 2 + AHEAD


def test_a_run_goes_on_where_it_was_interrupted(tmp_path):
    folder = folder_of_photos(tmp_path / "in")
    with pytest.raises(KeyboardInterrupt):
        segment(folder, out=tmp_path / "out", model=FakeModel({12 + 6: KeyboardInterrupt()}))
    assert written(tmp_path / "out") == results(*NAMES[:6])
    before = contents(tmp_path / "out")
    (tmp_path / "out/03_overlay.jpg").unlink()
    status, said = segment(folder, out=tmp_path / "out", overwrite=False)
    assert status == 0 and "7 photos, 14 objects" in said and "5 photos skipped" in said
    assert written(tmp_path / "out") == results(*NAMES)
    assert before.items() <= contents(tmp_path / "out").items()


@pytest.mark.parametrize("key", ["model", "weights_sha256", "version", "selection"])
def test_results_of_another_model_or_setting_are_not_gone_on_with(tmp_path, key):
    folder = folder_of_photos(tmp_path / "in")
    segment(folder, out=tmp_path / "out")
    path = tmp_path / "out/07.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: {"nms": "box"} if key == "selection" else "x"}))
    photo(folder / "new.png")
    with pytest.raises(
        OutputError, match=rf"07\.json: expected results of the same model.*found {key} .* instead of (?!others)"
    ):
        segment(folder, out=tmp_path / "out", overwrite=False)
    assert not (tmp_path / "out/new.json").exists()
    assert segment(folder, out=tmp_path / "out")[0] == 0


@pytest.mark.parametrize("content", ["", "[]", "no JSON"])
def test_a_record_that_is_none_is_refused(tmp_path, content):
    photo(tmp_path / "in/a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.json").write_text(content)
    with pytest.raises(OutputError, match=r"a\.json: expected"):
        segment(tmp_path / "in", out=tmp_path / "out", overwrite=False)


def test_no_workers_is_refused_in_one_line(tmp_path):
    with pytest.raises(UOISError, match="--workers: expected 1 or more, found 0"):
        segment(photo(tmp_path / "a.png"), out=tmp_path / "out", workers=0)


def test_the_compact_model_gets_a_core_a_photo(tiny_model: CompactModel):
    card = make_card(tiny_model.config, {}, name="tiny")
    tiny = UOISSAM(compact_networks(tiny_model, "tiny", torch.device("cpu")), card, card_settings(card))
    assert choose_workers(None, tiny) == torch.get_num_threads()
    assert choose_workers(5, tiny) == 5
    assert choose_workers(None, FakeModel()) == 1
    before = torch.get_num_threads()
    with segment_here(tiny, 2, PictureOptions()):
        assert torch.get_num_threads() == max(1, before // 2)
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_a_killed_command_goes_on(tmp_path):
    """The real command, killed in the middle: a photo has all its files or none, and the next run makes the rest."""
    for index in range(40):
        photo(tmp_path / f"in/{index:02d}.png", height=48, width=64)
    command = [sys.executable, "-m", "uois_sam", "segment", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    with subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.DEVNULL) as process:
        while len(list((tmp_path / "out").glob("*.json"))) < 3 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = {path.stem for path in (tmp_path / "out").glob("*.json")}
    assert 3 <= len(done) < 40
    assert all((tmp_path / "out" / f"{stem}_label.png").exists() for stem in done)
    ran = subprocess.run([*command, "--no-overwrite"], capture_output=True, text=True)
    assert ran.returncode == 0 and f"{len(done)} photos skipped" in ran.stderr
    assert len(list((tmp_path / "out").glob("*.json"))) == 40


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Lines on standard error but those of progress, which a slow machine has more of."""
    return [line for line in capsys.readouterr().err.splitlines() if not line.startswith("segmenting: ")]


@pytest.mark.slow
class TestOnRay:
    """The same function on a cluster of two workers on this machine."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def cluster(cls):
        ray = pytest.importorskip("ray")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        yield
        ray.shutdown()

    def command(self, *arguments: object) -> int:
        from uois_sam.cli.main import main

        return main(["segment", *map(str, arguments)])

    def test_a_cluster_writes_the_same_files_lists_failures_and_goes_on(self, tmp_path, capsys):
        for index in range(5):
            photo(tmp_path / f"in/{index}.png", height=48 + index, width=64, value=40 * index)
        broken(tmp_path / "in/3.png")
        assert self.command(tmp_path / "in", "--out", tmp_path / "here", "--workers", "1") == 1
        here = told(capsys)
        assert self.command(tmp_path / "in", "--out", tmp_path / "there", "--ray", "auto") == 1
        there = told(capsys)
        assert here[1:] == there[1:] and f"{tmp_path / 'in/3.png'}: expected a photo" in there[2]
        assert contents(tmp_path / "here") == contents(tmp_path / "there")

        (tmp_path / "there/1.json").unlink()
        assert self.command(tmp_path / "in", "--out", tmp_path / "there", "--ray", "auto", "--no-overwrite") == 1
        said = capsys.readouterr().err
        assert said.startswith("1 photo, ") and "3 photos skipped" in said
        assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_no_cluster_is_one_line(tmp_path, capsys):
    pytest.importorskip("ray")
    from uois_sam.cli.main import main

    a = str(photo(tmp_path / "a.png", 48, 64))
    assert main(["segment", a, "--out", str(tmp_path / "out"), "--ray", "nonsense://nowhere"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no Ray cluster at 'nonsense://nowhere'") and said.count("\n") == 1

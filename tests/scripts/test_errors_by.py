"""What becomes of which objects, on squares drawn by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scripts import load_script
from uois_sam.errors import UOISError
from uois_sam.synth.scene import Surface
from uois_sam.types import Sample

errors_by = load_script("experiments/errors_by.py")
Fate, count, fates, main = errors_by.Fate, errors_by.count, errors_by.fates, errors_by.main
markdown, material_of, traits_of = errors_by.markdown, errors_by.material_of, errors_by.traits_of
HW = 48, 64


def surface(texture: str = "plain", **looks: float) -> Surface:
    return Surface(texture, seed=0, **looks)


def thing(label: int, visible_px: int, amodal_px: int, family: str = "cup") -> SimpleNamespace:
    return SimpleNamespace(label=label, family=family, visible_px=visible_px, visible_fraction=visible_px / amodal_px)


def record(things: list[SimpleNamespace]) -> SimpleNamespace:
    """Every object of another material: the first of wood, the second of metal."""
    surfaces = (surface("wood"), surface(metallic=1.0))
    specs = [SimpleNamespace(surfaces=(surfaces[place],)) for place in range(len(things))]
    scene = SimpleNamespace(place="table", arrangement="piled", objects=specs)
    return SimpleNamespace(objects=things, size_hw=HW, scene=scene)


@pytest.mark.parametrize(
    ("surfaces", "material"),
    [
        ([surface()], "one colour or natural"),
        ([surface("wood")], "one colour or natural"),
        ([surface(), surface("wood")], "several colours"),
        ([surface(), surface("stripes")], "patterned or printed"),
        ([surface("file/own.png")], "patterned or printed"),
        ([surface("stripes"), surface(metallic=1.0)], "metal"),
        ([surface(metallic=1.0), surface(clear=0.8)], "clear"),
    ],
)
def test_the_most_telling_material(surfaces: list[Surface], material: str) -> None:
    assert material_of(tuple(surfaces)) == material


@pytest.mark.parametrize(
    ("visible_px", "amodal_px", "size", "share"),
    [
        (3, 30, "below 20", "below 0.25"),  # a square of 17 pixels at 640x480, ten times as large as HW
        (4, 16, "20 to 35", "0.25 to 0.5"),  # edges count upwards
        (100, 100, "100 and more", "0.95 and more"),
    ],
)
def test_sizes_are_told_at_640x480(visible_px: int, amodal_px: int, size: str, share: str) -> None:
    traits = traits_of(thing(1, visible_px, amodal_px), record([thing(1, visible_px, amodal_px)]))
    assert (traits["side in pixels"], traits["visible share"]) == (size, share)


def test_fates_are_told_of_the_right_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one with the higher label comes first in the picture."""
    labels = np.zeros(HW, dtype=np.uint16)
    labels[2:12, 2:12], labels[20:40, 20:40] = 2, 1
    found = np.where(labels == 1, 7, 0).astype(np.uint16)
    sample = Sample(image=np.zeros((*HW, 3), dtype=np.uint8), labels=labels, name="0")
    model = SimpleNamespace(
        encode_image=lambda image: SimpleNamespace(predict=lambda: SimpleNamespace(label_map=lambda: found))
    )
    monkeypatch.setattr(errors_by, "own_points", lambda encoded: np.array([[5.0, 4.0]], dtype=np.float32))
    scene = record([thing(1, 400, 400, "can"), thing(2, 100, 100, "box")])
    told = {fate.traits["family"]: fate for fate in fates(model, [sample], {"0": scene})}
    assert (told["can"].kind, told["can"].prompted) == ("good", False)
    assert (told["box"].kind, told["box"].prompted) == ("missed", True)
    assert told["can"].traits["material"] == "one colour or natural"
    assert told["box"].traits["material"] == "metal"
    with pytest.raises(UOISError, match=r"scene 0: .*scenes\.jsonl"):
        list(fates(model, [sample], {"1": scene}))


def test_every_object_counts_once_in_every_heading() -> None:
    seen = [("20 to 35", "good", True), ("20 to 35", "missed", False), ("below 20", "missed", False),
            ("100 and more", "split", True)]  # fmt: skip
    objects = [Fate({"side in pixels": side, "family": "cup"}, kind, prompted) for side, kind, prompted in seen]
    counts = count(objects)
    assert list(counts["side in pixels"]) == ["below 20", "20 to 35", "100 and more"]
    for lines in counts.values():
        assert sum(line["objects"] for line in lines.values()) == 4
    table = markdown(counts).splitlines()
    assert "| all | 4 | 50 | 25 | 50 | 0 | 25 | 0 |" in table
    assert "| 20 to 35 | 2 | 50 | 50 | 50 | 0 | 0 | 0 |" in table
    assert not any(line.startswith("| cup") for line in table)  # too few to rank


def test_the_worst_families_come_first() -> None:
    objects = [Fate({"family": family}, kind, True)
               for family, good in (("cup", 10), ("hook", 0), ("can", 5))
               for kind in ["good"] * good + ["missed"] * (10 - good)]  # fmt: skip
    ranked = [line.split("|")[1].strip() for line in markdown(count(objects), families=2).splitlines()[4:]]
    assert ranked == ["hook", "can"]


@pytest.mark.parametrize("text", [None, "no JSON\n", '{"index": 0}\n'])
def test_a_folder_without_descriptions_is_told(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "scenes.jsonl").write_text(text)
    monkeypatch.setattr("sys.argv", ["errors_by", str(tmp_path)])
    assert main() == 2
    error = capsys.readouterr().err
    assert error.startswith("errors_by: ") and "scenes.jsonl" in error and error.count("\n") == 1

"""Kept results follow one schema, and what writes them follows it too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import FOLDERS, ROOT, load_script
from uois_sam.benchmark.record import command_line, make_record, write_record
from uois_sam.checkpoints.bases import BASES

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = ROOT / "benchmarks" / "record.schema.json"
RECORDS = [path for folder in FOLDERS for path in sorted((ROOT / folder / "results").glob("*.json"))]
pytestmark = pytest.mark.skipif(not SCHEMA.is_file(), reason="benchmarks/ is not beside these tests")


def faults(record: object) -> list[str]:
    """What is wrong with a record."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    checker.check_schema(schema)
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(record)]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_kept_results_follow_the_schema(path: Path) -> None:
    assert faults(json.loads(path.read_text(encoding="utf-8"))) == []


def test_new_records_follow_it(tmp_path: Path) -> None:
    record = make_record("table4", {"frames": 3})
    write_record(tmp_path / "record.json", record)
    assert json.loads((tmp_path / "record.json").read_text()) == record
    assert faults(record) == [] and record["payload"] == {"frames": 3}


@pytest.mark.parametrize(
    ("key", "value"),
    [("command", "table4.py /home/someone/photos"), ("command", "a --out=/tmp/x"), ("machine", {}), ("payload", {}),
     ("benchmark", "Table 4"), ("date", "yesterday"), ("host", "mine")],
)  # fmt: skip
def test_the_schema_refuses_what_it_should(key: str, value: object) -> None:
    assert faults({**make_record("table4", {"frames": 3}), key: value})


def test_commands_tell_no_folders() -> None:
    given = ["/srv/x/table4.py", "/data/val/", "--limit", "3", "--out=/tmp/a/b.json", "--options=--workers 1"]
    assert command_line(given) == "table4.py val/ --limit 3 --out=b.json '--options=--workers 1'"


def test_what_the_benchmark_command_wrote_is_kept_as_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = make_record("stages", {"schema": 1})
    written = {"benchmark": "stages", "schema": 1, "machine": record["machine"]}
    (tmp_path / "written.json").write_text(json.dumps(written))
    arguments = [str(tmp_path / "written.json"), str(tmp_path / "kept.json")]
    monkeypatch.setattr("sys.argv", ["keep", *arguments, "--command", "uois-sam benchmark --image /tmp/a.jpg"])
    load_script("benchmarks/keep.py").main()
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert faults(kept) == [] and kept["command"] == "uois-sam benchmark --image a.jpg"
    assert kept["payload"] == {"schema": 1} and kept["machine"] == record["machine"]


def test_the_documented_parity_is_that_of_the_record_and_of_every_base() -> None:
    bases = json.loads((ROOT / "benchmarks" / "results" / "parity_full_size.json").read_text())["payload"]["bases"]
    assert set(bases) | {"sam-vit-l"} == set(BASES)  # which has a table of its own, with Meta's modules beside
    largest = [row["largest_difference"] for result in bases.values() for row in result["sam_to_transformers"].values()]
    assert max(largest) <= 1e-4
    page = (ROOT / "docs" / "reference" / "models.md").read_text(encoding="utf-8").splitlines()
    for row in load_script("benchmarks/parity.py").overview(bases).splitlines()[2:]:
        name, figures = row.split("` |")
        assert [line for line in page if line.startswith(f"{name}`") and line.endswith(f" |{figures}")], row

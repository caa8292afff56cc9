"""Variants of Mitsuba: those that do not work are refused early, and threads are limited."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synth.conftest import refused
from uois_sam.errors import UOISError
from uois_sam.synth.rendering import variants


def test_a_variant_that_does_not_work_is_told_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drjit = pytest.importorskip("drjit")
    monkeypatch.setattr(drjit, "has_backend", lambda backend: False)
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", os.environ.get("DRJIT_LIBLLVM_PATH", "libLLVM.so"))
    for variant, needed in (("cuda", "expected an NVIDIA GPU"), ("llvm", "expected a libLLVM")):
        line = refused(capsys, "generate", "--out", str(tmp_path / "out"), "--variant", variant)
        assert f"--variant {variant}: {needed}" in line
        with pytest.raises(UOISError, match=needed):
            variants.choose_variant(variant)
    assert not (tmp_path / "out").exists()


def test_the_denoiser_keeps_to_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    drjit = pytest.importorskip("drjit")
    given: list[int] = []
    monkeypatch.setattr(drjit, "set_thread_count", given.append)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for name in ("OIDN_NUM_THREADS", "OIDN_SET_AFFINITY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    variants.limit_threads(4)
    assert "OIDN_NUM_THREADS" not in os.environ, "a single worker may use them all"
    variants.limit_threads(2)
    assert given == [4, 2]
    assert (os.environ["OIDN_NUM_THREADS"], os.environ["OIDN_SET_AFFINITY"]) == ("2", "0")


@pytest.mark.parametrize("there", [True, False])
def test_a_path_of_libllvm_that_is_stale_is_passed_over_under_auto(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, there: bool
) -> None:
    drjit = pytest.importorskip("drjit")
    pytest.importorskip("mitsuba")
    monkeypatch.setattr(drjit, "has_backend", lambda backend: False)
    library = tmp_path / "libLLVM.so"
    if there:
        library.touch()
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(library))
    monkeypatch.setattr(variants, "LLVM_CANDIDATES", ())
    assert variants.choose_variant("auto") == "scalar_rgb"
    assert "libLLVM" in caplog.text

"""Findings about an installation: packages, machine, extras, caches, and a test on one drawn photo."""

from __future__ import annotations

import importlib
import os
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from rich.filesize import decimal

from uois_sam._version import __version__
from uois_sam.backends.sessions import is_installed
from uois_sam.errors import LIGHT, UOISError, count, install_command
from uois_sam.runtime.progress import SILENT, ProgressCallback, tracked

Status = Literal["ok", "note", "absent", "broken"]

_MODULES = {"opencv-python-headless": "cv2", "pillow": "PIL"}
"""Modules of needed packages that are called otherwise than these."""
_FOR_WORK_ON_IT = ("dev", "docs")
"""Extras that no command needs."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    status: Status
    """ok; note: works, but worth reading; absent: optional and not installed; broken: needed."""
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs, JSON types only."""


def examine(watch: ProgressCallback = SILENT) -> list[Finding]:
    """Examine this installation; nothing is downloaded, written or changed."""
    packages = list(_packages())
    if any(finding.status == "broken" for finding in packages):
        return packages  # whatever follows imports them
    parts: list[Callable[[], Iterator[Finding]]] = [_threads, _devices, _processor, _extras, _renderer, _caches, _photo]
    return packages + [finding for part in tracked(parts, watch, "examining", len(parts)) for finding in part()]


def _packages() -> Iterator[Finding]:
    """The interpreter, and the packages without which nothing works."""
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("uois-sam", "ok", f"{__version__}, {Path(__file__).parents[1]}", {"version": __version__})
    python = platform.python_version()
    yield Finding("python", "ok", f"{python} on {system}", {"version": python, "system": system})
    found, problems = {}, []
    needed = requirements().get("", ())
    for name in needed:
        try:
            module = importlib.import_module(_MODULES.get(name, name))
            found[name] = version_of(name) or str(getattr(module, "__version__", "?"))
        except Exception as error:  # a library that it needs is missing or damaged: ImportError, OSError, ...
            problems.append(f"{name}: {' '.join(str(error).split())}")
    if problems:
        yield Finding("packages", "broken", "; ".join(problems), {"versions": found, "problems": problems})
    elif needed:
        text = ", ".join(f"{name} {version}" for name, version in found.items())
        yield Finding("packages", "ok", text, {"versions": found})
    else:
        yield Finding("packages", "note", "not installed, run from its sources: what it needs is not known")


def requirements() -> dict[str, tuple[str, ...]]:
    """Distributions that the package needs by the extra that asks for them; "" for those it always needs."""
    lines = metadata.requires(distribution) or [] if (distribution := _distribution()) else []
    found: dict[str, list[str]] = {}
    for line in lines:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([\w-]+)", line)
        if name != distribution:
            found.setdefault(extra[1] if extra else "", []).append(name)
    return {extra: tuple(names) for extra, names in found.items()}


def _distribution() -> str | None:
    """Which of the two distributions of these sources is installed; None where they run from a folder."""
    return next((name for name in ("uois-sam", LIGHT) if version_of(name) is not None), None)


def version_of(distribution: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _threads() -> Iterator[Finding]:
    if not is_installed("torch"):
        text = f"not installed: compact and exported models run on ONNX Runtime; for all else: {install_command()}"
        yield Finding("torch", "absent", text, {"install": install_command()})
        return
    import torch

    from uois_sam.runtime.threads import WAIT_POLICY

    threads, policy = torch.get_num_threads(), os.environ.get(WAIT_POLICY, "")
    looks = os.environ.get("GOMP_SPINCOUNT")
    asleep = "sleep" if looks is None else f"look {looks} times and then sleep"
    how = asleep if policy.upper() == "PASSIVE" else "spin"
    waiting = f"they {how} while they wait ({WAIT_POLICY}={policy})"
    values = {"threads": threads, "wait_policy": policy, "version": torch.__version__}
    beside = "" if policy.upper() == "PASSIVE" else ": slow beside other busy processes"
    yield Finding("threads", "note" if beside else "ok", f"{threads} of torch; {waiting}{beside}", values)


def _devices() -> Iterator[Finding]:
    if not is_installed("torch"):
        yield Finding("devices", "ok", "cpu", {"devices": ["cpu"], "auto": "cpu", "precision": "float32"})
        return
    import torch

    from uois_sam.runtime.device import choose_device, choose_precision

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    mps = torch.backends.mps.is_available()
    device = choose_device("auto")
    precision = str(choose_precision("auto", device)).removeprefix("torch.")
    there = ["cpu", *(f"cuda:{index} ({name})" for index, name in enumerate(names)), *(["mps"] if mps else [])]
    built = "" if names or torch.version.cuda is None else "; this torch is built for CUDA and finds no GPU"
    lower = "" if precision == "float32" else f" (models on SAM: {precision})"
    text = f"{', '.join(there)}; auto takes {device} in float32{lower}{built}"
    yield Finding("devices", "ok", text, {"devices": there, "auto": str(device), "precision": precision})


def _processor() -> Iterator[Finding]:
    from uois_sam.runtime.cores import cpu_quota, usable_cores
    from uois_sam.runtime.provenance import describe_machine

    machine, quota = describe_machine(), cpu_quota()
    cores, usable, threads = machine["cores"], machine["cores_usable"], machine["torch_threads"]
    limit = "" if quota is None else f", a quota of {quota:g} (cgroup)"
    text = f"{machine['cpu']}: {cores} cores, {usable} usable{limit}; {machine['memory_gib']} GiB of memory"
    most = usable_cores()
    if threads > most:
        whose = " of torch" if is_installed("torch") else ""
        text += f". {threads} threads{whose} get in each other's way: set OMP_NUM_THREADS={most}"
    values = {"cores": cores, "cores_usable": usable, "quota": quota, "memory_gib": machine["memory_gib"]}
    yield Finding("processor", "note" if threads > most else "ok", text, values)


def _extras() -> Iterator[Finding]:
    for extra, names in requirements().items():
        if not extra or extra in _FOR_WORK_ON_IT:
            continue
        versions = {name: version_of(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        there = ", ".join(f"{name} {version}" for name, version in versions.items() if version is not None)
        if missing:
            install = install_command(extra)
            text = f"without {', '.join(missing)}: {install}"
            yield Finding(f"extra {extra}", "absent", text, {"versions": versions, "install": install})
        else:
            yield Finding(f"extra {extra}", "ok", there, {"versions": versions})


def _renderer() -> Iterator[Finding]:
    """Whether scenes can be rendered by the fast back end of Mitsuba."""
    if find_spec("drjit") is None:
        return
    try:
        drjit = importlib.import_module("drjit")
        works = bool(drjit.has_backend(drjit.JitBackend.LLVM))
    except Exception as error:  # a damaged installation
        yield Finding("renderer", "note", f"Dr.Jit cannot be loaded: {' '.join(str(error).split())}")
        return
    slow = (
        "no libLLVM that works, scenes are rendered half as fast by the scalar variant (Debian: apt install libllvm19)"
    )
    path = os.environ.get("DRJIT_LIBLLVM_PATH")
    text = f"libLLVM works{'' if path is None else f', {path}'}" if works else slow
    yield Finding("renderer", "ok" if works else "note", text, {"llvm": works})


def _caches() -> Iterator[Finding]:
    """Folders outside of the project that this package, or the hub's client for it, writes into."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or home / "huggingface") / "hub")
    for name, folder in (("cache", home / "uois-sam"), ("hub cache", hub)):
        files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        size = sum(path.stat().st_size for path in files)
        holds = f"{count(len(files), 'file')}, {decimal(size)}" if files else "empty"
        kinds = sorted(path.name for path in folder.iterdir() if path.is_dir())[:8] if folder.is_dir() else []
        inside = f": {', '.join(kinds)}" if kinds else ""
        yield Finding(name, "ok", f"{folder}, {holds}{inside}", {"folder": str(folder), "bytes": size})


def _photo() -> Iterator[Finding]:
    """Load the bundled weights and segment a drawn photo twice: the first one warms up."""
    from uois_sam.benchmark.drawing import drawn_photo
    from uois_sam.pipeline import UOISSAM

    try:
        started = time.perf_counter()
        model = UOISSAM.from_pretrained("compact")
        seconds = [time.perf_counter() - started]
        for _ in range(2):
            started = time.perf_counter()
            found = model.predict(drawn_photo(640, 480))
            seconds.append(time.perf_counter() - started)
    except UOISError as error:
        yield Finding("photo", "broken", str(error))
        return
    except (RuntimeError, OSError, MemoryError) as error:
        yield Finding("photo", "broken", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        return
    load, first, second = seconds
    text = f"{model.name} on {model.device}: loaded in {load:.1f} s, first photo {first:.2f} s, next {second:.2f} s"
    values = {"objects": len(found), "load_seconds": load, "first_seconds": first, "seconds": second}
    if not len(found):
        yield Finding("photo", "broken", f"{text}, but nothing was found in a picture of objects", values)
    else:
        yield Finding("photo", "ok", f"{text}, {count(len(found), 'object')} found in a drawn picture", values)

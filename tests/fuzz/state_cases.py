"""Cases of what runs leave for the next run, of weights in all their forms, and of the command line."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from fuzz import trees
from fuzz.mutations import HOSTILE, json_text, mutate_bytes, mutate_json, mutate_tree
from uois_sam.errors import UOISError


def checkpoints(rng: random.Random, folder: Path) -> None:
    """Checkpoints of interrupted fits with changed bytes or parts; what loads has to train on."""
    import torch

    from uois_sam.training.checkpoints import load_checkpoint, save_checkpoint

    module, config = torch.nn.Linear(3, 2), {"rate": 0.5, "name": "x"}
    optimiser = torch.optim.AdamW(module.parameters(), 0.1)
    parts: dict[str, Any] = {"head": module, "optimiser": optimiser}
    _step(module, optimiser)
    save_checkpoint(folder, parts, config, 3)
    path = folder / "checkpoint.pt"
    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    else:
        content = torch.load(path, weights_only=True)
        holder = rng.choice((content, content["states"], content["states"]["head"], content["states"]["optimiser"]))
        key = rng.choice(sorted(holder, key=str))
        if rng.random() < 0.2:
            del holder[key]
        else:
            strange = (torch.ones(9), torch.ones(2, 3, dtype=torch.int8), torch.full((2, 3), float("nan")))
            holder[key] = rng.choice((*HOSTILE, *strange))
        if rng.random() < 0.3:
            content["config"] = json_text(rng, config).decode("utf-8", "replace")
        torch.save(content, path)
    if load_checkpoint(folder, parts, config):
        _step(module, optimiser)


def _step(module: Any, optimiser: Any) -> None:
    import torch

    optimiser.zero_grad()
    module(torch.ones(1, 3)).sum().backward()
    optimiser.step()


def caches(rng: random.Random, folder: Path) -> None:
    """Feature caches with changed markers and shards; filled, and read to the end."""
    import torch

    from uois_sam.checkpoints.compact import compact_base, load_compact
    from uois_sam.datasets import open_dataset
    from uois_sam.training.distributed import start_processes
    from uois_sam.training.feature_cache.features import FeatureConfig
    from uois_sam.training.feature_cache.shards import CacheRequest, fill_cache, open_cache

    shutil.copytree(_made("cache"), folder / "all")
    cache, data = folder / "all" / "cache", open_dataset("folder", folder / "all" / "data")
    model, _ = load_compact(folder / "all" / "model")
    base = compact_base(model.eval().requires_grad_(False), "tiny", torch.device("cpu"))
    request = CacheRequest(base, data, "0" * 64, FeatureConfig(view_hw=(96, 128), prompts=4), shard=1)
    marker = cache / "cache.json"
    if marker.exists() and rng.random() < 0.5:
        marker.write_bytes(json_text(rng, json.loads(marker.read_text())))
    elif marker.exists():
        mutate_tree(rng, cache)
    state = open_cache(request, cache)
    list(fill_cache(request, state, start_processes("cpu")))
    for rows in (state.maps(), state.tokens()):
        for shard in range(len(rows.bounds)):
            read = rows.read(shard)
            assert len(read) == 1


def heads(rng: random.Random, folder: Path) -> None:
    """Folders of heads with changed cards or weights, loaded on their base and used."""
    from uois_sam import UOISSAM

    shutil.copytree(_made("heads"), folder / "all")
    card = folder / "all" / "heads" / "model.json"
    drawn = rng.random()
    if drawn < 0.5:
        content = json.loads(card.read_text())
        part = rng.choice(("architecture", "selection", ""))
        changed = mutate_json(rng, content) if not part else {**content, part: mutate_json(rng, content[part])}
        card.write_text(json.dumps(changed))
    elif drawn < 0.8:
        mutate_tree(rng, folder / "all" / "heads")  # else left whole: the rest of the folder is to be read
    sam, dinov2 = sorted((folder / "all" / "base").iterdir())[::-1]
    model = UOISSAM.from_pretrained(folder / "all" / "heads", sam=sam, dinov2=dinov2, device="cpu")
    model.predict(np.zeros((48, 64, 3), np.uint8))


def foundations(rng: random.Random, folder: Path) -> None:
    """Weights of SAM and DINOv2 with changed bytes, as files and as Hugging Face folders."""
    import torch
    from safetensors.torch import save_file

    from tiny_base import NAME
    from uois_sam.checkpoints.loading import load_base

    shutil.copytree(_made("heads"), folder / "all")
    sam, dinov2 = sorted((folder / "all" / "base").iterdir())[::-1]
    given = {"sam": sam, "dinov2": dinov2}
    which = rng.choice(("sam", "dinov2"))
    path, kind = given[which], rng.randrange(4)
    if kind == 0:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    elif kind == 1:
        tensors = torch.load(path, weights_only=True)
        name = rng.choice(sorted(tensors))
        tensors[name] = rng.choice((*HOSTILE, torch.ones(1), torch.ones(0, 10**6), tensors[name][:1], [tensors[name]]))
        torch.save(tensors, path)
    else:
        home = folder / "hub"
        home.mkdir()
        tensors = torch.load(path, weights_only=True)
        if rng.random() < 0.5:
            save_file({k: v.contiguous().clone() for k, v in tensors.items()}, home / "model.safetensors")
        else:
            torch.save(tensors, home / "pytorch_model.bin")
        mutate_tree(rng, home)
        given[which] = home
    load_base(NAME, sam=given["sam"], dinov2=given["dinov2"], device="cpu")


@lru_cache(maxsize=4)
def _made(what: str) -> Path:
    """A folder made once in a process; cases copy it."""
    import torch

    from tiny_base import BACKBONE, NAME, SPEC, write_tiny_base
    from uois_sam.checkpoints.bases import BACKBONES, BASES
    from uois_sam.checkpoints.compact import compact_base, load_compact
    from uois_sam.checkpoints.heads import save_heads
    from uois_sam.datasets import open_dataset
    from uois_sam.training.distributed import start_processes
    from uois_sam.training.feature_cache.features import FeatureConfig
    from uois_sam.training.feature_cache.shards import CacheRequest, fill_cache, open_cache

    folder = Path(mkdtemp(prefix="uois_sam_fuzz_"))
    if what == "heads":
        BASES[NAME], BACKBONES[SPEC.prompts] = SPEC, BACKBONE
        base = write_tiny_base(folder / "base").load()
        save_heads(base, base.fresh_hpg(), base.fresh_hdnet(), folder / "heads", training={})
        return folder
    trees.folder(folder / "data")
    trees.model_folder(folder / "model")
    model, _ = load_compact(folder / "model")
    tiny = compact_base(model.eval().requires_grad_(False), "tiny", torch.device("cpu"))
    data = open_dataset("folder", folder / "data")
    request = CacheRequest(tiny, data, "0" * 64, FeatureConfig(view_hw=(96, 128), prompts=4), shard=1)
    list(fill_cache(request, open_cache(request, folder / "cache"), start_processes("cpu")))
    return folder


_NUMBERS = ("0", "1", "-1", "2", "3", "0.5", "nan", "inf", "-inf", "1e308", "9" * 30, "", "x", "1,5", "0x10", "True")
_TEXTS = ("", "x", "nan", "a/b", "../x", "é\u2028", "<script>", "{}", "[[", "x" * 300, "None", "compact", "sam-vit-b")
_SETTABLE = ("every", "offset", "split", "partial", "depth", "depth_scale", "subset", "nonsense", "")
_OPTIONS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "segment": (("--workers", _NUMBERS), ("--model", _TEXTS), ("--prompts", ("grid", "heatmap", "x")),
                ("--scores", ("sam", "hdnet", "evidence", "x")), ("--zoom", ("on", "off", "1")), ("--device", _TEXTS)),
    "evaluate": (("--every", _NUMBERS), ("--offset", _NUMBERS), ("--limit", _NUMBERS), ("--tolerance", _NUMBERS),
                 ("--background-labels", _NUMBERS), ("--pictures", _NUMBERS), ("--name", _TEXTS), ("--title", _TEXTS),
                 ("--missing", ("error", "empty", "skip")), ("--protocol", ("ucn", "uois", "x")), ("--size", _NUMBERS)),
    "convert": (("--scenes", _NUMBERS), ("--split", ("train", "val", "x")), ("--to", ("sheet", "bop", "uoais", "x"))),
    "tables": (("--out", _TEXTS),),
    "models": (("--nonsense", _TEXTS),),
    "generate": (("--scenes", ("0", "-1", "nan", "x", "")), ("--seed", ("-1", "x", "9" * 30)),
                 ("--mesh-scale", _NUMBERS), ("--meshes", _TEXTS), ("--textures", _TEXTS), ("--hdris", _TEXTS),
                 ("--from-scenes", _TEXTS)),
}  # fmt: skip


def command_lines(rng: random.Random, folder: Path) -> None:
    """Commands with hostile values of options; what ends in an exit status of ours is well."""
    from uois_sam.cli.main import main

    trees.folder(folder / "data")
    trees.folder(folder / "predictions")
    trees.native(folder / "scenes")
    trees.model_folder(folder / "model")
    command = rng.choice(sorted(_OPTIONS))
    given: list[str] = [command]
    if command == "segment":
        given += [str(folder / "data" / "rgb"), "--out", str(folder / "out"), "--model", str(folder / "model")]
    elif command == "evaluate":
        given += ["folder", str(folder / "data"), "--out", str(folder / "out")]
        given += ["--predictions", str(folder / "predictions" / "label"), "--workers", "1"]
    elif command == "convert":
        given += [str(folder / "scenes"), "--out", str(folder / "out"), "--to", "sheet"]
    elif command == "tables":
        given += [str(folder / "predictions")]
    elif command == "generate":
        given += ["--out", str(folder / "out"), "--scenes", "0"]  # nothing is rendered
    for option, values in rng.sample(_OPTIONS[command], min(len(_OPTIONS[command]), rng.choice((1, 1, 2, 3)))):
        value = rng.choice(values)
        given += [option, value] if option != "--size" else [option, value, rng.choice(_NUMBERS)]
    if command == "evaluate" and rng.random() < 0.4:
        given += ["--set", f"{rng.choice(_SETTABLE)}={rng.choice((*_NUMBERS, *_TEXTS, '[' * 9999))}"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _within(folder):
        try:
            status = main(given)
        except SystemExit as end:
            status = end.code  # type: ignore[assignment]
    if status not in (0, 1, 2):
        raise AssertionError(f"{given}: exit status {status}")
    if status == 2:
        raise UOISError("refused")


@contextlib.contextmanager
def _within(folder: Path) -> Any:
    """Relative names of outputs end up in the folder of the case."""
    import os

    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


CLASSES = {
    "checkpoints": checkpoints, "caches": caches, "heads": heads, "foundations": foundations,
    "command lines": command_lines,
}  # fmt: skip

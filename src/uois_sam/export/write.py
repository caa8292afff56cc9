"""Write the graphs of a model into a folder that :mod:`uois_sam.backends` reads."""

from __future__ import annotations

import io
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from uois_sam._version import __version__
from uois_sam.backends.manifest import BATCHES, FORMAT, MANIFEST, OPSET, Manifest, Target, sha256_of
from uois_sam.backends.sessions import SUFFIXES, openvino_core
from uois_sam.checkpoints.bases import find_base
from uois_sam.checkpoints.folder import CARD_FILE, architecture_of, read_card
from uois_sam.checkpoints.heads import HEADS_KIND
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.export.foundation import foundation_graphs, frame_of
from uois_sam.export.graphs import DRAW_IN_WINDOWS, Graph, compact_graphs
from uois_sam.export.weights import WeightPool
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.models.compact.encoder import CompactEncoder
from uois_sam.models.foundation import FoundationEncoder
from uois_sam.models.networks import Networks
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.progress import SILENT, ProgressCallback


def export_model(
    model: UOISSAM,
    to: Target,
    folder: Path,
    *,
    photo_hw: tuple[int, int] | None = None,
    watch: ProgressCallback = SILENT,
) -> list[Path]:
    """Write a model's graphs; ``export.json`` is written last and makes the folder one that loads.

    Args:
        model: in torch and float32.
        to: what to write.
        folder: created if need be; it is no longer that of an earlier export, whose files of other names stay.
        photo_hw: rows and columns of photos for a graph that takes them as they are, for other programs.
        watch: told of every graph.

    Returns:
        The files.

    Raises:
        UOISError: a model that is no torch model in float32, or of a kind that is not exported; ``photo_hw`` for one on
            SAM.
        MissingExtraError: a package that is needed to write is not installed.
        OutputError: the folder or a file cannot be written, or the folder is that of another model.
    """
    networks = model.networks
    if networks.precision != torch.float32 or networks.device.type != "cpu":
        precision = str(networks.precision).removeprefix("torch.")
        raise UOISError(
            f"export: expected a model on cpu in float32, found {precision} on {networks.device}: "
            "load it with device='cpu', precision='float32'"
        )
    compact = _is_compact(networks, model.name)
    if photo_hw is not None and not compact:
        raise _no_photo_size(model.name)
    _check_packages(to)
    make_output_folder(folder)
    pool = WeightPool(folder, networks if compact else None)
    if to == "onnx":
        pool.check()
    (folder / MANIFEST).unlink(missing_ok=True)  # until all is there, the folder holds none
    graphs = list(compact_graphs(networks, BATCHES, photo_hw) if compact else foundation_graphs(networks, BATCHES))
    if to == "torchscript":  # traced graphs have one size
        graphs = [graph for graph in graphs if graph.kind not in DRAW_IN_WINDOWS]
    write = {"onnx": _write_onnx, "openvino": _write_openvino, "torchscript": _write_torchscript}[to]
    paths: list[Path] = []
    watch.stage("exporting", len(graphs))
    for done, graph in enumerate(graphs):
        watch.advance(done, graph.name)
        paths += write(graph, folder / f"{graph.name}{SUFFIXES[to]}", pool)
    paths += pool.close() if to == "onnx" else []
    manifest = Manifest(
        format=FORMAT, version=__version__, target=to, opset=OPSET if to == "onnx" else 0, precision="float32",
        batches=BATCHES, files={path.name: sha256_of(path) for path in paths}, has=_heads(networks), card=model.card,
        photo_hw=photo_hw, windows=any(graph.kind in DRAW_IN_WINDOWS for graph in graphs),
        **(_frame_of_compact(networks) if compact else frame_of(networks)),
    )  # fmt: skip
    write_atomically(folder / MANIFEST, (json.dumps(manifest.to_json(), indent=1) + "\n").encode())
    return [*paths, folder / MANIFEST]


def _is_compact(networks: Networks, name: str) -> bool:
    """Whether it is a compact model and not one on a SAM.

    Raises:
        UOISError: neither, or one whose masks another draws, which no graph does.
    """
    encoder = (networks.saved or networks).encoder
    if networks.redrawer is not None or not isinstance(encoder, (CompactEncoder, FoundationEncoder)):
        raise UOISError(f"export: expected a compact model or one on a SAM, without masks by another, found {name}")
    return isinstance(encoder, CompactEncoder)


def _frame_of_compact(networks: Networks) -> dict[str, Any]:
    encoder = (networks.saved or networks).encoder
    assert isinstance(encoder, CompactEncoder)
    return {"input_hw": encoder.input_hw}


def _heads(networks: Networks) -> tuple[str, ...]:
    return tuple(name for name in ("hpg", "hdnet", "mask_scorer") if getattr(networks, name) is not None)


def check_export(name: str, to: Target, photo_hw: tuple[int, int] | None) -> None:
    """Refuse, before a model is loaded, what :func:`export_model` would refuse then.

    Raises:
        MissingExtraError: a package that is needed to write is not installed.
        UOISError: a photo size for a model on SAM.
        WeightsError: the model's folder has a card that is none.
    """
    _check_packages(to)
    folder = Path(name)
    kind = architecture_of(read_card(folder))[0] if os.path.isfile(folder / CARD_FILE) else None
    if photo_hw is not None and (kind == HEADS_KIND or find_base(name) is not None):
        raise _no_photo_size(name)


def _no_photo_size(name: str) -> UOISError:
    return UOISError(f"export: expected a photo size for a compact model only, found {name}")


def _check_packages(to: Target) -> None:
    needed = {"onnx": ("onnx",), "openvino": ("onnx", "openvino"), "torchscript": ()}[to]
    for name in needed:
        try:
            __import__(name)
        except ImportError as error:
            raise MissingExtraError(f"export --to {to}", "export", name) from error


def traced(graph: Graph) -> bytes:
    """The graph as an ONNX model; of one :attr:`Graph.apart` its weights are inputs."""
    content = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # on sizes that become constants, which is what fixed shapes mean
        torch.onnx.export(
            graph.module, tuple(graph.inputs.values()), content,  # type: ignore[arg-type]
            dynamo=False, opset_version=OPSET,
            input_names=list(graph.inputs), output_names=list(graph.outputs), do_constant_folding=False,
            export_params=not graph.apart,
            dynamic_axes={name: {2: f"{name}_rows", 3: f"{name}_columns"} for name in graph.any_size},
        )  # fmt: skip
    return content.getvalue()


def _write_onnx(graph: Graph, path: Path, pool: WeightPool) -> list[Path]:
    write_atomically(path, _with_weights_in(pool, graph))
    return [path]


def _with_weights_in(pool: WeightPool, graph: Graph) -> bytes:
    if not graph.apart:
        return pool.without_weights(traced(graph))
    return pool.with_references(traced(graph), dict(graph.module.state_dict()))


def _write_openvino(graph: Graph, path: Path, pool: WeightPool) -> list[Path]:
    import openvino  # ovc's convert_model would do the same, and call home from a process of its own

    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        source = Path(place, "graph.onnx")
        beside = WeightPool(source.parent, None)
        source.write_bytes(_with_weights_in(beside, graph))
        beside.close()
        written = Path(place, path.name)
        openvino.save_model(openvino_core().read_model(str(source)), str(written), compress_to_fp16=False)
        made = [written.with_suffix(".bin"), written]
        for each in made:
            os.replace(each, path.parent / each.name)
    return [path.parent / each.name for each in made]


def _write_torchscript(graph: Graph, path: Path, pool: WeightPool) -> list[Path]:
    names: dict[str, Any] = {"inputs": " ".join(graph.inputs), "outputs": " ".join(graph.outputs)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(graph.module, tuple(graph.inputs.values()), check_trace=False)
    write_atomically(path, lambda file: torch.jit.save(traced, file, _extra_files=names))
    return [path]

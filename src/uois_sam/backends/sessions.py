"""Graphs at work: one file each, run by ONNX Runtime, OpenVINO, TensorRT or TorchScript."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from uois_sam.errors import MissingExtraError, UOISError, WeightsError

Backend = Literal["onnxruntime", "openvino", "tensorrt", "torchscript"]
Arrays = Mapping[str, npt.NDArray[Any]]

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".ts"}
"""Ending of a graph's file by what it was exported to."""
READS: Mapping[str, tuple[Backend, ...]] = {
    "onnx": ("onnxruntime", "openvino", "tensorrt"), "openvino": ("openvino",), "torchscript": ("torchscript",),
}  # fmt: skip
"""Backends that run what was exported, the usual one first."""
PACKAGES: Mapping[str, str] = {
    "onnxruntime": "onnxruntime", "openvino": "openvino", "tensorrt": "tensorrt", "torchscript": "torch",
}  # fmt: skip
TAKE_ANY_SIZE: frozenset[Backend] = frozenset({"onnxruntime", "openvino"})
"""Backends that run a graph on maps of any size."""

Session = Callable[[Arrays], dict[str, npt.NDArray[Any]]]
"""A graph that is loaded: arrays by name in and out; inputs that it does not have are left aside."""


def choose_backend(target: str, asked: str | None) -> Backend:
    """Return what runs an export: what is asked for, or else the usual one.

    Raises:
        UOISError: unknown, or one that does not run what was exported.
        MissingExtraError: it is not installed.
    """
    able = READS[target]
    if asked is not None and asked not in get_args(Backend):
        raise UOISError(f"unknown backend {asked!r}: expected one of {', '.join(get_args(Backend))}")
    if asked is not None and asked not in able:
        raise UOISError(f"backend {asked}: expected an export that it runs, found {target}, for {', '.join(able)}")
    found = [each for each in able if is_installed(PACKAGES[each])]
    chosen = next((each for each in able if each == asked), found[0] if found else able[0])
    if chosen not in found:
        raise MissingExtraError(f"the backend {chosen}", chosen, PACKAGES[chosen])
    return chosen


def is_installed(package: str) -> bool:
    """Whether a package can be imported; it is not."""
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:  # what finds packages refuses this one
        return False


def open_session(
    backend: Backend, path: Path, threads: int, weights: Mapping[str, npt.NDArray[Any]] | None = None
) -> Session:
    """Load a graph.

    Args:
        backend: what runs it.
        path: its file.
        threads: that it may use.
        weights: for ONNX Runtime, parameters by name of a graph without its own.

    Raises:
        WeightsError: the file is none that the backend reads.
    """
    try:
        return _onnxruntime(path, threads, weights) if weights is not None else _OPENERS[backend](path, threads)
    except Exception as error:  # each has exceptions of its own, some derived from RuntimeError, some from Exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{path}: expected a graph that {backend} runs, found: {reason[:200]}") from error


def _onnxruntime(path: Path, threads: int, weights: Mapping[str, npt.NDArray[Any]] | None = None) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    _share_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Threads that spin while they wait are in the way of whatever else the machine does.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if weights is not None:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
        options.add_external_initializers(list(weights), values)
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )  # its kernel goes over numbers one by one: two norms in three of the prompts' time
    inputs = {each.name for each in session.get_inputs()}
    outputs = [each.name for each in session.get_outputs()]

    def run(given: Arrays) -> dict[str, npt.NDArray[Any]]:
        return dict(zip(outputs, session.run(outputs, {name: given[name] for name in inputs}), strict=True))

    return run


@cache
def _share_arena() -> None:
    """Let all graphs of this process keep the memory of their maps, in one arena.

    With an arena each, a photo takes 120 MB more; without, the system maps and clears its pages anew for every map.
    """
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    where = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    with suppress(Exception):  # the program has one of its own, which serves as well
        onnxruntime.create_and_register_allocator(where, None)


@cache
def openvino_core() -> Any:
    """OpenVINO's core: one for the process, kept until its end.

    Each core gives signals a stack of its own. One that goes takes the stack along, and where another came after it,
    the next signal that Python handles (a child that ends, Ctrl-C) would end the process with a segmentation fault.
    """
    import openvino

    return openvino.Core()


def _openvino(path: Path, threads: int) -> Session:
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino_core().compile_model(str(path), "CPU", settings)
    inputs, outputs = ([each.names for each in side] for side in (compiled.inputs, compiled.outputs))
    own = threading.local()  # a request a thread: photos on several do not wait for each other; its memory stays

    def run(given: Arrays) -> dict[str, npt.NDArray[Any]]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        values = [next(given[name] for name in names if name in given) for names in inputs]
        found = own.request.infer(values, share_inputs=True)
        return {name: found[index] for index, names in enumerate(outputs) for name in names}

    return run


def _tensorrt(path: Path, threads: int) -> Session:
    """Build an engine for this GPU from an ONNX graph; torch holds the memory. Written after TensorRT 10's interface
    and not run here: no machine with it was at hand."""
    import tensorrt as trt
    import torch

    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(path)):
        raise WeightsError(str(parser.get_error(0)))
    engine = trt.Runtime(logger).deserialize_cuda_engine(
        builder.build_serialized_network(network, builder.create_builder_config())
    )
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    takes = {name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}

    def run(given: Arrays) -> dict[str, npt.NDArray[Any]]:
        context = engine.create_execution_context()
        held = {}
        for name in names:
            shape = tuple(engine.get_tensor_shape(name))
            held[name] = torch.empty(shape, dtype=torch.float32, device="cuda")
            if name in takes:
                held[name].copy_(torch.from_numpy(np.ascontiguousarray(given[name])))
            context.set_tensor_address(name, held[name].data_ptr())
        stream = torch.cuda.current_stream()
        context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        return {name: held[name].cpu().numpy() for name in names if name not in takes}

    return run


def _torchscript(path: Path, threads: int) -> Session:
    import torch

    extra = {"inputs": "", "outputs": ""}
    module = torch.jit.load(str(path), _extra_files=extra)
    inputs, outputs = (_text(extra[name]).split() for name in ("inputs", "outputs"))

    def run(given: Arrays) -> dict[str, npt.NDArray[Any]]:
        with torch.inference_mode():
            found = module(*(torch.from_numpy(np.ascontiguousarray(given[name])) for name in inputs))
        found = found if isinstance(found, tuple) else (found,)
        return {name: value.numpy() for name, value in zip(outputs, found, strict=True)}

    return run


def _text(content: str | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content


_OPENERS: Mapping[str, Callable[[Path, int], Session]] = {
    "onnxruntime": _onnxruntime, "openvino": _openvino, "tensorrt": _tensorrt, "torchscript": _torchscript,
}  # fmt: skip

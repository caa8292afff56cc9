"""Make the graphs that come with the package (:mod:`uois_sam.backends.bundled`): ``python -m uois_sam.export.bundled``.

They hold no weights: every parameter is a reference to a tensor of the model's own file, by its name in there. What
does not depend on weights ONNX Runtime has computed already, which it would else do whenever it loads them. They are
made again when the networks' code or the sizes of the bundled model change; other weights change nothing.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.backends.bundled import BATCHES, DESCRIPTION, FOLDER
from uois_sam.backends.manifest import OPSET
from uois_sam.backends.sessions import SUFFIXES
from uois_sam.checkpoints.folder import architecture_of
from uois_sam.checkpoints.loading import tensors_of
from uois_sam.export.graphs import compact_graphs
from uois_sam.export.write import traced
from uois_sam.io.files import write_together
from uois_sam.pipeline import UOISSAM

if TYPE_CHECKING:
    import onnx

PREFIXES = {"scorer": "evidence."}
"""Of names in a model's file, where a graph's own names do not have them."""


def bundled_files(model: UOISSAM) -> dict[str, bytes]:
    """The files of the graphs of a compact model in torch."""
    known = tensors_of(model.networks, model.name, whole=True)
    digests = {name: hashlib.sha256(value.numpy().tobytes()).digest() for name, value in known.items()}
    files: dict[str, bytes] = {}
    parameters: dict[str, list[str]] = {}
    for graph in compact_graphs(model.networks, BATCHES, None):
        if graph.kind == "masks" or (graph.kind == "encoder" and graph.name != "encoder_1"):
            continue  # masks are drawn in windows; photos come one at a time
        content, names = _without_weights(traced(graph), PREFIXES.get(graph.kind, ""), digests)
        files[f"{graph.name}{SUFFIXES['onnx']}"] = content
        parameters[graph.name] = sorted(names)
    _, sizes = architecture_of(model.card)
    described = {"opset": OPSET, "architecture": sizes, "parameters": parameters}
    return {**files, DESCRIPTION: (json.dumps(described, indent=1) + "\n").encode()}


def _without_weights(content: bytes, prefix: str, digests: dict[str, bytes]) -> tuple[bytes, set[str]]:
    """An ONNX model whose parameters are references by name, and the names."""
    import onnx

    graph = onnx.load_from_string(content)
    graph.producer_version = ""
    names: dict[str, str] = {}
    for tensor in graph.graph.initializer:
        name = prefix + tensor.name.replace(".plain.", ".")
        if digests.get(name) == hashlib.sha256(tensor.raw_data).digest():
            names[tensor.name] = name
            _refer(tensor, name)
    for node in graph.graph.node:
        node.ClearField("doc_string")
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
    return _simplified(graph), set(names.values())


def _simplified(model: onnx.ModelProto) -> bytes:
    """A model after ONNX Runtime's basic optimisation, still in plain ONNX: parameters are inputs meanwhile."""
    import onnx
    import onnxruntime

    graph = model.graph
    parameters = [each for each in graph.initializer if each.data_location == onnx.TensorProto.EXTERNAL]
    for each in parameters:
        graph.initializer.remove(each)
        graph.input.append(onnx.helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "graph.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        simple = onnx.load(options.optimized_model_filepath)
    names = {each.name for each in parameters}
    inputs = [each for each in simple.graph.input if each.name not in names]
    del simple.graph.input[:]
    simple.graph.input.extend(inputs)
    simple.graph.initializer.extend(parameters)
    # It names every kind of operator that it knows itself; another version might not know them all.
    used = {node.domain for node in simple.graph.node}
    imports = [each for each in simple.opset_import if each.domain in used]
    del simple.opset_import[:]
    simple.opset_import.extend(imports)
    return bytes(simple.SerializeToString(deterministic=True))


def _refer(tensor: onnx.TensorProto, name: str) -> None:
    import onnx

    length = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.name, tensor.data_location = name, onnx.TensorProto.EXTERNAL
    for key, value in (("location", "model.safetensors"), ("offset", "0"), ("length", str(length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def main(folder: Path = FOLDER) -> None:
    """Write the graphs of the bundled model, and then remove those that there are no more."""
    model = UOISSAM.from_pretrained("compact", device="cpu", precision="float32", backend="torch")
    files = {folder / name: content for name, content in bundled_files(model).items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_together(files)
    for path in set(folder.glob(f"*{SUFFIXES['onnx']}")) - files.keys():
        path.unlink()


if __name__ == "__main__":
    main()

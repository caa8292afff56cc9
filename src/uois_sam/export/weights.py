"""Weights of ONNX graphs in one file beside them: what fifteen graphs share is stored once.

A file of ONNX holds 2 GB at most, one of weights as much as there is. A compact model's own ``model.safetensors`` is
such a file: its tensors lie in it as ONNX's external data do, so a folder that has the model needs no second copy of
its weights.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.checkpoints.folder import CARD_FILE
from uois_sam.errors import OutputError
from uois_sam.io.files import write_atomically
from uois_sam.models.networks import Networks

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

LEAST = 256
"""Bytes from which a tensor is kept outside of a graph."""
SAFETENSORS = "model.safetensors"
OTHER = "weights.bin"
_ALIGNED = 64


class WeightPool:
    """Tensors by their bytes.

    Args:
        folder: where graphs and weights lie.
        networks: whose parameters are written as a model folder has them, where it has none yet; None for a file of
            what the graphs hold.
    """

    def __init__(self, folder: Path, networks: Networks | None) -> None:
        self.folder = folder
        self._content = None if networks is None else _own_weights(networks)
        self._known = {} if self._content is None else _places(self._content)
        self._other: list[bytes | memoryview] = []
        """Tensors, and what is between them; of tensors in memory nothing is copied."""
        self._size = 0

    def without_weights(self, content: bytes) -> bytes:
        """An ONNX model whose large tensors are references to the files of the pool."""
        import onnx

        model = onnx.load_from_string(content)
        for tensor in _tensors(model):
            raw = tensor.raw_data
            if len(raw) >= LEAST and tensor.data_type == onnx.TensorProto.FLOAT:
                self._refer(tensor, self._place(raw))
        return bytes(model.SerializeToString())

    def with_references(self, content: bytes, tensors: Mapping[str, Tensor]) -> bytes:
        """An ONNX model that was recorded without its weights, with references to the files of the pool.

        Args:
            content: the model; inputs of it are weights.
            tensors: by their names in there; those that are no inputs are left out.
        """
        import onnx

        model = onnx.load_from_string(content)
        used = {name for node in model.graph.node for name in node.input}
        given = [each for each in model.graph.input if each.name not in tensors]
        for each in model.graph.input:
            if each.name in tensors and each.name in used:
                array = tensors[each.name].detach().contiguous().numpy()
                tensor = onnx.TensorProto(
                    name=each.name, dims=array.shape, data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
                )
                raw = array.reshape(-1).view("u1").data
                if len(raw) >= LEAST:
                    self._refer(tensor, self._place(raw))
                else:
                    tensor.raw_data = bytes(raw)
                model.graph.initializer.append(tensor)
        del model.graph.input[:]
        model.graph.input.extend(given)
        return bytes(model.SerializeToString())

    def check(self) -> None:
        """Raise OutputError where the folder is that of another model, whose weights would be lost."""
        path = self.folder / SAFETENSORS
        if self._content is None:
            return
        if (self.folder / CARD_FILE).is_file() and path.is_file() and path.read_bytes() != self._content:
            raise OutputError(
                f"cannot write {path}: expected a folder without a model, or with the one to export, found another's"
            )

    def close(self) -> list[Path]:
        """Write the files and return them."""
        own, other = self.folder / SAFETENSORS, self.folder / OTHER
        if self._content is not None and not (own.is_file() and own.read_bytes() == self._content):
            write_atomically(own, self._content)
        if self._other:
            write_atomically(other, lambda file: file.writelines(self._other))
        return [*([] if self._content is None else [own]), *([other] if self._other else [])]

    def _place(self, raw: bytes | memoryview) -> tuple[str, int, int]:
        key = hashlib.sha256(raw).digest()
        if key not in self._known:
            between = bytes(-self._size % _ALIGNED)
            self._known[key] = (OTHER, self._size + len(between), len(raw))
            self._other += [between, raw]
            self._size += len(between) + len(raw)
        return self._known[key]

    @staticmethod
    def _refer(tensor: onnx.TensorProto, place: tuple[str, int, int]) -> None:
        import onnx

        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for name, value in zip(("location", "offset", "length"), place, strict=True):
            entry = tensor.external_data.add()
            entry.key, entry.value = name, str(value)


def _tensors(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    held = [attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")]
    return [*model.graph.initializer, *held]


def _own_weights(networks: Networks) -> bytes:
    """The parameters in the format of model folders."""
    from safetensors.torch import save

    from uois_sam.checkpoints.loading import tensors_of

    return save(tensors_of(networks, networks.name, whole=True))


def _places(content: bytes) -> dict[bytes, tuple[str, int, int]]:
    """SHA256 of every tensor of a safetensors file to where it lies."""
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    places = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = (8 + size + offset for offset in entry["data_offsets"])
            places[hashlib.sha256(content[first:last]).digest()] = (SAFETENSORS, first, last - first)
    return places

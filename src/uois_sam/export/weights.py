"""Weights of ONNX graphs in one file beside them: what fifteen graphs share is stored once.

A compact model's own ``model.safetensors`` is such a file: its tensors lie in it as ONNX's external data do, so a
folder that has the model needs no second copy of its weights.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.checkpoints.folder import CARD_FILE
from uois_sam.errors import OutputError
from uois_sam.io.files import write_atomically
from uois_sam.models.networks import Networks

if TYPE_CHECKING:
    import onnx

LEAST = 256
"""Bytes from which a tensor is kept outside of a graph."""
SAFETENSORS = "model.safetensors"
OTHER = "weights.bin"
_ALIGNED = 64


class WeightPool:
    """Tensors by their bytes.

    Args:
        folder: where graphs and weights lie.
        networks: whose parameters are written where the folder has none yet.
    """

    def __init__(self, folder: Path, networks: Networks) -> None:
        self.folder = folder
        self._content = _own_weights(networks)
        self._known = _places(self._content)
        self._other = bytearray()

    def without_weights(self, content: bytes) -> bytes:
        """An ONNX model whose large tensors are references to the files of the pool."""
        import onnx

        model = onnx.load_from_string(content)
        for tensor in _tensors(model):
            raw = tensor.raw_data
            if len(raw) >= LEAST and tensor.data_type == onnx.TensorProto.FLOAT:
                self._refer(tensor, self._place(raw))
        return bytes(model.SerializeToString())

    def check(self) -> None:
        """Raise OutputError where the folder is that of another model, whose weights would be lost."""
        path = self.folder / SAFETENSORS
        if (self.folder / CARD_FILE).is_file() and path.is_file() and path.read_bytes() != self._content:
            raise OutputError(
                f"cannot write {path}: expected a folder without a model, or with the one to export, found another's"
            )

    def close(self) -> list[Path]:
        """Write the files and return them."""
        files = {SAFETENSORS: self._content, **({OTHER: bytes(self._other)} if self._other else {})}
        for name, content in files.items():
            path = self.folder / name
            if not path.is_file() or path.read_bytes() != content:
                write_atomically(path, content)
        return [self.folder / name for name in files]

    def _place(self, raw: bytes) -> tuple[str, int, int]:
        key = hashlib.sha256(raw).digest()
        if key not in self._known:
            self._other += bytes(-len(self._other) % _ALIGNED)
            self._known[key] = (OTHER, len(self._other), len(raw))
            self._other += raw
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

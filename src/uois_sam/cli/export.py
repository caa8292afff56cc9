"""``uois-sam export``: a model as graphs for ONNX Runtime, OpenVINO, TensorRT or TorchScript."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from uois_sam.errors import UOISError, count
from uois_sam.runtime.progress import print_line, progress

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Export:
    """Write a model as graphs of fixed shapes, which this package and others run without torch.

        uois-sam export compact --to onnx --out exported
        uois-sam segment photo.jpg --model exported --backend onnxruntime --out results
        uois-sam export my-heads --sam sam_vit_l_0b3195.pth --dinov2 dinov2_vits14_pretrain.pth --out exported-sam

    Post-processing is not in the graphs; the package does it as for a model in torch. Names and shapes are in
    docs/reference/exported-models.md.

    Exit status: 0 success; 2 nothing could be written; 130 interrupted.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Name or folder of a model in torch; "uois-sam models" lists names."""
    out: Path
    """Folder for the graphs; created if missing."""
    to: Literal["onnx", "openvino", "torchscript"] = "onnx"
    """What to write; onnx serves onnxruntime, openvino and tensorrt."""
    photo_size: Annotated[str | None, tyro.conf.arg(metavar="WIDTHxHEIGHT")] = None
    """Of a compact model also write graphs with preprocessing, which take photos of this size as they are; for other
    programs."""
    sam: str | None = None
    """Weights of the SAM of a model that stands on one: its authors' file (.pth, .pt), or a Hugging Face folder or id;
    downloaded if left out."""
    dinov2: str | None = None
    """Weights of the network that its prompt generator reads, likewise."""

    def run(self, console: Console) -> int:
        """Write the graphs and return the exit status.

        Raises:
            UOISError: an unknown model or one that is not exported, or a folder that cannot be written.
        """
        photo_hw = None if self.photo_size is None else _size(self.photo_size)
        from uois_sam.export.write import check_export, export_model
        from uois_sam.pipeline import UOISSAM

        check_export(self.model, self.to, photo_hw)  # before anything is loaded
        model = UOISSAM.from_pretrained(
            self.model, sam=self.sam, dinov2=self.dinov2, device="cpu", precision="float32", backend="torch"
        )
        with progress(console) as watch:
            files = export_model(model, self.to, self.out, photo_hw=photo_hw, watch=watch)
        size = sum(path.stat().st_size for path in files)
        print_line(console, f"{model.name}: {count(len(files), 'file')}, {size / 1e6:.1f} MB, in {self.out}")
        return 0


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) <= 8192 and 0 < int(height) <= 8192):
        raise UOISError(f"--photo-size: expected WIDTHxHEIGHT in pixels, as 640x480, found {text[:40]!a}")
    return int(height), int(width)

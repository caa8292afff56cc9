"""`uois-sam segment` around a model that takes its time, as a program: seconds a photo, then the command's inputs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from uois_sam import __main__ as program
from uois_sam.cli import main as command_line
from uois_sam.cli.segment.command import Segment, segment_inputs
from uois_sam.config import InferenceConfig
from uois_sam.instances import Instances
from uois_sam.request import Request
from uois_sam.types import ModelCard


class Slow:
    """Finds nothing, in a given time; makes a file beside the results when it begins."""

    settings = InferenceConfig()
    request = Request()
    card = ModelCard("slow", "1", "", {}, {}, {}, {}, weights_sha256="0123")
    name = "slow-1"

    def __init__(self, seconds: float, out: Path) -> None:
        self.seconds, self.out = seconds, out

    def encode_image(self, image: np.ndarray, **depth: object) -> Slow:
        self.image = image
        return self

    def predict(self, points: object = None) -> Instances:
        (self.out.parent / "inside").touch()
        time.sleep(self.seconds)
        height, width = self.image.shape[:2]
        return Instances(
            masks=np.zeros((0, height, width), dtype=bool), scores=np.zeros(0, np.float32),
            boxes=np.zeros((0, 4), np.float32), points=np.zeros((0, 2), np.float32), model=self.name, image=self.image,
        )  # fmt: skip


if __name__ == "__main__":
    seconds, folder, out = float(sys.argv[1]), sys.argv[2], Path(sys.argv[3])

    def run(asked: Segment, console: Console) -> int:
        return segment_inputs(asked, console, lambda: Slow(seconds, out))  # type: ignore[arg-type, return-value]

    Segment.run = run  # type: ignore[method-assign]
    command_line.sys.argv = ["uois-sam", "segment", folder, "--out", str(out), "--workers", "2"]
    program.run()

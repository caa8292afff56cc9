"""Convex decomposition by CoACD in a process of its own, which can be ended when it takes too long.

Run as ``python -m uois_sam.synth.assets.convex_pieces IN.npz OUT.npz``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
MOST_PIECES = 32
SECONDS = 60.0
"""Meshes of things on tables take some seconds; an open one may take for ever."""


def convex_pieces(points: Array, faces: npt.NDArray[np.int64]) -> list[Array] | None:
    """Return vertices of convex pieces; None if they cannot be found in time.

    Args:
        points: (V, 3) float64.
        faces: (F, 3) int64.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(given, points=points, faces=faces)
        command = [sys.executable, "-m", __name__, str(given), str(made)]
        try:
            subprocess.run(command, timeout=SECONDS, check=True, capture_output=True)
            with np.load(made, allow_pickle=False) as archive:
                return [np.asarray(archive[key]) for key in sorted(archive.files)]
        except (subprocess.SubprocessError, OSError, ValueError):
            return None


def _end_with_parent() -> None:
    """End this process when the one that asked is gone, which was killed with its run, or else in time."""
    parent, until = os.getppid(), time.monotonic() + SECONDS
    while os.getppid() == parent and time.monotonic() < until:
        time.sleep(0.2)
    os._exit(1)


def _decompose(given: Path, made: Path) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import coacd

    coacd.set_log_level("error")
    with np.load(given, allow_pickle=False) as archive:
        mesh = coacd.Mesh(archive["points"], archive["faces"])
    pieces = coacd.run_coacd(
        mesh, threshold=0.04, max_convex_hull=MOST_PIECES, max_ch_vertex=64, mcts_iterations=60, resolution=1000, seed=0
    )
    arrays: dict[str, Any] = {f"{k:04d}": np.asarray(vertices, float) for k, (vertices, _) in enumerate(pieces)}
    np.savez(made, **arrays)


if __name__ == "__main__":
    _decompose(Path(sys.argv[1]), Path(sys.argv[2]))

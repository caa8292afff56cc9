"""How the threads of torch wait for each other: asleep, so that they do not starve beside busy processes."""

from __future__ import annotations

import os
import sys

WAIT_POLICY = "OMP_WAIT_POLICY"
"""Environment variable of OpenMP that torch's thread pool reads once, when it is loaded."""


def wait_passively() -> bool:
    """Let torch's threads sleep while they wait, if torch is not loaded yet and the user has not chosen otherwise.

    By default they spin. Alone on a machine that saves a little; beside one busy process every spinning thread takes
    processor time from the thread it waits for, and a photo takes ten times as long.

    Returns:
        Whether the threads of this process wait passively.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault(WAIT_POLICY, "PASSIVE")
    return os.environ.get(WAIT_POLICY, "").upper() == "PASSIVE"

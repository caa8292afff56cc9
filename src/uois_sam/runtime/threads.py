"""Threads of torch: how many there are, and how they wait for each other. Both are read once, when torch is loaded."""

from __future__ import annotations

import os
import sys

from uois_sam.runtime.cores import allowed_cores, usable_cores

WAIT_POLICY = "OMP_WAIT_POLICY"
"""Environment variable of OpenMP that torch's thread pool reads when it is loaded."""
THREADS = "OMP_NUM_THREADS"
"""Likewise, for the number of threads."""


def prepare_threads() -> None:
    """Let torch's threads sleep while they wait, and let there be no more of them than the quota has cores.

    Does nothing once torch is loaded, and leaves what the user has set. By default the threads spin. Alone on a machine
    that saves a little; beside one busy process every spinning thread takes processor time from the thread it waits
    for, and a photo takes ten times as long. Nor does torch know the quota of a container: it starts a thread for every
    core of the machine.
    """
    if "torch" in sys.modules:
        return
    os.environ.setdefault(WAIT_POLICY, "PASSIVE")
    if usable_cores() < allowed_cores():
        os.environ.setdefault(THREADS, str(usable_cores()))

"""The process of ``uois-sam`` and ``python -m uois_sam``: runs the command line and ends."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

INTERRUPTED = 130
_COLLECT_AFTER = 20_000
"""New containers after which Python looks for cycles among them; its own number is 700 to 2000. Modules, classes and
graphs live as long as the process: a tenth of a short run went into looking at them."""


def run() -> NoReturn:
    """Run the command line and end the process with its exit status.

    An interrupted command has undone what it had half done by then. Its threads may still be at work, on a photo or a
    download; the usual end of a process would wait for them.
    """
    gc.set_threshold(_COLLECT_AFTER)
    try:
        from uois_sam.cli.main import main

        status = main()
        if status != INTERRUPTED:
            gc.freeze()  # else what is left is taken apart before the process ends
            sys.exit(status)
    except KeyboardInterrupt:  # while modules load, or once more while the first is being told
        status = INTERRUPTED
    if "multiprocessing" in sys.modules:
        from multiprocessing import active_children

        for child in active_children():
            child.terminate()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()

"""Run one command and print its exit status, times and peak memory as a line of JSON (Linux, macOS).

    python -I -S benchmarks/run_measured.py COMMAND [ARGUMENT ...]

A separate process with minimal imports, because the system reports as a child's peak memory at least its parent's. The
output of the command goes to standard error.
"""

import json
import os
import sys
import time


def main() -> None:
    """Measure the command given as arguments."""
    if sys.argv[1:] in ([], ["-h"], ["--help"]):  # without argparse, whose import would count as the child's memory
        print(f"usage: run_measured.py COMMAND [ARGUMENT ...]\n\n{__doc__}")
        return
    start = time.perf_counter()
    said_to_stderr = [(os.POSIX_SPAWN_DUP2, 2, 1)]
    process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=said_to_stderr)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    # Linux counts in KiB, macOS in bytes.
    peak_mib = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    exit_status = os.waitstatus_to_exitcode(status)
    measured = {"exit": exit_status, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib}
    print(json.dumps(measured))


if __name__ == "__main__":
    main()

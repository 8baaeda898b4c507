"""Run a command, and write what it took as JSON: `python -I -S launcher.py RESULT COMMAND ARGUMENT...`.

The system counts to the peak memory of a process what its parent held when it was started. So each command
gets a parent that holds next to nothing, as a shell would be.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Return the exit code of the command."""
    result, *command = sys.argv[1:]
    begin = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    took = {
        "wall_s": time.monotonic() - begin,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    with open(result, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib would make this process larger
        json.dump(took, file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())

"""What takes too long for every commit: `python -m tests.system.torture [--kills N] [--fuzz SECONDS]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tests.system.harness.sweeps import WHOLE_SWEEPS
from tests.system.torture import fuzz, kills


def main() -> int:
    """Run everything; 0 only when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.torture")
    parser.add_argument("--kills", type=int, default=500, help="runs that are killed at random times")
    parser.add_argument("--fuzz", type=int, default=600, help="seconds that the readers of files are fuzzed")
    options = parser.parse_args()
    # Every moment at which a run can die, and every command on every mutation: `make test` takes some.
    swept_folders = ("batches", "crash", "export", "input", "shards")
    sweeps = [sys.executable, "-m", "pytest", *(f"tests/system/{name}" for name in swept_folders)]
    swept = subprocess.run(sweeps, env={**os.environ, WHOLE_SWEEPS: "1"}, check=False).returncode
    survived = kills.main(options.kills)
    return fuzz.main(options.fuzz) or survived or swept


if __name__ == "__main__":
    sys.exit(main())

"""What takes too long for every commit: `python -m tests.system.torture [--kills N] [--fuzz SECONDS]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tests.system.crash.test_mutations import EVERY_COMMAND
from tests.system.torture import fuzz, kills


def main() -> int:
    """Run everything; 0 only when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.torture")
    parser.add_argument("--kills", type=int, default=500, help="runs that are killed at random times")
    parser.add_argument("--fuzz", type=int, default=600, help="seconds that the readers of files are fuzzed")
    options = parser.parse_args()
    # Every command on every mutation of a journal, of which `make test` takes some.
    mutations = [sys.executable, "-m", "pytest", "tests/system/crash/test_mutations.py"]
    believed = subprocess.run(mutations, env={**os.environ, EVERY_COMMAND: "1"}, check=False).returncode
    survived = kills.main(options.kills)
    return fuzz.main(options.fuzz) or survived or believed


if __name__ == "__main__":
    sys.exit(main())

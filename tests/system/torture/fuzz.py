"""The fuzzers: each reader of files in a process of its own, so that a crash of it is a finding too.

They use atheris, which looks for inputs that reach new code. This project does not depend on it, because it
is large and not there for every platform: `python -m pip install atheris` puts it into the environment.
Without it the inputs are random, which finds less. What was found is kept in a file that is named at the end.

    python -m tests.system.torture.fuzz TARGET SECONDS    runs one of them in this process
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("scenario", "cases", "journal", "events", "run_json", "baseline")
_SIZE = 80
_SLOWEST_S = 20
_MEMORY_MB = 2048
_MISSING = "atheris is not installed, so inputs are random: python -m pip install atheris"


def main(seconds: int) -> int:
    """Fuzz every target for an equal share of the time; 0 only when nothing was found."""
    if not _has_atheris():
        sys.stderr.write(f"{_MISSING}\n")
    share = max(1, seconds // len(NAMES))
    codes = [_run_apart(name, share) for name in NAMES]
    return 1 if any(codes) else 0


def run(name: str, seconds: int) -> None:
    """Fuzz one target in this process; what is found ends it with an exception, or worse."""
    if _has_atheris():
        _run_guided(name, seconds)
    else:
        _run_random(name, seconds)


def _run_apart(name: str, seconds: int) -> int:
    folder = tempfile.mkdtemp(prefix="claude-run-fuzz-")
    command = [sys.executable, "-m", "tests.system.torture.fuzz", name, str(seconds)]
    done = subprocess.run(
        command,
        env={**os.environ, "TMPDIR": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=seconds * 2 + 120,
        check=False,
    )
    if done.returncode:
        report = Path(folder) / "report.txt"
        report.write_bytes(done.stderr)
        sys.stderr.write(f"fuzz {name}: code {done.returncode}, see {report}\n")
    else:
        shutil.rmtree(folder)
        sys.stderr.write(f"fuzz {name}: nothing found in {seconds} s\n")
    return done.returncode


def _run_random(name: str, seconds: int) -> None:
    # Not before, since atheris must be there before what it instruments.
    from tests.system.torture.targets import TARGETS  # noqa: PLC0415 - see above

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = os.urandom(_SIZE)
        try:
            TARGETS[name](data)
        except BaseException:
            sys.stderr.write(f"input: {data!r}\n")
            raise


def _run_guided(name: str, seconds: int) -> None:
    import atheris  # type: ignore[import-untyped] # noqa: PLC0415 - optional, and it ships no types

    with atheris.instrument_imports(include=["claude_run"]):
        from tests.system.torture.targets import TARGETS  # noqa: PLC0415 - same
    limits = [
        f"-max_total_time={seconds}",
        f"-timeout={_SLOWEST_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-artifact_prefix={tempfile.gettempdir()}/",
    ]
    atheris.Setup([sys.argv[0], *limits], TARGETS[name])
    atheris.Fuzz()


def _has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))

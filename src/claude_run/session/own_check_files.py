"""Where own checks come from, and which there are: loading them happens in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.checks.own_files import offered_by_packages
from claude_run.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from claude_run.checks.custom import CheckDescription
    from claude_run.checks.own_protocol import Loaded, Loading, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCheckFiles:
    """Where own checks come from: files that the user names, and packages that are installed.

    Loading them may take `load_s` seconds: imports are slow, and are no check.
    """

    files: tuple[Path, ...] = ()
    packages: bool = False
    load_s: float = 60.0

    @classmethod
    def of(cls, files: Sequence[Path]) -> OwnCheckFiles:
        """Return these files, and the packages if there are any."""
        return cls(files=tuple(files), packages=bool(offered_by_packages()))

    def __bool__(self) -> bool:
        return bool(self.files or self.packages)

    def describe(self) -> tuple[CheckDescription, ...]:
        """Return which checks there are; InputError where loading them fails, in whatever way."""
        if not self:
            return ()
        from claude_run.checks.own_protocol import Loaded, Refused  # noqa: PLC0415 - most projects have none

        null = subprocess.DEVNULL  # what is printed while they are loaded is told when they are called
        process = self.start(call_s=0, stdin=null, stdout=subprocess.PIPE, stderr=null)
        try:
            answer, _ = process.communicate(timeout=self.load_s)
        except subprocess.TimeoutExpired:
            kill(process)
            answer, _ = process.communicate()
            raise InputError(_did_not_load(answer, f"did not end within {self.load_s:g} s")) from None
        match _last_progress(answer):
            case Loaded(checks=checks):
                return checks
            case Refused(reason=reason):
                raise InputError(reason)
            case _:
                raise InputError(_did_not_load(answer, f"ended its process ({how_ended(process)})"))

    def start(self, *, call_s: float, stdin: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        """Start a process that loads them, in a session of its own: no Ctrl-C reaches it, we end it."""
        files = [str(path) for path in self.files]
        code = (
            # It finds the modules that we find, and none in the current folder.
            f"import sys; sys.path[:] = {sys.path!r}; from claude_run.checks.own_worker import main;"
            f" main({files!r}, packages={self.packages}, load_s={self.load_s}, call_s={call_s})"
        )
        return subprocess.Popen(  # noqa: S603 - this Python, to run what the user has named
            [sys.executable, "-P", "-u", "-c", code],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started in its session, and wait for the end of the first."""
    # macOS calls it not permitted where only the dead are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def how_ended(process: subprocess.Popen[bytes]) -> str:
    """Return how a process ended: its exit code or its signal."""
    code = process.returncode
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _last_progress(answer: bytes) -> Loading | Refused | Loaded | None:
    """Return how far loading has come by what was answered, as far as that can be read."""
    from claude_run.checks.own_protocol import read_progress  # noqa: PLC0415 - most projects have none

    last = None
    for line in answer.splitlines():
        try:
            last = read_progress(line)
        except ValueError:
            return last
    return last


def _did_not_load(answer: bytes, what: str) -> str:
    """Return the words for a loading that came to no end of its own, with what was loaded then."""
    from claude_run.checks.own_protocol import Loading  # noqa: PLC0415 - most projects have none

    last = _last_progress(answer)
    name = last.what if isinstance(last, Loading) else "own checks"
    return f"{name}: loading it {what}; a file of checks only defines them"

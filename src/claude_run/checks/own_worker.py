"""The process in which own checks are loaded and called: a question a line comes in, a finding goes out.

It is code of others that runs here. What it prints goes to stderr and never into the answers, what it forks
answers nothing, and no end of claude-run leaves it behind.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from claude_run.checks.guard import judged
from claude_run.checks.kind import errored
from claude_run.checks.own_files import load_file, load_packages
from claude_run.checks.own_protocol import (
    Loaded,
    Loading,
    Refused,
    read_question,
    write_finding,
    write_progress,
)
from claude_run.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.checks.custom import CustomCheck

_NICE = 10
_SPARE_S = 5.0
"""How much longer than its limit a call may take before the process ends itself, if nobody has ended it."""


def main(files: Sequence[str], *, packages: bool, load_s: float, call_s: float) -> NoReturn:
    """Load the checks, say which there are, and answer questions until no more can come.

    `load_s` and `call_s` are how long loading and one call may take, in seconds.
    """
    # Whoever plays the conversations comes first: their replies are timed.
    os.nice(_NICE)
    channel = _Channel()
    try:
        with _bounded(load_s):
            checks = tuple(_load(channel, files, packages=packages))
    except InputError as error:
        channel.write(write_progress(Refused(reason=str(error))))
        _end()
    channel.write(write_progress(Loaded(checks=tuple(one.described for one in checks))))

    by_name = {one.described.name: one for one in checks}
    for line in channel.lines():
        name, value, subject = read_question(line)
        with _bounded(call_s):
            check = by_name.get(name)
            gone = errored(f"the check `{name}` is gone from its file")
            finding = judged(check, value, subject) if check else gone
        channel.write(write_finding(finding))
    _end()


class _Channel:
    """The standard streams that the process was given, taken away before code of others runs."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._questions = os.fdopen(os.dup(0), "rb")
        self._answers = os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        # A copy of the process that a check leaves behind must not keep the channel open when this one ends.
        os.register_at_fork(after_in_child=self._close)

    def lines(self) -> Iterator[bytes]:
        return iter(self._questions.readline, b"")

    def write(self, line: bytes) -> None:
        """Answer, unless this is a copy of the process that a check has made: then it ends here."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # whatever a check has put in their place
                stream.flush()
        if os.getpid() != self._pid:
            os._exit(0)
        while line:
            line = line[os.write(self._answers, line) :]

    def _close(self) -> None:
        with suppress(OSError):
            os.close(self._answers)
        with suppress(OSError):
            os.close(self._questions.fileno())


def _load(channel: _Channel, files: Sequence[str], *, packages: bool) -> Iterator[CustomCheck]:
    if packages:
        channel.write(write_progress(Loading(what="the checks of installed packages")))
        yield from load_packages()
    for path in files:
        channel.write(write_progress(Loading(what=path)))
        yield from load_file(path)


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Let the kernel end this process where the block takes too long and nobody is left to end it."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + _SPARE_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _end() -> NoReturn:
    """End the process, and with it whatever checks have started and left running."""
    os.killpg(0, signal.SIGKILL)
    os._exit(0)

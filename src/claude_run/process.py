"""The process around a command: standard streams that can be written to, and signals that are heard.

Both are seen to before anything else is imported, so this module imports next to nothing.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from claude_run.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
"""The signals that end a process, each with the exit code that says so."""


_FEW_CYCLES = (50_000, 20, 20)


def relax_collector() -> None:
    """Have garbage looked for after 50,000 new objects, not after 700, and not at the end.

    Nearly all that this program lets go of is freed at once, because it holds no cycles. Looked for as often
    as by default, the few that there are take a tenth of the CPU of a run. When the process ends Python would
    go through all that is there once more, for a seventh of the CPU of a short command.
    """
    gc.set_threshold(*_FEW_CYCLES)
    atexit.register(gc.freeze)


def is_in_ci() -> bool:
    """Return whether a CI service runs this process, and nobody looks: `CI` says so, unless it says no."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def open_streams() -> None:
    """Open the null device in the place of each standard stream that was closed.

    Whoever closes a stream wants to hear nothing of it. But the next file that is opened would take its
    number: what is said would be written into the journal.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            null = open(os.devnull, mode, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123 - stays open
            setattr(sys, name, null)


class LastingStream:
    """A text stream that outlives its reader, and its disk: what it cannot take any more is dropped.

    What its encoding cannot say is escaped.
    Whoever stops reading has had enough. What else goes wrong, such as a full disk, is the `failure`, for the
    exit code to tell in the end: a run that is paid for does not break off because nobody can be told.
    """

    def __init__(self, stream: TextIO, *, change: Callable[[str], str] = str) -> None:
        self.failure: OSError | None = None
        self._stream = stream
        self._change = change

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        with self._lasting():
            said = self._change(text).encode(encoding, "backslashreplace").decode(encoding)
            self._stream.write(said)
        return len(text)

    def flush(self) -> None:
        with self._lasting():
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    @contextmanager
    def _lasting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            descriptor = self._stream.fileno()
            if not _nobody_reads(error, descriptor):
                self.failure = error
            # What is left in the stream's buffer would be written again, at the latest when Python exits.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)


def _nobody_reads(error: OSError, descriptor: int) -> bool:
    """Return whether the other end is gone: a pipe's reader, a terminal's window, or the stream itself."""
    if error.errno == errno.EIO:
        return stat.S_ISCHR(os.fstat(descriptor).st_mode)
    return error.errno in {errno.EPIPE, errno.EBADF}


class Signals:
    """SIGINT, SIGTERM and SIGHUP, from the first import to the last report.

    What one of them means depends on what the process is at. At first it ends at once: nothing was sent, and
    what a command has begun to write it can begin anew. While conversations are played, it is their player's
    to take (`handed_to`). From then on reports are written, which are finished before the process ends
    (`postpone`), unless the signal comes again. The exit code is that of the `first`.
    """

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self._noted = 0
        self._take: Callable[[signal.Signals], object] = self._end
        self._undo: Callable[[], object] = lambda: None

    def listen(self) -> None:
        """Take the signals from now on; but a SIGHUP that `nohup` has the process ignore stays ignored."""
        for number in CODES:
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _frame: self._take(signal.Signals(number)))

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen while the block runs, and leave whatever was there before."""
        before = {number: signal.getsignal(number) for number in CODES}
        self.listen()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)

    @property
    def code(self) -> ExitCode | None:
        """The exit code of a process that a signal has ended, None where none has."""
        return None if self.first is None else CODES[self.first]

    def note(self, number: signal.Signals) -> None:
        """Remember that the process ends for this signal, unless it does for an earlier one."""
        self.first = self.first or number
        self._noted += 1

    def forgive(self) -> bool:
        """Forget a SIGINT that came once: what it was to stop has stopped. Return whether none is left."""
        if (self.first, self._noted) == (signal.SIGINT, 1):
            self.first, self._noted = None, 0
            self.postpone()
        return self.first is None

    @contextmanager
    def handed_to(self, take: Callable[[signal.Signals], object]) -> Iterator[None]:
        """Let `take` be called with each signal while the block runs; after it, they are postponed.

        It is called between any two steps of the program, so it should do no more than wake somebody.
        """
        self._take = take
        try:
            yield
        finally:
            self.postpone()

    def postpone(self) -> None:
        """Finish from now on what is being written, and end for a signal only then."""
        self._take = self._wait_once

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Raise KeyboardInterrupt for a signal while the block waits for the user, or for one before it."""
        if self.first is not None:
            raise KeyboardInterrupt
        before, self._take = self._take, self._raise
        try:
            yield
        finally:
            self._take = before

    @contextmanager
    def undoing(self, undo: Callable[[], object]) -> Iterator[None]:
        """Have `undo` called also where a signal ends the process at once while the block runs."""
        before, self._undo = self._undo, undo
        try:
            yield
        finally:
            self._undo = before

    def close(self) -> None:
        """Let no signal change the end of the process any more: its exit code is known."""
        signal.pthread_sigmask(signal.SIG_BLOCK, CODES)

    def _end(self, number: signal.Signals) -> NoReturn:
        # No exception: it could be raised in the middle of an import, which swallows it or says too much.
        self._undo()
        _say(f"stopped by {number.name}")
        os._exit(CODES[self.first or number])

    def _wait_once(self, number: signal.Signals) -> None:
        self.note(number)
        self._take = self._end
        _say(f"{number.name}: what is being written is finished first, again stops now")

    def _raise(self, number: signal.Signals) -> NoReturn:
        self.note(number)
        raise KeyboardInterrupt


def _say(line: str) -> None:
    """Write a line to stderr from a signal handler, which may have interrupted whoever else writes there."""
    # A terminal has just shown `^C`, which is not a line.
    lead = "\n" if os.isatty(2) else ""
    with suppress(OSError):
        os.write(2, f"{lead}{line}\n".encode())

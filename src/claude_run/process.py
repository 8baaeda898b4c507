"""The process around a command: standard streams that can be written to.

They are seen to before anything else is imported, so this module imports next to nothing.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


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

    Whoever stops reading has had enough. What else goes wrong, such as a full disk, is the `failure`, for the
    exit code to tell in the end: a run that is paid for does not break off because nobody can be told.
    """

    def __init__(self, stream: TextIO, *, change: Callable[[str], str] = str) -> None:
        self.failure: OSError | None = None
        self._stream = stream
        self._change = change

    def write(self, text: str) -> int:
        with self._lasting():
            self._stream.write(self._change(text))
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

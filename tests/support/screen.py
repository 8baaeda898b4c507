"""A terminal of 80 columns: a command that runs in it, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from codecs import IncrementalDecoder, getincrementaldecoder
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

COLUMNS, ROWS = 80, 100
PATIENCE_S = 60.0
_PIECE = re.compile(
    r"\x1b\[\??(?P<count>\d*)(?:;\d+)*(?P<what>[A-Za-z])|\x1b\((?P<charset>.)|(?P<text>[^\x1b])", re.DOTALL
)


class Screen:
    """The rows that a terminal shows after it has been sent this text; there are enough not to scroll."""

    def __init__(self) -> None:
        self._cells: list[list[str]] = [[]]
        self._row = self._column = 0

    @property
    def rows(self) -> list[str]:
        """What stands in each row."""
        return ["".join(row).rstrip() for row in self._cells]

    @property
    def lines(self) -> list[str]:
        """The rows, with what was broken at the last column put together again."""
        text = "".join(row if len(row) == COLUMNS else row + "\n" for row in self.rows)
        return text.split("\n")

    def feed(self, text: str) -> None:
        """Take what the command has written: text, line ends, and the sequences that move and erase."""
        for piece in _PIECE.finditer(text):
            if piece["text"] is not None:
                self._put(piece["text"])
            elif piece["what"] == "A":
                self._row = max(0, self._row - int(piece["count"] or 1))
            elif piece["what"] == "D":
                self._column = max(0, self._column - int(piece["count"] or 1))
            elif piece["what"] == "C":
                self._column += int(piece["count"] or 1)
            elif piece["what"] == "J":
                del self._cells[self._row + 1 :], self._cells[self._row][self._column :]
            elif piece["what"] == "K":
                self._cells[self._row] = (
                    [] if piece["count"] == "2" else self._cells[self._row][: self._column]
                )

    def _put(self, one: str) -> None:
        if one == "\r":
            self._column = 0
        elif one == "\b":
            self._column = max(0, self._column - 1)
        elif one == "\n":
            self._down()
        elif one.isprintable():
            if self._column == COLUMNS:
                self._down()
                self._column = 0
            row = self._cells[self._row]
            row.extend(" " * (self._column + 1 - len(row)))
            row[self._column] = one
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._cells):
            self._cells.append([])


class Process(Protocol):
    """What is asked of a process in a terminal, whoever has started it; as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def send_signal(self, sig: int) -> None: ...


@dataclass(kw_only=True, eq=False)
class TerminalProcess:
    """A command in a terminal. `descriptor` is the side of whoever sits before it.

    `untouched` is what `termios.tcgetattr` said before the command began.
    """

    process: Process
    descriptor: int
    untouched: list[Any]
    screen: Screen = field(default_factory=Screen)
    # A letter of several bytes may come in two pieces.
    _decoder: IncrementalDecoder = field(default_factory=getincrementaldecoder("utf-8"))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.descriptor, keys.encode())

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self.descriptor)
        self.descriptor = -1

    def read(self, *, until: Callable[[Screen], bool] = lambda _: False) -> None:
        """Read on until the screen shows something, or the command has left the terminal."""
        while not until(self.screen):
            ready, _, _ = select.select([self.descriptor], [], [], PATIENCE_S)
            assert ready, self.screen.rows
            try:
                data = os.read(self.descriptor, 65536)
            except OSError:  # how Linux says that nobody is at the other side
                return
            if not data:
                return
            self.screen.feed(self._decoder.decode(data))

    def wait(self) -> int:
        """Read to the end, and return the exit code; no traceback may show."""
        self.read()
        code = self.process.wait(PATIENCE_S)
        assert not any("Traceback" in row for row in self.screen.rows), self.screen.rows
        return code


@contextmanager
def in_terminal(
    command: list[str], *, cwd: Path, env: Mapping[str, str], rows: int = ROWS
) -> Iterator[TerminalProcess]:
    """Run a command in a terminal of its own, which it controls: Ctrl-C reaches it as a signal."""

    def start(theirs: int) -> Process:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no other thread runs yet
        )

    with started_in_terminal(start, rows=rows) as terminal:
        yield terminal


@contextmanager
def started_in_terminal(start: Callable[[int], Process], *, rows: int = ROWS) -> Iterator[TerminalProcess]:
    """Have a process started in a terminal of its own; `start` gets the descriptor of its side."""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, COLUMNS, 0, 0))
    untouched = termios.tcgetattr(mine)
    process = start(theirs)
    os.close(theirs)
    terminal = TerminalProcess(process=process, descriptor=mine, untouched=untouched)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait()
        if terminal.descriptor >= 0:
            os.close(terminal.descriptor)

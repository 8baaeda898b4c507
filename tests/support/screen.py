"""A terminal: a command that runs in it, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from codecs import IncrementalDecoder, getincrementaldecoder
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pyte
from rich.cells import chop_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

COLUMNS, ROWS = 80, 100
PATIENCE_S = 60.0
_HISTORY = 10_000


class Screen:
    """What a terminal of a size shows after it has been sent some text, and what has left it at its top."""

    def __init__(self, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self.columns = columns
        self.height = rows
        self._open()

    def _open(self) -> None:
        # A line that has been scrolled out of sight is kept.
        self._screen = pyte.HistoryScreen(self.columns, self.height, history=_HISTORY, ratio=1)
        self._stream = pyte.Stream(self._screen)

    @property
    def rows(self) -> list[str]:
        """What stands in each row, to the last that holds anything or the cursor, with what has left it."""
        gone = [
            "".join(line[column].data for column in range(self.columns)).rstrip()
            for line in self._screen.history.top
        ]
        return gone + self.visible

    @property
    def visible(self) -> list[str]:
        """The same of the rows that can be seen."""
        rows = [row.rstrip() for row in self._screen.display]
        used = [number for number, row in enumerate(rows) if row]
        return rows[: max([self._screen.cursor.y, *used]) + 1]

    @property
    def is_coloured(self) -> bool:
        """Whether anything that can be seen is in a colour."""
        cells = (cell for row in self._screen.buffer.values() for cell in row.values())
        return any(cell.fg != "default" for cell in cells)

    @property
    def lines(self) -> list[str]:
        """The rows, with what was broken at the last column put together again."""
        text = "".join(row if len(row) == self.columns else row + "\n" for row in self.rows)
        return text.split("\n")

    def feed(self, text: str) -> None:
        """Take what the command has written: text, line ends, and the sequences that move and erase."""
        self._stream.feed(text)

    def resize(self, columns: int, rows: int, *, wraps: bool) -> None:
        """Become larger or smaller: what is too long then is wrapped, as by most terminals, or cut off."""
        shown = self.rows if wraps else [chop_cells(row, columns)[0] if row else "" for row in self.rows]
        self.columns, self.height = columns, rows
        self._open()
        self.feed("\r\n".join(shown))


class Process(Protocol):
    """What is asked of a process in a terminal, whoever has started it; as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
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
    screen: Screen
    # A letter of several bytes may come in two pieces.
    _decoder: IncrementalDecoder = field(default_factory=getincrementaldecoder("utf-8"))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.descriptor, keys.encode())

    def resize(self, columns: int, rows: int, *, wraps: bool = True) -> None:
        """Make the terminal larger or smaller, which the command is told by a signal."""
        self.screen.resize(columns, rows, wraps=wraps)
        _set_size(self.descriptor, columns, rows)

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self.descriptor)
        self.descriptor = -1

    def read(self, *, until: Callable[[Screen], bool] = lambda _: False) -> None:
        """Read on until the screen shows something, or the command has left the terminal."""
        end = time.monotonic() + PATIENCE_S
        while not until(self.screen):
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, end - time.monotonic()))
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
    command: list[str], *, cwd: Path, env: Mapping[str, str], rows: int = ROWS, columns: int = COLUMNS
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

    with started_in_terminal(start, rows=rows, columns=columns) as terminal:
        yield terminal


@contextmanager
def started_in_terminal(
    start: Callable[[int], Process], *, rows: int = ROWS, columns: int = COLUMNS
) -> Iterator[TerminalProcess]:
    """Have a process started in a terminal of its own; `start` gets the descriptor of its side."""
    mine, theirs = pty.openpty()
    _set_size(theirs, columns, rows)
    _keep_output(theirs)
    untouched = termios.tcgetattr(mine)
    process = start(theirs)
    os.close(theirs)
    terminal = TerminalProcess(
        process=process, descriptor=mine, untouched=untouched, screen=Screen(columns, rows)
    )
    try:
        yield terminal
    finally:
        process.kill()
        process.wait()
        if terminal.descriptor >= 0:
            os.close(terminal.descriptor)


def _keep_output(descriptor: int) -> None:
    """Have Ctrl-C throw away nothing that was written and not read yet, which would be a matter of chance."""
    attributes = termios.tcgetattr(descriptor)
    attributes[3] |= termios.NOFLSH
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _set_size(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

"""Own checks in processes of their own: nobody else waits for what they do there, or suffers from it.

A check that does not return in time is ended together with its process, and named. One process is enough for
checks that are quick; where questions have to wait, more are started.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from claude_run.checks.excerpt import cut
from claude_run.checks.kind import errored
from claude_run.checks.own_protocol import (
    Loaded,
    Refused,
    read_finding,
    read_progress,
    write_question,
)
from claude_run.session.own_check_files import OwnCheckFiles, how_ended, kill
from claude_run.text.visible import count

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from claude_run.checks.kind import Finding
    from claude_run.checks.subject import Subject
    from claude_run.play.ports import Clock
    from claude_run.record.redact import Redactor
    from claude_run.scenario.json_values import Json

MOST_PROCESSES = 8
"""How many checks are called at a time at most."""

_GROW_AFTER_S = 0.5
_LOST_CALLS = 3  # in a row, after which a check is not called any more
_LINE_LIMIT = 2**20  # what a finding shows is short, so nothing of ours is longer
_MOST_PRINTED = 50  # lines of one check
_PIECE = 65_536
_MOST_PIECES = 64  # a pipe holds fewer


class OwnCheckProcesses:
    """Calls own checks, each within `limit_s` seconds; satisfies `play.ports.OwnChecks`.

    `tell` gets what they print; `redactor` keeps credentials out of what they find.
    """

    def __init__(
        self,
        source: OwnCheckFiles,
        *,
        limit_s: float,
        clock: Clock,
        tell: Callable[[str], None],
        redactor: Redactor,
    ) -> None:
        self._source = source
        self._limit_s = limit_s
        self._clock = clock
        self._redactor = redactor
        self._printed = _Printed(tell)
        # Who asks holds a place: a process that waits for questions, or None where one is to be started.
        self._places: asyncio.LifoQueue[_Process | None] = asyncio.LifoQueue()
        self._places.put_nowait(None)
        self._place_count = 1
        self._starting = 0
        self._processes: set[_Process] = set()
        self._lost_calls: Counter[str] = Counter()

    def end(self) -> None:
        """End every process, and whatever checks have started in it."""
        for process in self._processes:
            process.end()

    async def judge(self, name: str, value: Json, subject: Subject) -> Finding:
        """Return what the check finds; errored where it does not return, or ends its process."""
        process = await self._place()
        try:
            if self._lost_calls[name] >= _LOST_CALLS:
                lost = count(_LOST_CALLS, "call")
                return errored(f"the check `{name}` was not called: its last {lost} did not return")
            process = process or await self._start()
            finding = await self._call(process, name, write_question(name, value, subject))
        except _LostError as lost:
            self._lost_calls[name] += 1
            return errored(f"the check `{name}` {lost}")
        finally:
            # Lost, or cancelled in the middle of a call: nobody knows what such a process would answer next.
            if process is not None and process.asked is not None:
                self._end(process)
                process = None
            self._places.put_nowait(process)
        del self._lost_calls[name]
        # A check may say what it likes; the credential in use is kept nowhere, whoever says it.
        return replace(
            finding,
            message=self._redactor.text(finding.message),
            expected=self._redactor.json(finding.expected),
            actual=self._redactor.json(finding.actual),
        )

    async def _place(self) -> _Process | None:
        while True:
            try:
                return await self._clock.within(_GROW_AFTER_S, self._places.get())
            except TimeoutError:
                # One by one: a process that has just been started may be all that was needed.
                if self._starting == 0 and self._place_count < MOST_PROCESSES:
                    self._place_count += 1
                    self._places.put_nowait(None)

    async def _start(self) -> _Process:
        self._starting += 1
        try:
            process = await _Process.start(self._source, call_s=self._limit_s, printed=self._printed)
            self._processes.add(process)
            try:
                await self._clock.within(self._source.load_s, process.loaded())
            except BaseException:
                self._end(process)
                raise
        except TimeoutError:
            raise _LostError(f"could not be loaded within {self._source.load_s:g} s") from None
        finally:
            self._starting -= 1
        return process

    def _end(self, process: _Process) -> None:
        process.end()
        self._processes.discard(process)

    async def _call(self, process: _Process, name: str, question: bytes) -> Finding:
        try:
            return await self._clock.within(self._limit_s, process.ask(name, question))
        except TimeoutError:
            raise _LostError(f"did not return within {self._limit_s:g} s (--check-timeout)") from None


class _LostError(Exception):
    """A check did not come to a finding; the text says why, behind its name."""


class _Process:
    """One process of own checks; `asked` is the name of the check that is called, None while it waits."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        *,
        printed: _Printed,
        pipe: int,
    ) -> None:
        self.asked: str | None = None
        self._process = process
        self._answers, self._questions = streams
        self._printed = printed
        self._pipe = pipe
        self._unfinished = b""
        os.set_blocking(pipe, False)
        asyncio.get_running_loop().add_reader(pipe, self._hear)

    @classmethod
    async def start(cls, source: OwnCheckFiles, *, call_s: float, printed: _Printed) -> _Process:
        """Start a process; _LostError where the system has no room for one."""
        try:
            ours, theirs = socket.socketpair()
            pipe, end = os.pipe()
            try:
                process = source.start(
                    call_s=call_s, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=end
                )
            finally:
                theirs.close()
                os.close(end)
        except OSError as error:
            raise _LostError(f"could not be called: {error.strerror or error}") from error
        streams = await asyncio.open_unix_connection(sock=ours, limit=_LINE_LIMIT)
        return cls(process, streams, printed=printed, pipe=pipe)

    async def loaded(self) -> None:
        """Return when it can be asked; _LostError where its files cannot be loaded this time."""
        while True:
            try:
                progress = read_progress(await self._line())
            except ValueError as error:
                raise _LostError(f"could not be loaded: {error}") from error
            match progress:
                case Refused():
                    raise _LostError(f"could not be loaded: {progress.reason}")
                case Loaded():
                    return

    async def ask(self, name: str, question: bytes) -> Finding:
        """Return what the check finds; after _LostError or a cancellation it cannot be asked again."""
        self.asked = name
        with suppress(ConnectionError):
            self._questions.write(question)
            await self._questions.drain()
        try:
            finding = read_finding(await self._line())
        except ValueError as error:
            raise _LostError(f"answered with something that is not a finding: {error}") from error
        self._hear_all()
        self.asked = None
        return finding

    def end(self) -> str:
        """End it, and whatever it has started, if it has not ended itself; return how it ended."""
        if self._process.returncode is None:
            kill(self._process)
            self._hear_all()
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._questions.transport.abort()
        return how_ended(self._process)

    async def _line(self) -> bytes:
        try:
            line = await self._answers.readline()
        except ConnectionError:
            line = b""
        if not line:
            raise _LostError(f"ended its process ({self.end()})")
        return line

    def _hear_all(self) -> None:
        """Take in what was printed before the last answer came, and not all that a writer may go on with."""
        for _ in range(_MOST_PIECES):
            if not self._hear():
                break
        if self._unfinished:
            self._printed.take(self.asked, self._unfinished)
            self._unfinished = b""

    def _hear(self) -> bool:
        """Take in what was printed; return whether there may be more."""
        try:
            piece = os.read(self._pipe, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            asyncio.get_running_loop().remove_reader(self._pipe)
            return False
        *lines, self._unfinished = (self._unfinished + piece).split(b"\n")
        for line in lines:
            self._printed.take(self.asked, line)
        # A line without an end is not waited for.
        self._unfinished = self._unfinished[:_PIECE]
        return True


class _Printed:
    """Tells what checks print, as much of each as somebody would read."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lines: Counter[str] = Counter()

    def take(self, name: str | None, line: bytes) -> None:
        """Tell a line that was printed in a call of this check, or while they were loaded."""
        who = f"the check `{name}`" if name else "a file of checks"
        self._lines[who] += 1
        if self._lines[who] <= _MOST_PRINTED:
            self._tell(f"{who} printed: {cut(line.decode('utf-8', 'replace'))}")
        elif self._lines[who] == _MOST_PRINTED + 1:
            self._tell(f"{who} printed more than {_MOST_PRINTED} lines: the rest is left out")

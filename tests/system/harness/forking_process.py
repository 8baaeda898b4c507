"""The process of the fork server, which imports everything once and forks into the real command.

`python -m tests.system.harness.forking_process` starts it. Each line on stdin is a `ForkRequest` as JSON: a
command is answered with the pid of the child, a wait with its status. A child is a process like any other,
with its own pid, limits and streams, and may be killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from prompt_toolkit import PromptSession

from claude_run.cli import chat, commands
from claude_run.cli.app import run_command_line
from claude_run.process import Signals
from claude_run.record.disk import LocalDisk
from claude_run.session import results, run
from claude_run.session.world import World
from tests.system.crash.workspace import TALK
from tests.system.harness.altered_world import CrashingDisk, FastClock
from tests.system.harness.fork_server import ESCAPED, RUNNING, ForkRequest
from tests.unit.record.fakes import FaultDisk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.record.disk import Disk

MOST_PIPED = 2**20
"""How many bytes a pipe may hold."""

PATIENCE_S = 60

_QUICKSTART = Path(__file__).parents[3] / "scenarios" / "quickstart.yaml"


class QuickDisk(CrashingDisk):
    """A disk that is not waited for; `crash_at` 0 is never reached."""

    def sync(self, descriptor: int) -> None:
        """Take it as done."""


def main() -> None:
    """Warm up, say so, and obey until stdin ends."""
    _warm_up()
    _answer("ready")
    for line in sys.stdin:
        request = ForkRequest(**json.loads(line))
        if request.wait:
            pid, status = os.waitpid(request.wait, os.WNOHANG if request.poll else 0)
            _answer(os.waitstatus_to_exitcode(status) if pid else RUNNING)
        else:
            _answer(os.fork() or _become(request))


def _warm_up() -> None:
    """Use all that a run imports or computes once, so that it is there before the first fork."""
    with tempfile.TemporaryDirectory() as folder, _silence() as said:
        talk = Path(folder) / "talk.yaml"
        talk.write_text(TALK, encoding="utf-8")
        code = run_command_line(["check", str(talk)])
        code += run_command_line([str(_QUICKSTART), "--simulate", "-o", str(Path(folder) / "run")])
    assert code == 0, said.getvalue()
    # The modules of commands that the warm-up does not use are imported late too.
    assert all((chat.chat, PromptSession, commands.verify, results.read_run, run.resume))
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.freeze()


@contextlib.contextmanager
def _silence() -> Iterator[io.StringIO]:
    """Keep what is said from the streams, of which stdout carries the answers."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield said


def _answer(value: object) -> None:
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


def _become(request: ForkRequest) -> NoReturn:
    """Run the command in this child, and leave without going back to the loop."""
    code = ESCAPED
    try:
        # As the process of the command does: signals first and last.
        signals = Signals()
        signals.listen()
        _move_in(request)
        disk = _disk(request)
        world = World(clock=FastClock(request.speed), disk=disk, signals=signals)
        code = run_command_line(request.arguments, world)
        signals.close()
        code = signals.code or code
        if request.count_to and isinstance(disk, FaultDisk):
            Path(request.count_to).write_text(" ".join(disk.operations), encoding="ascii")
    except BaseException:  # noqa: BLE001 - the test shall see it, and the loop above must not be reached
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _move_in(request: ForkRequest) -> None:
    signal.alarm(PATIENCE_S)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    tempfile.tempdir = None  # found anew, in this environment
    if request.terminal:
        os.setsid()  # so that the terminal that is opened first is the one that it controls
    streams = (request.terminal,) * 3 if request.terminal else (os.devnull, *request.streams)
    for descriptor, path in zip((0, 1, 2), streams, strict=True):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    if request.piped:
        _pipe_in(Path(request.piped).read_bytes())
    if request.closed:
        os.closerange(1, 3)
    if request.file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request.file_size, request.file_size))


def _pipe_in(content: bytes) -> None:
    """Let stdin be a pipe that holds all of this, and nobody who writes any more."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, MOST_PIPED)
    os.set_blocking(writing, False)
    assert os.write(writing, content) == len(content), "more than a pipe takes at once"
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)


def _disk(request: ForkRequest) -> Disk:
    if request.fault_at or request.count_to:
        return FaultDisk(at=request.fault_at, code=request.fault_code, short=request.short)
    if request.durable:
        return LocalDisk()
    return QuickDisk(request.crash_at, request.tear)


if __name__ == "__main__":
    main()

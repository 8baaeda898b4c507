"""A process that imports everything once and forks into the real command: `python -m tests.crash.zygote`.

Each line on stdin is an `Order` as JSON. A spawn is answered with the pid of the child, a wait with its
status. A child is a process like any other, with its own pid, limits and streams, and may be killed.
"""

from __future__ import annotations

import contextlib
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from claude_run.cli import report, resume, verify
from claude_run.cli.entry import run_command_line
from claude_run.cli.wiring import World
from claude_run.record.disk import LocalDisk
from tests.harness.world import CrashingDisk
from tests.record.fakes import FaultDisk

if TYPE_CHECKING:
    from claude_run.record.disk import Disk

PATIENCE_S = 60
ESCAPED = 99
"""The exit code of a child that an exception got out of."""

_QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"


class QuickDisk(CrashingDisk):
    """A disk that is not waited for; `crash_at` 0 is never reached."""

    def sync(self, descriptor: int) -> None:
        """Take it as done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command to run, or a child to wait for.

    `crash_at` and `tear` are those of `CrashingDisk`, `fault_at`, `fault_code` and `short` those of
    `FaultDisk`; `count_to` is a file for the names of the disk's operations. `file_size` is the largest file
    that the process may write, in bytes. `streams` are the files for stdout and stderr. The disk is not
    waited for, since no test loses power, but where `durable` says so.
    """

    wait: int = 0
    arguments: list[str] = field(default_factory=list)
    folder: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    streams: tuple[str, str] = (os.devnull, os.devnull)
    crash_at: int = 0
    tear: bool = False
    fault_at: int = 0
    fault_code: int = 0
    short: bool = False
    count_to: str = ""
    file_size: int = 0
    durable: bool = False

    def to_line(self) -> str:
        """Return the order as it is written to the zygote."""
        return json.dumps(asdict(self)) + "\n"


def main() -> None:
    """Warm up, say so, and obey until stdin ends."""
    _warm_up()
    _answer("ready")
    for line in sys.stdin:
        order = Order(**json.loads(line))
        if order.wait:
            _answer(os.waitstatus_to_exitcode(os.waitpid(order.wait, 0)[1]))
        else:
            _answer(os.fork() or _become(order))


def _warm_up() -> None:
    """Play a simulated run, so that all that a run imports or computes once is there before a fork."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
        code = run_command_line([str(_QUICKSTART), "--simulate", "-o", str(Path(folder) / "run")])
    assert code == 0, said.getvalue()
    # The modules of commands that the warm-up does not use are imported late too.
    assert all((report.report, resume.resume, verify.verify))
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.freeze()


def _answer(value: object) -> None:
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


def _become(order: Order) -> NoReturn:
    """Run the command in this child, and leave without going back to the loop."""
    code = ESCAPED
    try:
        _move_in(order)
        disk = _disk(order)
        code = run_command_line(order.arguments, World(disk=disk))
        if order.count_to and isinstance(disk, FaultDisk):
            Path(order.count_to).write_text(" ".join(disk.operations), encoding="ascii")
    except BaseException:  # noqa: BLE001 - the test shall see it, and the loop above must not be reached
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _move_in(order: Order) -> None:
    signal.alarm(PATIENCE_S)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    for descriptor, path in zip((0, 1, 2), (os.devnull, *order.streams), strict=True):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    if order.file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.file_size, order.file_size))


def _disk(order: Order) -> Disk:
    if order.fault_at or order.count_to:
        return FaultDisk(at=order.fault_at, code=order.fault_code, short=order.short)
    if order.durable:
        return LocalDisk()
    return QuickDisk(order.crash_at, order.tear)


if __name__ == "__main__":
    main()

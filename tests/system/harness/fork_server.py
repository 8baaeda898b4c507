"""The real command in a forked process of its own, as often as a test likes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.command import PATIENCE_S, CommandResult, environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).parents[3]
KILLED = -signal.SIGKILL
ESCAPED = 99
"""The exit code of a child that an exception got out of."""
RUNNING = "running"
"""What the process that forks says of a child that has not ended."""
SECRET = "sk-ant-canary-of-the-crash-tests"  # noqa: S105 - no key; the tests look for it where none may be


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkRequest:
    """A command to run, or a child to wait for, or with `poll` to ask after.

    `speed` is that of `FastClock`, `crash_at` and `tear` are those of `CrashingDisk`, `fault_at`,
    `fault_code` and `short` those of `FaultDisk`; `count_to` is a file for the names of the disk's
    operations. `file_size` is the largest file that the process may write, in bytes. `streams` are the files
    for stdout and stderr, which are closed again where `closed` says so; `piped` is a file whose content
    comes through a pipe to stdin, and `terminal` one that the command controls, in place of all three. The
    disk is not waited for, since no test loses power, but where `durable` says so.
    """

    wait: int = 0
    poll: bool = False
    speed: float = 1.0
    arguments: list[str] = field(default_factory=list)
    folder: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    streams: tuple[str, str] = (os.devnull, os.devnull)
    piped: str = ""
    terminal: str = ""
    closed: bool = False
    crash_at: int = 0
    tear: bool = False
    fault_at: int = 0
    fault_code: int = 0
    short: bool = False
    count_to: str = ""
    file_size: int = 0
    durable: bool = False

    def to_line(self) -> str:
        """Return the request as it is written to the process that forks."""
        return json.dumps(asdict(self)) + "\n"


@dataclass(kw_only=True, eq=False)
class ForkedProcess:
    """A command that was forked, asked as `subprocess.Popen` is."""

    server: ForkServer
    pid: int
    _code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it goes on."""
        if self._code is None:
            self._code = self.server.ended(self.pid)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code."""
        end = time.monotonic() + (PATIENCE_S if timeout is None else timeout)
        while (code := self.poll()) is None:
            assert time.monotonic() < end, "the command goes on"
            time.sleep(0.005)
        return code

    def kill(self) -> None:
        """End it, if it has not ended."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, sig: int) -> None:
        """Send a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)


def _opened(pid: int, descriptor: int) -> str | None:
    """Return the file that a process has opened under a descriptor."""
    try:
        return str(Path(f"/proc/{pid}/fd/{descriptor}").readlink())
    except OSError:  # it has ended
        return None


@dataclass(eq=False)
class ForkServer:
    """A context manager around the process that forks; see `forking_process.py`."""

    _process: subprocess.Popen[str] | None = None
    _streams: dict[int, tuple[Path, Path]] = field(default_factory=dict)
    _count: int = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.harness.forking_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        if self._read() != "ready":
            self._process.communicate(timeout=60)
            raise AssertionError("the process that forks did not start; its stderr says why")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.communicate(timeout=60)

    def start(
        self, folder: Path, *arguments: str | Path, url: str, without_key: bool = False, **conditions: Any
    ) -> int:
        """Start a command in `folder` and return its pid; `conditions` are the fields of `ForkRequest`.

        `stdout` and `stderr` among them may be paths that a stream goes to instead of into `CommandResult`.
        """
        self._count += 1
        streams = [
            Path(conditions.pop(name, folder / f".{name}-{self._count}")) for name in ("stdout", "stderr")
        ]
        request = ForkRequest(
            arguments=[str(argument) for argument in arguments],
            folder=str(folder),
            environment=_environment(folder, url, key="" if without_key else SECRET),
            streams=(str(streams[0]), str(streams[1])),
            **conditions,
        )
        pid = self.fork(request)
        self._streams[pid] = (streams[0], streams[1])
        return pid

    def claude_run(
        self,
        *arguments: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        piped: bytes | None = None,
    ) -> CommandResult:
        """Run the command as `tests.support.command.claude_run` does, without what its imports cost.

        What is `piped` comes through a pipe to its stdin.
        """
        self._count += 1
        at_pipe = cwd / f".stdin-{self._count}"
        if piped is not None:
            at_pipe.write_bytes(piped)
        streams = cwd / f".stdout-{self._count}", cwd / f".stderr-{self._count}"
        pid = self.fork(
            ForkRequest(
                arguments=[str(argument) for argument in arguments],
                folder=str(cwd),
                environment=environment(cwd, env),
                streams=(str(streams[0]), str(streams[1])),
                piped="" if piped is None else str(at_pipe),
            )
        )
        self._streams[pid] = streams
        ended = self.wait(pid)
        at_pipe.unlink(missing_ok=True)
        return ended

    def in_terminal(
        self, *arguments: str | Path, cwd: Path, env: Mapping[str, str], theirs: int
    ) -> ForkedProcess:
        """Start the command in a terminal, of which `theirs` is its side."""
        path = os.ttyname(theirs)
        request = ForkRequest(
            arguments=[str(argument) for argument in arguments],
            folder=str(cwd),
            environment=dict(env),
            terminal=path,
        )
        process = ForkedProcess(server=self, pid=self.fork(request))
        # Whoever closes this side before it is opened over there hangs up.
        while process.poll() is None and _opened(process.pid, 2) != path:
            time.sleep(0.001)
        return process

    def fork(self, request: ForkRequest) -> int:
        """Start a command and return its pid; whoever does so asks for its end with `ended`."""
        return int(self._ask(request))

    def ended(self, pid: int) -> int | None:
        """Return the exit code of a command that has ended, once; None for one that goes on."""
        answer = self._ask(ForkRequest(wait=pid, poll=True))
        return None if answer == RUNNING else int(answer)

    def wait(self, pid: int) -> CommandResult:
        """Wait for the end of a command; no traceback may ever show."""
        code = int(self._ask(ForkRequest(wait=pid)))
        stdout, stderr = (_take(path) for path in self._streams.pop(pid))
        assert "Traceback" not in stderr, stderr
        assert SECRET not in stdout + stderr
        assert code not in {ESCAPED, 70, -signal.SIGALRM}, stderr
        return CommandResult(code=code, stdout=stdout, stderr=stderr)

    def run(self, folder: Path, *arguments: str | Path, url: str, **conditions: Any) -> CommandResult:
        """Run a command to its end."""
        return self.wait(self.start(folder, *arguments, url=url, **conditions))

    def _ask(self, request: ForkRequest) -> str:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(request.to_line())
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _environment(home: Path, url: str, *, key: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": url,
        "SSL_CERT_DIR": str(home),  # no certificates: to read those of the system takes longer than a run
        **({"ANTHROPIC_API_KEY": key} if key else {}),
    }


def _take(path: Path) -> str:
    """Return what a stream said and remove its file; empty where it went elsewhere, or was never opened."""
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return text

"""The real command in a forked process of its own, as often as a test likes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.system.harness.fork_request import ESCAPED, Order

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).parents[3]
KILLED = -signal.SIGKILL
SECRET = "sk-ant-canary-of-the-crash-tests"  # noqa: S105 - no key; the tests look for it where none may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended and what it said; `code` is negative where a signal ended it."""

    code: int
    stdout: str
    stderr: str


@dataclass(eq=False)
class Zygote:
    """A context manager around the process that forks; see `tests.system.harness.forking_process`."""

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
        self, folder: Path, *arguments: str | Path, url: str, without_key: bool = False, **world: Any
    ) -> int:
        """Start a command in `folder` and return its pid; `world` are the fields of `Order`.

        `stdout` and `stderr` among them may be paths that a stream goes to instead of into `Ended`.
        """
        self._count += 1
        streams = [Path(world.pop(name, folder / f".{name}-{self._count}")) for name in ("stdout", "stderr")]
        order = Order(
            arguments=[str(argument) for argument in arguments],
            folder=str(folder),
            environment=_environment(folder, url, key="" if without_key else SECRET),
            streams=(str(streams[0]), str(streams[1])),
            **world,
        )
        pid = int(self._ask(order))
        self._streams[pid] = (streams[0], streams[1])
        return pid

    def wait(self, pid: int) -> Ended:
        """Wait for the end of a command; no traceback may ever show."""
        code = int(self._ask(Order(wait=pid)))
        stdout, stderr = (_take(path) for path in self._streams.pop(pid))
        assert "Traceback" not in stderr, stderr
        assert SECRET not in stdout + stderr
        assert code not in {ESCAPED, 70, -signal.SIGALRM}, stderr
        return Ended(code=code, stdout=stdout, stderr=stderr)

    def run(self, folder: Path, *arguments: str | Path, url: str, **world: Any) -> Ended:
        """Run a command to its end."""
        return self.wait(self.start(folder, *arguments, url=url, **world))

    def _ask(self, order: Order) -> str:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(order.to_line())
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

"""The real command in a process of its own, in a folder where everything that it leaves can be searched."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from claude_run.record.journal import read_lines
from tests.support.command import CommandResult
from tests.system.harness.fork_server import ForkRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.system.harness.fork_server import ForkServer

ROOT = Path(__file__).parents[3]
KEY = "sk-ant-canary-Zq7_0123-4567-89ab"
MODEL = "claude-haiku-5-5"
PATIENCE_S = 60.0


class Process(Protocol):
    """What is asked of a process, as `subprocess.Popen` answers it."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...


@dataclass(eq=False)
class ForkedProcess:
    """A command that the fork server has started."""

    server: ForkServer
    pid: int
    code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code; None while it goes on."""
        if self.code is None:
            self.code = self.server.ended(self.pid)
        return self.code

    def wait(self, timeout: float | None = PATIENCE_S) -> int:
        """Wait for its end; AssertionError when it takes longer."""
        until(lambda: self.poll() is not None, within_s=timeout or PATIENCE_S)
        assert self.code is not None
        return self.code

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


@dataclass(kw_only=True)
class Running:
    """A process under way, whose streams go to files."""

    process: Process
    stdout: Path
    stderr: Path

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        os.kill(self.process.pid, number)

    def wait(self, *, at_most_s: float = PATIENCE_S) -> CommandResult:
        """Wait for its end; no traceback may show, whatever happened."""
        code = self.process.wait(at_most_s)
        result = CommandResult(code=code, stdout=self.stdout.read_text(), stderr=self.stderr.read_text())
        assert "Traceback" not in result.stderr, result.stderr
        return result


@dataclass(kw_only=True)
class Workspace:
    """A folder that is the home, the temporary folder and the working folder of the command."""

    folder: Path
    fork_server: ForkServer
    secrets: list[str] = field(default_factory=lambda: [KEY])
    started: list[Running] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the user's."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *arguments: str, **options: Any) -> CommandResult:
        """Run the command to its end; `options` are those of `start`."""
        return self.start(*arguments, **options).wait()

    def start(
        self,
        *arguments: str,
        url: str = "http://127.0.0.1:9",
        speed: float = 1.0,
        env: Mapping[str, str] | None = None,
        module: str | None = None,
        folder: str = ".",
    ) -> Running:
        """Start the command against the server at `url`, with waits and deadlines `speed` times as fast.

        It stands in `folder` below the workspace's.
        It is forked from a process that has imported everything, which saves a second; or it is a `module`
        in a process of its own.
        """
        variables = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, **(env or {})}
        if module is not None:
            return self.spawn([sys.executable, "-m", module, "--", *arguments], env=variables)
        out, err = self._streams()
        request = ForkRequest(
            arguments=list(arguments),
            folder=str(self.folder / folder),
            environment={**self._home(), **variables},
            streams=(str(out), str(err)),
            durable=True,
            speed=speed,
        )
        return self._started(ForkedProcess(self.fork_server, self.fork_server.fork(request)), out, err)

    def spawn(self, command: list[str], *, env: Mapping[str, str]) -> Running:
        """Start any command with nothing but these variables, a path and a home."""
        out, err = self._streams()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self._home(), **env},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        return self._started(process, out, err)

    def _started(self, process: Process, stdout: Path, stderr: Path) -> Running:
        self.started.append(Running(process=process, stdout=stdout, stderr=stderr))
        return self.started[-1]

    def _streams(self) -> tuple[Path, Path]:
        streams = self.folder / "streams"
        streams.mkdir(exist_ok=True)
        number = len(self.started)
        return streams / f"{number}.out", streams / f"{number}.err"

    def _home(self) -> dict[str, str]:
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        home = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(temporary)}
        return {**home, "PYTHONPATH": str(ROOT)}

    def attempts(self, run: str = "out") -> Counter[tuple[str, int]]:
        """Count the attempts in a journal by conversation and turn, from 1."""
        events = self.events("attempt", run)
        return Counter((case_of(event["conversation_id"]), event["turn"] + 1) for event in events)

    def events(self, kind: str, run: str = "out") -> list[Mapping[str, Any]]:
        """Return the journal's events of a kind."""
        lines = read_lines(self.folder / run / "journal.jsonl")
        return [line.value for line in lines if line.value["event"] == kind]

    def transcripts(self, run: str = "out") -> dict[str, dict[str, Any]]:
        """Return the transcripts by case, or by what else sets them apart."""
        text = (self.folder / run / "transcripts.jsonl").read_text(encoding="ascii")
        rows = [json.loads(line) for line in text.split("\n") if line]
        return {case_of(row["conversation_id"]): row for row in rows}

    def summary(self, run: str = "out") -> dict[str, Any]:
        """Return the run's summary."""
        value: dict[str, Any] = json.loads((self.folder / run / "summary.json").read_bytes())
        return value


def case_of(conversation_id: str) -> str:
    """Return what sets a conversation apart in its run: `scenario/case/model` without the ends, or repeat."""
    parts = conversation_id.split("/")
    return "/".join(part for part in parts[1:] if part != MODEL)


@contextmanager
def open_workspace(folder: Path, fork_server: ForkServer) -> Iterator[Workspace]:
    """Open a workspace; at its end all files in it, streams of processes too, are searched for the key."""
    workspace = Workspace(folder=folder, fork_server=fork_server)
    try:
        yield workspace
    finally:
        for running in workspace.started:
            running.process.kill()
            running.process.wait()
    assert_nowhere(workspace.secrets, folder)


def assert_nowhere(secrets: list[str], folder: Path) -> None:
    """Fail where a file's name or content holds a secret, or its base64, URL or JSON form."""
    forms = {form for secret in secrets for form in _forms(secret)}
    searched = 0
    for path in folder.rglob("*"):
        assert not any(form in str(path).encode() for form in forms), path
        if path.is_file():
            content = path.read_bytes()
            searched += 1
            assert not any(form in content for form in forms), f"the key is in {path}"
    assert searched, "nothing was searched"


def _forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield "".join(f"%{byte:02x}" for byte in secret.encode()).encode()
    # As a text of its own, which is escaped once more in a file of JSON.
    for escape in ("\\u", "\\\\u"):
        yield "".join(f"{escape}{byte:04x}" for byte in secret.encode()).encode()
    for offset in range(3):
        # The ends depend on what stands around the secret.
        encoded = base64.b64encode(b"x" * offset + secret.encode())[4:-4]
        yield encoded
        yield encoded.translate(bytes.maketrans(b"+/", b"-_"))


def until(done: Callable[[], bool], *, within_s: float = 40.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)

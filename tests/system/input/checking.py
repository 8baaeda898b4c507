"""The real commands on files that a test writes: `check`, here or apart, and a run whose requests show."""

from __future__ import annotations

import contextlib
import io
import subprocess
from typing import TYPE_CHECKING, Any

from claude_run.cli.app import run_command_line
from tests.support.command import COMMAND, environment
from tests.support.scripted_server import Answer, RawServer, ReceivedRequest, json_answer, message

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import CommandResult
    from tests.system.harness.workspace import Workspace

HEAD = "name: s\nmodel: claude-haiku-5-5\nmax_tokens: 100\n"
ONE_TURN = "model: claude-haiku-5-5\nturns: [{user: Hi}]\n"
TIME_LIMIT_S = 30.0


def check(folder: Path, text: str | bytes, *options: str) -> tuple[int, str]:
    """Check a scenario in this process; return the exit code and all that was said, on one line each."""
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = run_command_line(["check", str(path), *options])
    return code, output.getvalue().replace(f"{folder}/", "")


def check_apart(folder: Path, text: str) -> tuple[int, str]:
    """Check a scenario in a process of its own: a crash shows in the code, and time is limited."""
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(COMMAND), "check", str(path)],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.replace(f"{folder}/", "")


def play(workspace: Workspace, text: str, reply: str = "Fine.") -> tuple[CommandResult, list[Any]]:
    """Play `s.yaml` with this text; return how it ended, and the bodies that were sent."""

    def respond(_request: ReceivedRequest) -> Answer:
        return json_answer(message({"type": "text", "text": reply}))

    (workspace.folder / "s.yaml").write_bytes(text.encode())
    with RawServer(respond=respond) as server:
        result = workspace.run("s.yaml", "-j", "1", url=server.base_url)
    return result, [each.body for each in server.ledger]


def sent(bodies: list[Any]) -> list[str]:
    """Return the last message of each request."""
    return [body["messages"][-1]["content"] for body in bodies]

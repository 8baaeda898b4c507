"""The real `check` on files that a test writes, in this process or in one of its own with a time limit."""

from __future__ import annotations

import contextlib
import io
import subprocess
from typing import TYPE_CHECKING

from claude_run.cli.app import run_command_line
from tests.support.command import COMMAND, environment

if TYPE_CHECKING:
    from pathlib import Path

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

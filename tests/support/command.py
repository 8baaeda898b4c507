"""The real command in a process of its own, in an environment that holds only what a test gives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = Path(sys.executable).with_name("claude-run")
SCENARIOS = Path(__file__).parents[2] / "scenarios"
QUICKSTART = SCENARIOS / "quickstart.yaml"
PATIENCE_S = 60.0
HEAVY = {"anthropic", "genai_prices", "aiohttp", "prompt_toolkit"}
"""What costs seconds to import, or belongs to a run alone."""

_LOADED = """
import contextlib, io, json, sys
from claude_run.__main__ import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
json.dump(sorted({name.partition(".")[0] for name in sys.modules}), sys.stdout)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a process ended and what it said; `code` is negative where a signal ended it."""

    code: int
    stdout: str
    stderr: str


def claude_run(*arguments: str | Path, cwd: Path, **options: Any) -> CommandResult:
    """Run the command to its end in `cwd`, which is its home too; `options` are those of `execute`."""
    return execute([str(COMMAND), *map(str, arguments)], cwd=cwd, **options)


def python(code: str, *arguments: str | Path, cwd: Path) -> CommandResult:
    """Run a piece of Python that calls the command's entry in its own way."""
    return execute([sys.executable, "-c", code, *map(str, arguments)], cwd=cwd)


def loaded_by(*arguments: str | Path, cwd: Path) -> set[str]:
    """Return the packages that are loaded when the command with these arguments has ended."""
    return set(json.loads(python(_LOADED, *arguments, cwd=cwd).stdout))


def execute(
    command: list[str],
    *,
    cwd: Path,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
) -> CommandResult:
    """Run a command; no traceback may ever show on its stderr."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(cwd, env),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        timeout=PATIENCE_S,
        check=False,
        encoding="utf-8",
    )
    result = CommandResult(code=done.returncode, stdout=done.stdout or "", stderr=done.stderr or "")
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
    return result


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without keys, colours or the width of a terminal."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), **(more or {})}

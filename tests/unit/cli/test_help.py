"""Help and version: what they say, and what they do not load."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from claude_run import __version__
from claude_run.cli.app import COMMANDS
from tests.support.command import HEAVY, QUICKSTART, SCENARIOS, claude_run, loaded_by

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

PLAIN = {"COLUMNS": "80", "TERM": "dumb"}


@pytest.mark.parametrize("command", [None, *sorted(COMMANDS)])
def test_help(command: str | None, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Every command explains itself, on stdout."""
    arguments = ["--help"] if command is None else [command, "--help"]
    ended = claude_run(*arguments, cwd=tmp_path, env=PLAIN)
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout == snapshot


@pytest.mark.parametrize("arguments", [["--version"], ["-V"]])
def test_version(arguments: list[str], tmp_path: Path) -> None:
    """The version stands alone on stdout."""
    ended = claude_run(*arguments, cwd=tmp_path)
    assert (ended.code, ended.stdout, ended.stderr) == (0, f"claude-run {__version__}\n", "")


def test_version_is_quick(tmp_path: Path) -> None:
    """It costs at most 0.2 s of CPU, however busy the machine is."""
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        claude_run("--version", cwd=tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(costs) <= 0.2


def test_no_arguments_is_help(tmp_path: Path) -> None:
    """Without arguments the help is shown."""
    assert claude_run(cwd=tmp_path).stdout == claude_run("--help", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], ["run", "--help"], ["check", SCENARIOS], [QUICKSTART, "--list"], ["schema"]],
    ids=lambda arguments: str(arguments[0]).rpartition("/")[2],
)
def test_nothing_heavy_is_loaded(arguments: list[str], tmp_path: Path) -> None:
    """What sends nothing loads neither the SDK nor the price table."""
    loaded = loaded_by(*arguments, cwd=tmp_path)
    assert "claude_run" in loaded
    assert loaded & HEAVY == set()

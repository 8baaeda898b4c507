"""The command that each end names: it is the one that its user may want, and it can be typed as it stands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.command import CommandResult, claude_run

if TYPE_CHECKING:
    from pathlib import Path

TALK = """\
model: claude-haiku-5-5
vars: {word: none}
turns:
  - user: Say {{ word }}.
    expect: [{contains: yes}]
    example: "yes"
"""
FAILING = TALK.replace('example: "yes"', "example: no").replace("Say", "Now say")


def named(ended: CommandResult) -> str:
    """Return the command that the last line of talk names."""
    lead, _, command = ended.stderr.splitlines()[-1].partition(": claude-run ")
    assert lead == "next"
    return command


def follow(command: str, home: Path) -> CommandResult:
    """Type it."""
    return claude_run(*shlex.split(command), cwd=home)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with one scenario that passes and one that fails, whose names a shell would split."""
    (tmp_path / "a pass.yaml").write_text("name: fine\n" + TALK)
    (tmp_path / "a fail.yaml").write_text("name: bad\n" + FAILING)
    return tmp_path


def test_what_was_only_simulated_is_played_for_real(home: Path) -> None:
    """With all that says what is played, and without the simulator."""
    options = ("-m", "claude-opus-5-5", "--set", "word=a b", "-n", "2", "-j", "3", "--faults", "429@1")
    ended = claude_run("a pass.yaml", "--simulate", *options, cwd=home)
    assert named(ended) == "'a pass.yaml' -m claude-opus-5-5 -n 2 --set 'word=a b'"
    assert follow(f"{named(ended)} --simulate -q", home).code == 0


def test_what_failed_is_played_again(home: Path) -> None:
    """Only that, however it was selected; once is enough said."""
    ended = claude_run(".", "--simulate", "-m", "x=claude-haiku-5-5", cwd=home)
    assert named(ended) == ". -m x=claude-haiku-5-5 --simulate --lf"
    again = follow(named(ended), home)
    assert "1 conversation: 0 passed, 1 failed" in again.stdout
    assert named(again) == ". -m x=claude-haiku-5-5 --lf --simulate"


def test_what_is_held_against_a_baseline_is_reviewed(home: Path) -> None:
    """Whether it passed or not, the replies that changed are what to look at."""
    ended = claude_run("a pass.yaml", "--simulate", "-o", "first", cwd=home)
    assert claude_run("accept", "first", cwd=home).code == 0
    ended = claude_run("a pass.yaml", "--simulate", "-o", "second", cwd=home)
    assert named(ended) == "review second"
    assert follow(f"{named(ended)} --pending", home).code == 0


def test_what_was_stopped_is_gone_on_with(home: Path) -> None:
    """By its folder, since another run may have become the latest one."""
    stopped = claude_run("a pass.yaml", "--simulate", "-n", "3", "--max-requests", "1", "-o", "cut", cwd=home)
    assert named(stopped) == "resume cut"
    assert follow(f"{named(stopped)} --max-requests 9", home).code == 0


def test_what_was_not_recorded_is_sent(home: Path) -> None:
    """Beside what was: a replay that goes on would find as little as before."""
    more = "  - {user: And now?, example: x}\n"
    (home / "a pass.yaml").write_text("name: fine\n" + TALK + more)
    assert claude_run("a pass.yaml", "--simulate", "-o", "first one", cwd=home).code == 0
    (home / "a pass.yaml").write_text("name: fine\n" + TALK + more + more)
    ended = claude_run("a pass.yaml", "-n", "1", "--replay", "first one", cwd=home)
    assert ended.code == 3
    assert named(ended) == "'a pass.yaml' -n 1 --simulate --reuse 'first one'"
    assert follow(named(ended), home).code == 0


@pytest.mark.parametrize("command", [["check"], []])
def test_what_is_only_looked_at_is_played(home: Path, command: list[str]) -> None:
    """After `check` and after `--dry-run`."""
    options = [*command, "a pass.yaml", "-m", "claude-opus-5-5"]
    ended = claude_run(*options, *([] if command else ["--dry-run"]), cwd=home)
    assert named(ended) == "'a pass.yaml' -m claude-opus-5-5"
    assert claude_run(*options, *([] if command else ["--dry-run"]), "-q", cwd=home).stderr == ""

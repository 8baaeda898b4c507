"""The two streams: data on stdout, talk on stderr, and a quiet end when nobody listens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command import QUICKSTART, SCENARIOS, CommandResult, claude_run

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = Path("/dev/full")


@pytest.fixture
def closed() -> Iterator[int]:
    """Return the writing end of a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandResult, Path]:
    """Play the quickstart once, with its summary on stdout."""
    home = tmp_path_factory.mktemp("run")
    return claude_run(QUICKSTART, "--simulate", "--json", cwd=home), home


def test_json_stands_alone_on_stdout(run: tuple[CommandResult, Path]) -> None:
    """`--json` prints the summary, and nothing else, on stdout; what the file was made of is its own."""
    ended, home = run
    assert ended.code == 0
    written = json.loads((home / "outputs/latest/summary.json").read_bytes())
    del written["made_of"]
    assert json.loads(ended.stdout) == written


def test_talk_goes_to_stderr(run: tuple[CommandResult, Path]) -> None:
    """Without a terminal each conversation is one plain line, then comes how it ended and where it is."""
    ended, home = run
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("PASS   quickstart/claude-haiku-5-5  3 turns")
    assert lines[0].endswith("simulated")
    assert lines[-1] == "PASSED (exit code 0): all conversations passed"
    assert "\x1b" not in ended.stderr
    assert f"transcripts {next(home.glob('outputs/2*')).relative_to(home)}" in ended.stderr


def test_quiet_and_silent_stdout(tmp_path: Path) -> None:
    """`-q` says in one line how it ended; without `--json` stdout stays empty."""
    ended = claude_run(QUICKSTART, "--simulate", "-q", cwd=tmp_path)
    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr == "PASSED (exit code 0): all conversations passed\n"


def test_colour_on_request(run: tuple[CommandResult, Path]) -> None:
    """`--color always` colours even where no terminal is; NO_COLOR does not undo it."""
    _, home = run
    ended = claude_run("report", "--color", "always", cwd=home, env={"NO_COLOR": "1"})
    assert "\x1b[" in ended.stderr


def test_an_encoding_that_lacks_the_letters(tmp_path: Path) -> None:
    """A name that the stream's encoding cannot say is escaped, on stdout as on stderr."""
    text = QUICKSTART.read_text("utf-8").replace("name: quickstart", "name: grüße")
    (tmp_path / "umlaut.yaml").write_text(text, encoding="utf-8")
    for option in ("--list", "--dry-run"):
        ended = claude_run("umlaut.yaml", option, cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
        assert (ended.code, ended.stdout) == (0, "gr\\xfc\\xdfe/claude-haiku-5-5\n")


@pytest.mark.parametrize(
    "arguments",
    [["schema"], ["--help"], [str(SCENARIOS), "--list"], [str(QUICKSTART), "--dry-run"]],
)
def test_a_closed_pipe_ends_quietly(arguments: list[str], closed: int, tmp_path: Path) -> None:
    """Whoever reads only the first line of the output sees no complaint."""
    ended = claude_run(*arguments, cwd=tmp_path, stdout=closed)
    assert ended.code == 0
    assert "error" not in ended.stderr


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", [["schema"], ["--help"], [str(SCENARIOS), "--list"]])
def test_a_full_disk_behind_stdout(arguments: list[str], tmp_path: Path) -> None:
    """Output that cannot be written is code 3 with a message."""
    with FULL.open("wb") as full:
        ended = claude_run(*arguments, cwd=tmp_path, stdout=full)
    assert ended.code == 3
    assert ended.stderr.startswith("error: ")
    assert "No space left on device" in ended.stderr

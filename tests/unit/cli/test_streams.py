"""The two streams: results on stdout, talk on stderr, and a quiet end when nobody listens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import COMMAND, QUICKSTART, SCENARIOS, CommandResult, claude_run, execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.harness.fork_server import ForkServer

FULL = Path("/dev/full")
FAILING = """\
name: failing
model: claude-haiku-5-5
max_tokens: 100
turns:
  - user: Say yes.
    expect: [{contains: a word that no placeholder has}]
"""
ALL_CLOSED = "<&- >&- 2>&-"


@pytest.fixture
def closed() -> Iterator[int]:
    """Return the writing end of a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def shell(arguments: str, streams: str, *, cwd: Path) -> CommandResult:
    """Run the command with streams as a shell redirects them."""
    return execute(["sh", "-c", f'exec "$0" {arguments} {streams}', str(COMMAND)], cwd=cwd)


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


def test_json_leaves_the_rest_to_stderr(run: tuple[CommandResult, Path]) -> None:
    """How it ended, where it is, and what may come next are told a person all the same."""
    ended, home = run
    lines = ended.stderr.splitlines()
    assert lines[-2] == "PASSED (exit code 0): all conversations passed"
    assert lines[-1] == f"next: claude-run {QUICKSTART}"
    assert "\x1b" not in ended.stderr
    assert f"transcripts {next(home.glob('outputs/2*')).relative_to(home)}" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "result", "talk"),
    [
        (["--simulate"], "PASSED (exit code 0): all conversations passed", f"next: claude-run {QUICKSTART}"),
        (["--simulate", "-q"], "PASSED (exit code 0): all conversations passed", None),
        (["--dry-run"], "(genai-prices", f"next: claude-run {QUICKSTART}"),
        (["--list"], "quickstart/claude-haiku-5-5", None),
    ],
)
def test_results_go_to_stdout(
    tmp_path: Path, arguments: list[str], result: str, talk: str | None, *, fork_server: ForkServer
) -> None:
    """How a command ended stands on stdout, what to do next is talk, and `-q` leaves one line."""
    ended = fork_server.claude_run(QUICKSTART, *arguments, cwd=tmp_path)
    assert result in ended.stdout.splitlines()[-1]
    assert ended.stderr.splitlines() == ([talk] if talk else [])
    assert ended.stdout.count("\n") == 1 or "-q" not in arguments


def test_a_line_for_each_conversation_is_progress(tmp_path: Path, fork_server: ForkServer) -> None:
    """With `-v` each finished conversation is one plain line on stderr."""
    ended = fork_server.claude_run(QUICKSTART, "--simulate", "-v", cwd=tmp_path)
    line = ended.stderr.splitlines()[0]
    assert line.startswith("PASS   quickstart/claude-haiku-5-5  3 replies")
    assert line.endswith("simulated")


def test_colour_on_request(run: tuple[CommandResult, Path]) -> None:
    """`--color always` colours even where no terminal is; NO_COLOR does not undo it."""
    _, home = run
    ended = claude_run("report", "--color", "always", cwd=home, env={"NO_COLOR": "1"})
    assert "\x1b[" in ended.stdout


def test_an_encoding_that_lacks_the_letters(tmp_path: Path) -> None:
    """A name that the stream's encoding cannot say is escaped, on stdout as on stderr."""
    text = QUICKSTART.read_text("utf-8").replace("name: quickstart", "name: grüße")
    (tmp_path / "umlaut.yaml").write_text(text, encoding="utf-8")
    for option in ("--list", "--dry-run"):
        ended = claude_run("umlaut.yaml", option, cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
        assert (ended.code, ended.stdout.split("\n")[0]) == (0, "gr\\xfc\\xdfe/claude-haiku-5-5")


@pytest.mark.parametrize(
    "arguments",
    [["schema"], ["--help"], ["--version"], [str(SCENARIOS), "--list"], [str(QUICKSTART), "--dry-run"]],
)
def test_a_closed_pipe_ends_quietly(arguments: list[str], closed: int, tmp_path: Path) -> None:
    """Whoever reads only the first line of the output sees no complaint."""
    ended = claude_run(*arguments, cwd=tmp_path, stdout=closed)
    assert ended.code == 0
    assert "error" not in ended.stderr


@pytest.mark.parametrize(
    ("streams", "scenario", "code"),
    [
        (">&-", FAILING, 1),
        ("2>&-", FAILING, 1),
        (">&- 2>&-", FAILING, 1),
        (ALL_CLOSED, FAILING.replace("contains", "contians"), 2),
        (ALL_CLOSED, FAILING.replace("a word", "").replace("that no placeholder has", "e"), 0),
    ],
)
def test_closed_streams_change_no_exit_code(tmp_path: Path, streams: str, scenario: str, code: int) -> None:
    """Whoever closes a stream wants to hear nothing of it, and the journal never takes its place."""
    (tmp_path / "s.yaml").write_text(scenario)
    ended = shell("s.yaml --simulate --json -o out", streams, cwd=tmp_path)
    assert ended.code == code, ended.stderr
    if code != 2:
        lines = (tmp_path / "out/journal.jsonl").read_text().splitlines()
        assert all(line.startswith('{"crc":') for line in lines)


@pytest.mark.parametrize(
    ("command", "code"),
    [("--version", 0), ("schema", 0), ("verify", 2), ("review --pending", 2), ("init x", 0)],
)
def test_closed_streams_of_other_commands(tmp_path: Path, command: str, code: int) -> None:
    """No command is broken by what it cannot say."""
    assert shell(command, ALL_CLOSED, cwd=tmp_path).code == code


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_leaves_changes_no_exit_code(tmp_path: Path, closed: int, stream: str) -> None:
    """A run whose log or summary nobody reads any more is played to its end, and ends as it went."""
    (tmp_path / "failing.yaml").write_text(FAILING)
    streams: dict[str, Any] = {stream: closed}
    ended = claude_run(
        *("failing.yaml", "--simulate", "--json", "-n", "9", "-o", "out"), cwd=tmp_path, **streams
    )
    assert ended.code == 1
    assert len((tmp_path / "out/transcripts.jsonl").read_text().splitlines()) == 9


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize(("stream", "unbuffered"), [("stdout", ""), ("stderr", ""), ("stderr", "1")])
def test_a_full_disk_behind_a_stream_costs_no_run(tmp_path: Path, stream: str, unbuffered: str) -> None:
    """The run is played to its end and kept; what could not be said of it is code 3."""
    with FULL.open("wb") as full:
        streams: dict[str, Any] = {stream: full}
        ended = claude_run(
            *(QUICKSTART, "--simulate", "--json", "-n", "9", "-o", "out"),
            cwd=tmp_path,
            env={"PYTHONUNBUFFERED": unbuffered},
            **streams,
        )
    assert ended.code == 3
    assert json.loads((tmp_path / "out/summary.json").read_bytes())["exit_code"] == 0
    assert len((tmp_path / "out/transcripts.jsonl").read_text().splitlines()) == 9


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["schema"], ["--help"], ["--version"], [str(SCENARIOS), "--list"]])
def test_a_full_disk_behind_stdout(arguments: list[str], unbuffered: str, tmp_path: Path) -> None:
    """Output that cannot be written is code 3 with a message, however Python buffers it."""
    with FULL.open("wb") as full:
        ended = claude_run(*arguments, cwd=tmp_path, stdout=full, env={"PYTHONUNBUFFERED": unbuffered})
    assert ended.code == 3
    assert ended.stderr.startswith("error: ")
    assert "No space left on device" in ended.stderr

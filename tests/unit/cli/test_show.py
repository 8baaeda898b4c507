"""`show`: which conversation a name means, and what is printed of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.fork_server import ForkServer

SCENARIO = """\
model: claude-haiku-5-5
max_tokens: 100
repeat: 2
cases: [{id: sofa, vars: {item: sofa}}, {id: sofa-bed, vars: {item: bed}}]
turns:
  - {user: "May I return a {{ item }}?", expect: [{contains: sofa}], example: "Yes, the {{ item }}."}
"""
SOFA, BED = "returns/sofa/claude-haiku-5-5", "returns/sofa-bed/claude-haiku-5-5"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """Play two cases twice, one of which fails, and return the folder."""
    home = tmp_path_factory.mktemp("show")
    (home / "returns.yaml").write_text(SCENARIO)
    assert fork_server.claude_run("returns.yaml", "--simulate", "-q", "-o", "run", cwd=home).code == 1
    return home


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (f"{SOFA}/2", f"{SOFA}/2"),
        ("sofa/claude-haiku-5-5/1", f"{SOFA}/1"),
        ("sofa-bed/claude-haiku-5-5/2", f"{BED}/2"),
        ("bed/claude-haiku-5-5/2", f"{BED}/2"),
    ],
)
def test_any_part_that_no_other_has_is_enough(
    played: Path, fork_server: ForkServer, name: str, meant: str
) -> None:
    """The id itself, whole parts of it, or any piece, in the latest run or a named one."""
    for arguments in ((name,), ("run", name)):
        ended = fork_server.claude_run("show", *arguments, cwd=played)
        assert (ended.code, ended.stderr.endswith("run\n")) == (0, True)
        assert ended.stdout.split("\n")[0].split()[1] == meant


def test_a_name_of_several_lists_them_what_failed_first(played: Path, fork_server: ForkServer) -> None:
    """Whole parts come before pieces: `sofa` is not `sofa-bed`."""
    ended = fork_server.claude_run("show", "run", "sofa", cwd=played)
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: run: 'sofa' names 2 conversations; a part of an id is enough\n"
        f"  {SOFA}/1  passed\n  {SOFA}/2  passed\n"
    )
    ended = fork_server.claude_run("show", "run", cwd=played)
    assert ended.code == 2
    assert ended.stderr.split("\n")[:2] == [
        "error: run: name one of its conversations; a part of an id is enough",
        f"  {BED}/1  failed",
    ]


def test_an_unknown_name_is_compared_with_those_there_are(played: Path, fork_server: ForkServer) -> None:
    """A slip in the id or in a part of it."""
    for name, near in (("soffa", "sofa"), (f"{SOFA[:-1]}/1", f"{SOFA}/1")):
        ended = fork_server.claude_run("show", "run", name, cwd=played)
        assert ended.code == 2
        assert ended.stderr == f"error: run has no conversation {name!r}; did you mean {near!r}?\n"
    ended = fork_server.claude_run("show", "run", "sofa", "2", cwd=played)
    assert ended.stderr == "error: show takes a run and an id: 3 arguments are too many\n"


def test_for_programs_it_is_the_line_of_the_transcripts(played: Path, fork_server: ForkServer) -> None:
    """Stdout holds JSON only."""
    ended = fork_server.claude_run("show", "run", f"{BED}/1", "--json", cwd=played)
    lines = (played / "run/transcripts.jsonl").read_text().split("\n")[:-1]
    assert json.loads(ended.stdout) == next(
        line for line in map(json.loads, lines) if line["conversation_id"] == f"{BED}/1"
    )


def test_the_only_conversation_needs_no_name(played: Path, fork_server: ForkServer, tmp_path: Path) -> None:
    """A run of one is shown as it stands."""
    (tmp_path / "one.yaml").write_text("model: claude-haiku-5-5\nmax_tokens: 9\nturns: [{user: Hi}]\n")
    assert fork_server.claude_run("one.yaml", "--simulate", "-q", "-o", "one", cwd=tmp_path).code == 0
    assert fork_server.claude_run("show", cwd=tmp_path).stdout.startswith("PASS   one/claude-haiku-5-5\n")
    assert "reply     | " in fork_server.claude_run("show", "one", cwd=tmp_path).stdout
    assert fork_server.claude_run("show", "nowhere", "x", cwd=played).code == 2

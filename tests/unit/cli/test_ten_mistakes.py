"""A scenario with ten mistakes: each is reported, at its place, in one go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.command import claude_run

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

MISTAKES = """\
name: ten-mistakes
modle: claude-haiku-5-5
max_tokens: many
system: You work for {{ compnay }}.
vars: {company: Acme, product: sofa}
repeat: 0
variants:
  - {id: v1}
  - {id: v1}
turns:
  - user: ""
  - user:
      - text: What is a {{ product }} of {{ company }}?
      - image: photos/none.png
    expect:
      - contain: sofa
      - matches: '(?=sofa)'
  - user: And now?
expect:
  - max_latency: 20 parsecs
"""
PLACES = ["2:1", "3:13", "4:25", "6:9", "9:5", "11:11", "14:16", "16:9", "17:18", "20:18"]


@pytest.mark.parametrize("arguments", [["check"], ["run", "--simulate"], ["--dry-run"], ["--list"]])
def test_ten_mistakes(arguments: list[str], tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Whatever the command, all ten are shown with file, line and column; nothing is sent or written."""
    (tmp_path / "ten.yaml").write_text(MISTAKES)
    ended = claude_run(*arguments, "ten.yaml", cwd=tmp_path)
    assert (ended.code, ended.stdout) == (2, "")
    assert re.findall(r"--> ten\.yaml:(\d+:\d+)$", ended.stderr, re.MULTILINE) == PLACES
    assert ended.stderr == snapshot(name="ten mistakes")
    assert [path.name for path in tmp_path.iterdir()] == ["ten.yaml"]


def test_the_problems_of_all_files_are_shown_together(tmp_path: Path) -> None:
    """One file's mistakes hide no other's, and the files come in order."""
    for name, slip in (("b.yaml", "usr"), ("a.yaml", "uesr")):
        (tmp_path / name).write_text(f"model: claude-haiku-5-5\nmax_tokens: 9\nturns: [{{{slip}: x}}]\n")
    ended = claude_run("check", ".", cwd=tmp_path)
    assert re.findall(r"--> (\S+):\d+$", ended.stderr, re.MULTILINE) == ["a.yaml:3", "b.yaml:3"]

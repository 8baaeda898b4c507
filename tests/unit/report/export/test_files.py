"""Texts that stand in files: a program says what the file says, and reads in it what was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_run.checks.registry import default_registry
from claude_run.plan.matrix import Selection, expand
from claude_run.report.export.formats import exported
from claude_run.scenario.loader import load

if TYPE_CHECKING:
    from pathlib import Path

TALK = """\
model: claude-haiku-5-5
vars: {prompt: short, item: sofa}
turns:
  - {user: Hi, save: {days: '[0-9]+'}}
  - {user: {file: "{{ prompt }}.md"}}
"""


@pytest.mark.parametrize("language", ["python", "typescript", "curl"])
def test_a_text_of_a_file_is_filled_in_when_the_program_runs(language: str, tmp_path: Path) -> None:
    """Neither the path nor a stand-in for what is saved is sent to anybody."""
    (tmp_path / "a.yaml").write_text(TALK, encoding="utf-8")
    (tmp_path / "short.md").write_text("{{ saved.days }} days for the {{ item }}", encoding="utf-8")
    scenarios = load([str(tmp_path / "a.yaml")], vocabulary=default_registry())
    (conversation,) = expand(scenarios, Selection()).conversations
    program = exported(conversation, language, description="")

    wanted = {
        "python": "ask(f\"{saved['days']} days for the sofa\")",
        "typescript": "ask(`${saved.days} days for the sofa`)",
        "curl": "days for the sofa",
    }
    assert wanted[language] in program
    assert "saved0q" not in program
    assert "short.md" not in program

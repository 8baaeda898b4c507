"""What is looked for in scenarios before anything is sent."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.session.load import load_scenarios
from claude_run.session.request import RunRequest

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-ant-0123456789abcdef"
DAY = date(2026, 11, 1)
SCENARIO = """
model: claude-haiku-5-5
cases: [{id: one, vars: {name: one}}]
turns:
  - user:
      - document: "{{ name }}.txt"
      - text: What does it say?
"""


def _loaded(folder: Path, document: str) -> None:
    (folder / "one.txt").write_text(document)
    (folder / "s.yaml").write_text(SCENARIO)
    load_scenarios(RunRequest(paths=(str(folder / "s.yaml"),)), today=DAY)


def test_files_that_variables_choose_are_searched_for_the_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are a part of the scenario by their variables, and no JSON."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    _loaded(tmp_path, "nothing secret")
    with pytest.raises(InvalidScenarioError, match="the credential in use stands here"):
        _loaded(tmp_path, f"it is {KEY}")

"""An expectation that is a word alone: some need no value, and of the others the lack of it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_run.checks.registry import default_registry
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["judge", "contains", "max_words", "stop_reason", "calls_tool", "similar"])
def test_a_value_that_is_missing_is_told_so(tmp_path: Path, kind: str) -> None:
    """The word is named, and how to go on."""
    path = tmp_path / "a.yaml"
    path.write_text(f"turns: [{{user: Hi, expect: [{kind}]}}]\n", encoding="utf-8")

    with pytest.raises(InvalidScenarioError) as caught:
        load([str(path)], vocabulary=default_registry())

    [problem] = caught.value.problems.shown
    assert (problem.message, problem.hint) == (f"`{kind}` has no value", f"write `{kind}: ...`")
    assert (problem.position.line, problem.position.column) == (1, 29)


@pytest.mark.parametrize("kind", ["json", "refusal", "no_tool_calls"])
def test_some_say_all_by_their_name(tmp_path: Path, kind: str) -> None:
    """`true` is what they mean."""
    path = tmp_path / "a.yaml"
    path.write_text(f"turns: [{{user: Hi, expect: [{kind}]}}]\n", encoding="utf-8")

    [scenario] = load([str(path)], vocabulary=default_registry())

    assert scenario.turns[0].expect[0].value is True  # type: ignore[union-attr] # a user turn

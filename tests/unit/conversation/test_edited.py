"""What of a case was edited since it was accepted: its expectations, by their digest, or its variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.identity import Identity
from claude_run.conversation.sample import Sample, edited

if TYPE_CHECKING:
    from claude_run.scenario.json_values import JsonObject


def sample(expectations: str | None, variables: JsonObject, *, digest: str | None = None) -> Sample:
    """Return a sample that was held against that, with those variables."""
    identity: Any = {"scenario": "s", "path": "s.yaml", "case": "c", "model": "m", "model_label": "m"}
    return Sample(
        identity=Identity.of(**identity, case_digest=digest),
        passed=True,
        cost_usd=None,
        latency_s=None,
        input_tokens=None,
        output_tokens=None,
        output_chars=0,
        replies=(),
        vars=variables,
        expectations=expectations,
    )


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (sample("a", {"x": 1}), sample("a", {"x": 1}), ()),
        (sample("a", {"x": 1}), sample("b", {"x": 1}), ("expectations",)),
        (sample("a", {"x": 1}), sample("a", {"x": 2}), ("variables",)),
        (sample("a", {"x": 1}), sample("b", {"x": 2}), ("expectations", "variables")),
        (sample(None, {"x": 1}), sample("b", {"x": 1}), ()),
        (sample(None, {"x": 1}), sample("b", {"x": 2}), ("variables",)),
        (sample("a", {"x": 1}, digest="d"), sample("a", {"x": 2}, digest="d"), ()),
        (sample("a", {"x": 1}, digest="d"), sample("a", {"x": 2}), ("variables",)),
    ],
)
def test_what_was_edited(before: Sample, after: Sample, found: tuple[str, ...]) -> None:
    """Unknown expectations are no edited ones, and hide no edited variables; a numbered case has its own."""
    assert edited(before, after) == found

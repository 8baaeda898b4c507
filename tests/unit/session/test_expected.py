"""What a run with tools is likely to come to, as its examples play."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from claude_run.checks.registry import default_registry
from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.loader import load
from claude_run.session.expected import Expected, as_examples_play

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = "max_tokens: 300\ntools: [{name: look, input_schema: {type: object}}]\n"
RESULTS = "tool_results: {look: {return: found}}\n"
TURNS = "turns: [{user: Hi, expect: [{calls_tool: look}], example: Done.}, {user: Bye, example: Bye.}]\n"
MODEL = "model: claude-haiku-5-5\n"


def expected(folder: Path, text: str) -> Expected | None:
    """Return what a scenario is expected to come to."""
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    plan = expand(load([str(folder / "a.yaml")], vocabulary=default_registry()), Selection())
    return as_examples_play(plan)


def test_rounds_and_repeats_are_counted(tmp_path: Path) -> None:
    """Two turns of one round of tools are three requests; each repeat is as the first."""
    once = expected(tmp_path, MODEL + TOOLS + RESULTS + TURNS)
    assert once is not None
    assert once.cost_usd is not None
    assert once.requests == 3
    assert Decimal(0) < once.cost_usd < Decimal("0.001")
    thrice = expected(tmp_path, f"{MODEL}repeat: 3\n{TOOLS}{RESULTS}{TURNS}")
    assert thrice == Expected(requests=9, cost_usd=3 * once.cost_usd)


def test_a_beta_and_old_sampling_play_too(tmp_path: Path) -> None:
    """What goes out as a header is one here as well."""
    text = f"betas: [b]\ncompaction: {{}}\n{TOOLS}{RESULTS}{TURNS}"
    assert expected(tmp_path, MODEL + text) is not None
    assert expected(tmp_path, f"model: claude-haiku-4-5\ntemperature: 0.5\n{text}") is not None


@pytest.mark.parametrize(
    "text",
    [
        MODEL + TOOLS + TURNS.replace("expect: [{calls_tool: look}], ", ""),
        MODEL + TOOLS + RESULTS + TURNS.replace(", example: Bye.", ""),
        "model: from-the-future\n" + TOOLS + RESULTS + TURNS,
        MODEL + "metadata: {user: x}\n" + TOOLS + RESULTS + TURNS,
        MODEL + TOOLS + RESULTS + TURNS + f"cases: {[{'id': str(n)} for n in range(101)]}\n",
    ],
    ids=["no results", "no example", "unknown model", "refused", "too many"],
)
def test_where_nothing_is_known_nothing_is_said(tmp_path: Path, text: str) -> None:
    """A number that is no more than a guess is none."""
    assert expected(tmp_path, text) is None

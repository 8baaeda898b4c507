"""What people are told of models: rules with prices, and what came before and after."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from claude_run.plan.known_models import known
from claude_run.plan.prices import Limits, PriceTier, list_prices, worst_case
from tests.unit.plan.builders import PRICED

TODAY = date(2026, 11, 28)
MILLION = 1_000_000


def test_a_longer_prompt_may_cost_more() -> None:
    """Each price list says from how many tokens on it holds."""
    assert list_prices("claude-haiku-5-5") == (
        PriceTier(above=0, input=Decimal("0.1"), output=Decimal("0.5"), cache_read=Decimal("0.01")),
        PriceTier(above=100_000, input=Decimal("0.5"), output=Decimal("2.5"), cache_read=Decimal("0.05")),
    )


def test_what_no_prompt_can_reach_has_no_price() -> None:
    """The price table knows a dearer list for prompts that are longer than this model takes."""
    (only,) = list_prices("claude-sonnet-4-5")
    assert (only.above, only.input) == (0, Decimal(3))


@pytest.mark.parametrize("name", ["claude-mythos-5", "claude-opus-99"])
def test_an_unknown_price_is_no_price(name: str) -> None:
    """It is never taken as 0."""
    assert list_prices(name) == ()


@pytest.mark.parametrize("name", PRICED)
def test_a_list_price_is_what_a_reply_is_charged(name: str) -> None:
    """What people are shown is what the rest of the program counts with."""
    limits = Limits(model=name, input_tokens=1000, output_tokens=1000, global_only=True)
    first = list_prices(name)[0]
    assert first.input is not None
    assert first.output is not None
    assert worst_case(limits) == (first.input + first.output) * 1000 / MILLION


def test_models_are_found_by_any_of_their_names() -> None:
    """Each is told once, retired ones apart, unknown ones not at all."""
    found = known(["claude-sonnet-4-5-20250929", "claude-sonnet-4-5", "claude-2.1", "gpt"], today=TODAY)
    assert [(each.rules.id, each.newer) for each in found.models] == [
        ("claude-sonnet-4-5", "claude-sonnet-5-5")
    ]
    assert [(each.id, each.retired.on.year, each.newer) for each in found.retired] == [
        ("claude-2.1", 2025, None)
    ]


def test_without_names_all_are_told() -> None:
    """With what the knowledge rests on."""
    found = known([], today=TODAY)
    assert (len(found.models), len(found.retired)) == (18, 26)
    assert found.prices.startswith("genai-prices ")
    assert found.checked <= found.today

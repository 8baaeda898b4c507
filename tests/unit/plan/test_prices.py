"""What a reply costs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import extract_usage
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.plan.prices import CacheTtl, Limits, cost, price_table, token_prices, worst_case
from tests.unit.plan.builders import PRICED

MILLION = 10**6


def _cost(name: str, asked: str | None = None, /, **usage: Any) -> Decimal | None:
    body: dict[str, Any] = {"model": name, "usage": {"input_tokens": 0, "output_tokens": 0, **usage}}
    return cost(body, model=asked)


def test_fresh_tokens_cost_the_list_price() -> None:
    """A million tokens in and out of Opus 5.5 cost 4 and 20 USD."""
    assert _cost("claude-opus-5-5", input_tokens=MILLION, output_tokens=MILLION) == 24


@pytest.mark.parametrize(("ttl", "price"), [("5m", "0.125"), ("1h", "0.2")])
def test_cache_writes_have_their_own_price(ttl: str, price: str) -> None:
    """Writes cost 1.25 times the input for five minutes and twice for an hour."""
    written = {f"ephemeral_{ttl}_input_tokens": 1000}
    found = _cost("claude-haiku-5-5", cache_creation_input_tokens=1000, cache_creation=written)
    assert found == Decimal(price) / 1000


def test_cache_reads_have_their_own_price() -> None:
    """Reads of Haiku 5.5 cost a tenth of the input."""
    assert _cost("claude-haiku-5-5", cache_read_input_tokens=100_000) == Decimal("0.001")


def test_a_long_prompt_of_haiku_makes_all_tokens_dearer() -> None:
    """Above 100,000 tokens of prompt, cached or not, every token of the request costs five times as much."""
    short = _cost("claude-haiku-5-5", input_tokens=50_000, cache_read_input_tokens=50_000, output_tokens=100)
    long = _cost("claude-haiku-5-5", input_tokens=50_001, cache_read_input_tokens=50_000, output_tokens=100)
    assert short == Decimal("0.00555")
    assert long == Decimal("0.0277505")


def test_absent_counts_may_be_null() -> None:
    """The API sends null for everything but input and output."""
    nothing = {"cache_creation_input_tokens": None, "cache_creation": None, "server_tool_use": None}
    assert _cost("claude-haiku-5-5", input_tokens=MILLION // 10, **nothing) == Decimal("0.01")


def test_inference_in_the_us_costs_a_tenth_more_but_not_its_searches() -> None:
    """The factor is for tokens; a web search costs its cent anywhere."""
    searches = {"server_tool_use": {"web_search_requests": 1}}
    found = _cost("claude-opus-4-6", input_tokens=MILLION, inference_geo="us", **searches)
    assert found == Decimal("5.51")
    assert _cost("claude-opus-4-6", input_tokens=MILLION, inference_geo="global") == 5


def test_models_before_4_6_have_no_us_price() -> None:
    """They do not take `inference_geo`, so what they report of it changes nothing."""
    assert _cost("claude-opus-4-5", input_tokens=MILLION, inference_geo="us") == 5


def test_fast_and_batch_have_their_own_price() -> None:
    """The usage of the reply says how it was served."""
    assert _cost("claude-opus-5-5", input_tokens=MILLION, speed="fast") == 8
    assert _cost("claude-opus-5-5", input_tokens=MILLION, service_tier="batch") == 2


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("claude-haiku-5-5", {"speed": "fast"}),
        ("claude-haiku-5-5", {"service_tier": "priority"}),
        ("claude-opus-4-1", {"service_tier": "batch"}),
        ("claude-opus-99", {}),
        ("", {}),
        ("claude-mythos-5-1", {}),
    ],
)
def test_what_has_no_price_is_unpriced(name: str, usage: dict[str, str]) -> None:
    """None is not zero: no price is guessed."""
    assert _cost(name, input_tokens=10, **usage) is None


def test_a_part_of_the_counts_has_no_price() -> None:
    """What is there would be priced, and pass for the whole."""
    whole: dict[str, Any] = {"input_tokens": 7, "output_tokens": 7}
    assert cost({"model": "claude-haiku-5-5", "usage": whole}) is not None
    for name in whole:
        for odd in (None, "7", -7):
            assert cost({"model": "claude-haiku-5-5", "usage": {**whole, name: odd}}) is None


@pytest.mark.parametrize(
    "body", [{}, {"model": "claude-haiku-5-5"}, {"usage": {"input_tokens": 1, "output_tokens": 1}}]
)
def test_a_body_without_model_or_usage_is_unpriced(body: dict[str, Any]) -> None:
    """A broken body has no price, and raises nothing."""
    assert cost(body, model="claude-haiku-5-5") is None


@pytest.mark.parametrize(
    ("snapshot_id", "alias"),
    [
        ("claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-haiku-5-5-20261007", "claude-haiku-5-5"),
    ],
)
def test_a_dated_snapshot_costs_what_its_alias_costs(snapshot_id: str, alias: str) -> None:
    """The date in an id does not change the price."""
    assert _cost(snapshot_id, input_tokens=10) == _cost(alias, input_tokens=10) is not None


@pytest.mark.parametrize(
    "answered",
    [
        "vertex/claude-opus-5-5",
        "anthropic.claude-opus-5-5-v1:0",
        "x/claude-opus-5-5@20261001",
        "claude-opus-5-5-latest",
    ],
)
def test_a_longer_name_of_the_asked_model_costs_what_that_costs(answered: str) -> None:
    """A gateway's own spelling of the model that was asked for is that model."""
    assert _cost(answered, "claude-opus-5-5", input_tokens=MILLION) == 4
    assert _cost(answered, None, input_tokens=MILLION) in {None, 4, Decimal("4.4")}


@pytest.mark.parametrize(
    ("asked", "dollars"),
    [
        ("global.anthropic.claude-opus-5-5", "4"),
        ("us.anthropic.claude-opus-5-5", "4.4"),
        ("anthropic.claude-opus-5-5", "4.4"),
    ],
)
@pytest.mark.parametrize("answered", ["claude-opus-5-5", "claude-opus-5-5-20261007", None])
def test_amazon_bedrock_has_prices_of_its_own(asked: str, dollars: str, answered: str | None) -> None:
    """Whatever the reply calls the model: a region costs a tenth more, and the cap is held against that."""
    assert _cost(answered or asked, asked, input_tokens=MILLION) == Decimal(dollars)
    limits = Limits(model=asked, input_tokens=MILLION, output_tokens=0, global_only=True)
    assert worst_case(limits) == Decimal(dollars)


def test_a_name_of_amazon_bedrock_without_a_price_has_none() -> None:
    """The price of Anthropic's own API is not that of another seller."""
    assert _cost("claude-opus-5-5", "qq.anthropic.claude-opus-5-5", input_tokens=MILLION) is None
    assert _cost("claude-haiku-5-5", "us.anthropic.claude-opus-5-5", input_tokens=MILLION) == _cost(
        "claude-haiku-5-5", input_tokens=MILLION
    )


@pytest.mark.parametrize("answered", ["claude-opus-5-5-7", "gpt-9", "my-claude-opus-5-5"])
def test_another_model_is_not_priced_as_the_asked_one(answered: str) -> None:
    """Who answers decides the price, not who was asked."""
    assert _cost(answered, "claude-opus-5-5", input_tokens=MILLION) is None


def test_the_reply_outranks_the_asked_model() -> None:
    """A priced answer of another model costs what that model costs."""
    assert _cost("claude-haiku-4-5", "claude-opus-5-5", input_tokens=MILLION) == 1


def test_the_price_table_is_named_without_loading_it() -> None:
    """Naming the table is for every command, loading it only for those that price."""
    program = (
        "import sys; from claude_run.plan import estimate, matrix, model_checks, prices; "
        "print(prices.price_table(), 'genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{price_table()} False\n"
    assert price_table().startswith("genai-prices 0.")


def test_an_unpriced_model_has_no_worst_case() -> None:
    """What has no price has no bound either."""
    assert worst_case(Limits(model="claude-opus-99", input_tokens=1, output_tokens=1)) is None
    assert worst_case(Limits(model="claude-haiku-5-5", input_tokens=1, output_tokens=1, fast=True)) is None


@pytest.mark.parametrize("name", PRICED)
def test_a_batch_costs_half_of_every_model_that_has_a_price(name: str) -> None:
    """Of all that is priced by the token."""
    limits = Limits(model=name, input_tokens=MILLION // 10, output_tokens=1000, cache_ttl="1h")
    live, batched = worst_case(limits), worst_case(replace(limits, batch=True))
    assert live is not None
    assert batched == live / 2


def test_the_worst_case_of_a_known_request() -> None:
    """Everything is written to the cache for an hour, at US prices unless those are ruled out."""
    limits = {"model": "claude-opus-5-5", "input_tokens": MILLION, "output_tokens": MILLION}
    assert worst_case(Limits(**limits, global_only=True)) == 24  # type: ignore[arg-type] # a dict of both types
    hour: CacheTtl = "1h"
    assert worst_case(Limits(**limits, cache_ttl=hour)) == Decimal("30.8")  # type: ignore[arg-type] # same


@st.composite
def _replies(draw: st.DrawFn) -> tuple[Limits, dict[str, Any]]:
    ttl: CacheTtl | None = draw(st.sampled_from([None, "5m", "1h"]))
    limits = Limits(
        model=draw(st.sampled_from(PRICED)),
        input_tokens=draw(
            st.one_of(st.integers(0, 300_000), st.sampled_from([100_000, 100_001, 200_000, 200_001]))
        ),
        output_tokens=draw(st.integers(0, 128_000)),
        cache_ttl=ttl,
        web_searches=draw(st.integers(0, 3)),
        global_only=draw(st.booleans()),
    )
    prompt = draw(st.one_of(st.just(limits.input_tokens), st.integers(0, limits.input_tokens)))
    written = draw(st.integers(0, prompt)) if ttl else 0
    short = draw(st.integers(0, written)) if ttl == "1h" else written
    read = draw(st.integers(0, prompt - written)) if ttl else 0
    output = draw(st.one_of(st.just(limits.output_tokens), st.integers(0, limits.output_tokens)))
    usage = {
        "input_tokens": prompt - written - read,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": short,
            "ephemeral_1h_input_tokens": written - short,
        },
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": draw(st.integers(0, output))},
        "server_tool_use": {"web_search_requests": draw(st.integers(0, limits.web_searches))},
        "service_tier": draw(st.sampled_from(["standard", "batch"])),
        "inference_geo": "global" if limits.global_only else draw(st.sampled_from(["us", "global", None])),
    }
    return limits, usage


@settings(max_examples=100, deadline=None)
@given(_replies())
def test_no_reply_within_its_limits_costs_more_than_the_worst_case(
    drawn: tuple[Limits, dict[str, Any]],
) -> None:
    """However the prompt is split between fresh, written and read, the bound holds, tiers included."""
    limits, usage = drawn
    paid, bound = cost({"model": limits.model, "usage": usage}), worst_case(limits)
    assert paid is not None
    assert bound is not None
    assert paid <= bound


_COUNT = st.sampled_from([0, 1, 99_999, 100_000, 100_001, 200_000, 200_001]) | st.integers(0, 400_000)


@given(
    model=st.sampled_from([*PRICED, "claude-sonnet-4-5", "claude-haiku-4-5-20251001", "claude-unheard-of"]),
    counts=st.tuples(_COUNT, _COUNT, _COUNT, _COUNT, _COUNT, st.integers(0, 50)),
    details=st.booleans(),
    batch=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_a_price_is_the_one_of_the_table(
    model: str, counts: tuple[int, int, int, int, int, int], details: bool, batch: bool
) -> None:
    """Whatever a reply used, and however long its prompt was, it costs what the table itself makes of it."""
    fresh, read, written, hour, output, searches = counts
    usage: dict[str, Any] = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written + (hour if details else 0),
        "output_tokens": output,
        "server_tool_use": {"web_search_requests": searches},
    }
    if details:
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": hour}
    context = {"processing": "batch"} if batch else {}
    try:
        said = extract_usage({"model": model, "usage": usage}, provider_id="anthropic")
        table = said.calc_price(price_context=context)
    except LookupError:
        assert _cost(model, **usage) is None
        return
    if batch and not any(variant.when == context for variant in table.model.price_variants or ()):
        assert _cost(model, **usage, service_tier="batch") is None
        return
    tier = "batch" if batch else "standard"
    assert _cost(model, **usage, service_tier=tier) == table.total_price


@pytest.mark.parametrize("name", PRICED)
@pytest.mark.parametrize("prompt", [1000, 100_000, 100_001, 250_000])
@pytest.mark.parametrize(("us", "batch"), [(False, False), (True, False), (False, True)])
def test_prices_of_tokens_are_those_of_replies(name: str, prompt: int, us: bool, batch: bool) -> None:
    """One by one, in every tier, in the US and in a batch."""
    prices = token_prices(name, prompt, us=us, batch=batch)
    assert prices is not None
    terms = {"inference_geo": "us" if us else "global", "service_tier": "batch" if batch else "standard"}
    written = {
        "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    }
    whole = _cost(
        name, input_tokens=prompt - 700, cache_read_input_tokens=400, output_tokens=50, **written, **terms
    )
    parts = (prompt - 700) * prices.fresh + 400 * prices.read + 50 * prices.output
    assert whole == parts + 100 * prices.written_5m + 200 * prices.written_1h


def test_tokens_of_what_has_no_price_have_none() -> None:
    """An unknown model, and fast mode in a batch."""
    assert token_prices("claude-opus-99", 10) is None
    assert token_prices("claude-opus-5-5", 10, fast=True) is not None
    assert token_prices("claude-opus-5-5", 10, fast=True, batch=True) is None

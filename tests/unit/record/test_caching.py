"""What the cache did for a run: hit rate, misses, and what it would have cost otherwise."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.plan.caching import NO_USE, PromptUse, best_use
from claude_run.plan.model_rules import known_models
from claude_run.plan.prices import cost, list_prices
from claude_run.record.caching import Caching, CachingSum, ModelUse
from claude_run.record.records import Record
from tests.unit.conversation.builders import MODEL, body, script, text, user
from tests.unit.record.fakes import transcript

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG = "Quote the 30-day rule and never promise more. " * 60
SHARED = 2000
# Prices of the model: a write is 1.25 times, a read 0.1 times the input price.
INPUT, OUTPUT = Decimal("0.1") / 1_000_000, Decimal("0.5") / 1_000_000


def reply(use: PromptUse, **fields: Any) -> dict[str, Any]:
    """Return a reply whose prompt was paid so."""
    usage = {
        "input_tokens": use.fresh,
        "output_tokens": 100,
        "cache_creation_input_tokens": use.written,
        "cache_read_input_tokens": use.read,
    }
    return body("Fine.", usage=usage, **fields)


def record(number: int, uses: Sequence[PromptUse], *, system: str = LONG, **fields: Any) -> Record:
    """Return the record of a conversation whose prompts were paid so, priced by the list."""
    play = script(
        *(user(f"turn {turn}") for turn in range(len(uses))),
        id=f"greet/{number}/{MODEL}",
        case=str(number),
        system=text(system),
        cache="auto",
    )
    found = transcript(play, [reply(use, **fields) for use in uses])
    turns = tuple(
        replace(
            turn, exchanges=tuple(replace(each, cost_usd=cost(each.reply.body)) for each in turn.exchanges)
        )
        for turn in found.turns
    )
    return Record.of(play.identity, replace(found, turns=turns))


def caching_of(records: Sequence[Record], *, in_batches: bool = False) -> Caching | None:
    """Return what the cache did; None where nothing was written to it or read from it."""
    found = CachingSum()
    for each in records:
        if each.figures is not None:
            found.add(each.planned.model, each.figures)
    return found.caching(in_batches=in_batches)


def caching(*records: Record) -> Caching:
    """Return what the cache did, which is something."""
    found = caching_of(records)
    assert found is not None
    return found


def test_a_run_that_used_no_cache_has_nothing_to_tell() -> None:
    """Neither does one whose replies do not say what they used."""
    fresh = PromptUse(fresh=2000, written=0, read=0)
    assert caching_of([record(1, [fresh]), record(2, [fresh])]) is None
    assert caching_of([]) is None


@given(
    conversations=st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=4), min_size=1, max_size=6),
)
def test_what_is_paid_as_it_is_best_is_the_best(conversations: list[list[int]]) -> None:
    """The sums over figures agree with the plan of each request: nothing is missed, nothing is cheaper."""
    leads = next((at for at, steps in enumerate(conversations) if len(steps) > 1), 0)
    rows = []
    for number, steps in enumerate(conversations):
        prompts = [SHARED + sum(steps[: at + 1]) for at in range(len(steps))]
        alone = len(conversations) == 1
        uses = best_use(prompts, shared=0 if alone else SHARED, leads=number == leads, least=512)
        rows.append(record(number, uses))
    found = caching_of(rows)
    if found is None:
        assert len(conversations) == len(conversations[0]) == 1
        return
    assert found.missed == 0
    assert found.read == found.readable
    costs = found.costs()
    assert costs is not None
    assert costs.best_usd == pytest.approx(costs.paid_usd)


def test_costs_are_those_of_the_price_list() -> None:
    """Without a cache all of the prompts are plain, and a batch is half of that."""
    first = PromptUse(fresh=28, written=SHARED, read=0)
    other = PromptUse(fresh=28, written=0, read=SHARED)
    found = caching(record(1, [first]), record(2, [other]), record(3, [other]))
    costs = found.costs()
    assert costs is not None
    plain = 3 * (2028 * INPUT + 100 * OUTPUT)
    saved = SHARED * INPUT * (2 * Decimal("0.9") - Decimal("0.25"))
    assert costs.uncached_usd == pytest.approx(plain)
    assert costs.batch_usd == pytest.approx(plain / 2)
    assert costs.saved_usd == pytest.approx(saved)
    assert costs.best_usd == pytest.approx(plain - saved)
    assert costs.paid_usd == plain - saved
    assert (found.read, found.readable, found.rate) == (2 * SHARED, 2 * SHARED, 1.0)


def test_what_was_played_in_batches_costs_no_less_as_a_batch() -> None:
    """It was paid at half the price, which is what the comparison without a cache starts from."""
    use = PromptUse(fresh=28, written=SHARED, read=0)
    found = caching_of([record(1, [use]), record(2, [use])], in_batches=True)
    assert found is not None
    costs = found.costs()
    assert costs is not None
    assert costs.batch_usd == costs.uncached_usd


def test_all_that_write_what_others_wrote_have_missed() -> None:
    """The least possible is one write and two reads; the rest is lost."""
    use = PromptUse(fresh=28, written=SHARED, read=0)
    found = caching(*(record(number, [use]) for number in range(3)))
    assert (found.read, found.readable, found.missed, found.rate) == (0, 2 * SHARED, 2, 0.0)
    costs = found.costs()
    assert costs is not None
    assert costs.saved_usd == pytest.approx(-3 * SHARED * INPUT * Decimal("0.25"))
    assert costs.paid_usd - costs.best_usd == pytest.approx(2 * SHARED * INPUT * Decimal("1.15"))


def test_a_history_that_was_not_read_is_a_miss_with_its_reason() -> None:
    """The API gives reasons where the scenario asks for `diagnostics`; anything else in there is none."""
    uses = [
        PromptUse(fresh=0, written=2028, read=0),
        PromptUse(fresh=0, written=133, read=SHARED),
        PromptUse(fresh=0, written=100, read=2133),
    ]
    said = {"cache_miss_reason": {"type": "messages_changed"}}
    found = caching(record(1, uses, diagnostics=said))
    assert (found.read, found.readable, found.missed) == (4133, 2028 + 2133, 1)
    assert found.reasons == {"messages_changed": 3}
    odds: list[dict[str, Any]] = [
        {"diagnostics": None},
        {"diagnostics": {"cache_miss_reason": "x"}},
        {"diagnostics": [1]},
    ]
    for odd in odds:
        assert caching(record(1, uses, **odd)).reasons == {}


def test_prompts_that_differ_are_not_shared() -> None:
    """Each writes its own, and misses nothing."""
    use = PromptUse(fresh=28, written=SHARED, read=0)
    found = caching(*(record(number, [use], system=f"{number} {LONG}") for number in range(3)))
    assert (found.missed, found.readable, found.rate) == (0, 0, None)


def test_what_an_earlier_run_has_written_costs_less_than_the_best_of_this_one() -> None:
    """Then nobody leads, all is read, and the best is what was paid."""
    use = PromptUse(fresh=28, written=0, read=SHARED)
    found = caching(record(1, [use]), record(2, [use]))
    costs = found.costs()
    assert (found.missed, found.rate) == (0, 1.0)
    assert costs is not None
    assert costs.best_usd == costs.paid_usd


@pytest.mark.parametrize("model", ["no-such-model", "claude-haiku-5-5"])
def test_a_run_with_an_unpriced_reply_has_no_costs(model: str) -> None:
    """Half of a sum would pass for all of it."""
    use = ModelUse(model=model, usage=transcript(script(user("Hi"))).usage, cost_usd=None, best=NO_USE)
    assert use.costs() is None


def test_a_conversation_alone_may_read_what_an_earlier_run_has_written() -> None:
    """It could read that: so it is no more than all."""
    found = caching(record(1, [PromptUse(fresh=28, written=0, read=SHARED)]))
    assert (found.read, found.readable, found.missed) == (SHARED, SHARED, 0)


def test_an_hour_costs_twice_to_write() -> None:
    """Both what was paid and the best."""
    usage = transcript(script(user("Hi"))).usage
    hour = replace(
        usage,
        input_tokens=0,
        output_tokens=0,
        cache_creation_input_tokens=1000,
        ephemeral_1h_input_tokens=1000,
    )
    best = PromptUse(fresh=0, written=1000, read=0)
    costs = ModelUse(model=MODEL, usage=hour, cost_usd=2000 * INPUT, best=best).costs()
    assert costs is not None
    assert math.isclose(costs.uncached_usd, 1000 * INPUT)
    assert math.isclose(costs.best_usd, 2000 * INPUT)


def test_the_shares_are_those_of_the_price_list() -> None:
    """For every model that has a price: output costs five times the input, a read the share of the table."""
    tiers = [(rules, tier) for rules in known_models() for tier in list_prices(rules.id)]
    assert tiers
    for rules, tier in tiers:
        assert tier.input is not None
        assert tier.output == 5 * tier.input, rules.id
        assert tier.cache_read == Decimal(str(rules.cache_read_share)) * tier.input, rules.id

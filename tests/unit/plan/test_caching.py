"""What requests share in the cache, and the cheapest way to pay for prompts."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.conversation.exchange import Request
from claude_run.plan.caching import PromptUse, best_use, shared_prefix, usual_use

LONG = "Quote the 30-day rule and never promise more. " * 60
MARK = {"cache_control": {"type": "ephemeral"}}


def request(**fields: Any) -> Request:
    """Return a request with a long system prompt that is marked, in which these fields are others."""
    body = {
        "model": "claude-haiku-5-5",
        "max_tokens": 100,
        "system": [{"type": "text", "text": LONG, **MARK}],
        "messages": [{"role": "user", "content": "Hello"}],
        **fields,
    }
    return Request(body={name: value for name, value in body.items() if value is not None})


def digest(**fields: Any) -> bytes | None:
    """Return by what the prefix of such a request is known."""
    found = shared_prefix(request(**fields))
    return None if found is None else found.digest


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": "Good day"}]},
        {"max_tokens": 5},
        {"cache_control": {"type": "ephemeral"}},
        {"tool_choice": {"type": "any"}},
        {"temperature": 1},
        {"system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"system": [{"type": "text", "text": LONG, **MARK}, {"type": "text", "text": "Item 7"}]},
    ],
)
def test_what_comes_after_the_prefix_does_not_change_it(fields: dict[str, Any]) -> None:
    """Such requests read what each other has written."""
    assert digest(**fields) == digest() is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "claude-opus-5-5"},
        {"system": [{"type": "text", "text": LONG + "!", **MARK}]},
        {"tools": [{"name": "look", "input_schema": {"type": "object"}}]},
        {"thinking": {"type": "adaptive"}},
        {"output_config": {"effort": "low"}},
        {"speed": "fast"},
        {"anything": "new"},
    ],
)
def test_what_invalidates_the_prefix_is_a_part_of_it(fields: dict[str, Any]) -> None:
    """Such requests share nothing that is cached, or may not."""
    found = digest(**fields)
    assert found is not None
    assert found != digest()


@pytest.mark.parametrize(
    "fields",
    [
        {"system": None},
        {"system": LONG},
        {"system": [{"type": "text", "text": LONG}], **MARK},
        {"system": [{"type": "text", "text": "Be brief.", **MARK}]},
        {"model": "claude-haiku-4-5", "system": [{"type": "text", "text": LONG, **MARK}]},
    ],
    ids=["no prompt", "a string", "automatic only", "short", "short for this model"],
)
def test_what_is_not_marked_or_too_short_shares_nothing(fields: dict[str, Any]) -> None:
    """The minimum is the model's own."""
    assert digest(**fields) is None


def test_marked_tools_are_shared_whatever_the_prompt_says() -> None:
    """A breakpoint of the user's own on the last tool ends the prefix there."""
    tools = [{"name": "look", "description": LONG, "input_schema": {"type": "object"}, **MARK}]
    one, other = (digest(tools=tools, system=[{"type": "text", "text": each}]) for each in ("one", "other"))
    assert one == other is not None


def test_the_lifetime_is_what_the_breakpoint_asks_for() -> None:
    """Five minutes, or an hour."""
    hour = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert [getattr(shared_prefix(request(**each)), "lifetime_s", 0) for each in ({}, {"system": hour})] == [
        300.0,
        3600.0,
    ]


def test_the_best_use_of_a_conversation() -> None:
    """The prefix is read, each part of the history written once, and the last message is not."""
    assert best_use([2028, 2133, 2236], shared=2000, leads=False, least=512) == [
        PromptUse(fresh=0, written=28, read=2000),
        PromptUse(fresh=0, written=105, read=2028),
        PromptUse(fresh=103, written=0, read=2133),
    ]
    assert best_use([2028], shared=2000, leads=True, least=512) == [PromptUse(fresh=28, written=2000, read=0)]
    assert best_use([300, 600, 700], shared=200, leads=True, least=512) == [
        PromptUse(fresh=300, written=0, read=0),
        PromptUse(fresh=0, written=600, read=0),
        PromptUse(fresh=100, written=0, read=600),
    ]


def tenths(uses: Any) -> int:
    """Return what prompts cost in a hundredth of the price of a token."""
    return sum(100 * use.fresh + 125 * use.written + 10 * use.read for use in uses)


@given(
    steps=st.lists(st.integers(1, 500), min_size=1, max_size=5),
    shared=st.integers(0, 1000),
    least=st.integers(1, 1500),
)
def test_no_other_way_to_write_is_cheaper(steps: list[int], shared: int, least: int) -> None:
    """Every choice of the requests that write is tried, for a conversation whose prefix is there."""
    prompts = [shared + sum(steps[: number + 1]) for number in range(len(steps))]
    there = shared if shared >= least else 0
    best = best_use(prompts, shared=shared, leads=False, least=least)
    assert [use.total for use in best] == prompts
    for writes in product((False, True), repeat=len(prompts)):
        cached, uses = there, []
        for prompt, write in zip(prompts, writes, strict=True):
            keeps = prompt if write and prompt >= least else cached
            uses.append(PromptUse(fresh=prompt - keeps, written=keeps - cached, read=cached))
            cached = keeps
        assert tenths(best) <= tenths(uses)


def test_the_usual_use_of_a_conversation() -> None:
    """Each request writes all that is new in it; where it marks only what is shared, no more than that."""
    assert usual_use([2028, 2133], shared=2000, leads=False, least=512, grows=True) == [
        PromptUse(fresh=0, written=28, read=2000),
        PromptUse(fresh=0, written=105, read=2028),
    ]
    assert usual_use([2028, 2133], shared=2000, leads=True, least=512, grows=False) == [
        PromptUse(fresh=28, written=2000, read=0),
        PromptUse(fresh=133, written=0, read=2000),
    ]
    assert usual_use([300, 600], shared=200, leads=True, least=512, grows=True) == [
        PromptUse(fresh=300, written=0, read=0),
        PromptUse(fresh=0, written=600, read=0),
    ]


@given(
    steps=st.lists(st.integers(1, 500), min_size=1, max_size=5),
    shared=st.integers(0, 1000),
    least=st.integers(1, 1500),
    leads=st.booleans(),
    grows=st.booleans(),
)
def test_what_is_usual_is_never_better_than_the_best(
    steps: list[int], shared: int, least: int, *, leads: bool, grows: bool
) -> None:
    """Every token of every prompt is paid for once, and no way is cheaper than the best."""
    prompts = [shared + sum(steps[: number + 1]) for number in range(len(steps))]
    uses = usual_use(prompts, shared=shared, leads=leads, least=least, grows=grows)
    assert [use.total for use in uses] == prompts
    assert tenths(uses) >= tenths(best_use(prompts, shared=shared, leads=leads, least=least))

"""Token counts: read from whatever a reply says, summed with nulls, written with every field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.usage import UNKNOWN, Usage, total

FULL: dict[str, Any] = {
    "input_tokens": 1,
    "output_tokens": 2,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 400,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "output_tokens_details": {"thinking_tokens": 5},
    "server_tool_use": {"web_search_requests": 6, "web_fetch_requests": 7},
}
COUNTS = st.integers(0, 10**12)
USAGES = st.builds(
    Usage,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_creation_input_tokens=st.none() | COUNTS,
    cache_read_input_tokens=st.none() | COUNTS,
    ephemeral_5m_input_tokens=st.none() | COUNTS,
    ephemeral_1h_input_tokens=st.none() | COUNTS,
    thinking_tokens=st.none() | COUNTS,
    web_search_requests=st.none() | COUNTS,
    web_fetch_requests=st.none() | COUNTS,
)


def test_every_count_is_read_from_its_place_and_written_back_there() -> None:
    """The API's own names and nesting are kept, and service fields are left out."""
    usage = Usage.from_api({**FULL, "service_tier": "standard", "future": {"x": 1}})
    assert usage.to_json() == FULL
    assert usage.thinking_tokens == 5
    assert usage.web_fetch_requests == 7


def test_what_the_api_does_not_say_is_null() -> None:
    """Only the two counts that every reply has are numbers; every field is written all the same."""
    usage = Usage.from_api({"input_tokens": 1, "output_tokens": 2, "cache_creation": None})
    assert usage == Usage(input_tokens=1, output_tokens=2)
    assert usage.to_json() == {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_creation_input_tokens": None,
        "cache_read_input_tokens": None,
        "cache_creation": {"ephemeral_5m_input_tokens": None, "ephemeral_1h_input_tokens": None},
        "output_tokens_details": {"thinking_tokens": None},
        "server_tool_use": {"web_search_requests": None, "web_fetch_requests": None},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"input_tokens": "5"},
        {"input_tokens": 5.0},
        {"output_tokens": True},
        {"cache_read_input_tokens": -1},
        {"cache_creation": {"ephemeral_1h_input_tokens": []}},
    ],
)
def test_one_count_that_is_none_makes_all_of_them_unknown(change: dict[str, Any]) -> None:
    """Sums and prices made of the rest would look right and be wrong."""
    usage = Usage.from_api({**FULL, **change})
    assert usage == UNKNOWN
    assert (usage.known, usage.input_total) == (False, None)


@pytest.mark.parametrize(
    "usage", [None, [], "usage", 5, {}, {"input_tokens": None}, {"prompt_tokens": 9, "completion_tokens": 7}]
)
def test_a_reply_that_does_not_say_what_it_used(usage: object) -> None:
    """Nothing, null, or the words of another API: unknown, and never zero."""
    assert Usage.from_api(usage) == UNKNOWN


def test_a_part_of_the_counts_is_kept() -> None:
    """What the reply does say is there to be looked at, but it has no price."""
    usage = Usage.from_api({"output_tokens": 7})
    assert (usage.input_tokens, usage.output_tokens, usage.known) == (None, 7, False)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    """The rest alone would be too low, and nobody would see it; other counts do not suffer."""
    known = Usage(input_tokens=1, output_tokens=2, cache_read_input_tokens=5)
    assert total([known, Usage.from_api({"output_tokens": 7}), known]) == Usage(
        input_tokens=None, output_tokens=11, cache_read_input_tokens=10
    )


def test_each_part_of_the_prompt_counts_once() -> None:
    """Fresh, written and read tokens are added up, each with its own sign."""
    assert Usage.from_api(FULL).input_total == 1 + 30 + 400


def test_a_sum_is_null_only_where_nothing_was_ever_said() -> None:
    """Null and a number add up to the number."""
    one = Usage(input_tokens=1, output_tokens=2, cache_read_input_tokens=5)
    other = Usage(input_tokens=10, output_tokens=20, thinking_tokens=0)
    assert total([one, other]) == Usage(
        input_tokens=11, output_tokens=22, cache_read_input_tokens=5, thinking_tokens=0
    )
    assert total([]) == Usage()


@settings(deadline=None, max_examples=60)
@given(st.lists(USAGES, max_size=4))
def test_sums_do_not_depend_on_the_order_and_lose_no_token(usages: list[Usage]) -> None:
    """Totals equal the sum of their parts in every field, and so does the whole prompt."""
    result = total(usages)
    assert result == total(reversed(usages))
    assert result.input_total == sum(usage.input_total or 0 for usage in usages)
    assert result.output_tokens == sum(usage.output_tokens or 0 for usage in usages)
    assert (result.thinking_tokens or 0) == sum(usage.thinking_tokens or 0 for usage in usages)
    assert (result.thinking_tokens is None) is all(usage.thinking_tokens is None for usage in usages)


@settings(deadline=None, max_examples=60)
@given(USAGES)
def test_counts_survive_the_way_through_json(usage: Usage) -> None:
    """What is written is read back the same."""
    assert Usage.from_api(usage.to_json()) == usage

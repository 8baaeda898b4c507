"""Token counts: read strictly from the API, summed with nulls, written with every field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.usage import Usage, total

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
    ("change", "message"),
    [
        ({"input_tokens": None}, "usage.input_tokens is missing"),
        ({"output_tokens": None}, "usage.output_tokens is missing"),
        ({"input_tokens": "5"}, "usage.input_tokens is not a token count"),
        ({"input_tokens": 5.0}, "usage.input_tokens is not a token count"),
        ({"output_tokens": True}, "usage.output_tokens is not a token count"),
        ({"cache_read_input_tokens": -1}, "usage.cache_read_input_tokens is not a token count"),
        (
            {"cache_creation": {"ephemeral_1h_input_tokens": []}},
            "usage.ephemeral_1h_input_tokens is not a token count",
        ),
    ],
)
def test_a_count_that_is_none_is_refused(change: dict[str, Any], message: str) -> None:
    """A wrong count would make every sum and price wrong, so it names itself."""
    with pytest.raises(ValueError, match=f"^{message}$"):
        Usage.from_api({**FULL, **change})


@pytest.mark.parametrize("usage", [None, [], "usage", 5])
def test_usage_must_be_an_object(usage: object) -> None:
    """A reply without usage cannot be accounted for."""
    with pytest.raises(ValueError, match=r"^usage is missing$"):
        Usage.from_api(usage)


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
    assert result.input_total == sum(usage.input_total for usage in usages)
    assert result.output_tokens == sum(usage.output_tokens for usage in usages)
    assert (result.thinking_tokens or 0) == sum(usage.thinking_tokens or 0 for usage in usages)
    assert (result.thinking_tokens is None) is all(usage.thinking_tokens is None for usage in usages)


@settings(deadline=None, max_examples=60)
@given(USAGES)
def test_counts_survive_the_way_through_json(usage: Usage) -> None:
    """What is written is read back the same."""
    assert Usage.from_api(usage.to_json()) == usage

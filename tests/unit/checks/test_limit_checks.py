"""Limits on words, characters, output tokens, seconds and dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.checks.arguments import parse_duration
from claude_run.conversation.usage import UNKNOWN, Usage
from tests.unit.checks.builders import found, problems, spelt, status, subject

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.scenario.json_values import Json

FACTS = subject(
    "Three words\nhere.",
    latency_s=2.5004,
    cost_usd=Decimal("0.0031"),
    usage=Usage(input_tokens=900, output_tokens=40),
)

# (kind, the last value that holds, the first that does not) for FACTS.
EDGES: list[tuple[str, Json, Json]] = [
    ("min_words", 3, 4),
    ("max_words", 3, 2),
    ("max_chars", 17, 16),
    ("max_output_tokens", 40, 39),
    ("max_latency", 2.5004, 2.5003),
    ("max_latency", "2501ms", "2500ms"),
    ("max_latency", "1m", "2.4 s"),
    ("max_cost_usd", 0.0031, 0.0030999),
    ("max_cost_usd", 1, 0),
]


@pytest.mark.parametrize(("kind", "holds", "breaks"), EDGES)
def test_a_limit_holds_up_to_its_last_value(kind: str, holds: Json, breaks: Json) -> None:
    """The limit itself is allowed, the next value is not."""
    assert not problems(kind, holds)
    assert not problems(kind, breaks)
    assert (status(kind, holds, FACTS), status(kind, breaks, FACTS)) == ("passed", "failed")


def test_messages_give_the_limit_and_what_was_found(snapshot: SnapshotAssertion) -> None:
    """Both numbers stand in the sentence, with their unit, and as numbers in the result."""
    results = [found(kind, value, FACTS) for kind, *both in EDGES for value in both]
    results.append(found("min_words", 1, "One"))
    results.append(found("max_cost_usd", 0.000001, subject(cost_usd=Decimal("0.0000025"))))
    assert [(result.message, result.expected, result.actual) for result in results] == snapshot


def test_an_unknown_cost_is_errored() -> None:
    """Nobody can say whether an unpriced reply was cheap enough."""
    result = found("max_cost_usd", 5, subject(cost_usd=None))
    assert result.status == "errored"
    assert "no known price" in result.message


def test_unknown_tokens_are_errored() -> None:
    """A reply that does not say what it used keeps no limit on it, and breaks none."""
    silent = subject(cost_usd=None, usage=UNKNOWN)
    for kind, value in (("max_output_tokens", 5), ("max_cost_usd", 5)):
        result = found(kind, value, silent)
        assert result.status == "errored"
        assert "the API did not say" in result.message
    assert (
        found("max_output_tokens", 7, subject(usage=Usage.from_api({"output_tokens": 7}))).status == "passed"
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("max_words", "3"),
        ("max_words", 3.0),
        ("max_words", True),
        ("max_words", None),
        ("max_words", -1),
        ("min_words", 0),
        ("max_output_tokens", 0),
        ("max_chars", [1]),
        ("max_latency", "20"),
        ("max_latency", "-1s"),
        ("max_latency", "1s\n"),
        ("max_latency", "٣s"),
        ("max_latency", "0ms"),
        ("max_latency", 0),
        ("max_latency", -2),
        ("max_latency", True),
        ("max_latency", None),
        ("max_latency", float("inf")),
        ("max_latency", float("nan")),
        ("max_cost_usd", "0.01"),
        ("max_cost_usd", True),
        ("max_cost_usd", -0.01),
        ("max_cost_usd", float("nan")),
    ],
)
def test_problems_are_found_before_sending(kind: str, value: Json, snapshot: SnapshotAssertion) -> None:
    """A limit that is not a sensible number is refused with an example."""
    assert [spelt(problem) for problem in problems(kind, value)] == snapshot


@settings(max_examples=100, deadline=None)
@given(
    words=st.lists(st.text("abc.,'-é", min_size=1, max_size=5), max_size=8), gaps=st.text(" \n\t", min_size=1)
)
def test_words_are_what_stands_between_white_space(words: list[str], gaps: str) -> None:
    """The count does not depend on how wide the gaps are, or on those at the ends."""
    text = gaps + gaps.join(words) + gaps
    assert status("max_words", len(words), text) == "passed"
    assert status("min_words", len(words) + 1, text) == "failed"
    if words:
        assert status("max_words", len(words) - 1, text) == "failed"
        assert status("min_words", len(words), text) == "passed"


@settings(max_examples=100, deadline=None)
@given(thousandths=st.integers(1, 999_999_999))
def test_units_of_time_agree(thousandths: int) -> None:
    """The same span means the same number of seconds however it is written."""
    seconds = thousandths / 1000
    assert parse_duration(f"{thousandths}ms") == pytest.approx(seconds)
    assert parse_duration(f"{seconds:.3f}s") == pytest.approx(seconds)
    assert parse_duration(f"{seconds / 60:.9f} m") == pytest.approx(seconds, abs=1e-6)
    assert parse_duration(f"{seconds / 3600:.9f}h") == pytest.approx(seconds, abs=1e-5)
    assert parse_duration(seconds) == seconds

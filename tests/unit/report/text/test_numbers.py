"""Numbers as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from claude_run.conversation.usage import Usage
from claude_run.report.run.facts import usage_sentence
from claude_run.report.text.numbers import seconds, tokens, usd, used


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "unpriced"),
        ("0", "$0"),
        ("0.00001", "<$0.0001"),
        ("0.0001", "$0.0001"),
        ("0.01234", "$0.0123"),
        ("12.345", "$12.34"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_dollars(amount: str | None, shown: str) -> None:
    """Small amounts keep four decimals, large ones two, and an unknown one is never zero."""
    assert usd(None if amount is None else Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (None, "-"),
        (0.0, "0.0 s"),
        (0.84, "0.8 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3599.6, "1 h 0 min"),
        (3725, "1 h 2 min"),
    ],
)
def test_durations(duration: float | None, shown: str) -> None:
    """Durations are shown in the largest unit that fits, and are never 60 of a smaller one."""
    assert seconds(duration) == shown


def test_counts() -> None:
    """Thousands of tokens are grouped, and what the API did not say is a dash."""
    assert tokens(12345) == "12,345"
    assert tokens(None) == "-"


def test_what_was_used() -> None:
    """Tokens that every reply has are a number or unknown, never a dash."""
    assert used(12345) == "12,345"
    assert used(None) == "unknown"
    assert usage_sentence(Usage.from_api({"output_tokens": 7})) == (
        "unknown tokens in (0 read from the cache, 0 written to it), 7 out"
    )

"""`stop_reason` and `refusal`: how a reply ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.checks.builders import found, problems, spelt, status, subject

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.scenario.json_values import Json


@pytest.mark.parametrize(
    ("kind", "value", "reason", "expected"),
    [
        ("stop_reason", "end_turn", "end_turn", "passed"),
        ("stop_reason", "end_turn", "max_tokens", "failed"),
        ("stop_reason", ["end_turn", "max_tokens"], "max_tokens", "passed"),
        ("stop_reason", ["end_turn", "max_tokens"], "refusal", "failed"),
        ("stop_reason", "brand_new_value", "brand_new_value", "passed"),
        ("refusal", True, "refusal", "passed"),
        ("refusal", True, "end_turn", "failed"),
        ("refusal", False, "end_turn", "passed"),
        ("refusal", False, "refusal", "failed"),
    ],
)
def test_the_stop_reason_decides(
    kind: str, value: Json, reason: str, *, expected: str, snapshot: SnapshotAssertion
) -> None:
    """The API's own word is compared, and the sentence says what it was."""
    assert not problems(kind, value)
    result = found(kind, value, subject("I am sorry.", stop_reason=reason))
    assert result.status == expected
    assert (result.message, result.expected, result.actual) == snapshot


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("stop_reason", "end-turn"),
        ("stop_reason", ["end_turn", "max_token", 7, ""]),
        ("stop_reason", []),
        ("stop_reason", {"any": ["end_turn"]}),
        ("stop_reason", None),
        ("refusal", "no"),
        ("refusal", None),
        ("refusal", 1),
    ],
)
def test_problems_are_found_before_sending(kind: str, value: Json, snapshot: SnapshotAssertion) -> None:
    """Slips of the API's words are caught, words that it may learn later are not."""
    assert [spelt(problem) for problem in problems(kind, value)] == snapshot


def test_a_reply_that_says_no_is_no_refusal() -> None:
    """Only the API's stop reason counts, not what the text says."""
    assert status("refusal", value=True, judged="I will not answer that.") == "failed"

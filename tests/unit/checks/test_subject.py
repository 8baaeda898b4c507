"""What is judged: one turn with all its exchanges, or all turns of a conversation."""

from __future__ import annotations

from decimal import Decimal

from claude_run.checks.subject import Subject
from tests.unit.checks.builders import exchange, record


def test_a_turn_is_judged_over_all_its_exchanges() -> None:
    """A paused reply and its end are one text, and their numbers add up."""
    subject = Subject.of_turn(record(exchange("Hello ", stop_reason="pause_turn"), exchange("world")))
    assert (subject.text, subject.stop_reason) == ("Hello world", "end_turn")
    assert (subject.latency_s, subject.cost_usd) == (2.0, Decimal("0.002"))
    assert subject.usage.output_tokens == 10
    assert [block["type"] for block in subject.content] == ["thinking", "text", "thinking", "text"]


def test_a_conversation_is_its_replies_with_a_blank_line_between() -> None:
    """Unanswered turns leave no trace in the text, and the stop reason is the last reply's."""
    turns = [record(exchange("One.")), record(), record(exchange("Two.", stop_reason="max_tokens")), record()]
    subject = Subject.of_conversation(turns)
    assert (subject.text, subject.stop_reason) == ("One.\n\nTwo.", "max_tokens")
    assert (subject.latency_s, subject.cost_usd) == (2.0, Decimal("0.002"))
    assert subject.usage.output_tokens == 10
    assert len(subject.content) == 4
    assert subject.name == "the conversation"


def test_one_unknown_cost_makes_the_total_unknown() -> None:
    """A sum with an unpriced reply in it is not a sum."""
    turns = [record(exchange("One.")), record(exchange("Two.", cost=None))]
    assert Subject.of_conversation(turns).cost_usd is None
    assert Subject.of_turn(turns[1]).cost_usd is None


def test_without_a_reply_there_is_no_stop_reason() -> None:
    """A turn that was never answered cannot be told from its text, so its stop reason says it."""
    assert Subject.of_turn(record()).stop_reason is None
    assert Subject.of_conversation([record()]).stop_reason is None
    assert Subject.of_turn(record(exchange(""))).stop_reason == "end_turn"

"""Transcripts folded from events: turns, attempts, money, and conversations that were cut off."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Asked, Attempted, Failed
from claude_run.conversation.exchange import Failure, Reply, SentMessage
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.results import CheckResult, Outcome, Status, outcome_of
from claude_run.conversation.transcript import NOT_ENDED, Transcript, total_cost
from claude_run.conversation.usage import Usage
from tests.unit.conversation.builders import (
    AT,
    COST,
    assistant,
    body,
    check,
    ended,
    events_of,
    play,
    replied,
    script,
    started,
    system,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.conversation.events import Event

WHERE: dict[str, Any] = {"conversation_id": "greet/claude-haiku-5-5", "turn": 0, "key": "k"}
QUESTION = Asked(**WHERE, sent=(SentMessage(turn=0, role="user", content="Hello"),))


def _attempt(n: int = 1, worst: str | None = "0.01", **fields: Any) -> Attempted:
    cost = None if worst is None else Decimal(worst)
    return Attempted(**{**WHERE, "n": n, "worst_cost_usd": cost, "at": AT, **fields})


def _failure(n: int = 1, paid: str = "maybe") -> Failed:
    failure = Failure(kind="timeout", message="no reply", paid="no" if paid == "no" else "maybe")
    return Failed(**WHERE, n=n, failure=failure, at=AT)


def _log(*events: Event, end: bool = True) -> ConversationLog:
    last: Sequence[Event] = [ended()] if end else []
    return ConversationLog([started(script(user())), *events, *last])


def _folded(*events: Event, end: bool = True) -> Transcript:
    return _log(*events, end=end).transcript()


def test_a_transcript_has_every_turn_of_the_script_as_it_went() -> None:
    """Readers count turns from 1, scripted ones have content and no exchange, replies stand by their turn."""
    conversation = script(user("q1"), assistant("a1"), user("q2"), system("rule"), user("q3"))
    transcript = ConversationLog(events_of(conversation, [body("A2"), body("A3")])).transcript()
    assert [turn.index for turn in transcript.turns] == [0, 1, 2, 3, 4]
    assert [(turn.number, turn.role, turn.content, turn.sent, turn.text) for turn in transcript.turns] == [
        (1, "user", "q1", True, ""),
        (2, "assistant", "a1", True, ""),
        (3, "user", "q2", True, "A2"),
        (4, "system", "rule", True, ""),
        (5, "user", "q3", True, "A3"),
    ]
    assert transcript.turns[0].reply is None
    assert transcript.turns[4].reply is not None
    assert transcript.turns[4].reply.text == "A3"
    assert transcript.outcome is Outcome.PASSED


def test_a_later_request_of_a_turn_never_replaces_what_the_turn_said() -> None:
    """A tool result is sent for the same turn; the transcript keeps the user's text and both replies."""
    call = [{"type": "tool_use", "id": "toolu_1", "name": "get_order", "input": {"id": "A-1"}}]
    result = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "shipped"}]
    second = {**WHERE, "key": "k2"}
    transcript = _log(
        QUESTION,
        _attempt(),
        replied(**WHERE, reply=Reply.from_body(body(call, "tool_use"))),
        Asked(**second, sent=(SentMessage(turn=0, role="user", content=result),)),
        _attempt(key="k2"),
        replied(**second, reply=Reply.from_body(body("It is on its way."))),
    ).transcript()
    (turn,) = transcript.turns
    assert turn.content == "Hello"
    assert [exchange.sent[0].content for exchange in turn.exchanges] == ["Hello", result]
    assert (turn.text, turn.attempts) == ("It is on its way.", 2)


def test_turns_that_were_never_sent_are_told_apart() -> None:
    """After a refusal the later turns have no content, for nothing was rendered."""
    refused = events_of(script(user("a"), user("b")), [body([], "refusal")])
    transcript = ConversationLog(refused).transcript()
    assert [(turn.sent, turn.content) for turn in transcript.turns] == [(True, "a"), (False, None)]


def test_totals_are_the_sums_of_the_replies() -> None:
    """Usage, cost and latency of a turn are those of all its exchanges, the paused ones included."""
    conversation = script(user(), user())
    transcript = ConversationLog(
        events_of(conversation, [body("a", "pause_turn"), body("b"), body("c")])
    ).transcript()
    first = transcript.turns[0]
    assert (first.text, first.attempts, first.latency_s, first.cost_usd) == ("ab", 2, 1.0, 2 * COST)
    assert first.usage == Usage(input_tokens=20, output_tokens=4)
    assert transcript.usage == Usage(input_tokens=30, output_tokens=6)
    assert transcript.cost_usd == 3 * COST
    assert len(transcript.exchanges) == 3


def test_attempts_are_counted_per_request() -> None:
    """Two failures and a reply are three attempts, one exchange."""
    (exchange,) = ConversationLog(
        [QUESTION, _attempt(1), _failure(1), _attempt(2), _failure(2), _attempt(3), replied(**WHERE, n=3)]
    ).exchanges
    assert (exchange.attempts, exchange.request_id, exchange.received_at) == (3, "req_1", AT)
    assert exchange.sent == QUESTION.sent


def test_a_replayed_reply_cost_no_attempt() -> None:
    """It was taken from a recording, and says so."""
    transcript = _folded(QUESTION, replied(**WHERE, n=0, replayed=True))
    assert transcript.replayed
    assert transcript.turns[0].attempts == 0
    assert not _folded(QUESTION, _attempt(), replied(**WHERE)).replayed


def test_a_simulated_reply_says_so() -> None:
    """One simulated reply makes the conversation a simulated one."""
    assert _folded(QUESTION, _attempt(), replied(**WHERE, simulated=True)).simulated
    assert not _folded(QUESTION, _attempt(), replied(**WHERE)).simulated


def test_the_first_reply_to_a_request_counts() -> None:
    """A second one under the same key changes nothing that was said or sent since."""
    first, second = replied(**WHERE), replied(**WHERE, n=2, reply=Reply.from_body(body("late")))
    (exchange,) = ConversationLog([QUESTION, _attempt(1), first, _attempt(2), second]).exchanges
    assert exchange.attempts == 2
    assert exchange.reply.text == "Fine."


def test_a_reply_without_its_question_adds_no_message() -> None:
    """Only what was asked enters the history."""
    (exchange,) = ConversationLog([replied(**WHERE)]).exchanges
    assert exchange.sent == ()


def test_a_conversation_without_an_end_was_cut_off() -> None:
    """It counts as skipped, keeps the replies that it got, and can be resumed."""
    transcript = _folded(QUESTION, _attempt(), replied(**WHERE), end=False)
    assert (transcript.outcome, transcript.error) == (Outcome.SKIPPED, NOT_ENDED)
    assert (transcript.error_turn, transcript.duration_s) == (None, None)
    assert transcript.turns[0].text == "Fine."
    assert transcript.cost_usd == COST


def test_an_end_brings_its_checks_error_and_warnings() -> None:
    """Check results stand by their turn; the turn of the error counts from 0."""
    end = ended(
        outcome=Outcome.ERRORED,
        error="no reply",
        error_turn=1,
        warnings=("cut off",),
        turn_checks=((0, (check(),)),),
        checks=(check(Status.FAILED),),
    )
    transcript = ConversationLog([started(script(user(), user())), QUESTION, end]).transcript()
    assert (transcript.outcome, transcript.error, transcript.error_turn) == (Outcome.ERRORED, "no reply", 1)
    assert (transcript.warnings, transcript.duration_s) == (("cut off",), 1.5)
    assert [turn.checks for turn in transcript.turns] == [(check(),), ()]
    assert transcript.checks == (check(Status.FAILED),)


def test_a_resumed_conversation_ends_with_its_last_end() -> None:
    """A conversation that was ended and played on is judged by the later end."""
    events: list[Event] = [started(script(user())), ended(outcome=Outcome.ERRORED, error="x"), ended()]
    assert ConversationLog(events).transcript().outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("events", "uncertain"),
    [
        ([_attempt()], "0.01"),
        ([_attempt(), _failure()], "0.01"),
        ([_attempt(), _failure(paid="no")], "0"),
        ([_attempt(), replied(**WHERE)], "0"),
        ([_attempt(1), _failure(1), _attempt(2), replied(**WHERE, n=2)], "0.01"),
        ([_attempt(1), _failure(1), _attempt(2), _failure(2)], "0.02"),
        ([_attempt(worst=None), _failure()], "0"),
        ([_attempt(1), _attempt(1, key="other"), replied(**WHERE)], "0.01"),
    ],
)
def test_an_attempt_that_may_have_been_billed_is_uncertain_cost(events: list[Event], uncertain: str) -> None:
    """Only a reply or a sure refusal settles an attempt; until then it counts at its worst."""
    assert _folded(*events).uncertain_usd == Decimal(uncertain)


def test_one_unknown_price_makes_a_sum_unknown() -> None:
    """A sum that left it out would be too low; the sum of nothing is zero."""
    assert total_cost([]) == Decimal(0)
    assert total_cost([Decimal("0.1"), Decimal("0.2")]) == Decimal("0.3")
    assert total_cost([Decimal("0.1"), None]) is None
    assert _folded(QUESTION, _attempt(), replied(**WHERE, cost_usd=None)).cost_usd is None


@pytest.mark.parametrize(
    ("statuses", "error", "outcome"),
    [
        ([], None, Outcome.PASSED),
        ([Status.PASSED], None, Outcome.PASSED),
        ([Status.PASSED, Status.FAILED], None, Outcome.FAILED),
        ([Status.FAILED, Status.ERRORED], None, Outcome.ERRORED),
        ([Status.PASSED, Status.ERRORED], None, Outcome.ERRORED),
        ([], "no reply", Outcome.ERRORED),
        ([Status.FAILED], "no reply", Outcome.ERRORED),
    ],
)
def test_not_measured_outweighs_failed_and_failed_outweighs_passed(
    statuses: list[Status], error: str | None, outcome: Outcome
) -> None:
    """A check that could not be evaluated never counts as passed."""
    results: list[CheckResult] = [check(status) for status in statuses]
    assert outcome_of(results, error) is outcome


def test_folding_gives_the_exchanges_that_were_played() -> None:
    """The journal's way and the direct way agree, prices and keys included."""
    conversation = script(user("a"), user("b"))
    replies = [body("A"), body("B")]
    _, exchanges = play(conversation, replies)
    assert ConversationLog(events_of(conversation, replies)).exchanges == exchanges

"""Playing many conversations: concurrency, failures, the stop signal, going on where a run stopped."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Attempted, Ended, Replied
from claude_run.conversation.exchange import Failure
from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode, StorageError
from claude_run.play.retry import RetryPolicy
from claude_run.play.stop import Halt
from tests.unit.play.fakes import (
    FakedRun,
    FakeMessages,
    FlatPrices,
    MemoryRecorder,
    conversation,
    failure,
    message,
    user,
)

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Request
    from claude_run.conversation.script import Conversation
    from claude_run.play.stop import StopSignal


def many(number: int, **fields: Any) -> list[Conversation]:
    """Return so many conversations that are alike but for their names."""
    return [conversation(f"c{index}", **fields) for index in range(number)]


def test_a_conversation_is_sent_turn_by_turn_with_its_whole_history() -> None:
    """Each request holds the turns and the replies before it, in strict alternation."""
    run = FakedRun(messages=FakeMessages(answer=lambda _request, n: message(f"reply {n}")))
    assert run.play([conversation()]) is None
    assert run.messages is not None
    first, second = (request.body["messages"] for request in run.messages.requests)
    assert first == [{"role": "user", "content": "first"}]
    assert second == [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": [{"type": "text", "text": "reply 1"}]},
        {"role": "user", "content": "second"},
    ]


def test_the_attempt_is_journalled_before_the_reply_and_the_reply_before_the_next_turn() -> None:
    """The order of the events is the promise that nothing paid is lost."""
    run = FakedRun()
    run.play([conversation()])
    names = [type(event).__name__ for event in run.recorder.events]
    assert names == ["Started", *["Asked", "Attempted", "Replied"] * 2, "Ended"]


def test_no_more_requests_are_under_way_than_asked_for() -> None:
    """The concurrency option bounds what the API sees, over all models."""
    messages = FakeMessages()
    run = FakedRun(messages=messages, concurrency=7)
    mixed = [conversation(f"c{n}", model=f"m{n % 3}") for n in range(60)]
    run.play(mixed)
    assert messages.peak == 7
    assert len(run.progress.finished_ids) == 60


def test_whoever_watches_knows_what_is_asked_and_what_is_over() -> None:
    """Each turn is told as it leaves, with its place in the script, and what was paid can be looked up."""
    run = FakedRun()
    run.play([conversation("a"), *(conversation(name, model_label="small") for name in "bc")])
    ids = [f"{name}/claude-haiku-5-5" for name in "abc"]
    assert run.progress.totals == [{"claude-haiku-5-5": 1, "small": 2}]
    assert sorted(run.progress.asked) == [(name, turn) for name in ids for turn in (0, 1)]
    assert sorted(run.progress.gone) == ids
    spending = run.progress.spending
    assert (spending.cap_usd, spending.paid_usd) == (None, Decimal("0.06"))


def test_what_a_stop_ends_is_under_way_no_more() -> None:
    """A conversation that was given up before its end is told to be gone, as one that has ended is."""
    run = FakedRun(messages=FakeMessages(answer=lambda _request, _n: failure(401)))
    assert run.play([conversation("a"), conversation("b")]) is not None
    assert not run.progress.finished_ids
    assert {name for name, _ in run.progress.asked} <= set(run.progress.gone)
    assert run.progress.gone


def test_concurrency_begins_low_and_grows_while_replies_come() -> None:
    """The API's acceleration limit is respected: the first wave is half of what is allowed."""
    messages = FakeMessages()
    FakedRun(messages=messages, concurrency=50).play(many(200))
    assert sum(time == 0.0 for time in messages.times) == 25
    assert messages.peak == 50


def test_a_throttled_model_is_paused_and_halved() -> None:
    """After a 429 nobody sends before `retry-after` has passed, and fewer send at once."""

    def answer(_request: Request, n: int) -> Any:
        return failure(429, retry_after_s=20.0) if 9 <= n <= 12 else message()

    messages = FakeMessages(answer=answer)
    run = FakedRun(messages=messages, concurrency=8)
    assert run.play(many(40)) is None
    assert len(run.progress.finished_ids) == 40
    assert all(transcript.outcome is Outcome.PASSED for transcript in run.progress.transcripts)
    gap = max(later - earlier for earlier, later in zip(messages.times, messages.times[1:], strict=False))
    assert gap >= 19.0
    assert ("claude-haiku-5-5", 20.0, "429 from the test") in run.progress.waits


def test_a_line_before_a_narrow_limit_is_stood_in_to_its_end() -> None:
    """Five requests a minute for forty conversations: who waits for others loses no patience."""
    allowed_at = 0.0

    def answer(_request: Request, _n: int) -> Any:
        nonlocal allowed_at
        now = asyncio.get_running_loop().time()
        if now < allowed_at:
            return failure(429, retry_after_s=allowed_at - now)
        allowed_at = now + 12.0
        return message()

    run = FakedRun(messages=FakeMessages(answer=answer), concurrency=40)
    assert run.play(many(40)) is None
    assert {transcript.outcome for transcript in run.progress.transcripts} == {Outcome.PASSED}


def test_a_reset_of_the_limits_is_waited_for_within_bounds_and_named() -> None:
    """A reply that used the last request up holds its model back, unless the reset is absurdly far away."""
    for reset, wait_s in (("2026-11-23T12:00:07Z", 7.0), ("2099-01-01T00:00:00Z", 0.0)):
        headers = {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": reset,
        }
        messages = FakeMessages(headers=headers)
        run = FakedRun(messages=messages)
        assert run.play([conversation("c", user("x"), user("y"))]) is None
        assert messages.times == pytest.approx([0.0, wait_s + 0.1])
        named = ("claude-haiku-5-5", wait_s, "the API lets no more requests in before then")
        assert run.progress.waits == ([named] * 2 if wait_s else [])


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_passing_fault_is_retried_and_counted(status: int) -> None:
    """The transcript tells how many attempts a reply took."""
    run = FakedRun(messages=FakeMessages(answer=lambda _r, n: failure(status) if n < 3 else message()))
    run.play([conversation("c", user("only"))])
    (transcript,) = run.progress.transcripts
    assert transcript.outcome is Outcome.PASSED
    assert transcript.turns[0].attempts == 3


def test_patience_is_bounded_and_the_rest_of_the_conversation_is_skipped() -> None:
    """A request that never succeeds errors its conversation; its later turns are never sent."""
    messages = FakeMessages(answer=lambda _r, _n: failure(529))
    run = FakedRun(messages=messages)
    assert run.play([conversation()]) is None
    (transcript,) = run.progress.transcripts
    assert messages.times[0] < 300.0 <= messages.times[-1] < 301.0
    assert 10 < len(messages.requests) < 30
    assert transcript.outcome is Outcome.ERRORED
    assert transcript.error == "529 from the test"
    assert transcript.error_turn == 0
    assert [turn.sent for turn in transcript.turns] == [True, False]


def test_a_bad_request_is_not_retried_and_the_others_go_on() -> None:
    """A 400 is the business of one conversation."""

    def answer(request: Request, _n: int) -> Any:
        return failure(400) if request.body["model"] == "bad" else message()

    run = FakedRun(messages=FakeMessages(answer=answer))
    assert run.play([conversation("a", model="bad"), conversation("b")]) is None
    outcomes = {t.started.identity.scenario: t.outcome for t in run.progress.transcripts}
    assert outcomes == {"a": Outcome.ERRORED, "b": Outcome.PASSED}


@pytest.mark.parametrize(
    "fatal",
    [
        failure(401, type="authentication_error"),
        failure(402, type="billing_error"),
        failure(403, type="permission_error"),
        failure(404, type="not_found_error"),
        failure(429, code="enforced_spend_limit_reached"),
        Failure(kind="credentials", message="no key", paid="no"),
    ],
)
def test_a_hopeless_error_stops_the_run_within_two_seconds(fatal: Failure) -> None:
    """At most as many requests as may be under way are sent, and what hangs is not waited for."""
    messages = FakeMessages(answer=lambda _r, n: fatal if n == 1 else message(), latency_s=0.5)
    slow = FakeMessages(latency_s=100.0)

    class Mixed(FakeMessages):
        async def send(self, request: Request, **watched: Any) -> Any:
            return await (messages if not messages.requests else slow).send(request, **watched)

    run = FakedRun(messages=Mixed(), concurrency=50)
    halt = run.play(many(500), meanwhile=_clock_must_not_pass(2.0))
    assert halt is not None
    assert halt.code is ExitCode.NOT_MEASURED
    assert len(messages.requests) + len(slow.requests) <= 50


def _clock_must_not_pass(seconds: float) -> Any:
    async def watch(_brake: StopSignal) -> None:
        await asyncio.sleep(seconds)
        raise AssertionError("the run went on for too long")

    return watch


def test_a_refusal_fails_the_conversation_unless_it_is_expected() -> None:
    """A refusal that nobody asked about is a failed check; one that was expected passes."""
    refused = message("", stop_reason="refusal", stop_details={"category": "cyber"}, content=[])
    run = FakedRun(messages=FakeMessages(answer=lambda _r, _n: refused))
    run.play(
        [
            conversation("surprise"),
            conversation("expected", user("x", ("refusal", True))),
            conversation("too-early", user("x", ("stop_reason", "refusal")), user("y")),
        ]
    )
    found = {t.started.identity.scenario: t for t in run.progress.transcripts}
    assert found["surprise"].outcome is Outcome.FAILED
    assert found["surprise"].turns[0].checks[0].message == "the model refused to answer (category: cyber)"
    assert found["expected"].outcome is Outcome.PASSED
    assert found["too-early"].outcome is Outcome.ERRORED


def test_a_saved_value_reaches_the_next_turn_and_a_missing_one_fails() -> None:
    """`save` feeds later turns; a pattern that finds nothing is a failed check, not a crash."""
    turns = (user("state?", save={"state": "(shipped|pending)"}), user("Why {{ saved.state }}?"))
    messages = FakeMessages(answer=lambda _r, n: message("it is shipped" if n == 1 else "ok"))
    run = FakedRun(messages=messages)
    run.play([conversation("c", *turns)])
    sent: Any = messages.requests[1].body["messages"]
    assert sent[-1]["content"] == "Why shipped?"
    lost = FakedRun(messages=FakeMessages(answer=lambda _r, _n: message("who knows")))
    lost.play([conversation("c", *turns)])
    (transcript,) = lost.progress.transcripts
    assert transcript.outcome is Outcome.FAILED
    assert transcript.turns[0].checks[0].kind == "save"


def test_a_cut_off_reply_is_a_warning() -> None:
    """`max_tokens` goes on, and says so."""
    run = FakedRun(messages=FakeMessages(answer=lambda _r, _n: message(stop_reason="max_tokens")))
    run.play([conversation()])
    (transcript,) = run.progress.transcripts
    assert transcript.outcome is Outcome.PASSED
    assert transcript.warnings[0] == "turn 1: the reply was cut off at max_tokens (100)"


def test_what_is_odd_about_a_reply_is_a_warning() -> None:
    """Unknown usage and unknown blocks stop nothing, and are said once for each turn and kind."""
    odd = {**message(), "usage": None, "content": [{"type": "new"}, {"type": "new"}, {"type": "newer"}]}
    run = FakedRun(messages=FakeMessages(answer=lambda _r, _n: odd))
    run.play([conversation()])
    (transcript,) = run.progress.transcripts
    assert transcript.outcome is Outcome.PASSED
    assert transcript.warnings[:3] == (
        "turn 1: the reply does not say how many tokens it used: its cost is unknown",
        "turn 1: the reply holds a block of the unknown type 'new'",
        "turn 1: the reply holds a block of the unknown type 'newer'",
    )


def test_an_interrupt_lets_what_is_under_way_finish_and_sends_nothing_new() -> None:
    """Within the grace period replies are still kept; no request leaves after the signal."""
    messages = FakeMessages(latency_s=1.0)
    run = FakedRun(messages=messages, concurrency=4)
    halt = Halt(code=ExitCode.INTERRUPTED, reason="stopped by SIGINT", grace_s=10.0)

    async def interrupt(stop: StopSignal) -> None:
        await asyncio.sleep(0.5)
        stop.request(halt)

    assert run.play(many(50), meanwhile=interrupt) is halt
    replies = [event for event in run.recorder.events if isinstance(event, Replied)]
    assert len(messages.requests) == len(replies) == 4
    assert not any(isinstance(event, Ended) for event in run.recorder.events)


@pytest.mark.parametrize("after_s", [0.5, 1.5, 2.5])
def test_a_conversation_that_has_all_its_replies_is_judged_whenever_the_stop_comes(after_s: float) -> None:
    """Until its last reply is safe and the verdict is written nothing is sent, and so nothing is stopped."""
    run = FakedRun(messages=FakeMessages(latency_s=1.0), recorder=MemoryRecorder(sync_s=1.0))
    halt = Halt(code=ExitCode.CAPPED, reason="stopped by a cap", grace_s=10.0)

    async def cap(stop: StopSignal) -> None:
        await asyncio.sleep(after_s)
        stop.request(halt)

    assert run.play([conversation("c", user("x"))], meanwhile=cap) is halt
    (transcript,) = run.progress.transcripts
    assert transcript.outcome is Outcome.PASSED


def test_grace_ends_and_a_second_signal_ends_it_at_once() -> None:
    """A reply that does not come in time is given up, and remains possibly paid."""
    for again in (False, True):
        messages = FakeMessages(latency_s=500.0)
        run = FakedRun(messages=messages, concurrency=2)

        async def interrupt(stop: StopSignal, *, again: bool = again) -> None:
            await asyncio.sleep(0.5)
            stop.request(Halt(code=ExitCode.INTERRUPTED, reason="stop", grace_s=10.0))
            if again:
                stop.request_now()
            await asyncio.sleep(1.0 if again else 10.5)
            raise AssertionError("still playing")

        assert run.play(many(5), meanwhile=interrupt) is not None
        assert sum(isinstance(event, Attempted) for event in run.recorder.events) == 2


def test_a_played_conversation_is_continued_at_its_next_unsent_turn() -> None:
    """What the journal already answers is not sent again."""
    first = FakedRun(messages=FakeMessages(answer=lambda _r, n: message(f"reply {n}")))
    first.play([conversation()])
    cut = tuple(first.recorder.events[:4])
    messages = FakeMessages(answer=lambda _r, _n: message("late"))
    second = FakedRun(messages=messages)
    second.play([conversation()], earlier={"test/claude-haiku-5-5": cut})
    assert len(messages.requests) == 1
    (transcript,) = second.progress.transcripts
    assert [turn.text for turn in transcript.turns] == ["reply 1", "late"]


def test_a_broken_journal_ends_everything_at_once() -> None:
    """Nothing is sent that could not be written down."""
    messages = FakeMessages()
    run = FakedRun(messages=messages)

    async def break_disk(_brake: StopSignal) -> None:
        await asyncio.sleep(0.25)
        run.recorder.broken = StorageError("disk full")

    with pytest.raises(StorageError, match="disk full"):
        run.play(many(100), meanwhile=break_disk)
    assert messages.times[-1] <= 0.25
    assert run.progress.ended


def test_the_run_stops_after_so_many_failures() -> None:
    """`--max-failures` counts failed and errored conversations."""
    run = FakedRun(messages=FakeMessages(), max_failures=2, concurrency=1)
    halt = run.play(many(9, turns=(user("x", ("contains", "never")),)))
    assert halt is not None
    assert halt.code is ExitCode.FAILED
    assert len(run.progress.finished_ids) == 2


def test_a_reply_after_the_deadline_is_not_waited_for() -> None:
    """The deadline of an attempt is wall-clock time; patience does not cut it short, and ends meanwhile."""
    messages = FakeMessages(latency_s=700.0)
    run = FakedRun(messages=messages)
    run.play([conversation("c", user("x"))])
    (transcript,) = run.progress.transcripts
    assert transcript.error == "no whole reply within 600 s"
    assert len(messages.requests) == 2


def test_a_wait_beyond_the_conversations_deadline_is_not_begun() -> None:
    """An hour of `retry-after` against a minute of patience ends the conversation now."""
    messages = FakeMessages(answer=lambda _r, _n: failure(429, retry_after_s=3600.0))
    run = FakedRun(messages=messages, conversation_s=60.0)
    run.play([conversation("c", user("x"))], meanwhile=_clock_must_not_pass(1.0))
    assert len(messages.requests) == 1


def test_a_wait_that_ends_at_the_conversations_deadline_sends_nothing_more() -> None:
    """Its time is over then, though there is a place: no attempt is written down that has no time at all."""
    messages = FakeMessages(answer=lambda _r, _n: failure(503, retry_after_s=10.0), latency_s=0.25)
    run = FakedRun(messages=messages, conversation_s=10.25)
    run.play([conversation("c", user("x"))])
    (transcript,) = run.progress.transcripts
    assert transcript.error == "the conversation's time was over before its next request could be sent"
    assert len(messages.requests) == 1


class TestMoney:
    """The cap is held against spent, reserved and possibly paid money."""

    def test_nothing_is_sent_that_could_break_the_cap(self) -> None:
        """The last request that fits is sent, the next one is not."""
        messages = FakeMessages()
        run = FakedRun(messages=messages, cap=Decimal("0.05"), concurrency=10)
        halt = run.play(many(30, turns=(user("x"),)))
        assert halt is not None
        assert halt.code is ExitCode.CAPPED
        assert len(messages.requests) == 4  # 0.01 each; a fifth could cost 0.02 and end above 0.05
        assert run.budget.spent_usd == Decimal("0.04")

    def test_an_unpriced_request_is_refused_under_a_cap(self) -> None:
        """What cannot be bounded is not sent."""
        messages = FakeMessages()
        run = FakedRun(messages=messages, cap=Decimal(1), prices=FlatPrices(paid_usd=None, worst_usd=None))
        halt = run.play(many(3))
        assert halt is not None
        assert halt.code is ExitCode.CAPPED
        assert messages.requests == []

    def test_a_lost_attempt_counts_at_its_worst(self) -> None:
        """A cut connection may have been billed."""
        cut = Failure(kind="connection", message="cut")
        policy = RetryPolicy(patience_s=0.0)
        messages = FakeMessages(answer=lambda _r, _n: cut)
        run = FakedRun(messages=messages, cap=Decimal(1), policy=policy)
        run.play(many(2, turns=(user("x"),)))
        assert [each.uncertain_usd for each in run.progress.transcripts] == [Decimal("0.02")] * 2
        assert run.budget.spent_usd == Decimal("0.04")

    def test_requests_can_be_capped_by_number(self) -> None:
        """`--max-requests` ends the run with the code of a cap."""
        messages = FakeMessages()
        run = FakedRun(messages=messages, max_requests=3)
        halt = run.play(many(9))
        assert halt is not None
        assert halt.code is ExitCode.CAPPED
        assert len(messages.requests) == 3

    def test_attempts_of_earlier_processes_count_too(self) -> None:
        """A run that went on has what is left of its requests, and says so."""
        messages = FakeMessages()
        halt = FakedRun(messages=messages, max_requests=3, attempts=2).play(many(9))
        assert halt is not None
        assert halt.reason == "stopped by --max-requests 3, 2 of them before it went on"
        assert len(messages.requests) == 1


def test_a_wait_for_money_is_over_when_the_others_were_cheaper() -> None:
    """What was set aside for them and not spent lets the next request out, and whoever watches is told."""
    run = FakedRun(cap=Decimal("0.03"))
    assert run.play(many(2, turns=(user("x"),))) is None
    assert [what for what, _, _ in run.progress.waits] == run.progress.resumptions == ["--max-cost"]


def test_a_wait_for_money_is_named_and_ends_with_the_conversations_time() -> None:
    """Money that is set aside for a request under way comes free too late: nothing is sent then."""
    messages = FakeMessages(latency_s=90.0)
    run = FakedRun(messages=messages, cap=Decimal("0.03"), conversation_s=60.0)
    run.play(many(2, turns=(user("x"),)), meanwhile=_clock_must_not_pass(61.0))
    late = "the conversation's time was over before its next request could be sent"
    assert late in {transcript.error for transcript in run.progress.transcripts}
    assert len(messages.requests) == 1
    (wait,) = run.progress.waits
    assert wait == ("--max-cost", 60.0, "or sooner: requests under way must first show what they cost")

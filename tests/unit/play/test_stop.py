"""What stops a run beside its caps: an API that is down or wants to be left alone, and a user in a hurry."""

from __future__ import annotations

import asyncio
import base64
import itertools
import uuid
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Attempted
from claude_run.conversation.exchange import Failure
from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.play.pacing import START
from claude_run.play.retry import Failures
from claude_run.play.stop import FailureBreaker, Halt, StopSignal, hopeless, outage_too_long
from claude_run.record.recording import Recording
from tests.unit.play.fakes import EPOCH, FakedRun, FakeMessages, conversation, failure, message, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.conversation.exchange import Request

DOWN = failure(529)


def test_the_breaker_counts_in_a_row_and_by_model() -> None:
    """An answer begins the count anew; another model's failures are its own."""
    breaker = FailureBreaker()
    breaker.failed("m", DOWN, key="a", now=7.0)
    breaker.failed("m", DOWN, key="a", now=8.0)
    failures = breaker.failed("m", DOWN, key="b", now=9.0)
    assert (failures.attempts, len(failures.keys), failures.since) == (3, 2, 7.0)
    assert breaker.failed("other", DOWN, key="a", now=9.0).attempts == 1
    assert breaker.answered("m") is failures
    assert breaker.answered("m") == Failures()
    assert breaker.failed("m", DOWN, key="a", now=10.0).since == 10.0


def test_an_outage_that_ends_the_run_says_how_long_and_the_way_out() -> None:
    """Whoever reads it knows how hard it was tried, and how to go on."""
    failures = Failures(since=10.0, attempts=1234, keys={"a", "b"})
    halt = outage_too_long("m", failures, DOWN, now=311.0)
    assert halt.code is ExitCode.NOT_MEASURED
    assert halt.reason == (
        "m has not replied for 301 s: 1,234 attempts at 2 requests failed, the last one with: 529 from the"
        " test; go on with the run once the API answers again, or wait longer with"
        " --patience"
    )


def test_a_hopeless_failure_says_when_to_come_back() -> None:
    """The time stands in the reason, however far away the API puts it."""
    assert hopeless(DOWN, wait_s=None, now=EPOCH).reason == "529 from the test"
    near = hopeless(DOWN, wait_s=3600.0, now=EPOCH)
    assert near.reason == (
        "529 from the test; the API asks to wait 3600 s, longer than this run may:"
        " go on with the run, not before 2026-11-23 13:00:00 UTC"
    )
    far = hopeless(DOWN, wait_s=1e300, now=EPOCH).reason
    assert "the API asks to wait more than a year, longer than this run may" in far
    assert "not before 2027-11-23" in far


@pytest.mark.parametrize("concurrency", [1, 2, 50])
def test_a_run_against_an_api_that_is_down_ends_once(concurrency: int) -> None:
    """After its patience, though a thousand conversations wait, and not conversation by conversation."""
    messages = FakeMessages(answer=lambda _r, _n: DOWN)
    run = FakedRun(messages=messages, concurrency=concurrency)
    halt = run.play([conversation(f"c{n}", user("x")) for n in range(1000)])
    assert halt is not None
    assert halt.code is ExitCode.NOT_MEASURED
    assert halt.reason.startswith("claude-haiku-5-5 has not replied for 30")
    assert 300.0 <= messages.times[-1] < 310.0
    assert len(messages.requests) < 25 + 36  # the first wave, then one probe at a time
    assert len(run.progress.transcripts) < 5
    assert run.progress.outages[0][0] == "claude-haiku-5-5"
    assert run.progress.resumptions == []


def test_an_outage_is_waited_out_by_one_request_at_a_time() -> None:
    """While it lasts one probe is under way, shown with its reason, and the first reply lets all go on."""

    def answer(_request: Request, _n: int) -> Any:
        now = asyncio.get_running_loop().time()
        return DOWN if 2.0 <= now < 290.0 else message()

    messages = FakeMessages(answer=answer, latency_s=0.5)
    run = FakedRun(messages=messages, concurrency=20)
    assert run.play([conversation(f"c{n}", *[user("x")] * 5) for n in range(50)]) is None
    assert {transcript.outcome for transcript in run.progress.transcripts} == {Outcome.PASSED}
    probes = [time for time in messages.times if 3.0 <= time < 290.0]
    assert 5 <= len(probes) <= 40
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(probes))
    after = [time for time in messages.times if time >= 290.0]
    assert after[0] < 290.0 + 60.0
    assert after[-1] - after[0] < 60.0
    assert {reason for _, _, reason in run.progress.outages} == {"529 from the test"}
    assert run.progress.resumptions == ["claude-haiku-5-5"]
    # Many requests try in turn, so that one that is to blame itself holds nobody up.
    asked = {str(request.body["messages"]) for request in messages.requests[-len(after) - len(probes) :]}
    assert len(asked) > 1


def test_an_outage_as_long_as_patience_is_waited_out_by_one_worker_too() -> None:
    """The last attempt is at the end of patience, so that nothing is lost to the jitter."""

    def answer(_request: Request, _n: int) -> Any:
        return DOWN if asyncio.get_running_loop().time() < 300.0 else message()

    run = FakedRun(messages=FakeMessages(answer=answer), concurrency=1)
    assert run.play([conversation(f"c{n}", user("x")) for n in range(3)]) is None
    assert [each.outcome for each in run.progress.transcripts] == [Outcome.PASSED] * 3


def test_an_outage_of_one_model_is_not_that_of_another() -> None:
    """The other model is asked side by side, and its conversations pass."""

    def answer(request: Request, _n: int) -> Any:
        return DOWN if request.model == "down" else message(model=request.model)

    messages = FakeMessages(answer=answer)
    run = FakedRun(messages=messages)
    conversations = [conversation(f"c{n}", model="down" if n % 2 else "up") for n in range(20)]
    halt = run.play(conversations)
    assert halt is not None
    assert halt.reason.startswith("down has not replied for ")
    passed = [each for each in run.progress.transcripts if each.outcome is Outcome.PASSED]
    assert {each.started.identity.model for each in passed} == {"up"}
    assert len(passed) == 10


def test_a_refusal_ends_an_outage() -> None:
    """An API that says no is there: all that wait go out together, and not one by one."""
    refused_at: list[float] = []

    def answer(request: Request, _n: int) -> Any:
        now = asyncio.get_running_loop().time()
        if "bad" in str(request.body["messages"]) and now > 60.0:
            refused_at.append(now)
            return failure(400)
        return message() if refused_at else failure(503)

    messages = FakeMessages(answer=answer)
    run = FakedRun(messages=messages, concurrency=6)
    assert run.play([conversation("bad", user("bad")), *(conversation(f"c{n}") for n in range(5))]) is None
    assert [each.outcome for each in run.progress.transcripts].count(Outcome.PASSED) == 5
    assert messages.times.count(refused_at[0]) == 5
    assert run.progress.resumptions == ["claude-haiku-5-5"]


def test_one_request_that_never_succeeds_ends_alone() -> None:
    """Others were answered, or none is left to ask: its conversation is errored, the run is not ended."""

    def answer(request: Request, _n: int) -> Any:
        return DOWN if "bad" in str(request.body["messages"]) else message()

    for concurrency in (1, 3):
        run = FakedRun(messages=FakeMessages(answer=answer), concurrency=concurrency)
        mixed = [conversation("bad", user("bad")), *(conversation(f"c{n}") for n in range(9))]
        assert run.play(mixed) is None
        found = [each.started.identity.scenario for each in run.progress.transcripts if each.error]
        assert (found, len(run.progress.transcripts)) == (["bad"], 10)


def test_what_refuses_the_first_few_requests_refuses_all() -> None:
    """The same words to each, apart from numbers, and no reply between: the others need not ask."""

    def answer(_request: Request, number: int) -> Any:
        return Failure(kind="status", status=400, message=f"400 in request {number}", paid="no")

    messages = FakeMessages(answer=answer)
    run = FakedRun(messages=messages, concurrency=2)
    halt = run.play([conversation(f"c{n}", user("x")) for n in range(100)])
    assert halt is not None
    assert halt.code is ExitCode.NOT_MEASURED
    assert halt.reason == (
        "the first 5 requests to claude-haiku-5-5 failed in the same way: 400 in request 5"
    )
    assert halt.grace_s is None
    assert 5 <= len(messages.requests) <= 7


@pytest.mark.parametrize(
    "name_of",
    [
        lambda dice: f"{dice.getrandbits(128):032x}",
        lambda dice: f"{dice.getrandbits(32):08X}",
        lambda dice: str(uuid.UUID(int=dice.getrandbits(128))),
        lambda dice: f"req_011CS{base64.urlsafe_b64encode(dice.randbytes(15)).decode()}",
        lambda dice: f"{base64.b64encode(b'id 0' + dice.randbytes(12)).decode().replace('/', '+')}",
        lambda dice: f"2026-11-28T{dice.randrange(24):02}:{dice.randrange(60):02}:00.{dice.randrange(1000)}Z",
    ],
    ids=["hexadecimal", "short", "uuid", "request", "base64", "time"],
)
def test_a_refusal_that_names_each_request_is_the_same_refusal(name_of: Callable[[Random], str]) -> None:
    """Ids and times are no words: servers put new ones into each answer."""
    dice, breaker = Random(7), FailureBreaker()  # noqa: S311 - only a test's dice
    halts = [breaker.refused("m", refusal(f"rejected (trace {name_of(dice)})")) for _ in range(5)]
    assert halts[:4] == [None] * 4
    assert halts[4] is not None


def test_refusals_of_different_kinds_are_not_the_same() -> None:
    """Another status, another type, other words: each case may have its own, and the others may be good."""
    for others in (
        [refusal("too odd", status=400 + n) for n in range(10)],
        [refusal("too odd", type=f"kind_{'x' * n}") for n in range(10)],
        [refusal(f"{word} is not allowed") for word in ("top_k", "tools", "system", "stop", "metadata")],
    ):
        breaker = FailureBreaker()
        assert [breaker.refused("m", each) for each in others] == [None] * len(others)


def refusal(message: str, **fields: Any) -> Failure:
    """Return what the API refuses for good."""
    return Failure(**{"kind": "status", "status": 400, "message": message, "paid": "no", **fields})


def test_what_can_never_leave_is_no_attempt() -> None:
    """It ends its conversation alone, costs nothing, and a replay is told the same as a live run."""
    for messages in (FakeMessages(), None):
        run = FakedRun(messages=messages, recording=Recording([]))
        assert run.play([conversation(f"c{n}", user("x\ud800")) for n in range(10)]) is None
        (error,) = {transcript.error for transcript in run.progress.transcripts}
        assert error is not None
        assert "what UTF-8 cannot carry" in error
        assert not any(isinstance(event, Attempted) for event in run.recorder.events)


def test_bad_requests_are_no_sign_that_all_are_bad() -> None:
    """A scenario that the API refuses is refused as often as it is played, where others are answered."""

    def refused(request: Request, _number: int) -> Any:
        good = "good" in str(request.body["messages"])
        return message() if good else failure(400)

    def differently(_request: Request, number: int) -> Any:
        return Failure(kind="status", status=400, message=f"400 because of {'x' * number}", paid="no")

    mixed = [conversation(f"c{n}", user("good" if n % 5 == 4 else "bad")) for n in range(30)]
    run = FakedRun(messages=FakeMessages(answer=refused), concurrency=1)
    assert run.play(mixed) is None
    assert sum(each.outcome is Outcome.ERRORED for each in run.progress.transcripts) == 24
    run = FakedRun(messages=FakeMessages(answer=differently))
    assert run.play([conversation(f"c{n}", user("x")) for n in range(30)]) is None
    assert len(run.progress.transcripts) == 30


def test_a_conversation_whose_time_is_over_sends_nothing_more() -> None:
    """A pause of its model that outlasts it leaves no attempt in the journal that was never made."""

    def answer(request: Request, _n: int) -> Any:
        late = "late" in str(request.body["messages"])
        return failure(429, retry_after_s=35.0) if late else message()

    messages = FakeMessages(answer=answer, latency_s=30.0)
    run = FakedRun(messages=messages, conversation_s=70.0, concurrency=2)
    long = conversation("long", user("at 0 s"), user("at 30 s"), user("not before 95 s"))
    run.play([long, conversation("short", user("at 0 s")), conversation("late", user("late, at 30 s"))])
    found = {transcript.started.identity.scenario: transcript for transcript in run.progress.transcripts}
    assert found["long"].error == "the conversation's time was over before its next request could be sent"
    assert found["long"].uncertain_usd == 0
    assert len(messages.requests) == sum(isinstance(event, Attempted) for event in run.recorder.events)


def test_a_retry_is_not_waited_for_when_the_run_is_stopping() -> None:
    """What fails within the grace is over: nothing would be sent after the wait."""
    messages = FakeMessages(answer=lambda _r, _n: failure(503, retry_after_s=300.0), latency_s=1.0)

    async def stop(stop: StopSignal) -> None:
        await asyncio.sleep(0.5)
        stop.request(Halt(code=ExitCode.CAPPED, reason="the cap"))
        await asyncio.sleep(5.0)
        raise AssertionError("it waits for a retry")

    halt = FakedRun(messages=messages).play([conversation("c")], meanwhile=stop)
    assert halt is not None
    assert len(messages.requests) == 1


def test_the_user_outranks_a_cap_and_bounds_its_patience() -> None:
    """A stop that waits for replies for ever ends with the grace of the first Ctrl-C, and with its code."""
    interrupt = Halt(code=ExitCode.INTERRUPTED, reason="stopped by SIGINT", grace_s=10.0)

    async def stop(stop: StopSignal) -> None:
        await asyncio.sleep(0.5)
        stop.request(Halt(code=ExitCode.CAPPED, reason="the cap"))
        await asyncio.sleep(20.0)
        stop.interrupt(interrupt)
        await asyncio.sleep(10.5)
        raise AssertionError("still playing")

    run = FakedRun(messages=FakeMessages(latency_s=500.0))
    assert run.play([conversation("c")], meanwhile=stop) is interrupt


def test_the_first_reason_is_kept_among_equals() -> None:
    """A cap that is hit while another one stops the run changes nothing."""

    async def pull() -> Halt | None:
        stop = StopSignal()
        first = Halt(code=ExitCode.CAPPED, reason="first")
        stop.request(first)
        stop.request(Halt(code=ExitCode.NOT_MEASURED, reason="second"))
        return stop.halt

    halt = asyncio.run(pull())
    assert halt is not None
    assert halt.reason == "first"


def test_a_model_that_asks_for_an_hour_is_left_alone() -> None:
    """The limit is everybody's: the run stops with the time to come back, and nothing counts as an error."""
    messages = FakeMessages(answer=lambda _r, _n: failure(429, retry_after_s=7200.0))
    run = FakedRun(messages=messages, concurrency=20)
    halt = run.play([conversation(f"c{n}") for n in range(100)])
    assert halt is not None
    assert halt.code is ExitCode.NOT_MEASURED
    assert "not before 2026-11-23 14:00:00 UTC" in halt.reason
    assert run.progress.transcripts == []
    assert len(messages.requests) <= START


def test_an_error_in_mid_stream_that_concerns_the_key_ends_the_run() -> None:
    """The status of a stream is 200: the type of the error decides."""
    revoked = Failure(kind="status", type="authentication_error", message="revoked in mid-stream")
    halt = FakedRun(messages=FakeMessages(answer=lambda _r, _n: revoked)).play([conversation("c")])
    assert halt is not None
    assert halt.code is ExitCode.NOT_MEASURED

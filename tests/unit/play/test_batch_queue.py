"""Batches in virtual time: submitted, followed, lost and found, canceled, and taken up again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Attempted, Ended, Event, Failed, Replied
from claude_run.conversation.exchange import Failure
from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode, StorageError
from claude_run.play.batch import BatchLimits
from claude_run.play.batch_calls import BatchTimes
from claude_run.play.ports import RequestFailedError
from claude_run.play.stop import Halt, StopSignal
from claude_run.record.history import OpenBatch, Submitted
from tests.unit.play.fakes import FakeBatches, FakedRun, FlatPrices, conversation, failure, message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.conversation.script import Conversation

MODEL = "claude-haiku-5-5"
CUT = Failure(kind="connection", message="the connection was cut", paid="maybe")
EXPIRED = Failure(kind="expired", message="expired", paid="no")


def talks(number: int) -> list[Conversation]:
    """Return so many conversations of two turns."""
    return [conversation(f"c{index}") for index in range(number)]


def played(number: int = 4, **options: Any) -> FakedRun:
    """Play so many conversations in batches to their end."""
    run = FakedRun(**{"batches": FakeBatches(), **options})
    run.halt = run.play(talks(number))  # type: ignore[attr-defined] # for the asserts
    return run


def outcomes(run: FakedRun) -> Counter[Outcome]:
    """Count how the conversations ended."""
    return Counter(event.outcome for event in run.recorder.events if isinstance(event, Ended))


def submitted(run: FakedRun) -> Counter[str]:
    """Count how often each request was submitted."""
    assert run.batches is not None
    return Counter(name.partition("-")[2] for batch in run.batches.taken.values() for name in batch)


def lines(run: FakedRun) -> list[str]:
    """Return what was written down of batches."""
    return [line["what"].removeprefix("batch_") for line in run.recorder.lines]


def test_waves_go_out_when_nobody_moves() -> None:
    """The first request live, and its conversation's second turn with the first turns of the others."""
    run = played()
    assert run.batches is not None
    assert run.messages is not None
    assert run.batches.sizes == [4, 3]
    assert len(run.messages.requests) == 1
    assert lines(run) == ["submitting", "submitted"] * 2
    attempts = [event for event in run.recorder.events if isinstance(event, Attempted)]
    assert [event.in_batch for event in attempts].count(False) == 1
    assert {event.worst_cost_usd for event in attempts if event.in_batch} == {Decimal("0.01")}
    assert outcomes(run) == {Outcome.PASSED: 4}


def test_the_journal_knows_of_a_batch_before_it_is_submitted() -> None:
    """Each of its requests has an attempt by then, and the line is on the disk."""
    seen: list[tuple[int, int]] = []

    class Watched(FakeBatches):
        async def submit(self, items: Any, headers: Any) -> Any:
            attempts = sum(isinstance(event, Attempted) for event in run.recorder.events)
            seen.append((attempts, len(run.recorder.lines[-1]["keys"])))
            return await super().submit(items, headers)

    run = FakedRun(batches=Watched())
    run.play(talks(4))
    assert seen == [(5, 4), (8, 3)]


def test_a_wave_that_is_too_large_is_several_batches() -> None:
    """Each within the limits, and each request in one of them."""
    run = played(10, limits=BatchLimits(requests=3), proven=frozenset({MODEL}))
    assert run.batches is not None
    assert max(run.batches.sizes) == 3
    assert set(submitted(run).values()) == {1}
    assert outcomes(run) == {Outcome.PASSED: 10}


def test_looks_are_ever_more_seldom() -> None:
    """Twenty hours are some 1,200 looks and not 72,000."""
    run = played(1, batches=FakeBatches(delay_s=72_000), proven=frozenset({MODEL}))
    assert run.batches is not None
    assert 1100 < run.batches.calls.count("state") / 2 < 1300


def test_items_that_fail_go_into_the_next_wave() -> None:
    """Errors of a batch that pass are tried again, those that do not are given up at once."""

    def answer(params: dict[str, Any], name: str) -> dict[str, Any] | Failure:
        asked.append(name)
        if len(asked) == 1:
            return EXPIRED
        if len(asked) == 2:
            return failure(400, type="invalid_request_error")
        return message(model=params["model"])

    asked: list[str] = []
    run = played(4, batches=FakeBatches(answer=answer), proven=frozenset({MODEL}))
    assert run.batches is not None
    assert run.batches.sizes == [4, 3, 1]
    assert outcomes(run) == {Outcome.PASSED: 3, Outcome.ERRORED: 1}


def test_a_request_that_always_expires_is_given_up() -> None:
    """After five batches, however long they took."""
    run = played(1, batches=FakeBatches(answer=lambda *_: EXPIRED, delay_s=86_400), proven=frozenset({MODEL}))
    assert run.batches is not None
    assert run.batches.sizes == [1] * 5
    assert outcomes(run) == {Outcome.ERRORED: 1}


def test_results_that_break_off_are_read_again() -> None:
    """From the beginning; what was taken from them already is not taken twice."""
    trouble = {"results": [Failure(kind="truncated", message="cut")] * 3}
    run = played(5, batches=FakeBatches(trouble=trouble), proven=frozenset({MODEL}))
    replies = Counter(event.key for event in run.recorder.events if isinstance(event, Replied))
    assert set(replies.values()) == {1}
    assert len(replies) == 10


def test_a_request_without_a_result_is_uncertain_and_goes_again() -> None:
    """Nobody knows whether it was paid for."""
    batches = FakeBatches()

    class Forgetful(FakeBatches):
        def put(self, requests: dict[str, Any]) -> str:
            if not self.taken:
                self.left_out.add(next(iter(requests)))
            return super().put(requests)

    batches = Forgetful()
    run = played(2, batches=batches, proven=frozenset({MODEL}))
    assert batches.sizes == [2, 2, 1]
    (failed,) = [event for event in run.recorder.events if isinstance(event, Failed)]
    assert failed.failure.paid == "maybe"
    assert outcomes(run) == {Outcome.PASSED: 2}


def test_results_with_a_line_that_stays_unreadable_are_read_five_times() -> None:
    """Then its request has failed, as a live one would, and the others go on."""
    garbled = Failure(kind="invalid_reply", message="garbled", paid="maybe")

    class Garbled(FakeBatches):
        async def results(self, batch: str, headers: Any) -> Any:
            async for name, found in FakeBatches.results(self, batch, headers):
                yield name, found
            if self.left_out & self.taken[batch].keys():
                raise RequestFailedError(garbled)

        def put(self, requests: dict[str, Any]) -> str:
            if not self.taken:
                self.left_out.add(next(iter(requests)))
            return super().put(requests)

    batches = Garbled()
    run = played(2, batches=batches, proven=frozenset({MODEL}))
    assert batches.sizes == [2, 2, 1]
    assert batches.calls.count("results") >= 5
    assert [event.failure for event in run.recorder.events if isinstance(event, Failed)] == [garbled]
    assert outcomes(run) == {Outcome.PASSED: 2}


def test_results_of_which_nothing_can_be_read_stay_at_the_api() -> None:
    """They were paid for: nothing is sent again, and a resume reads them later."""

    class Garbled(FakeBatches):
        async def results(self, batch: str, headers: Any) -> Any:  # noqa: ARG002 - the port's shape
            self.calls.append("results")
            raise RequestFailedError(Failure(kind="invalid_reply", message="garbled", paid="maybe"))
            yield  # what makes it a generator

    batches = Garbled()
    run = FakedRun(batches=batches, proven=frozenset({MODEL}))
    halt = run.play(talks(2))
    assert halt is not None
    assert halt.code is ExitCode.NOT_MEASURED
    assert halt.reason.startswith("the results of msgbatch_1 cannot be read: garbled; ")
    assert batches.calls.count("results") == 5
    assert batches.sizes == [2]
    assert not any(isinstance(event, Failed) for event in run.recorder.events)


def test_a_submission_whose_answer_is_lost_is_found() -> None:
    """By the token in its ids; it is not submitted again."""
    run = played(4, batches=FakeBatches(trouble={"submit": [CUT]}), proven=frozenset({MODEL}))
    assert run.batches is not None
    assert run.batches.sizes == [4, 4]
    assert lines(run) == ["submitting", "submitted"] * 2


def test_a_submission_that_was_refused_is_made_again() -> None:
    """After a while, and as the same batch; the list need not be looked at for it."""
    refused = [failure(529, type="overloaded_error"), failure(429, retry_after_s=100.0)]
    run = played(4, batches=FakeBatches(trouble={"submit": refused}), proven=frozenset({MODEL}))
    assert run.batches is not None
    assert run.batches.sizes == [4, 4]
    assert lines(run) == ["submitting", "submitted"] * 2
    assert ("batches", 100.0, "429 from the test") in run.progress.waits


def test_no_batch_is_taken_for_as_long_as_there_is_patience() -> None:
    """Then the run ends, and nothing of it was paid for."""
    trouble = {"submit": [failure(529, type="overloaded_error")] * 1000}
    run = FakedRun(batches=FakeBatches(trouble=trouble), proven=frozenset({MODEL}))
    halt = run.play(talks(3))
    assert halt is not None
    assert halt.code is ExitCode.NOT_MEASURED
    assert "the API has taken no batch for" in halt.reason
    assert lines(run) == ["submitting", "dropped"]
    failed = [event.failure for event in run.recorder.events if isinstance(event, Failed)]
    assert [each.paid for each in failed] == ["no"] * 3


@pytest.mark.parametrize("call", ["submit", "state", "listed"])
def test_what_every_call_would_share_ends_the_run(call: str) -> None:
    """A key that is wrong is named once."""
    trouble = {call: [failure(401, type="authentication_error")]}
    run = FakedRun(batches=FakeBatches(trouble=trouble), proven=frozenset({MODEL}))
    halt = run.play(talks(3))
    assert halt is not None
    assert halt.reason == "401 from the test"


def test_a_batch_that_is_too_large_after_all_fails_its_requests() -> None:
    """They are errored, with what the API says."""
    run = played(2, batches=FakeBatches(trouble={"submit": [failure(413)]}), proven=frozenset({MODEL}))
    assert outcomes(run) == {Outcome.ERRORED: 2}
    assert lines(run) == ["submitting", "dropped"]


def test_an_outage_while_batches_are_looked_at_lasts_as_long_as_it_lasts() -> None:
    """Longer than anybody has patience for: the batch goes on."""
    down = [Failure(kind="connection", message="down", paid="no")] * 100
    run = played(2, batches=FakeBatches(trouble={"state": down}), proven=frozenset({MODEL}))
    assert outcomes(run) == {Outcome.PASSED: 2}
    assert max(lasted for _, lasted, _ in run.progress.outages) > 1000
    assert run.progress.resumptions.count("batches") == 1


def test_a_stop_submits_nothing_more_and_waits_for_what_is_under_way() -> None:
    """A cap leaves what was submitted its time."""

    async def stop_soon(stop: StopSignal) -> None:
        await asyncio.sleep(60)
        stop.request(Halt(code=ExitCode.CAPPED, reason="enough"))
        await asyncio.Event().wait()

    run = FakedRun(batches=FakeBatches(), proven=frozenset({MODEL}))
    run.play(talks(4), meanwhile=stop_soon)
    assert run.batches is not None
    assert run.batches.sizes == [4]
    assert sum(isinstance(event, Replied) for event in run.recorder.events) == 4
    assert not run.queue.left_behind


def test_the_users_second_word_cancels_at_the_api() -> None:
    """What was under way is left open in the journal: some of it may have been answered."""

    async def stop_twice(stop: StopSignal) -> None:
        await asyncio.sleep(60)
        stop.interrupt(Halt(code=ExitCode.INTERRUPTED, reason="stopped", grace_s=600.0))
        await asyncio.sleep(5)
        stop.request_now()
        await asyncio.Event().wait()

    run = FakedRun(batches=FakeBatches(delay_s=5000), proven=frozenset({MODEL}))
    run.play(talks(4), meanwhile=stop_twice)
    assert run.batches is not None
    assert run.batches.canceled == {"msgbatch_1"}
    assert run.queue.left_behind == {"msgbatch_1": 4}
    assert not any(isinstance(event, Failed) for event in run.recorder.events)


def test_what_is_left_after_a_time_goes_live() -> None:
    """The batches are canceled, and every conversation ends as it would have."""
    run = FakedRun(
        batches=FakeBatches(delay_s=5000), proven=frozenset({MODEL}), times=BatchTimes(live_after_s=100)
    )
    run.play(talks(4))
    assert run.batches is not None
    assert run.messages is not None
    assert run.batches.canceled == {"msgbatch_1"}
    assert len(run.messages.requests) == 8
    assert outcomes(run) == {Outcome.PASSED: 4}


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_batch_that_cannot_be_canceled_any_more_is_waited_for(status: int) -> None:
    """It has ended since the last look at it: its results count, and the rest is finished live."""
    run = FakedRun(
        batches=FakeBatches(delay_s=150, trouble={"cancel": [failure(status)]}),
        proven=frozenset({MODEL}),
        times=BatchTimes(live_after_s=100),
    )
    assert run.play(talks(4)) is None
    assert run.batches is not None
    assert run.messages is not None
    assert run.batches.sizes == [4]
    assert len(run.messages.requests) == 4
    assert outcomes(run) == {Outcome.PASSED: 4}


def test_what_failed_in_many_batches_is_finished_live() -> None:
    """The batch that is canceled for it is no further failure of the request."""
    run = FakedRun(
        batches=FakeBatches(answer=lambda *_: EXPIRED, delay_s=100),
        proven=frozenset({MODEL}),
        times=BatchTimes(live_after_s=500),
    )
    run.play(talks(1))
    assert run.batches is not None
    assert len(run.batches.sizes) == 5
    assert run.batches.canceled == {"msgbatch_5"}
    assert outcomes(run) == {Outcome.PASSED: 1}


def test_a_cap_lets_out_as_many_as_fit() -> None:
    """Waves are smaller then; a reply that was cheaper than its worst case makes room for the next."""
    prices = FlatPrices(paid_usd=Decimal("0.002"), worst_usd=Decimal("0.02"))
    run = FakedRun(
        batches=FakeBatches(), proven=frozenset({MODEL}), prices=prices, cap=Decimal("0.035"), concurrency=10
    )
    run.play(talks(4))
    assert run.batches is not None
    assert max(run.batches.sizes) == 3
    assert run.batches.sizes[0] == 3
    assert outcomes(run) == {Outcome.PASSED: 4}
    assert run.budget.spent_usd == Decimal("0.016")


def test_a_first_request_is_reserved_at_its_live_price_and_the_others_for_less_once_it_is_there() -> None:
    """So that the probe never waits for money that is held by those who wait for it."""
    prices = FlatPrices(paid_usd=Decimal("0.001"), worst_usd=Decimal("0.02"))
    run = FakedRun(batches=FakeBatches(), prices=prices, cap=Decimal("0.1"), concurrency=10)
    run.play(talks(8))
    assert run.batches is not None
    assert run.batches.sizes[0] == 8
    assert outcomes(run) == {Outcome.PASSED: 8}


def test_a_journal_that_breaks_ends_the_run() -> None:
    """Nothing is submitted that is not written down."""

    class Breaking(FakeBatches):
        async def listed(self, headers: Any) -> Any:
            run.recorder.broken = StorageError("the disk is full")
            async for state in super().listed(headers):
                yield state

    run = FakedRun(batches=Breaking(), proven=frozenset({MODEL}))
    with pytest.raises(StorageError, match="the disk is full"):
        run.play(talks(2))
    assert run.batches is not None
    assert not run.batches.taken


# What a process before this one has left.


def left_by_a_kill(number: int = 3) -> tuple[dict[str, Sequence[Event]], frozenset[str]]:
    """Return the events of conversations that were about to send their first request, and its keys."""
    run = FakedRun(batches=FakeBatches(delay_s=1e6), proven=frozenset({MODEL}))

    async def die(stop: StopSignal) -> None:
        await asyncio.sleep(10)
        stop.interrupt(Halt(code=ExitCode.INTERRUPTED, reason="killed", grace_s=0.0))
        await asyncio.Event().wait()

    run.play(talks(number), meanwhile=die)
    events: dict[str, list[Event]] = {}
    for event in run.recorder.events:
        events.setdefault(event.conversation_id, []).append(event)
    keys = frozenset(event.key for event in run.recorder.events if isinstance(event, Attempted))
    assert len(keys) == number
    return {**events}, keys


class WithEarlier(FakeBatches):
    """An API that has batches before the run goes on: one of another run, and perhaps ours."""

    def __init__(self, keys: frozenset[str], *, ours: bool) -> None:
        super().__init__()
        self._keys, self._ours = keys, ours

    async def listed(self, headers: Any) -> Any:
        self.begin()
        async for state in super().listed(headers):
            yield state

    async def state(self, batch: str, headers: Any) -> Any:
        self.begin()
        return await super().state(batch, headers)

    def begin(self) -> None:
        """Put the batches there, once."""
        if self._keys:
            keys, self._keys = self._keys, frozenset()
            if self._ours:
                self.put({f"ourtoken00000000-{key}"[:64]: {"model": MODEL} for key in keys})
            self.put({f"other00000000000-{key}"[:64]: {"model": MODEL} for key in keys})


def resumed(keys: frozenset[str], *, name: str | None, ours: bool) -> FakedRun:
    """Return a run that goes on after a kill, at an API that has its batch or not."""
    batch = OpenBatch(
        token="ourtoken00000000",  # noqa: S106 - no secret
        id=name,
        size=len(keys),
        keys=keys,
        headers={},
        since=None,
    )
    return FakedRun(
        batches=WithEarlier(keys, ours=ours), submitted=Submitted(open=(batch,)), proven=frozenset({MODEL})
    )


@pytest.mark.parametrize("name", ["msgbatch_1", None], ids=["named", "looked for"])
def test_a_batch_of_an_earlier_process_is_taken_up(name: str | None) -> None:
    """Known by its name or found by its token, its results are taken, and no request is sent again."""
    earlier, keys = left_by_a_kill()
    run = resumed(keys, name=name, ours=True)
    run.play(talks(3), earlier=earlier)
    assert run.batches is not None
    # Ours, the one of the other run, and then the second wave.
    assert run.batches.sizes == [3, 3, 3]
    attempts = [event for event in run.recorder.events if isinstance(event, Attempted)]
    assert len(attempts) == 3
    assert not {event.key for event in attempts} & keys
    assert {event.n for event in run.recorder.events if isinstance(event, Replied)} == {1}
    assert outcomes(run) == {Outcome.PASSED: 3}


def test_a_batch_that_never_arrived_is_submitted_once() -> None:
    """The one of another run is waited for and looked into before that is sure; the attempts cost nothing."""
    earlier, keys = left_by_a_kill()
    run = resumed(keys, name=None, ours=False)
    run.play(talks(3), earlier=earlier)
    assert run.batches is not None
    assert run.batches.sizes == [3, 3, 3]
    assert lines(run)[0] == "dropped"
    failed = [event.failure for event in run.recorder.events if isinstance(event, Failed)]
    assert [each.paid for each in failed] == ["no"] * 3
    assert outcomes(run) == {Outcome.PASSED: 3}


def test_attempts_that_were_in_no_batch_yet_cost_nothing() -> None:
    """The process died between the attempts and the line that names their batch."""
    earlier, keys = left_by_a_kill()
    run = FakedRun(batches=FakeBatches(), submitted=Submitted(unsent=keys), proven=frozenset({MODEL}))
    run.play(talks(3), earlier=earlier)
    assert run.batches is not None
    assert run.batches.sizes == [3, 3]
    failed = [event.failure for event in run.recorder.events if isinstance(event, Failed)]
    assert [each.paid for each in failed] == ["no"] * 3


def test_what_is_under_way_counts_at_its_worst_until_it_is_there() -> None:
    """The budget of a run that goes on begins with it, and knows better once the results are in."""
    earlier, keys = left_by_a_kill()
    run = resumed(keys, name="msgbatch_1", ours=True)
    run.cap, run.spent = Decimal(1), Decimal("0.03")
    run.play(talks(3), earlier=earlier)
    assert run.budget.spent_usd == Decimal("0.06")


def test_a_batch_is_submitted_as_it_is_written() -> None:
    """The parameters are those of the request, under an id that the journal can tell."""
    run = played(1, proven=frozenset({MODEL}))
    assert run.batches is not None
    ((name, params),) = run.batches.taken["msgbatch_1"].items()
    assert params["messages"] == [{"role": "user", "content": "first"}]
    assert json.dumps(params)
    line = run.recorder.lines[0]
    assert name == f"{line['batch']}-{line['keys'][0]}"[:64]

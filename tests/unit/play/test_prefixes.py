"""Conversations that share a prompt: one writes the cache, one tries it, then all go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.results import Outcome
from claude_run.conversation.usage import Usage
from claude_run.errors import ExitCode
from claude_run.plan.caching import SharedPrefix
from claude_run.play.prefixes import OPEN_AFTER_S, SCOUTS_AFTER_S, Prefixes
from claude_run.play.stop import Halt
from tests.unit.play.fakes import (
    FakedRun,
    FakeMessages,
    LoopClock,
    conversation,
    failure,
    message,
    run,
    text,
    user,
)

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Failure, Request
    from claude_run.conversation.script import Conversation
    from claude_run.play.stop import StopSignal

LONG = "Quote the 30-day rule and never promise more. " * 60
LATENCY_S = 0.1
_WROTE = Usage(cache_creation_input_tokens=700)
_READ = Usage(cache_read_input_tokens=700)
TOKENS = 700


@dataclass(kw_only=True)
class LateCache:
    """An API whose cache can be read `delay_s` after the reply; `misses` are requests that read nothing.

    It keeps when each request came and whether it read.
    """

    delay_s: float = 0.0
    misses: frozenset[int] = frozenset()
    fails: frozenset[int] = frozenset()
    caches: bool = True
    readable_at: float | None = None
    seen: list[tuple[float, bool]] = field(default_factory=list)

    def __call__(self, request: Request, n: int) -> dict[str, Any] | Failure:
        # Asked when the reply is ready: the request came a latency before.
        now = asyncio.get_running_loop().time()
        came = now - LATENCY_S
        if n in self.fails:
            return failure(400)
        reads = self.readable_at is not None and came >= self.readable_at and n not in self.misses
        if self.readable_at is None:
            self.readable_at = now + self.delay_s
        self.seen.append((round(came, 6), reads))
        used = "cache_read_input_tokens" if reads else "cache_creation_input_tokens"
        usage = {"input_tokens": 10, "output_tokens": 5, used: TOKENS if self.caches else 0}
        return message(model=request.model, usage=usage)

    @property
    def missed(self) -> int:
        return sum(not reads for _, reads in self.seen)


def many(number: int, *, system: str = LONG, turns: int = 1, **fields: Any) -> list[Conversation]:
    """Return so many conversations of a scenario with one system prompt."""
    script = [user(f"turn {turn}") for turn in range(turns)]
    return [conversation(f"c{index}", *script, system=text(system), **fields) for index in range(number)]


def played(api: LateCache, conversations: list[Conversation], **fields: Any) -> FakedRun:
    """Play against an API with this cache."""
    fake = FakedRun(messages=FakeMessages(answer=api, latency_s=LATENCY_S), **fields)
    assert fake.play(conversations) is None
    assert {each.outcome for each in fake.progress.transcripts} == {Outcome.PASSED}
    return fake


def test_one_writes_one_tries_and_then_all_go_at_once() -> None:
    """With a cache that can be read at once only the leader writes."""
    api = LateCache()
    played(api, many(10))
    times = [came for came, _ in api.seen]
    scout = LATENCY_S + SCOUTS_AFTER_S[0]
    assert times == pytest.approx([0, scout, *[scout + LATENCY_S] * 8])
    assert api.missed == 1


@pytest.mark.parametrize(("delay_s", "missed"), [(0.5, 1), (1.0, 2), (2.0, 2), (2.5, 3)])
def test_a_late_cache_is_tried_until_it_can_be_read(delay_s: float, missed: int) -> None:
    """All but the leader and the scouts that came too early read."""
    api = LateCache(delay_s=delay_s)
    played(api, many(10))
    assert api.missed == missed
    assert max(came for came, _ in api.seen) <= LATENCY_S + OPEN_AFTER_S


def test_after_three_scouts_all_go() -> None:
    """A cache that is never there is not waited for longer."""
    api = LateCache(delay_s=1000)
    played(api, many(10))
    assert api.missed == 10
    times = [came for came, _ in api.seen]
    assert times[:4] == pytest.approx([0, *(LATENCY_S + after for after in SCOUTS_AFTER_S)])
    assert all(came <= LATENCY_S + OPEN_AFTER_S for came in times)


def test_a_reply_that_is_written_slowly_is_not_waited_for() -> None:
    """Its beginning tells what it read: so all go at once after the leader and the scout have begun."""
    slow = FakeMessages(answer=LateCache(), latency_s=LATENCY_S, writing_s=60.0)
    FakedRun(messages=slow).play(many(5))
    scout = LATENCY_S + SCOUTS_AFTER_S[0]
    assert slow.times == pytest.approx([0, scout, *[scout + LATENCY_S] * 3])


def test_a_scout_that_takes_long_is_not_waited_for_beyond_the_limit() -> None:
    """The limit holds whatever is under way."""
    slow = FakeMessages(answer=LateCache(), latency_s=10.0)
    FakedRun(messages=slow).play(many(5))
    assert slow.times == pytest.approx([0, 10 + SCOUTS_AFTER_S[0], *[10 + OPEN_AFTER_S] * 3])


@pytest.mark.parametrize(
    "conversations",
    [
        many(5, system="Be brief."),
        many(5, cache="off"),
        [each for index in range(5) for each in many(1, system=f"{index} {LONG}")],
    ],
    ids=["too short", "off", "each its own"],
)
def test_what_shares_nothing_does_not_wait(conversations: list[Conversation]) -> None:
    """Short prompts, `cache: off`, and a prompt that only one conversation has."""
    api = LateCache()
    played(api, conversations)
    assert {came for came, _ in api.seen} == {0}


def test_a_conversation_alone_does_not_wait_for_itself() -> None:
    """Its turns go back to back, even if none of them could read yet."""
    api = LateCache(delay_s=1000)
    played(api, many(1, turns=4))
    assert [came for came, _ in api.seen] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_later_turns_of_the_leader_wait_with_the_others() -> None:
    """They would write the shared prompt again."""
    api = LateCache(delay_s=0.5)
    played(api, many(6, turns=4))
    assert api.missed == 1


def test_one_at_a_time_nobody_waits_for_whom_cannot_come() -> None:
    """With `-j 1` the next conversation comes when the first is over, and is the scout."""
    api = LateCache()
    played(api, many(5, turns=2), concurrency=1)
    assert api.missed == 1
    assert len(api.seen) == 10
    assert api.seen[-1][0] < 2


def test_an_api_that_caches_nothing_is_found_out_by_its_first_reply() -> None:
    """Usage without a write leaves nothing to wait for."""
    api = LateCache(caches=False)
    played(api, many(5))
    assert [came for came, _ in api.seen] == pytest.approx([0, *[LATENCY_S] * 4])


def test_a_cache_that_is_warm_already_opens_at_the_first_reply() -> None:
    """What an earlier run has written is read by the leader."""
    api = LateCache(readable_at=-1)
    played(api, many(5))
    assert [came for came, _ in api.seen] == pytest.approx([0, *[LATENCY_S] * 4])


def test_a_leader_that_fails_for_good_is_followed_by_the_next() -> None:
    """The others do not wait for a reply that never comes."""
    api = LateCache(fails=frozenset({1}))
    fake = FakedRun(messages=FakeMessages(answer=api, latency_s=LATENCY_S))
    fake.play(many(5))
    outcomes = sorted(each.outcome for each in fake.progress.transcripts)
    assert outcomes == [Outcome.ERRORED, *[Outcome.PASSED] * 4]
    assert api.missed == 1


def test_a_scout_that_fails_is_followed_by_another_at_once() -> None:
    """It has shown nothing, and counts as none."""
    api = LateCache(fails=frozenset({2}))
    fake = FakedRun(messages=FakeMessages(answer=api, latency_s=LATENCY_S))
    fake.play(many(5))
    assert [came for came, _ in api.seen][1] == pytest.approx(2 * LATENCY_S + SCOUTS_AFTER_S[0])
    assert api.missed == 1


def test_a_stop_ends_those_that_wait_at_once() -> None:
    """They have sent nothing, and nothing of them is waited for."""

    async def stop_soon(stop: StopSignal) -> None:
        await asyncio.sleep(0.3)
        stop.request(Halt(code=ExitCode.INTERRUPTED, reason="enough"))
        await asyncio.sleep(1000)

    api = LateCache(delay_s=1000)
    fake = FakedRun(messages=FakeMessages(answer=api, latency_s=LATENCY_S))
    assert fake.play(many(10), meanwhile=stop_soon) is not None
    assert len(api.seen) == 1


def test_a_cap_that_is_reached_ends_the_wait() -> None:
    """Whoever waits for its turn holds no money, and what stops the run stops it."""
    api = LateCache()
    fake = FakedRun(messages=FakeMessages(answer=api, latency_s=LATENCY_S), cap=Decimal("0.03"))
    halt = fake.play(many(10))
    assert halt is not None
    assert halt.code is ExitCode.CAPPED
    assert len(api.seen) <= 3


def test_a_conversation_waits_no_longer_than_it_may_last() -> None:
    """Its deadline holds while it waits for a leader, too."""
    fake = FakedRun(messages=FakeMessages(answer=LateCache(), latency_s=30.0), conversation_s=5.0)
    fake.play(many(3))
    assert {each.outcome for each in fake.progress.transcripts} == {Outcome.ERRORED}


def test_what_nobody_has_read_for_its_lifetime_is_written_by_one_again() -> None:
    """After five minutes without a request the next one leads, and the others wait for it."""

    async def play() -> list[float]:
        clock = LoopClock()
        prefixes = Prefixes(clock)
        prefix = SharedPrefix(digest=b"p", lifetime_s=300.0)
        came: list[float] = []

        async def send(name: str, used: Usage) -> None:
            async with prefixes.turn(prefix, name) as turn:
                came.append(clock.monotonic())
                await clock.sleep(1.0)
                turn.began(used)

        await asyncio.gather(send("a", _WROTE), send("b", _READ))
        await clock.sleep(298.0)
        await asyncio.gather(send("c", _READ), send("d", _READ))
        await clock.sleep(300.0)
        await asyncio.gather(send("e", _WROTE), send("f", _READ))
        return came

    first, second = 1 + SCOUTS_AFTER_S[0], 2 + SCOUTS_AFTER_S[0] + 298
    third = second + 301
    assert run(play()) == pytest.approx([0, first, second, second, third, third + 1 + SCOUTS_AFTER_S[0]])


@settings(max_examples=40, deadline=None)
@given(
    number=st.integers(1, 12),
    turns=st.integers(1, 3),
    delay_s=st.floats(0, 4),
    concurrency=st.integers(1, 12),
    misses=st.frozensets(st.integers(1, 40)),
    fails=st.frozensets(st.integers(1, 40), max_size=3),
)
def test_every_run_comes_to_its_end_in_time(  # noqa: PLR0913 - the dimensions of the property
    *,
    number: int,
    turns: int,
    delay_s: float,
    concurrency: int,
    misses: frozenset[int],
    fails: frozenset[int],
) -> None:
    """Whatever the cache does and whoever fails, all conversations end, at most 3 s later than without."""
    api = LateCache(delay_s=delay_s, misses=misses, fails=fails)
    fake = FakedRun(messages=FakeMessages(answer=api, latency_s=LATENCY_S), concurrency=concurrency)
    fake.play(many(number, turns=turns))
    assert len(fake.progress.transcripts) == number
    assert fake.messages is not None
    # As many rounds as without a cache, and those of leaders and scouts that others wait for.
    rounds = -(-number // concurrency) * turns + 1 + len(fails) + len(SCOUTS_AFTER_S)
    assert max(fake.messages.times) <= rounds * LATENCY_S + OPEN_AFTER_S + 1e-6

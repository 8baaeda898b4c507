"""Shards: parts of a plan of about equal weight, none of which cuts a case in two."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.errors import InputError, SelectionError
from claude_run.plan.matrix import Plan, Selection, expand
from claude_run.plan.shards import parse_shard, weigh
from claude_run.scenario.model import (
    AssistantTurn,
    Case,
    Expectation,
    Graders,
    JsonBlock,
    Scenario,
    TextBlock,
    Variant,
)
from tests.unit.plan.builders import at, model, scenario, text, user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syrupy.assertion import SnapshotAssertion

WHOLE = Selection()


def _ids(plan: Plan) -> list[str]:
    return [conversation.id for conversation in plan.conversations]


def _shards(scenarios: Sequence[Scenario], count: int) -> list[Plan]:
    return [expand(scenarios, Selection(shard=(index, count))) for index in range(1, count + 1)]


def _weight(plan: Plan) -> int:
    return sum(map(weigh, plan.conversations))


def _cases(*numbers: int) -> tuple[Case, ...]:
    return tuple(Case(id=str(number)) for number in numbers)


def test_a_shard_is_read() -> None:
    """`i/n` gives both numbers."""
    assert parse_shard("2/5") == (2, 5)


@pytest.mark.parametrize(
    "text", ["", "1", "0/3", "4/3", "1/0", "-1/2", "a/b", "1/2/3", "1/99999999999", "\x1b/2"]
)
def test_a_wrong_shard_is_refused(text: str, snapshot: SnapshotAssertion) -> None:
    """The error quotes what was written and shows how to write it."""
    with pytest.raises(InputError) as caught:
        parse_shard(text)
    assert str(caught.value) == snapshot


@st.composite
def _scenarios(draw: st.DrawFn) -> list[Scenario]:
    """Scenarios of several cases whose prompts and scripts differ in length."""

    def turns(most: int) -> tuple[Any, ...]:
        return tuple(user("word " * draw(st.integers(1, 400))) for _ in range(draw(st.integers(1, most))))

    return [
        scenario(
            f"s{number}",
            turns=turns(3),
            cases=tuple(
                Case(id=f"c{each}", turns=turns(4) if draw(st.booleans()) else None)
                for each in range(draw(st.integers(1, 6)))
            ),
            variants=(Variant(id="v1"), Variant(id="v2")) if draw(st.booleans()) else (Variant(),),
            models=tuple(model("claude-haiku-5-5", f"m{each}") for each in range(draw(st.integers(1, 2)))),
            repeat=draw(st.integers(1, 3)),
        )
        for number in range(draw(st.integers(1, 4)))
    ]


@settings(max_examples=80, deadline=None)
@given(_scenarios(), st.integers(1, 12))
def test_shards_are_the_plan_cut_between_cases(scenarios: list[Scenario], count: int) -> None:
    """One after the other they are the plan: nothing is missing, nothing is there twice, no case is cut."""
    whole, shards = expand(scenarios, WHOLE), _shards(scenarios, count)
    assert [each for shard in shards for each in _ids(shard)] == _ids(whole)
    assert all(shard.whole == whole for shard in shards)
    homes: dict[str, set[int]] = {}
    for number, shard in enumerate(shards):
        for identity in shard.identities:
            homes.setdefault(identity.case_name, set()).add(number)
    assert all(len(found) == 1 for found in homes.values())
    # A shard knows of the files and the pass rates that it plays, and of no others.
    for shard in shards:
        assert set(shard.pass_rates) == {each.scenario for each in shard.identities}
        assert set(shard.files) == {each.path for each in shard.identities}


@settings(max_examples=80, deadline=None)
@given(_scenarios(), st.integers(1, 12))
def test_shards_are_of_about_equal_weight(scenarios: list[Scenario], count: int) -> None:
    """None is heavier or lighter than an n-th of the whole by more than the heaviest case."""
    whole = expand(scenarios, WHOLE)
    by_case = groupby(whole.conversations, key=lambda each: each.identity.case_name)
    heaviest = max(sum(map(weigh, repeats)) for _, repeats in by_case)
    for shard in _shards(scenarios, count):
        assert abs(_weight(shard) - _weight(whole) / count) <= heaviest


def test_weight_counts_and_not_the_number() -> None:
    """One long script weighs as much as many short ones."""
    long = tuple(user() for _ in range(8))
    scenarios = [scenario("long", turns=long), scenario("short", cases=_cases(*range(8)))]
    first, second = _shards(scenarios, 2)
    assert _ids(first) == ["long/claude-haiku-5-5"]
    assert len(second.conversations) == 8


def test_scenarios_stay_together_where_that_balances() -> None:
    """Two scenarios of the same size are a shard each, with the prompt cache that each of them fills."""
    scenarios = [scenario(name, cases=_cases(1, 2, 3)) for name in ("a", "b")]
    assert [set(shard.pass_rates) for shard in _shards(scenarios, 2)] == [{"a"}, {"b"}]


def test_more_shards_than_cases_leave_some_empty() -> None:
    """A machine that has nothing to do is no mistake; what there is is played once."""
    shards = _shards([scenario(cases=_cases(1, 2), repeat=3)], 5)
    assert sorted(len(shard.conversations) for shard in shards) == [0, 0, 0, 3, 3]
    empty = next(shard for shard in shards if not shard.conversations)
    assert (dict(empty.files), dict(empty.pass_rates)) == ({}, {})
    assert empty.whole is not None
    assert len(empty.whole.conversations) == 6


def test_nothing_to_split_is_still_a_mistake() -> None:
    """Filters that leave nothing are to blame, in every shard."""
    with pytest.raises(SelectionError, match="-k 'nope' leaves none of 1 conversation"):
        expand([scenario()], Selection(expression="nope", shard=(2, 2)))


@pytest.mark.parametrize(
    "heavier",
    [
        {"turns": (user(), user())},
        {"turns": (user("Hello " * 100),)},
        {"turns": (user(example=text("word " * 1000)),)},
        {"system": text("Be kind. " * 100)},
        {"turns": (user(content=(TextBlock(text=text("Hello " * 100)),)),)},
        {"turns": (user(content=(JsonBlock(value={"type": "image"}), TextBlock(text=text("Hello")))),)},
        {"vars": {"document": ["word " * 500, {"more": "word"}], "number": 1}},
        {"turns": (user(expect=(Expectation(kind="judge", value="It is polite", position=at(1)),)),)},
        {"expect": (Expectation(kind="judge", value="It is polite", position=at(1)),)},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_makes_a_conversation_heavier(heavier: dict[str, Any]) -> None:
    """Turns, prompts, long replies, files, data and judges are work."""
    plain, more = expand([scenario()], WHOLE), expand([scenario(**heavier)], WHOLE)
    assert weigh(more.conversations[0]) > weigh(plain.conversations[0])


def test_a_reply_is_no_longer_than_it_may_be() -> None:
    """`max_tokens` bounds what a reply weighs, and several judges weigh more than one."""
    short = expand([scenario(params={"max_tokens": 10})], WHOLE).conversations[0]
    assert weigh(short) < weigh(expand([scenario()], WHOLE).conversations[0])
    inner = Expectation(kind="judge", value="It is polite", position=at(1))
    judged: dict[str, Any] = {"expect": (Expectation(kind="any_of", children=(inner,), position=at(1)),)}
    one = scenario(**judged, judge=Graders(models=("claude-opus-5-5",)))
    two = scenario(**judged, judge=Graders(models=("claude-opus-5-5", "claude-haiku-5-5")))
    assert weigh(expand([one], WHOLE).conversations[0]) < weigh(expand([two], WHOLE).conversations[0])


def test_scripted_history_is_sent_and_asks_for_nothing() -> None:
    """What follows a user turn as its scripted answer makes no request of it."""
    history = (user(), AssistantTurn(content=text("Hello."), position=at(1)), user())
    weights = [
        weigh(expand([scenario(turns=turns)], WHOLE).conversations[0])
        for turns in ((user(),), history, (user(), user()))
    ]
    assert weights == sorted(set(weights))

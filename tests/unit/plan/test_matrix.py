"""The matrix: which conversations, in which order, with which ids and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.errors import InputError, SelectionError
from claude_run.plan.matrix import Plan, Selection, choices, expand
from claude_run.scenario.model import Case, Scenario, Variant
from tests.unit.plan.builders import at, model, scenario, text

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

FULL: dict[str, Any] = {
    "cases": (Case(id="phone"), Case(id="sofa")),
    "variants": (Variant(id="v1"), Variant(id="v2")),
    "models": (model("claude-haiku-5-5", "small"), model("claude-opus-5-5")),
    "repeat": 2,
}


def _ids(plan: Plan) -> list[str]:
    return [conversation.id for conversation in plan.conversations]


def test_the_order_is_scenario_case_variant_model_repeat() -> None:
    """The last part changes fastest, and scenarios keep the order they came in."""
    plan = expand([scenario("b", **FULL), scenario("a")], Selection())
    assert _ids(plan)[:5] == [
        "b/phone/v1/small/1",
        "b/phone/v1/small/2",
        "b/phone/v1/claude-opus-5-5/1",
        "b/phone/v1/claude-opus-5-5/2",
        "b/phone/v2/small/1",
    ]
    assert _ids(plan)[-2:] == ["b/sofa/v2/claude-opus-5-5/2", "a/claude-haiku-5-5"]
    assert len(plan.conversations) == 17


def test_parts_that_a_scenario_does_not_use_are_left_out() -> None:
    """Only the scenario and the model are always there; a single repeat has no number."""
    plan = expand([scenario("plain"), scenario("cases", cases=FULL["cases"])], Selection())
    assert _ids(plan) == [
        "plain/claude-haiku-5-5",
        "cases/phone/claude-haiku-5-5",
        "cases/sofa/claude-haiku-5-5",
    ]
    assert plan.conversations[0].identity.repeat is None
    assert plan.conversations[0].identity.case is None


def test_the_command_line_wins_over_models_and_repeats_of_the_file() -> None:
    """`-m` replaces the models and `-n` the repeats of every scenario."""
    plan = expand(
        [scenario(**FULL)], Selection(models=("small=claude-haiku-4-5", "claude-opus-5-5"), repeat=1)
    )
    assert [
        (each.model, each.identity.model_label, each.identity.repeat) for each in plan.conversations[:2]
    ] == [
        ("claude-haiku-4-5", "small", None),
        ("claude-opus-5-5", "claude-opus-5-5", None),
    ]
    assert len(plan.conversations) == 8


def test_variables_of_the_case_win_over_the_scenario_and_overrides_over_both() -> None:
    """`--set` has the last word on a variable."""
    given = scenario(vars={"a": 1, "b": 1, "c": 1}, cases=(Case(id="x", vars={"b": 2, "c": 2}),))
    plan = expand([given], Selection(), {"c": "3"})
    assert plan.conversations[0].vars == {"a": 1, "b": 2, "c": 3}


def test_parameters_of_the_model_win_over_the_variant_and_the_scenario() -> None:
    """The narrowest place that sets a parameter decides it."""
    given = scenario(
        params={"a": 1, "b": 1, "c": 1},
        variants=(Variant(id="v", params={"b": 2, "c": 2}),),
        models=(model("claude-haiku-5-5", params={"c": 3, "max_tokens": 9}),),
    )
    assert expand([given], Selection()).conversations[0].params == {"a": 1, "b": 2, "c": 3, "max_tokens": 9}


def test_max_tokens_has_a_default() -> None:
    """A scenario that says nothing gets 4096 tokens for each reply."""
    assert expand([scenario()], Selection()).conversations[0].params == {"max_tokens": 4096}


def test_a_variant_may_replace_the_system_prompt_or_take_it_away() -> None:
    """Only a variant that says so touches the system prompt."""
    other = text("Be rude.")
    given = scenario(
        system=text("Be kind."),
        variants=(
            Variant(id="same"),
            Variant(id="other", system=other, overrides_system=True),
            Variant(id="none", overrides_system=True),
        ),
    )
    systems = [each.system for each in expand([given], Selection()).conversations]
    assert systems == [given.system, other, None]


def test_what_the_scenario_says_reaches_the_conversation() -> None:
    """Turns, tags, cache mode, expectations and place are handed on."""
    given = scenario(tags=("smoke",), cache="1h")
    made = expand([given], Selection()).conversations[0]
    assert (made.turns, made.tags, made.cache) == (given.turns, ("smoke",), "1h")
    assert (made.expect, made.identity.path, made.position) == (given.expect, given.path, given.position)


def test_the_plan_keeps_pass_rates_and_file_hashes_of_what_is_played() -> None:
    """A scenario that the filters leave out is not part of the plan."""
    plan = expand([scenario("a", pass_rate=0.5), scenario("b")], Selection(expression="a/"))
    assert plan.pass_rates == {"a": 0.5}
    assert plan.files == {"a.yaml": "sha-of-a"}


@pytest.mark.parametrize(
    "models", [("",), ("=x",), ("x=",), ("vendor/claude",), ("a\x1b=x",), ("a" * 101,), ("a=x", "a=y")]
)
def test_a_model_option_that_makes_no_sense_is_refused(
    models: tuple[str, ...], snapshot: SnapshotAssertion
) -> None:
    """The error quotes the option, safely, and says how to write it."""
    with pytest.raises(InputError) as caught:
        choices(scenario(), models)
    assert str(caught.value) == snapshot


def test_a_named_model_may_have_any_id() -> None:
    """A name makes ids with slashes and equal signs usable."""
    assert choices(scenario(), ["it=vendor/claude=x"]) == (model("vendor/claude=x", "it"),)


def test_repeats_must_be_at_least_one() -> None:
    """`-n 0` would play nothing."""
    with pytest.raises(InputError, match="-n 0: the number of repeats must be at least 1"):
        expand([scenario()], Selection(repeat=0))


def test_a_matrix_that_is_too_large_is_refused(snapshot: SnapshotAssertion) -> None:
    """The size is computed, not built, and the largest part is named with its factors."""
    with pytest.raises(InputError) as caught:
        expand([scenario("small"), scenario("big", **FULL)], Selection(repeat=10**9))
    assert str(caught.value) == snapshot


@pytest.mark.parametrize(
    "selection",
    [
        Selection(tags=("nope", "no\x1b")),
        Selection(expression="nope"),
        Selection(tags=("smoke",), expression="nope"),
        Selection(ids=frozenset()),
    ],
)
def test_an_empty_selection_names_the_option_to_blame(
    selection: Selection, snapshot: SnapshotAssertion
) -> None:
    """The first filter that leaves nothing is named, with how many it was given."""
    with pytest.raises(SelectionError) as caught:
        expand([scenario(**FULL, tags=("smoke",))], selection)
    assert str(caught.value) == snapshot


def test_no_scenario_is_an_empty_selection() -> None:
    """Nothing given is nothing to play."""
    with pytest.raises(SelectionError, match="the paths hold no scenario"):
        expand([], Selection())


def test_wrong_options_are_found_although_an_earlier_filter_leaves_nothing() -> None:
    """A usage error outranks an empty selection."""
    with pytest.raises(InputError, match="column 1"):
        expand([scenario()], Selection(tags=("nope",), expression="or"))
    with pytest.raises(InputError, match="--shard 3/2"):
        expand([scenario()], Selection(tags=("nope",), shard=(3, 2)))


def test_filters_narrow_one_after_the_other() -> None:
    """Ids, tags, expression and shard all must let a conversation through."""
    scenarios = [scenario("a", **FULL, tags=("smoke",)), scenario("b", **FULL)]
    chosen = Selection(tags=("smoke",), expression="opus and phone", shard=(2, 2))
    assert _ids(expand(scenarios, chosen)) == ["a/phone/v2/claude-opus-5-5/1", "a/phone/v2/claude-opus-5-5/2"]


def test_exactly_the_wanted_ids_are_taken_in_plan_order() -> None:
    """A list of ids is a selection of its own, whatever its order."""
    wanted = frozenset({"greet/sofa/v1/small/1", "greet/phone/v1/small/2"})
    plan = expand([scenario(**FULL)], Selection(ids=wanted))
    assert _ids(plan) == ["greet/phone/v1/small/2", "greet/sofa/v1/small/1"]


def test_ids_that_no_longer_exist_are_an_error(snapshot: SnapshotAssertion) -> None:
    """A resumed run must not silently shrink."""
    wanted = frozenset({"greet/phone/v1/small/1", *(f"gone/{n}" for n in range(5))})
    with pytest.raises(InputError) as caught:
        expand([scenario(**FULL)], Selection(ids=wanted))
    assert str(caught.value) == snapshot


_names = st.lists(st.text("abc1-", min_size=1, max_size=3), min_size=1, max_size=3, unique=True)


@st.composite
def _scenarios(draw: st.DrawFn) -> list[Scenario]:
    return [
        scenario(
            name,
            cases=tuple(Case(id=each) for each in draw(_names)) if draw(st.booleans()) else (Case(),),
            variants=tuple(Variant(id=each) for each in draw(_names))
            if draw(st.booleans())
            else (Variant(),),
            models=tuple(model("claude-haiku-5-5", each, position=at(2)) for each in draw(_names)),
            repeat=draw(st.integers(1, 3)),
        )
        for name in draw(_names)
    ]


@settings(max_examples=60, deadline=None)
@given(_scenarios())
def test_ids_are_unique_and_stable(scenarios: list[Scenario]) -> None:
    """No two conversations share an id, the same input gives the same plan, and shards add up to it."""
    plan = expand(scenarios, Selection())
    assert len(set(_ids(plan))) == len(plan.conversations)
    assert expand(scenarios, Selection()) == plan
    halves = [expand(scenarios, Selection(shard=(index, 2))) for index in (1, 2)]
    assert [each for half in halves for each in _ids(half)] == _ids(plan)


def test_a_plan_makes_its_conversations_when_they_are_asked_for() -> None:
    """A plan holds none of its conversations: the same place gives an equal one each time, not the same."""
    plan = expand([scenario(cases=tuple(Case(id=str(number)) for number in range(3)), repeat=2)], Selection())
    assert plan.conversations[3] == plan.conversations[3]
    assert plan.conversations[3] is not plan.conversations[3]
    assert plan.identities == [each.identity for each in plan.conversations]
    assert [each.id for each in plan.conversations[1::2]] == _ids(plan)[1::2]

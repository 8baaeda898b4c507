"""The registry: evaluation with wrappers and templates, and its answers to the loader."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from claude_run.checks.kind import Check, Finding, errored, failed, passed
from claude_run.checks.registry import BUILT_IN, Registry, default_registry
from claude_run.errors import ClaudeRunError, InputError
from tests.unit.checks.builders import (
    HERE,
    REGISTRY,
    WRAPPERS,
    expectation,
    found,
    problems,
    spelt,
    status,
    subject,
    unfilled,
)

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Expectation
    from claude_run.scenario.vocabulary import Slot, Vocabulary

KINDS = [check.name for check in BUILT_IN]

# One expectation for each status, about the text "abc" of unknown cost.
PASSES = expectation("contains", "a")
FAILS = expectation("contains", "z")
ERRS = expectation("max_cost_usd", 1)
ABC = subject("abc", cost_usd=None)
BY_STATUS = {"passed": PASSES, "failed": FAILS, "errored": ERRS}

children = st.lists(st.sampled_from([PASSES, FAILS, ERRS]), min_size=1, max_size=4)


def judged(wanted: Expectation) -> str:
    """Return the status of an expectation about ABC."""
    return REGISTRY.evaluate(wanted, ABC, str).status.value


def test_a_result_carries_kind_label_place_and_children() -> None:
    """What a report needs stands in the result, down to the innermost expectation."""
    wanted = expectation("not", None, expectation("any_of", None, FAILS, ERRS), label="polite")
    result = REGISTRY.evaluate(wanted, ABC, str)
    assert (result.kind, result.label, result.position, result.expected) == ("not", "polite", HERE, None)
    (inner,) = result.children
    assert (inner.kind, inner.label) == ("any_of", None)
    assert [(child.kind, child.status.value) for child in inner.children] == [
        ("contains", "failed"),
        ("max_cost_usd", "errored"),
    ]


def test_every_expectation_is_evaluated() -> None:
    """A failure does not hide what comes after it, at the top or inside a wrapper."""
    results = REGISTRY.evaluate_all([FAILS, ERRS, PASSES], ABC, str)
    assert [result.status.value for result in results] == ["failed", "errored", "passed"]
    inside = REGISTRY.evaluate(expectation("all_of", None, FAILS, PASSES, ERRS), ABC, str)
    assert [child.status.value for child in inside.children] == ["failed", "passed", "errored"]


@pytest.mark.parametrize(("first", "second"), list(product(BY_STATUS, repeat=2)))
def test_wrappers_never_make_a_verdict_of_what_could_not_be_evaluated(first: str, second: str) -> None:
    """The laws hold for every pair of statuses: not, any_of and all_of are those of three-valued logic."""
    pair = (BY_STATUS[first], BY_STATUS[second])
    both = {first, second}
    any_of = "passed" if "passed" in both else "errored" if "errored" in both else "failed"
    all_of = "failed" if "failed" in both else "errored" if "errored" in both else "passed"
    assert judged(expectation("any_of", None, *pair)) == any_of
    assert judged(expectation("all_of", None, *pair)) == all_of


@settings(max_examples=100, deadline=None)
@given(inner=children)
def test_not_turns_passed_and_failed_round(inner: list[Expectation]) -> None:
    """Twice not is the same again, and De Morgan's law holds."""
    flipped = {"passed": "failed", "failed": "passed", "errored": "errored"}
    plain = expectation("all_of", None, *inner)
    negated = expectation("not", None, plain)
    assert judged(negated) == flipped[judged(plain)]
    assert judged(expectation("not", None, negated)) == judged(plain)
    each_negated = [expectation("not", None, one) for one in inner]
    assert judged(expectation("any_of", None, *each_negated)) == judged(negated)
    assert judged(expectation("not", None, *inner)) == judged(negated)


@pytest.mark.parametrize("wrapper", sorted(WRAPPERS))
def test_a_wrapper_around_nothing_is_errored(wrapper: str) -> None:
    """Nothing was asked for, so nothing can have passed."""
    assert judged(expectation(wrapper)) == "errored"


def test_messages_of_wrappers_say_which_child_decided(snapshot: SnapshotAssertion) -> None:
    """The first child that decided the result is quoted."""
    shapes = [
        (wrapper, inner)
        for wrapper in ("not", "any_of", "all_of")
        for inner in ([PASSES], [FAILS], [ERRS], [FAILS, FAILS], [PASSES, PASSES], [FAILS, PASSES, ERRS])
    ]
    messages = [
        REGISTRY.evaluate(expectation(kind, None, *inner), ABC, str).message for kind, inner in shapes
    ]
    assert messages == snapshot


def test_no_reply_is_errored_for_every_kind() -> None:
    """Without a reply even a limit that nothing exceeds is not measured, nor the opposite of anything."""
    silent = subject("", stop_reason=None)
    for kind in KINDS:
        assert status(kind, REGISTRY.example(kind), silent) == "errored"
        inner = expectation(kind, REGISTRY.example(kind))
        assert REGISTRY.evaluate(expectation("not", None, inner), silent, unfilled).status == "errored"


def test_templates_are_rendered_once_and_the_result_is_data() -> None:
    """Braces that come out of a rendering are text to look for."""
    seen: list[str] = []

    def fill(slot: Slot) -> str:
        seen.append(slot.source)
        return "{{ x }}"

    result = REGISTRY.evaluate(expectation("contains", "{{ a }}"), subject("say {{ x }}"), fill)
    assert (result.status, result.expected, seen) == ("passed", "{{ x }}", ["{{ a }}"])


def test_a_text_that_renders_to_nothing_is_errored() -> None:
    """An empty text stands in every reply: it must not pass, and `not` must not fail."""
    for kind in ("contains", "starts_with", "ends_with", "matches"):
        inner = expectation(kind, "{{ a }}")
        assert REGISTRY.evaluate(inner, ABC, lambda _: "").status == "errored"
        assert REGISTRY.evaluate(expectation("not", None, inner), ABC, lambda _: "").status == "errored"


def test_a_template_that_cannot_be_rendered_is_errored() -> None:
    """The reason is kept; any other exception is a bug and is not swallowed."""

    def refuse(slot: Slot) -> str:
        raise ClaudeRunError(f"no value for {slot.source}")

    result = REGISTRY.evaluate(expectation("contains", "{{ x }}"), ABC, refuse)
    assert (result.status, result.message) == ("errored", "no value for {{ x }}")

    def break_down(slot: Slot) -> str:
        raise ZeroDivisionError(slot.source)

    with pytest.raises(ZeroDivisionError):
        REGISTRY.evaluate(expectation("contains", "{{ x }}"), ABC, break_down)


@pytest.mark.parametrize(("kind", "value"), [("contains", 7), ("max_words", "x"), ("contain", "x")])
def test_an_invalid_value_is_errored(kind: str, value: Json) -> None:
    """An expectation that never went through the loader cannot pass either."""
    result = found(kind, value, "7 x")
    assert result.status == "errored"
    assert "cannot be evaluated" in result.message


def test_every_kind_of_this_version_is_there() -> None:
    """The names are those of the scenario file, the wrappers included."""
    vocabulary: Vocabulary = REGISTRY
    assert list(vocabulary.kinds()) == [
        *("contains", "equals", "starts_with", "ends_with", "matches", "similar", "json", "within"),
        *("min_words", "max_words", "max_chars", "max_output_tokens", "max_latency", "max_cost_usd"),
        *("stop_reason", "refusal", "calls_tool", "no_tool_calls", "judge", "not", "any_of", "all_of"),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_schema_and_an_example(kind: str) -> None:
    """The example is accepted by the schema and by the check, and an editor can show a description."""
    schema: Any = REGISTRY.schema(kind)
    Draft202012Validator.check_schema(schema)
    assert schema["description"].endswith(".")
    assert not list(Draft202012Validator(schema).iter_errors(REGISTRY.example(kind)))
    assert not problems(kind, REGISTRY.example(kind))


KEYS = ("any", "all", "text", "ignore_case", "pointer", "equals", "schema", "type", "x")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats(-2, 3)
    | st.sampled_from(["", "a", "2s", "/a", "(", "end_turn"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(value=json_values)
def test_editor_and_loader_agree(value: Json) -> None:
    """A value without problems fits the kind's schema, and no value at all raises anything."""
    for kind in KINDS:
        REGISTRY.templates(kind, value)
        if not problems(kind, value):
            schema: Any = REGISTRY.schema(kind)
            assert not list(Draft202012Validator(schema).iter_errors(value))
            # Nobody has asked a judge here.
            assert status(kind, value, '{"a": 1}') in {"passed", "failed"} or kind == "judge"


def test_kinds_that_look_at_one_reply_are_refused_on_a_conversation(snapshot: SnapshotAssertion) -> None:
    """All others may stand on the conversation as a whole."""
    refused = {
        kind: [spelt(problem) for problem in problems(kind, REGISTRY.example(kind), place="conversation")]
        for kind in KINDS
    }
    assert {kind: texts for kind, texts in refused.items() if texts} == snapshot


def test_unknown_kinds_have_a_hint_and_wrappers_no_problems(snapshot: SnapshotAssertion) -> None:
    """A slip is recognised; where nothing comes close, the kinds are listed."""
    assert [spelt(problems(kind, None)[0]) for kind in ("contians", "zzz")] == snapshot
    for wrapper in WRAPPERS:
        assert not problems(wrapper, None)
        assert not REGISTRY.templates(wrapper, None)


def test_a_registry_is_built_from_any_checks() -> None:
    """A check of one's own is a value, and works like the built-in ones."""

    def shouts(value: Json, about: Subject) -> Finding:
        if not about.text:
            return errored("nothing to hear")
        return (
            passed("it shouts")
            if about.text.isupper() is value
            else failed("it does not shout", actual=about.text)
        )

    own = Check(
        name="shouts", schema={"type": "boolean"}, example=True, problems=lambda _: (), evaluate=shouts
    )
    registry = Registry([*BUILT_IN, own])
    assert "shouts" in registry.kinds()
    results = [
        registry.evaluate(expectation("shouts", value=True), subject(text), str) for text in ("HO", "hi", "")
    ]
    assert [result.status.value for result in results] == ["passed", "failed", "errored"]
    (slot,) = registry.templates("shouts", "{{ a }}")
    assert (slot.path, slot.source, slot.into.value) == ((), "{{ a }}", "value")
    assert not registry.templates("shouts", value=True)


def test_further_checks_are_asked_for_once_and_only_when_a_name_is_unknown() -> None:
    """What costs something to find is not looked for while nobody asks for more than what is there."""
    asked: list[str] = []
    own = Check(
        name="shouts",
        schema={},
        example=True,
        problems=lambda _: (),
        evaluate=lambda _, about: passed(about.text),
        foreign=True,
    )

    def further() -> list[Check]:
        asked.append("asked")
        return [own]

    registry = default_registry(further=further)
    assert registry.knows("contains")
    assert registry.knows("any_of")
    assert not registry.problems("contains", "a", place="turn")
    assert (asked, registry.foreign) == ([], frozenset())
    assert registry.knows("shouts")
    assert not registry.knows("whispers")
    assert (asked, registry.foreign) == (["asked"], frozenset({"shouts"}))
    assert "shouts" in registry.kinds()
    assert "shouts" in default_registry(further=further).kinds()


def test_a_further_check_cannot_take_a_name() -> None:
    """It is told as any other mistake of the user's."""
    taken = Check(
        name="contains",
        schema={},
        example=True,
        problems=lambda _: (),
        evaluate=lambda _, about: passed(about.text),
    )
    registry = default_registry(further=lambda: [taken])
    assert registry.knows("contains")
    with pytest.raises(InputError, match="two checks are called 'contains': rename one of them"):
        registry.kinds()


@pytest.mark.parametrize("name", ["contains", "not"])
def test_two_checks_cannot_share_a_name(name: str) -> None:
    """Neither a built-in check nor a wrapper can be replaced unnoticed."""
    own = Check(
        name=name,
        schema={},
        example=None,
        problems=lambda _: (),
        evaluate=lambda _, about: passed(about.text),
    )
    with pytest.raises(ValueError, match=name):
        Registry([*BUILT_IN, own])

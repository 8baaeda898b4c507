"""`contains`, `equals`, `starts_with`, `ends_with` and `matches` on the text of a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.checks.builders import REGISTRY, expectation, found, problems, slots, spelt, status, subject

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.scenario.json_values import Json

KINDS = ("contains", "equals", "starts_with", "ends_with")
REPLY = "You can return it within 14 days of purchase.\nPlease keep the receipt, and we refund you in full."
LONG = "Lorem ipsum dolor sit amet. " * 40 + "The order number is A-1. " + "Consectetur elit. " * 40

# Case folding of the Turkish dotted capital I and of sharp s changes lengths: both belong into these texts.
texts = st.text(alphabet="abAB ß\u0130.\n", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("kind", "value", "text", "expected"),
    [
        ("contains", "30 days", "within 30 days.", "passed"),
        ("contains", "30 days", "within 30 Days.", "failed"),
        ("contains", {"text": "30 DAYS", "ignore_case": True}, "within 30 days.", "passed"),
        ("contains", {"text": "30 DAYS", "ignore_case": False}, "within 30 days.", "failed"),
        ("contains", {"any": ["a", "z"]}, "abc", "passed"),
        ("contains", {"any": ["x", "z"]}, "abc", "failed"),
        ("contains", {"all": ["a", "z"]}, "abc", "failed"),
        ("contains", {"all": ["a", "c"]}, "abc", "passed"),
        ("contains", {"all": ["A", "C"], "ignore_case": True}, "abc", "passed"),
        ("contains", "\n", "one line", "failed"),
        ("contains", "\n", "two\nlines", "passed"),
        ("equals", "yes", " yes\n", "passed"),
        ("equals", "yes\n", "yes", "passed"),
        ("equals", "yes", "yes.", "failed"),
        ("equals", {"any": ["yes", "no"]}, "no", "passed"),
        ("starts_with", "Dear", "\nDear Sir", "passed"),
        ("starts_with", "Dear\n", "Dear Sir", "passed"),
        ("starts_with", "Dear ", "Dearest", "failed"),
        ("starts_with", "Sir", "Dear Sir", "failed"),
        ("ends_with", "bye", "good bye\n", "passed"),
        ("ends_with", "bye\n", "good bye", "passed"),
        ("ends_with", " bye", "goodbye", "failed"),
        ("ends_with", {"any": [".", "!"]}, "Done!", "passed"),
        ("matches", "(?i)shipped", "It was SHIPPED.", "passed"),
        ("matches", "^shipped$", "It was shipped.", "failed"),
        ("matches", "{{ x }}", "{{ x }}", "passed"),
    ],
)
def test_the_text_decides(kind: str, value: Json, text: str, expected: str) -> None:
    """Each kind looks at its own end of the text, in any of its forms."""
    assert not problems(kind, value)
    assert status(kind, value, text) == expected


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("contains", "return it within 30 days", REPLY),
        ("contains", "Please Keep", REPLY),
        ("contains", "purchase. Please", REPLY),
        ("contains", "caf\u00e9", "cafe\u0301 au lait"),
        ("contains", "order number A-1", LONG),
        ("contains", "zebra", REPLY),
        ("contains", {"all": ["14 days", "zebra"]}, REPLY),
        ("contains", {"any": list("tuvwxyz"), "ignore_case": True}, "1234"),
        ("contains", "anything", " \n"),
        ("contains", "14 days", REPLY),
        ("contains", {"text": "PLEASE KEEP", "ignore_case": True}, REPLY),
        ("contains", {"text": "strasse", "ignore_case": True}, "Die Straße ist lang."),
        ("contains", "STRASSE", "Die Straße ist lang."),
        ("contains", "order number", LONG),
        ("contains", "\u202eevil\x1b[31m", 'say "hi"\t\x1b[2J\u202e'),
        ("equals", "You can return it within 30 days.", REPLY),
        ("equals", "Yes.", "No."),
        ("equals", "Yes.", "YES."),
        ("equals", "Yes.", ""),
        ("equals", "Yes, I do.", "Yes,\nI do."),
        ("starts_with", "Dear", REPLY),
        ("starts_with", "Dear", ""),
        ("ends_with", "Regards", REPLY),
        ("ends_with", "Regards", " "),
        ("matches", "[0-9]+ days", REPLY),
        ("matches", "x{3}", REPLY),
    ],
)
def test_messages_say_what_was_expected_and_what_comes_closest(
    kind: str, value: Json, text: str, snapshot: SnapshotAssertion
) -> None:
    """The sentence alone tells a reader what to look at."""
    result = found(kind, value, text)
    assert {"message": result.message, "expected": result.expected, "actual": result.actual} == snapshot


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("contains", 30),
        ("contains", True),
        ("contains", None),
        ("contains", ""),
        ("contains", ["a"]),
        ("contains", {}),
        ("contains", {"any": []}),
        ("contains", {"any": "a"}),
        ("contains", {"any": [1, "", {"text": "a"}], "ignor_case": True}),
        ("contains", {"any": ["a"], "all": ["b"]}),
        ("contains", {"text": ["a"], "ignore_case": "yes"}),
        ("equals", " \n"),
        ("starts_with", {"any": ["  "]}),
        ("ends_with", False),
        ("matches", ""),
        ("matches", 12),
        ("matches", {"any": ["a"]}),
        ("matches", "(?=a)b"),
        ("matches", "(a"),
    ],
)
def test_problems_are_found_before_sending(kind: str, value: Json, snapshot: SnapshotAssertion) -> None:
    """Every problem has its place in the value and a hint."""
    assert [spelt(problem) for problem in problems(kind, value)] == snapshot


def test_results_are_short_however_long_the_texts_are() -> None:
    """Neither the reply nor the expectation is repeated in full."""
    wanted = "w" * 5_000
    for kind in KINDS:
        for value in (wanted, {"any": [wanted] * 40}):
            result = found(kind, value, "t " * 50_000)
            assert len(result.message) < 700
            assert len(str(result.expected)) <= 300
            assert len(str(result.actual)) <= 300


def test_a_message_holds_no_character_that_acts_on_a_terminal() -> None:
    """What the model wrote is spelt out in the message."""
    for kind in KINDS:
        message = found(kind, "\x1b[0m x", "a\x1b[2J\u202eb\x07\r").message
        assert message.isprintable()


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("contains", "{{ a }}", [((), "{{ a }}", "text")]),
        (
            "contains",
            {"any": ["a", "b"], "ignore_case": True},
            [(("any", 0), "a", "text"), (("any", 1), "b", "text")],
        ),
        (
            "contains",
            {"all": "{{ a }}", "ignore_case": "{{ b }}"},
            [(("all",), "{{ a }}", "texts"), (("ignore_case",), "{{ b }}", "value")],
        ),
        ("equals", {"text": "a"}, [(("text",), "a", "text")]),
        ("ends_with", 7, []),
        ("matches", "{{ a }}", [((), "{{ a }}", "pattern")]),
    ],
)
def test_texts_and_patterns_are_templates(kind: str, value: Json, expected: list[object]) -> None:
    """The loader learns exactly the strings that are rendered, each with its place."""
    assert slots(kind, value) == expected


def test_each_text_of_a_list_is_rendered() -> None:
    """What is looked for is the rendered text, and only that."""
    wanted = expectation("contains", {"all": ["{{ a }}", "b"]})
    result = REGISTRY.evaluate(wanted, subject("one b"), lambda slot: slot.source.replace("{{ a }}", "one"))
    assert result.status == "passed"
    assert result.expected == ["one", "b"]


@settings(max_examples=100, deadline=None)
@given(text=texts, wanted=texts)
def test_contains_agrees_with_python(text: str, wanted: str) -> None:
    """The plain form is the substring test."""
    assert (status("contains", wanted, text) == "passed") == (wanted in text)


@settings(max_examples=100, deadline=None)
@given(before=texts, wanted=texts, after=texts, kind=st.sampled_from(KINDS))
def test_ignoring_case_only_ever_finds_more(before: str, wanted: str, after: str, kind: str) -> None:
    """What is found with case is found without, and so is its other case."""
    for text in (before + wanted + after, wanted, after):
        relaxed = status(kind, {"text": wanted, "ignore_case": True}, text)
        if status(kind, wanted, text) == "passed":
            assert relaxed == "passed"
        assert status(kind, {"text": wanted.casefold(), "ignore_case": True}, text) == relaxed


@settings(max_examples=100, deadline=None)
@given(
    text=texts, wanted=st.lists(texts.filter(str.strip), min_size=1, max_size=4), kind=st.sampled_from(KINDS)
)
def test_any_and_all_are_the_or_and_the_and_of_their_texts(text: str, wanted: list[str], kind: str) -> None:
    """The list forms say no more than their members do one by one."""
    single = [status(kind, one, text) == "passed" for one in wanted]
    assert (status(kind, {"any": wanted}, text) == "passed") == any(single)
    assert (status(kind, {"all": wanted}, text) == "passed") == all(single)

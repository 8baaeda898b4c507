"""`within`: what is expected of a part of the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.checks.builders import REGISTRY, expectation, problems, slots, spelt, subject, unfilled

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Expectation
    from claude_run.scenario.vocabulary import Place, Slot

REPLY = subject('Let me think: "context".\n<json>{"status": "COMPLETE"}</json>\n<json>{"status": "x"}</json>')


def within(pattern: str, *inside: Expectation) -> Expectation:
    """Return an expectation on the part that a pattern shows."""
    return expectation("within", {"pattern": pattern}, *inside)


@pytest.mark.parametrize(
    ("wanted", "status", "says"),
    [
        # The first group of the first match is the part, and nothing beside it is looked at.
        (
            within(
                "(?s)<json>(.*?)</json>", expectation("json", {"pointer": "/status", "equals": "COMPLETE"})
            ),
            "passed",
            "equals",
        ),
        (
            within("(?s)<json>(.*?)</json>", expectation("not", None, expectation("contains", "context"))),
            "passed",
            "does not hold",
        ),
        (within("(?s)<json>(.*?)</json>", expectation("contains", "context")), "failed", "the part of"),
        # Without a group the whole match is.
        (within("<json>.*", expectation("starts_with", "<json>")), "passed", "starts with"),
        # A group that took no part in the match is an empty part.
        (within("Let(x)?", expectation("equals", "")), "passed", "equals"),
        # Each expectation must hold, and what cannot be evaluated is never a pass.
        (
            within("think", expectation("contains", "think"), expectation("matches", "(")),
            "errored",
            "cannot be evaluated",
        ),
        (within("think", expectation("contains", "think"), expectation("contains", "x")), "failed", "1 of 2"),
        # Parts of parts.
        (within("<json>(.*?)</json>", within("[A-Z]+", expectation("equals", "COMPLETE"))), "passed", ""),
        # No part, no pass: whatever is expected of it.
        (
            within("<b>(.*)</b>", expectation("not", None, expectation("contains", "x"))),
            "failed",
            'no part of the reply matches the pattern "<b>(.*)</b>"; it begins "Let me think',
        ),
    ],
)
def test_a_part_is_judged_by_itself(wanted: Expectation, status: str, says: str) -> None:
    """What stands around the part changes nothing; a part that is not there fails."""
    result = REGISTRY.evaluate(wanted, REPLY, unfilled)
    assert (result.status.value, says in result.message) == (status, True), result.message


def test_a_pattern_is_filled_in_with_its_values_escaped() -> None:
    """A variable in the pattern stands for its characters."""

    def fill(slot: Slot) -> Json:
        return "a\\.b" if slot.source == "{{ tag }}" else slot.source

    wanted = within("{{ tag }}", expectation("equals", "a.b"))
    assert REGISTRY.evaluate(wanted, subject("aXb a.b"), fill).status.value == "passed"
    assert slots("within", {"pattern": "{{ tag }}", "expect": [{"contains": "{{ x }}"}]}) == [
        (("pattern",), "{{ tag }}", "pattern")
    ]


def test_nothing_is_judged_without_a_reply() -> None:
    """Where there is no reply there is no part of it."""
    wanted = within("a", expectation("contains", "a"))
    assert REGISTRY.evaluate(wanted, subject("a", stop_reason=None), unfilled).status.value == "errored"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("<a>", ".: `within` must be an object, not text"),
        ({"expect": []}, ".: `within` has no `pattern`"),
        ({"pattern": "("}, "pattern: the pattern is not valid"),
        ({"pattern": 3}, "pattern: this must be text"),
        ({"pattern": "a", "more": 1}, "more: unknown key `more`"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(value: Json, said: str) -> None:
    """Each problem is told with the part of the value that it is about."""
    assert spelt(problems("within", value)[0]).startswith(said)


@pytest.mark.parametrize(
    ("kind", "place", "may"),
    [
        ("contains", "part", True),
        ("json", "part", True),
        ("similar", "part", True),
        ("within", "part", True),
        ("judge", "part", False),
        ("stop_reason", "part", False),
        ("calls_tool", "part", False),
        ("max_latency", "part", False),
        ("matches", "condition", True),
        ("calls_tool", "condition", True),
        ("stop_reason", "condition", True),
        ("judge", "condition", False),
        ("max_latency", "condition", False),
        ("max_cost_usd", "condition", False),
        ("within", "conversation", False),
    ],
)
def test_what_a_kind_reads_says_where_it_may_stand(kind: str, place: Place, *, may: bool) -> None:
    """A part is a text alone; a condition follows from what the reply says, and from no measurement."""
    assert (not problems(kind, REGISTRY.example(kind), place=place)) is may

"""`calls_tool` and `no_tool_calls`: which tools were called, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.checks.builders import (
    REGISTRY,
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

    from claude_run.scenario.json_values import Json

CALLS: Any = (
    {"type": "text", "text": "I look."},
    {
        "type": "tool_use",
        "id": "t1",
        "name": "cd",
        "input": {"folder": "work", "deep": {"a": 1, "b": [1, 2]}},
    },
    {"type": "server_tool_use", "id": "t2", "name": "web_search", "input": {"query": "weather"}},
    {"type": "tool_use", "id": "t3", "name": "mv", "input": {"from": "a", "to": "b"}},
    {"type": "mcp_tool_use", "id": "t4", "name": "ask", "server_name": "s", "input": {}},
    {"type": "from_the_future", "name": "cd"},
)
MANY = subject("I look.", content=CALLS)
NONE = subject("I know.", content=({"type": "text", "text": "I know."},))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("cd", "passed"),
        ("web_search", "passed"),
        ("ask", "passed"),
        ("rm", "failed"),
        ({}, "passed"),
        ({"name": "cd", "input": {"deep": {"b": [1, 2]}}}, "passed"),
        ({"name": "cd", "input": {"deep": {"b": [1]}}}, "failed"),
        ({"name": "cd", "input": {"folder": "home"}}, "failed"),
        ({"input": {"to": "b"}}, "passed"),
        ({"name": "cd", "schema": {"not": {"required": ["to"]}}}, "passed"),
        ({"name": "mv", "schema": {"not": {"required": ["to"]}}}, "failed"),
        ({"schema": {"required": ["to"]}}, "passed"),
        ({"schema": {"required": ["doc"]}}, "failed"),
        (["cd", "mv"], "passed"),
        (["cd", {"name": "mv", "input": {"to": "b"}}, "ask"], "passed"),
        (["mv", "cd"], "failed"),
        (["cd", "cd"], "failed"),
        (["cd", {"name": "mv", "input": {"to": "c"}}], "failed"),
    ],
)
def test_what_was_called_decides(value: Json, expected: str, snapshot: SnapshotAssertion) -> None:
    """A part of the input is enough, and a list is an order in which others may stand between."""
    assert not problems("calls_tool", value)
    result = found("calls_tool", value, MANY)
    assert result.status == expected
    assert result.message == snapshot


@pytest.mark.parametrize("value", ["cd", {}, ["cd", "mv"], {"schema": {"required": ["doc"]}}])
def test_a_reply_without_calls_calls_nothing(value: Json, snapshot: SnapshotAssertion) -> None:
    """What was asked for is named."""
    result = found("calls_tool", value, NONE)
    assert result.status == "failed"
    assert result.message == snapshot


def test_no_calls_are_a_word_of_its_own(snapshot: SnapshotAssertion) -> None:
    """It says what was called all the same, and a `not` around any call is the same."""
    assert status("no_tool_calls", True, NONE) == "passed"  # noqa: FBT003 - the value of the expectation
    result = found("no_tool_calls", True, MANY)  # noqa: FBT003 - same
    assert result.status == "failed"
    assert result.message == snapshot
    denied = expectation("not", None, expectation("calls_tool", {}))
    assert REGISTRY.evaluate(denied, NONE, unfilled).status == "passed"
    assert REGISTRY.evaluate(denied, MANY, unfilled).status == "failed"


@pytest.mark.parametrize(
    "value",
    [
        True,
        [],
        [7],
        "",
        {"nmae": "cd"},
        {"name": 7},
        {"input": [1]},
        {"schema": {"typ": "object"}},
        [{"schema": 7}],
    ],
)
def test_problems_are_found_before_sending(value: Json, snapshot: SnapshotAssertion) -> None:
    """A slip in the arguments would make a check that never holds, or always."""
    assert [spelt(problem) for problem in problems("calls_tool", value)] == snapshot


def test_no_tool_calls_takes_nothing_but_truth() -> None:
    """`false` would be asked for with `calls_tool`."""
    assert problems("no_tool_calls", False)  # noqa: FBT003 - the value of the expectation

"""What crosses to the process of own checks and back: copies that say the same, and nothing but findings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.checks.kind import TURN_ONLY, errored, failed, passed
from claude_run.checks.own import check
from claude_run.checks.own_protocol import (
    Loaded,
    Loading,
    Refused,
    read_finding,
    read_progress,
    read_question,
    write_finding,
    write_progress,
    write_question,
)
from claude_run.conversation.usage import Usage
from tests.unit.checks.builders import subject

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=10,
)
SUBJECTS = st.builds(
    subject,
    st.text() | st.just("\ud800 half a pair"),
    latency_s=st.floats(0, 1e6),
    cost_usd=st.none() | st.decimals(0, 1000, places=9),
    usage=st.builds(
        Usage, input_tokens=st.none() | st.integers(0, 10**12), thinking_tokens=st.integers(0, 9)
    ),
    content=st.lists(st.dictionaries(st.text(), JSON, max_size=2), max_size=2).map(tuple),
)


@given(JSON, SUBJECTS)
def test_a_question_arrives_as_it_was_asked(value: Any, about: Any) -> None:
    """Value and subject are equal, on one line, and share nothing with what was sent."""
    line = write_question("mine", value, about)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert read_question(line) == ("mine", value, about)


@given(JSON, JSON)
def test_a_finding_arrives_as_it_was_found(expected: Any, actual: Any) -> None:
    """Whatever a person is to compare."""
    for make in (passed, failed, errored):
        finding = make("because", expected=expected, actual=actual)
        assert read_finding(write_finding(finding)) == finding


FINDING = {"status": "passed", "message": "fine", "expected": None, "actual": None}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"passed",
        b"[]",
        b"null",
        json.dumps({**FINDING, "status": "great"}).encode(),
        json.dumps({**FINDING, "message": 7}).encode(),
        json.dumps({**FINDING, "more": 1}).encode(),
        json.dumps({key: FINDING[key] for key in ("status", "message")}).encode(),
        json.dumps(FINDING).replace("{", '{"status": "failed", ').encode(),
        json.dumps({**FINDING, "actual": float("nan")}).encode(),
        b"\xff",
    ],
    ids=range(11),
)
def test_nothing_else_is_a_finding(line: bytes) -> None:
    """A status that is none, a key twice, too many keys or too few: never a pass."""
    with pytest.raises(ValueError, match=r"."):
        read_finding(line)


def test_how_far_loading_has_come() -> None:
    """Each message reads back as it was written, the checks with all that they say of themselves."""

    @check("mine", schema={"type": "array"}, example=["x"], scopes=TURN_ONLY, templates=False)
    def mine(_value: Any, _reply: Any) -> Any:
        """Agree."""

    for message in (Loading(what="a.py"), Refused(reason="no"), Loaded(checks=(mine.described,))):
        assert read_progress(write_progress(message)) == message


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"loading": 7}',
        b'{"checks": [{}]}',
        b'{"checks": [7]}',
        b'{"checks": [{"name": "not", "schema": {}, "example": 1, "scopes": [], "templates": true}]}',
    ],
)
def test_nothing_else_describes_checks(line: bytes) -> None:
    """A check that could not have been made is not taken from a process either."""
    with pytest.raises(ValueError, match=r"."):
        read_progress(line)

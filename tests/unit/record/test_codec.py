"""Journal lines: every event comes back as it was, and a line that does not fit is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.events import Asked, Attempted, Ended, Failed, Replied, SetAside, Started
from claude_run.conversation.exchange import Failure, Reply, SentMessage
from claude_run.conversation.identity import Identity
from claude_run.conversation.results import CheckResult, Outcome, Status
from claude_run.record.codec import decode, encode, money
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.model import Position
from tests.unit.conversation.builders import body, check, ended, script, started, user
from tests.unit.conversation.strategies import JSON, OBJECTS, TEXTS
from tests.unit.record.fakes import events

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from claude_run.conversation.events import Event

MAYBE = st.none() | TEXTS
SECONDS = st.floats(0, 1e6, allow_nan=False)
COSTS = st.none() | st.decimals(0, 999, places=12, allow_nan=False)
POSITIONS = st.builds(Position, path=TEXTS, line=st.integers(1), column=st.integers(1))
CHECKS: SearchStrategy[CheckResult] = st.recursive(
    st.builds(
        CheckResult,
        kind=TEXTS,
        status=st.sampled_from(Status),
        message=TEXTS,
        expected=JSON,
        actual=JSON,
        label=MAYBE,
        position=POSITIONS,
    ),
    lambda inner: st.builds(
        CheckResult,
        kind=st.just("any_of"),
        status=st.sampled_from(Status),
        message=TEXTS,
        position=POSITIONS,
        children=st.lists(inner, max_size=2).map(tuple),
    ),
    max_leaves=3,
)
RESULTS = st.lists(CHECKS, max_size=2).map(tuple)
NAMES = st.lists(TEXTS, max_size=2).map(tuple)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(["status", "timeout"]),
    message=TEXTS,
    status=st.none() | st.integers(),
    type=MAYBE,
    code=MAYBE,
    request_id=MAYBE,
    retry_after_s=st.none() | SECONDS,
    may_retry=st.booleans(),
    paid=st.sampled_from(["no", "maybe"]),
)
SENT = st.builds(SentMessage, turn=st.integers(0, 9), role=TEXTS, content=JSON)
EVENTS: SearchStrategy[Event] = st.one_of(
    st.builds(
        Started,
        identity=st.builds(
            Identity,
            id=TEXTS,
            scenario=TEXTS,
            path=TEXTS,
            case=MAYBE,
            variant=MAYBE,
            model=TEXTS,
            model_label=TEXTS,
            repeat=st.none() | st.integers(1),
        ),
        vars=OBJECTS,
        tags=NAMES,
        system=JSON,
        params=OBJECTS,
        roles=NAMES,
        expectations=MAYBE,
        at=TEXTS,
    ),
    st.builds(Asked, conversation_id=TEXTS, turn=st.integers(), key=TEXTS, sent=st.lists(SENT).map(tuple)),
    st.builds(
        Attempted,
        conversation_id=TEXTS,
        turn=st.integers(),
        key=TEXTS,
        n=st.integers(1),
        worst_cost_usd=COSTS,
        at=TEXTS,
    ),
    st.builds(
        Replied,
        conversation_id=TEXTS,
        turn=st.integers(),
        key=TEXTS,
        n=st.integers(0),
        reply=OBJECTS.map(lambda more: Reply.from_body({**more, **body()})),
        request_id=MAYBE,
        latency_s=SECONDS,
        cost_usd=COSTS,
        simulated=st.booleans(),
        replayed=st.booleans(),
        at=TEXTS,
    ),
    st.builds(
        Failed,
        conversation_id=TEXTS,
        turn=st.integers(),
        key=TEXTS,
        n=st.integers(1),
        failure=FAILURES,
        at=TEXTS,
    ),
    st.builds(SetAside, conversation_id=TEXTS, turn=st.integers(), key=TEXTS, reason=TEXTS, at=TEXTS),
    st.builds(
        Ended,
        conversation_id=TEXTS,
        outcome=st.sampled_from(Outcome),
        error=MAYBE,
        error_turn=st.none() | st.integers(0),
        warnings=NAMES,
        turn_checks=st.lists(st.tuples(st.integers(0, 9), RESULTS), max_size=2).map(tuple),
        checks=RESULTS,
        duration_s=SECONDS,
        at=TEXTS,
    ),
)


def _through_json(event: Event) -> Any:
    return json.loads(json.dumps(encode(event), allow_nan=False).encode("ascii"))


@settings(deadline=None, max_examples=100)
@given(EVENTS)
def test_every_event_survives_the_way_through_a_line(event: Event) -> None:
    """Lone surrogates, big numbers, money and nested checks included."""
    line = _through_json(event)
    assert decode(line) == event
    assert encode(decode(line)) == line


def test_an_empty_object_of_the_model_can_be_written() -> None:
    """A conversation without variables has the model's immutable default, which `json` does not know."""
    event = started(script(user()), vars=EMPTY, params=EMPTY)
    line = _through_json(event)
    assert (line["vars"], line["params"]) == ({}, {})


def test_a_line_begins_with_its_kind() -> None:
    """Readers of the file find the kind first."""
    assert [next(iter(encode(event).items())) for event in events(4)] == [
        ("event", "start"),
        ("event", "request"),
        ("event", "attempt"),
        ("event", "reply"),
    ]


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in _through_json(ended()).items() if key != name}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"event": "from_the_future"}, "unknown event 'from_the_future'"),
        ({}, "unknown event None"),
        (_without("outcome"), "a end event does not fit: KeyError"),
        ({**_through_json(ended()), "checks": 5}, "a end event does not fit: TypeError"),
        ({**_through_json(ended()), "outcome": "great"}, "'great' is not a valid Outcome"),
        ({**_through_json(ended()), "turn_checks": [[1]]}, "not enough values"),
        ({**_through_json(ended()), "checks": [{"kind": "x"}]}, "KeyError"),
        ({**_through_json(events(3)[2]), "worst_cost_usd": "much"}, "a attempt event does not fit: Invalid"),
    ],
)
def test_a_line_that_does_not_fit_is_refused(line: dict[str, Any], message: str) -> None:
    """The reader of the journal adds the file and the line to what is said here."""
    with pytest.raises(ValueError, match=message):
        decode(line)


def test_a_field_of_a_later_version_is_left_out() -> None:
    """New fields come without a new version of the journal."""
    assert decode({**_through_json(ended()), "seq": 5, "future": [1]}) == ended()


def test_a_field_that_an_earlier_version_did_not_write_is_not_known() -> None:
    """Journals without digests of expectations are read, and nothing is made up for them."""
    line = _through_json(started(script(user()), expectations="0123456789abcdef"))
    del line["expectations"]
    assert decode(line) == started(script(user()), expectations=None)


@pytest.mark.parametrize(
    ("amount", "number"),
    [
        (None, None),
        ("0", 0.0),
        ("0.00084", 0.00084),
        ("0.0000001", 1e-07),
        ("12.3456789012345", 12.345678901234),
    ],
)
def test_money_is_a_number_of_dollars_to_the_millionth_of_a_millionth(
    amount: str | None, number: float | None
) -> None:
    """Unknown is null, never zero."""
    assert money(None if amount is None else Decimal(amount)) == number


def test_a_check_keeps_its_children() -> None:
    """Wrappers carry the results of what they wrap."""
    result = check(Status.FAILED, children=(check(), check(Status.ERRORED, label="tone")))
    event = ended(checks=(result,), turn_checks=((2, (result,)),))
    assert decode(_through_json(event)) == event

"""What a journal tells of batches: which are open, and whose requests have no end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Attempted, Failed
from claude_run.conversation.exchange import Failure
from claude_run.errors import StorageError
from claude_run.record.history import OpenBatch, Submitted, read_history
from claude_run.record.journal import Journal
from tests.unit.conversation.builders import body, events_of, script, user
from tests.unit.record.fakes import FaultDisk

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.conversation.events import Event

TALK = script(user("first"))
STARTED, ASKED, _, REPLIED, ENDED = events_of(TALK, [body("Hi.")])
KEY: str = ASKED.key  # type: ignore[union-attr] # it is asked under a key
ATTEMPTED = Attempted(
    conversation_id=TALK.id, turn=0, key=KEY, n=1, worst_cost_usd=None, in_batch=True, at="now"
)
FAILED = Failed(
    conversation_id=TALK.id,
    turn=0,
    key=KEY,
    n=1,
    failure=Failure(kind="expired", message="expired", paid="no"),
    at="now",
)
SUBMITTING: dict[str, Any] = {
    "what": "batch_submitting",
    "batch": "token",
    "keys": [KEY, "another"],
    "headers": {"anthropic-beta": "a"},
    "since": "2026-11-23T12:00:00Z",
    "at": "now",
}
SUBMITTED = {"what": "batch_submitted", "batch": "token", "id": "msgbatch_1", "at": "now"}
DROPPED = {"what": "batch_dropped", "batch": "token", "at": "now"}
OPEN = OpenBatch(
    token="token",  # noqa: S106 - no secret
    id=None,
    size=2,
    keys=frozenset({KEY, "another"}),
    headers={"anthropic-beta": "a"},
    since="2026-11-23T12:00:00Z",
)


def told(folder: Path, *written: Event | dict[str, Any]) -> Submitted:
    """Write a journal of these events and lines; return what it tells of batches."""
    path = folder / "journal.jsonl"
    journal = Journal(path, disk=FaultDisk())
    for each in (STARTED, ASKED, *written):
        if isinstance(each, dict):
            fields = {name: value for name, value in each.items() if name != "what"}
            journal.append_run(each["what"], **fields)
        else:
            journal.append(each)
    journal.close()
    return read_history(path).batches


def test_a_run_without_batches_tells_of_none(tmp_path: Path) -> None:
    """A live attempt is in no batch, answered or not."""
    live = Attempted(conversation_id=TALK.id, turn=0, key=KEY, n=1, worst_cost_usd=None, at="now")
    assert told(tmp_path, live) == Submitted()


def test_an_attempt_before_its_batch_is_unsent(tmp_path: Path) -> None:
    """It was to go into a batch, and none was submitted that names it."""
    assert told(tmp_path, ATTEMPTED) == Submitted(unsent=frozenset({KEY}))


def test_a_batch_is_open_from_the_moment_before_it_is_submitted(tmp_path: Path) -> None:
    """Without a name first: nobody knows yet whether it was taken."""
    assert told(tmp_path, ATTEMPTED, SUBMITTING) == Submitted(open=(OPEN,))


def test_a_name_that_is_known_stays_known(tmp_path: Path) -> None:
    """Also of batches all of whose results are there."""
    found = told(tmp_path, ATTEMPTED, {**SUBMITTING, "keys": [KEY]}, SUBMITTED, REPLIED, ENDED)
    assert found == Submitted(ids=frozenset({"msgbatch_1"}))


@pytest.mark.parametrize("end", [REPLIED, FAILED])
def test_what_has_ended_is_in_the_batch_no_longer(tmp_path: Path, end: Event) -> None:
    """The others are; the size stays that of the batch."""
    (found,) = told(tmp_path, ATTEMPTED, SUBMITTING, SUBMITTED, end).open
    assert found.keys == {"another"}
    assert (found.id, found.size) == ("msgbatch_1", 2)


def test_a_batch_that_was_dropped_leaves_its_requests_unsent(tmp_path: Path) -> None:
    """But for those that have ended."""
    found = told(tmp_path, ATTEMPTED, SUBMITTING, DROPPED, FAILED)
    assert found == Submitted(unsent=frozenset({"another"}))


@pytest.mark.parametrize(
    "line",
    [
        {**SUBMITTING, "keys": 1},
        {**SUBMITTING, "headers": ["a"]},
        {**SUBMITTING, "batch": 7},
        {**SUBMITTING, "since": 7},
        SUBMITTED,
        DROPPED,
        {"what": "batch_lost", "batch": "token"},
    ],
)
def test_a_line_that_cannot_stand_there_is_refused(tmp_path: Path, line: dict[str, Any]) -> None:
    """One without what belongs to it, and one on a batch that never was."""
    with pytest.raises(StorageError):
        told(tmp_path, line)

"""Recorded replies: found by the key of their request, or explained why there is none."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.steps import Send, next_step
from claude_run.errors import InputError
from claude_run.record.folder import RunFolder
from claude_run.record.history import read_history
from claude_run.record.journal import Journal
from claude_run.record.recording import Recording
from tests.unit.conversation.builders import PlainRenderer, body, events_of, play, script, sends, text, user
from tests.unit.record.fakes import FaultDisk, conversation, run

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.conversation.exchange import Request
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Step

RECORDED = script(user("How long?"), user("And a sofa?"), system=text("Be kind."))
REPLIES = [body("Thirty days."), body("The same.")]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Write the journal of one play, in which the first turn was started anew once."""
    path = tmp_path / "journal.jsonl"
    written = Journal(path, disk=FaultDisk())
    for event in [*events_of(RECORDED, [body("Old.")], end=False), *events_of(RECORDED, REPLIES)]:
        written.append(event)
    written.close()
    return path


def _request(step: Step) -> Request:
    assert isinstance(step, Send)
    return step.request


def _first(conversation: Conversation) -> Request:
    return _request(next_step(conversation, [], PlainRenderer()))


@pytest.mark.parametrize("name", ["", "journal.jsonl"])
def test_a_run_folder_or_its_journal_is_a_recording(journal: Path, name: str) -> None:
    """Every reply of the play is found by its key, the latest one where there are two."""
    recording = Recording.open(journal.parent / name)
    for step, reply in zip(sends(play(RECORDED, REPLIES)[0]), REPLIES, strict=True):
        found = recording.find(step.request.key(RECORDED.identity.key_parts))
        assert found is not None
        assert found.reply.body == reply


def test_a_changed_prompt_or_another_conversation_is_not_found(journal: Path) -> None:
    """A key holds the whole request and whose it is."""
    recording = Recording([read_history(journal)])
    changed = script(user("How long, please?"), user("And a sofa?"), system=text("Be kind."))
    assert recording.find(_first(changed).key(changed.identity.key_parts)) is None
    assert recording.find(_first(RECORDED).key(["another"])) is None


def test_a_run_brings_what_it_took_over_itself(tmp_path: Path) -> None:
    """The oldest first, each once, as far as they are there; what is not there any more is told."""
    names = ("one", "two", "three")
    for name, earlier in zip(names, ("three", "one", "two"), strict=True):
        planned = replace(run(conversation()), options={"reuse": str(tmp_path / earlier)})
        folder = RunFolder.create(planned, out=tmp_path / name, stamp="", latest=False)
        folder.open_journal(planned)[0].close()
    told: list[str] = []
    assert len(Recording.line_of(tmp_path / "three", told.append)) == 3
    assert told == [
        f"taking replies from {tmp_path / 'three'}",
        "and from 2 runs that it took replies over from",
    ]
    told.clear()
    shutil.rmtree(tmp_path / "one")
    assert len(Recording.line_of(tmp_path / "three", told.append)) == 2
    assert told[1].startswith(f"warning: {tmp_path / 'two'} took replies over from {tmp_path / 'one'}, ")


def test_a_place_without_a_journal_is_no_recording(tmp_path: Path) -> None:
    """A folder and a file are told apart from a run."""
    for path in (tmp_path, tmp_path / "missing.jsonl"):
        with pytest.raises(InputError, match="holds no recording: name a run folder, or its journal"):
            Recording.open(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": {"max_tokens": 7}}, r"max_tokens was 100 and is now 7"),
        ({"params": {"max_tokens": 100, "speed": "fast"}}, r'speed was null and is now "fast"'),
        ({"system": text("Be curt.")}, r"system was .*kind.* and is now .*curt.*"),
        ({"system": None}, r"system was .*kind.* and is now null"),
        ({"turns": (user("How come?"),)}, r'message 1 \(user\) was "How long\?" and is now "How come\?"'),
    ],
)
def test_the_first_difference_explains_why_a_reply_is_not_recorded(
    journal: Path, changes: dict[str, Any], message: str
) -> None:
    """Parameters and system prompt come before the messages, as a reader would look for them."""
    fields = {"system": RECORDED.system, **changes}
    turns = fields.pop("turns", RECORDED.turns)
    request = _first(script(*turns, **fields))
    explained = Recording.open(journal).explain(request, RECORDED.id)
    assert re.fullmatch(f"not recorded: {message}", explained), explained


def test_a_conversation_that_is_not_recorded_is_named(journal: Path) -> None:
    """So is one that was started and got no reply."""
    recording = Recording.open(journal)
    assert recording.explain(_first(RECORDED), "x/y") == "not recorded: the recording has no conversation x/y"


def test_a_longer_script_than_the_recorded_one_is_explained(journal: Path) -> None:
    """Where nothing differs but the length, the numbers of messages say so."""
    longer = script(*RECORDED.turns, user("Thanks."), system=RECORDED.system)
    steps, _ = play(longer, REPLIES)
    explained = Recording.open(journal).explain(_request(steps[-1]), RECORDED.id)
    assert explained == "not recorded: 3 messages were recorded, and the request has 5"


def test_a_script_without_a_system_prompt_that_got_its_second_turn_is_explained(tmp_path: Path) -> None:
    """The mark for the cache at the top of a request is all that differs."""
    short, path = script(user("How long?")), tmp_path / "journal.jsonl"
    written = Journal(path, disk=FaultDisk())
    for event in events_of(short, REPLIES[:1]):
        written.append(event)
    written.close()
    explained = Recording.open(path).explain(_first(script(*short.turns, user("Thanks."))), short.id)
    assert explained.startswith("not recorded: the request marks other parts for the prompt cache")


def test_a_recorded_conversation_without_a_reply_says_so(tmp_path: Path) -> None:
    """There is nothing to compare the request with."""
    path = tmp_path / "journal.jsonl"
    written = Journal(path, disk=FaultDisk())
    for event in events_of(RECORDED, [], end=False):
        written.append(event)
    written.close()
    explained = Recording.open(path).explain(_first(RECORDED), RECORDED.id)
    assert explained == f"not recorded: the recorded conversation {RECORDED.id} has no reply"


def test_a_part_of_a_recording_holds_all_of_one_conversation(journal: Path) -> None:
    """What its requests may be answered with, superseded replies too, and how it explains itself."""
    recording = Recording.open(journal)
    steps = sends(play(RECORDED, REPLIES)[0])
    part = recording.of(RECORDED.identity)
    for step in steps:
        key = step.request.key(RECORDED.identity.key_parts)
        assert part.find(key) is not None
        assert part.find(key) is recording.find(key)
    changed = _first(script(user("How long, please?"), system=RECORDED.system))
    assert part.has(RECORDED.id)
    assert part.explain(changed, RECORDED.id) == recording.explain(changed, RECORDED.id)


def test_a_part_of_a_recording_holds_nothing_of_the_others(tmp_path: Path) -> None:
    """Neither of another case nor of another model; what was added later is in it."""
    path = tmp_path / "journal.jsonl"
    written = Journal(path, disk=FaultDisk())
    for event in events_of(RECORDED, REPLIES):
        written.append(event)
    written.close()
    other = replace(RECORDED.identity, id="greet/other", model="other", model_label="other")
    recording = Recording(())
    assert not recording.of(RECORDED.identity).has(RECORDED.id)
    recording.add(read_history(path))
    key = _first(RECORDED).key(RECORDED.identity.key_parts)
    assert recording.of(RECORDED.identity).find(key) is not None
    assert recording.of(other).find(key) is None
    assert not recording.of(other).has(RECORDED.id)
    assert recording.of(other).explain(_first(RECORDED), "greet/other") == (
        "not recorded: the recording has no conversation greet/other"
    )

"""The lines of `transcripts.jsonl`: one conversation each, with every documented key and true totals."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.results import Outcome, Status
from claude_run.conversation.usage import Usage, total
from claude_run.record.records import Record
from claude_run.record.transcripts import line, to_json
from claude_run.scenario.json_values import EMPTY
from tests.unit.conversation.builders import body, check, script, system, user
from tests.unit.conversation.strategies import REPLIES, TEXTS, scripts
from tests.unit.record.fakes import conversation, record

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.script import Conversation

KEYS = {
    *("schema_version", "conversation_id", "scenario", "path", "case", "variant", "model", "model_label"),
    *(
        "repeat",
        "confirm",
        "vars",
        "tags",
        "system",
        "params",
        "turns",
        "checks",
        "outcome",
        "error",
        "error_turn",
    ),
    *("warnings", "usage", "cost_usd", "uncertain_cost_usd", "started_at", "duration_s", "simulated"),
    *("replayed", "judge", "set_aside", "expectations"),
}
TURN_KEYS = {
    *(
        "index",
        "role",
        "content",
        "skipped",
        "left_out",
        "reply",
        "usage",
        "cost_usd",
        "latency_s",
        "attempts",
    ),
    *("attempts", "exchanges", "checks", "files"),
}


def _line(record: Record) -> Any:
    return json.loads(line(record))


def test_a_line_holds_the_whole_conversation(snapshot: SnapshotAssertion) -> None:
    """Scripted and generated turns, a paused one, one never sent, checks, money and usage."""
    played = script(
        user("Where is it?"),
        system("Be brief."),
        user("And its colour?"),
        user("Never asked."),
        system=user("You are a guide.").content,
        case="tower",
        vars={"city": "Paris"},
        tags=("smoke",),
    )
    replies = [body("In ", "pause_turn"), body("Paris."), body([], "refusal", stop_details=None)]
    nested = check(Status.FAILED, children=(check(),), expected="30 days", actual=None)
    entry = record(
        played,
        replies,
        checks=(nested,),
        outcome=Outcome.FAILED,
        error_turn=2,
        warnings=("turn 1: cut off",),
    )
    assert json.dumps(_line(entry), indent=2) == snapshot


def test_every_documented_key_is_there_whatever_happened() -> None:
    """Absent values are null, in a conversation that was played and in one that was never started."""
    played, never = record(conversation()), Record.of(conversation().identity, None)
    assert set(to_json(played.planned, played.transcript)) == set(to_json(never.planned, None)) == KEYS
    assert set(_line(played)["turns"][0]) == TURN_KEYS
    assert _line(never)["outcome"] == "skipped"
    assert (_line(never)["turns"], _line(never)["usage"], _line(never)["cost_usd"]) == ([], None, None)


def test_a_turn_without_a_reply_has_nulls_in_its_place() -> None:
    """Numbers of a reply that does not exist are not zero."""
    turns = _line(record(script(user(), user()), [body([], "refusal")]))["turns"]
    assert [turn["skipped"] for turn in turns] == [False, True]
    assert {name for name, value in turns[1].items() if value is None} == {
        *("content", "reply", "usage", "cost_usd", "latency_s", "attempts", "exchanges", "files")
    }


def test_content_blocks_are_the_bytes_that_came() -> None:
    """Thinking and unknown blocks stay, and the text is that of the text blocks."""
    blocks = [{"type": "thinking", "thinking": "", "signature": "c2ln"}, {"type": "text", "text": "Hi"}]
    reply = _line(record(conversation(), [body(blocks, "stop_sequence", stop_sequence="END")]))["turns"][0][
        "reply"
    ]
    assert (reply["content"], reply["text"]) == (blocks, "Hi")
    assert (reply["stop_reason"], reply["stop_sequence"]) == ("stop_sequence", "END")
    assert (reply["id"], reply["request_id"], reply["model"]) == ("msg_1", "req_1", "claude-haiku-5-5")


def test_an_unknown_price_is_null() -> None:
    """Unpriced is never zero."""
    priced = record(conversation()).transcript
    assert priced is not None
    (turn,) = priced.turns
    (exchange,) = turn.exchanges
    unpriced = _without_price(priced, turn, exchange)
    assert _line(Record.of(conversation().identity, unpriced))["cost_usd"] is None


def _without_price(transcript: Any, turn: Any, exchange: Any) -> Any:
    return replace(transcript, turns=(replace(turn, exchanges=(replace(exchange, cost_usd=None),)),))


def test_empty_objects_of_the_model_are_written() -> None:
    """A conversation without variables can be written straight from memory, too."""
    entry = record(conversation(vars=EMPTY))
    assert _line(entry)["vars"] == {}


@settings(deadline=None, max_examples=60)
@given(TEXTS | st.just("\u2028\u2029\x85\x0b\x1c\r\n"))
def test_any_text_stays_on_its_line(text: str) -> None:
    """Readers that split at U+2028 or at a carriage return find whole lines, and the text comes back."""
    entry = record(conversation(case=text or None), [body(text)])
    decoded = line(entry).decode("ascii")
    assert decoded.endswith("\n")
    assert len(decoded.splitlines()) == 1
    assert json.loads(decoded)["turns"][0]["reply"]["text"] == text


@settings(deadline=None, max_examples=60)
@given(scripts(), st.lists(REPLIES, max_size=6))
def test_totals_are_the_sums_of_the_replies(played: Conversation, replies: list[dict[str, Any]]) -> None:
    """Usage and cost of the line, of its turns and of its exchanges agree."""
    entry = record(played, replies or [body()])
    line = _line(entry)
    answered = [turn for turn in line["turns"] if turn["reply"]]
    assert Usage.from_api(line["usage"]) == total(Usage.from_api(turn["usage"]) for turn in answered)
    assert Decimal(str(line["cost_usd"])) == sum(Decimal(str(turn["cost_usd"])) for turn in answered)
    for turn in answered:
        parts = turn["exchanges"]
        assert parts is None or len(parts) > 1
        if parts:
            assert Usage.from_api(turn["usage"]) == total(Usage.from_api(part["usage"]) for part in parts)
            assert turn["reply"]["text"] == "".join(part["reply"]["text"] for part in parts)
            assert turn["attempts"] == sum(part["attempts"] for part in parts)

"""Streams as a server may send them, over a real socket: whole, cut, malformed, and put together anew."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from tests.support.scripted_server import Answer, events_of, message, sse, stream_answer
from tests.system.faults.api import Api, TurnRequest, scenario

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

LONG = 20_000
"""`max_tokens` that are streamed."""

START, BLOCK, *PIECES, BLOCK_STOP, END, STOP = events_of(message())
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}


def stream(*events: Any) -> Answer:
    """Answer with these events."""
    return stream_answer(sse(events))


MALFORMED = {
    "block": stream(START, {**BLOCK, "content_block": "text"}, *PIECES, BLOCK_STOP, END, STOP),
    "index": stream(START, BLOCK, *PIECES, {**PIECES[0], "index": -1}, BLOCK_STOP, END, STOP),
    "late": stream(START, BLOCK, BLOCK_STOP, *PIECES, END, STOP),
    "piece": stream(START, BLOCK, {**PIECES[0], "delta": ["text"]}, BLOCK_STOP, END, STOP),
    "kind": stream(START, {**BLOCK, "content_block": CALL}, *PIECES, BLOCK_STOP, END, STOP),
    "type": stream(START, BLOCK, *PIECES, BLOCK_STOP, {**END, "type": ["message_delta"]}, STOP),
    "content": stream(START, BLOCK, *PIECES, BLOCK_STOP, {**END, "delta": {"content": "Hello"}}, END, STOP),
    "model": stream(START, BLOCK, *PIECES, BLOCK_STOP, {**END, "delta": {"model": "other"}}, END, STOP),
    "open": stream(START, BLOCK, *PIECES, END, STOP),
    "reason": stream(START, BLOCK, *PIECES, BLOCK_STOP, {**END, "delta": {"stop_reason": {}}}, STOP),
    "error": stream(START, {"type": "error", "error": {"type": ["x"], "message": 5e300}}),
    "empty": stream(),
    "begun": stream(
        {**START, "message": message({"type": "text", "text": "Lost."})},
        BLOCK,
        *PIECES,
        BLOCK_STOP,
        END,
        STOP,
    ),
    "twice": stream(START, BLOCK, *PIECES, START, BLOCK_STOP, END, STOP),
}


def test_a_malformed_stream_ends_its_conversation_alone(workspace: Workspace) -> None:
    """It is asked for again, and then not measured; the run goes on, and every good reply is kept."""
    good = [f"good{n}" for n in range(7)]
    cases = chain.from_iterable(zip(good, *[iter(MALFORMED)] * 2, strict=True))
    workspace.write("s.yaml", scenario(*cases, turns=2, max_tokens=LONG))
    whole = stream(*events_of(message()))
    with Api(answer=lambda asked: MALFORMED.get(asked.case, whole)) as api:
        result = workspace.run("s.yaml", "-o", "out", "-j", "3", url=api.url, speed=200)
        assert result.code == 3, result.stderr
    rows = workspace.transcripts()
    assert {case for case, row in rows.items() if row["outcome"] == "passed"} == set(good)
    assert all(rows[case]["turns"][1]["reply"]["text"] == "Hello there." for case in good)
    assert {case: row["turns"][0]["reply"] for case, row in rows.items() if case in MALFORMED} == (
        dict.fromkeys(MALFORMED)
    )
    assert "the stream goes on with block -1, which is not open" in rows["index"]["error"]
    assert "content is not the one that it began with: [{" in rows["begun"]["error"]
    assert "says another model than message_start" in rows["model"]["error"]


def test_a_reply_that_was_cut_in_a_tools_input_is_paid_once(workspace: Workspace) -> None:
    """It is a reply with its stop reason: checked where it is the last, and never sent back half."""
    cut = stream(
        START,
        {**BLOCK, "content_block": CALL},
        {**PIECES[0], "delta": {"type": "input_json_delta", "partial_json": '{"id": "A-'}},
        BLOCK_STOP,
        {**END, "delta": {"stop_reason": "max_tokens"}},
        STOP,
    )
    workspace.write(
        "one.yaml", scenario("a", turns=1, max_tokens=LONG) + "    expect: [{stop_reason: max_tokens}]\n"
    )
    workspace.write("two.yaml", scenario("b", turns=2, max_tokens=LONG))
    with Api(answer=lambda _: cut) as api:
        assert workspace.run("one.yaml", "-o", "one", url=api.url, speed=50).code == 0
        result = workspace.run("two.yaml", "-o", "two", url=api.url, speed=50)
        assert result.code == 3, result.stderr
        assert api.requests == {("a", 1): 1, ("b", 1): 1}
    row = workspace.transcripts("one")["a"]
    assert row["turns"][0]["reply"]["content"] == [CALL]
    assert row["warnings"] == [
        f"turn 1: the reply was cut off at max_tokens ({LONG})",
        "turn 1: the reply was cut off in a tool's input, which is kept as text",
    ]
    assert workspace.transcripts("two")["b"]["error"] == (
        "the reply was cut off at max_tokens while it called look; raise max_tokens,"
        " so the turns after it were not sent"
    )


def test_a_stream_says_the_same_live_and_later(workspace: Workspace) -> None:
    """What was cut between two pieces is whole in the player, in the journal, and in every later run."""
    # JSON writes a character beyond the first 65,536 as two halves, and a server may cut between them.
    halves = [
        {**PIECES[0], "delta": {"type": "text_delta", "text": half}} for half in ("Yes \ud83d", "\ude00")
    ]
    data = "".join(
        f"data: {json.dumps(event)}\n\n" for event in (START, BLOCK, *halves, BLOCK_STOP, END, STOP)
    )
    sent: list[Any] = []
    gone = 0

    def answer(asked: TurnRequest) -> Answer:
        sent.append(asked.http.body["messages"])
        return Answer(reset=True) if asked.turn == gone else stream_answer(data.encode())

    script = scenario("a", turns=3, max_tokens=LONG) + "    expect: [{equals: Yes 😀}]\n"
    workspace.write("s.yaml", script)
    with Api(answer=answer) as api:
        assert workspace.run("s.yaml", "-o", "live", url=api.url, speed=50).code == 0
        live, sent[:] = sent[:], []
        gone = 3
        assert workspace.run("s.yaml", "-o", "resumed", url=api.url, speed=200).code == 3
        gone, sent[:] = 0, []
        assert workspace.run("resume", "resumed", "--retry-errors", url=api.url, speed=50).code == 0
    # The third turn, sent by a process that read the replies from the journal, is the one that was sent live.
    assert sent == [live[2]]
    assert workspace.run("s.yaml", "--replay", "live", "-o", "replayed").code == 0
    texts = Counter(
        turn["reply"]["text"]
        for run in ("live", "resumed", "replayed")
        for turn in workspace.transcripts(run)["a"]["turns"]
    )
    assert texts == {"Yes 😀": 9}

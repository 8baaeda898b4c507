"""Replies as they really come: blank text, unknown usage, streams of gateways, errors under status 200."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.scripted_server import (
    Answer,
    error_answer,
    events_of,
    http,
    json_answer,
    message,
    sse,
    stream_answer,
)
from tests.system.faults.api import Api, TurnRequest, ok, scenario

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

LONG = 20_000
"""`max_tokens` that are streamed."""

BLANK: dict[str, list[dict[str, Any]]] = {
    "whitespace": [{"type": "text", "text": "\n\n"}],
    "beside": [{"type": "text", "text": ""}, {"type": "text", "text": "ok"}],
    "thinking": [{"type": "thinking", "thinking": "hm", "signature": "abc"}, {"type": "text", "text": ""}],
    "nothing": [],
}


def _refused(messages: list[dict[str, Any]]) -> str | None:
    """Return why the API does not take these messages: no content, or blank text."""
    for sent in messages:
        content = sent["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not blocks:
            return "all messages must have non-empty content"
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            return "text content blocks must contain non-whitespace text"
    return None


def test_blank_text_does_not_poison_the_next_turn(workspace: Workspace) -> None:
    """It stays in journal and transcript and is never sent back: live, replayed and reused alike."""

    def answer(asked: TurnRequest) -> Answer:
        if refused := _refused(asked.http.body["messages"]):
            return error_answer("invalid_request_error", refused, status=400)
        return ok() if asked.turn == 2 else json_answer({**message(), "content": BLANK[asked.case]})

    workspace.write("s.yaml", scenario(*BLANK))
    with Api(answer=answer) as api:
        result = workspace.run("s.yaml", "-o", "out", url=api.url, speed=50)
        assert result.code == 0, result.stderr
        assert workspace.run("s.yaml", "--reuse", "out", "-o", "reused", url=api.url).code == 0
        assert api.requests == {(case, turn): 1 for case in BLANK for turn in (1, 2)}
    assert workspace.run("s.yaml", "--replay", "out", "-o", "again").code == 0
    for run in ("out", "reused", "again"):
        found = {case: row["turns"][0]["reply"] for case, row in workspace.transcripts(run).items()}
        assert {case: reply["content"] for case, reply in found.items()} == BLANK


NO_USAGE: dict[str, Any] = {
    "missing": ...,
    "none": None,
    "nulls": {"input_tokens": None, "output_tokens": None},
    "part": {"output_tokens": 7},
    "foreign": {"prompt_tokens": 9, "completion_tokens": 7},
    "odd": {"input_tokens": "9", "output_tokens": 7},
}


def test_a_reply_that_does_not_say_what_it_used_is_kept_and_never_paid_again(workspace: Workspace) -> None:
    """Its checks run, its tokens and its cost are unknown, and under a cap it counts at its worst."""

    def answer(asked: TurnRequest) -> Answer:
        body = {**message(), "usage": NO_USAGE[asked.case]}
        return json_answer({name: value for name, value in body.items() if value is not ...})

    checks = "    expect: [{contains: Hello}]\n"
    workspace.write("s.yaml", scenario(*NO_USAGE, turns=1) + checks)
    with Api(answer=answer) as api:
        result = workspace.run("s.yaml", "-o", "out", "--max-cost", "1", url=api.url, speed=50)
        assert result.code == 0, result.stderr
        assert api.requests == {(case, 1): 1 for case in NO_USAGE}
        capped = ("--max-cost", "0.0001", "-j", "1")
        assert workspace.run("s.yaml", "-o", "capped", *capped, url=api.url, speed=50).code == 4
    totals = workspace.summary()["totals"]
    assert (totals["usage"]["input_tokens"], totals["cost_usd"], totals["uncertain_cost_usd"]) == (
        None,
        None,
        0,
    )
    assert workspace.summary()["unpriced_models"] == []
    assert 0 < len(workspace.events("reply", "capped")) < len(NO_USAGE)
    for case, row in workspace.transcripts().items():
        assert row["cost_usd"] is None
        assert row["usage"]["output_tokens"] == (7 if case == "part" else None)
        assert row["warnings"] == [
            "turn 1: the reply does not say how many tokens it used: its cost is unknown"
        ]
    assert "unknown tokens in" in result.stderr + result.stdout

    checks = "    expect: [{max_cost_usd: 1}]\n"
    workspace.write("s.yaml", scenario("missing", turns=1) + checks)
    assert workspace.run("s.yaml", "--replay", "out", "-o", "judged").code == 3
    (check,) = workspace.transcripts("judged")["missing"]["turns"][0]["checks"]
    assert check["status"] == "errored"
    assert "did not say how many tokens" in check["message"]


EVENTS = events_of(message(usage={"input_tokens": 100, "output_tokens": 12}))
NULLS = {"input_tokens": None, "output_tokens": 12, "cache_read_input_tokens": None}
NEW = {"type": "content_block_annotation", "index": 0, "x": 1}
GATEWAYS: dict[str, Answer] = {
    "nulls": stream_answer(sse([*EVENTS[:-2], {**EVENTS[-2], "usage": NULLS}, EVENTS[-1]])),
    "cr": stream_answer(sse(EVENTS, end="\r")),
    "crlf": stream_answer(sse(EVENTS, end="\r\n")),
    "bom": stream_answer(b"\xef\xbb\xbf" + sse(EVENTS)),
    "comment": stream_answer(b": PROCESSING\n\n: keepalive\n\n" + sse(EVENTS)),
    "empty": stream_answer(b"data:\n\n" + sse(EVENTS)),
    "nospace": stream_answer(sse(EVENTS).replace(b"data: ", b"data:").replace(b"event: ", b"event:")),
    "done": stream_answer(sse(EVENTS) + b"data: [DONE]\n\n"),
    "new": stream_answer(sse([*EVENTS[:4], NEW, *EVENTS[4:]])),
    "upper": http(sse(EVENTS), kind="Text/Event-Stream; Charset=UTF-8"),
    "whole": json_answer(message(usage={"input_tokens": 100, "output_tokens": 12})),
}


def test_every_valid_stream_is_read(workspace: Workspace) -> None:
    """Line ends, comments, spaces, a mark, new events, or no stream at all: the reply is one and the same."""
    workspace.write("s.yaml", scenario(*GATEWAYS, turns=1, max_tokens=LONG))
    with Api(answer=lambda asked: GATEWAYS[asked.case]) as api:
        result = workspace.run("s.yaml", "-o", "out", url=api.url, speed=50)
        assert result.code == 0, result.stderr
        assert api.requests == {(case, 1): 1 for case in GATEWAYS}
    for case, row in workspace.transcripts().items():
        assert row["turns"][0]["reply"]["text"] == "Hello there.", case
        usage = row["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (100, 12), case


TYPED = json.dumps(message({"type": "text", "text": 5}))


def test_an_error_under_status_200_is_quoted(workspace: Workspace) -> None:
    """The words of the server reach the user, and a key that stands twice is named."""
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    refused = {"type": "error", "error": {"type": "invalid_request_error", "message": "too odd"}}
    answers = {
        "passing": json_answer(overloaded),
        "refused": json_answer(refused),
        "gateway": json_answer({"error": {"message": "quota exceeded for key", "code": "quota"}}),
        "doubled": http(b'{"a": 1,' + json.dumps(message()).encode()[1:-1] + b',"a": 2}'),
        "typed": http(TYPED.encode()),
        "many": json_answer({"errors": [{"message": "no \x1b[31mplan"}]}),
    }

    def answer(asked: TurnRequest) -> Answer:
        return ok() if asked.case == "passing" and asked.attempt > 1 else answers[asked.case]

    workspace.write("s.yaml", scenario(*answers, turns=1))
    with Api(answer=answer) as api:
        assert workspace.run("s.yaml", "-o", "out", url=api.url, speed=50).code == 3
        assert (api.requests["passing", 1], api.requests["refused", 1]) == (2, 1)
    assert {case: row["error"] for case, row in workspace.transcripts().items()} == {
        "passing": None,
        "refused": "invalid_request_error under status 200: too odd",
        "gateway": "quota under status 200: quota exceeded for key",
        "doubled": workspace.transcripts()["doubled"]["error"],
        "typed": f"invalid reply: content[0].text is not a string: 5; it says: {TYPED[:200]}",
        "many": 'invalid reply: the body is not an assistant message; it says: {"errors": [{"message": "no '
        '\\u001b[31mplan"}]}',
    }
    assert "holds a duplicate key `a`" in workspace.transcripts()["doubled"]["error"]


def test_what_a_newer_api_adds_is_data_with_a_warning(workspace: Workspace) -> None:
    """Blocks and deltas of unknown kinds are kept, and somebody is told."""
    block = {"type": "hologram", "depth": 1}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "aurora", "x": 1}}
    answers = {
        "block": stream_answer(
            sse(events_of(message(block, {"type": "text", "text": "Hi."}, extra={"a": 1})))
        ),
        "delta": stream_answer(sse([*EVENTS[:3], delta, *EVENTS[3:]])),
    }
    workspace.write("s.yaml", scenario(*answers, turns=1, max_tokens=LONG))
    with Api(answer=lambda asked: answers[asked.case]) as api:
        assert workspace.run("s.yaml", "-o", "out", url=api.url, speed=50).code == 0
    assert {case: row["warnings"] for case, row in workspace.transcripts().items()} == {
        "block": ["turn 1: the reply holds a block of the unknown type 'hologram'"],
        "delta": ["turn 1: the stream changes a block in the unknown way 'aurora'"],
    }

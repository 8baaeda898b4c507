"""Replies that must fit a JSON Schema are held against it on arrival; nobody writes an expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.scripted_server import in_turn, json_answer, message
from tests.system.faults.api import Api

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.system.harness.workspace import Workspace

SCHEMA = """\
{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}
"""
HEAD = """\
name: s
model: claude-haiku-5-5
max_tokens: 9
output_config: {format: {type: json_schema, schema: {file: answer.json}}}
"""
ASK = "turns:\n  - user: a|question 1\n"
FITS = {"type": "text", "text": '{"a": 1}'}
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
TOOLS = "tools: [{name: look, input_schema: {type: object}}]\n"
RESULTS = "tool_results: {look: {return: found}}\n"


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _play(
    workspace: Workspace, scenario: str, replies: Sequence[dict[str, Any]]
) -> tuple[int, dict[str, Any], list[Any]]:
    workspace.write("answer.json", SCHEMA)
    workspace.write("s.yaml", scenario)
    answers = in_turn(*map(json_answer, replies))
    with Api(answer=lambda asked: answers(asked.http)) as api:
        result = workspace.run("s.yaml", "-o", "out", url=api.url)
        bodies = [each.http.body for each in api.ledger]
    (transcript,) = workspace.transcripts("out").values()
    return result.code, transcript, bodies


def _checks(transcript: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (check["kind"], check["status"], check["message"].partition(":")[0])
        for turn in transcript["turns"]
        for check in turn["checks"]
    ]


MISFIT = "the reply does not fit the schema of `output_config.format`"
CUT_OFF = "the reply was cut off at max_tokens (9) before its JSON was whole"
CUT = message(_text('{"a'), stop_reason="max_tokens")
NO_JSON = "expected the reply to be JSON by `output_config.format`"


@pytest.mark.parametrize(
    ("scenario", "replies", "ends"),
    [
        (HEAD + ASK, [message(FITS)], (0, [])),
        (HEAD + ASK, [message(FITS, stop_reason="stop_sequence")], (0, [])),
        (HEAD + ASK, [message(_text('{"b": 1}'))], (1, [("output_format", "failed", MISFIT)])),
        (HEAD + ASK, [message(_text("Sure!"))], (1, [("output_format", "failed", NO_JSON)])),
        (HEAD + ASK, [CUT], (1, [("output_format", "failed", CUT_OFF)])),
        (
            HEAD + ASK + "    expect: [{stop_reason: max_tokens}]\n",
            [CUT],
            (0, [("stop_reason", "passed", 'the reply ended with "max_tokens"')]),
        ),
        (
            HEAD + ASK,
            [message(_text("I will not."), stop_reason="refusal")],
            (1, [("refusal", "failed", "the model refused to answer")]),
        ),
        (HEAD + TOOLS + ASK, [message(CALL, stop_reason="tool_use")], (0, [])),
        (
            HEAD + TOOLS + RESULTS + ASK,
            [message(_text("Let me look."), CALL, stop_reason="tool_use"), message(FITS)],
            (0, []),
        ),
        (HEAD + ASK, [message(_text('{"a"'), stop_reason="pause_turn"), message(_text(": 1}"))], (0, [])),
        (
            HEAD + ASK + "  - user: b|question 2\n",
            [message(_text("[]")), message(FITS)],
            (1, [("output_format", "failed", MISFIT)]),
        ),
    ],
    ids=[
        "fits",
        "stop sequence",
        "does not fit",
        "no JSON",
        "cut off",
        "cut off as expected",
        "refused",
        "a call at the end",
        "after tools",
        "after a pause",
        "every turn",
    ],
)
def test_a_reply_is_held_against_its_schema(
    workspace: Workspace,
    scenario: str,
    replies: Sequence[dict[str, Any]],
    ends: tuple[int, list[tuple[str, str, str]]],
) -> None:
    """The answer of each turn, without what came before its tools; a refusal and a call have no form."""
    ended, transcript, bodies = _play(workspace, scenario, replies)
    assert (ended, _checks(transcript)) == ends
    assert bodies[0]["output_config"]["format"]["schema"]["required"] == ["a"]

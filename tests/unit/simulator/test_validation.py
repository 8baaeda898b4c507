"""The simulator refuses what the API refuses, with its status and its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.simulator.catalog import MODELS
from claude_run.simulator.engine import Engine
from claude_run.simulator.problems import ApiError
from claude_run.simulator.replies import NoReplies
from claude_run.simulator.validation import parse_body
from tests.support import media

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

NEW = {"anthropic-version": "2026-10-21"}
OLD = {"anthropic-version": "2023-06-01"}
USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "hello"}
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "found"}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
CACHED = {"cache_control": {"type": "ephemeral"}}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
PDF = "JVBERi0xLjc="
OPEN_SCHEMA = {"anyOf": [{"type": "object"}]}
FORMAT = {"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}}


def _engine() -> Engine:
    return Engine(NoReplies(), lambda: 0.0)


def _body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "claude-haiku-5-5", "max_tokens": 64, "messages": [USER], **changes}
    return {key: value for key, value in body.items() if value is not ...}


def _says(*blocks: Any, role: str = "user") -> dict[str, Any]:
    before = [] if role == "user" else [USER]
    return _body(messages=[*before, {"role": role, "content": [*blocks]}])


def _refusal(body: dict[str, Any], headers: dict[str, str]) -> str:
    with pytest.raises(ApiError) as caught:
        _engine().prepare(body, headers)
    return f"{caught.value.status} {caught.value.type}: {caught.value.message}"


REFUSED: dict[str, dict[str, Any]] = {
    "image is too long": _says(media.block(media.png(padding=7_900_000))),
    "image is too wide": _says(media.block(media.png(8001, 1))),
    "image is of another type": _says(media.block(media.jpeg())),
    "image in a tool result is too wide": _body(
        messages=[
            USER,
            {**ANSWER, "content": [CALL]},
            {"role": "user", "content": [{**RESULT, "content": [media.block(media.png(8001, 1))]}]},
        ]
    ),
    "PDF has a password": _says(media.block(media.pdf(encrypted=True), "application/pdf")),
    "many images are too wide": _says(*[media.block(media.png(2001, 1))] * 21),
    "too much media": _says(media.block(media.pdf(600), "application/pdf"), media.block(media.png())),
    "too much media for a short context": _body(
        model="claude-haiku-4-5", messages=_says(*[media.block(media.png())] * 101)["messages"]
    ),
    "format with a bound": _body(
        output_config={"format": {"type": "json_schema", "schema": {"type": "integer", "maximum": 5}}}
    ),
    "format beside citations": {
        **_says(
            {"type": "text", "text": "hi"},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a"},
                "citations": {"enabled": True},
            },
        ),
        "output_config": FORMAT,
    },
    "no model": _body(model=...),
    "model is not a string": _body(model=3),
    "unknown model": _body(model="claude-3-opus"),
    "no max_tokens": _body(max_tokens=...),
    "max_tokens is not a number": _body(max_tokens="64"),
    "max_tokens is a boolean": _body(max_tokens=True),
    "max_tokens is negative": _body(max_tokens=-1),
    "max_tokens is beyond the model": _body(max_tokens=128_001),
    "warm-up that streams": _body(max_tokens=0, stream=True),
    "warm-up with a forced tool": _body(max_tokens=0, tools=[TOOL], tool_choice={"type": "any"}),
    "warm-up with a format": _body(max_tokens=0, output_config=FORMAT),
    "no messages": _body(messages=...),
    "messages are no list": _body(messages="hi"),
    "messages are empty": _body(messages=[]),
    "message is not an object": _body(messages=["hi"]),
    "unknown role": _body(messages=[{"role": "bot", "content": "hi"}]),
    "role is not a string": _body(messages=[{"role": [], "content": "hi"}]),
    "no content": _body(messages=[{"role": "user"}]),
    "content is empty": _body(messages=[{"role": "user", "content": ""}]),
    "content is blank": _body(messages=[{"role": "user", "content": " "}]),
    "content is a number": _body(messages=[{"role": "user", "content": 3}]),
    "content is an empty list in mid-history": _body(messages=[USER, {**ANSWER, "content": []}, USER]),
    "extra field of a message": _body(messages=[{**USER, "name": "x"}]),
    "first message is the assistant's": _body(messages=[ANSWER, USER]),
    "prefill": _body(messages=[USER, ANSWER]),
    "unknown top-level field": _body(max_token=3),
    "temperature": _body(temperature=1),
    "text block without text": _says({"type": "text"}),
    "text block is empty": _says({"type": "text", "text": ""}),
    "text block is blank": _says({"type": "text", "text": " \n"}),
    "empty text block is cached": _says({"type": "text", "text": "", **CACHED}),
    "citations from a transcript": _says({"type": "text", "text": "a", "citations": [{}]}),
    "block without type": _says({"text": "a"}),
    "block type is not a string": _says({"type": {}, "text": "a"}),
    "unknown block type": _says({"type": "video"}),
    "user calls a tool": _says(CALL),
    "document in an assistant message": _says({"type": "document"}, role="assistant"),
    "image without source": _says({"type": "image"}),
    "image of an unknown kind": _says({"type": "image", "source": {**PIXEL, "media_type": "image/bmp"}}),
    "image that is not base64": _says({"type": "image", "source": {**PIXEL, "data": "%%"}}),
    "image that is empty": _says({"type": "image", "source": {**PIXEL, "data": ""}}),
    "image by an unnamed file": _says({"type": "image", "source": {"type": "file"}}),
    "document of rich text": _says(
        {"type": "document", "source": {"type": "text", "media_type": "text/html", "data": "a"}}
    ),
    "document of odd content": _says({"type": "document", "source": {"type": "content", "content": 1}}),
    "thinking without signature": _says({"type": "thinking", "thinking": ""}, role="assistant"),
    "thinking is cached": _says(
        {"type": "thinking", "thinking": "", "signature": "s", **CACHED}, role="assistant"
    ),
    "redacted thinking without data": _says({"type": "redacted_thinking"}, role="assistant"),
    "search result without text": _says(
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "image"}]}
    ),
    "tool use without input": _says({"type": "tool_use", "id": "t", "name": "n"}, role="assistant"),
    "tool result with an odd flag": _says({**RESULT, "is_error": "no"}),
    "tool result without a call": _says(RESULT),
    "tool call without a result": _body(messages=[USER, {**ANSWER, "content": [CALL]}, USER]),
    "tool call answered twice": _body(
        messages=[USER, {**ANSWER, "content": [CALL]}, {"role": "user", "content": [RESULT, RESULT]}]
    ),
    "tool calls with one id": _body(messages=[USER, {**ANSWER, "content": [CALL, CALL]}]),
    "tool result after text": _body(
        messages=[
            USER,
            {**ANSWER, "content": [CALL]},
            {"role": "user", "content": [{"type": "text", "text": "so"}, RESULT]},
        ]
    ),
    "system turn first": _body(messages=[{"role": "system", "content": "x"}, USER]),
    "system turn after the assistant": _body(
        messages=[USER, ANSWER, {"role": "system", "content": "x"}, ANSWER, USER]
    ),
    "system turn before a user": _body(messages=[USER, {"role": "system", "content": "x"}, USER]),
    "system turn on an old model": _body(
        model="claude-sonnet-5", messages=[USER, {"role": "system", "content": "x"}]
    ),
    "system is a number": _body(system=3),
    "system has an image": _body(system=[{"type": "image", "source": PIXEL}]),
    "system is blank": _body(system=[{"type": "text", "text": " "}]),
    "cache marker is not an object": _body(cache_control="yes"),
    "cache marker of an unknown kind": _body(cache_control={"type": "eternal"}),
    "cache marker of an unknown ttl": _body(cache_control={"type": "ephemeral", "ttl": "2h"}),
    "cache marker with more": _body(cache_control={"type": "ephemeral", "scope": "all"}),
    "thinking without type": _body(thinking={}),
    "thinking of an unknown kind": _body(thinking={"type": "deep"}),
    "thinking that the model lacks": _body(thinking={"type": "enabled", "budget_tokens": 2000}),
    "thinking cannot be off": _body(model="claude-opus-5-5", thinking={"type": "disabled"}),
    "thinking off with fields": _body(thinking={"type": "disabled", "display": "omitted"}),
    "thinking shown in an odd way": _body(thinking={"type": "adaptive", "display": "loud"}),
    "thinking off at high effort": _body(thinking={"type": "disabled"}, output_config={"effort": "max"}),
    "thinking budget too small": _body(
        model="claude-opus-4-6", thinking={"type": "enabled", "budget_tokens": 10}
    ),
    "thinking budget too large": _body(
        model="claude-opus-4-6", thinking={"type": "enabled", "budget_tokens": 1024}
    ),
    "effort unknown": _body(output_config={"effort": "extreme"}),
    "effort on a model without": _body(model="claude-haiku-4-5", output_config={"effort": "low"}),
    "output_config with more": _body(output_config={"style": "terse"}),
    "format unknown": _body(output_config={"format": {"type": "yaml"}}),
    "format with an open object": _body(
        output_config={"format": {"type": "json_schema", "schema": OPEN_SCHEMA}}
    ),
    "tools are no list": _body(tools={}),
    "tool without name": _body(tools=[{"input_schema": {"type": "object"}}]),
    "set of tools of an unnamed server": _body(tools=[{"type": "mcp_toolset"}]),
    "MCP call without input": _says(
        {"type": "mcp_tool_use", "id": "m", "name": "n", "server_name": "s"}, role="assistant"
    ),
    "tool with an odd name": _body(tools=[{**TOOL, "name": "look up"}]),
    "tool with an odd description": _body(tools=[{**TOOL, "description": 1}]),
    "tool without schema": _body(tools=[{"name": "look"}]),
    "tool with another schema": _body(tools=[{"name": "look", "input_schema": {"type": "array"}}]),
    "tools of one name": _body(tools=[TOOL, TOOL]),
    "tool choice without tools": _body(tool_choice={"type": "auto"}),
    "tool choice unknown": _body(tools=[TOOL], tool_choice={"type": "maybe"}),
    "tool choice of a missing tool": _body(tools=[TOOL], tool_choice={"type": "tool", "name": "x"}),
    "tool choice none with more": _body(
        tools=[TOOL], tool_choice={"type": "none", "disable_parallel_tool_use": True}
    ),
    "tool choice with an odd flag": _body(
        tools=[TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": 1}
    ),
    "forced tool on a model without": _body(
        model="claude-opus-5-5", tools=[TOOL], tool_choice={"type": "any"}
    ),
    "stop sequence is blank": _body(stop_sequences=[" "]),
    "stop sequences are a string": _body(stop_sequences="END"),
    "metadata with more": _body(metadata={"name": "x"}),
    "metadata with an odd user": _body(metadata={"user_id": 3}),
    "diagnostics with more": _body(diagnostics={"why": 1}),
    "service tier unknown": _body(service_tier="gold"),
    "speed unknown": _body(speed="slow"),
    "inference_geo is a number": _body(inference_geo=1),
    "stream is a word": _body(stream="yes"),
    "beta field without its header": _body(mcp_servers=[]),
    "prompt beyond the window": _body(
        model="claude-haiku-4-5", messages=[{"role": "user", "content": "x" * 800_004}]
    ),
}


def test_refusals(snapshot: SnapshotAssertion) -> None:
    """Each kind of bad request gets the status, type and text of the API."""
    assert {name: _refusal(body, NEW) for name, body in REFUSED.items()} == snapshot


OLD_REFUSED: dict[str, dict[str, Any]] = {
    "non-default temperature": _body(model="claude-opus-4-8", temperature=0.3),
    "default top_p of another model": _body(temperature=1, top_p=0.99),
    "top_k": _body(top_k=5),
    "both on a 4.5 model": _body(model="claude-opus-4-5", temperature=0.5, top_p=0.5),
    "temperature beyond 1": _body(model="claude-opus-4-6", temperature=1.5),
    "temperature is a word": _body(model="claude-opus-4-6", temperature="hot"),
    "top_k is a fraction": _body(model="claude-opus-4-6", top_k=0.5),
    "prefill while thinking": _body(
        model="claude-opus-4-5",
        max_tokens=2048,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[USER, ANSWER],
    ),
    "prefill that ends in a space": _body(
        model="claude-opus-4-5", messages=[USER, {**ANSWER, "content": "I "}]
    ),
}


def test_refusals_under_the_old_version(snapshot: SnapshotAssertion) -> None:
    """Version 2023-06-01 still knows the sampling parameters, and each model refuses its own share."""
    assert {name: _refusal(body, OLD) for name, body in OLD_REFUSED.items()} == snapshot


ACCEPTED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "blocks of every kind": (
        _says(
            {"type": "text", "text": "look", **CACHED},
            {"type": "image", "source": PIXEL},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}},
            {"type": "document", "source": {"type": "content", "content": "a"}},
            {
                "type": "document",
                "source": {"type": "content", "content": [{"type": "text", "text": "a"}]},
            },
            {"type": "document", "source": {"type": "file", "file_id": "f"}},
            {
                "type": "search_result",
                "source": "s",
                "title": "t",
                "content": [{"type": "text", "text": "a"}],
            },
        ),
        NEW,
    ),
    "a tool round": (
        _body(
            tools=[{**TOOL, "description": "looks"}, {"type": "web_search_20260301", "name": "web_search"}],
            tool_choice={"type": "tool", "name": "look", "disable_parallel_tool_use": True},
            messages=[
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "", "signature": "s"},
                        {"type": "redacted_thinking", "data": "d"},
                        CALL,
                    ],
                },
                {"role": "user", "content": [{**RESULT, "is_error": False}, {"type": "text", "text": "so"}]},
            ],
        ),
        NEW,
    ),
    "sets of tools, and what an MCP server has done": (
        _body(
            tools=[
                {"type": "mcp_toolset", "mcp_server_name": "shop"},
                {"type": "mcp_toolset", "mcp_server_name": "bank"},
                {"type": "computer_toolset_20260801"},
            ],
            tool_choice={"type": "auto"},
            messages=[
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "mcp_tool_use",
                            "id": "m",
                            "name": "buy",
                            "server_name": "shop",
                            "input": {},
                        },
                        {"type": "mcp_tool_result", "tool_use_id": "m", "content": "sold", "is_error": False},
                    ],
                },
            ],
        ),
        NEW,
    ),
    "a tool result without content": (
        _body(
            messages=[
                USER,
                {**ANSWER, "content": [CALL]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
            ]
        ),
        NEW,
    ),
    "a paused turn that is resumed": (
        _body(
            messages=[
                USER,
                {
                    "role": "assistant",
                    "content": [{"type": "server_tool_use", "id": "s", "name": "web", "input": {}}],
                },
            ]
        ),
        NEW,
    ),
    "a system turn last": (_body(messages=[USER, {"role": "system", "content": "be brief"}]), NEW),
    "a system turn in mid-history": (
        _body(messages=[USER, {"role": "system", "content": "be brief"}, ANSWER, USER]),
        NEW,
    ),
    "a system turn after a server tool result": (
        _body(
            messages=[
                USER,
                {"role": "assistant", "content": [{"type": "web_search_tool_result"}]},
                {"role": "system", "content": "be brief"},
            ]
        ),
        NEW,
    ),
    "every other parameter": (
        _body(
            system="be brief",
            thinking={"type": "adaptive", "display": "omitted"},
            output_config={"effort": "max", **FORMAT},
            stop_sequences=["END"],
            metadata={"user_id": "u"},
            diagnostics={"previous_message_id": None},
            service_tier="auto",
            speed="fast",
            inference_geo="us",
            stream=False,
            container=None,
            cache_control=None,
        ),
        NEW,
    ),
    "a beta field with its header": (_body(mcp_servers=[]), {**NEW, "anthropic-beta": "mcp-2026-01-01"}),
    "default sampling": (_body(top_p=0.99), OLD),
    "sampling on an old model": (
        _body(model="claude-sonnet-4-6", temperature=0.2, top_p=0.9, top_k=4),
        OLD,
    ),
    "prefill on an old model": (_body(model="claude-sonnet-4-5", messages=[USER, ANSWER]), NEW),
    "an empty last message of the assistant": (
        _body(model="claude-sonnet-4-5", messages=[USER, {**ANSWER, "content": []}]),
        NEW,
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_acceptance(name: str) -> None:
    """What the API accepts gets a message."""
    body, headers = ACCEPTED[name]
    assert _engine().prepare(body, headers).message["type"] == "message"


@pytest.mark.parametrize("model", [model.id for model in MODELS])
def test_every_model_answers(model: str) -> None:
    """Each model of the list takes a plain request and answers under its own name."""
    assert _engine().prepare(_body(model=model), NEW).message["model"] == model


def test_too_many_messages() -> None:
    """More than 100,000 messages are refused."""
    assert "at most 100000 items" in _refusal(_body(messages=[USER] * 100_001), NEW)


@pytest.mark.parametrize(
    ("headers", "text"),
    [({}, "header is required"), ({"anthropic-version": "2020"}, '"2020" is not a valid')],
)
def test_version(headers: dict[str, str], text: str) -> None:
    """A request without a known API version is refused."""
    assert text in _refusal(_body(), headers)


@pytest.mark.parametrize(
    "raw",
    [b"{", b"[]", b"\xff", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"[" * 100_000, b'"text"'],
)
def test_bodies_that_are_no_json_object(raw: bytes) -> None:
    """A body that is not a JSON object in UTF-8 is a 400, whatever is wrong with it."""
    with pytest.raises(ApiError) as caught:
        parse_body(raw)
    assert caught.value.status == 400


def test_escaped_text_is_read() -> None:
    """Escapes that make whole characters are fine."""
    assert parse_body(b'{"a": "\\ud83d\\ude00 \\u00e9"}') == {"a": "\U0001f600 é"}

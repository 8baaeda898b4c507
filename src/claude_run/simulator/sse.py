"""A message as the stream of events that the API would send it in (messages-api reference, section 7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.scenario.json_values import Json, JsonObject

_PIECE = 24
"""Characters per delta."""

_CUMULATIVE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)
"""The counts of `usage` that come again at the end of a stream, whole."""


def encode_event(data: JsonObject) -> bytes:
    """Return one server-sent event; its name is the data's type."""
    return f"event: {data['type']}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def message_events(message: JsonObject) -> Iterator[JsonObject]:
    """Yield the events of a whole message, from message_start to message_stop."""
    usage = cast("Mapping[str, Json] | None", message.get("usage"))
    opening = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    if usage is not None:
        # The output is still to come; the real API counts a first token here.
        opening["usage"] = {**usage, "output_tokens": 1, "output_tokens_details": None}
    yield {"type": "message_start", "message": opening}
    for index, block in enumerate(cast("Sequence[JsonObject]", message["content"])):
        start, deltas = _split(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details", "container")}
    last: dict[str, Json] = {"type": "message_delta", "delta": ending}
    if usage is not None:
        last["usage"] = {key: usage[key] for key in _CUMULATIVE}
    yield last
    yield {"type": "message_stop"}


def _split(block: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """Return a block as it starts, and the deltas that fill it; unknown kinds start whole."""
    kind = block["type"]
    if kind == "text":
        texts = _pieces(str(block["text"]))
        return {**block, "text": ""}, [{"type": "text_delta", "text": text} for text in texts]
    if kind in {"tool_use", "server_tool_use"}:
        written = _pieces(json.dumps(block["input"], ensure_ascii=False))
        return {**block, "input": {}}, [
            {"type": "input_json_delta", "partial_json": text} for text in written
        ]
    if kind == "thinking":
        thoughts = _pieces(str(block["thinking"]))
        deltas: list[JsonObject] = [{"type": "thinking_delta", "thinking": text} for text in thoughts]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {**block, "thinking": "", "signature": ""}, deltas
    return block, []


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]

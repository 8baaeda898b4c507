"""A streamed message put together as raw JSON that equals the message sent in one piece.

The SDK has an accumulator and a decoder of its own, and neither is used. Its accumulator builds pydantic
models and passes over deltas that it does not know without a word; its decoder of server-sent events is
private. A conversation is sent back, and replayed, exactly as it came: that needs the raw JSON, all of it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from claude_run.conversation.exchange import UNREAD_DELTAS, InvalidReplyError
from claude_run.text.strict_json import DuplicateKeyError, read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LINE_END = re.compile(rb"\r\n|\n|\r")

MAX_DEPTH = 100
"""Levels of nesting that a reply may have; the journal around it adds some of its own."""


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the data of each whole server-sent event; InvalidReplyError when it is not a JSON object.

    Format: WHATWG HTML, section 9.2.6 "Interpreting an event stream". Only `data` matters here, because the
    API repeats the event's name as the `type` of its data.
    """
    data: list[bytes] = []
    async for line in _lines(chunks):
        # A comment is a field without a name, and a line without a colon a field without a value.
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line:
            # An empty line ends the event, which is none where it has no data.
            text = b"\n".join(data)
            data.clear()
            if text:
                event = parse_json(text, "an event of the stream")
                if not isinstance(event, dict):
                    raise InvalidReplyError("an event of the stream is not a JSON object")
                yield event


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, however it ends them; a last line without an end is not a line."""
    parts: list[bytes] = []
    first, after_cr = True, False
    async for chunk in chunks:
        # The second half of a CRLF that was cut in two ends no line of its own.
        rest = chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk
        after_cr = chunk.endswith(b"\r") if chunk else after_cr
        end, *begins = _LINE_END.split(rest)
        parts.append(end)
        for begin in begins:
            line = b"".join(parts)
            yield line.removeprefix(codecs.BOM_UTF8) if first else line
            parts, first = [begin], False


class Accumulator:
    """Takes the events of one stream in order. `done` once `message_stop` came."""

    def __init__(self) -> None:
        self.done = False
        self._message: dict[str, Any] | None = None
        self._inputs: dict[int, list[str]] = {}

    @property
    def message(self) -> Mapping[str, Any] | None:
        """The message so far, or None before `message_start`."""
        return self._message

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event; unknown events are ignored, as the API asks.

        InvalidReplyError for events out of order or of another shape. A delta of an unknown kind is kept
        beside the content: nobody knows how it changes its block.
        """
        try:
            self._take(event)
        except InvalidReplyError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise InvalidReplyError(
                f"the stream's {event.get('type')} event does not fit: {error!r}"
            ) from error

    def _take(self, event: Mapping[str, Any]) -> None:
        match event.get("type"):
            case "message_start":
                self._begin(event["message"])
            case "content_block_start":
                index, block, content = event["index"], event["content_block"], self._started["content"]
                if index != len(content):
                    raise InvalidReplyError(f"the stream starts block {index} after {len(content)} blocks")
                content.append(dict(block))
            case "content_block_delta":
                self._extend_block(event["index"], event["delta"])
            case "content_block_stop":
                self._stop_block(event["index"])
            case "message_delta":
                # Counts are cumulative: the later one replaces the earlier. There may be several such
                # events, and what one of them does not know another has said.
                message = self._started
                said = _updated(message, event["delta"])
                message.update(said, usage=_updated(message.get("usage") or {}, event.get("usage") or {}))
            case "message_stop":
                if self._inputs:
                    raise InvalidReplyError("the stream ends in the middle of a tool's input")
                self.done = True

    def _begin(self, message: Mapping[str, Any]) -> None:
        if self._message is not None:
            raise InvalidReplyError("the stream holds a second message_start")
        self._message = {**message, "content": []}
        # What a reply will have written is not known at its begin: the count there is a placeholder.
        if isinstance(usage := message.get("usage"), Mapping):
            self._message["usage"] = {**usage, "output_tokens": None}

    @property
    def _started(self) -> dict[str, Any]:
        if self._message is None:
            raise InvalidReplyError("the stream does not begin with message_start")
        return self._message

    def _extend_block(self, index: int, delta: Mapping[str, Any]) -> None:
        block = self._started["content"][index]
        match delta["type"]:
            case "text_delta":
                block["text"] = block.get("text", "") + delta["text"]
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]
            case "input_json_delta":
                # A tool's input is JSON only once its block has stopped.
                self._inputs.setdefault(index, []).append(delta["partial_json"])
            case _:
                self._started.setdefault(UNREAD_DELTAS, []).append({"index": index, **delta})

    def _stop_block(self, index: int) -> None:
        parts = "".join(self._inputs.pop(index, []))
        if parts:
            value = parse_json(parts, f"the streamed input of block {index}")
            self._started["content"][index]["input"] = value


def _updated(known: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known with what is said now; null says nothing, at any depth."""
    result = dict(known)
    for name, value in said.items():
        before = result.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[name] = _updated(before, value)
        elif value is not None or name not in result:
            result[name] = value
    return result


def parse_json(data: bytes | str, what: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return a reply's JSON, read as strictly as the journal that keeps it, but for a byte order mark.

    InvalidReplyError, which names `what` it should have been, when it is not valid JSON, or when a key stands
    twice in one object: nobody can say which of the two was meant.
    """
    raw = data.encode() if isinstance(data, str) else data.removeprefix(codecs.BOM_UTF8)
    try:
        return read_json(raw, deepest=MAX_DEPTH, unique_keys=True)
    except DuplicateKeyError as error:
        raise InvalidReplyError(f"{what} holds a {error}") from error
    except ValueError as error:
        raise InvalidReplyError(f"{what} is not valid JSON: {error}") from error

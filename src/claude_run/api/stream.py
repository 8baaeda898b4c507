"""A streamed message put together as raw JSON that equals the message sent in one piece.

The SDK has an accumulator and a decoder of its own, and neither is used. Its accumulator builds pydantic
models and passes over deltas that it does not know without a word; its decoder of server-sent events is
private. A conversation is sent back, and replayed, exactly as it came: that needs the raw JSON, all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_run.conversation.exchange import InvalidReplyError
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

MAX_DEPTH = 100
"""Levels of nesting that a reply may have; the journal around it adds some of its own."""


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the data of each whole server-sent event; InvalidReplyError when it is not a JSON object.

    Format: WHATWG HTML, section 9.2.6 "Interpreting an event stream". Only `data` matters here, because the
    API repeats the event's name as the `type` of its data.
    """
    rest = b""
    data: list[bytes] = []
    async for chunk in chunks:
        # The API ends lines with LF or CRLF; a last line without an end is not a line.
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                data.append(text[5:].removeprefix(b" "))
            elif not text and data:
                # An empty line ends the event.
                value = parse_json(b"\n".join(data), "an event of the stream")
                if not isinstance(value, dict):
                    raise InvalidReplyError("an event of the stream is not a JSON object")
                yield value
                data.clear()


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

        InvalidReplyError for events out of order, and for a delta of an unknown kind: the block could not
        be sent back as it was meant.
        """
        try:
            self._take(event)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise InvalidReplyError(
                f"the stream's {event.get('type')} event does not fit: {error!r}"
            ) from error

    def _take(self, event: Mapping[str, Any]) -> None:
        match event.get("type"):
            case "message_start":
                message = event["message"]
                if self._message is not None:
                    raise InvalidReplyError("the stream holds a second message_start")
                self._message = {**message, "content": []}
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
                # Counts are cumulative: the later one replaces the earlier.
                delta, usage, message = event["delta"], event.get("usage") or {}, self._started
                message.update(delta)
                message["usage"] = {**(message.get("usage") or {}), **usage}
            case "message_stop":
                if self._inputs:
                    raise InvalidReplyError("the stream ends in the middle of a tool's input")
                self.done = True

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
            case kind:
                raise InvalidReplyError(f"the stream holds a delta of the unknown kind {kind!r}")

    def _stop_block(self, index: int) -> None:
        parts = "".join(self._inputs.pop(index, []))
        if parts:
            value = parse_json(parts, f"the streamed input of block {index}")
            self._started["content"][index]["input"] = value


def parse_json(data: bytes | str, what: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return a reply's JSON, read as strictly as the journal that keeps it.

    InvalidReplyError, which names `what` it should have been, when it is not valid JSON.
    """
    try:
        return read_json(data.encode() if isinstance(data, str) else data, deepest=MAX_DEPTH)
    except ValueError as error:
        raise InvalidReplyError(f"{what} is not valid JSON: {error}") from error

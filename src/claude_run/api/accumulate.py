"""Putting a streamed message together, as raw JSON that equals the message sent in one piece. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_run.api import strict_json
from claude_run.conversation.exchange import InvalidReplyError

if TYPE_CHECKING:
    from collections.abc import Mapping


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
            match event.get("type"):
                case "message_start":
                    self._start(event["message"])
                case "content_block_start":
                    self._start_block(event["index"], event["content_block"])
                case "content_block_delta":
                    self._extend_block(event["index"], event["delta"])
                case "content_block_stop":
                    self._stop_block(event["index"])
                case "message_delta":
                    self._extend_message(event["delta"], event.get("usage") or {})
                case "message_stop":
                    self._stop()
                case _:
                    pass
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise InvalidReplyError(
                f"the stream's {event.get('type')} event does not fit: {error!r}"
            ) from error

    @property
    def _started(self) -> dict[str, Any]:
        if self._message is None:
            raise InvalidReplyError("the stream does not begin with message_start")
        return self._message

    def _start(self, message: Mapping[str, Any]) -> None:
        if self._message is not None:
            raise InvalidReplyError("the stream holds a second message_start")
        self._message = {**message, "content": []}

    def _stop(self) -> None:
        if self._inputs:
            raise InvalidReplyError("the stream ends in the middle of a tool's input")
        self.done = True

    def _start_block(self, index: int, block: Mapping[str, Any]) -> None:
        content = self._started["content"]
        if index != len(content):
            raise InvalidReplyError(f"the stream starts block {index} after {len(content)} blocks")
        content.append(dict(block))

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
                self._inputs.setdefault(index, []).append(delta["partial_json"])
            case kind:
                raise InvalidReplyError(f"the stream holds a delta of the unknown kind {kind!r}")

    def _stop_block(self, index: int) -> None:
        parts = "".join(self._inputs.pop(index, []))
        if parts:
            value = strict_json.parse(parts, f"the streamed input of block {index}")
            self._started["content"][index]["input"] = value

    def _extend_message(self, delta: Mapping[str, Any], usage: Mapping[str, Any]) -> None:
        message = self._started
        message.update(delta)
        message["usage"] = {**(message.get("usage") or {}), **usage}

"""A streamed message put together as raw JSON that equals the message sent in one piece.

The SDK has an accumulator and a decoder of its own, and neither is used. Its accumulator builds pydantic
models and passes over deltas that it does not know without a word; its decoder of server-sent events is
private. A conversation is sent back, and replayed, exactly as it came: that needs the raw JSON, all of it.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from claude_run.conversation.exchange import BLOCK_KINDS, CUT_INPUT, UNREAD_DELTAS, InvalidReplyError
from claude_run.text.strict_json import DuplicateKeyError, join_text, read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

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
                    raise InvalidReplyError("an event of the stream is not a JSON object", text)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delta:
    """A kind of delta: the field that holds its piece, what that piece adds to, and in which blocks."""

    piece: str
    kind: type
    field: str
    blocks: frozenset[str]


_EVENTS: Mapping[str, Mapping[str, type]] = {
    "message_start": {"message": dict},
    "content_block_start": {"index": int, "content_block": dict},
    "content_block_delta": {"index": int, "delta": dict},
    "content_block_stop": {"index": int},
    "message_delta": {"delta": dict},
    "message_stop": {},
}
"""The events that make a message, with the fields that each must have."""

_PARTS = frozenset(part for parts in _EVENTS.values() for part in parts)

_TEXT, _THINKING = frozenset({"text"}), frozenset({"thinking"})
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_DELTAS: Mapping[str, _Delta] = {
    "text_delta": _Delta(piece="text", kind=str, field="text", blocks=_TEXT),
    "citations_delta": _Delta(piece="citation", kind=dict, field="citations", blocks=_TEXT),
    "thinking_delta": _Delta(piece="thinking", kind=str, field="thinking", blocks=_THINKING),
    "signature_delta": _Delta(piece="signature", kind=str, field="signature", blocks=_THINKING),
    "input_json_delta": _Delta(piece="partial_json", kind=str, field="input", blocks=_CALLS),
}

_NOUNS = {str: "a string", int: "a whole number", dict: "an object", list: "a list"}
_FIXED = ("id", "type", "role", "model", "content")
"""What a message is from its begin on: nothing that comes later may say otherwise."""
_BESIDE = ("usage", "context_management", "input_transformations")
"""What a `message_delta` says of the message beside its `delta`."""
_OF_OUTPUT = ("output_tokens", "output_tokens_details", "server_tool_use")
_COMPLETE = ("end_turn", "stop_sequence", "tool_use", "pause_turn")
"""Stop reasons of replies that say all they were to say; others may come in the middle of a block."""


class Accumulator:
    """Takes the events of one stream in order, each judged by its shape before anything is done with it.

    `message` is the whole message once `message_stop` came, and None until then.
    """

    def __init__(self) -> None:
        self.message: Mapping[str, Any] | None = None
        self._said: dict[str, Any] = {}
        self._blocks: list[_Block] = []
        self._unread: list[Mapping[str, Any]] = []

    @property
    def has_begun(self) -> bool:
        """Whether anything of the message came."""
        return bool(self._said)

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event; unknown events are ignored, as the API asks.

        InvalidReplyError for one of another shape, for one out of order, and for one that contradicts what
        was said before. A delta of an unknown kind is kept beside the content: nobody knows how it changes
        its block.
        """
        if event.get("type") is None and _PARTS.isdisjoint(event):
            return  # it says nothing of the message
        name = str(event.get("type"))
        _need(event.get("type"), str, "the type of an event of the stream")
        if name in _EVENTS:
            for part, kind in _EVENTS[name].items():
                _need(event.get(part), kind, f"{part} of the stream's {name}")
            self._take(name, event)

    def _take(self, name: str, event: Mapping[str, Any]) -> None:
        if self.message is not None:
            raise InvalidReplyError(f"the stream goes on with {name} after message_stop")
        if bool(self._said) is (name == "message_start"):
            problem = "holds a second message_start" if self._said else "does not begin with message_start"
            raise InvalidReplyError(f"the stream {problem}")
        match name:
            case "message_start":
                self._begin(event["message"])
            case "content_block_start":
                self._begin_block(event["index"], event["content_block"])
            case "content_block_delta":
                self._extend_block(event["index"], event["delta"])
            case "content_block_stop":
                self._open_block(event["index"]).is_open = False
            case "message_delta":
                self._update(event)
            case "message_stop":
                self._end()

    def _begin(self, message: Mapping[str, Any]) -> None:
        _merge(self._said, {"content": [], **message})
        # What a reply will have written is not known at its begin: the count there is a placeholder.
        if "output_tokens" in (usage := _usage(self._said)):
            usage["output_tokens"] = None

    def _begin_block(self, index: int, block: Mapping[str, Any]) -> None:
        if index != len(self._blocks):
            raise InvalidReplyError(f"the stream starts block {index} after {len(self._blocks)} blocks")
        _need(block.get("type"), str, f"the type of the stream's block {index}")
        self._blocks.append(_Block(begun=block))

    def _open_block(self, index: int) -> _Block:
        if not 0 <= index < len(self._blocks) or not self._blocks[index].is_open:
            raise InvalidReplyError(f"the stream goes on with block {index}, which is not open")
        return self._blocks[index]

    def _extend_block(self, index: int, delta: Mapping[str, Any]) -> None:
        block, name = self._open_block(index), delta.get("type")
        _need(name, str, f"the type of a delta of block {index}")
        if (known := _DELTAS.get(str(name))) is None:
            self._unread.append({**delta, "index": index})
            return
        # A block of an unknown type may take what it likes.
        kind = block.begun["type"]
        if kind in BLOCK_KINDS and kind not in known.blocks:
            raise InvalidReplyError(f"the stream adds a {name} to block {index}, which is of the type {kind}")
        piece = delta.get(known.piece)
        _need(piece, known.kind, f"{known.piece} of a {name} of block {index}")
        block.pieces.setdefault(known.field, []).append(piece)

    def _update(self, event: Mapping[str, Any]) -> None:
        delta = event["delta"]
        for name in _FIXED:
            if delta.get(name) is not None and delta[name] != self._said.get(name):
                raise InvalidReplyError(f"the stream's message_delta says another {name} than message_start")
        # Counts are cumulative: the later one replaces the earlier. There may be several such events, and
        # what one of them does not know another has said.
        _merge(self._said, {name: value for name, value in delta.items() if name not in _FIXED})
        _merge(self._said, {name: event[name] for name in _BESIDE if name in event})

    def _end(self) -> None:
        # A reply that was cut off ends where it was cut, be it in the middle of a block.
        cut = self._said.get("stop_reason") not in _COMPLETE
        for index, block in enumerate(self._blocks):
            if block.is_open and not cut:
                raise InvalidReplyError(f"the stream ends in the middle of block {index}")
        content = [self._whole(index, block, cut=cut) for index, block in enumerate(self._blocks)]

        # Where the count of what was written never came, all that was said of it is a placeholder too.
        usage = _usage(self._said)
        if usage.get("output_tokens") is None:
            usage.update(dict.fromkeys(name for name in _OF_OUTPUT if name in usage))
        unread = {UNREAD_DELTAS: self._unread} if self._unread else {}
        # A server that streams no block may have begun with all of them; one that does may have begun with
        # the same, or with where they begin. Anything else would be lost.
        begun = self._said["content"]
        if content and begun and begun not in (content, [block.begun for block in self._blocks]):
            raise InvalidReplyError("the stream's content is not the one that it began with", begun)
        self.message = {**self._said, **({"content": content} if content else {}), **unread}

    def _whole(self, index: int, block: _Block, *, cut: bool) -> Mapping[str, Any]:
        """Return a block with its pieces in their places; a tool's input is JSON only now."""
        value = {**block.begun}
        for name, pieces in block.pieces.items():
            begun = value.get(name)
            match name:
                case "citations":
                    _need(begun if begun is not None else [], list, f"citations of block {index}")
                    value[name] = [*(begun or ()), *pieces]
                case "input":
                    value[name] = self._input(index, begun, join_text(pieces), cut=cut)
                case _:
                    _need(begun if begun is not None else "", str, f"{name} of block {index}")
                    value[name] = join_text([begun or "", *pieces])
        return value

    def _input(self, index: int, begun: object, text: str, *, cut: bool) -> object:
        """Return a tool's input. What was cut off is no JSON: it is kept beside the content, as it came."""
        if not text:
            return begun
        what = f"the streamed input of block {index}"
        try:
            value = parse_json(text, what)
        except InvalidReplyError:
            if not cut:
                raise
            value = None
        if cut and not isinstance(value, dict):
            self._unread.append({"index": index, "type": CUT_INPUT, "partial_json": text})
            return begun
        if begun and begun != value:
            raise InvalidReplyError(f"{what} is not the one that it began with")
        return value


@dataclass(slots=True, kw_only=True, eq=False)
class _Block:
    """A block while its stream lasts: what it began with, and the pieces of each field that is added to."""

    begun: Mapping[str, Any]
    pieces: dict[str, list[Any]] = field(default_factory=dict)
    is_open: bool = True


def _need(value: object, kind: type, what: str) -> None:
    """Raise InvalidReplyError where a value of JSON is of another type; true and false are no numbers."""
    if type(value) is not kind:
        problem = "is missing" if value is None else f"is not {_NOUNS[kind]}"
        raise InvalidReplyError(f"{what} {problem}", value)


def _usage(message: Mapping[str, Any]) -> dict[str, Any]:
    usage = message.get("usage")
    return usage if isinstance(usage, dict) else {}


def _merge(known: dict[str, Any], said: Mapping[str, Any]) -> None:
    """Add what is said now to what is known; null says nothing, at any depth. `said` stays as it is."""
    for name, value in said.items():
        if isinstance(value, dict):
            part = known.get(name)
            if not isinstance(part, dict):
                known[name] = part = {}
            _merge(part, value)
        elif value is not None or name not in known:
            known[name] = value


def parse_json(data: bytes | str, what: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return a reply's JSON, read as strictly as the journal that keeps it, but for a byte order mark.

    InvalidReplyError, which names `what` it should have been, when it is not valid JSON, or when a key stands
    twice in one object: nobody can say which of the two was meant.
    """
    text = data if isinstance(data, str) else data.removeprefix(codecs.BOM_UTF8)
    try:
        return read_json(text, deepest=MAX_DEPTH, unique_keys=True)
    except DuplicateKeyError as error:
        raise InvalidReplyError(f"{what} holds a {error}", data) from error
    except ValueError as error:
        raise InvalidReplyError(f"{what} is not valid JSON: {error}", data) from error

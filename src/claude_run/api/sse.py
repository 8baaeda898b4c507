"""Server-sent events: from bytes to the JSON data of each event.

Format: WHATWG HTML, section 9.2.6 "Interpreting an event stream". Only `data` matters here, because the
API repeats the event's name as the `type` of its data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

from claude_run.api import strict_json
from claude_run.conversation.exchange import InvalidReplyError


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the data of each whole event; InvalidReplyError when it is no JSON object."""
    data: list[bytes] = []
    async for line in _lines(chunks):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield _parsed(b"\n".join(data))
            data.clear()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Split at LF and CRLF, the line ends that the API sends; a last line without an end is no line."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")


def _parsed(data: bytes) -> Mapping[str, Any]:
    value = strict_json.parse(data, "an event of the stream")
    if not isinstance(value, dict):
        raise InvalidReplyError("an event of the stream is no JSON object")
    return value

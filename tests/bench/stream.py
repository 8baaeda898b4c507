"""What it costs to put a stream together: four times as much of it, as one line or as many short pieces."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from claude_run.api.stream import Accumulator, events
from tests.support.scripted_server import events_of, message, sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BYTES = 4_000_000
CHUNK = 1024
PIECE = 32


def bench() -> str:
    """Return a line for each form: the seconds of CPU for a quarter and for all, and their ratio."""
    forms = {"one long line": BYTES, f"pieces of {PIECE} letters": PIECE}
    return "\n".join(_line(form, piece) for form, piece in forms.items())


def _line(form: str, piece: int) -> str:
    quarter, whole = (min(_seconds(size, piece) for _ in range(3)) for size in (BYTES // 4, BYTES))
    return (
        f"stream: {BYTES // 1_000_000} MB in {form} take {whole:.2f} s of CPU,"
        f" a quarter of it {quarter:.2f} s, {whole / quarter:.1f} times as long"
    )


def _seconds(size: int, piece: int) -> float:
    data = sse(events_of(message({"type": "text", "text": "x" * size}), piece=piece))
    begin = time.process_time()
    asyncio.run(_put_together(data))
    return time.process_time() - begin


async def _put_together(data: bytes) -> Any:
    async def arriving() -> AsyncIterator[bytes]:
        for at in range(0, len(data), CHUNK):
            yield data[at : at + CHUNK]

    message = Accumulator()
    async for event in events(arriving()):
        message.add(event)
    return message.message

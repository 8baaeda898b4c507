"""JSON of a reply: read as strictly as the journal that keeps it, with an error that says whose it was."""

from __future__ import annotations

from typing import Any

from claude_run.conversation.exchange import InvalidReplyError
from claude_run.text.strict_json import read_json

MAX_DEPTH = 100
"""Levels of nesting that a reply may have; the journal around it adds some of its own."""


def parse(data: bytes | str, what: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the value; InvalidReplyError, which names `what` it should have been, when it is no JSON."""
    try:
        return read_json(data.encode() if isinstance(data, str) else data, deepest=MAX_DEPTH)
    except ValueError as error:
        raise InvalidReplyError(f"{what} is no JSON: {error}") from error

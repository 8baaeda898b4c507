"""Short pieces of long texts, for messages and for the values that a person compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from claude_run.text.visible import visible, visible_character

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.json_values import Json

LIMIT = 300
"""How many characters of anything a result shows."""


_MAX_MESSAGE = 1_000
_ELLIPSIS = "…"
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def quote(text: str, limit: int = 80) -> str:
    """Return the text in double quotes on one line, at most `limit` characters of it.

    What cannot be seen (controls, direction marks, lone surrogates) is spelt out, so that a message may
    hold a model's text whatever the model wrote.
    """
    return f'"{"".join(_ESCAPES.get(one) or visible_character(one) for one in cut(text, limit))}"'


def spell(value: Json, limit: int = 80) -> str:
    """Return a JSON value as JSON on one line, at most `limit` characters of it, safe as `quote` is."""
    return visible(cut(as_json(value), limit))


def cut(text: str, limit: int = LIMIT) -> str:
    """Return the beginning of a text, with an ellipsis where something was left out."""
    return text if len(text) <= limit else text[: limit - 1] + _ELLIPSIS


def cut_message(text: str) -> str:
    """Return the beginning of a message that others wrote: an own check, or a judge."""
    return cut(_storable(text), _MAX_MESSAGE)


def cut_start(text: str, limit: int = LIMIT) -> str:
    """Return the end of a text, with an ellipsis where something was left out."""
    return text if len(text) <= limit else _ELLIPSIS + text[1 - limit :]


def around(text: str, start: int, *, end: int, limit: int = 80) -> str:
    """Return the surroundings of `text[start:end]`, at most `limit` characters with the place in view."""
    if len(text) <= limit:
        return text
    room = max(limit - 2 - (end - start), 0)
    first = max(min(start - room // 2, len(text) - limit + 2), 0)
    last = min(first + limit - 2, len(text))
    return (_ELLIPSIS if first else "") + text[first:last] + (_ELLIPSIS if last < len(text) else "")


def short(value: Json) -> Json:
    """Return the value itself where its JSON is short, and otherwise the beginning of that as text."""
    if isinstance(value, str):
        return cut(_storable(value))
    text = as_json(value)
    return value if len(text) <= LIMIT and text == _storable(text) else cut(_storable(text))


def as_json(value: Json) -> str:
    """Return a JSON value as JSON text on one line, non-ASCII letters as they are."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else list(cast("Sequence[object]", value))


def _storable(text: str) -> str:
    """Replace lone surrogates, which JSON can spell and UTF-8 files cannot hold."""
    return text.encode("utf-8", "replace").decode()

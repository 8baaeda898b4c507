"""Values as YAML that people like to read, and that the reader of scenarios takes for just these values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.json_values import Json, JsonObject

# A text or a key that means nothing else in YAML, of any version, wherever it stands.
_PLAIN = re.compile(r"[^\W\d_](?:[\w ,.!?'()/-]*[\w.!?')])?")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_INDENT = "  "


def yaml_text(value: JsonObject) -> str:
    """Return an object as a YAML document in block style.

    Texts of several lines are literal blocks where a block keeps each character; whatever cannot be seen is
    an escape in double quotes. What YAML cannot hold is for the caller to keep out: NUL and lone surrogates.
    """
    return "".join(f"{line}\n" for line in _entries(value))


def _entries(value: JsonObject) -> Iterator[str]:
    for key, part in value.items():
        first, *rest = _node(part)
        yield f"{_key(key)}:{first}"
        yield from rest


def _node(value: Json) -> Iterator[str]:
    """Yield what stands behind a key or a dash, with a space before it, and then the lines below."""
    if isinstance(value, Mapping) and value:
        yield ""
        yield from map(_indented, _entries(value))
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        yield ""
        for item in value:
            yield from map(_indented, _item(item))
    elif isinstance(value, str) and _fits_a_block(text := value.removesuffix("\n")):
        yield " |-" if text == value else " |"
        yield from map(_indented, text.split("\n"))
    elif isinstance(value, str):
        yield f" {_scalar(value)}"
    else:
        yield f" {json.dumps(value)}"


def _item(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        # The first entry stands beside the dash, the others below it.
        first, *rest = _entries(value)
        yield f"- {first}"
        yield from map(_indented, rest)
        return
    first, *rest = _node(value)
    yield f"-{first}"
    yield from rest


def _indented(line: str) -> str:
    return _INDENT + line if line else ""


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS else _quoted(key)


def _scalar(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS and text.isprintable()
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    # The short escapes are refused by the reader, because most people who write them mean something else.
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the sizes of the escapes


def _fits_a_block(text: str) -> bool:
    """Return whether a literal block without a final line break keeps each character of a text."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and all(line.isprintable() for line in lines)
        and bool(lines[0].strip())
        and bool(lines[-1].strip())
        and not lines[0].startswith(" ")
    )

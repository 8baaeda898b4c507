"""Scalars by the YAML 1.2 core schema, and the way from a character of their text back into the file."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_nodes import ScalarNode

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST_INTEGER = 20
_MAX_INTEGER = 2**63
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r\n|.)", re.DOTALL)
_BLANK_ESCAPES = frozenset("tnvrfe NLP_0ab\t\n\r")


class NumberRangeError(ValueError):
    """A number that 64 bits cannot hold; the text says so."""


def resolve(text: str, style: str) -> str | int | float | bool | None:
    """Return the value of a scalar: quoted and block scalars are strings, plain ones follow the core schema.

    Numbers are those of JSON: octal, hexadecimal, base 60, dates, underscores, `.5` and `+1` are strings.
    """
    if style:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return _integer(text)
    return _float(text) if _NUMBER.fullmatch(text) else text


def locate(source: Source, scalar: ScalarNode, offset: int) -> int:
    """Return the index in the file of a character of a string scalar, given its offset in the string.

    Folding, indentation and escapes change white space only, so the characters that are none correspond one
    to one. For a white-space character, the next one that is none stands in; the start of the scalar is the
    answer where nothing follows.
    """
    value = str(scalar.value)
    nth = sum(not _is_blank(character) for character in value[:offset])
    for count, index in enumerate(_visible_indexes(source.text[scalar.start : scalar.end], scalar.style)):
        if count == nth:
            return scalar.start + index
    return scalar.start


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER or not -_MAX_INTEGER <= int(text) < _MAX_INTEGER:
        raise NumberRangeError("the number does not fit into 64 bits")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NumberRangeError("the number is too large for a 64-bit floating-point number")
    return number


def _is_blank(character: str) -> bool:
    # The C0 characters that `\a`, `\b` and `\e` stand for are counted as blank on both sides.
    return character.isspace() or character < " "


def _visible_indexes(raw: str, style: str) -> Iterator[int]:
    if style in {"|", ">"}:
        body = re.search(r"\r\n|\r|\n", raw)
        start = body.end() if body else len(raw)
        yield from (i for i in range(start, len(raw)) if not _is_blank(raw[i]))
    elif style == '"':
        yield from _double_quoted(raw)
    elif style == "'":
        yield from _single_quoted(raw)
    else:
        yield from (i for i, character in enumerate(raw) if not _is_blank(character))


def _single_quoted(raw: str) -> Iterator[int]:
    index = 1
    while index < len(raw) - 1:
        if not _is_blank(raw[index]):
            yield index
        index += 2 if raw[index] == "'" else 1


def _double_quoted(raw: str) -> Iterator[int]:
    index = 1
    while index < len(raw) - 1:
        escape = _ESCAPE.match(raw, index)
        if escape is None:
            if not _is_blank(raw[index]):
                yield index
            index += 1
            continue
        if not _escapes_blank(escape.group(1)):
            yield index
        index = escape.end()


def _escapes_blank(escape: str) -> bool:
    if len(escape) > 1 and escape[0] in "xuU":
        return _is_blank(chr(int(escape[1:], 16)))
    return escape[0] in _BLANK_ESCAPES

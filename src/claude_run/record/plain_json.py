"""JSON in printable ASCII, which can be shown anywhere, and JSON read from a file that may hold anything."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_DEPTH = 200
"""Levels of nesting that are read: whoever walks a value later does so by recursion."""

# What `json` leaves as it is: DEL, and the old commands of CI logs, which are obeyed anywhere in a line.
# Outside of its strings JSON has neither, so that an escape can stand for each.
_OBEYED = re.compile(r"\x7f|#(?=#\w*\[)")
_OUTSIDE_ASCII = re.compile(r"[^\x00-\x7f]")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON in which nothing acts on a terminal or a CI log, and which reads back as the same value.

    Without `indent` it is one line without spaces. ValueError for a number that is not finite.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, indent=indent, separators=separators)
    return _OBEYED.sub(_escape, text)


def readable_json(value: object) -> str:
    """Return JSON to read and to review: indented, its letters as they are, what acts or hides escaped.

    What is reviewed must look like what it is: bidirectional and invisible characters are escapes.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    return _OBEYED.sub(_escape, _OUTSIDE_ASCII.sub(_show, text))


def read_json(data: bytes, *, deepest: int = MAX_DEPTH) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the value; ValueError where it is no JSON, holds a number that is not finite, or is too deep."""
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    # Most values cannot be too deep, because they do not open that many levels.
    if data.count(b"{") + data.count(b"[") > deepest:
        _check_depth(value, deepest)
    return value


def _check_depth(value: object, deepest: int) -> None:
    level = [value]
    for _ in range(deepest):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {deepest} levels")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _show(match: re.Match[str]) -> str:
    hidden = unicodedata.category(match.group()) in _HIDDEN
    return json.dumps(match.group())[1:-1] if hidden else match.group()


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"

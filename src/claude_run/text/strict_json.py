"""JSON read strictly, whatever the file or the reply holds, and written so that it can be shown anywhere."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from claude_run.text.visible import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_DEPTH = 200
"""Levels of nesting that are read: whoever walks a value later does so by recursion."""

# What `json` leaves as it is: DEL, and the old commands of CI logs, which are obeyed anywhere in a line.
# Outside of its strings JSON has neither, so that an escape can stand for each.
_OBEYED = re.compile(r"\x7f|#(?=#\w*\[)")
_one_line = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_PIECE = 65_536
_PLAIN = frozenset({str, int, float, bool, type(None)})
_OUTSIDE_ASCII = re.compile(r"[^\x00-\x7f]")


class DuplicateKeyError(ValueError):
    """A key occurs twice in one object."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"duplicate key `{key}`")


class HugeNumberError(ValueError):
    """A number that no computer number holds, or with more digits than are read; `digits` as written."""

    def __init__(self, digits: str) -> None:
        self.digits = digits
        super().__init__(f"{digits} is not a JSON number")


class RespelledError(ValueError):
    """A number that would be written in another way than it is; both spellings."""

    def __init__(self, written: str, spelling: str) -> None:
        self.written = written
        self.spelling = spelling
        super().__init__(f"{written} would be written as {spelling}")


class DeepJsonError(ValueError):
    """The text may be JSON, but it is nested too deeply to be looked at."""


def read_json(  # noqa: PLR0913 - keywords, but for the data
    data: bytes | str,
    *,
    deepest: int | None = MAX_DEPTH,
    unique_keys: bool = False,
    most_digits: int | None = None,
    as_written: bool = False,
    made: Callable[[dict[str, Any]], object] | None = None,
) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the value of one JSON text; ValueError for everything else.

    Refused are NaN, Infinity and numbers that become infinite, more than `deepest` levels (None: as many as
    can be parsed), with `unique_keys` a key twice in one object, whole numbers of over `most_digits`, and
    with `as_written` numbers that would be written in another way, such as 1.50 (a RespelledError).
    What `made` makes of an object stands in its place, as soon as it is read; such objects have unique keys.
    A syntax error is a `json.JSONDecodeError`, bytes that are not UTF-8 a UnicodeDecodeError.
    """
    text = data if isinstance(data, str) else data.decode()
    try:
        decoder = _decoder(unique_keys=unique_keys, most_digits=most_digits, as_written=as_written, made=made)
        value = decoder.decode(text)
    except RecursionError as error:
        raise DeepJsonError("it is nested too deeply") from error
    # Most values cannot be too deep, because they do not open that many levels.
    if deepest is not None and text.count("{") + text.count("[") > deepest and _is_deeper(value, deepest):
        raise DeepJsonError(f"it is nested deeper than {deepest} levels")
    return value


def plain_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON in which nothing acts on a terminal or a CI log, and which reads back as the same value.

    Without `indent` it is one line without spaces. ValueError for a number that is not finite.
    """
    text = _one_line(value) if indent is None else json.dumps(value, allow_nan=False, indent=indent)
    return _without_obeyed(text)


def json_pieces(value: object) -> Iterator[str]:
    """Yield what `plain_json` gives with an indent of two and a line end, in pieces of some kilobytes.

    Sequences in it may make their items when they are asked for: then no more of them is in memory than one.
    No string, and no object of plain values, is in two pieces.
    """
    pieces: list[str] = []
    size = 0
    for piece in _pieces(value, "\n"):
        pieces.append(piece)
        size += len(piece)
        if size > _PIECE:
            yield "".join(pieces)
            pieces, size = [], 0
    yield "".join(pieces) + "\n"


def readable_json(value: object) -> str:
    """Return JSON to read and to review: indented, its letters as they are, what acts or hides escaped.

    What is reviewed must look like what it is: bidirectional and invisible characters are escapes.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    return _without_obeyed(_OUTSIDE_ASCII.sub(_show, text))


def readable_json_line(value: object) -> str:
    """Return JSON as `readable_json` does, on one line."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _without_obeyed(_OUTSIDE_ASCII.sub(_show, text))


def join_text(pieces: Iterable[str]) -> str:
    """Return the pieces of a text as one, so that it stays the same when it is written as JSON and read.

    A piece may end in the first half of a surrogate pair whose second half begins the next one: together
    they are one character, and that is what every reader makes of them.
    """
    text = "".join(pieces)
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _pieces(value: object, line: str) -> Iterator[str]:
    """Yield the indented JSON of a value in small pieces; `line` begins a line at its depth."""
    inner = line + "  "
    if isinstance(value, Mapping):
        items: Iterable[tuple[str, object]] = ((f"{plain_json(key)}: ", part) for key, part in value.items())
        parts: Iterable[object] = value.values()
        begin, end = "{", "}"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items, parts = (("", part) for part in value), value if isinstance(value, list | tuple) else ()
        begin, end = "[", "]"
    else:
        yield plain_json(value)
        return
    if not value:
        yield begin + end
    elif parts and all(type(part) in _PLAIN for part in parts):
        # The encoder written in C, which does not indent, does so by what it puts between two parts.
        text = json.dumps(
            dict(value) if isinstance(value, Mapping) else value,
            allow_nan=False,
            separators=("," + inner, ": "),
        )
        yield _without_obeyed(f"{begin}{inner}{text[1:-1]}{line}{end}")
    else:
        mark = begin
        for name, part in items:
            yield mark + inner + name
            yield from _pieces(part, inner)
            mark = ","
        yield line + end


@cache
def _decoder(
    *,
    unique_keys: bool,
    most_digits: int | None,
    as_written: bool,
    made: Callable[[dict[str, Any]], object] | None,
) -> json.JSONDecoder:
    # Each hook is called only for what it looks at; the scanner around them is the one written in C.
    def whole_number(digits: str) -> int:
        if most_digits is not None and len(digits) > most_digits:
            raise HugeNumberError(digits)
        return int(digits)

    def spelled(digits: str) -> float:
        number = _finite(digits)
        if repr(number) != digits:
            raise RespelledError(digits, repr(number))
        return number

    def make(pairs: Sequence[tuple[str, object]]) -> object:
        value = _unique(pairs)
        return value if made is None else made(value)

    return json.JSONDecoder(
        object_pairs_hook=_unique if unique_keys and made is None else make if made else None,
        parse_constant=_refuse,
        parse_float=spelled if as_written else _finite,
        parse_int=None if most_digits is None else whole_number,
    )


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    value: dict[str, object] = {}
    for key, part in pairs:
        if key in value:
            raise DuplicateKeyError(key)
        value[key] = part
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise HugeNumberError(digits)
    return number


def _is_deeper(value: object, deepest: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(deepest):
        inside = (part for outer in level for part in (outer.values() if isinstance(outer, dict) else outer))
        level = [part for part in inside if isinstance(part, dict | list)]
    return bool(level)


def _without_obeyed(text: str) -> str:
    # Hardly any text holds them, which is seen in a fraction of the time that the search takes.
    return _OBEYED.sub(_escape, text) if "\x7f" in text or "##" in text else text


def _show(match: re.Match[str]) -> str:
    hidden = unicodedata.category(match.group()) in HIDDEN
    return json.dumps(match.group())[1:-1] if hidden else match.group()


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"

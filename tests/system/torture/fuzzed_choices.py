"""Choices made by bytes, so that one target serves hypothesis and atheris, and what to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_HUGE = 10**400
_DEEP = 300
WORDS: tuple[bytes, ...] = (
    *(b"{{ x }}", b"{% for i in x %}", b"{% endfor %}", b"{#", b"&a", b"*a", b"<<: ", b"!!python/object:a "),
    *(b"[", b"]", b"{", b"}", b"- ", b": ", b"? ", b"|\n", b">\n", b"'", b'"', b"\\", b"#", b",", b"---\n"),
    *(b"\n", b"\r\n", b"\t", b"  ", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\xa8"),
    *(b"null", b"~", b"true", b"1e999", b"-0", b"9" * 400, b"1:59:59", b"2024-01-01", b"\\ud800"),
    *(b"user: ", b"expect: ", b"json: ", b"matches: ", b"vars: ", b"file: ../x", b"$ref: '#'", b"(a+)+$"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, -1e308, float("nan"), float("inf"), _HUGE, 2**63),
    *(
        "",
        "x",
        "\0",
        "\ud800",
        "\x1b[31m",
        "failed",
        "maybe",
        [],
        {},
        [[]],
        [{}],
        {"": None},
        ["x"],
        [1],
        {"type": 1},
    ),
)


class FuzzedChoices:
    """Numbers from bytes; at its end everything is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def at_end(self) -> bool:
        return self._place >= len(self._data)

    def below(self, limit: int) -> int:
        """Return a number from 0 up to, and without, the limit."""
        size = 1 if limit <= 256 else 3
        piece = self._data[self._place : self._place + size]
        self._place += size
        return int.from_bytes(piece, "big") % limit if limit else 0

    def one_of(self, choices: Sequence[Any]) -> Any:
        """Return one of the choices."""
        return choices[self.below(len(choices))]


def edited(good: bytes, choices: FuzzedChoices) -> bytes:
    """Return bytes with pieces cut out, doubled, moved, or replaced by words that mean something."""
    data = good
    for _ in range(1 + choices.below(4)):
        start = choices.below(len(data) + 1)
        end = start + choices.below(40)
        piece = choices.one_of([b"", data[start:end] * 2, choices.one_of(WORDS), choices.one_of(WORDS) * 100])
        data = data[:start] + piece + data[end:]
    return data


def changed(value: Any, choices: FuzzedChoices) -> Any:
    """Return a JSON value in which one part, at any depth, is another value, is gone, or is very deep."""
    if isinstance(value, dict) and value and choices.below(8):
        name = choices.one_of(list(value))
        if not choices.below(12):
            return {key: part for key, part in value.items() if key != name}
        return {**value, name: changed(value[name], choices)}
    if isinstance(value, list) and value and choices.below(8):
        place = choices.below(len(value))
        return [*value[:place], changed(value[place], choices), *value[place + 1 :]]
    return choices.one_of(VALUES) if choices.below(len(VALUES)) else _deep()


def _deep() -> Any:
    value: Any = "x"
    for _ in range(_DEEP):
        value = {"type": [value]}
    return value

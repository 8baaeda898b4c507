"""Text for people: what could act or hide made visible, its width, and counts with their noun."""

from __future__ import annotations

import unicodedata

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""The Unicode categories of characters that act or cannot be seen."""

_SHORT = 256


def visible(text: str) -> str:
    r"""Return the text with every character that could act on a terminal, or hide, spelt out.

    C0 and DEL are written `^[`, C1 `\x9b`, all others (bidi, zero width, surrogates) `<U+202E>`; a tab and a
    line break count as C0, so the result is always one line.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(visible_character, text))


def visible_character(character: str) -> str:
    """Return one character as `visible` shows it."""
    if unicodedata.category(character) not in HIDDEN:
        return character
    code = ord(character)
    if code < ord(" "):
        return "^" + chr(code + ord("@"))
    if character == "\x7f":
        return "^?"
    return f"\\x{code:02x}" if code < _SHORT and code != ord("\xad") else f"<U+{code:04X}>"


def width(text: str) -> int:
    """Return how many terminal columns visible text takes: wide characters two, combining ones none."""
    return sum(map(_character_width, text))


def count(number: int, noun: str, *, plural: str | None = None, grouped: bool = True) -> str:
    """Return a number with its noun: `1 case`, `2 cases`, `1,234 replies`, and not `grouped` `1234 words`."""
    return f"{number:{',' if grouped else ''}} {noun if number == 1 else plural or noun + 's'}"


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1

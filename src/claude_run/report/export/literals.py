"""Values as literals of Python and TypeScript: any text reads back as itself, nothing in it acts or hides."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.report.export.script import Reading, Saved
from claude_run.text.visible import HIDDEN

if TYPE_CHECKING:
    from claude_run.report.export.script import Part

WIDTH = 100
"""Columns that a value on one line may fill."""

_LONG = 60  # characters from which a text of several lines is written as such
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}
_LAST_BLANK = re.compile(r" $", re.MULTILINE)
_MARK_AND_MORE = re.compile(r'"(?="|\Z)')
_ODD = re.compile(r"[^ -~]|[\"'`\\]")
_OLD_COMMAND = re.compile(r"#(?=#\w*\[)")
_ENCODING = re.compile(r"coding(?=[:=])")
_METADATA = re.compile(r"^ ///(?= [A-Za-z0-9-]+$)")
_COMMAND = re.compile(r"^([^\S\n]*):(?=:[A-Za-z])", re.MULTILINE)
_BASIC_PLANE = 0xFFFF
_BYTE = 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A value that the program knows by this name."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """How a language writes values: its words for true, false and null, texts, and the keys of objects."""

    words: tuple[str, str, str]
    text: Callable[[str | Reading], str]
    key: Callable[[str], str]
    padded: bool


def value(part: Part | Name, notation: Notation, *, indent: int = 0, column: int = 0) -> str:
    """Return a value as a literal: on one line where it fits behind `column`, else one entry a line.

    Its further lines are indented by `indent` blanks; the lines of a text are its own.
    """
    if not isinstance(part, Mapping | Sequence) or isinstance(part, str):
        return _single(part, notation)

    # A list or an object: its entries with what stands before each.
    inner = indent + 4 if not notation.padded else indent + 2
    if isinstance(part, Mapping):
        opening, closing = "{", "}"
        entries = [(f"{notation.key(name)}: ", each) for name, each in part.items()]
    else:
        opening, closing = "[", "]"
        entries = [("", each) for each in part]
    if not entries:
        return opening + closing
    shown = [
        before + value(each, notation, indent=inner, column=inner + len(before)) for before, each in entries
    ]
    pad = " " if notation.padded and opening == "{" else ""
    line = f"{opening}{pad}{', '.join(shown)}{pad}{closing}"
    if "\n" not in line and column + len(line) < WIDTH:
        return line
    blanks = " " * inner
    return f"{opening}\n" + "".join(f"{blanks}{each},\n" for each in shown) + " " * indent + closing


def _single(part: bool | float | str | Reading | Name | None, notation: Notation) -> str:
    if isinstance(part, Name):
        return part.text
    if isinstance(part, str | Reading):
        return notation.text(part)
    if part is None or isinstance(part, bool):
        true, false, null = notation.words
        return null if part is None else true if part else false
    return json.dumps(part)


def is_block(text: str) -> bool:
    """Return whether a text is written over several lines, as it reads."""
    return "\n" in text.rstrip("\n") and (len(text) > _LONG or text.count("\n") > 1)


def python_text(text: str | Reading) -> str:
    r"""Return the literal of a text in Python, an f-string where it reads what was saved.

    A text of several lines stands in three quotation marks, after `\` and a line break of the source.
    """
    pieces = text.pieces if isinstance(text, Reading) else (text,)
    reads = isinstance(text, Reading)
    written = "".join(piece for piece in pieces if isinstance(piece, str))
    block = is_block(written)
    quote = '"' if block or reads or '"' not in written or "'" in written else "'"

    def escape(piece: str) -> str:
        shown = _escaped(piece, quote, hidden=_python_escape, block=block)
        return shown.replace("{", "{{").replace("}", "}}") if reads else shown

    inside = "".join(
        f"{{saved['{piece.name}']}}" if isinstance(piece, Saved) else escape(piece) for piece in pieces
    )
    prefix = "f" if reads else ""
    return f'{prefix}"""\\\n{inside}"""' if block else f"{prefix}{quote}{inside}{quote}"


def typescript_text(text: str | Reading) -> str:
    """Return the literal of a text in TypeScript: a template where it has several lines or reads."""
    pieces = text.pieces if isinstance(text, Reading) else (text,)
    reads = isinstance(text, Reading)
    written = "".join(piece for piece in pieces if isinstance(piece, str))
    block = is_block(written)
    quote = "`" if block or reads else '"' if '"' not in written or "'" in written else "'"

    def escape(piece: str) -> str:
        shown = _escaped(piece, quote, hidden=_typescript_escape, block=block)
        return shown.replace("${", "\\${") if quote == "`" else shown

    inside = "".join(
        f"${{saved.{piece.name}}}" if isinstance(piece, Saved) else escape(piece) for piece in pieces
    )
    # A `$` at the end of a piece would open what follows it.
    inside = inside.replace("$${", "\\$${") if reads else inside
    return f"`\\\n{inside}`" if block else f"{quote}{inside}{quote}"


def comment(text: str) -> str:
    """Return a text as it may stand in one line of a comment, in any language."""
    shown = _OLD_COMMAND.sub(r"\\x23", "".join(map(_shown, text))).replace("*/", "* /")
    # On top of a file Python obeys two comments: `coding: x`, and the packages that `/// script` asks for.
    return _METADATA.sub(" // /", _ENCODING.sub("coding ", shown))


def _typescript_key(key: str) -> str:
    # Written plainly it would not be a key, but what the object inherits from.
    if key == "__proto__":
        return '["__proto__"]'
    return key if _IDENTIFIER.fullmatch(key) else typescript_text(key)


def _escaped(text: str, quote: str, *, hidden: Callable[[int], str], block: bool) -> str:
    """Return a text with every character escaped that would end the literal, act, or not be seen."""
    # Within three marks one alone is text, unless more, or the end, follow it.
    ending = _MARK_AND_MORE if block and quote == '"' else re.compile(re.escape(quote))

    def escape(found: re.Match[str]) -> str:
        character, place = found.group(), found.start()
        if character == "\n" and block:
            return character
        if character in _NAMED:
            return _NAMED[character]
        if character == quote:
            return "\\" + character if ending.match(text, place) else character
        return hidden(ord(character)) if unicodedata.category(character) in HIDDEN else character

    shown = _ODD.sub(escape, text)
    # Old commands of CI logs act anywhere in a line, new ones at its beginning.
    shown = _OLD_COMMAND.sub(r"\\x23", shown)
    # Editors take blanks at the end of a line away.
    return _COMMAND.sub(r"\1\\x3a", _LAST_BLANK.sub(r"\\x20", shown)) if block else shown


def _python_escape(code: int) -> str:
    if code <= _BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _BASIC_PLANE else f"\\U{code:08x}"


def _typescript_escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= _BASIC_PLANE else f"\\u{{{code:x}}}"


def _shown(character: str) -> str:
    return _python_escape(ord(character)) if unicodedata.category(character) in HIDDEN else character


PYTHON = Notation(words=("True", "False", "None"), text=python_text, key=python_text, padded=False)
TYPESCRIPT = Notation(words=("true", "false", "null"), text=typescript_text, key=_typescript_key, padded=True)

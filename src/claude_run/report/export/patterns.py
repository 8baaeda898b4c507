r"""RE2 patterns in the words of Python's `re`, of JavaScript and of jq, so that they find the same.

What stands for several characters differs: `$` also matches before a last line break in Python, `\w` any
letter in Python and jq, `.` no line separator in JavaScript. Each is written out as RE2 takes it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, TypeAlias

from claude_run.text.visible import HIDDEN

Dialect: TypeAlias = Literal["python", "javascript", "jq"]

_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")
_NAMED = re.compile(r"\(\?P?<(\w+)>")
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")
_NUMBER = re.compile(r"\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2}))")
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SIGNS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_QUANTIFIERS = frozenset("*+?{")
_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
_IN_CLASS = frozenset("^-]\\[&~|")
_LAST = 0x10FFFF

_Ranges: TypeAlias = "tuple[tuple[int, int], ...]"


def _of(text: str) -> _Ranges:
    """Return ranges that are written as pairs of characters."""
    return tuple((ord(first), ord(last)) for first, last in zip(text[::2], text[1::2], strict=True))


_DIGITS, _WORDS, _SPACES = _of("09"), _of("09AZ__az"), _of("\t\n\f\r  ")
_LETTERS, _FOLDED = _of("AZaz"), _of("\u017f\u017f\u212a\u212a")
_PERL: dict[str, _Ranges] = {"d": _DIGITS, "w": _WORDS, "s": _SPACES}
_CLASSES: dict[str, _Ranges] = {
    "alnum": _of("09AZaz"),
    "alpha": _of("AZaz"),
    "ascii": _of("\0\x7f"),
    "blank": _of("\t\t  "),
    "cntrl": _of("\0\x1f\x7f\x7f"),
    "digit": _DIGITS,
    "graph": _of("!~"),
    "lower": _of("az"),
    "print": _of(" ~"),
    "punct": _of("!/:@[`{~"),
    "space": _of("\t\r  "),
    "upper": _of("AZ"),
    "word": _WORDS,
    "xdigit": _of("09AFaf"),
}


class NotCarriedError(ValueError):
    """A pattern that cannot be written in a dialect; the text says why, in words for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern in one dialect. `flags` are those of the whole; `has_group` says whether it has a group."""

    source: str
    flags: str
    has_group: bool


def translate(pattern: str, dialect: Dialect) -> Pattern:
    """Return a pattern that RE2 takes as one that finds the same; NotCarriedError where there is none."""
    return _Translator(pattern, dialect).whole()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mode:
    """What the flags of a part of the pattern say."""

    fold: bool = False
    lines: bool = False
    dot_all: bool = False


class _Translator:
    """Reads a pattern from left to right, and writes each part of it in the dialect."""

    def __init__(self, pattern: str, dialect: Dialect) -> None:
        self._pattern, self._dialect = pattern, dialect
        self._at = 0
        self._written: list[str] = []
        self._modes = [_Mode()]
        self._groups = 0
        self._needs_ascii = False

    def whole(self) -> Pattern:
        """Translate all of it."""
        start = _FLAGS.match(self._pattern)
        if start is not None and start[3] == ")":
            self._modes = [self._changed(start)]
            self._at = start.end()
        mode = self._modes[0]
        while self._at < len(self._pattern):
            self._written.append(self._part())
        flags = "i" if mode.fold else ""
        source = "".join(self._written)
        if self._dialect == "python":
            shown = flags + ("m" if mode.lines else "") + ("s" if mode.dot_all else "")
            shown = ("a" if self._needs_ascii else "") + shown
            source = f"(?{shown}){source}" if shown else source
            flags = ""
            try:
                re.compile(source)
            except re.error as error:
                raise NotCarriedError(f"Python's `re` does not take it: {error}") from error
        elif self._dialect == "javascript":
            flags += "s" if mode.dot_all else ""
        return Pattern(source=source, flags=flags, has_group=self._groups > 0)

    def _part(self) -> str:
        """Return the next part, and step over it."""
        rest = self._pattern[self._at :]
        character = rest[0]
        if character in "\\[(":
            return {"\\": self._escape, "[": self._class, "(": self._group}[character]()
        if (repeat := _REPEAT.match(rest)) is not None:
            self._at += repeat.end()
            return repeat.group()
        self._at += 1
        if character == ")":
            self._modes.pop()
        if character in "^$":
            self._require_once(character)
            return self._line(character)
        if character == ".":
            return self._dot()
        return character if character in "*+?|)" else self._character(ord(character))

    def _line(self, mark: str) -> str:
        """Return the beginning or the end of the text, or of a line."""
        if not self._modes[-1].lines:
            ends = {"python": r"\Z", "javascript": "$", "jq": r"\z"}
            begins = {"python": r"\A" if self._modes[0].lines else "^", "javascript": "^", "jq": r"\A"}
            return (begins if mark == "^" else ends)[self._dialect]
        if self._dialect == "python":
            # A flag of a group holds in it alone, in Python too.
            return mark
        return r"(?<![^\n])" if mark == "^" else r"(?![^\n])"

    def _require_once(self, border: str) -> None:
        if self._pattern[self._at : self._at + 1] in _QUANTIFIERS:
            raise NotCarriedError(f"{border} is repeated, which says nothing: leave the sign behind it out")

    def _dot(self) -> str:
        """Return what any character is, or any but a line break."""
        if self._modes[-1].dot_all:
            return r"(?:.|\n)" if self._dialect == "jq" else "."
        return r"[^\n]" if self._dialect == "javascript" else "."

    def _group(self) -> str:
        rest = self._pattern[self._at :]
        if (named := _NAMED.match(rest)) is not None:
            self._at += named.end()
            self._groups += 1
            self._modes.append(self._modes[-1])
            # jq would keep no group but those with a name.
            if self._dialect == "jq" or not _IDENTIFIER.fullmatch(named[1]):
                return "("
            return f"(?P<{named[1]}>" if self._dialect == "python" else f"(?<{named[1]}>"
        if (flagged := _FLAGS.match(rest)) is None:
            self._at += 1
            self._groups += 1
            self._modes.append(self._modes[-1])
            return "("
        if flagged[3] == ")":
            raise NotCarriedError(f"{flagged.group()} stands in the middle: write it at the beginning")
        before, after = self._modes[-1], self._changed(flagged)
        self._at += flagged.end()
        self._modes.append(after)
        if self._dialect == "python":
            return flagged.group()
        if before.fold != after.fold:
            raise NotCarriedError(f"{flagged.group()} ignores case in a part: write (?i) at the beginning")
        if before.dot_all != after.dot_all and self._dialect == "javascript":
            raise NotCarriedError(f"{flagged.group()} holds for a part: write (?s) at the beginning")
        return "(?:"

    def _changed(self, flagged: re.Match[str]) -> _Mode:
        on, off, mode = flagged[1], flagged[2] or "", self._modes[-1]
        if "U" in on + off:
            raise NotCarriedError("the flag `U` has no like: write `*?` and `+?`")

        def flag(letter: str, *, now: bool) -> bool:
            return (now or letter in on) and letter not in off

        return _Mode(
            fold=flag("i", now=mode.fold),
            lines=flag("m", now=mode.lines),
            dot_all=flag("s", now=mode.dot_all),
        )

    def _escape(self) -> str:
        sign = self._pattern[self._at + 1]
        if sign == "Q":
            end = self._pattern.find("\\E", self._at)
            text = self._pattern[self._at + 2 : end if end >= 0 else None]
            self._at = end + 2 if end >= 0 else len(self._pattern)
            return "".join(self._character(ord(character)) for character in text)
        if sign in "Azb":
            self._at += 2
            self._require_once(f"\\{sign}")
            return self._border(sign)
        if (sign.lower()) in _PERL:
            self._at += 2
            return self._shorthand(sign)
        return self._character(self._code())

    def _border(self, sign: str) -> str:
        if sign in "Az":
            shown = {"python": {"A": r"\A", "z": r"\Z"}, "jq": {"A": r"\A", "z": r"\z"}}
            return shown.get(self._dialect, {"A": "^", "z": "$"})[sign]
        if self._dialect == "python":
            self._require_ascii()
        word = "[0-9A-Z_a-z]"
        return r"\b" if self._dialect != "jq" else f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"

    def _shorthand(self, sign: str) -> str:
        """Return digits, word characters or white space, which are those of ASCII in RE2."""
        negated, ranges = sign.isupper(), _PERL[sign.lower()]
        if sign in "sS":
            return r"[^\t\n\f\r ]" if negated else r"[\t\n\f\r ]"
        # Where case is ignored, the short forms differ in two letters that fold to `s` and `k`.
        if self._dialect != "jq" and not self._modes[-1].fold:
            self._needs_ascii = True
            return f"\\{sign}"
        inside = "".join(map(self._range, ranges))
        return f"[^{inside}]" if negated else f"[{inside}]"

    def _require_ascii(self) -> None:
        # In Python both go by one flag: which letters are words, and which are the same in upper case.
        if not self._pattern.isascii() and any(mode.fold for mode in self._modes):
            raise NotCarriedError(
                "it ignores the case of letters outside of ASCII and has \\w, \\d or \\b: write [a-z0-9_]"
            )
        self._needs_ascii = True

    def _class(self) -> str:
        """Return a class of characters as its ranges."""
        self._at += 1
        negated = self._pattern[self._at] == "^"
        self._at += negated
        shown: list[str] = []
        first = True
        while first or self._pattern[self._at] != "]":
            shown.append(self._in_class())
            first = False
        self._at += 1
        return f"[{'^' if negated else ''}{''.join(shown)}]"

    def _in_class(self) -> str:
        rest = self._pattern[self._at :]
        if (posix := _POSIX.match(rest)) is not None:
            self._at += posix.end()
            return self._set(_CLASSES[posix[2]], negated=bool(posix[1]))
        if rest[0] == "\\" and rest[1].lower() in _PERL:
            self._at += 2
            return self._set(_PERL[rest[1].lower()], negated=rest[1].isupper())
        first = self._code_in_class()
        rest = self._pattern[self._at :]
        if not rest.startswith("-") or rest.startswith("-]"):
            return self._range((first, first))
        self._at += 1
        return self._range((first, self._code_in_class()))

    def _set(self, ranges: _Ranges, *, negated: bool) -> str:
        if negated:
            folded = _FOLDED if self._modes[-1].fold and set(ranges) & set(_LETTERS) else ()
            ranges = _others((*ranges, *folded))
        return "".join(map(self._range, ranges))

    def _code_in_class(self) -> int:
        if self._pattern[self._at] == "\\":
            return self._code()
        self._at += 1
        return ord(self._pattern[self._at - 1])

    def _code(self) -> int:
        """Return the code of the one character that an escape stands for."""
        rest = self._pattern[self._at :]
        if (number := _NUMBER.match(rest)) is not None:
            self._at += number.end()
            digits = number[1] or number[2]
            return int(digits, 16) if digits else int(number[3], 8)
        sign = rest[1]
        if sign not in _SIGNS and (sign.isalnum() or sign == "_"):
            raise NotCarriedError(f"\\{sign} has no like in other languages: write the characters out")
        self._at += 2
        return _SIGNS.get(sign, ord(sign))

    def _range(self, ends: tuple[int, int]) -> str:
        first, last = ends
        shown = self._character(first, in_class=True)
        if first == last:
            return shown
        return f"{shown}-{self._character(last, in_class=True)}"

    def _character(self, code: int, *, in_class: bool = False) -> str:
        """Return one character as it stands for itself, and can be seen."""
        character = chr(code)
        named = {10: r"\n", 9: r"\t", 13: r"\r", 12: r"\f"}
        if code in named:
            return named[code]
        if unicodedata.category(character) in HIDDEN:
            return self._number(code)
        # Two of them and a bracket would be a command to some CI logs.
        if character == "#" and self._pattern[self._at : self._at + 1] == "#":
            return self._number(code)
        syntax = _IN_CLASS if in_class else _SYNTAX
        # JavaScript refuses to escape what means nothing, and so it goes by its number.
        if character in syntax:
            odd = self._dialect == "javascript" and character in "&~"
            return self._number(code) if odd else f"\\{character}"
        return character

    def _number(self, code: int) -> str:
        if self._dialect == "jq":
            return f"\\x{{{code:x}}}"
        if code <= 0xFF:  # noqa: PLR2004 - what two digits say
            return f"\\x{code:02x}"
        if code <= 0xFFFF:  # noqa: PLR2004 - what four digits say
            return f"\\u{code:04x}"
        return f"\\U{code:08x}" if self._dialect == "python" else f"\\u{{{code:x}}}"


def _others(ranges: _Ranges) -> _Ranges:
    """Return all characters outside of these ranges, which are in order."""
    found, begin = [], 0
    for first, last in sorted(ranges):
        if begin < first:
            found.append((begin, first - 1))
        begin = last + 1
    return (*found, (begin, _LAST))

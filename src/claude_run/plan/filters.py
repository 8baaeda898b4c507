"""Which conversations a run takes: `-k` expressions, `--tag`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from claude_run.errors import InputError
from claude_run.text.visible import visible, width

if TYPE_CHECKING:
    from collections.abc import Iterable

Predicate: TypeAlias = Callable[[Sequence[str]], bool]

MAX_DEPTH = 50
"""How deep parentheses and `not` may nest in an expression."""

_TOKEN = re.compile(r"""\s*(?:(?P<mark>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s()"']+))""")
_WORDS = ("and", "or", "not")


class ExpressionError(InputError):
    """A `-k` expression cannot be read; the text shows it with a caret under the place."""

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(str(self).split("\n"))


def parse_expression(source: str) -> Predicate:
    """Read a `-k` expression and return the predicate over a conversation's names.

    Grammar: words joined by `and`, `or`, `not` and parentheses, `not` binding tightest and `or` loosest. A
    word, bare or quoted, holds where it is a part of any of the names; case does not matter. Anything else
    raises ExpressionError with the column.
    """
    parser = _Parser(source)
    predicate = parser.any_of()
    parser.finish()
    return predicate


def has_tag(tags: Iterable[str], wanted: Sequence[str]) -> bool:
    """Return whether any of the wanted tags is among `tags`, letter by letter."""
    return not set(wanted).isdisjoint(tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """A word, a mark or the end, which is an empty text that is not quoted; `column` counts from 0."""

    text: str
    column: int
    quoted: bool

    def is_(self, *words: str) -> bool:
        return not self.quoted and self.text in words

    def __str__(self) -> str:
        return f"`{visible(self.text)}`" if self.text or self.quoted else "the end"


class _Parser:
    """Recursive descent over the tokens, one method for each rule of the grammar."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = self._split()
        self._next = 0
        self._depth = 0

    def any_of(self) -> Predicate:
        parts = [self._all_of()]
        while self._accept("or"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda names: any(part(names) for part in parts)

    def finish(self) -> None:
        left = self._peek()
        if left.text or left.quoted:
            hint = "" if left.is_(")") else "; quote words that belong together"
            self._fail(f"expected `and`, `or` or the end, found {left}{hint}", left.column)

    def _all_of(self) -> Predicate:
        parts = [self._inverted()]
        while self._accept("and"):
            parts.append(self._inverted())
        return parts[0] if len(parts) == 1 else lambda names: all(part(names) for part in parts)

    def _inverted(self) -> Predicate:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"nested more than {MAX_DEPTH} deep", self._peek().column)
        if self._accept("not"):
            inner = self._inverted()
            self._depth -= 1
            return lambda names: not inner(names)
        result = self._atom()
        self._depth -= 1
        return result

    def _atom(self) -> Predicate:
        opening = self._peek()
        if self._accept("("):
            inner = self.any_of()
            if not self._accept(")"):
                self._fail(f"expected `)`, found {self._peek()}", self._peek().column)
            return inner
        if opening.is_("", ")", *_WORDS):
            self._fail(f"expected a word, `not` or `(`, found {opening}", opening.column)
        if not opening.text:
            self._fail("an empty word matches everything", opening.column)
        self._next += 1
        word = opening.text.casefold()
        return lambda names: any(word in name.casefold() for name in names)

    def _peek(self) -> _Word:
        return self._tokens[self._next]

    def _accept(self, word: str) -> bool:
        if not self._peek().is_(word):
            return False
        self._next += 1
        return True

    def _split(self) -> list[_Word]:
        tokens: list[_Word] = []
        end = len(self._source.rstrip())
        place = 0
        while place < end:
            match = _TOKEN.match(self._source, place)
            if match is None:
                rest = self._source[place:].lstrip()
                self._fail("this quote is never closed", len(self._source) - len(rest))
            kind = str(match.lastgroup)
            text = match[kind]
            quoted = kind in {"double", "single"}
            tokens.append(_Word(text=text, column=match.start(kind) - quoted, quoted=quoted))
            place = match.end()
        return [*tokens, _Word(text="", column=end, quoted=False)]

    def _fail(self, message: str, column: int) -> NoReturn:
        caret = " " * width(visible(self._source[:column])) + "^"
        raise ExpressionError(f"-k, column {column + 1}: {message}\n  {visible(self._source)}\n  {caret}")

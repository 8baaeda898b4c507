"""What a template uses and what is wrong with it, found by its tree and its tokens and without rendering it.

A node of the tree says what is there, and has no column; a token has a place, and does not say what it means.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.template_language import (
    MAX_CODE,
    MAX_LOOPS,
    MAX_NESTING,
    NODES,
    TESTS,
    environment,
    filters,
    is_template,
    lexable,
    parse,
)
from claude_run.scenario.vocabulary import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jinja2 import nodes

# `{{ name }}`, and `{{ saved.name }}` or `{{ name.part }}`: what most tags are.
_PLAIN = re.compile(r"(?<!\{)\{\{\s*([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?\s*\}\}", re.ASCII)
_BROKEN = 50  # how much code it costs as much as to find out that a template is wrong
_TOO_DEEP = "the template nests too deeply"
_WHY_NOT = {
    "Call": "nothing can be called in a template",
    "Include": "templates include no files",
    "Import": "templates import no files",
    "FromImport": "templates import no files",
    "Extends": "templates extend no files",
}
_BRACES = "write {{ '{{' }} or {{ '{%' }} for signs that are meant as they are"
_NAME_IT = "give the result a name of its own, under `vars` or in the cases"
# What jinja2's tree calls the operators that compute, how a user knows them, and what to write instead.
_COMPUTING = {
    "Add": ("`+`", f"join texts: {{{{ [a, b] | join }}}}; or {_NAME_IT}"),
    "Concat": ("`~`", "write {{ a }}{{ b }}, or join the parts: {{ [a, b] | join }}"),
    "Div": ("`/`", _NAME_IT),
    "FloorDiv": ("`//`", _NAME_IT),
    "Mod": ("`%`", f"ask `is divisibleby(n)`, `is even` or `is odd`, or {_NAME_IT}"),
    "Mul": ("`*`", _NAME_IT),
    "Pos": ("`+`", "remove the sign"),
    "Pow": ("`**`", _NAME_IT),
    "Slice": ("slices", f"take one entry, with `first`, `last` or [0], or {_NAME_IT}"),
    "Sub": ("`-`", _NAME_IT),
}
_BINARY = {"+": "Add", "~": "Concat", "/": "Div", "//": "FloorDiv"}
_BINARY |= {"%": "Mod", "*": "Mul", "**": "Pow", "-": "Sub"}
_OPERANDS = frozenset({"name", "string", "integer", "float"})
_KEYWORDS = frozenset({"and", "elif", "else", "if", "in", "is", "not", "or", "print"})
_DECLARING = frozenset({"Assign", "For"})
_GUARDS = frozenset({("Test", "defined"), ("Test", "undefined"), ("Filter", "d"), ("Filter", "default")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A variable that a template reads, and the offset of its first use in the text.

    `saved` tells `saved.name` from `name`. An `optional` one may be undefined: the template says what then.
    """

    name: str
    saved: bool
    offset: int
    optional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """`{{ name }}` or `{{ name.part }}`, and the offset of the name in the text."""

    name: str
    part: str | None
    offset: int

    @property
    def saved(self) -> bool:
        """Whether it reads what a turn has saved."""
        return self.name == "saved" and self.part is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateProblem:
    """Something wrong in a template, with the offset and the length of the place in the text."""

    message: str
    hint: str | None
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at a template found; with problems, there are no uses.

    `code` counts the names, words and signs that were looked at one by one.
    """

    uses: tuple[Use, ...] = ()
    problems: tuple[TemplateProblem, ...] = ()
    code: int = 0


@lru_cache(maxsize=1024)
def variables_in(source: str) -> Inspection:
    """Return the variables that a text uses, `saved.name` among them, or the problems that it has."""
    if not is_template(source):
        return Inspection()
    if (uses := _plain_uses(source)) is not None:
        return Inspection(uses=uses)
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415 - slow, and most texts have nothing but names

    try:
        tokens = tuple(islice(_tokens(source), MAX_CODE + 1))
        if len(tokens) > MAX_CODE:
            return too_much_code(tokens[0].offset)
        tree = parse(source)
        parts = _parts(tree)
        lexed = _Lexed(tokens)
        problems = tuple(_problems(parts, lexed))
        uses = () if problems else _uses(tree, parts, lexed)
        return Inspection(uses=uses, problems=problems, code=len(tokens))
    except TemplateSyntaxError as error:
        offset, length = _line_mark(source, error.lineno)
        return _one(f"the template is wrong: {error.message}", hint=_BRACES, offset=offset, length=length)
    except RecursionError:
        return _one(_TOO_DEEP, hint=_BRACES, offset=0, length=1)


def plain_pieces(source: str) -> tuple[str | Tag, ...] | None:
    """Return a text in pieces where all its tags are like `{{ name }}` and `{{ name.part }}`, else None.

    Nothing but a look at a variable is needed to fill them: jinja2 is never loaded for them.
    """
    pieces: list[str | Tag] = []
    end = 0
    for found in _PLAIN.finditer(source):
        tag = Tag(name=found[1], part=found[2], offset=found.start(1))
        if tag.name in RESERVED and not tag.saved:
            return None
        pieces += (source[end : found.start()], tag)
        end = found.end()
    pieces.append(source[end:])
    texts = (piece for piece in pieces if isinstance(piece, str))
    return None if any(map(is_template, texts)) else tuple(piece for piece in pieces if piece != "")


def is_one_tag(source: str) -> bool:
    """Return whether a text is nothing but one variable."""
    pieces = plain_pieces(source)
    return pieces is not None and len(pieces) == 1 and isinstance(pieces[0], Tag)


def too_much_code(offset: int = 0) -> Inspection:
    """Return what is to be said of texts that hold more code than is looked at."""
    message = f"there is too much code in these templates: more than {MAX_CODE:,} names, words and signs"
    return _one(message, hint="write texts out, or move data into cases", offset=offset, length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    value: str
    offset: int
    line: int


def _one(message: str, *, hint: str | None, offset: int, length: int) -> Inspection:
    problem = TemplateProblem(message=message, hint=hint, offset=offset, length=length)
    return Inspection(problems=(problem,), code=_BROKEN)


def _tokens(source: str) -> Iterator[_Token]:
    """Yield jinja2's tokens with their offsets; what white-space control strips lies between tokens."""
    offset = 0
    text = lexable(source)
    for line, kind, value in environment().lex(text):
        offset = text.find(value, offset)
        if kind != "whitespace":
            yield _Token(kind=kind, value=value, offset=offset, line=line)
        offset += len(value)


def _line_mark(source: str, line: int) -> tuple[int, int]:
    """Return the offset and length of the first tag on a line, or of the line's first character."""
    lines = source.split("\n")
    start = sum(len(text) + 1 for text in lines[: line - 1])
    here = lines[line - 1] if line <= len(lines) else ""
    marks = [here.find(mark) for mark in ("{{", "{%") if mark in here]
    if marks:
        return start + min(marks), 2
    return start + len(here) - len(here.lstrip()), 1


def _plain_uses(source: str) -> tuple[Use, ...] | None:
    """Return what a text uses whose tags are all plain, each once, else None."""
    pieces = plain_pieces(source)
    if pieces is None:
        return None
    uses: dict[tuple[str, bool], Use] = {}
    for tag in pieces:
        if isinstance(tag, Tag):
            name = tag.part if tag.saved and tag.part else tag.name
            use = Use(name=name, saved=tag.saved, offset=tag.offset, optional=False)
            uses.setdefault((name, tag.saved), use)
    return tuple(uses.values())


class _Lexed:
    """The tokens of a template, and the way from what stands in its tree, which has no columns, to them."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self.tokens = tokens
        self._by_value: dict[str, list[_Token]] = {}
        self._tags: list[_Token] = []
        for token in tokens:
            self._by_value.setdefault(token.value, []).append(token)
            if token.kind.endswith("_begin"):
                self._tags.append(token)
        # A name behind `.` is an attribute, one behind `|` a filter; `saved` stands before `.` or `[`.
        self._names: dict[str, int] = {}
        self._saved: dict[str, int] = {}
        for before, token in zip((None, *tokens), tokens, strict=False):
            if token.kind == "name" and not (before and before.value in {".", "|"}):
                self._names.setdefault(token.value, token.offset)
        for token, following in zip(tokens, tokens[2:], strict=False):
            if token.value == "saved":
                self._saved.setdefault(following.value.strip("'\""), token.offset)

    def first(self, name: str, *, saved: bool) -> int:
        """Return the offset of the first use of a variable, or of what was saved."""
        return (self._saved if saved else self._names).get(name, 0)

    def word(self, word: str, line: int) -> int:
        """Return the offset of the first such word on a line or behind it."""
        found = self._by_value.get(word, ())
        index = bisect_left(found, line, key=lambda token: token.line)
        return found[index].offset if index < len(found) else 0

    def tag(self, line: int) -> _Token:
        """Return the beginning of the first tag on a line or behind it."""
        index = bisect_left(self._tags, line, key=lambda token: token.line)
        return self._tags[index] if index < len(self._tags) else self.tokens[0]


def _parts(tree: nodes.Template) -> Sequence[Any]:
    """Return all nodes of a tree, the outer ones first; RecursionError where they nest too deeply."""
    found: list[Any] = []
    pending: list[tuple[Any, int, int]] = [(tree, 0, 0)]
    while pending:
        node, depth, loops = pending.pop()
        loops += type(node).__name__ == "For"
        if depth > MAX_NESTING or loops > MAX_LOOPS:
            raise RecursionError
        found.append(node)
        pending += reversed([(child, depth + 1, loops) for child in node.iter_child_nodes()])
    return found


def _problems(parts: Sequence[Any], lexed: _Lexed) -> Iterator[TemplateProblem]:
    # Whether there is an operator is in the tree, where it stands only in the tokens: a node has no column.
    kinds = {type(node).__name__ for node in parts}
    computing = [(kind, token) for kind, token in _operators(lexed.tokens) if kind in kinds]
    for kind, token in computing:
        name, hint = _COMPUTING[kind]
        message = f"a template cannot use {name}: it computes nothing"
        yield TemplateProblem(message=message, hint=hint, offset=token.offset, length=len(token.value))

    placed = {kind for kind, _ in computing}
    known_filters, known_tests = list(filters()), sorted(TESTS)
    for node in parts:
        kind = type(node).__name__
        if kind in placed:
            continue
        if kind not in NODES or (kind == "For" and node.recursive):
            message = _WHY_NOT.get(kind, f"a template may not use {kind.lower()} here")
            yield _at_line(lexed, node.lineno, message=message)
        elif kind == "Name" and node.name == "self":
            yield _at_line(lexed, node.lineno, message="`self` cannot be read in a template")
        elif kind == "Filter":
            yield from _unknown(lexed, node, known=known_filters, what="filter")
        elif kind == "Test":
            yield from _unknown(lexed, node, known=known_tests, what="test")
    yield from _bare_saved(parts, lexed)


def _operators(tokens: Sequence[_Token]) -> Iterator[tuple[str, _Token]]:
    """Find what looks like an operator that computes, under its name in the tree, each once in a tag."""
    brackets: list[str] = []
    found: set[str] = set()
    for before, token in zip((None, *tokens), tokens, strict=False):
        if token.kind.endswith("_begin"):
            found.clear()
        if token.kind != "operator":
            continue
        if token.value in {"(", "[", "{"}:
            brackets.append(token.value)
        elif token.value in {")", "]", "}"}:
            brackets.pop()
        kind = _operator(token.value, before, inside=brackets[-1] if brackets else "")
        if kind is not None and kind not in found:
            found.add(kind)
            yield kind, token


def _operator(symbol: str, before: _Token | None, *, inside: str) -> str | None:
    if symbol == ":":
        return "Slice" if inside == "[" else None
    if symbol in {"+", "-"}:
        # Behind an operand it is an operator, elsewhere a sign.
        ends = before is not None and (before.kind in _OPERANDS or before.value in {")", "]", "}"})
        if not ends or (before and before.value in _KEYWORDS and before.kind == "name"):
            return "Pos" if symbol == "+" else None
    return _BINARY.get(symbol)


def _unknown(
    lexed: _Lexed, node: nodes.Filter | nodes.Test, *, known: list[str], what: str
) -> Iterator[TemplateProblem]:
    if node.name in known:
        return
    close = did_you_mean(node.name, known)
    hint = f"did you mean `{close}`?" if close else f"known: {', '.join(known)}"
    offset = lexed.word(node.name, node.lineno)
    message = f"unknown {what} `{node.name}` in a template"
    yield TemplateProblem(message=message, hint=hint, offset=offset, length=len(node.name))


def _bare_saved(parts: Sequence[Any], lexed: _Lexed) -> Iterator[TemplateProblem]:
    good = {id(node.node) for node in parts if _saved_name(node) is not None}
    for node in parts:
        if type(node).__name__ == "Name" and node.name == "saved" and id(node) not in good:
            hint = "name what was saved: saved.name"
            offset = lexed.word("saved", node.lineno)
            message = "`saved` can only be read by name"
            yield TemplateProblem(message=message, hint=hint, offset=offset, length=len("saved"))


def _at_line(lexed: _Lexed, line: int, *, message: str) -> TemplateProblem:
    token = lexed.tag(line)
    hint = "use variables, filters, `if` and `for`"
    return TemplateProblem(message=message, hint=hint, offset=token.offset, length=len(token.value))


def _uses(tree: nodes.Template, parts: Sequence[Any], lexed: _Lexed) -> tuple[Use, ...]:
    # What a test or a default looks at may be undefined: the template says what then.
    guarded = {
        _dotted(node.node) for node in parts if (type(node).__name__, getattr(node, "name", None)) in _GUARDS
    }
    # What is left undeclared comes from outside: variables, and what turns have saved.
    plain = [name for name in _undeclared(tree, parts) if name != "saved"]
    saved = dict.fromkeys(name for node in parts if (name := _saved_name(node)) is not None)
    uses = [
        Use(name=name, saved=False, offset=lexed.first(name, saved=False), optional=name in guarded)
        for name in plain
    ]
    uses += [
        Use(name=name, saved=True, offset=lexed.first(name, saved=True), optional=f"saved.{name}" in guarded)
        for name in saved
    ]
    return tuple(sorted(uses, key=lambda use: (use.offset, use.name)))


def _undeclared(tree: nodes.Template, parts: Sequence[Any]) -> Iterable[str]:
    if not any(type(node).__name__ in _DECLARING for node in parts):
        return {node.name for node in parts if type(node).__name__ == "Name"}
    from jinja2 import meta  # noqa: PLC0415 - slow; the caller has loaded it

    return meta.find_undeclared_variables(tree)


def _dotted(node: Any) -> str | None:  # noqa: ANN401 - any node of jinja2's tree
    if type(node).__name__ == "Name":
        return str(node.name)
    saved = _saved_name(node)
    return None if saved is None else f"saved.{saved}"


def _saved_name(node: Any) -> str | None:  # noqa: ANN401 - any node of jinja2's tree
    kind = type(node).__name__
    if kind not in {"Getattr", "Getitem"} or type(node.node).__name__ != "Name" or node.node.name != "saved":
        return None
    if kind == "Getattr":
        return str(node.attr)
    key = getattr(node.arg, "value", None)
    return key if isinstance(key, str) else None

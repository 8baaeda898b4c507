"""What a template uses, and what is wrong with it, found without rendering it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.template_language import NODES, TESTS, environment, filters, is_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import nodes

_WHY_NOT = {
    "Call": "nothing can be called in a template",
    "Include": "templates include no files",
    "Import": "templates import no files",
    "FromImport": "templates import no files",
    "Extends": "templates extend no files",
}
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
_KEYWORDS = frozenset({"and", "elif", "else", "if", "in", "is", "not", "or"})
_GUARDS = frozenset({"defined", "undefined"})
_DEFAULTS = frozenset({"d", "default"})


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
class TemplateProblem:
    """Something wrong in a template, with the offset and the length of the place in the text."""

    message: str
    hint: str | None
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at a template found; with problems, there are no uses."""

    uses: tuple[Use, ...] = ()
    problems: tuple[TemplateProblem, ...] = ()


@lru_cache(maxsize=1024)
def variables_in(source: str) -> Inspection:
    """Return the variables that a text uses, `saved.name` among them, or the problems that it has."""
    if not is_template(source):
        return Inspection()
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415 - slow, and most texts have nothing to render

    try:
        tree = environment().parse(source)
        tokens = tuple(_tokens(source))
        problems = tuple(_problems(tree, tokens)) or tuple(_compile_problems(source))
        return Inspection(problems=problems) if problems else Inspection(uses=_uses(tree, tokens))
    except TemplateSyntaxError as error:
        offset, length = _line_mark(source, error.lineno)
        message = f"the template is wrong: {error.message}"
        return _one(message, offset=offset, length=length)
    except RecursionError:
        return _one("the template nests too deeply", offset=0, length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    value: str
    offset: int
    line: int


def _one(message: str, *, offset: int, length: int) -> Inspection:
    hint = "write {{ '{{' }} for braces that are meant as they are"
    problem = TemplateProblem(message=message, hint=hint, offset=offset, length=length)
    return Inspection(problems=(problem,))


def _tokens(source: str) -> Iterator[_Token]:
    """Yield jinja2's tokens with their offsets; what white-space control strips lies between tokens."""
    offset = 0
    for line, kind, value in environment().lex(source):
        offset = source.find(value, offset)
        if kind != "whitespace":
            yield _Token(kind=kind, value=value, offset=offset, line=line)
        offset += len(value)


def _line_mark(source: str, line: int) -> tuple[int, int]:
    """Return the offset and length of the first tag on a line, or of the line's first character."""
    lines = source.split("\n")
    start = sum(len(text) + 1 for text in lines[: line - 1])
    here = lines[line - 1] if line <= len(lines) else ""
    marks = [here.find(mark) for mark in ("{{", "{%", "{#") if mark in here]
    if marks:
        return start + min(marks), 2
    return start + len(here) - len(here.lstrip()), 1


def _problems(tree: nodes.Template, tokens: tuple[_Token, ...]) -> Iterator[TemplateProblem]:
    # An operator is found in the tokens, because the tree knows no more than the line of its expression.
    computing = tuple(_operators(tokens))
    for kind, token in computing:
        name, hint = _COMPUTING[kind]
        message = f"a template cannot use {name}: it computes nothing"
        yield TemplateProblem(message=message, hint=hint, offset=token.offset, length=len(token.value))
    placed = {kind for kind, _ in computing}
    for node in _walk(tree):
        kind = type(node).__name__
        if kind in placed:
            continue
        if kind not in NODES or (kind == "For" and node.recursive):
            message = _WHY_NOT.get(kind, f"a template may not use {kind.lower()} here")
            yield _at_line(tokens, node.lineno, message=message)
        elif kind == "Name" and node.name == "self":
            yield _at_line(tokens, node.lineno, message="`self` cannot be read in a template")
        elif kind == "Filter":
            yield from _unknown(tokens, node, known=list(filters()), what="filter")
        elif kind == "Test":
            yield from _unknown(tokens, node, known=sorted(TESTS), what="test")
    yield from _bare_saved(tree, tokens)


def _operators(tokens: tuple[_Token, ...]) -> Iterator[tuple[str, _Token]]:
    """Find the operators that compute, by their names in the tree, each once in a tag."""
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
    if symbol in {"+", "-"} and not (before and _ends_operand(before)):
        return "Pos" if symbol == "+" else None
    return _BINARY.get(symbol)


def _ends_operand(token: _Token) -> bool:
    if token.kind == "name":
        return token.value not in _KEYWORDS
    return token.kind in {"string", "integer", "float"} or token.value in {")", "]", "}"}


def _unknown(
    tokens: tuple[_Token, ...],
    node: nodes.Filter | nodes.Test,
    *,
    known: list[str],
    what: str,
) -> Iterator[TemplateProblem]:
    if node.name in known:
        return
    close = did_you_mean(node.name, known)
    hint = f"did you mean `{close}`?" if close else f"known: {', '.join(known)}"
    offset = next((t.offset for t in tokens if t.line >= node.lineno and t.value == node.name), 0)
    message = f"unknown {what} `{node.name}` in a template"
    yield TemplateProblem(message=message, hint=hint, offset=offset, length=len(node.name))


def _bare_saved(tree: nodes.Template, tokens: tuple[_Token, ...]) -> Iterator[TemplateProblem]:
    from jinja2 import nodes  # noqa: PLC0415 - slow; the caller has loaded it

    good = {id(node.node) for node in _walk(tree) if _saved_name(node) is not None}
    for node in tree.find_all(nodes.Name):
        if node.name == "saved" and id(node) not in good:
            hint = "name what was saved: saved.name"
            offset = next((t.offset for t in tokens if t.line >= node.lineno and t.value == "saved"), 0)
            message = "`saved` can only be read by name"
            yield TemplateProblem(message=message, hint=hint, offset=offset, length=len("saved"))


def _at_line(tokens: tuple[_Token, ...], line: int, *, message: str) -> TemplateProblem:
    token = next((t for t in tokens if t.line >= line and t.kind.endswith("_begin")), tokens[0])
    hint = "use variables, filters, `if` and `for`"
    return TemplateProblem(message=message, hint=hint, offset=token.offset, length=len(token.value))


def _compile_problems(source: str) -> Iterator[TemplateProblem]:
    """Find what only compiling shows: Python's own limits on nesting."""
    try:
        environment().compile(source)
    except SyntaxError:
        yield TemplateProblem(message="the template nests too deeply", hint=None, offset=0, length=1)


def _uses(tree: nodes.Template, tokens: tuple[_Token, ...]) -> tuple[Use, ...]:
    from jinja2 import meta  # noqa: PLC0415 - slow; the caller has loaded it

    guarded = {_dotted(node.node) for node in _walk(tree) if _is_guard(node)}
    plain = [name for name in meta.find_undeclared_variables(tree) if name != "saved"]
    saved = dict.fromkeys(name for node in _walk(tree) if (name := _saved_name(node)) is not None)
    uses = [
        Use(name=name, saved=False, offset=_first(tokens, name), optional=name in guarded) for name in plain
    ]
    uses += [
        Use(name=name, saved=True, offset=_first_saved(tokens, name), optional=f"saved.{name}" in guarded)
        for name in saved
    ]
    return tuple(sorted(uses, key=lambda use: (use.offset, use.name)))


def _first(tokens: tuple[_Token, ...], name: str) -> int:
    # A name behind `.` is an attribute, one behind `|` a filter.
    found = (
        token.offset
        for before, token in zip((None, *tokens), tokens, strict=False)
        if token.kind == "name" and token.value == name and not (before and before.value in {".", "|"})
    )
    return next(found, 0)


def _first_saved(tokens: tuple[_Token, ...], name: str) -> int:
    # `saved`, then `.` or `[`, then the name, perhaps in quotes.
    found = (
        token.offset
        for token, following in zip(tokens, tokens[2:], strict=False)
        if token.value == "saved" and following.value.strip("'\"") == name
    )
    return next(found, 0)


def _is_guard(node: Any) -> bool:  # noqa: ANN401 - any node of jinja2's tree
    kind = type(node).__name__
    return (kind == "Test" and node.name in _GUARDS) or (kind == "Filter" and node.name in _DEFAULTS)


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


def _walk(node: Any) -> Iterator[Any]:  # noqa: ANN401 - any node of jinja2's tree
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)

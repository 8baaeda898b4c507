"""The template language: a small part of Jinja2 in which nothing is called, computed or grown without bounds.

Texts come from the user's files, and those may come from a stranger's pull request; case data and replies are
data that a template reads. So: variables, filters, `if` and `for`; no calls, no operators that compute, no
macros, no includes, no environment, no attribute of a Python object. Filters refuse results over
`MAX_OUTPUT`, loops count against `MAX_STEPS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from claude_run.scenario.patterns import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jinja2 import Environment, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_OUTPUT = 1024 * 1024
"""How many characters a rendered text, or any part on the way to it, may have."""

MAX_STEPS = 20_000
"""How many pieces a rendering may produce, turns of a loop included."""

MAX_CODE = 50_000
_EXCERPT = 60  # characters of a value that a message shows
"""How many names, words and signs the tags of a text, or of all texts of a scenario, may have together."""

MAX_NESTING = 50
"""How deep the parts of a template may nest: with `MAX_LOOPS` less than what Python compiles."""

MAX_LOOPS = 15
"""How many loops may stand inside each other."""

NODES = frozenset(
    {"And", "Assign", "Compare", "CondExpr", "Const", "Dict", "Filter", "For", "Getattr", "Getitem", "If"}
    | {"Keyword", "List", "Name", "Neg", "Not", "Operand", "Or", "Output", "Pair", "Template"}
    | {"TemplateData", "Test", "Tuple"}
)
"""The parts of Jinja2's grammar that a template may use."""

TESTS = frozenset(
    {"boolean", "defined", "divisibleby", "eq", "even", "false", "ge", "gt", "in", "le", "lt", "mapping"}
    | {"ne", "none", "number", "odd", "sequence", "string", "true", "undefined"}
)
"""The tests that a template may use after `is`."""

_MARK = re.compile(r"\{[{%]")
_BEGINNINGS = re.compile(r"\{+[{%]")
# A comment of Jinja2 would vanish from the text. What no file can hold begins none: `{#` is ordinary text.
_NO_COMMENT = ("\ud800{#", "#}\ud800")
# Jinja2 makes every line break LF. A CR that a text has by an escape is kept as what no text can hold.
_CR = "\0"
_MAX_INDENT = 40
_LOOP = frozenset(
    {"depth0", "first", "index", "index0", "last", "length", "nextitem", "previtem", "revindex"}
)


class BoundError(ValueError):
    """A result would be larger than a template may make it."""


def is_template(source: str) -> bool:
    """Return whether a text holds anything to render; without it, jinja2 is never imported."""
    return _MARK.search(source) is not None


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """Return the one environment of all templates; it holds no loader and no globals, and reads data only."""
    from jinja2 import StrictUndefined, Undefined  # noqa: PLC0415 - slow, and most texts have nothing to render
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - same

    # Data is read by key and index alone, however a template spells it.
    class Environment(ImmutableSandboxedEnvironment):
        def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - jinja2's own signature
            return self.getitem(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - jinja2's own signature
            if isinstance(obj, Undefined):
                str(obj)  # raises the error that names the variable, not its part
            found, value = _read(obj, argument)
            return value if found else self.undefined(obj=obj, name=argument)

    # Of what jinja2 brings along only that part stays which the language has.
    made = Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        optimized=False,
        finalize=lambda value: value if isinstance(value, Undefined) else to_text(value),
        cache_size=0,
        comment_start_string=_NO_COMMENT[0],
        comment_end_string=_NO_COMMENT[1],
    )
    made.globals.clear()
    made.filters = filters()
    made.tests = {name: test for name, test in made.tests.items() if name in TESTS}
    return made


@cache
def pattern_environment() -> Environment:
    """Return the environment of patterns: what a tag gives stands for itself in them."""
    made = environment().overlay(finalize=to_pattern)
    # What is put between the parts of a list is the user's own, and may be a `|`.
    made.filters = {**made.filters, "join": _join_patterns}
    return made


@cache
def looked_for_environment() -> Environment:
    """Return the environment of texts that are looked for."""
    from jinja2 import Undefined  # noqa: PLC0415 - slow; the caller has loaded it

    return environment().overlay(
        finalize=lambda value: value if isinstance(value, Undefined) else to_looked_for(value)
    )


@cache
def pointer_environment() -> Environment:
    """Return the environment of JSON Pointers: a value in one is a single step."""
    return environment().overlay(finalize=to_pointer)


def literal(text: str) -> str:
    """Return the template that becomes exactly this text: what would begin a tag stands in one, quoted."""
    return _BEGINNINGS.sub(lambda found: f"{{{{ '{found.group()}' }}}}", text)


def lexable(source: str) -> str:
    """Return a template as jinja2 may read it: each character in its place, line breaks LF alone."""
    return source.replace("\r", _CR)


def parse(source: str) -> nodes.Template:
    """Return the tree of a template; jinja2's TemplateSyntaxError where it is wrong."""
    from jinja2 import nodes  # noqa: PLC0415 - slow, and most texts have nothing to render

    tree = environment().parse(lexable(source))
    if "\r" in source:
        for data in tree.find_all(nodes.TemplateData):
            data.data = data.data.replace(_CR, "\r")
    return tree


def count_turns(template: nodes.Template) -> nodes.Template:
    """Return the template with every turn of a loop made a piece of its own, which counts as a step."""
    from jinja2 import nodes  # noqa: PLC0415 - slow; the caller has loaded it

    for loop in template.find_all(nodes.For):
        loop.body.insert(0, nodes.Output([nodes.TemplateData("")]).set_lineno(loop.lineno))
    return template


def to_text(value: object) -> str:
    """Return a value as a template writes it: strings as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Mapping | list | tuple):
        return to_json_text(value)
    # What is left is jinja2's Undefined, whose str() raises the error that names the variable.
    return str(value)


def to_looked_for(value: object) -> str:
    """Return a value as a part of a text that is looked for; TypeError for a list or an object.

    No reply holds the brackets of one, so what looks for them would never find anything.
    """
    if isinstance(value, Mapping | list | tuple):
        what = "an object" if isinstance(value, Mapping) else "a list"
        raise TypeError(f"{what} stands in the middle of a text: {_some(to_text(value))}")
    return to_text(value)


class _Pattern(str):
    """A pattern that is made already, of values that are escaped."""

    __slots__ = ()


def to_pattern(value: object) -> str:
    """Return a pattern that matches the text of a value, and nothing else.

    TypeError for what is no text, ValueError for an empty one: a pattern of nothing matches everywhere.
    """
    if value == "":
        raise ValueError("a value in this pattern is empty, and an empty pattern matches every reply")
    if isinstance(value, _Pattern):
        return value
    if value is None or isinstance(value, bool | Mapping | list | tuple):
        raise TypeError(f"a pattern takes texts and numbers, not {to_text(value)}")
    return escape(to_text(value))


def to_pointer(value: object) -> str:
    """Return a value as one step of a JSON Pointer (RFC 6901)."""
    return to_text(value).replace("~", "~0").replace("/", "~1")


def to_json_text(value: object, indent: int | None = None) -> str:
    """Return a value as JSON; the filter `tojson`, without the HTML escapes of jinja2's own."""
    width = None if indent is None else _small(indent)
    # Piece by piece: lists that hold one list many times are short until they are written.
    return _bounded(json.JSONEncoder(ensure_ascii=False, indent=width, default=_plain).iterencode(value))


def filters() -> dict[str, Callable[..., Any]]:
    """Return the filters that a template may use, each with a bounded result."""
    return {
        "abs": abs,
        "capitalize": lambda value: to_text(value).capitalize(),
        "d": _default,
        "default": _default,
        "first": lambda value: value[0],
        "float": float,
        "indent": _indent,
        "int": int,
        "items": lambda value: list(value.items()),
        "join": _join,
        "last": lambda value: value[-1],
        "length": len,
        "lower": lambda value: to_text(value).lower(),
        "replace": _replace,
        "round": round,
        "string": to_text,
        "title": lambda value: to_text(value).title(),
        "tojson": to_json_text,
        "trim": lambda value: to_text(value).strip(),
        "upper": lambda value: to_text(value).upper(),
    }


def _read(value: object, key: object) -> tuple[bool, object]:
    """Return whether a value has such a part, and the part: keys of mappings, indexes of lists and texts.

    Attributes of Python objects are never read, but for the counters of `loop`.
    """
    if isinstance(value, Mapping):
        return (True, value[key]) if isinstance(key, str) and key in value else (False, None)
    if isinstance(value, str | list | tuple) and isinstance(key, int):
        return (True, value[key]) if -len(value) <= key < len(value) else (False, None)
    if type(value).__name__ == "LoopContext" and key in _LOOP:
        return True, getattr(value, str(key))
    return False, None


def _default(value: object, default_value: object = "", boolean: object = False) -> object:  # noqa: FBT002 - jinja2's own signature
    from jinja2 import Undefined  # noqa: PLC0415 - slow; a filter runs only where jinja2 is loaded already

    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def _join(parts: Iterable[object], d: str = "") -> str:
    between = chain.from_iterable((d, to_text(part)) for part in parts)
    return _bounded(islice(between, 1, None))


def _join_patterns(parts: Iterable[object], d: str = "") -> _Pattern:
    return _Pattern(_join(map(to_pattern, parts), d))


def _replace(value: object, old: str, new: str) -> str:
    text = to_text(value)
    _check_size(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _indent(value: object, width: int = 4, first: object = False) -> str:  # noqa: FBT002 - jinja2's own signature
    blank = " " * _small(width)
    text = to_text(value)
    _check_size(len(text) + (text.count("\n") + 1) * len(blank))
    return (blank if first else "") + text.replace("\n", "\n" + blank)


def _some(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."


def _small(width: int) -> int:
    if not 0 <= width <= _MAX_INDENT:
        raise BoundError(f"an indentation must be between 0 and {_MAX_INDENT}")
    return width


def _bounded(pieces: Iterable[str]) -> str:
    """Join the pieces, no further than a text may go."""
    kept: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        _check_size(size)
        kept.append(piece)
    return "".join(kept)


def _check_size(size: int) -> None:
    if size > MAX_OUTPUT:
        raise BoundError(f"the text would be longer than {MAX_OUTPUT:,} characters")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    # Undefined, as in `to_text`.
    return str(value)

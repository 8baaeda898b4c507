"""The template language: a small part of Jinja2 in which nothing is called and nothing grows without bounds.

Texts come from the user's files, and those may come from a stranger's pull request; case data and replies are
data that a template reads. So: no calls, no macros, no includes, no environment, no attribute of a Python
object; operators and filters refuse results over `MAX_OUTPUT`; loops count against `MAX_STEPS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_OUTPUT = 1024 * 1024
"""How many characters a rendered text, or any part on the way to it, may have."""

MAX_STEPS = 20_000
"""How many pieces a rendering may produce, turns of a loop included."""

NODES = frozenset(
    {"Add", "And", "Assign", "Compare", "Concat", "CondExpr", "Const", "Dict", "Div", "Filter", "FloorDiv"}
    | {
        "For",
        "Getattr",
        "Getitem",
        "If",
        "Keyword",
        "List",
        "Mod",
        "Mul",
        "Name",
        "Neg",
        "Not",
        "Operand",
        "Or",
        "Output",
    }
    | {"Pair", "Pos", "Pow", "Slice", "Sub", "Template", "TemplateData", "Test", "Tuple"}
)
"""The parts of Jinja2's grammar that a template may use."""

TESTS = frozenset(
    {
        "boolean",
        "defined",
        "divisibleby",
        "eq",
        "even",
        "false",
        "ge",
        "gt",
        "in",
        "le",
        "lt",
        "mapping",
        "ne",
    }
    | {"none", "number", "odd", "sequence", "string", "true", "undefined"}
)
"""The tests that a template may use after `is`."""

CONCAT = "claude_run_concat"
"""The filter that stands in for the operator `~`, so that its result is bounded."""

_MARK = re.compile(r"\{[{%#]")
_MAX_BITS = 1024
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
    """Return the one environment of all templates; it holds no loader and no globals."""
    from claude_run.scenario.template_environment import build  # noqa: PLC0415 - brings in jinja2, which is slow

    return build()


def to_text(value: object) -> str:
    """Return a value as a template writes it: strings as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float | Mapping | list | tuple):
        return to_json_text(value)
    # What is left is jinja2's Undefined, whose str() raises the error that names the variable.
    return str(value)


def to_json_text(value: object, indent: int | None = None) -> str:
    """Return a value as JSON; the filter `tojson`, without the HTML escapes of jinja2's own."""
    width = None if indent is None else _small(indent)
    return bounded(json.dumps(value, ensure_ascii=False, indent=width, default=_plain))


def bounded(text: str) -> str:
    """Return the text; BoundError where it is larger than a template may make it."""
    _check_size(len(text))
    return text


def filters() -> dict[str, Callable[..., Any]]:
    """Return the filters that a template may use, each with a bounded result."""
    return {
        "abs": abs,
        "capitalize": lambda value: to_text(value).capitalize(),
        CONCAT: lambda parts: _join(parts, ""),
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


def operate(operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - operands are any JSON
    """Apply `+`, `*`, `**` or `%`; BoundError where the result would be too large."""
    if operator == "%" and isinstance(left, str):
        raise BoundError("`%` does not format texts here; write {{ name }} inside the text")
    if operator == "+" and isinstance(left, Sequence) and isinstance(right, Sequence):
        _check_size(len(left) + len(right))
    if operator == "*":
        _check_product(left, right)
    if operator == "**":
        _check_power(left, right)
    return {
        "+": lambda: left + right,
        "*": lambda: left * right,
        "**": lambda: left**right,
        "%": lambda: left % right,
    }[operator]()


def read(value: object, key: object) -> tuple[bool, object]:
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


def _join(parts: Any, d: str = "") -> str:  # noqa: ANN401 - a list of any JSON
    pieces = [to_text(part) for part in parts]
    _check_size(sum(map(len, pieces)) + len(pieces) * len(d))
    return d.join(pieces)


def _replace(value: object, old: str, new: str) -> str:
    text = to_text(value)
    _check_size(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _indent(value: object, width: int = 4, first: object = False) -> str:  # noqa: FBT002 - jinja2's own signature
    blank = " " * _small(width)
    text = to_text(value)
    _check_size(len(text) + (text.count("\n") + 1) * len(blank))
    return (blank if first else "") + text.replace("\n", "\n" + blank)


def _small(width: int) -> int:
    if not 0 <= width <= _MAX_INDENT:
        raise BoundError(f"an indentation must be between 0 and {_MAX_INDENT}")
    return width


def _check_size(size: int) -> None:
    if size > MAX_OUTPUT:
        raise BoundError(f"the text would be longer than {MAX_OUTPUT:,} characters")


def _check_product(left: object, right: object) -> None:
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple) and isinstance(times, int):
            _check_size(len(sequence) * max(times, 0))
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())


def _check_power(left: object, right: object) -> None:
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() * abs(right))


def _check_bits(bits: int) -> None:
    if bits > _MAX_BITS:
        raise BoundError(f"the number would have more than {_MAX_BITS} bits")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    # Undefined, as in `to_text`.
    return str(value)

"""Nunjucks templates in our own language, which is a small part of Jinja2: most are the same in both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.scenario.template import Renderer, RenderError
from claude_run.scenario.template_inspection import variables_in
from claude_run.scenario.template_language import is_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from claude_run.scenario.json_values import Json

_OPENS = re.compile(r"\{[{%#]")
_CLOSES = {"{#": re.compile(r"#\}"), "{{": re.compile(r"[}%]\}"), "{%": re.compile(r"[}%]\}")}
_WORDS = (
    (re.compile(r"\|\s*dump(\(\s*\d*\s*\))?"), "| tojson"),
    (re.compile(r"(?<!\s)\s*\|\s*safe\b"), ""),
    (re.compile(r"^(\{%-?\s*)elseif\b"), r"\1elif"),
    # Two names are the keys of an object with their values.
    (re.compile(r"^(\{%-?\s*for\s+\w+\s*,\s*\w+\s+in\s+[\w.]+)"), r"\1 | items"),
    (re.compile(r"==="), "=="),
    (re.compile(r"!=="), "!="),
)
_PASSES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text in our own language, the variables that it reads, and what keeps it from being one."""

    source: str
    names: tuple[str, ...] = ()
    problem: str | None = None


def translated(source: str) -> Template:
    """Return a nunjucks text in our language: comments gone, filters under the names that they have here."""
    text = "".join(_pieces(source))
    look = variables_in(text)
    if look.problems:
        return Template(source=text, problem=look.problems[0].message)
    names = tuple(dict.fromkeys(use.name for use in look.uses if not use.optional))
    for foreign, why in (("env", "reads the environment"), ("_conversation", "reads earlier replies")):
        if foreign in names:
            return Template(source=text, names=names, problem=f"the template {why}")
    if any(use.saved for use in look.uses):
        return Template(source=text, names=names, problem="a variable is called `saved`, which is reserved")
    return Template(source=text, names=names)


def filled(template: Template, variables: Mapping[str, Json]) -> str:
    """Return a text with its variables filled in, those that are not there being empty; RenderError."""
    values = {**dict.fromkeys(template.names, ""), **variables}
    return str(Renderer(values).fill(template.source, {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """Variables with those that their values read filled in: the `used` ones, and those that are `stuck`."""

    values: Mapping[str, Json]
    used: frozenset[str]
    stuck: tuple[str, ...]


def composed(variables: Mapping[str, Json]) -> Composed:
    """Fill in what the values of variables read of others: there they are templates, here they are data."""
    values, used, stuck = dict(variables), set[str](), set[str]()
    for _ in range(_PASSES):
        waiting = [name for name, value in values.items() if _is_open(value) and name not in stuck]
        for name in waiting:
            template = translated(str(values[name]))
            if template.problem is not None or name in template.names:
                stuck.add(name)
                continue
            try:
                values[name] = filled(template, values)
                used.update(template.names)
            except RenderError:
                stuck.add(name)
    left = tuple(name for name, value in values.items() if _is_open(value))
    return Composed(values=values, used=frozenset(used), stuck=left)


def _is_open(value: Json) -> bool:
    return isinstance(value, str) and is_template(value)


def _pieces(source: str) -> Iterator[str]:
    """Yield a text piece by piece, its tags in our words, its comments left out; each is looked at once."""
    index = 0
    while opened := _OPENS.search(source, index):
        closed = _CLOSES[opened[0]].search(source, opened.end())
        if closed is None:
            break
        yield source[index : opened.start()]
        if opened[0] != "{#":
            yield _tag(source[opened.start() : closed.end()])
        index = closed.end()
    yield source[index:]


def _tag(tag: str) -> str:
    for pattern, ours in _WORDS:
        tag = pattern.sub(ours, tag)
    return tag

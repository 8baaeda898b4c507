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
    """Variables with those that their values read filled in.

    `used` are those that others read, `stuck` those that stay as they are, and `missing` the names that have
    no value, by who reads them.
    """

    values: Mapping[str, Json]
    used: frozenset[str]
    stuck: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]]


def composed(variables: Mapping[str, Json]) -> Composed:
    """Fill in what the values of variables read of others: there they are templates, here they are data.

    Each is filled in once, after those that it reads: what looks like a template then is text.
    """
    values, used, missing = dict(variables), set[str](), dict[str, tuple[str, ...]]()
    templates = {name: translated(str(value)) for name, value in variables.items() if _is_open(value)}
    stuck = {name for name, template in templates.items() if template.problem is not None}
    reads = {name: frozenset(template.names) & templates.keys() for name, template in templates.items()}
    stuck |= _in_circles(reads)
    waiting = [name for name in templates if name not in stuck]
    while waiting:
        ready = [name for name in waiting if not reads[name] & set(waiting)]
        for name in ready:
            template = templates[name]
            try:
                values[name] = filled(template, values)
            except RenderError:
                stuck.add(name)
                continue
            used.update(template.names)
            if empty := tuple(each for each in template.names if each not in variables):
                missing[name] = empty
        waiting = [name for name in waiting if name not in ready]
    order = tuple(name for name in templates if name in stuck)
    return Composed(values=values, used=frozenset(used), stuck=order, missing=missing)


def _in_circles(reads: Mapping[str, frozenset[str]]) -> set[str]:
    """Return the names that read themselves, by way of others or at once."""
    found: set[str] = set()
    for name in reads:
        seen, ahead = set[str](), [name]
        while ahead:
            new = reads[ahead.pop()] - seen
            seen |= new
            ahead += new
        if name in seen:
            found.add(name)
    return found


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

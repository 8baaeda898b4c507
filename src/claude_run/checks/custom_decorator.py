"""How a custom check is written: a function, with a schema for the value that it takes."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from claude_run.checks.arguments import is_list, is_object, strings
from claude_run.checks.excerpt import as_json, spell
from claude_run.checks.json_schema import TooMuchWorkError, schema_errors, schema_problems
from claude_run.checks.kind import EVERYWHERE, Check, no_templates
from claude_run.checks.registry import BUILT_IN, WRAPPERS
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Problem, refused_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_run.checks.kind import Finding, Scope
    from claude_run.checks.subject import Subject
    from claude_run.scenario.model import Json, JsonObject

_DRAFT = "http://json-schema.org/draft-07/schema#"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({one.name for one in BUILT_IN} | set(WRAPPERS) | {"label"})
# The schema of the check becomes a part of that of scenarios, where these would lead elsewhere.
_MISPLACED = ("$ref", "$schema", "$id")


class InvalidCheckError(ValueError):
    """A check that cannot be used; the text says why."""


class Judge(Protocol):
    """What a custom check does: it looks at a reply, and returns `passed`, `failed` or `errored`."""

    def __call__(self, value: Any, reply: Subject, /) -> Finding:  # noqa: ANN401 - it fits the check's schema
        """Judge a reply by the value that stands in the scenario, with its templates filled in."""


def check(
    name: str,
    *,
    schema: JsonObject,
    example: Json,
    scopes: frozenset[Scope] = EVERYWHERE,
    templates: bool = True,
) -> Callable[[Judge], Check]:
    """Make a check of the function below; it then stands in scenarios as `- name: value`.

    `schema` is JSON Schema, draft 7: a value that does not fit is reported with its line before anything is
    sent. `example` is a value that fits. `scopes` is `TURN_ONLY` where a whole conversation makes no sense.
    Texts in the value are templates, unless `templates` is false. InvalidCheckError says what is
    wrong with these.
    """

    def make(judge: Judge) -> Check:
        if inspect.iscoroutinefunction(judge):
            raise InvalidCheckError(f"the check `{name}` is an async function: it must be a plain one")
        value = _Value(name=name, schema=schema, example=example, templates=templates)
        made = Check(
            name=name,
            schema=_described(schema, judge),
            example=example,
            problems=partial(_problems, value),
            evaluate=judge,
            templates=(lambda value: tuple(strings(value))) if templates else no_templates,
            scopes=scopes,
        )
        for fault in faults(made):
            raise InvalidCheckError(fault)
        return made

    return make


def faults(check: Check) -> Iterator[str]:
    """Yield what keeps a check from being used, whoever made it."""
    if not _NAME.fullmatch(str(check.name)):
        yield f"a check cannot be called {check.name!r}: write small letters, digits and _"
    elif check.name in _TAKEN or refused_kind(check.name):
        yield f"`{check.name}` is a name of claude-run itself: give the check another one"
    elif not is_object(check.schema) or any(_misplaced(check.schema)):
        yield f"the schema of `{check.name}` must be an object without {', '.join(_MISPLACED)}"
    elif found := schema_problems({"$schema": _DRAFT, **check.schema}):
        for problem in found:
            place = "/".join(map(str, problem.path))
            where = f" at {place}" if place else ""
            yield f"the schema of `{check.name}` is not valid{where}: {problem.message}"
    else:
        for problem in check.problems(check.example):
            yield f"the example of `{check.name}` is not valid: {problem.message}"


def _misplaced(schema: Json) -> Iterator[str]:
    if is_object(schema):
        yield from (key for key in schema if key in _MISPLACED)
        for part in schema.values():
            yield from _misplaced(part)
    elif is_list(schema):
        for part in schema:
            yield from _misplaced(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """What is known of the value of a check."""

    name: str
    schema: JsonObject
    example: Json
    templates: bool


def _problems(rules: _Value, value: Json) -> Sequence[Problem]:
    schema = json.loads(as_json({"$schema": _DRAFT, **rules.schema}))
    try:
        found = schema_errors(schema, json.loads(as_json(value)), overlook=partial(_is_open, rules))
    except TooMuchWorkError as error:
        return (Problem(path=(), message=str(error), hint="write a smaller value"),)
    hint = f"for example `{rules.name}: {spell(rules.example)}`"
    return tuple(Problem(path=(), message=f"this does not fit, {one}", hint=hint) for one in found)


def _is_open(rules: _Value, part: Json) -> bool:
    """Return whether a part is a template: what it becomes is known only at play time, and is judged then."""
    return rules.templates and isinstance(part, str) and is_template(part)


def _described(schema: JsonObject, judge: Judge) -> JsonObject:
    """Return the schema with a description, which editors show: its own, or the function's first sentence."""
    about = (inspect.getdoc(judge) or "A check of your own.").split("\n\n")[0].replace("\n", " ")
    return {"description": about, **schema} if is_object(schema) else schema

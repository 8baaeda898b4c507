"""Custom checks: how one is written, what it says of itself, and how it then stands among the others."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from claude_run.checks.arguments import is_list, is_object
from claude_run.checks.excerpt import as_json, spell
from claude_run.checks.json_schema import TooMuchWorkError, schema_errors, schema_problems
from claude_run.checks.kind import EVERYWHERE, Check, all_templates, errored, no_templates
from claude_run.checks.registry import BUILT_IN, WRAPPERS
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Problem
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_run.checks.kind import Finding, Scope
    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json, JsonObject

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({one.name for one in BUILT_IN} | set(WRAPPERS) | {"label", "must"})
# The schema of the check becomes a part of that of scenarios, where these would lead elsewhere.
_MISPLACED = ("$ref", "$schema", "$id")


class InvalidCheckError(ValueError):
    """A check that cannot be used; the text says why."""


class Judge(Protocol):
    """What a custom check does: it looks at a reply, and returns `passed`, `failed` or `errored`."""

    def __call__(self, value: Any, reply: Subject, /) -> Finding:  # noqa: ANN401 - it fits the check's schema
        """Judge a reply by the value that stands in the scenario, with its templates filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDescription:
    """What a custom check says of itself: JSON, but for the function that judges."""

    name: str
    schema: JsonObject
    example: Json
    scopes: frozenset[Scope] = EVERYWHERE
    templates: bool = True

    def check(self) -> Check:
        """Return the check as it stands among the others.

        Its function is called elsewhere, before expectations are evaluated: here only its finding is read.
        """
        return Check(
            name=self.name,
            schema=self.schema,
            example=self.example,
            problems=partial(_problems, self),
            evaluate=partial(_found, self.name),
            templates=all_templates if self.templates else no_templates,
            scopes=self.scopes,
            foreign=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomCheck:
    """A custom check: what it says of itself, and `evaluate`, the function that judges."""

    described: CheckDescription
    evaluate: Judge


def check(
    name: str,
    *,
    schema: JsonObject,
    example: Json,
    scopes: frozenset[Scope] = EVERYWHERE,
    templates: bool = True,
) -> Callable[[Judge], CustomCheck]:
    """Make a check of the function below; it then stands in scenarios as `- name: value`.

    `schema` is JSON Schema 2020-12: a value that does not fit is reported with its line before anything is
    sent. `example` is a value that fits. `scopes` is `TURN_ONLY` where a whole conversation makes no sense.
    Texts in the value are templates, unless `templates` is false. InvalidCheckError says what is
    wrong with these.
    """

    def make(judge: Judge) -> CustomCheck:
        if inspect.iscoroutinefunction(judge):
            raise InvalidCheckError(f"the check `{name}` is an async function: it must be a plain one")
        # Editors show the description of the schema: its own, or the first sentence of the function.
        about = (inspect.getdoc(judge) or "A check of your own.").split("\n\n")[0].replace("\n", " ")
        described = CheckDescription(
            name=name,
            schema=_as_read({"description": about, **schema}) if is_object(schema) else schema,
            example=_as_read(example),
            scopes=scopes,
            templates=templates,
        )
        for fault in faults(described):
            raise InvalidCheckError(fault)
        return CustomCheck(described=described, evaluate=judge)

    return make


def faults(described: CheckDescription) -> Iterator[str]:
    """Yield what keeps a check from being used."""
    name, schema = described.name, described.schema
    if not _NAME.fullmatch(str(name)):
        yield f"a check cannot be called {name!r}: write small letters, digits and _"
    elif name in _TAKEN:
        yield f"`{name}` is a name of claude-run itself: give the check another one"
    elif not is_object(schema) or any(_misplaced(schema)):
        yield f"the schema of `{name}` must be an object without {', '.join(_MISPLACED)}"
    elif found := schema_problems({"$schema": _DRAFT, **schema}):
        for problem in found:
            place = "/".join(map(str, problem.path))
            where = f" at {place}" if place else ""
            yield f"the schema of `{name}` is not valid{where}: {problem.message}"
    else:
        for problem in _problems(described, described.example):
            yield f"the example of `{name}` is not valid: {problem.message}"


def question_key(name: str, value: Json) -> str:
    """Return what tells apart what custom checks are asked about one subject."""
    return f"{name} {as_json(value)}"


def _found(name: str, value: Json, subject: Subject) -> Finding:
    return subject.findings.get(question_key(name, value)) or errored(f"the check `{name}` was not called")


def _as_read(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return what the author wrote, as JSON gives it back; InvalidCheckError where it is not JSON."""
    try:
        return read_json(as_json(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidCheckError(f"the schema and the example of a check must be JSON: {error}") from error


def _misplaced(schema: Json) -> Iterator[str]:
    if is_object(schema):
        yield from (key for key in schema if key in _MISPLACED)
        for part in schema.values():
            yield from _misplaced(part)
    elif is_list(schema):
        for part in schema:
            yield from _misplaced(part)


def _problems(described: CheckDescription, value: Json) -> Sequence[Problem]:
    try:
        found = schema_errors(
            {"$schema": _DRAFT, **described.schema},
            read_json(as_json(value), deepest=None),
            # What a template becomes is known only at play time, and is judged then.
            overlook=lambda part: described.templates and isinstance(part, str) and is_template(part),
        )
    except TooMuchWorkError as error:
        return (Problem(path=(), message=str(error), hint="write a smaller value"),)
    hint = f"for example `{described.name}: {spell(described.example)}`"
    return tuple(Problem(path=(), message=f"this does not fit, {one}", hint=hint) for one in found)

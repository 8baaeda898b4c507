"""Custom checks: how one is written, and how a file or an installed package with some is read."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
import traceback
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from claude_run.checks.arguments import is_list, is_object
from claude_run.checks.excerpt import as_json, spell
from claude_run.checks.guard import error_text, error_with_location, guarded
from claude_run.checks.json_schema import TooMuchWorkError, schema_errors, schema_problems
from claude_run.checks.kind import EVERYWHERE, Check, all_templates, no_templates
from claude_run.checks.registry import BUILT_IN, WRAPPERS
from claude_run.errors import InputError
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Problem, refused_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from importlib.metadata import EntryPoint

    from claude_run.checks.kind import Finding, Scope
    from claude_run.checks.subject import Subject
    from claude_run.scenario.model import Json, JsonObject

GROUP = "claude_run.checks"
"""The entry-point group by which an installed package offers checks."""

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
        # Editors show the description of the schema: its own, or the first sentence of the function.
        about = (inspect.getdoc(judge) or "A check of your own.").split("\n\n")[0].replace("\n", " ")
        made = Check(
            name=name,
            schema={"description": about, **schema} if is_object(schema) else schema,
            example=example,
            problems=partial(_problems, name=name, schema=schema, example=example, templates=templates),
            evaluate=judge,
            templates=all_templates if templates else no_templates,
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


def load_file(path: str | Path) -> tuple[Check, ...]:
    """Run a Python file and return its checks: every `Check` at its top level, in order.

    Raises InputError with the place when the file cannot be read or run, or holds no check that can be used.
    """
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"--checks: {path} cannot be read: {error.strerror or error}") from error
    # A module of its own: two files of one name do not meet.
    digest = hashlib.sha256(str(Path(path).resolve()).encode()).hexdigest()
    module = ModuleType(f"claude_run_own_checks_{digest[:12]}")
    module.__file__ = str(path)
    # The dataclasses of a file look for their module here.
    sys.modules[module.__name__] = module
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102 - the file is named on the command line, to be run
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise InputError(f"{_place(path, error)}: {_why(error)}") from error
    return _usable(vars(module).values(), where=str(path))


def installed() -> tuple[Check, ...]:
    """Return the checks that installed packages offer in the entry-point group `claude_run.checks`.

    An entry point names a check, or a module with checks. InputError names the package where one is broken.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - costs a look at every installed package

    return tuple(one for point in entry_points(group=GROUP) for one in _offered(point))


def _misplaced(schema: Json) -> Iterator[str]:
    if is_object(schema):
        yield from (key for key in schema if key in _MISPLACED)
        for part in schema.values():
            yield from _misplaced(part)
    elif is_list(schema):
        for part in schema:
            yield from _misplaced(part)


def _problems(
    value: Json, *, name: str, schema: JsonObject, example: Json, templates: bool
) -> Sequence[Problem]:
    draft = json.loads(as_json({"$schema": _DRAFT, **schema}))
    try:
        found = schema_errors(
            draft,
            json.loads(as_json(value)),
            # What a template becomes is known only at play time, and is judged then.
            overlook=lambda part: templates and isinstance(part, str) and is_template(part),
        )
    except TooMuchWorkError as error:
        return (Problem(path=(), message=str(error), hint="write a smaller value"),)
    hint = f"for example `{name}: {spell(example)}`"
    return tuple(Problem(path=(), message=f"this does not fit, {one}", hint=hint) for one in found)


def _offered(point: EntryPoint) -> tuple[Check, ...]:
    package = point.dist.name if point.dist else "unknown"
    where = f"the checks `{point.name}` of the installed package {package}"
    try:
        found = point.load()
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{where} cannot be loaded: {error_with_location(error)}; mend or uninstall it"
        ) from error
    return _usable(vars(found).values() if isinstance(found, ModuleType) else [found], where=where)


def _usable(found: Iterable[object], *, where: str) -> tuple[Check, ...]:
    """Return the checks among the values, each once; InputError where there is none, or a faulty one."""
    checks = tuple({id(one): one for one in found if isinstance(one, Check)}.values())
    if not checks:
        hint = "write @check(name, schema=..., example=...) above a function"
        raise InputError(f"{where}: there is no check in it; {hint}")
    for one in checks:
        for fault in faults(guarded(one)):
            raise InputError(f"{where}: {fault}")
    return checks


def _place(path: str | Path, error: BaseException) -> str:
    """Return where in the file it happened: the line that is wrong, or the last one of the file that ran."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}:{error.offset}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _why(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"this is not valid Python: {error.msg}"
    if isinstance(error, InvalidCheckError):
        return str(error)
    hint = "; install it beside claude-run, for files beside this one are not found"
    return f"this file of checks broke: {error_text(error)}" + (
        hint if isinstance(error, ModuleNotFoundError) else ""
    )

"""Code of others behind a wall: whatever it raises or returns, a check of one's own has a result."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.checks.excerpt import as_json, cut, short
from claude_run.checks.kind import Finding, errored
from claude_run.conversation.results import Status
from claude_run.scenario.vocabulary import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.checks.kind import Check
    from claude_run.checks.subject import Subject
    from claude_run.scenario.model import Json
    from claude_run.scenario.vocabulary import Slot

MAX_MESSAGE = 1_000
"""How many characters of a message of others are kept."""


def guarded(check: Check) -> Check:
    """Return the check with every call of it behind a wall.

    An exception, or a result that is not a Finding, makes it errored; in `problems` it is a problem. What a
    Finding shows is made short, and JSON.
    """
    return replace(
        check,
        problems=partial(_problems, check),
        evaluate=partial(_evaluate, check),
        templates=partial(_templates, check),
    )


def error_text(error: BaseException) -> str:
    """Return an exception as `kind: text`, cut where it is long."""
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of others whose text cannot be had still has a name
        text = ""
    return cut(f"{kind}: {text}" if text else kind, MAX_MESSAGE)


def error_with_location(error: BaseException) -> str:
    """Return an exception as `error_text` does, with the file and line of the code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return error_text(error) + place


def _problems(check: Check, value: Json) -> Sequence[Problem]:
    try:
        return tuple(check.problems(value))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is told, at the place of the value
        return (
            Problem(
                path=(), message=f"the check `{check.name}` broke on this value: {error_with_location(error)}"
            ),
        )


def _templates(check: Check, value: Json) -> Sequence[Slot]:
    try:
        return tuple(check.templates(value))
    except (Exception, SystemExit):  # noqa: BLE001 - without templates the value stays as written, which is judged
        return ()


def _evaluate(check: Check, value: Json, subject: Subject) -> Finding:
    try:
        found: object = check.evaluate(value, subject)
        if not isinstance(found, Finding):
            kind = type(found).__name__
            return errored(f"the check `{check.name}` returned a {kind}: return passed(...) or failed(...)")
        return Finding(
            status=Status(found.status),
            message=cut(str(found.message), MAX_MESSAGE),
            expected=_plain(found.expected),
            actual=_plain(found.actual),
        )
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a check that breaks is a result, never a crash
        place = error_with_location(error)
        return errored(f"the check `{check.name}` broke: {place}", expected=short(value))


def _plain(value: Json) -> Json:
    """Return a value as JSON would give it back; ValueError or TypeError for what JSON cannot hold."""
    plain: Json = json.loads(as_json(value), parse_constant=_refuse)
    return short(plain)


def _refuse(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON value, and cannot be shown as expected or actual")

"""Code of others behind a wall: whatever it raises or returns, a check of one's own has a result."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.checks.excerpt import as_json, cut_message, short
from claude_run.checks.kind import Finding, errored
from claude_run.conversation.results import Status

if TYPE_CHECKING:
    from claude_run.checks.custom import CustomCheck
    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json


def judged(check: CustomCheck, value: Json, subject: Subject) -> Finding:
    """Call a check; whatever it raises, or returns that is not a Finding, makes it errored.

    What a Finding shows is made short, and JSON.
    """
    name = check.described.name
    try:
        found: object = check.evaluate(value, subject)
        if not isinstance(found, Finding):
            kind = type(found).__name__
            return errored(f"the check `{name}` returned a {kind}: return passed(...) or failed(...)")
        return Finding(
            status=Status(found.status),
            message=cut_message(str(found.message)),
            expected=_plain(found.expected),
            actual=_plain(found.actual),
        )
    except BaseException as error:  # noqa: BLE001 - pytest's failures, an exit and a cancellation are results too
        place = error_with_location(error)
        return errored(f"the check `{name}` broke: {place}", expected=short(value))


def error_text(error: BaseException) -> str:
    """Return an exception as `kind: text`, cut where it is long."""
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - an exception of others whose text cannot be had still has a name
        text = ""
    return cut_message(f"{kind}: {text}" if text else kind)


def error_with_location(error: BaseException) -> str:
    """Return an exception as `error_text` does, with the file and line of the code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return error_text(error) + place


def _plain(value: Json) -> Json:
    """Return a value as JSON would give it back; ValueError or TypeError for what JSON cannot hold."""
    plain: Json = json.loads(as_json(value), parse_constant=_refuse)
    return short(plain)


def _refuse(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON value, and cannot be shown as expected or actual")

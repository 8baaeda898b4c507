"""Whether a reply has the form that its request asked for: the JSON Schema of `output_config.format`.

Nobody writes this expectation: who asks for a form expects it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from claude_run.checks.excerpt import as_json, short
from claude_run.checks.json_schema import TooMuchWorkError, schema_errors
from claude_run.checks.json_values import NotJsonError, TooDeepError, parse_json
from claude_run.checks.kind import Finding, errored, failed, passed
from claude_run.checks.nearest import beginning, ending

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json, JsonObject

OUTPUT_FORMAT = "output_format"
"""The kind of the check, as reports call it."""


def asked_schema(params: JsonObject) -> JsonObject | None:
    """Return the schema that request parameters ask replies to have the form of, or None."""
    config = params.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    schema = form.get("schema") if isinstance(form, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def judge_output(schema: JsonObject, text: str, *, limit: Json = None) -> Finding:
    """Judge the text of a reply by the schema; `limit` is the `max_tokens` that cut it off, if they did.

    A fence around the JSON is no part of it: the API gives none.
    """
    expected = short(schema)
    try:
        found = parse_json(text, fenced=False)
        reasons = schema_errors(json.loads(as_json(schema)), found)
    except NotJsonError as error:
        if limit is not None:
            message = (
                f"the reply was cut off at max_tokens ({limit}) before its JSON was whole: raise max_tokens;"
                f" {ending(text).clause}"
            )
            return failed(message, expected=expected, actual=short(ending(text).excerpt))
        start = beginning(text)
        message = f"expected the reply to be JSON by `output_config.format`: {error}; {start.clause}"
        return failed(message, expected=expected, actual=short(start.excerpt))
    except (TooDeepError, TooMuchWorkError) as error:
        return errored(str(error), expected=expected, actual=short(text))
    if reasons:
        message = f"the reply does not fit the schema of `output_config.format`: {'; '.join(reasons)}"
        return failed(message, expected=expected, actual=short(found))
    return passed(
        "the reply fits the schema of `output_config.format`", expected=expected, actual=short(found)
    )

"""`matches`: a regular expression over the text of a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.checks.arguments import text_problems
from claude_run.checks.check import Check, Finding, failed, passed
from claude_run.checks.excerpt import LIMIT, around, quote, short
from claude_run.checks.nearest import beginning
from claude_run.scenario.patterns import PatternError, check_pattern, search
from claude_run.scenario.vocabulary import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.checks.subject import Subject
    from claude_run.scenario.model import Json


def _problems(value: Json) -> Sequence[Problem]:
    if not isinstance(value, str) or not value:
        return text_problems(value)
    try:
        check_pattern(value)
    except PatternError as error:
        hint = "patterns are RE2: https://github.com/google/re2/wiki/Syntax"
        return (Problem(path=(), message=f"the pattern is not valid: {error}", hint=hint),)
    return ()


def _evaluate(value: Json, subject: Subject) -> Finding:
    pattern = str(value)
    match = search(pattern, subject.text)
    if match is None:
        start = beginning(subject.text)
        message = f"expected {subject.name} to match the pattern {quote(pattern)}; {start.clause}"
        return failed(message, expected=short(pattern), actual=short(start.excerpt))
    message = f"{subject.name} matches the pattern {quote(pattern)} with {quote(match.whole)}"
    shown = around(subject.text, match.start, end=match.end, limit=LIMIT)
    return passed(message, expected=short(pattern), actual=short(shown))


CHECKS = (
    Check(
        name="matches",
        schema={
            "type": "string",
            "minLength": 1,
            "description": "The text matches this RE2 pattern somewhere. It is no template: `{{` "
            "stands for itself. Put it in single quotes; (?i) ignores case, (?s) lets . be a line break.",
        },
        example="(?i)order [A-Z]-[0-9]+",
        problems=_problems,
        evaluate=_evaluate,
    ),
)

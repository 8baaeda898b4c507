"""Limits on numbers: words, characters, output tokens, seconds and dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from claude_run.checks.arguments import DURATION, describe, is_number, parse_duration
from claude_run.checks.kind import Check, Finding, errored, failed, passed
from claude_run.scenario.vocabulary import Problem
from claude_run.text.visible import count as counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.checks.kind import Reads
    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """A limit on what is counted in whole numbers; `floor` tells a lower limit from an upper one.

    `measure` returns None where the number is unknown.
    """

    name: str
    unit: str
    measure: Callable[[Subject], int | None]
    description: str
    example: int
    least: int
    floor: bool = False
    reads: Reads = "text"


def _count_check(count: _Count) -> Check:
    return Check(
        name=count.name,
        schema={"type": "integer", "minimum": count.least, "description": count.description},
        example=count.example,
        problems=partial(_count_problems, count),
        evaluate=partial(_evaluate_count, count),
        reads=count.reads,
    )


def _count_problems(count: _Count, value: Json) -> Sequence[Problem]:
    if not isinstance(value, int) or isinstance(value, bool):
        message = f"this must be a whole number, not {_found(value)}"
        hint = f"write a number without quotes, such as {count.example}"
        return (Problem(path=(), message=message, hint=hint),)
    if value < count.least:
        return (Problem(path=(), message=f"this must be {count.least} or more, not {value}"),)
    return ()


def _evaluate_count(count: _Count, value: Json, subject: Subject) -> Finding:
    limit = int(value) if is_number(value) else 0
    found = count.measure(subject)
    if found is None:
        message = f"the number of {count.unit}s of {subject.name} is unknown: the API did not say it"
        return errored(message, expected=limit)
    holds = found >= limit if count.floor else found <= limit
    sides = "at least" if count.floor else "at most"
    if holds:
        message = f"{subject.name} has {counted(found, count.unit, grouped=False)}, which is {sides} {limit}"
        return passed(message, expected=limit, actual=found)
    message = f"expected {sides} {counted(limit, count.unit, grouped=False)} in {subject.name}, found {found}"
    return failed(message, expected=limit, actual=found)


def _latency_problems(value: Json) -> Sequence[Problem]:
    hint = "write 20s, 500ms, 2m, or a number of seconds"
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        return (Problem(path=(), message=str(error), hint=hint),)
    return () if seconds > 0 else (Problem(path=(), message="this must be more than 0 seconds", hint=hint),)


def _evaluate_latency(value: Json, subject: Subject) -> Finding:
    limit = parse_duration(value)
    holds = subject.latency_s <= limit
    # Milliseconds say enough; rounded away from the limit, they never contradict the verdict.
    found = (math.floor if holds else math.ceil)(subject.latency_s * 1000) / 1000
    if holds:
        message = f"{subject.name} took {found:g} s, which is at most {limit:g} s"
        return passed(message, expected=limit, actual=found)
    message = f"expected {subject.name} within {limit:g} s, it took {found:g} s"
    return failed(message, expected=limit, actual=found)


def _cost_problems(value: Json) -> Sequence[Problem]:
    if not is_number(value) or not math.isfinite(value):
        hint = "write a number without quotes, such as 0.01"
        message = f"this must be a number of US dollars, not {_found(value)}"
        return (Problem(path=(), message=message, hint=hint),)
    return () if value >= 0 else (Problem(path=(), message=f"this must be 0 or more, not {value}"),)


def _evaluate_cost(value: Json, subject: Subject) -> Finding:
    if subject.cost_usd is None:
        why = "there is no known price for the model"
        if not subject.usage.known:
            why = "the API did not say how many tokens were used"
        return errored(f"the cost is unknown, because {why}", expected=value)
    limit, found = Decimal(str(value)), float(subject.cost_usd)
    if subject.cost_usd <= limit:
        message = f"{subject.name} cost ${subject.cost_usd:f}, which is at most ${limit:f}"
        return passed(message, expected=value, actual=found)
    message = f"expected {subject.name} to cost at most ${limit:f}, it cost ${subject.cost_usd:f}"
    return failed(message, expected=value, actual=found)


def _found(value: Json) -> str:
    return str(value) if is_number(value) else describe(value)


def _words(subject: Subject) -> int:
    return len(subject.text.split())


_COUNTS = (
    _Count(
        name="min_words",
        unit="word",
        measure=_words,
        floor=True,
        description="The reply has at least so many words; a word is what stands between white space.",
        example=20,
        least=1,
    ),
    _Count(
        name="max_words",
        unit="word",
        measure=_words,
        description="The reply has at most so many words; a word is what stands between white space.",
        example=150,
        least=0,
    ),
    _Count(
        name="max_chars",
        unit="character",
        measure=lambda subject: len(subject.text),
        description="The reply has at most so many characters (Unicode code points).",
        example=2000,
        least=0,
    ),
    _Count(
        name="max_output_tokens",
        reads="reply",
        unit="output token",
        measure=lambda subject: subject.usage.output_tokens,
        description="The API counted at most so many `output_tokens`, thinking included. "
        "Where it did not say how many, the check is errored.",
        example=500,
        least=1,
    ),
)

CHECKS = (
    *map(_count_check, _COUNTS),
    Check(
        name="max_latency",
        schema={
            "description": "The reply came within this time: 20s, 500ms, 2m, or a number of seconds. "
            "Of a conversation, the sum over its replies.",
            "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": DURATION}],
        },
        example="20s",
        problems=_latency_problems,
        evaluate=_evaluate_latency,
    ),
    Check(
        name="max_cost_usd",
        schema={
            "type": "number",
            "minimum": 0,
            "description": "The reply, or the whole conversation, cost at most so many US dollars. "
            "Where the model has no known price, or the reply no count of its tokens, the check is errored.",
        },
        example=0.01,
        problems=_cost_problems,
        evaluate=_evaluate_cost,
    ),
)

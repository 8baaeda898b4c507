"""`stop_reason` and `refusal`: how a reply ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.checks.arguments import boolean_problems, describe, is_list, is_object, text_problems
from claude_run.checks.excerpt import quote, short
from claude_run.checks.kind import Check, Finding, failed, passed
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.vocabulary import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import ValuePath

STOP_REASONS = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)
"""The stop reasons of the Messages API as documented in 2026-08; others may appear, and may be asked for."""


def _reason_problems(value: Json) -> Sequence[Problem]:
    if is_object(value):
        hint = "write end_turn, or [end_turn, stop_sequence]"
        return (Problem(path=(), message=f"this must be text or a list, not {describe(value)}", hint=hint),)
    if not is_list(value):
        return tuple(_one_reason(value, ()))
    if not value:
        return (Problem(path=(), message="the list is empty", hint="list at least one stop reason"),)
    return tuple(problem for index, one in enumerate(value) for problem in _one_reason(one, (index,)))


def _one_reason(value: Json, path: ValuePath) -> Iterator[Problem]:
    problems = text_problems(value, path)
    yield from problems
    if problems or value in STOP_REASONS:
        return
    meant = did_you_mean(str(value), STOP_REASONS)
    # A value that resembles none of them may be one that the API has learnt since.
    if meant is not None:
        message = f"unknown stop reason {quote(str(value))}"
        yield Problem(path=path, message=message, hint=f"did you mean `{meant}`?")


def _evaluate_reason(value: Json, subject: Subject) -> Finding:
    reasons = tuple(map(str, value)) if is_list(value) else (str(value),)
    found = subject.stop_reason or ""
    if found in reasons:
        return passed(f"{subject.name} ended with {quote(found)}", expected=short(value), actual=short(found))
    wanted = " or ".join(quote(reason) for reason in reasons)
    message = f"expected {subject.name} to end with the stop reason {wanted}, it ended with {quote(found)}"
    return failed(message, expected=short(value), actual=short(found))


def _evaluate_refusal(value: Json, subject: Subject) -> Finding:
    refused = subject.stop_reason == "refusal"
    found = short(subject.stop_reason)
    if refused == value:
        message = "the model refused to answer" if refused else "the model did not refuse to answer"
        return passed(message, expected=value, actual=found)
    if refused:
        return failed("expected an answer, the model refused to give one", expected=value, actual=found)
    message = f"expected a refusal, the reply ended with {quote(subject.stop_reason or '')}"
    return failed(message, expected=value, actual=found)


_REASON: JsonObject = {"type": "string", "minLength": 1, "examples": list(STOP_REASONS)}

CHECKS = (
    Check(
        name="stop_reason",
        schema={
            "description": "The (last) reply ended with this stop reason of the API, or with one of a list.",
            "anyOf": [_REASON, {"type": "array", "items": _REASON, "minItems": 1}],
        },
        example=["end_turn", "stop_sequence"],
        problems=_reason_problems,
        evaluate=_evaluate_reason,
        reads="reply",
    ),
    Check(
        name="refusal",
        schema={
            "type": "boolean",
            "description": "Whether the model refuses: true where the (last) reply must have the stop reason "
            "`refusal`, false where it must not. A polite no in an ordinary answer is not a refusal.",
        },
        example=False,
        problems=boolean_problems,
        evaluate=_evaluate_refusal,
        reads="reply",
    ),
)

"""What a check is: a kind of expectation with its arguments' rules and its verdict on a subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from claude_run.checks.arguments import slots
from claude_run.conversation.results import Status
from claude_run.scenario.vocabulary import Fill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import Problem, Slot

Scope: TypeAlias = Literal["turn", "conversation"]
Reads: TypeAlias = Literal["text", "reply", "more"]
"""What decides a kind: the text alone, what else the reply says, or also what was measured around it."""

EVERYWHERE: frozenset[Scope] = frozenset({"turn", "conversation"})
TURN_ONLY: frozenset[Scope] = frozenset({"turn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found: one plain sentence, and short JSON values for a person to compare."""

    status: Status
    message: str
    expected: Json = None
    actual: Json = None


def passed(message: str, *, expected: Json = None, actual: Json = None) -> Finding:
    """Return the finding that the expectation holds; the sentence also serves a `not` around it."""
    return Finding(status=Status.PASSED, message=message, expected=expected, actual=actual)


def failed(message: str, *, expected: Json = None, actual: Json = None) -> Finding:
    """Return the finding that the expectation does not hold."""
    return Finding(status=Status.FAILED, message=message, expected=expected, actual=actual)


def errored(message: str, *, expected: Json = None, actual: Json = None) -> Finding:
    """Return the finding that nobody can tell whether the expectation holds."""
    return Finding(status=Status.ERRORED, message=message, expected=expected, actual=actual)


def no_templates(value: Json) -> Sequence[Slot]:  # noqa: ARG001 - the shape of `Check.templates`
    """Return nothing: no string of this kind's value is a template."""
    return ()


def all_templates(value: Json) -> Sequence[Slot]:
    """Return every string of a value: one that is a whole expression becomes what that gives."""
    return slots(value, Fill.VALUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One kind of expectation.

    `schema` is JSON Schema 2020-12 and describes the value for editors and the reference; `example` is a
    value that it accepts. What it `reads` says where else than under a turn it may stand. `problems` says
    what is wrong with a value before anything is sent, for any JSON value at all. `evaluate` is asked only
    about values without problems, with the templates among them rendered, and about subjects that have a
    reply; it raises nothing. What is `foreign` is code of others, which is called elsewhere before:
    `evaluate` then only reads what was found.
    """

    name: str
    schema: JsonObject
    example: Json
    problems: Callable[[Json], Sequence[Problem]]
    evaluate: Callable[[Json, Subject], Finding]
    templates: Callable[[Json], Sequence[Slot]] = all_templates
    scopes: frozenset[Scope] = EVERYWHERE
    reads: Reads = "more"
    foreign: bool = False

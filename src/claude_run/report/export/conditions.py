"""The condition of a turn as an expression of a program: what decides it must be short in every language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from claude_run.report.export.patterns import NotCarriedError, translate

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.report.export.patterns import Dialect, Pattern
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Expectation, Position

Relation: TypeAlias = Literal["contains", "equals", "starts_with", "ends_with"]

_RELATIONS: Mapping[str, tuple[Relation, Callable[[str], str]]] = {
    "contains": ("contains", str),
    "equals": ("equals", str.strip),
    "starts_with": ("starts_with", lambda wanted: wanted.lstrip().rstrip("\n")),
    "ends_with": ("ends_with", lambda wanted: wanted.lstrip("\n").rstrip()),
}
_COUNTS = {"min_words": ("words", True), "max_words": ("words", False), "max_chars": ("characters", False)}
_FORMS = ("any", "all", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Whether one or `every` one of some texts stands in the reply in a relation; `fold` ignores case."""

    relation: Relation
    texts: tuple[str, ...]
    every: bool
    fold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Whether an RE2 pattern matches somewhere."""

    pattern: str
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Whether the reply has at least, or at most, so many words or characters."""

    what: str
    number: int
    at_least: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Whether the reply ended with one of these stop reasons."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Whether none, one or all of several conditions hold."""

    how: Literal["none", "any", "all"]
    parts: tuple[Condition, ...]


Condition: TypeAlias = "Looks | Matches | Counts | Ended | Joined"


class Words(Protocol):
    """How a language says each of them: as an expression that needs no brackets around it."""

    dialect: Dialect

    def looks(self, condition: Looks) -> str:
        """Look for texts; NotCarriedError where the language cannot."""

    def matches(self, pattern: Pattern) -> str:
        """Look for a pattern."""

    def counts(self, condition: Counts) -> str:
        """Count words or characters."""

    def ended(self, reasons: Sequence[str]) -> str:
        """Compare the stop reason."""

    def negated(self, expression: str) -> str:
        """Deny an expression, which may need brackets."""

    def joined(self, expressions: Sequence[str], *, every: bool) -> str:
        """Join several expressions, in brackets."""


def read(expectation: Expectation, value: Json, parts: Sequence[Condition]) -> Condition:
    """Return an expectation, whose value is filled in, as a condition; NotCarriedError where it is none."""
    kind = expectation.kind
    if kind in {"not", "any_of", "all_of"}:
        together = Joined(how="any" if kind == "any_of" else "all", parts=tuple(parts))
        return Joined(how="none", parts=(together,)) if kind == "not" else together
    if kind in _RELATIONS:
        return _looks(kind, value)
    if kind == "matches":
        return Matches(pattern=str(value), position=expectation.position)
    if kind in _COUNTS and isinstance(value, int):
        what, at_least = _COUNTS[kind]
        return Counts(what=what, number=value, at_least=at_least)
    if kind == "stop_reason":
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        return Ended(reasons=tuple(map(str, value)) if listed else (str(value),))  # type: ignore[arg-type] # a list, then
    if kind == "refusal":
        # A refusal ends a conversation: no turn comes after it.
        never = Ended(reasons=("refusal",))
        return never if value else Joined(how="none", parts=(never,))
    raise NotCarriedError(f"`{kind}` in an `if`")


def expression(conditions: Sequence[Condition], words: Words) -> str:
    """Return the expression that all of these hold; NotCarriedError where a pattern cannot be said."""
    shown = [_written(condition, words) for condition in conditions]
    return shown[0] if len(shown) == 1 else words.joined(shown, every=True)[1:-1]


def reads_reason(condition: Condition) -> bool:
    """Return whether a condition looks at the stop reason."""
    if isinstance(condition, Joined):
        return any(map(reads_reason, condition.parts))
    return isinstance(condition, Ended)


def matches_in(condition: Condition) -> bool:
    """Return whether a condition looks for a pattern."""
    if isinstance(condition, Joined):
        return any(map(matches_in, condition.parts))
    return isinstance(condition, Matches)


def _looks(kind: str, value: Json) -> Looks:
    arguments: Mapping[str, Json] = value if isinstance(value, Mapping) else {"text": value}
    relation, trimmed = _RELATIONS[kind]
    form = next(form for form in _FORMS if form in arguments)
    given = arguments[form]
    texts = (
        tuple(map(str, given))
        if isinstance(given, Sequence) and not isinstance(given, str)
        else (str(given),)
    )
    return Looks(
        relation=relation,
        texts=tuple(map(trimmed, texts)),
        every=form == "all",
        fold=arguments.get("ignore_case") is True,
    )


def _written(condition: Condition, words: Words) -> str:
    match condition:
        case Looks():
            return words.looks(condition)
        case Matches():
            return words.matches(translate(condition.pattern, words.dialect))
        case Counts():
            return words.counts(condition)
        case Ended():
            return words.ended(condition.reasons)
        case Joined():
            shown = [_written(part, words) for part in condition.parts]
            if condition.how == "none":
                return words.negated(shown[0])
            return shown[0] if len(shown) == 1 else words.joined(shown, every=condition.how == "all")

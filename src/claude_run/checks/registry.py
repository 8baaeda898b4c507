"""All kinds of expectation in one place: what they are called, what they accept, how they are evaluated.

`not`, `any_of` and `all_of` wrap the others. A result that could not be evaluated is never turned into a pass
or a fail: `not` keeps it, `any_of` passes only by another one that passed, `all_of` fails only by another one
that failed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from claude_run.checks import (
    json_check,
    judge_check,
    limit_checks,
    part_check,
    similar_check,
    stop_checks,
    text_checks,
    tool_checks,
)
from claude_run.checks.arguments import replace_strings, suggest
from claude_run.checks.excerpt import short
from claude_run.checks.kind import Finding, errored, failed, passed
from claude_run.checks.subject import Subject
from claude_run.conversation.results import CheckResult, Status
from claude_run.errors import ClaudeRunError, InputError
from claude_run.scenario.keys import WITHIN
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from claude_run.checks.kind import Check, Reads
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Expectation
    from claude_run.scenario.vocabulary import Place, Slot

BUILT_IN: tuple[Check, ...] = (
    *text_checks.CHECKS,
    *similar_check.CHECKS,
    *json_check.CHECKS,
    *part_check.CHECKS,
    *limit_checks.CHECKS,
    *stop_checks.CHECKS,
    *tool_checks.CHECKS,
    *judge_check.CHECKS,
)
"""The checks that claude-run brings along, in the order of the reference."""


class Registry:
    """A set of checks: the loader's `Vocabulary`, and the one way to evaluate expectations.

    `further` checks cost something to find: they are asked for once, when a name is not among the others.
    Where two have one name, that is a ValueError, and of one of the further ones an InputError.
    """

    def __init__(self, checks: Iterable[Check], further: Callable[[], Iterable[Check]] | None = None) -> None:
        self._checks: dict[str, Check] = {}
        self._further = further
        self._add(checks)

    def kinds(self) -> Sequence[str]:
        """Return every name that may stand in an expectation, the wrappers last."""
        self._add_further()
        return (*self._checks, *WRAPPERS)

    def knows(self, kind: str) -> bool:
        """Return whether this name may stand in an expectation."""
        return kind in WRAPPERS or self._find(kind) is not None

    @property
    def foreign(self) -> frozenset[str]:
        """The names of the checks that are code of others, whose findings must be there beforehand."""
        return frozenset(check.name for check in self._checks.values() if check.foreign)

    def reads(self, kind: str) -> Reads:
        """Return what decides a kind; a wrapper is decided by what stands inside, and reads nothing more."""
        return "text" if kind in WRAPPERS else self._checks[kind].reads

    def schema(self, kind: str) -> JsonObject:
        """Return the JSON Schema of the value of a kind; KeyError for a wrapper or an unknown kind."""
        return self._checks[kind].schema

    def example(self, kind: str) -> Json:
        """Return a value that the kind accepts, for the reference; KeyError as `schema`."""
        return self._checks[kind].example

    def problems(self, kind: str, value: Json, *, place: Place) -> Sequence[Problem]:
        """Return everything that is wrong with a value, before anything is sent; nothing for wrappers."""
        if kind in WRAPPERS:
            return ()
        check = self._find(kind)
        if check is None:
            return (
                Problem(path=(), message=f"unknown expectation `{kind}`", hint=suggest(kind, self.kinds())),
            )
        # What a template becomes is known only when it is filled in, and then all of it is looked at again.
        open_places = {slot.path for slot in check.templates(value) if is_template(slot.source)}
        found = tuple(each for each in check.problems(value) if each.path not in open_places)
        misplaced = _misplaced(check, place)
        return (misplaced, *found) if misplaced else found

    def filled_problems(self, kind: str, value: Json) -> Sequence[Problem]:
        """Return what is wrong with a value whose templates are filled in; nothing for wrappers."""
        check = self._find(kind)
        return self.problems(kind, value, place="turn") if check is None else check.problems(value)

    def templates(self, kind: str, value: Json) -> Sequence[Slot]:
        """Return the strings of a value that are filled in before it is evaluated."""
        check = self._find(kind)
        return () if check is None else check.templates(value)

    def evaluate(
        self, expectation: Expectation, subject: Subject, fill: Callable[[Slot], Json]
    ) -> CheckResult:
        """Judge a subject by one expectation and everything inside it.

        `fill` fills a template in, once. It may raise a ClaudeRunError: then, and wherever else a
        check cannot be evaluated (no reply, no known price, a value that is not valid), the result is
        errored. Nothing is raised.
        """
        # What stands inside comes first: a wrapper judges nothing but its children's results.
        kind, inside = expectation.kind, expectation.children
        children: tuple[CheckResult, ...] = ()
        if kind in WRAPPERS:
            children = self.evaluate_all(inside, subject, fill)
            finding = WRAPPERS[kind](children)
        elif isinstance(value := self._filled(expectation, subject, fill), Finding):
            finding = value
        elif kind == WITHIN and isinstance(part := part_check.part_of(value, subject), Subject):
            children = self.evaluate_all(inside, part, fill)
            finding = every(children)
        else:
            finding = self._checks[kind].evaluate(value, subject)
        # To what was found belongs what the scenario says of it: its name, and where it stands.
        return CheckResult(
            kind=expectation.kind,
            status=finding.status,
            message=finding.message,
            expected=finding.expected,
            actual=finding.actual,
            label=expectation.label,
            must=expectation.must,
            position=expectation.position,
            children=children,
        )

    def evaluate_all(
        self, expectations: Iterable[Expectation], subject: Subject, fill: Callable[[Slot], Json]
    ) -> tuple[CheckResult, ...]:
        """Judge a subject by every expectation; none is left out because another one failed."""
        return tuple(self.evaluate(expectation, subject, fill) for expectation in expectations)

    def rendered(self, kind: str, value: Json, fill: Callable[[Slot], Json]) -> Json:
        """Return a value with its templates filled in; raises what `fill` raises."""
        templates = [slot for slot in self.templates(kind, value) if is_template(slot.source)]
        return replace_strings(value, {slot.path: fill(slot) for slot in templates}) if templates else value

    def values(
        self, kinds: Container[str], expectations: Iterable[Expectation], fill: Callable[[Slot], Json]
    ) -> Iterator[tuple[str, Json]]:
        """Yield kind and value of each expectation of these kinds that can be evaluated, filled in.

        Whoever asks others about a reply learns here what to ask. An expectation that cannot be evaluated is
        left out: evaluating it meets the same problem, and reports it at its place.
        """
        for expectation in expectations:
            yield from self.values(kinds, expectation.children, fill)
            kind = expectation.kind
            if kind in kinds:
                try:
                    value = self.rendered(kind, expectation.value, fill)
                except ClaudeRunError:
                    continue
                if not self.filled_problems(kind, value):
                    yield kind, value

    def _find(self, kind: str) -> Check | None:
        """Return the check of this name; those that are looked for last are found when another is not."""
        if kind not in self._checks and kind not in WRAPPERS:
            self._add_further()
        return self._checks.get(kind)

    def _add_further(self) -> None:
        further, self._further = self._further, None
        if further is not None:
            with _names_apart():
                self._add(further())

    def _add(self, checks: Iterable[Check]) -> None:
        for check in checks:
            if check.name in self._checks or check.name in WRAPPERS:
                raise ValueError(f"two checks are called {check.name!r}")
            self._checks[check.name] = check

    def _filled(
        self, expectation: Expectation, subject: Subject, fill: Callable[[Slot], Json]
    ) -> Json | Finding:
        """Return the value filled in, or what is found where it cannot be evaluated."""
        kind, value = expectation.kind, expectation.value
        if subject.stop_reason is None:
            return errored("there is no reply to judge", expected=short(value))
        try:
            value = self.rendered(kind, value, fill)
        except ClaudeRunError as error:
            return errored(str(error), expected=short(value))
        # Rendering can empty a text, and then `contains` would hold for every reply.
        problems = self.filled_problems(kind, value)
        if problems:
            return errored(f"`{kind}` cannot be evaluated: {problems[0].message}", expected=short(value))
        return value


def _misplaced(check: Check, place: Place) -> Problem | None:
    """Return why a kind may not stand in this place; None where it may."""
    name = f"`{check.name}`"
    if place == "part" and check.reads != "text":
        message = f"{name} looks at more than a text, and a part of the reply is nothing else"
        return Problem(path=(), message=message, hint="write it beside `within`")
    if place == "condition" and check.reads == "more":
        message = f"{name} cannot decide whether a turn is sent: that follows from what the reply says alone"
        return Problem(path=(), message=message, hint="use an expectation on its text or its tool calls")
    if place == "conversation" and "conversation" not in check.scopes:
        message = f"{name} does not apply to a whole conversation, whose text is all replies together"
        return Problem(path=(), message=message, hint="put it under the `expect` of a turn")
    return None


def default_registry(
    own: Sequence[Check] = (), further: Callable[[], Iterable[Check]] | None = None
) -> Registry:
    """Return the registry of the built-in checks and the user's own, `further` ones as it takes them.

    InputError when two have one name.
    """
    with _names_apart():
        return Registry([*BUILT_IN, *own], further)


@contextmanager
def _names_apart() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InputError(f"{error}: rename one of them") from error


def negate(children: Sequence[CheckResult]) -> Finding:
    """Pass where the children, taken together, do not hold."""
    together = every(children)
    if together.status is Status.ERRORED:
        return together
    if together.status is Status.PASSED:
        return failed(f"expected this not to hold, but it does: {together.message}")
    return passed(f"this does not hold, as asked for: {together.message}")


def some(children: Sequence[CheckResult]) -> Finding:
    """Pass where one child holds."""
    holding = _first(children, Status.PASSED)
    if holding is not None:
        return passed(holding.message)
    broken = _first(children, Status.ERRORED)
    if broken is not None:
        return errored(broken.message)
    if not children:
        return errored("there is nothing to evaluate inside")
    if len(children) == 1:
        return failed(children[0].message)
    return failed(f"expected one of {len(children)} to hold, none does; the first: {children[0].message}")


def every(children: Sequence[CheckResult]) -> Finding:
    """Pass where all children hold."""
    failing = [child for child in children if child.status is Status.FAILED]
    if failing and len(children) == 1:
        return failed(failing[0].message)
    if failing:
        count = f"{len(failing)} of {len(children)}"
        return failed(
            f"expected all {len(children)} to hold, {count} failed; the first: {failing[0].message}"
        )
    broken = _first(children, Status.ERRORED)
    if broken is not None:
        return errored(broken.message)
    if not children:
        return errored("there is nothing to evaluate inside")
    return passed(children[0].message if len(children) == 1 else f"all {len(children)} hold")


def _first(children: Sequence[CheckResult], status: Status) -> CheckResult | None:
    return next((child for child in children if child.status is status), None)


WRAPPERS: dict[str, Callable[[Sequence[CheckResult]], Finding]] = {
    "not": negate,
    "any_of": some,
    "all_of": every,
}
"""The wrappers by their names in a scenario."""

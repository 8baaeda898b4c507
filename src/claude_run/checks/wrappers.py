"""`not`, `any_of` and `all_of`: what becomes of the results of the expectations inside them.

A result that could not be evaluated is never turned into a pass or a fail: `not` keeps it, `any_of` passes
only by another one that passed, `all_of` fails only by another one that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.checks.check import Finding, errored, failed, passed
from claude_run.conversation.results import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.conversation.results import CheckResult


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

"""The suites that `make simulate-verdicts` plays, and what the study that chose the gate's rule had found.

The study was made before the rule was written, by another program. Its figures are percentages of 300 to
6,000 comparisons for the false alarms and of 400 or 500 for the power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Attempts: TypeAlias = tuple[int, int]
"""How many attempts of a case were accepted, and how many its run has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A suite whose true pass rates are known, before and now.

    `changed` cases have the rates that are given; the `rest` have those of `RESTS`, from which `drop` is
    taken, or which move by `drift` on the scale of the logit, as often up as down.
    """

    label: str
    cases: int
    rest: str
    changed: tuple[tuple[float, float], ...] = ()
    drop: float = 0.0
    drift: float = 0.0

    def rates(self, source: random.Random) -> list[tuple[float, float]]:
        """Draw the rates of all cases: before, and now."""
        drawn = list(self.changed)
        for place in range(self.cases - len(self.changed)):
            before = RESTS[self.rest](source, place / self.cases)
            now = max(0.0, before - self.drop)
            if self.drift:
                moved = math.log(before / (1 - before)) + source.choice((-self.drift, self.drift))
                now = 1 / (1 + math.exp(-moved))
            drawn.append((before, now))
        return drawn


RESTS: dict[str, Callable[[random.Random, float], float]] = {
    "all pass": lambda _source, _place: 1.0,
    "all .99": lambda _source, _place: 0.99,
    "all .95": lambda _source, _place: 0.95,
    "all .9": lambda _source, _place: 0.9,
    "30 % flaky": lambda source, place: source.uniform(0.2, 0.8) if place < 0.3 else 0.99,
    "Beta(.5, .5)": lambda source, _place: source.betavariate(0.5, 0.5),
}
"""The rate of a case that nothing has happened to, by its place in the suite between 0 and 1."""

SIZES = (5, 10, 20, 50, 100)

NULLS: dict[tuple[Attempts, str], tuple[float, ...]] = {
    ((3, 1), "all .99"): (0, 0, 0, 0.8, 0.7),
    ((3, 1), "all .9"): (0.9, 1.3, 2.4, 3.4, 4.0),
    ((3, 1), "30 % flaky"): (0.1, 1.0, 2.2, 3.6, 5.0),
    ((3, 1), "Beta(.5, .5)"): (0.6, 2.1, 3.2, 3.2, 5.0),
    ((3, 3), "all .99"): (0, 0, 0, 0.2, 1.7),
    ((3, 3), "all .9"): (0.6, 2.0, 3.1, 3.2, 2.7),
    ((3, 3), "30 % flaky"): (1.7, 2.7, 3.5, 3.4, 4.4),
    ((3, 3), "Beta(.5, .5)"): (1.8, 2.4, 2.9, 5.4, 3.6),
    ((5, 3), "all .99"): (0, 0, 0.1, 1.2, 2.0),
    ((5, 3), "all .9"): (2.2, 2.1, 3.8, 3.8, 4.0),
    ((5, 3), "30 % flaky"): (1.9, 3.9, 3.9, 5.2, 3.0),
    ((5, 3), "Beta(.5, .5)"): (1.8, 3.5, 4.9, 3.9, 3.7),
    ((10, 2), "all .99"): (0.3, 0.8, 1.3, 2.8, 3.3),
    ((10, 2), "all .9"): (2.7, 4.1, 4.2, 5.2, 2.0),
    ((10, 2), "30 % flaky"): (1.3, 2.7, 3.6, 4.2, 2.3),
    ((10, 2), "Beta(.5, .5)"): (2.7, 3.2, 4.0, 4.8, 4.3),
    ((10, 1), "all .99"): (0.4, 0.3, 1.0, 2.6, 3.3),
    ((10, 1), "all .9"): (2.1, 3.1, 3.4, 3.8, 3.8),
    ((10, 1), "30 % flaky"): (1.1, 1.8, 4.0, 4.0, 3.0),
    ((10, 1), "Beta(.5, .5)"): (0.9, 3.1, 3.4, 4.4, 4.0),
    ((1, 1), "all .99"): (0, 0, 0, 0, 0.3),
    ((1, 1), "all .9"): (0, 0.1, 0.5, 2.6, 2.3),
    ((1, 1), "30 % flaky"): (2.4, 3.0, 5.9, 13, 26),
    ((1, 1), "Beta(.5, .5)"): (9, 14, 24, 45, 77),
}
"""False alarms in suites in which nothing has changed, for each of `SIZES`."""

PAIRS: tuple[Attempts, ...] = ((1, 1), (3, 1), (3, 3), (5, 3), (10, 2), (10, 3), (5, 5), (10, 1))

_BROKE = (1.0, 0.0)
_ALL_FOUND = (100, 100, 100, 100, 100, 100, 100, 100)

CHANGES: dict[Truth, tuple[int | None, ...]] = {
    Truth(label="1 of 20 breaks, the rest pass", cases=20, rest="all pass", changed=(_BROKE,)): _ALL_FOUND,
    Truth(label="1 of 20 breaks, rest .95", cases=20, rest="all .95", changed=(_BROKE,)): _ALL_FOUND,
    Truth(label="1 of 20 breaks, rest 30 % flaky", cases=20, rest="30 % flaky", changed=(_BROKE,)): (
        *(100, 99, 100, 100, 100, 100, 100, 100),
    ),
    Truth(label="1 of 100 breaks, rest .95", cases=100, rest="all .95", changed=(_BROKE,)): (
        *(100, 49, 100, 100, 100, None, None, None),
    ),
    Truth(label="2 of 20 break, rest .95", cases=20, rest="all .95", changed=(_BROKE,) * 2): _ALL_FOUND,
    Truth(label="2 of 20 break, rest 30 % flaky", cases=20, rest="30 % flaky", changed=(_BROKE,) * 2): (
        *(100, 96, 100, 100, 100, 100, 100, 100),
    ),
    Truth(label="4 of 20 break, rest .95", cases=20, rest="all .95", changed=(_BROKE,) * 4): _ALL_FOUND,
    Truth(label="4 of 20 break, rest 30 % flaky", cases=20, rest="30 % flaky", changed=(_BROKE,) * 4): (
        *(100, 98, 100, 100, 100, 100, 100, 100),
    ),
    Truth(
        label="1 breaks, 2 others go from 0 to 1, rest .95",
        cases=20,
        rest="all .95",
        changed=(_BROKE, (0.0, 1.0), (0.0, 1.0)),
    ): _ALL_FOUND,
    Truth(label="1 goes from .9 to 0, rest .95", cases=20, rest="all .95", changed=((0.9, 0.0),)): (
        *(91, None, 75, 94, 95, 95, 95, 93),
    ),
    Truth(label="1 goes from 1 to .1, rest .95", cases=20, rest="all .95", changed=((1.0, 0.1),)): (
        *(50, 55, 59, 76, 70, 76, 91, 58),
    ),
    Truth(label="1 goes from 1 to .5, the rest pass", cases=20, rest="all pass", changed=((1.0, 0.5),)): (
        *(1, 2, 0, 11, 21, 51, 18, 3),
    ),
    Truth(label="1 goes from 1 to .5, rest .95", cases=20, rest="all .95", changed=((1.0, 0.5),)): (
        *(0, 5, 16, 20, 17, 20, 35, 10),
    ),
    Truth(label="4 lose 50 points, rest .95", cases=20, rest="all .95", changed=((0.95, 0.45),) * 4): (
        *(10, 29, 72, 81, 75, 89, 92, 44),
    ),
    Truth(
        label="4 lose 50 points, rest 30 % flaky", cases=20, rest="30 % flaky", changed=((0.95, 0.45),) * 4
    ): (*(15, 35, 56, 73, 73, 83, 85, 58),),
    Truth(label="5 cases of .9 lose 20 points", cases=5, rest="all .9", drop=0.2): (
        0,
        5,
        23,
        31,
        36,
        42,
        37,
        22,
    ),
    Truth(label="10 cases of .9 lose 20 points", cases=10, rest="all .9", drop=0.2): (
        *(6, 28, 46, 58, 58, 70, 64, 42),
    ),
    Truth(label="20 cases of .9 lose 20 points", cases=20, rest="all .9", drop=0.2): (
        *(28, 54, 78, 84, 83, 92, 91, 72),
    ),
    Truth(label="50 cases of .9 lose 20 points", cases=50, rest="all .9", drop=0.2): (
        *(71, 93, 98, 100, 100, 100, 100, 96),
    ),
    Truth(label="5 cases of .9 lose 10 points", cases=5, rest="all .9", drop=0.1): (
        0,
        2,
        6,
        12,
        12,
        17,
        14,
        10,
    ),
    Truth(label="10 cases of .9 lose 10 points", cases=10, rest="all .9", drop=0.1): (
        *(2, 10, 16, 25, 26, 31, 28, 16),
    ),
    Truth(label="20 cases of .9 lose 10 points", cases=20, rest="all .9", drop=0.1): (
        *(8, 20, 31, 42, 41, 51, 47, 28),
    ),
    Truth(label="50 cases of .9 lose 10 points", cases=50, rest="all .9", drop=0.1): (
        *(25, 44, 65, 70, 72, 82, 83, 57),
    ),
}
"""How often a change was found, for each of `PAIRS`; None where the study did not look."""

DRIFTS = tuple(
    Truth(label=f"{cases} cases, {rest}, each moves by half a logit", cases=cases, rest=rest, drift=0.5)
    for rest in ("all .9", "30 % flaky")
    for cases in (20, 50)
)
"""Suites that move by themselves, for which nothing is promised; the study saw 7 to 14 %."""

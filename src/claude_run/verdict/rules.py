"""What the gate promises: its levels and thresholds, and the four words of a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from claude_run.verdict.rational import as_decimal
from claude_run.verdict.sequential import pocock_level

if TYPE_CHECKING:
    from fractions import Fraction

    from claude_run.verdict.exact import Tails


class Verdict(StrEnum):
    """Of a candidate run against its baseline."""

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"


class PValue(StrEnum):
    """The p-value that the gate reads: `exact` keeps the promised false-alarm rate, `midp` is less strict."""

    EXACT = "exact"
    MID = "midp"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """How a verdict is reached, fixed before the runs are looked at.

    `alpha`: the one-sided false-alarm rate of `regressed` (and of `improved`). `min_drop`: the least drop of
    the pass rate that may be called a regression. `margin`: `unchanged` means that a drop of this size is
    excluded by the interval; the default of ten points is about the least that suites of 40 cases can show.
    `confidence`: of the two-sided intervals. `power`: behind the effect that could have been seen. `looks`:
    how many times repeats may be added and judged again (`--until-sure`); every look then tests at Pocock's
    level. Rates are between 0 and 1. Raises `ValueError` for a value outside its range.
    """

    alpha: float = 0.05
    margin: float = 0.1
    min_drop: float = 0.0
    confidence: float = 0.95
    power: float = 0.8
    looks: int = 1
    p_value: PValue = PValue.EXACT

    def __post_init__(self) -> None:
        _require("alpha", self.alpha, holds=0 < self.alpha < 0.5, range_="above 0 and below 0.5")  # noqa: PLR2004 - both one-sided verdicts could hold from 0.5 on
        _require("margin", self.margin, holds=0 < self.margin <= 1, range_="above 0 and at most 1")
        _require("min_drop", self.min_drop, holds=0 <= self.min_drop <= 1, range_="between 0 and 1")
        _require("confidence", self.confidence, holds=0 < self.confidence < 1, range_="above 0 and below 1")
        _require("power", self.power, holds=self.alpha < self.power < 1, range_="above alpha and below 1")
        _require("looks", self.looks, holds=self.looks >= 1, range_="at least 1")

    @property
    def level(self) -> Fraction:
        """The level that one look tests at, as the decimal it was written as."""
        return as_decimal(pocock_level(self.looks, alpha=self.alpha, sides=1))

    @property
    def look_confidence(self) -> float:
        """The confidence of one look's intervals."""
        return 1 - pocock_level(self.looks, alpha=1 - self.confidence) if self.looks > 1 else self.confidence

    def worse(self, tails: Tails) -> Fraction:
        """Return the p-value of "the candidate is worse" from the tails of candidate minus baseline."""
        return tails.mid_less if self.p_value is PValue.MID else tails.less

    def better(self, tails: Tails) -> Fraction:
        """Return the p-value of "the candidate is better"."""
        return tails.mid_greater if self.p_value is PValue.MID else tails.greater


def _require(name: str, value: float, *, holds: bool, range_: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {range_}, got {value}")

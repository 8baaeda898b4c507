"""Fisher's exact test of two independent rates."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.exact import Tails

if TYPE_CHECKING:
    from claude_run.verdict.rational import Rate


def fisher(first: Rate, second: Rate) -> Tails:
    """Return Fisher's exact test of two rates: `less` for "the first rate is lower", `greater` for "higher".

    Given all passes, those of the first rate are hypergeometric (Fisher 1935, The Design of Experiments,
    chapter 2).
    """
    passed = first.passed + second.passed
    fewest, most = max(0, passed - second.total), min(first.total, passed)
    ways = [
        math.comb(first.total, hits) * math.comb(second.total, passed - hits)
        for hits in range(fewest, most + 1)
    ]
    seen, whole = first.passed - fewest, sum(ways)
    return Tails(
        less=Fraction(sum(ways[: seen + 1]), whole),
        greater=Fraction(sum(ways[seen:]), whole),
        point=Fraction(ways[seen], whole),
    )

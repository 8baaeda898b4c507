"""Other ways to the same numbers, by which the tests hold the verdict's own."""

from __future__ import annotations

import math
from fractions import Fraction

from claude_run.verdict.exact import Tails


def sign_test(worse: int, better: int) -> Tails:
    """Return the exact sign test of `better` against `worse` discordant pairs; T = better - worse.

    Under the null `better` is binomial(worse + better, 1/2), which is the exact McNemar test (McNemar 1947,
    Psychometrika 12:153).
    """
    ways = [math.comb(worse + better, k) for k in range(worse + better + 1)]
    whole = 2 ** (worse + better)
    return Tails(
        less=Fraction(sum(ways[: better + 1]), whole),
        greater=Fraction(sum(ways[better:]), whole),
        point=Fraction(ways[better], whole),
    )


def two_sided(tails: Tails) -> Fraction:
    """Return twice the smaller tail, at most 1: what published tables of symmetric tests give."""
    return min(Fraction(1), 2 * min(tails.less, tails.greater))


def mid_two_sided(tails: Tails) -> Fraction:
    """Return twice the smaller mid-p value (for McNemar's test: Fagerland, Lydersen, Laake 2013)."""
    return 2 * min(tails.mid_less, tails.mid_greater)

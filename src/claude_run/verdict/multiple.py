"""Adjusted p-values for a family of tests."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

P = TypeVar("P", float, Fraction)


def holm(p_values: Sequence[P]) -> list[P]:
    """Return Holm's step-down p-values, in the order given: max over j <= i of (m - j + 1) p_(j), at most 1.

    Rejecting those <= alpha keeps the chance of any false rejection at alpha (Holm 1979, Scand J Stat 6:65).
    Fractions stay fractions.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = list(p_values)
    running = None
    for rank, index in enumerate(order):
        stepped = _at_most_one(p_values[index] * (len(order) - rank))
        running = stepped if running is None else max(running, stepped)
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[P]) -> list[P]:
    """Return step-up p-values, in the order given: min over j >= i of (m / j) p_(j), at most 1.

    Rejecting those <= alpha keeps the expected share of false rejections at alpha, for independent or
    positively dependent tests (Benjamini and Hochberg 1995, JRSS B 57:289).
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = list(p_values)
    running = None
    for rank in range(len(order), 0, -1):
        index = order[rank - 1]
        stepped = _at_most_one(p_values[index] * len(order) / rank)
        running = stepped if running is None else min(running, stepped)
        adjusted[index] = running
    return adjusted


def _at_most_one(value: P) -> P:
    return min(value, type(value)(1))

"""Looking more than once without raising the false-alarm rate: the levels behind `--until-sure`.

The number of looks is fixed before the first one. Each look tests at the level returned here; stopping at
the first look that is sure then keeps the overall level. Repeating until the result pleases is not offered.
"""

from __future__ import annotations

import math
from functools import lru_cache

from claude_run.verdict.special import normal_quantile, normal_tail

_NODES = 40  # Gauss-Legendre nodes across the region of going on: the levels are exact to more than 6 digits
_FAR = 8.0  # standard deviations that stand for infinity
_BISECTIONS = 44
_NEWTON_STEPS = 12


@lru_cache(maxsize=64)
def pocock_level(looks: int, *, alpha: float = 0.05, sides: int = 2) -> float:
    """Return the level to test at, the same at each of `looks` equally spaced looks.

    Source: Pocock 1977, Biometrika 64:191. Overall .05 two-sided: .0294, .0221, .0182, .0158 for 2 to 5
    looks. Computed by the recursion of Armitage, McPherson and Rowe 1969 for sums of independent normal
    increments. Repeats added to the same cases are more alike than that, and exact tests are conservative,
    so the level holds for them. Raises `ValueError` for looks < 1.
    """
    if looks < 1:
        raise ValueError(f"looks must be at least 1, got {looks}")
    if looks == 1:
        return alpha
    low, high = normal_quantile(1 - alpha / sides), normal_quantile(1 - alpha / sides / looks)
    for _ in range(_BISECTIONS):  # between one look's bound and Bonferroni's
        middle = (low + high) / 2
        if _crossing(middle, looks, sides=sides) > alpha:
            low = middle
        else:
            high = middle
    return sides * normal_tail(high)


def even_level(looks: int, *, alpha: float = 0.05) -> float:
    """Return alpha / looks: valid for any test and any dependence between looks (Bonferroni)."""
    if looks < 1:
        raise ValueError(f"looks must be at least 1, got {looks}")
    return alpha / looks


def _crossing(bound: float, looks: int, *, sides: int) -> float:
    """Return the chance that a standardised random walk passes `bound` at any of the looks."""
    nodes, weights = _legendre(_NODES)
    crossed = sides * normal_tail(bound)
    points, density = [0.0], [1.0]
    for look in range(1, looks):
        limit, root = bound * math.sqrt(look), math.sqrt(look)
        floor = -limit if sides == 2 else -_FAR * root  # noqa: PLR2004 - two-sided bounds are symmetric
        half, centre = (limit - floor) / 2, (limit + floor) / 2
        grid = [centre + half * node for node in nodes]
        density = [
            half
            * weight
            * sum(mass * _normal_density(x - y) for mass, y in zip(density, points, strict=True))
            for x, weight in zip(grid, weights, strict=True)
        ]
        points, limit = grid, bound * math.sqrt(look + 1)
        crossed += sum(mass * normal_tail(limit - y) for mass, y in zip(density, points, strict=True))
        if sides == 2:  # noqa: PLR2004 - the lower bound counts too
            crossed += sum(mass * normal_tail(limit + y) for mass, y in zip(density, points, strict=True))
    return crossed


def _normal_density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


@lru_cache(maxsize=1)
def _legendre(count: int) -> tuple[list[float], list[float]]:
    """Return the nodes and weights of Gauss-Legendre quadrature on [-1, 1] (DLMF 3.5.19, Newton's method)."""
    nodes, weights = [], []
    for index in range(count):
        x = math.cos(math.pi * (index + 0.75) / (count + 0.5))
        slope = 1.0
        for _ in range(_NEWTON_STEPS):
            previous, value = 1.0, x
            for degree in range(2, count + 1):
                previous, value = value, ((2 * degree - 1) * x * value - (degree - 1) * previous) / degree
            slope = count * (x * value - previous) / (x * x - 1)
            x -= value / slope
        nodes.append(x)
        weights.append(2 / ((1 - x * x) * slope * slope))
    return nodes, weights

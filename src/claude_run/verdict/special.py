"""The incomplete beta function and what follows from it: beta quantiles and Student's t."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300  # keeps Lentz's quotients away from zero
_EPSILON = 1e-16
_MAX_TERMS = 100_000  # needed terms grow as sqrt(max(a, b)): enough for arguments beyond 1e9
_NORMAL = NormalDist()


def normal_quantile(probability: float) -> float:
    """Return z with P(Z <= z) = probability for the standard normal Z."""
    return _NORMAL.inv_cdf(probability)


def normal_tail(z: float) -> float:
    """Return P(Z >= z) for the standard normal Z, precise far out in the tail."""
    return math.erfc(z / math.sqrt(2)) / 2


def beta_cdf(x: float, a: float, *, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for a, b > 0 and x clipped to [0, 1].

    Continued fraction DLMF 8.17.22, evaluated by Lentz's method, on the side where it converges fast
    (DLMF 8.17.4: I_x(a, b) = 1 - I_{1-x}(b, a)). Relative error about 1e-13 for a, b up to some thousands.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_front) * _beta_fraction(x, a, b=b) / a
    return 1 - math.exp(log_front) * _beta_fraction(1 - x, b, b=a) / b


def beta_quantile(probability: float, a: float, *, b: float) -> float:
    """Return x with I_x(a, b) = probability, by bisection down to neighbouring floats."""
    if probability <= 0 or probability >= 1:
        return float(probability >= 1)
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if beta_cdf(middle, a, b=b) < probability:
            low = middle
        else:
            high = middle
    return high


def t_tail(t: float, df: float) -> float:
    """Return P(T >= t) of Student's t with `df` degrees of freedom (Abramowitz and Stegun 26.7.1)."""
    square = t * t
    if square < df:  # near the centre the complement keeps the digits
        half = 0.5 - beta_cdf(square / (df + square), 0.5, b=df / 2) / 2
    else:
        half = beta_cdf(df / (df + square), df / 2, b=0.5) / 2
    return half if t >= 0 else 1 - half


@lru_cache(maxsize=256)  # a comparison asks for the same one several times
def t_quantile(probability: float, df: float) -> float:
    """Return t with P(T <= t) = probability, for 0 < probability < 1."""
    outside = 2 * min(probability, 1 - probability)
    if outside == 1:
        return 0.0
    if outside < 0.5:  # noqa: PLR2004 - half of the mass: each branch solves for the smaller of x and 1 - x
        x = beta_quantile(outside, df / 2, b=0.5)
        size = math.sqrt(df * (1 - x) / x)
    else:
        y = beta_quantile(1 - outside, 0.5, b=df / 2)
        size = math.sqrt(df * y / (1 - y))
    return math.copysign(size, probability - 0.5)


def _beta_fraction(x: float, a: float, *, b: float) -> float:
    c = 1.0
    d = 1 / _keep_away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _keep_away(1 + term * d)
            c = _keep_away(1 + term / c)
            value *= c * d
        if abs(c * d - 1) <= _EPSILON:
            return value
    raise ArithmeticError(f"the incomplete beta function did not converge at x={x}, a={a}, b={b}")


def _keep_away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY

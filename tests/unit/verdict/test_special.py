"""The special functions against scipy 1.17, whose values stand here as literals."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.verdict.special import beta_cdf, beta_quantile, t_quantile, t_tail


@pytest.mark.parametrize(
    ("x", "a", "b", "value"),
    [
        (0.3, 0.5, 0.5, 0.36901011956554536),
        (0.4, 2, 3, 0.5247999999999999),
        (0.97, 50, 2.5, 0.6859230135186178),
        (0.1, 7.5, 0.5, 6.710289652105777e-09),
        (0.52, 500, 500, 0.897082472693004),
        (0.01, 0.5, 7, 0.2874836298717217),
        (0.001, 0.1, 20, 0.7079970084234156),
        (0, 2, 3, 0.0),
        (1, 2, 3, 1.0),
    ],
)
def test_incomplete_beta(x: float, a: float, b: float, value: float) -> None:
    """scipy.special.betainc."""
    assert beta_cdf(x, a, b=b) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("probability", "a", "b", "value"),
    [
        (0.025, 7, 44, 0.05819170034037209),
        (0.975, 8, 43, 0.2673960024970084),
        (0.1, 0.5, 0.5, 0.024471741852423214),
        (0.025, 10.5, 0.5, 0.7828037324907894),
        (0.05, 7, 0.5, 0.7526837232504482),
        (0.5, 200, 300, 0.39986656271411614),
        (0.0, 2, 3, 0.0),
        (1.0, 2, 3, 1.0),
    ],
)
def test_beta_quantile(probability: float, a: float, b: float, value: float) -> None:
    """scipy.special.betaincinv."""
    assert beta_quantile(probability, a, b=b) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("t", "df", "value"),
    [
        (-2.5, 3, 0.04385332350403278),
        (0.1, 7, 0.5384259701976037),
        (2.148, 14, 0.9751491082145219),
        (0, 5, 0.5),
        (40, 2, 0.9996877926639076),
        (1.96, 1000, 0.9748634075221256),
        (-1, 0.5, 0.30112161084132205),
    ],
)
def test_t_distribution(t: float, df: float, value: float) -> None:
    """scipy.stats.t.cdf, whose lower tail is the upper one of -t."""
    assert t_tail(-t, df) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("t", "df", "value"), [(9, 30, 2.5074159580739443e-10), (20, 10, 1.0730311586021261e-09)]
)
def test_t_tail_far_out(t: float, df: float, value: float) -> None:
    """scipy.stats.t.sf keeps its digits far out, and so does this."""
    assert t_tail(t, df) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("probability", "df", "value"),
    [
        (0.975, 1, 12.706204736174694),
        (0.975, 4, 2.7764451051977934),
        (0.95, 14, 1.761310135774891),
        (0.5000001, 3, 2.720699044672105e-07),
        (0.6, 30, 0.2556053649519128),
        (0.0005, 99, -3.3915288333636506),
        (0.975, 999, 1.9623414611334493),
        (0.5, 7, 0.0),
    ],
)
def test_t_quantile(probability: float, df: float, value: float) -> None:
    """scipy.stats.t.ppf."""
    assert t_quantile(probability, df) == pytest.approx(value, rel=1e-9)


def test_arguments_out_of_reach_raise() -> None:
    """No number is better than a wrong one."""
    with pytest.raises(ArithmeticError, match="did not converge"):
        beta_cdf(0.5, 1e14, b=1e14)


@given(st.floats(0.001, 0.999), st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_quantile_and_distribution_are_inverse(probability: float, df: int) -> None:
    """Going there and back again changes nothing, and the distribution is symmetric."""
    t = t_quantile(probability, df)
    assert t_tail(-t, df) == pytest.approx(probability, abs=1e-10)
    assert t_tail(t, df) + t_tail(-t, df) == pytest.approx(1)

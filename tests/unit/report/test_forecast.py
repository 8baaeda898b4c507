"""The likely price as people read it: a table of 80 columns, and what it rests on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.plan.forecast import Forecast, Prices
from claude_run.report.forecast import Basis, price_lines

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

KNOWN = Prices(
    plain_usd=Decimal("1234.5678"),
    cached_usd=Decimal("0.2468"),
    batch_usd=Decimal("617.2839"),
    batch_read_usd=Decimal("0.00001"),
    batch_unread_usd=Decimal(1200),
)
UNKNOWN = Prices(plain_usd=None, cached_usd=None, batch_usd=None, batch_read_usd=None, batch_unread_usd=None)
COUNTED = Basis(counted=24, by="the API", why=None, no_batch=None)


def forecast(**fields: Any) -> Forecast:
    """Forecast a run of one model."""
    defaults: dict[str, Any] = {
        "models": {"claude-haiku-5-5": KNOWN},
        "total": KNOWN,
        "as_examples": 12_000,
        "assumed": 3,
        "caches": True,
        "calls_tools": False,
    }
    return Forecast(**{**defaults, **fields})


LONG_NAME = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-5-5-v1:0"
CASES = {
    "counted": (forecast(), COUNTED),
    "several models, one unpriced": (
        forecast(models={LONG_NAME: UNKNOWN, "claude-haiku-5-5": KNOWN}, total=UNKNOWN, calls_tools=True),
        Basis(counted=3, by="the simulator", why=None, no_batch=None),
    ),
    "estimated, nothing cached": (
        forecast(caches=False, assumed=0),
        Basis(counted=0, by=None, why="no key is set", no_batch=None),
    ),
    "no batch, not counted": (
        forecast(as_examples=0),
        Basis(counted=0, by=None, why=None, no_batch="a batch takes no `speed`"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_prices_side_by_side(name: str, snapshot: SnapshotAssertion) -> None:
    """Every line, as it is printed."""
    lines = [*price_lines(*CASES[name])]
    assert "\n".join(lines) == snapshot
    table = [line for line in lines if not line.startswith(" ")]
    assert all(len(line) <= 80 for line in table)
    assert len({len(line) for line in table}) == 1

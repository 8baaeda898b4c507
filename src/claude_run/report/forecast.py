"""What a run is likely to cost: three prices side by side, and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.plan.forecast import ASSUMED_REPLY, BYTES_PER_TOKEN
from claude_run.report.text.console import aligned
from claude_run.report.text.numbers import ABSENT, usd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.plan.forecast import Forecast, Prices

_HEAD = ("likely price", "plain", "cached", "batch")
_LONGEST_NAME = 40  # with three prices beside it a line fits 80 columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What prices rest on: so many prompts `counted`, `by` whom, or `why` nobody was asked.

    `no_batch` says why there can be no batch.
    """

    counted: int
    by: str | None
    why: str | None
    no_batch: str | None


def price_lines(forecast: Forecast, basis: Basis) -> Iterator[str]:
    """Yield the table of prices, which fits 80 columns, and what it rests on. Whoever shows it escapes it."""
    rows = [_row(_cut(model), prices, basis) for model, prices in forecast.models.items()]
    if len(rows) > 1:
        rows.append(_row("all", forecast.total, basis))
    yield from aligned([_HEAD, *rows])
    yield f"  prompts: {_prompts(basis)}"
    left_out = "thinking and rounds of tools" if forecast.calls_tools else "thinking"
    yield f"  replies: {_replies(forecast)}; without {left_out}"
    if not forecast.caches:
        yield "  cached: as plain, because nothing is both marked for the cache and long enough"
    total = forecast.total
    if basis.no_batch is not None:
        yield f"  batch: not as it stands: {basis.no_batch}"
    elif forecast.caches and total.batch_read_usd is not None:
        least, most = usd(total.batch_read_usd), usd(total.batch_unread_usd)
        yield f"  batch: half of plain; as its cache is best effort, {least} if all is read to {most} if none"


def _row(name: str, prices: Prices, basis: Basis) -> Sequence[str]:
    batch = ABSENT if basis.no_batch is not None else usd(prices.batch_usd)
    return name, usd(prices.plain_usd), usd(prices.cached_usd), batch


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _prompts(basis: Basis) -> str:
    if basis.by is not None:
        return f"{basis.counted:,} counted by {basis.by}, the others estimated after them"
    why = "they could not be counted" if basis.why is None else basis.why
    return f"estimated at {BYTES_PER_TOKEN} bytes a token ({why})"


def _replies(forecast: Forecast) -> str:
    told = []
    if forecast.as_examples:
        told.append(f"{forecast.as_examples:,} as long as their example")
    if forecast.assumed:
        told.append(f"{forecast.assumed:,} taken as {ASSUMED_REPLY} tokens (at most max_tokens)")
    return ", ".join(told)

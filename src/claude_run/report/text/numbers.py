"""Numbers as people read them: dollars, tokens, durations."""

from __future__ import annotations

from decimal import Decimal

ABSENT = "-"
UNKNOWN = "unknown"

_SMALLEST = Decimal("0.0001")
_MINUTE = 60
_HOUR = 3600


def usd(amount: Decimal | None) -> str:
    """Return US dollars: `$12.35`, below one dollar `$0.0123`, tiny `<$0.0001`; None is `unpriced`."""
    if amount is None:
        return "unpriced"
    if amount == 0:
        return "$0"
    if amount < _SMALLEST:
        return f"<${_SMALLEST}"
    return f"${amount:.4f}" if amount < 1 else f"${amount:,.2f}"


def tokens(number: int | None) -> str:
    """Return a token count, `12,345`; None, where the API said nothing, is a dash."""
    return ABSENT if number is None else f"{number:,}"


def used(number: int | None) -> str:
    """Return the tokens that were read or written; None, where a reply did not say, is `unknown`."""
    return UNKNOWN if number is None else tokens(number)


def seconds(duration: float | None) -> str:
    """Return a duration given in seconds: `0.8 s`, `2 min 5 s`, `1 h 2 min`; None is a dash."""
    if duration is None:
        return ABSENT
    if round(duration, 1) < _MINUTE:
        return f"{duration:.1f} s"
    whole = round(duration)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"

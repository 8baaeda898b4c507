"""The cap on what a run may cost, checked before every send against the worst that is under way."""

from __future__ import annotations

from decimal import Decimal


class Budget:
    """Money in US dollars: spent for sure, possibly spent, and reserved for what is under way.

    A request is let out only while spent + uncertain + reserved + its own worst case stay within the cap.
    All calls come from one event loop and none of them waits, so that no two sends can pass together.
    """

    def __init__(self, cap_usd: Decimal | None, *, spent_usd: Decimal = Decimal(0)) -> None:
        self.cap_usd = cap_usd
        self.spent_usd = spent_usd
        self._reserved = Decimal(0)

    def reserve(self, worst_usd: Decimal | None) -> bool:
        """Set the worst case of one request aside; False when the cap does not allow it.

        With a cap, a request of unknown price is never let out.
        """
        if self.cap_usd is None:
            return True
        if worst_usd is None or self.spent_usd + self._reserved + worst_usd > self.cap_usd:
            return False
        self._reserved += worst_usd
        return True

    @property
    def idle(self) -> bool:
        """Tell whether nothing is under way that could turn out cheaper than its worst case."""
        return self._reserved == 0

    def refusal(self, worst_usd: Decimal | None) -> str:
        """Say why a request is not let out."""
        if worst_usd is None:
            return f"a model without a known price cannot be held to --max-cost {self.cap_usd}"
        return (
            f"stopped by --max-cost {self.cap_usd}: {self.spent_usd:.4f} USD are spent,"
            f" and the next request may cost up to {worst_usd:.4f}"
        )

    def settle(self, worst_usd: Decimal | None, paid_usd: Decimal | None) -> None:
        """Turn a reservation into what was paid; None means unknown, and counts as the worst case."""
        if self.cap_usd is None or worst_usd is None:
            return
        self._reserved -= worst_usd
        self.spent_usd += worst_usd if paid_usd is None else paid_usd

"""Sweeps over every moment of a run: `make torture` takes each, `make test` some that are spread over all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

WHOLE_SWEEPS = "WHOLE_SWEEPS"
"""The variable with which the tests take every moment of a sweep; `make torture` sets it."""


def is_whole() -> bool:
    """Return whether every moment is taken."""
    return WHOLE_SWEEPS in os.environ


def spread(moments: Sequence[T], *, one_in: int, first: int = 0) -> Sequence[T]:
    """Return the moments of a sweep: every one, or one of so many from a first one on."""
    return moments if is_whole() else moments[first::one_in]

"""What a benchmark has found: each figure beside its target, as text and as JSON under `outputs/bench/`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path("outputs/bench")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, its unit (none for a ratio), and the most that it is to be; None where it has no target.

    `why` says what the profile shows where it is more.
    """

    what: str
    value: float
    unit: str = ""
    most: float | None = None
    why: str = ""

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        line = f"{self.what}: {self.value:.3g}{unit}"
        if self.most is None:
            return line
        target = f"target: at most {self.most:g}{unit}"
        if self.value <= self.most:
            return f"{line} ({target}; met)"
        return f"{line} ({target}; NOT MET{f': {self.why}' if self.why else ''})"


def keep(name: str, figures: Sequence[Figure]) -> str:
    """Write the figures of a benchmark to its JSON file, and return them as lines."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(figure) for figure in figures], indent=2)
    (FOLDER / f"{name}.json").write_text(text + "\n")
    return "\n".join(f"{name}: {figure}" for figure in figures)

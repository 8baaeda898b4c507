"""The hostile corpus: one text a line, as JSON."""

from __future__ import annotations

import json
from pathlib import Path

CORPUS: tuple[str, ...] = tuple(
    json.loads(line)
    for line in (Path(__file__).parent / "hostile.jsonl").read_text("ascii").split("\n")
    if line
)

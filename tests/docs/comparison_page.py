"""The reference page of `claude-run compare --json`, from the tables of `comparison_fields`."""

from __future__ import annotations

from tests.docs import comparison_fields as comparison
from tests.docs.tables import Field, field_table

_HEAD = """\
# The JSON of a comparison

`claude-run compare --json` prints one object. How its numbers come about is told in
[how a verdict is reached](../explanation/verdicts.md). Rates, differences and margins lie between -1 and 1;
what is absent is null.
"""

_PARTS: tuple[tuple[str, tuple[Field, ...]], ...] = (
    ("Candidate", comparison.CANDIDATE),
    ("Difference", comparison.DIFFERENCE),
    ("Rules", comparison.RULES),
    ("Effect", comparison.EFFECT),
    ("Interval", comparison.INTERVAL),
    ("Metric", comparison.METRIC),
    ("Case", comparison.CASE),
    ("Rate", comparison.RATE),
)


def page() -> str:
    """Return docs/reference/comparison.md."""
    parts = [f"## {title}\n\n{field_table(described)}\n" for title, described in _PARTS]
    return "\n".join([_HEAD, f"{field_table(comparison.COMPARISON)}\n", *parts])

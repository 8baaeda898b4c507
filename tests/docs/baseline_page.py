"""The reference page of the baseline file, from the tables of `comparison_fields`."""

from __future__ import annotations

from tests.docs import comparison_fields as described
from tests.docs.tables import field_table

_HEAD = """\
# The baseline file

`claude-run accept` writes one for each scenario of a run, beside the scenario: `returns.baseline.json` for
`returns.yaml`. `claude-run review` changes it, conversation by conversation. It belongs into git: its keys
are in a fixed order and a reply stands in it line by line, so that a diff shows what was accepted. No time,
no latency and no cost is in it: accepting a run that brought the same changes no line.
[Gate a pull request](../how-to/gate-a-pull-request.md) tells how it is used.

It holds results, variables and replies, not the prompts. A case that is not in it is new to the gate. A file
of version 1, which an older claude-run wrote, is refused: play the scenario whole, and accept that.
"""

_CASE = """\
The replies that are kept are those of the file of before where an attempt brought the very same; else those
of the first attempt that passed, or of the first where none did. They are what `review` shows, and what a
`judge` holds new replies against.

`expectations` changes with every change of what is measured: kinds, arguments, negation, the turn, who judges
and how. It does not change with the lines of the scenario, the name of its file, the order of expectations,
their labels, or `must`. Of checks of your own it knows name and arguments, not their code.
"""


def page() -> str:
    """Return docs/reference/baseline.md."""
    return "\n".join(
        [
            _HEAD,
            f"{field_table(described.BASELINE)}\n",
            "## Case\n",
            _CASE,
            field_table(described.BASELINE_CASE),
        ]
    )

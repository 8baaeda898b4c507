"""The reference page of the baseline file, from the tables of `comparison_fields`."""

from __future__ import annotations

from tests.docs import comparison_fields as described
from tests.docs.tables import field_table

_HEAD = """\
# The baseline file

`claude-run accept` writes one for each scenario of a run, beside the scenario: `returns.baseline.json` for
`returns.yaml`. `claude-run review` changes it, conversation by conversation. It belongs into git: its keys
are in a fixed order and a reply stands in it line by line, so that a diff shows what was accepted.
[Gate a pull request](../how-to/gate-a-pull-request.md) tells how it is used.

It holds results and replies, not the prompts. A conversation that is not in it is new to the gate.
"""

_CONVERSATION = """\
The reply that is kept is that of the first sample that passed, or of the first sample where none did. It
is what `review` shows, and what a `judge` holds new replies against.
"""


def page() -> str:
    """Return docs/reference/baseline.md."""
    return "\n".join(
        [
            _HEAD,
            f"{field_table(described.BASELINE)}\n",
            "## Conversation\n",
            _CONVERSATION,
            f"{field_table(described.BASELINE_CONVERSATION)}\n",
            "## Attempt\n",
            field_table(described.BASELINE_ATTEMPT),
        ]
    )

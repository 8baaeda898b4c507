"""`check`: everything that can be said without sending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.planning import load_scenarios, registry_of
from claude_run.cli.talk import complain
from claude_run.text.visible import count

if TYPE_CHECKING:
    from claude_run.cli.options import RunOptions


def check(options: RunOptions) -> int:
    """Say how many scenarios are sound; InvalidScenarioError lists what is wrong."""
    scenarios = load_scenarios(options, registry_of(options))
    if not options.quiet:
        complain(f"{count(len(scenarios), 'scenario')}: no problems found")
    return 0

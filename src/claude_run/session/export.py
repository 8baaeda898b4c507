"""The use case of `export`: one conversation of those that are selected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.session.load import load_scenarios
from claude_run.session.prepare import make_plan

if TYPE_CHECKING:
    from datetime import date

    from claude_run.conversation.script import Conversation
    from claude_run.session.request import RunRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The conversation to export, what its scenario is for, and how many were selected beside it."""

    conversation: Conversation
    description: str
    others: int
    warnings: tuple[str, ...]


def choose(request: RunRequest, *, today: date) -> Chosen:
    """Return the first conversation that the request selects, as it would be played.

    InvalidScenarioError and InputError as where it is played; SelectionError where nothing is selected.
    """
    request = replace(request, repeat=1)
    loaded = load_scenarios(request, today=today)
    first, *others = make_plan(request, loaded.scenarios).conversations
    descriptions = {scenario.name: scenario.description for scenario in loaded.scenarios}
    return Chosen(
        conversation=first,
        description=descriptions[first.identity.scenario],
        others=len(others),
        warnings=loaded.warnings,
    )

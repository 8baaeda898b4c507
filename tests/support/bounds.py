"""The bounds of a whole plan, for tests that hold what is played against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.plan.estimate import Bound, bound_of, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.plan.matrix import Plan


def bounds_of(
    plan: Plan, renderer_for: Callable[[Conversation], TextRenderer], *, batch: bool = False
) -> Mapping[str, Bound]:
    """Bound a conversation of every case; by the name of the case, because repeats are alike."""
    found: dict[str, Bound] = {}
    for conversation in plan.one_of_each_case():
        renderer = renderer_for(conversation)
        bound = bound_of(conversation, renderer, walk(conversation, renderer), batch=batch)
        found[conversation.identity.case_name] = bound
    return found

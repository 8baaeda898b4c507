"""Which turns of a script are sent: conditions decided from the last reply, and from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.checks.registry import default_registry
from claude_run.checks.subject import Subject
from claude_run.conversation.results import Status
from claude_run.conversation.transcript import TurnRecord
from claude_run.scenario.template import Renderer, RenderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.checks.registry import Registry
    from claude_run.conversation.exchange import Exchange
    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.model import Expectation


class ScriptRenderer(Renderer):
    """Fills the texts of a script in and decides its conditions; satisfies `script.TextRenderer`.

    Conditions hold built-in checks alone, so that a registry is given only where there is one already.
    """

    def __init__(self, variables: JsonObject, registry: Registry | None = None) -> None:
        super().__init__(variables)
        self._registry = registry

    def fits(
        self, condition: Sequence[Expectation], replies: Sequence[Exchange], saved: Mapping[str, str]
    ) -> bool:
        """Return whether all of a condition holds of a turn's replies, its rounds in order.

        RenderError where that cannot be told, at the place of the condition.
        """
        self._registry = self._registry or default_registry()
        turn = TurnRecord(index=0, role="user", content=None, sent=True, exchanges=tuple(replies))
        subject = Subject.of_turn(turn)
        fits = True
        for expectation in condition:
            result = self._registry.evaluate(
                expectation, subject, lambda slot: self.fill(slot.source, saved, into=slot.into)
            )
            if result.status is Status.ERRORED:
                raise RenderError(result.message, expectation.position, what="the `if` cannot be decided")
            fits = fits and result.status is Status.PASSED
        return fits


class WholeScript(ScriptRenderer):
    """Leaves no turn out, whatever was said: for what is to be known of a script before it is played."""

    def fits(self, condition: object, replies: object, saved: object) -> bool:  # noqa: ARG002 - the signature of the class above
        """Return True."""
        return True

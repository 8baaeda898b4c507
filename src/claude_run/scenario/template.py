"""The user's texts, filled in: rendered once, with values that are data and never rendered themselves.

What is bounded is bounded only in the small language that the inspection of a template lets through.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from claude_run.errors import ClaudeRunError, ExitCode
from claude_run.scenario.model import EMPTY
from claude_run.scenario.patterns import search
from claude_run.scenario.template_inspection import variables_in
from claude_run.scenario.template_language import (
    MAX_OUTPUT,
    MAX_STEPS,
    BoundError,
    count_turns,
    environment,
    is_template,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template

    from claude_run.scenario.model import JsonObject, Position, Save, Text


class RenderError(ClaudeRunError):
    """A text could not be rendered; `position` is where it is written, None where it has no place."""

    exit_code = ExitCode.NOT_MEASURED

    def __init__(self, reason: str, position: Position | None = None) -> None:
        self.reason = reason
        self.position = position
        where = f"{position}: " if position else ""
        super().__init__(f"{where}the text cannot be rendered: {reason}")


class Renderer:
    """Fills texts with the variables of one conversation; satisfies `conversation.script.TextRenderer`."""

    def __init__(self, variables: JsonObject = EMPTY) -> None:
        self._variables = variables

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        """Fill a text with the variables and `saved`; RenderError where that fails."""
        return self.render_string(text.source, saved, position=text.position)

    def render_string(
        self, source: str, saved: Mapping[str, str], *, position: Position | None = None
    ) -> str:
        """Fill a template, as `render`."""
        if not is_template(source):
            return source
        from jinja2 import TemplateError  # noqa: PLC0415 - slow, and most texts have nothing to render

        pieces: list[str] = []
        size = 0
        try:
            # Counted piece by piece: a text without bounds must not be whole before it is refused.
            values = {**self._variables, "saved": saved}
            for steps, piece in enumerate(_compiled(source).generate(values)):
                size += len(piece)
                if size > MAX_OUTPUT:
                    raise BoundError(f"the text would be longer than {MAX_OUTPUT:,} characters")
                if steps > MAX_STEPS:
                    raise BoundError(f"the text has more than {MAX_STEPS:,} steps")
                pieces.append(piece)
        except TemplateError as error:
            raise RenderError(error.message or type(error).__name__, position) from error
        except (ArithmeticError, LookupError, RecursionError, SyntaxError, TypeError, ValueError) as error:
            raise RenderError(str(error) or type(error).__name__, position) from error
        return "".join(pieces)

    def extract(self, save: Save, text: str) -> str | None:
        """Return the first group of the first match, the whole match where there is no group, or None."""
        found = search(save.pattern, text)
        if found is None:
            return None
        return found.first_group if found.has_group else found.whole


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Template:
    # What is bounded is bounded only in the small language that the check lets through.
    for problem in variables_in(source).problems:
        raise BoundError(problem.message)
    return environment().from_string(count_turns(environment().parse(source)))

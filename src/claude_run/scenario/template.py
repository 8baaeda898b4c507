"""The user's texts, filled in: rendered once, with values that are data and never rendered themselves.

What is bounded is bounded only in the small language that the inspection of a template lets through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol

from claude_run.errors import ClaudeRunError, ExitCode
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.patterns import PatternError, search
from claude_run.scenario.template_inspection import Tag, plain_pieces, variables_in
from claude_run.scenario.template_language import (
    MAX_OUTPUT,
    MAX_STEPS,
    BoundError,
    count_turns,
    environment,
    is_template,
    looked_for_environment,
    parse,
    pattern_environment,
    pointer_environment,
    to_looked_for,
    to_pattern,
    to_pointer,
    to_text,
)
from claude_run.scenario.vocabulary import Fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jinja2 import Environment, nodes

    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Position, Save, Text


class RenderError(ClaudeRunError):
    """A text could not be rendered; `position` is where it is written, None where it has no place."""

    exit_code = ExitCode.NOT_MEASURED

    def __init__(
        self, reason: str, position: Position | None = None, *, what: str = "the text cannot be rendered"
    ) -> None:
        self.reason = reason
        self.position = position
        where = f"{position}: " if position else ""
        super().__init__(f"{where}{what}: {reason}")


class Renderer:
    """Fills texts with the variables of one conversation; satisfies `conversation.script.TextRenderer`."""

    def __init__(self, variables: JsonObject = EMPTY) -> None:
        self._variables = variables

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        """Fill a text with the variables and `saved`; RenderError where that fails."""
        text = self.chosen(text)
        return str(self.fill(text.source, saved, into=None, position=text.position))

    def chosen(self, text: Text) -> Text:
        """Return the text, or the one in the file that its path becomes; RenderError where none was read."""
        if not text.versions:
            return text
        path = str(self.fill(text.source, {}, into=None, position=text.position))
        if path not in text.versions:
            raise RenderError(f"no text was read from {path}", text.position)
        return text.versions[path]

    def fill(
        self,
        source: str,
        saved: Mapping[str, str],
        *,
        into: Fill | None = None,
        position: Position | None = None,
    ) -> Json:
        """Fill a template, and return what it is to become; RenderError where that fails.

        Without `into` it becomes a text that is sent, in which any value is written as it is, or as JSON.
        """
        if not is_template(source):
            return source
        values = {**self._variables, "saved": saved}
        try:
            filled = _compiled(source, into)(values)
        except (ArithmeticError, LookupError, RecursionError, SyntaxError, TypeError, ValueError) as error:
            raise RenderError(str(error) or type(error).__name__, position) from error
        if into is Fill.TEXTS and isinstance(filled, Sequence) and not isinstance(filled, str):
            return [to_text(entry) if _is_number(entry) else entry for entry in filled]
        return to_text(filled) if into in {Fill.TEXT, Fill.PROSE} and _is_number(filled) else filled

    def fill_json(self, value: Json) -> Json:
        """Fill in every text inside of JSON, keys left alone; RenderError where one fails."""
        if isinstance(value, str):
            return self.fill(value, {}, into=Fill.VALUE)
        if isinstance(value, Mapping):
            return {name: self.fill_json(part) for name, part in value.items()}
        return [self.fill_json(part) for part in value] if isinstance(value, Sequence) else value

    def extract(self, save: Save, text: str, saved: Mapping[str, str]) -> str | None:
        """Return the first group of the first match, the whole match where there is no group, or None.

        The pattern is filled in with the variables and `saved`; RenderError where that fails.
        """
        pattern = self.fill(save.pattern, saved, into=Fill.PATTERN, position=save.position)
        try:
            found = search(str(pattern), text)
        except PatternError as error:
            raise RenderError(str(error), save.position) from error
        if found is None:
            return None
        return found.first_group if found.has_group else found.whole


def texts_inside(value: Json) -> Iterator[str]:
    """Yield the texts that `fill_json` fills in."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from texts_inside(part)
    elif isinstance(value, Sequence):
        for part in value:
            yield from texts_inside(part)


def _is_number(value: object) -> bool:
    """Return whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Compiled(Protocol):
    """A template that is ready to be filled, as often as there are conversations."""

    def __call__(self, values: JsonObject, /) -> Json:
        """Fill it; LookupError, ValueError and others of Python's own errors where that fails."""


@lru_cache(maxsize=1024)
def _compiled(source: str, into: Fill | None) -> _Compiled:
    # What is bounded is bounded only in the small language that the check lets through.
    for problem in variables_in(source).problems:
        raise BoundError(problem.message)
    write, environment_of = _WRITTEN[into]
    keeps_type = into is not None and into is not Fill.PATTERN
    # Most texts need no more than a look at their variables.
    pieces = plain_pieces(source)
    if pieces is not None and keeps_type and len(pieces) == 1 and isinstance(pieces[0], Tag):
        return partial(_read, pieces[0])
    if pieces is not None:
        return lambda values: _joined(
            piece if isinstance(piece, str) else write(_read(piece, values)) for piece in pieces
        )
    return _compiled_by_jinja(source, environment_of(), keeps_type=keeps_type)


def _read(tag: Tag, values: JsonObject) -> Json:
    """Return what a tag reads; LookupError where there is nothing."""
    if tag.name not in values:
        raise LookupError(f"'{tag.name}' is undefined")
    value = values[tag.name]
    if tag.part is None:
        return value
    if not isinstance(value, Mapping) or tag.part not in value:
        raise LookupError(f"'{tag.name}' has no attribute '{tag.part}'")
    return value[tag.part]


_WRITTEN: Mapping[Fill | None, tuple[Callable[[object], str], Callable[[], Environment]]] = {
    None: (to_text, environment),
    Fill.PROSE: (to_text, environment),
    Fill.TEXT: (to_looked_for, looked_for_environment),
    Fill.TEXTS: (to_looked_for, looked_for_environment),
    Fill.VALUE: (to_looked_for, looked_for_environment),
    Fill.POINTER: (to_pointer, pointer_environment),
    Fill.PATTERN: (to_pattern, pattern_environment),
}
"""How a value is written into the middle of what a template becomes, and the environment that does so."""


def _compiled_by_jinja(source: str, chosen: Environment, *, keeps_type: bool) -> _Compiled:
    from jinja2 import TemplateError, nodes  # noqa: PLC0415 - slow, and most texts need no more than a look
    from jinja2.environment import TemplateExpression  # noqa: PLC0415 - same

    tree = count_turns(parse(source))

    def run(filling: Callable[[JsonObject], Json], values: JsonObject) -> Json:
        try:
            return filling(values)
        except TemplateError as error:
            raise BoundError(error.message or type(error).__name__) from error

    expression = _whole_expression(tree) if keeps_type else None
    if expression is not None:
        # What Jinja2 itself makes of an expression: a template that gives its value a name.
        name = nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)
        whole = TemplateExpression(chosen.from_string(nodes.Template([name], lineno=1)), False)  # noqa: FBT003 - jinja2's own signature
        return partial(run, lambda values: _plain_value(whole(values)))
    template = chosen.from_string(tree)
    return partial(run, lambda values: _joined(template.generate(values)))


def _whole_expression(tree: nodes.Template) -> nodes.Expr | None:
    """Return the one expression that a template is, or None where it is anything else."""
    from jinja2 import nodes  # noqa: PLC0415 - slow; the caller has loaded it

    parts = [part for output in tree.body for part in getattr(output, "nodes", [None])]
    if len(parts) != 1 or not isinstance(parts[0], nodes.Expr) or isinstance(parts[0], nodes.TemplateData):
        return None
    return parts[0]


def _plain_value(value: object) -> Json:
    """Return what an expression gives as JSON; jinja2's own error for what is not defined."""
    if isinstance(value, str):
        return value
    # Tuples become lists; what is not defined raises the error that names it.
    plain: Json = json.loads(to_text(value))
    return plain


def _joined(pieces: Iterable[str]) -> str:
    """Join pieces as they come: a text without bounds must not be whole before it is refused."""
    kept: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        kept.append(piece)
        if size > MAX_OUTPUT:
            raise BoundError(f"the text would be longer than {MAX_OUTPUT:,} characters")
        if len(kept) > MAX_STEPS:
            raise BoundError(f"the text has more than {MAX_STEPS:,} steps")
    return "".join(kept)

"""What the programs of all languages have in common: their heading, and what they are made of."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from claude_run import __version__
from claude_run.conversation.steps import MAX_ROUNDS
from claude_run.report.export.conditions import expression
from claude_run.report.export.literals import Name
from claude_run.report.export.patterns import NotCarriedError, translate
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.report.export.conditions import Words
    from claude_run.report.export.patterns import Dialect, Pattern
    from claude_run.report.export.script import Answer, AskedTurn, Keep, Part, Script

USAGE = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""The counts that a program adds up."""

REASONS = ("end_turn", "stop_sequence", "max_tokens", "tool_use")
"""The stop reasons after which a conversation goes on."""

PAUSES = MAX_ROUNDS
"""How often one turn may be resumed after a pause."""

_WIDTH = 96
_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_LARGEST = 2**53 - 1


def heading(script: Script, needs: Sequence[str]) -> list[str]:
    """Return the lines of the comment on top, without its marks; `needs` says what the program needs."""
    about = f"{script.name}: {script.description}" if script.description else script.name
    checks = f"checks ({', '.join(script.not_carried)}), " if script.not_carried else ""
    paragraphs = (
        [about],
        [f"Exported from {script.source} by claude-run {__version__}: it sends the same request bodies."],
        needs,
        [f"Not carried over, since only claude-run does it: {checks}retries, costs, the journal, reports."],
    )
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [""] if lines else []
        for text in paragraph:
            lines += textwrap.wrap(text, _WIDTH, break_on_hyphens=False, break_long_words=False) or [""]
    return [f" {line}" if line else "" for line in lines]


class Blobs:
    """Long data, such as images, as constants of their own: nobody reads a program around them."""

    def __init__(self) -> None:
        self.constants: list[tuple[str, str]] = []

    def taken_out(self, part: Part) -> Part | Name:
        """Return a value with the names of its long data in their places."""
        if isinstance(part, str):
            return self._name(part) if _BASE64.fullmatch(part) else part
        if isinstance(part, Mapping):
            return {name: self.taken_out(each) for name, each in part.items()}  # type: ignore[misc] # names are values
        if isinstance(part, Sequence):
            return [self.taken_out(each) for each in part]  # type: ignore[misc] # same
        return part

    def _name(self, data: str) -> Name:
        known = {text: name for name, text in self.constants}
        name = known.get(data, f"DATA_{len(self.constants) + 1}")
        if data not in known:
            self.constants.append((name, data))
        return Name(text=name)


def messages_of(turn: AskedTurn) -> list[Part]:
    """Return what is said before a turn, as the API takes it."""
    return [{"role": message.role, "content": message.content} for message in turn.before]


def answer_rows(answers: Mapping[str, Sequence[Answer]]) -> dict[str, Part]:
    """Return the results of tools by name: of each only what is not usual."""
    return {name: [_row(answer) for answer in rows] for name, rows in answers.items()}


def has_conditions(script: Script) -> bool:
    """Return whether a result of a tool asks for an input."""
    return any(answer.when for rows in script.answers.values() for answer in rows)


def patterns(script: Script, dialect: Dialect) -> Mapping[Keep, Pattern]:
    """Return the pattern of each keep; InvalidScenarioError names all that the dialect cannot say."""
    found: dict[Keep, Pattern] = {}
    problems = []
    for keep in script.keeps:
        try:
            found[keep] = translate(keep.pattern, dialect)
        except NotCarriedError as error:
            message = f"the pattern of `{keep.name}` cannot be exported: {error}"
            problems.append(Diagnostic(position=keep.position, message=message))
    if problems:
        raise InvalidScenarioError(problems)
    return found


def conditions(script: Script, words: Words) -> Mapping[int, str]:
    """Return the expression of each turn that has a condition, by the number of the turn.

    InvalidScenarioError names all that the language cannot say.
    """
    found: dict[int, str] = {}
    problems = []
    for turn in script.turns:
        if turn.condition:
            try:
                found[turn.number] = expression(turn.condition, words)
            except NotCarriedError as error:
                message = f"the `if` of turn {turn.number} cannot be exported: {error}"
                problems.append(Diagnostic(position=turn.position, message=message))
    if problems:
        raise InvalidScenarioError(problems)
    return found


def refuse_long_numbers(script: Script, language: str) -> None:
    """Raise InvalidScenarioError where a number would lose its last digits in a language of doubles."""
    parts: list[Part] = [script.request]
    for turn in script.turns:
        parts += [turn.content, *turn.instructions, *messages_of(turn)]
    for rows in script.answers.values():
        parts += [part for answer in rows for part in (answer.when, answer.content)]
    if any(abs(number) > _LARGEST for number in _numbers(parts)):
        message = f"a whole number of over 15 digits cannot be exported: {language} would round it"
        raise InvalidScenarioError([Diagnostic(position=script.position, message=message)])


def _numbers(part: Part) -> Iterator[int]:
    if isinstance(part, int) and not isinstance(part, bool):
        yield part
    elif isinstance(part, Mapping):
        for each in part.values():
            yield from _numbers(each)
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for each in part:
            yield from _numbers(each)


def _row(answer: Answer) -> dict[str, Part]:
    row: dict[str, Part] = {"when": answer.when} if answer.when else {}
    row["content"] = answer.content
    if answer.is_error:
        row["is_error"] = True
    if answer.times is not None:
        row["times"] = answer.times
    return row

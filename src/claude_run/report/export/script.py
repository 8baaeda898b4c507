"""What a program has to do to play one conversation: every text filled in, but for what replies decide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from claude_run.conversation.script import generated_turns
from claude_run.conversation.steps import Send, next_step, role_of
from claude_run.conversation.tools import result_block
from claude_run.plan.model_rules import extra_headers
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError
from claude_run.scenario.model import SystemTurn, Text, TextBlock, UserTurn, turn_number
from claude_run.scenario.template import Renderer, RenderError, texts_inside
from claude_run.scenario.template_inspection import plain_pieces, variables_in
from claude_run.scenario.template_language import parse
from claude_run.scenario.vocabulary import Fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from claude_run.conversation.exchange import Request
    from claude_run.conversation.script import Conversation
    from claude_run.scenario.model import Content, Expectation, Json, JsonObject, Position, Save

_SURROGATE = re.compile("[\ud800-\udfff]")
_CUSTOM = frozenset({None, "custom"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The place in a text of what an earlier turn has saved under this name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text that reads what was saved: texts and places, in order."""

    pieces: tuple[str | Saved, ...]


Part: TypeAlias = "bool | int | float | str | Reading | Sequence[Part] | Mapping[str, Part] | None"
"""JSON in which a text may be a `Reading`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of the script as the API takes it."""

    role: str
    content: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Keep what an RE2 pattern finds in a reply: its first group, or the whole match where it has none."""

    name: str
    pattern: str
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTurn:
    """A user turn that gets a reply, with what is said before it and the instructions that follow it.

    `number` is its place in the scenario, counted from 1. `keeps` are in the order of the scenario.
    """

    number: int
    content: Part
    before: tuple[Message, ...] = ()
    instructions: tuple[Part, ...] = ()
    keeps: tuple[Keep, ...] = ()
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What answers a call whose input holds all of `when`, at most `times`."""

    when: JsonObject
    content: Json
    is_error: bool
    times: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One conversation, ready to be written as a program.

    `request` is the body of every request but for its `messages`, as claude-run sends it; `headers` are those
    beside the usual ones. `answers` are the results of tools by name, of which one turn takes `max_rounds`.
    `not_carried` names the kinds of expectations, which only claude-run evaluates.
    """

    name: str
    source: str
    description: str
    request: JsonObject
    headers: Mapping[str, str]
    streamed: bool
    turns: tuple[AskedTurn, ...]
    answers: Mapping[str, tuple[Answer, ...]]
    max_rounds: int
    not_carried: tuple[str, ...]
    position: Position

    @property
    def is_beta(self) -> bool:
        """Whether it is sent to the beta of the Messages API."""
        return "betas" in self.request

    @property
    def tools(self) -> Sequence[JsonObject]:
        """The tools that the model may call."""
        return cast("Sequence[JsonObject]", self.request.get("tools") or ())

    @property
    def has_calls(self) -> bool:
        """Whether a reply may call a tool."""
        return bool(self.tools or self.answers)

    @property
    def may_pause(self) -> bool:
        """Whether a reply may pause: only what runs at the API does."""
        at_api = any(tool.get("type") not in _CUSTOM for tool in self.tools)
        return at_api or "mcp_servers" in self.request

    @property
    def is_plain(self) -> bool:
        """Whether its turns are nothing but contents, one after the other."""
        return not any(
            turn.instructions or turn.keeps or (turn.before and number)
            for number, turn in enumerate(self.turns)
        )

    @property
    def keeps(self) -> tuple[Keep, ...]:
        """All that is kept of the replies."""
        return tuple(keep for turn in self.turns for keep in turn.keeps)


def script_of(conversation: Conversation, *, description: str = "") -> Script:
    """Return the script of a conversation.

    InvalidScenarioError lists, each with its place, all that no program can do as claude-run does it.
    """
    builder = _Builder(conversation)
    try:
        first = builder.first_request()
        turns = tuple(builder.turns())
        answers = builder.answers()
    except RenderError as error:
        place = error.position or conversation.position
        raise InvalidScenarioError([Diagnostic(position=place, message=str(error.reason))]) from error
    if builder.problems:
        raise InvalidScenarioError(builder.problems)
    return Script(
        name=conversation.id,
        source=conversation.identity.path,
        description=description,
        request={name: value for name, value in first.body.items() if name != "messages"},
        headers=extra_headers(conversation.model, first.body),
        streamed=first.streamed,
        turns=turns,
        answers=answers,
        max_rounds=conversation.tool_results.max_rounds,
        not_carried=tuple(dict.fromkeys(_kinds(_expectations(conversation)))),
        position=conversation.position,
    )


class _Builder:
    """Fills in the texts of a conversation, and collects what stands in the way."""

    def __init__(self, conversation: Conversation) -> None:
        self.problems: list[Diagnostic] = []
        self._conversation = conversation
        self._renderer = Renderer(conversation.vars)
        names = (save.name for turn in conversation.turns if isinstance(turn, UserTurn) for save in turn.save)
        self._places = _Places(dict.fromkeys(names), conversation)

    def first_request(self) -> Request:
        """Return the first request; what it holds beside messages is the same in all of them."""
        step = next_step(self._conversation, (), self._renderer)
        if not isinstance(step, Send):
            raise InvalidScenarioError(
                [Diagnostic(position=self._conversation.position, message="no turn of this scenario is sent")]
            )
        if (problem := step.request.problem) is not None:
            self._refuse(self._conversation.position, problem)
        return step.request

    def turns(self) -> Iterator[AskedTurn]:
        """Yield the turns that get a reply, each with the messages that go out with it."""
        turns = self._conversation.turns
        begin = 0
        for index in generated_turns(turns):
            asked = cast("UserTurn", turns[index])
            end = index + 1
            while end < len(turns) and isinstance(turns[end], SystemTurn):
                end += 1
            yield AskedTurn(
                number=turn_number(index),
                before=tuple(
                    Message(role=role_of(turn), content=self._content(turn.content))
                    for turn in turns[begin:index]
                ),
                content=self._content(asked.content),
                instructions=tuple(self._content(turn.content) for turn in turns[index + 1 : end]),
                keeps=tuple(map(self._keep, asked.save)),
                position=asked.position,
            )
            begin = end

    def answers(self) -> Mapping[str, tuple[Answer, ...]]:
        """Return what answers calls, by tool."""
        found: dict[str, tuple[Answer, ...]] = {}
        for name, results in self._conversation.tool_results.by_tool.items():
            rows = []
            for result in results:
                block = result_block("", result, self._renderer)
                when = cast("JsonObject", self._renderer.fill_json(result.when))
                self._check_text([block, when], result.position)
                rows.append(
                    Answer(when=when, content=block["content"], is_error=result.is_error, times=result.times)
                )
            found[name] = tuple(rows)
        return found

    def _content(self, content: Content) -> Part:
        if isinstance(content, Text):
            return self._text(content)
        return [
            {"type": "text", "text": self._text(block.text), **block.extra}
            if isinstance(block, TextBlock)
            else block.value
            for block in content
        ]

    def _text(self, text: Text) -> str | Reading:
        filled = self._renderer.render(text, self._places.stand_ins)
        self._check_text(filled, text.position)
        if not any(use.saved for use in variables_in(text.source).uses):
            return filled
        if plain_pieces(text.source) is None and not _reads_plainly(text.source):
            self._refuse(
                text.position,
                "this text does more with `saved` than to write it, which no exported program does",
                hint="write it as it is, {{ saved.name }}, without a filter or a condition",
            )
        return self._places.reading(filled)

    def _keep(self, save: Save) -> Keep:
        pattern = str(
            self._renderer.fill(
                save.pattern, self._places.stand_ins, into=Fill.PATTERN, position=save.position
            )
        )
        if isinstance(self._places.reading(pattern), Reading):
            self._refuse(
                save.position,
                f"the pattern of `{save.name}` reads what was saved, which no exported program does",
                hint="write what it looks for, or a variable",
            )
        return Keep(name=save.name, pattern=pattern, position=save.position)

    def _check_text(self, value: Json, position: Position) -> None:
        if any(map(_SURROGATE.search, texts_inside(value))):
            message = "this holds half of a surrogate pair, which is not a character and cannot be sent"
            self._refuse(position, message, hint="write the whole character")

    def _refuse(self, position: Position, message: str, *, hint: str | None = None) -> None:
        self.problems.append(Diagnostic(position=position, message=message, hint=hint))


class _Places:
    """Stand-ins for what is saved, by which its places are found again in a text that is filled in."""

    def __init__(self, names: Iterable[str], conversation: Conversation) -> None:
        # No text of the scenario may hold the stand-in by itself.
        taken = repr(conversation)
        mark = next(mark for number in range(len(taken) + 1) if (mark := f"saved{number}q") not in taken)
        self.stand_ins = {name: f"{mark}{number}z" for number, name in enumerate(names)}
        self._names = {stand_in: name for name, stand_in in self.stand_ins.items()}
        self._pattern = re.compile("|".join(map(re.escape, self._names)) or "(?!)")

    def reading(self, text: str) -> str | Reading:
        """Return the text with its places; one without any is the text itself."""
        pieces: list[str | Saved] = []
        end = 0
        for found in self._pattern.finditer(text):
            pieces += (text[end : found.start()], Saved(name=self._names[found.group()]))
            end = found.end()
        pieces.append(text[end:])
        return Reading(pieces=tuple(piece for piece in pieces if piece != "")) if end else text


def _reads_plainly(source: str) -> bool:
    """Return whether a template only writes what was saved, wherever it reads it."""
    from jinja2 import nodes  # noqa: PLC0415 - slow, and few texts read what was saved

    tree = parse(source)
    written = {
        id(part.node)
        for output in tree.find_all(nodes.Output)
        for part in output.nodes
        if isinstance(part, nodes.Getattr | nodes.Getitem)
    }
    return all(id(name) in written for name in tree.find_all(nodes.Name) if name.name == "saved")


def _expectations(conversation: Conversation) -> Iterator[Expectation]:
    for turn in conversation.turns:
        if isinstance(turn, UserTurn):
            yield from turn.expect
    yield from conversation.expect


def _kinds(expectations: Iterable[Expectation]) -> Iterator[str]:
    """Yield the kinds of expectations, those of wrapped ones in place of their wrapper."""
    for expectation in expectations:
        if expectation.children:
            yield from _kinds(expectation.children)
        else:
            yield expectation.kind

"""What a program has to do to play one conversation: every text filled in, but for what replies decide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.output_format import OUTPUT_FORMAT, asked_schema
from claude_run.checks.registry import default_registry
from claude_run.conversation.content import replaced
from claude_run.conversation.script import generated_turns
from claude_run.conversation.steps import Send, next_step, role_of
from claude_run.conversation.tools import result_block
from claude_run.plan.model_rules import extra_headers
from claude_run.report.export import conditions
from claude_run.report.export.patterns import NotCarriedError
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError
from claude_run.scenario.model import SystemTurn, Text, TextBlock, UserTurn, turn_number
from claude_run.scenario.template import RenderError, texts_inside
from claude_run.scenario.template_inspection import plain_pieces, variables_in
from claude_run.scenario.template_language import parse, to_text
from claude_run.scenario.vocabulary import Fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from claude_run.conversation.exchange import Request
    from claude_run.conversation.script import Conversation
    from claude_run.report.export.conditions import Condition
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Content, Expectation, JsonBlock, Position, Save

_SURROGATE = re.compile("[\ud800-\udfff]")
_CARRIED = (
    "contains, equals, starts_with, ends_with, matches, min_words, max_words, max_chars, stop_reason,"
    " refusal, not, any_of, all_of"
)
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

    `number` is its place in the scenario, counted from 1. It is sent where all of its `condition` holds of
    the last reply; what is said before it is a part of the history in any case.
    """

    number: int
    content: Part
    before: tuple[Message, ...] = ()
    instructions: tuple[Part, ...] = ()
    condition: tuple[Condition, ...] = ()
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
    `defaults` stand for what no turn has saved, by its name. `not_carried` names the kinds of expectations,
    which only claude-run evaluates.
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
    defaults: Mapping[str, str]
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
    def may_end_early(self) -> bool:
        """Whether a call that nothing answers may come before the last turn: it ends what can be said."""
        return self.has_calls and len(self.turns) > 1

    @property
    def may_pause(self) -> bool:
        """Whether a reply may pause: only what runs at the API does."""
        at_api = any(tool.get("type") not in _CUSTOM for tool in self.tools)
        return at_api or "mcp_servers" in self.request

    @property
    def is_plain(self) -> bool:
        """Whether its turns are nothing but contents, one after the other."""
        return not any(
            turn.instructions or turn.condition or turn.keeps or (turn.before and number)
            for number, turn in enumerate(self.turns)
        )

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All that decides which turns are sent."""
        return tuple(each for turn in self.turns for each in turn.condition)

    @property
    def reads_reason(self) -> bool:
        """Whether a condition looks at the stop reason of a reply."""
        return any(map(conditions.reads_reason, self.conditions))

    @property
    def heard(self) -> frozenset[int]:
        """The numbers of the turns whose reply is read, by a pattern, or by a condition of a turn to come."""
        numbers = set()
        awaited = False
        for turn in reversed(self.turns):
            if awaited or turn.keeps:
                numbers.add(turn.number)
            # The reply before a turn that may be left out can be the last one after it, too.
            awaited = bool(turn.condition)
        return frozenset(numbers)

    @property
    def has_patterns(self) -> bool:
        """Whether a pattern is looked for in a reply."""
        return bool(self.keeps) or any(map(conditions.matches_in, self.conditions))

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
    # That replies have the form that was asked for is a check, too, though nobody writes it.
    form = [] if asked_schema(conversation.params) is None else [OUTPUT_FORMAT]
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
        defaults=builder.defaults,
        not_carried=tuple(dict.fromkeys([*_kinds(_expectations(conversation)), *form])),
        position=conversation.position,
    )


class _Builder:
    """Fills in the texts of a conversation, and collects what stands in the way."""

    def __init__(self, conversation: Conversation) -> None:
        self.problems: list[Diagnostic] = []
        self.defaults: dict[str, str] = {}
        self._conversation = conversation
        self._renderer = ScriptRenderer(conversation.vars)
        self._registry = default_registry()
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
                condition=tuple(found for each in asked.condition if (found := self._condition(each))),
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
            else self._block(block)
            for block in content
        ]

    def _block(self, block: JsonBlock) -> Part:
        value = block.value
        for path, text in block.texts:
            # A place that is filled in when the program runs stands in the block like any other value.
            filled = cast("Json", self._text(text))
            value = cast("JsonObject", replaced(value, path, filled))
        return value

    def _text(self, text: Text) -> str | Reading:
        text = self._renderer.chosen(text)
        filled = self._renderer.render(text, self._places.stand_ins)
        self._check_text(filled, text.position)
        if not any(use.saved for use in variables_in(text.source).uses):
            return filled
        try:
            defaults = {} if plain_pieces(text.source) is not None else _defaults(text.source)
        except NotCarriedError as error:
            hint = "write it as it is, {{ saved.name }}, or with {{ saved.name | default('...') }}"
            self._refuse(text.position, str(error), hint=hint)
            return filled
        for name, default in defaults.items():
            if self.defaults.setdefault(name, default) != default:
                message = f"`saved.{name}` has two defaults, and an exported program has one"
                self._refuse(text.position, message, hint="write the same one everywhere")
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

    def _condition(self, expectation: Expectation) -> Condition | None:
        """Return one expectation of an `if`; None where it cannot be carried, which is kept as a problem."""
        parts = [found for each in expectation.children if (found := self._condition(each))]
        if len(parts) < len(expectation.children):
            return None
        value = self._registry.rendered(
            expectation.kind,
            expectation.value,
            lambda slot: self._renderer.fill(
                slot.source, self._places.stand_ins, into=slot.into, position=expectation.position
            ),
        )
        hint = f"in an `if` these can be exported: {_CARRIED}"
        if any(isinstance(self._places.reading(text), Reading) for text in texts_inside(value)):
            message = "an `if` that reads `saved` cannot be exported"
            self._refuse(expectation.position, message, hint="write out what it looks for")
            return None
        try:
            return conditions.read(expectation, value, parts)
        except NotCarriedError as error:
            self._refuse(expectation.position, f"{error} cannot be exported", hint=hint)
            return None

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


def _defaults(source: str) -> Mapping[str, str]:
    """Return what stands in a template for what was not saved, by name.

    NotCarriedError where it does more with what was saved than to write it.
    """
    from jinja2 import nodes  # noqa: PLC0415 - slow, and few texts do more than to read a variable

    tree = parse(source)
    written = [part for output in tree.find_all(nodes.Output) for part in output.nodes]
    plain: set[int] = set()
    defaults: dict[str, str] = {}
    for part in written:
        read = part.node if isinstance(part, nodes.Filter) else part
        if not isinstance(read, nodes.Getattr):
            continue
        if isinstance(part, nodes.Filter):
            given = [each.value for each in part.args if isinstance(each, nodes.Const)]
            if part.name not in {"d", "default"} or len(given) != 1 or part.kwargs:
                continue
            if defaults.setdefault(read.attr, to_text(given[0])) != to_text(given[0]):
                raise NotCarriedError(
                    f"`saved.{read.attr}` has two defaults, and an exported program has one"
                )
        plain.add(id(read.node))
    if any(id(name) not in plain for name in tree.find_all(nodes.Name) if name.name == "saved"):
        raise NotCarriedError("this does more with `saved` than to write it, which no exported program does")
    return defaults


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

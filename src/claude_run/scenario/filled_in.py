"""Every case filled in before anything is sent: what is refused in a text is refused in what it becomes.

What a reply will say is not known yet. Where a text reads a saved reply, several stand-ins take its place,
and only what goes wrong with each of them is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from claude_run.scenario.model import Text, TextBlock, UserTurn
from claude_run.scenario.patterns import PatternError, check_pattern
from claude_run.scenario.settings import Settings
from claude_run.scenario.template import Renderer, RenderError, texts_inside
from claude_run.scenario.template_inspection import plain_pieces, variables_in
from claude_run.scenario.template_language import is_template
from claude_run.scenario.tools import CALLS_TOOL, tool_names, unknown_tool
from claude_run.scenario.vocabulary import Fill, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.model import (
        Case,
        Content,
        Expectation,
        Position,
        Save,
        Scenario,
        ToolResult,
        Turn,
        Variant,
    )
    from claude_run.scenario.vocabulary import Vocabulary

MAX_WORK = 5_000_000
"""How many pieces of text all cases together may have: half a minute of work, or 100,000 cases of 50."""

# What it costs to fill in a template that needs Jinja2, in pieces of a plain text.
_RUNNING = 30
_STAND_INS = ("some text of a reply, which is long enough for most", "1" * 50, "0.5", "")


class Report(Protocol):
    """Where problems go."""

    def __call__(self, position: Position, message: str, hint: str | None, /) -> None:
        """Take a problem, with its place and what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Something that is filled in: `find` says what is wrong with it for the variables of one case.

    `what` it is called, and which variables it reads. `work` says how much it costs each time.
    """

    position: Position
    what: str
    names: frozenset[str]
    reads_saved: bool
    work: int
    find: Callable[[Renderer, Mapping[str, str]], Problem | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledIn:
    """Fills in a scenario whose texts have no problem by themselves, case by case.

    `overrides` are the variables of `--set`.
    """

    scenario: Scenario
    vocabulary: Vocabulary
    overrides: Mapping[str, str]

    def check(self, report: Report) -> None:
        """Report what cannot be sent or evaluated once its variables are filled in."""
        scenario = self.scenario
        every = Settings(
            shared=scenario.vars, cases=scenario.cases, variants=scenario.variants, overrides=self.overrides
        )
        # What belongs to all conversations, then each script with the cases that are played with it.
        self._check(report, list(self._shared_parts()), every)
        own = tuple(case for case in scenario.cases if case.turns is None)
        self._check(report, list(self._parts_of(scenario.turns)), every.of(cases=own))
        for case in scenario.cases:
            parts = [
                *self._parts_of(case.turns or ()),
                *chain.from_iterable(map(self._expected, case.expect)),
            ]
            self._check(report, parts, every.of(cases=(case,)))

    def _check(self, report: Report, parts: Sequence[_Part], settings: Settings) -> None:
        first = next((variables for *_, variables in settings.each()), None) if parts else None
        if first is None:
            return
        # What reads no variable that differs is the same everywhere.
        several: Iterator[Case | Variant] = chain(settings.cases, settings.variants)
        differing = frozenset(name for each in several for name in each.vars) - self.overrides.keys()
        shared = [part for part in parts if part.names.isdisjoint(differing)]
        for part, problem in self._problems(shared, first):
            report(part.position, f"{part.what} {problem.message}", problem.hint)

        # What does is told at the case or the variant; the same in every one is the fault of the text.
        varied = [part for part in parts if not part.names.isdisjoint(differing)]
        number = len(settings.cases) * len(settings.variants)
        if (work := number * sum(part.work for part in varied)) > MAX_WORK:
            message = (
                f"the texts of this scenario have {work:,} pieces to fill in over all of its cases, and at"
                f" most {MAX_WORK:,} can be looked at"
            )
            report(self.scenario.position, message, "divide the cases among several scenarios")
            return
        found: dict[tuple[Position, str], list[tuple[Case, Variant, _Part, Problem]]] = {}
        for case, variant, variables in settings.each() if varied else ():
            for part, problem in self._problems(varied, variables):
                found.setdefault((part.position, problem.message), []).append((case, variant, part, problem))
        for together in found.values():
            _, _, part, problem = together[0]
            if len(together) == number:
                report(part.position, f"{part.what} {problem.message}", problem.hint)
                continue
            told: set[Position] = set()
            for case, variant, part, problem in together:
                by_case = not part.names.isdisjoint(case.vars)
                place = (case if by_case else variant).position or part.position
                if place not in told:
                    told.add(place)
                    report(place, f"{part.what} at {part.position} {problem.message}", problem.hint)

    def _problems(self, parts: Iterable[_Part], variables: JsonObject) -> Iterator[tuple[_Part, Problem]]:
        renderer = Renderer(variables)
        for part in parts:
            if not part.reads_saved:
                problem = part.find(renderer, {})
            else:
                problem = self._with_stand_ins(part, renderer)
            if problem is not None:
                yield part, problem

    def _with_stand_ins(self, part: _Part, renderer: Renderer) -> Problem | None:
        turns = (turn for turn in self.scenario.turns_of_all if isinstance(turn, UserTurn))
        names = [save.name for turn in turns for save in turn.save]
        # What differs from one stand-in to the next is about the reply, which nobody knows yet.
        found = {part.find(renderer, dict.fromkeys(names, stand_in)) for stand_in in _STAND_INS}
        return found.pop() if len(found) == 1 else None

    def _shared_parts(self) -> Iterator[_Part]:
        scenario = self.scenario
        systems = [scenario.system, *(each.system for each in scenario.variants if each.overrides_system)]
        for text in _texts(systems):
            # A block of the system prompt that is empty in some case is left out there.
            yield from self._part("the text", text.position, _sources(text), _text(text, may_be_blank=True))
        for results in scenario.tool_results.by_tool.values():
            for result in results:
                yield from self._answered(result)
        for expectation in scenario.expect:
            yield from self._expected(expectation)

    def _parts_of(self, turns: Iterable[Turn]) -> Iterator[_Part]:
        for turn in turns:
            for text in _texts([turn.content]):
                yield from self._part("the text", text.position, _sources(text), _text(text))
            if isinstance(turn, UserTurn):
                yield from self._of_reply(turn)

    def _answered(self, result: ToolResult) -> Iterator[_Part]:
        for text in _texts([result.content]):
            find = _text(text, may_be_blank=True)
            yield from self._part("the result", text.position, [text.source], find)

        def find_json(renderer: Renderer, _: Mapping[str, str]) -> Problem | None:
            try:
                renderer.fill_json([result.when, result.json])
            except RenderError as error:
                return _unfilled(error)
            return None

        sources = texts_inside([result.when, result.json])
        yield from self._part("the result", result.position, sources, find_json)

    def _of_reply(self, turn: UserTurn) -> Iterator[_Part]:
        if turn.example is not None:
            yield from self._part(
                "the example", turn.example.position, [turn.example.source], _text(turn.example)
            )
        for save in turn.save:
            yield from self._part("the pattern", save.position, [save.pattern], _pattern(save))
        for expectation in (*turn.condition, *turn.expect):
            yield from self._expected(expectation)

    def _expected(self, expectation: Expectation) -> Iterator[_Part]:
        for child in expectation.children:
            yield from self._expected(child)
        kind, value, vocabulary = expectation.kind, expectation.value, self.vocabulary
        sources = [slot.source for slot in vocabulary.templates(kind, value)]
        names = tool_names(self.scenario.params_of_all)

        def find(renderer: Renderer, saved: Mapping[str, str]) -> Problem | None:
            try:
                filled = vocabulary.rendered(
                    kind, value, lambda slot: renderer.fill(slot.source, saved, into=slot.into)
                )
            except RenderError as error:
                return _unfilled(error)
            for problem in vocabulary.filled_problems(kind, filled):
                message = f"cannot be evaluated: {problem.message}"
                return Problem(path=(), message=message, hint=problem.hint)
            return unknown_tool(filled, names) if kind == CALLS_TOOL else None

        yield from self._part(f"`{kind}`", expectation.position, sources, find)

    def _part(
        self,
        what: str,
        position: Position,
        sources: Iterable[str],
        find: Callable[[Renderer, Mapping[str, str]], Problem | None],
    ) -> Iterator[_Part]:
        """Yield what is to be filled in where any of its texts is a template."""
        templates = [source for source in sources if is_template(source)]
        if not templates:
            return
        pieces = [plain_pieces(source) for source in templates]
        uses = [use for source in templates for use in variables_in(source).uses]
        yield _Part(
            position=position,
            what=what,
            names=frozenset(use.name for use in uses if not use.saved),
            reads_saved=any(use.saved for use in uses),
            work=sum(_RUNNING if plain is None else len(plain) for plain in pieces),
            find=find,
        )


def _sources(text: Text) -> Sequence[str]:
    return [text.source, *(version.source for version in text.versions.values())]


def _texts(contents: Iterable[Content | None]) -> Iterator[Text]:
    for content in contents:
        if isinstance(content, Text):
            yield content
            continue
        for block in content or ():
            if isinstance(block, TextBlock):
                yield block.text
            else:
                yield from (text for _, text in block.texts)


def _text(
    text: Text, *, may_be_blank: bool = False
) -> Callable[[Renderer, Mapping[str, str]], Problem | None]:
    def find(renderer: Renderer, saved: Mapping[str, str]) -> Problem | None:
        try:
            filled = renderer.render(text, saved)
        except RenderError as error:
            return _unfilled(error)
        # Which of its branches says something may hang on a reply.
        computed = any(plain_pieces(source) is None for source in _sources(text))
        if filled.strip() or may_be_blank or (saved and computed):
            return None
        hint = "give its variables a value: the API refuses a text of nothing but white space"
        return Problem(path=(), message="is empty", hint=hint)

    return find


def _pattern(save: Save) -> Callable[[Renderer, Mapping[str, str]], Problem | None]:
    def find(renderer: Renderer, saved: Mapping[str, str]) -> Problem | None:
        try:
            check_pattern(str(renderer.fill(save.pattern, saved, into=Fill.PATTERN)))
        except RenderError as error:
            return _unfilled(error)
        except PatternError as error:
            return Problem(path=(), message=f"is not valid: {error}", hint="see the syntax of RE2")
        return None

    return find


def _unfilled(error: RenderError) -> Problem:
    hint = "mend the text, or the values of its variables"
    return Problem(path=(), message=f"cannot be filled in: {error.reason}", hint=hint)

"""Whether expectations can fail, and whether they hold of a good reply, tried on replies that are made up.

A reply that says nothing is one that no test of an answer should let pass: an empty one, an evasion, a
refusal, the question itself, the answer to another question. What passes on all of them sees nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice, product
from typing import TYPE_CHECKING

from claude_run.checks.output_format import asked_schema, judge_output
from claude_run.checks.subject import Subject
from claude_run.conversation.results import Status
from claude_run.conversation.usage import Usage
from claude_run.scenario.diagnostics import Diagnostic
from claude_run.scenario.model import Case, Text, TextBlock, UserTurn
from claude_run.scenario.settings import variables_of
from claude_run.scenario.template import Renderer, RenderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.checks.registry import Registry
    from claude_run.conversation.results import CheckResult
    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.model import Expectation, Position, Scenario

_PROSE = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore. "
)
_SIGNS = '# Notes\n\n* item 1: **bold** `code`, 42 % of "all"\n* {"a": [1]} <b>x</b> https://a.example \u20ac'
NULL_REPLIES = (
    "",
    "I don't know.",
    "I'm sorry, but I can't help with that.",
    (_PROSE * 15).strip(),
    _SIGNS,
)
"""What a model may say that answers no question: prose is as long as most replies, some 240 words, and the
last holds the signs that an expectation may forbid."""

# What only bounds a text from above lets nothing pass for being right.
_BOUNDS = frozenset({"max_words", "max_chars"})
_MOST_CASES = 10_000  # cases of a scenario whose examples are tried
_MOST_NULL = 20  # cases that are tried on replies that say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of it: the `problems` found, how many expectations were `tried`, and which kinds were not.

    `cases_left_out` is how many cases were too many to be tried.
    """

    problems: tuple[Diagnostic, ...]
    tried: int
    untried: tuple[str, ...]
    cases_left_out: int = 0


def vacuous(scenario: Scenario, registry: Registry, overrides: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Yield a warning for each expectation that passes on every reply that says nothing, in every case."""
    for script in islice(_scripts(scenario), _MOST_CASES):
        cases = script.cases[:_MOST_NULL] or (Case(),)
        trials = [_CaseTrial(script, registry, overrides, case) for case in cases]
        for index, expectations in trials[0].parts:
            yield from _vacuous_in_all(trials, expectations, dict.fromkeys(trials, NULL_REPLIES), index)
        yield from _escapable(script)


def _escapable(script: Scenario) -> Iterator[Diagnostic]:
    """Yield a warning where every expectation of a script is on turns that may be left out."""
    asked = [turn for turn in script.turns if isinstance(turn, UserTurn) and turn.expect]
    if asked and not script.expect and all(turn.condition for turn in asked):
        yield Diagnostic(
            position=asked[0].expect[0].position,
            message="everything that is expected stands in turns with an `if`: where none of them is sent,"
            " the conversation passes unchecked",
            hint="expect something of a turn that is always sent, or of the conversation",
        )


def try_examples(scenario: Scenario, registry: Registry, overrides: Mapping[str, str]) -> Trial:
    """Try every expectation on the example of its turn, which must pass, and on replies that say nothing.

    Of those the question itself and the example of another case are two. What is expected of the whole
    conversation is tried where every turn has an example.
    """
    trials = [_try_script(script, registry, overrides) for script in islice(_scripts(scenario), _MOST_CASES)]
    problems = {problem.position: problem for trial in reversed(trials) for problem in trial.problems}
    return Trial(
        problems=tuple(sorted(problems.values(), key=lambda problem: problem.position)),
        tried=sum(trial.tried for trial in trials),
        untried=tuple(dict.fromkeys(kind for trial in trials for kind in trial.untried)),
        cases_left_out=sum(trial.cases_left_out for trial in trials),
    )


def _scripts(scenario: Scenario) -> Iterator[Scenario]:
    """Yield the scenario with the cases that share its script, and for each other case one of its own."""
    sharing = tuple(replace(case, expect=()) for case in scenario.cases if case.turns is None)
    if sharing or not scenario.cases:
        yield replace(scenario, cases=sharing)
    for case in scenario.cases:
        if case.turns is not None:
            expected = (*scenario.expect, *case.expect)
            yield replace(scenario, cases=(case,), turns=case.turns, expect=expected)
        elif case.expect:
            # What the script expects of its turns is tried with all cases that share it.
            asked = (
                replace(turn, expect=()) if isinstance(turn, UserTurn) else turn for turn in scenario.turns
            )
            yield replace(scenario, cases=(case,), turns=tuple(asked), expect=case.expect)


def _try_script(scenario: Scenario, registry: Registry, overrides: Mapping[str, str]) -> Trial:
    cases = scenario.cases[:_MOST_CASES] or (Case(),)
    trials = [_CaseTrial(scenario, registry, overrides, case) for case in cases]
    problems: dict[Position, Diagnostic] = {}
    for trial in trials:
        for problem in trial.wrong():
            problems.setdefault(problem.position, problem)
    few, parts = trials[:_MOST_NULL], trials[0].parts
    for index, expectations in parts:
        nulls: dict[_CaseTrial, Sequence[str]] = {}
        for trial in few:
            own = trial.examples.get(index)
            others = (text for each in few if (text := each.examples.get(index)) not in {None, own})
            nulls[trial] = (*NULL_REPLIES, *trial.said(index), *islice(filter(None, others), 1))
        for problem in _vacuous_in_all(few, expectations, nulls, index):
            problems.setdefault(problem.position, problem)
    asked = [each for _, expectations in parts for each in expectations]
    untried = [kind for each in asked for kind in trials[0].untried_in(each)]
    return Trial(
        problems=tuple(problems.values()),
        tried=sum(not any(trials[0].untried_in(each)) for each in asked),
        untried=tuple(dict.fromkeys(untried)),
        cases_left_out=max(0, len(scenario.cases) - _MOST_CASES),
    )


def _vacuous_in_all(
    trials: Sequence[_CaseTrial],
    expectations: Sequence[Expectation],
    replies: Mapping[_CaseTrial, Sequence[str]],
    index: int | None,
) -> Iterator[Diagnostic]:
    """Yield what passes on all of these replies in each of the cases.

    A bound does so only where nothing else is expected, and the conversation's bound where no turn expects
    anything. What denies something, or holds only under a condition, is left in peace.
    """
    beside = [each for _, other in trials[0].parts for each in other] if index is None else expectations
    alone = all(_bounds(each) for each in beside)
    for expectation in expectations:
        if (
            _denies(expectation)
            or any(trials[0].untried_in(expectation))
            or (_bounds(expectation) and not alone)
        ):
            continue
        if all(trial.passes(expectation, replies[trial]) for trial in trials):
            what = f"`{_name(expectation)}`"
            if _bounds(expectation) and len(beside) == 1:
                what += " alone"
            yield Diagnostic(
                position=expectation.position,
                message=f'{what} passes on every reply: an empty one, "I don\'t know.", a refusal',
                hint="expect what a right reply holds and a wrong one does not",
            )


class _CaseTrial:
    """One case of a scenario, with the examples of its turns by their index."""

    def __init__(
        self, scenario: Scenario, registry: Registry, overrides: Mapping[str, str], case: Case
    ) -> None:
        self._scenario, self._registry, self._case = scenario, registry, case
        self.parts = tuple(_parts(scenario))
        # One variant is enough to see whether expectations can fail.
        variables = variables_of(scenario.vars, case, scenario.variants[0], overrides)
        self._renderer = Renderer(variables)
        self.saved: dict[str, str] = {}
        self.examples: dict[int | None, str] = {}
        self._unsaved: list[Diagnostic] = []
        self._play()

    def _play(self) -> None:
        """Fill the examples in, turn by turn: a later one may read what was saved of those before."""
        asked = [(n, turn) for n, turn in enumerate(self._scenario.turns) if isinstance(turn, UserTurn)]
        sent: list[int] = []
        for index, turn in asked:
            # A turn that does not fit the example before it is no part of the conversation of examples.
            before = self.examples.get(sent[-1]) if sent else None
            if before is None or all(self.passes(each, [before]) for each in turn.condition):
                sent.append(index)
            with suppress(RenderError):  # what hangs on a reply without an example is not known
                if turn.example is None:
                    continue
                text = self.examples[index] = self._renderer.render(turn.example, self.saved)
                for save in turn.save:
                    if (found := self._renderer.extract(save, text, self.saved)) is not None:
                        self.saved[save.name] = found
                        continue
                    message = (
                        f"`save` finds nothing for `{save.name}` in the example of its own turn{self._named}"
                    )
                    hint = "mend the example, or the pattern"
                    self._unsaved.append(Diagnostic(position=save.position, message=message, hint=hint))
        if sent and all(index in self.examples for index in sent):
            self.examples[None] = "\n\n".join(self.examples[index] for index in sent)

    @property
    def _named(self) -> str:
        several = len(self._scenario.cases) > 1
        return f" in case `{self._case.id}`" if several and self._case.id is not None else ""

    def said(self, index: int | None) -> Iterator[str]:
        """Yield the text that a turn asks with, as far as it is known."""
        turn = self._scenario.turns[index] if index is not None else None
        content = turn.content if turn else ()
        blocks = [content] if isinstance(content, Text) else content
        texts = [each.text if isinstance(each, TextBlock) else each for each in blocks]
        with suppress(RenderError):
            written = [self._renderer.render(each, self.saved) for each in texts if isinstance(each, Text)]
            if written:
                yield "\n".join(written)

    def wrong(self) -> Iterator[Diagnostic]:
        """Yield what fails on the example of its own turn."""
        yield from self._unsaved
        for index, expectations in self.parts:
            if (text := self.examples.get(index)) is None:
                continue
            if index is not None:
                yield from self._formless(index, text)
            for expectation in expectations:
                if any(self.untried_in(expectation)):
                    continue
                result = self._result(expectation, text)
                if result.status is Status.FAILED:
                    whose = (
                        "the example of its own turn" if index is not None else "the examples of all turns"
                    )
                    yield Diagnostic(
                        position=expectation.position,
                        message=f"`{_name(expectation)}` fails on {whose}{self._named}: {result.message}",
                        hint="mend the example, or what is expected of it",
                    )

    def _formless(self, index: int, text: str) -> Iterator[Diagnostic]:
        """Yield the example that fits none of the schemas, where every variant and model asks for one."""
        turn, schemas = self._scenario.turns[index], _schemas(self._scenario)
        if None in schemas or not isinstance(turn, UserTurn) or turn.example is None:
            return
        found = [judge_output(schema, text) for schema in schemas if schema is not None]
        if all(each.status is Status.FAILED for each in found):
            yield Diagnostic(
                position=turn.example.position,
                message=f"the example{self._named} is not what `output_config` asks for: {found[0].message}",
                hint="mend the example, or the schema",
            )

    def passes(self, expectation: Expectation, replies: Sequence[str]) -> bool:
        """Return whether an expectation passes on all of these replies."""
        results = (self._result(expectation, reply) for reply in replies)
        return all(result.status is Status.PASSED for result in results)

    def untried_in(self, expectation: Expectation) -> Iterator[str]:
        """Yield the kinds in an expectation that look at more than a text, as what is made up has no more."""
        if self._registry.reads(expectation.kind) != "text":
            yield expectation.kind
        for child in expectation.children:
            yield from self.untried_in(child)

    def _result(self, expectation: Expectation, text: str) -> CheckResult:
        subject = Subject(
            text=text,
            stop_reason="end_turn",
            latency_s=0.0,
            cost_usd=Decimal(0),
            usage=Usage(),
            content=({"type": "text", "text": text},),
        )
        return self._registry.evaluate(
            expectation,
            subject,
            lambda slot: self._renderer.fill(slot.source, self.saved, into=slot.into),
        )


def _parts(scenario: Scenario) -> Iterator[tuple[int | None, Sequence[Expectation]]]:
    """Yield what is expected of each turn, and with None of the whole conversation."""
    for index, turn in enumerate(scenario.turns):
        if isinstance(turn, UserTurn):
            yield index, turn.expect
    yield None, scenario.expect


def _schemas(scenario: Scenario) -> list[JsonObject | None]:
    """Return the schema that replies must fit for each variant on each model, None where there is none."""
    models = scenario.models or (None,)
    return [
        asked_schema({**scenario.params, **variant.params, **(model.params if model else {})})
        for variant, model in product(scenario.variants, models)
    ]


def _bounds(expectation: Expectation) -> bool:
    """Return whether an expectation bounds a text from above, or lets a bound do in place of something."""
    if expectation.kind == "any_of":
        return any(map(_bounds, expectation.children))
    if expectation.kind == "all_of":
        return all(map(_bounds, expectation.children))
    return expectation.kind in _BOUNDS


def _denies(expectation: Expectation) -> bool:
    """Return whether an expectation says, by itself or in a part, what a reply must not be."""
    return expectation.kind == "not" or any(map(_denies, expectation.children))


def _name(expectation: Expectation) -> str:
    return expectation.label or expectation.kind

"""`judge`: what a model says about a reply; asked for by the player, and read here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.checks.arguments import (
    describe,
    is_list,
    is_object,
    key_problems,
    slots,
    strings,
    text_problems,
)
from claude_run.checks.excerpt import cut_message, short
from claude_run.checks.judge_question import GradeMode, Question, digest
from claude_run.checks.kind import Check, Finding, errored, failed, passed
from claude_run.conversation.script import JUDGE
from claude_run.scenario.model import UserTurn
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Fill, Problem, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from claude_run.checks.subject import Subject
    from claude_run.conversation.script import Conversation
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Expectation, Scenario

NAME = JUDGE
_KEYS = (*GradeMode, "about", "by")


def _problems(value: Json) -> Sequence[Problem]:
    if not is_object(value):
        return text_problems(value)
    return (*key_problems(value, _KEYS), *_mode_problems(value), *_by_problems(value))


def _mode_problems(value: JsonObject) -> Iterator[Problem]:
    modes = [mode for mode in GradeMode if mode in value]
    if len(modes) != 1:
        hint = "write one of rubric, question or at_least_as_good_as"
        yield Problem(path=(), message="it is not clear what is to be judged", hint=hint)
        return
    mode = modes[0]
    if mode is GradeMode.PAIRWISE:
        if value[mode] != "baseline":
            yield Problem(
                path=(mode,), message="a reply can be held against the baseline only", hint="write baseline"
            )
        if "about" in value:
            yield from text_problems(value["about"], ("about",))
    else:
        yield from text_problems(value[mode], (mode,))
        if "about" in value:
            yield Problem(
                path=("about",), message="`about` goes with at_least_as_good_as only", hint="remove it"
            )


def _by_problems(value: JsonObject) -> Iterator[Problem]:
    by = value.get("by", "the scenario's judge")
    for path, named in strings(by, ("by",)):
        if is_template(named):
            message = "the model of a judge is not filled in: what a run asks is known before it begins"
            yield Problem(path=path, message=message, hint="write the model out")
    if isinstance(by, str):
        yield from text_problems(by, ("by",))
        return
    if not is_list(by):
        yield Problem(
            path=("by",), message=f"`by` is a model or a list of models, not {describe(by)}", hint=None
        )
        return
    if not by:
        yield Problem(
            path=("by",), message="the list of judges is empty", hint="name a model, or remove `by`"
        )
    for index, model in enumerate(by):
        yield from text_problems(model, ("by", index))


def _templates(value: Json) -> Sequence[Slot]:
    if isinstance(value, str):
        return slots(value, Fill.PROSE)
    # Which models are asked is known before anything is sent, so that `by` is no template.
    keys = (GradeMode.RUBRIC, GradeMode.QUESTION, "about")
    written = {str(key): value[key] for key in keys if key in value} if is_object(value) else {}
    return slots(written, Fill.PROSE)


def _evaluate(value: Json, subject: Subject) -> Finding:
    question = Question.read(value)
    grade = subject.grades.get(digest(question))
    expected = short(question.text)
    if grade is None:
        return errored("no judge was asked about this reply", expected=expected)
    if grade.passed is None:
        return errored(f"no verdict: {cut_message(grade.reason)}", expected=expected)
    verdict = passed if grade.passed else failed
    word = "pass" if grade.passed else "fail"
    return verdict(f"the judge says {word}: {cut_message(grade.reason)}", expected=expected, actual=word)


_TEXT: JsonObject = {"type": "string", "minLength": 1}


def judges_of(conversation: Conversation) -> tuple[str, ...]:
    """Return the models that will be asked about a conversation, one for each answer."""
    graders = conversation.judge.models if conversation.judge else ()
    models: list[str] = []
    for question in _questions_about(conversation):
        models += (question.by or graders) * (2 if question.mode is GradeMode.PAIRWISE else 1)
    return tuple(models)


def unjudged(scenario: Scenario) -> Iterator[Expectation]:
    """Yield the expectations of a scenario that name no model of their own to judge."""
    return (each for each in _judged_in(scenario) if not Question.read(each.value).by)


def named_judges(scenario: Scenario) -> Iterator[str]:
    """Yield the models that single expectations of a scenario are judged by."""
    return (model for each in _judged_in(scenario) for model in Question.read(each.value).by)


def _judged_in(scenario: Scenario) -> Iterator[Expectation]:
    return _judged(scenario.expectations_on_all)


def asks_for_accepted(conversation: Conversation) -> bool:
    """Return whether a reply is to be held against the baseline's."""
    return any(question.mode is GradeMode.PAIRWISE for question in _questions_about(conversation))


def _questions_about(conversation: Conversation) -> Iterator[Question]:
    yield from _questions(conversation.expect)
    for turn in conversation.turns:
        yield from _questions(turn.expect) if isinstance(turn, UserTurn) else ()


def _questions(expectations: Iterable[Expectation]) -> Iterator[Question]:
    return (Question.read(expectation.value) for expectation in _judged(expectations))


def _judged(expectations: Iterable[Expectation]) -> Iterator[Expectation]:
    for expectation in expectations:
        yield from _judged(expectation.children)
        if expectation.kind == NAME:
            yield expectation


CHECKS = (
    Check(
        name=NAME,
        schema={
            "description": (
                "A model judges: a rubric, a question whose answer must be yes, or whether the reply is at"
                " least as good as the baseline's. The model is `judge: {model: ...}` of the scenario, or"
                " those of `by`, of which most must agree."
            ),
            "anyOf": [
                _TEXT,
                {
                    "type": "object",
                    "properties": {
                        "rubric": {
                            **_TEXT,
                            "description": "What a good reply is like.",
                            "examples": ["Polite, and states the status of the order."],
                        },
                        "question": {
                            **_TEXT,
                            "description": "A question whose answer must be yes.",
                            "examples": ["Does the answer name the status of the order?"],
                        },
                        "at_least_as_good_as": {
                            "const": "baseline",
                            "description": "The accepted reply of the baseline, which it is held against.",
                            "examples": ["baseline"],
                        },
                        "about": {
                            **_TEXT,
                            "description": "In what it must be as good; in all where it is left out.",
                            "examples": ["tone"],
                        },
                        "by": {
                            "anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}],
                            "description": "The model that judges, or several, of which most must agree.",
                            "examples": ["claude-opus-5-5"],
                        },
                    },
                    "additionalProperties": False,
                    "oneOf": [{"required": [mode]} for mode in GradeMode],
                    "dependentRequired": {"about": ["at_least_as_good_as"]},
                },
            ],
        },
        example="The answer is polite and states the order's status.",
        problems=_problems,
        evaluate=_evaluate,
        templates=_templates,
    ),
)

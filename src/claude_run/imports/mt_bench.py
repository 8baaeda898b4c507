"""MT-Bench question files: one question a line, with its turns and, for some, reference answers.

The format is that of `question.jsonl` of FastChat's `llm_judge`: `question_id`, `category`, `turns`, and
`reference` where there is one answer that is right. A grade from 1 to 10 is what no scenario gives.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from claude_run.imports.drafts import Draft, Names, case_id, fits
from claude_run.imports.rows import note_unknown, rows
from claude_run.scenario.template_language import literal
from claude_run.scenario.vocabulary import name_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.imports.drafts import Given
    from claude_run.imports.rows import Row
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.source import Source

_KEYS = frozenset({"question_id", "category", "turns", "reference"})
_GOOD = "The reply does all that the user asks, correctly, and in a way that helps."
_RIGHT = "The reply is right, and agrees with this reference answer: "


def read_mt_bench(source: Source, given: Given) -> Sequence[Draft]:
    """Return one scenario with a case for each question: its id, its category as a tag, its turns.

    A turn is judged, against the reference where there is one, which is the turn's example too.
    """
    losses, names = given.losses, Names()
    cases: list[JsonObject] = []
    for row in rows(source, losses):
        case = _case(row, given, names)
        if case is not None and not fits(case):
            losses.drop(row.position, "turns", "this question is too large for a scenario", hint="shorten it")
        elif case is not None:
            cases.append(case)
    if not cases:
        return ()
    message = "a grade from 1 to 10 is not carried over: the judge passes each reply, or fails it"
    losses.change(source.position(0), "turns", message, hint="see docs/how-to/judge-replies.md")
    head: dict[str, Json] = {
        "description": f"The questions of {PurePath(source.path).name}, imported by claude-run.",
        "model": given.model,
        "judge": {"model": given.judge},
    }
    return (Draft(stem=given.stem, head=head, cases=tuple(cases)),)


def _case(row: Row, given: Given, names: Names) -> JsonObject | None:
    losses, value = given.losses, row.value
    turns, references = value.get("turns"), value.get("reference", [])
    if not isinstance(turns, list) or not turns or not all(_is_said(each) for each in turns):
        message = "this question is left out: `turns` must be a list of texts that say something"
        losses.drop(row.place("turns"), "turns", message)
        return None
    if not isinstance(references, list) or not all(isinstance(each, str) for each in references):
        losses.drop(row.place("reference"), "reference", "`reference` is not a list of texts")
        references = []
    note_unknown(row, value.keys() - _KEYS, losses, "{} means nothing to a scenario")
    if len(references) > len(turns):
        losses.drop(row.place("reference"), "reference", "there are more reference answers than turns")

    case: dict[str, Json] = {"id": names.take(case_id(value.get("question_id"), default=f"line-{row.line}"))}
    category = value.get("category")
    if isinstance(category, str) and name_problem(category) is None:
        case["tags"] = [category]
    elif category is not None:
        losses.drop(row.place("category"), "category", "this category cannot be a tag")
    padded = [*references, *[""] * len(turns)]
    case["turns"] = [_turn(str(text), str(answer)) for text, answer in zip(turns, padded, strict=False)]
    return case


def _turn(text: str, reference: str) -> JsonObject:
    turn: dict[str, Json] = {"user": literal(text)}
    if not reference.strip():
        return {**turn, "expect": [{"judge": _GOOD}]}
    return {**turn, "expect": [{"judge": _RIGHT + literal(reference)}], "example": literal(reference)}


def _is_said(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())

"""`within`: expectations on a part of the reply, such as what stands in a tag."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from claude_run.checks.arguments import describe, is_object, key_problems, slots
from claude_run.checks.excerpt import quote, short
from claude_run.checks.kind import TURN_ONLY, Check, Finding, failed, passed
from claude_run.checks.nearest import beginning
from claude_run.checks.text_checks import pattern_problems
from claude_run.scenario.keys import PART, WITHIN
from claude_run.scenario.patterns import search
from claude_run.scenario.vocabulary import Fill, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import Slot

_HINT = "write {pattern: '(?s)<answer>(.*?)</answer>', expect: [{contains: yes}]}"


def part_of(value: Json, subject: Subject) -> Subject | None:
    """Return the part of a reply that the first match shows, as a subject of its own; None without a match.

    The part is the first group of the pattern, or the whole match where it has none.
    """
    found = search(_pattern(value), subject.text)
    if found is None:
        return None
    text = (found.first_group or "") if found.has_group else found.whole
    block: JsonObject = {"type": "text", "text": text}
    return replace(subject, text=text, content=(block,), name="the part of the reply")


def _pattern(value: Json) -> str:
    return str(cast("JsonObject", value)["pattern"])


def _evaluate(value: Json, subject: Subject) -> Finding:
    """Say whether there is such a part; what is expected of it is evaluated by whoever knows all kinds."""
    pattern = _pattern(value)
    if part_of(value, subject) is not None:
        return passed(f"{subject.name} has a part that matches {quote(pattern)}", expected=short(pattern))
    start = beginning(subject.text)
    message = f"no part of {subject.name} matches the pattern {quote(pattern)}; {start.clause}"
    return failed(message, expected=short(pattern), actual=short(start.excerpt))


def _problems(value: Json) -> Sequence[Problem]:
    if not is_object(value):
        message = f"`{WITHIN}` must be an object, not {describe(value)}"
        return (Problem(path=(), message=message, hint=_HINT),)
    if "pattern" not in value:
        return (Problem(path=(), message=f"`{WITHIN}` has no `pattern`", hint=_HINT),)
    of_pattern = (replace(one, path=("pattern",)) for one in pattern_problems(value["pattern"]))
    return (*key_problems(value, tuple(PART)), *of_pattern)


def _templates(value: Json) -> Sequence[Slot]:
    if not is_object(value) or not isinstance(value.get("pattern"), str):
        return ()
    return slots({"pattern": value["pattern"]}, Fill.PATTERN)


CHECKS = (
    Check(
        name=WITHIN,
        schema={
            "description": "Expectations on a part of the reply: the first group of the first match of an "
            "RE2 pattern, or the whole match where it has no group. Without a match it fails. What looks at "
            "more than a text (judges, tool calls, costs) stands beside it.",
            "type": "object",
            # What stands in `expect` is read as any other list of expectations.
            "properties": {"pattern": dict(PART["pattern"].schema), "expect": {}},
            "required": ["pattern"],
            "additionalProperties": False,
        },
        example={
            "pattern": "(?s)<answer>(.*?)</answer>",
            "expect": [{"contains": "shipped"}, {"max_words": 20}],
        },
        problems=_problems,
        evaluate=_evaluate,
        templates=_templates,
        scopes=TURN_ONLY,
        reads="text",
    ),
)

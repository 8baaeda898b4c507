"""Labelled replies, for measuring a judge: each becomes a conversation whose reply is already there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import NAME
from claude_run.conversation.identity import Identity
from claude_run.conversation.script import Conversation
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError
from claude_run.scenario.model import Expectation, Graders, Position, Text, UserTurn
from claude_run.text.strict_json import DuplicateKeyError, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KEYS = frozenset({"prompt", "reply", "rubric", "question", "label", "id"})
_LABELS = {"pass": True, "fail": False}
_HINT = 'write {"prompt": ..., "reply": ..., "rubric": ..., "label": "pass"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A conversation of one turn to be judged, the reply that it got, and what a person said of it."""

    conversation: Conversation
    reply: str
    label: bool


def read_labels(path: str, judges: Sequence[str]) -> tuple[Labelled, ...]:
    """Read a JSON Lines file of labelled replies.

    Each line holds `reply`, `label` (pass or fail), one of `rubric` and `question`, and may hold `prompt`
    (what was asked) and `id`. InvalidScenarioError lists every line that does not fit.
    """
    problems: list[Diagnostic] = []
    found: dict[str, Labelled] = {}
    for number, line in enumerate(_lines(path), start=1):
        position = Position(path=path, line=number, column=1)
        if not line.strip():
            continue
        value, problem = _object(line)
        name = str(value.get("id", number))
        if problem is None and (name in found or "/" in name):
            problem = f"the id {name!r} is there already, or holds a slash"
        if problem is not None:
            problems.append(Diagnostic(position=position, message=problem, hint=_HINT, source_line=line))
        else:
            found[name] = _labelled(value, name, position=position, judges=judges)
    if problems or not found:
        empty = Diagnostic(
            position=Position(path=path, line=1, column=1), message="there is no labelled reply", hint=_HINT
        )
        raise InvalidScenarioError(problems or [empty])
    return tuple(found.values())


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        position = Position(path=path, line=1, column=1)
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"the file cannot be read: {reason}"
        problem = Diagnostic(position=position, message=message, hint="check the path")
        raise InvalidScenarioError([problem]) from error


def _object(line: str) -> tuple[Mapping[str, object], str | None]:
    """Return the object that a line holds, and what is wrong with it."""
    try:
        value = read_json(line, unique_keys=True)
    except DuplicateKeyError as error:
        return {}, str(error)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not value:
        return {}, "this line is not a JSON object"
    return value, _problem(value)


def _problem(value: Mapping[str, object]) -> str | None:
    unknown = sorted(set(value) - _KEYS)
    if unknown:
        return f"unknown key `{unknown[0]}`"
    if ("rubric" in value) == ("question" in value):
        return "exactly one of `rubric` and `question` is needed"
    needed = ("reply", "rubric" if "rubric" in value else "question")
    texts = {**{name: value.get(name) or None for name in needed}, "prompt": value.get("prompt", "")}
    wrong = next((name for name, text in texts.items() if not isinstance(text, str)), None)
    if wrong is not None:
        return f"`{wrong}` must be text"
    if value.get("label") not in tuple(_LABELS):
        return "`label` must be pass or fail"
    return None


def _labelled(
    value: Mapping[str, object], name: str, *, position: Position, judges: Sequence[str]
) -> Labelled:
    form = "rubric" if "rubric" in value else "question"
    # Texts of the file come in as values: those are data, whatever braces they hold.
    expectation = Expectation(kind=NAME, value={form: "{{ criterion }}"}, position=position)
    prompt = Text(source="{{ prompt }}", position=position)
    return Labelled(
        conversation=Conversation(
            identity=Identity(
                id=f"judge-eval/{name}",
                scenario="judge-eval",
                path=position.path,
                case=name,
                model=judges[0],
                model_label=judges[0],
            ),
            position=position,
            vars={"prompt": str(value.get("prompt", "")), "criterion": str(value[form])},
            params={"max_tokens": 1},
            cache="off",
            turns=(UserTurn(content=prompt, expect=(expectation,), position=position),),
            judge=Graders(models=tuple(judges)),
        ),
        reply=str(value["reply"]),
        label=_LABELS[str(value["label"])],
    )

"""Expectations: which kind, its value, its label, and the wrappers around others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario import keys
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.fields import is_own, mapping, sequence, text
from claude_run.scenario.model import Expectation
from claude_run.scenario.refused import refused_kind
from claude_run.scenario.yaml_nodes import Entry, MappingNode, ScalarNode, UnknownNode, descend, to_json

if TYPE_CHECKING:
    from claude_run.scenario.reading import Reading
    from claude_run.scenario.vocabulary import Problem
    from claude_run.scenario.yaml_nodes import Node

_HINT = "write `- contains: text`, one expectation in each entry of the list"


def expectations(
    reading: Reading, entry: Entry, *, turn: int, on_conversation: bool
) -> tuple[Expectation, ...]:
    """Read the list under `expect`; `turn` is the number of turns whose saved values its texts can read."""
    nodes = sequence(reading.report, entry.value, what=f"`{entry.key}`", hint=_HINT) or ()
    read = [_expectation(reading, node, turn=turn, on_conversation=on_conversation) for node in nodes]
    return tuple(expectation for expectation in read if expectation is not None)


def _expectation(reading: Reading, node: Node, *, turn: int, on_conversation: bool) -> Expectation | None:
    whole = mapping(reading.report, node, what="an expectation", hint=_HINT)
    if whole is None:
        return None
    entry = _kind(reading, whole)
    label_entry = whole.get("label")
    label = text(reading.report, label_entry) if label_entry else None
    if entry is None:
        return None
    if entry.key in keys.WRAPPERS:
        children = _children(reading, entry, turn=turn, on_conversation=on_conversation)
        return Expectation(kind=entry.key, children=children, label=label, position=entry.position)
    _check_value(reading, entry, on_conversation=on_conversation)
    _keep_templates(reading, entry, turn=turn)
    return Expectation(kind=entry.key, value=to_json(entry.value), label=label, position=entry.position)


def _kind(reading: Reading, whole: MappingNode) -> Entry | None:
    kinds = [entry for entry in whole.entries if entry.key != "label" and not is_own(entry.key)]
    known = [entry for entry in kinds if _is_known(reading, entry)]
    if not kinds:
        reading.report.node(whole, "this expectation is empty", hint=_HINT)
    for extra in known[1:]:
        message = f"`{extra.key}` needs an entry of its own: this one is `{known[0].key}`"
        reading.report.key(extra, message, hint=f"write it as `- {extra.key}: ...`")
    return known[0] if known else None


def _is_known(reading: Reading, entry: Entry) -> bool:
    kinds = reading.vocabulary.kinds()
    if entry.key in kinds:
        return True
    refusal = refused_kind(entry.key)
    close = did_you_mean(entry.key, [*kinds, "label"])
    if refusal:
        reading.report.key(entry, refusal.message, hint=refusal.hint)
    else:
        hint = f"did you mean `{close}`?" if close else f"known: {', '.join(kinds)}"
        reading.report.key(entry, f"unknown expectation `{entry.key}`", hint=hint)
    return False


def _children(reading: Reading, entry: Entry, *, turn: int, on_conversation: bool) -> tuple[Expectation, ...]:
    if entry.key != "not":
        return expectations(reading, entry, turn=turn, on_conversation=on_conversation)
    if not isinstance(entry.value, MappingNode | UnknownNode):
        message = "`not` must be one expectation"
        reading.report.key(entry, message, hint="write `not: {contains: text}`, or wrap a list in `any_of`")
        return ()
    child = _expectation(reading, entry.value, turn=turn, on_conversation=on_conversation)
    return (child,) if child else ()


def _check_value(reading: Reading, entry: Entry, *, on_conversation: bool) -> None:
    if isinstance(entry.value, UnknownNode):
        return
    value = to_json(entry.value)
    for problem in reading.vocabulary.problems(entry.key, value, on_conversation=on_conversation):
        _report(reading, entry, problem)


def _report(reading: Reading, entry: Entry, problem: Problem) -> None:
    found = descend(entry.value, problem.path)
    place = found if isinstance(found, Entry) else entry
    node = found.value if isinstance(found, Entry) else found
    # An empty value has no characters to point at, and what is unknown is the key, not its value.
    is_empty = isinstance(node, ScalarNode) and node.value is None
    if is_empty or (isinstance(found, Entry) and problem.message.startswith("unknown ")):
        reading.report.key(place, problem.message, hint=problem.hint)
    else:
        reading.report.node(node, problem.message, hint=problem.hint)


def _keep_templates(reading: Reading, entry: Entry, *, turn: int) -> None:
    for path, template in reading.vocabulary.templates(entry.key, to_json(entry.value)):
        found = descend(entry.value, path)
        node = found.value if isinstance(found, Entry) else found
        if isinstance(node, ScalarNode):
            reading.template(template, node, turn=turn)

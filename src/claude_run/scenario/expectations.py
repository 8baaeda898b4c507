"""Expectations: which kind, its value, its label, and the wrappers around others."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from claude_run.scenario import keys
from claude_run.scenario.fields import conforms, is_own, mapping, meant, sequence, text
from claude_run.scenario.foreign_words import expectation_hint, own_check_hint
from claude_run.scenario.model import Expectation
from claude_run.scenario.template_inspection import is_one_tag
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Fill
from claude_run.scenario.yaml_tree import (
    Entry,
    MappingNode,
    ScalarNode,
    UnknownNode,
    descend,
    to_json,
    to_looked_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.vocabulary import Place, Problem
    from claude_run.scenario.yaml_tree import Node

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")
_HINT = "write `- contains: text`, one expectation in each entry of the list"


def expectations(context: ReadContext, entry: Entry, *, turn: int, place: Place) -> tuple[Expectation, ...]:
    """Read the list under `expect`; `turn` is the number of turns whose saved values its texts can read.

    One expectation may stand there without a list, and a text in the list is one that the reply contains.
    """
    if isinstance(entry.value, MappingNode):
        nodes: Sequence[Node] = (entry.value,)
    else:
        nodes = sequence(context.report, entry.value, what=f"`{entry.key}`", hint=_HINT) or ()
        if _is_cut_at_commas(context, entry.value, nodes):
            hint = "put each text in quotes, or write `- contains: text`, one in each line"
            context.report.node(nodes[0], "a comma ends a text inside [ ]", hint=hint)
            return ()
        nodes = [_worded(context, node) for node in nodes]
    read = [_expectation(context, node, turn=turn, place=place) for node in nodes]
    return tuple(expectation for expectation in read if expectation is not None)


def _is_cut_at_commas(context: ReadContext, whole: Node, nodes: Sequence[Node]) -> bool:
    """Return whether bare texts stand in brackets, where nobody can tell one with a comma from two.

    A word with `_` in it is the name of an expectation, or a slip of one, and no part of a sentence.
    """
    source = context.report.source
    bare = [node for node in nodes if isinstance(node, ScalarNode) and not node.style]
    texts = [
        node
        for node in bare
        if isinstance(node.value, str)
        and not context.vocabulary.knows(node.value)
        and not ("_" in node.value and _WORD.fullmatch(node.value))
    ]
    return bool(texts) and len(nodes) > 1 and source.text.startswith("[", source.index_of(whole.position))


def _worded(context: ReadContext, node: Node) -> Node:
    """Return a text in the list as what it is short for: `contains`, or the kind of this name."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        return node
    kind, value = "contains", node
    if not node.style and (_WORD.fullmatch(node.value) or context.vocabulary.knows(node.value)):
        # A word alone is the name of a kind; one that nobody knows is a slip of it, and no text.
        kind, value = node.value, replace(node, value=True)
    return MappingNode(
        position=node.position, entries=(Entry(key=kind, position=node.position, value=value),)
    )


def _expectation(context: ReadContext, node: Node, *, turn: int, place: Place) -> Expectation | None:
    whole = mapping(context.report, node, what="an expectation", hint=_HINT)
    if whole is None:
        return None
    entry = _kind(context, whole)
    label_entry = whole.get("label")
    label = text(context.report, label_entry) if label_entry else None
    must = _must(context, whole)
    if entry is None:
        return None
    if entry.key in keys.WRAPPERS:
        children = _children(context, entry, turn=turn, place=place)
        _report_inner_must(context, entry, children)
        return Expectation(kind=entry.key, children=children, label=label, must=must, position=entry.position)

    value = _value(context, entry, turn=turn, place=place)
    children = ()
    if entry.key == keys.WITHIN and isinstance(entry.value, MappingNode):
        children = _of_part(context, entry.value, turn=turn)
        _report_inner_must(context, entry, children)
        value = {"pattern": cast("Mapping[str, Json]", value).get("pattern")}
    return Expectation(
        kind=entry.key, value=value, children=children, label=label, must=must, position=entry.position
    )


def _of_part(context: ReadContext, node: MappingNode, *, turn: int) -> tuple[Expectation, ...]:
    """Read what is expected of a part of the reply."""
    expect = node.get("expect")
    if expect is None:
        context.report.node(node, "`within` has no `expect`", hint="write {pattern: '...', expect: [...]}")
        return ()
    return expectations(context, expect, turn=turn, place="part")


def _report_inner_must(context: ReadContext, entry: Entry, children: Iterable[Expectation]) -> None:
    if any(child.must for child in children):
        hint = f"write `must: true` beside `{entry.key}`"
        message = f"`must` belongs to the whole expectation, and not to what stands in `{entry.key}`"
        context.report.key(entry, message, hint=hint)


def _value(context: ReadContext, entry: Entry, *, turn: int, place: Place) -> Json:
    """Return the value of an expectation, whose texts are kept for the check of their variables."""
    # Those who know the kind say what is wrong with its value, and which texts in it are templates.
    value = to_looked_for(entry.value)
    if not isinstance(entry.value, UnknownNode):
        is_word = entry.value.position == entry.position
        for problem in context.vocabulary.problems(entry.key, value, place=place):
            if is_word and problem.message.startswith("this must be "):
                # Nobody has written the value that is refused: it is a word alone.
                hint = f"write `{entry.key}: ...`"
                context.report.key(entry, f"`{entry.key}` has no value", hint=hint)
            else:
                _report(context, entry, problem)
    for slot in context.vocabulary.templates(entry.key, value):
        found = descend(entry.value, slot.path)
        node = found.value if isinstance(found, Entry) else found
        if isinstance(node, ScalarNode):
            context.template(slot.source, node, turn=turn)
            if slot.into is Fill.PATTERN and "\\Q" in slot.source and is_template(slot.source):
                hint = "values are escaped already: leave \\Q and \\E out"
                context.report.node(node, "a value inside of \\Q would be escaped twice", hint=hint)
            elif slot.into is Fill.PATTERN and is_one_tag(slot.source):
                # Whoever has a pattern in a variable would look for its text, and never know.
                context.warn(
                    node,
                    "this pattern is one value, and each of its characters stands for itself",
                    hint=f"`contains: '{slot.source}'` says the same; a pattern is written out here",
                )
    return value


def _must(context: ReadContext, whole: MappingNode) -> bool:
    entry = whole.get("must")
    if entry is None or not conforms(context.report, entry.value, keys.MUST.schema, what="`must`"):
        return False
    return to_json(entry.value) is True


def _kind(context: ReadContext, whole: MappingNode) -> Entry | None:
    kinds = [entry for entry in whole.entries if entry.key not in keys.EXPECTATION and not is_own(entry.key)]
    known = [entry for entry in kinds if _is_known(context, entry)]
    if not kinds:
        context.report.node(whole, "this expectation is empty", hint=_HINT)
    for extra in known[1:]:
        message = f"`{extra.key}` needs an entry of its own: this one is `{known[0].key}`"
        context.report.key(extra, message, hint=f"write it as `- {extra.key}: ...`")
    return known[0] if known else None


def _is_known(context: ReadContext, entry: Entry) -> bool:
    if context.vocabulary.knows(entry.key):
        return True
    kinds = context.vocabulary.kinds()
    context.report.key(
        entry,
        f"unknown expectation `{entry.key}`",
        hint=lambda: (
            # A slip of a name that says no is that name, before it is the opposite of another one.
            meant(entry.key, [kind for kind in kinds if kind[:3] == entry.key[:3] == "no_"])
            or expectation_hint(entry.key, kinds)
            or meant(entry.key, [*kinds, *keys.EXPECTATION])
            or own_check_hint(kinds)
        ),
    )
    return False


def _children(context: ReadContext, entry: Entry, *, turn: int, place: Place) -> tuple[Expectation, ...]:
    if entry.key != "not":
        return expectations(context, entry, turn=turn, place=place)
    if not isinstance(entry.value, MappingNode | UnknownNode):
        message = "`not` must be one expectation"
        context.report.key(entry, message, hint="write `not: {contains: text}`, or wrap a list in `any_of`")
        return ()
    child = _expectation(context, entry.value, turn=turn, place=place)
    return (child,) if child else ()


def _report(context: ReadContext, entry: Entry, problem: Problem) -> None:
    found = descend(entry.value, problem.path)
    place = found if isinstance(found, Entry) else entry
    node = found.value if isinstance(found, Entry) else found
    # An empty value has no characters to point at, and what is unknown is the key, not its value.
    is_empty = isinstance(node, ScalarNode) and node.value is None
    if is_empty or (isinstance(found, Entry) and problem.message.startswith("unknown ")):
        context.report.key(place, problem.message, hint=problem.hint)
    else:
        context.report.node(node, problem.message, hint=problem.hint)

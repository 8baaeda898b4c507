"""Variables that stand where nothing is filled in: the model, or a check, would get their braces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claude_run.scenario.fields import is_own
from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Case
    from claude_run.scenario.yaml_tree import Node

_TAG = re.compile(r"\{\{-?\s*(saved\s*\.\s*)?([A-Za-z_][A-Za-z0-9_]*)")
_FOR_READERS = frozenset({"description"})
_DATA = frozenset({"vars", "cases"})

_IN_VALUE = "a variable in the value of a variable stays as it is written: values are data"
_VALUE_HINT = "write the text where it is sent, and give each variable its own value"
_ELSEWHERE = "a variable stays as it is written here: nothing is filled in"
_HINT = "texts of turns, `system`, `example`, `save` and expectations are filled in; write the value out here"


def warn_of_literals(
    scripts: Sequence[ReadContext],
    root: MappingNode,
    cases: Iterable[Case],
    *,
    names: frozenset[str],
    used: Collection[str],
) -> None:
    """Warn of each text of a scenario that names one of its variables and is not filled in.

    It stands in the file with the tree `root`, whose texts the `scripts` have read, or in a table of `cases`
    as the value of a variable that is `used`; `names` are all variables.
    """
    context = scripts[0]
    source, saved = context.report.source, {name for script in scripts for name in script.saves}
    filled_in = {id(template.scalar) for script in scripts for template in script.templates}
    for node, is_data in _texts(root) if "{{" in source.text else ():
        found = None if id(node) in filled_in else _named(str(node.value), names, saved)
        if found is not None:
            index = source.text.find("{{", node.start, node.end)
            place = source.position(index) if index >= 0 else node.position
            message, hint = (_IN_VALUE, _VALUE_HINT) if is_data else (_ELSEWHERE, _HINT)
            source.report(context.warnings, place, message, hint=hint, length=len(found))

    for case in cases:
        if case.position is None or case.position.path == source.path:
            continue
        values = (value for name, value in case.vars.items() if name in used)
        if any(_named(text, names, saved) for text in _strings(values)):
            table = context.sources[case.position.path]
            table.report(context.warnings, case.position, _IN_VALUE, hint=_VALUE_HINT)


def _named(text: str, names: Collection[str], saved: Collection[str]) -> str | None:
    """Return the begin of the first tag that names a variable; None where there is none."""
    if "{{" not in text:
        return None
    tags = _TAG.finditer(text)
    return next((tag[0] for tag in tags if tag[2] in (saved if tag[1] else names)), None)


def _texts(root: MappingNode) -> Iterator[tuple[ScalarNode, bool]]:
    """Yield the texts of a scenario, and whether each is the value of a variable."""
    waiting: list[tuple[Node, bool]] = [
        (entry.value, entry.key in _DATA)
        for entry in reversed(root.entries)
        if entry.key not in _FOR_READERS and not is_own(entry.key)
    ]
    while waiting:
        node, is_data = waiting.pop()
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            yield node, is_data
        elif isinstance(node, ListNode):
            waiting.extend((item, is_data) for item in reversed(node.items))
        elif isinstance(node, MappingNode):
            waiting.extend((each.value, is_data) for each in reversed(node.entries) if not is_own(each.key))


def _strings(values: Iterable[Json]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from _strings(value)
        elif isinstance(value, dict):
            yield from _strings(value.values())

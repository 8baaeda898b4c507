"""`foo.yaml:12`: a scenario by a line of its file, or the case that is written there."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from claude_run.scenario.model import Position, Scenario
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Node

# A column may follow, as in the places that messages name; it says no more than the line.
_WITH_LINE = re.compile(r"(?s)(.+?):([0-9]{1,9})(?::[0-9]{1,9})?")

# Between the last text of a value and a bracket that is closed may stand a comma, blanks and comments.
_CLOSING = re.compile(r"(?:(?:[\s,]|#[^\n]*\n)*+[\]}])+")


def split_line(path: str) -> tuple[str, int | None]:
    """Return the file and the line that a path names; None for no line, as where a file is called so."""
    found = _WITH_LINE.fullmatch(path)
    if found is None or os.path.lexists(path):
        return path, None
    return found[1], int(found[2])


def picks_lines(paths: Iterable[str], files: Mapping[str, object]) -> bool:
    """Return whether any of the paths of a run, whose `files` were played, names a line."""
    return any(path not in files and _WITH_LINE.fullmatch(path) for path in paths)


def last_line(source: Source) -> int:
    """Return the number of the last line of a file that holds anything, be it a line break."""
    return source.position(max(0, len(source.text) - 1)).line


def at_lines(scenario: Scenario, root: Node, source: Source, lines: Iterable[int]) -> Scenario:
    """Return the scenario with the cases that these lines lie in.

    It stays whole where a line lies in none of its cases, and where they stand in a file of their own.
    """
    chosen: set[Position] = set()
    for line in lines:
        found = list(_cases_at(root, source, line))
        if not found:
            return scenario
        chosen.update(found)
    return replace(scenario, cases=tuple(case for case in scenario.cases if case.position in chosen))


def _cases_at(root: Node, source: Source, line: int) -> Iterator[Position]:
    """Yield where the cases begin that a line lies in: several where they stand beside each other on it.

    What stands between two of them, such as a comment, belongs to the one below.
    """
    entry = root.get("cases") if isinstance(root, MappingNode) else None
    if entry is None or not isinstance(entry.value, ListNode) or line <= entry.position.line:
        return
    start = source.index(line)
    ends = ((_closed(_end(each, source), source), each.position) for each in entry.value.items)
    first = next((position for end, position in ends if end > start), None)
    for position in (each.position for each in entry.value.items):
        if position == first or position.line == line:
            yield position


def _closed(end: int, source: Source) -> int:
    """Return the index behind the brackets that are closed behind a value's last text."""
    brackets = _CLOSING.match(source.text, end)
    return brackets.end() if brackets else end


def _end(node: Node, source: Source) -> int:
    """Return the index in the file behind the last text in a value."""
    if isinstance(node, ScalarNode):
        return node.end
    values = [each.value for each in node.entries] if isinstance(node, MappingNode) else []
    values = list(node.items) if isinstance(node, ListNode) else values
    return max((_end(each, source) for each in values), default=source.index_of(node.position) + 1)

"""Cases: sets of variables, written in the scenario or in a CSV, JSONL or YAML file."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from claude_run.scenario import keys
from claude_run.scenario.case_files import read_csv, read_jsonl
from claude_run.scenario.case_rows import CaseSet, Row, finish, variables_of
from claude_run.scenario.content import file_path
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.fields import Reporter, is_own, known, mapping, name, sequence
from claude_run.scenario.files import MAX_DATA, FileProblemError
from claude_run.scenario.yaml_nodes import MappingNode, to_json
from claude_run.scenario.yaml_source import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.scenario.reading import Reading
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_nodes import Entry, Node


def cases(reading: Reading, entry: Entry) -> CaseSet:
    """Read `cases`: a list, or `{file: path}`. Cases with problems are left out of the result."""
    if isinstance(entry.value, MappingNode):
        return _from_file(reading, entry.value)
    nodes = (
        sequence(reading.report, entry.value, what="`cases`", hint="write a list, or {file: cases.csv}") or ()
    )
    rows = [_inline(reading.report, node, number) for number, node in enumerate(nodes, 1)]
    return finish([row for row in rows if row is not None], reading.report.problems)


def _inline(report: Reporter, node: Node, number: int) -> Row | None:
    whole = mapping(report, node, what="a case", hint="write `- {id: name, vars: {item: value}}`")
    if whole is None:
        return None
    entries = known(report, whole, keys=keys.CASE, what="a case")
    case = name(report, entries["id"]) if "id" in entries else None
    if case is None and "id" in entries:
        return None
    variables = variables_of(report, entries["vars"]) if "vars" in entries else {}
    return Row.of_entries(whole, variables, source=report.source, case=case, number=number)


def _from_file(reading: Reading, node: MappingNode) -> CaseSet:
    entry = file_path(reading, node, what="`cases`")
    if entry is None:
        return CaseSet()
    path = str(to_json(entry.value))
    try:
        rows = reading.file(entry.value, lambda: _read(reading, path))
    except InvalidScenarioError as error:
        reading.problems.extend(error.diagnostics)
        return CaseSet()
    if not rows:
        if rows is not None:
            reading.report.node(entry.value, f"{path} holds no case", hint="add a case, or remove `cases`")
        return CaseSet()
    return finish(rows, reading.problems)


def _read(reading: Reading, path: str) -> list[Row]:
    readers: dict[str, Callable[[Source], list[Row]]] = {
        ".csv": read_csv,
        ".jsonl": read_jsonl,
        ".yaml": _read_yaml,
        ".yml": _read_yaml,
    }
    reader = readers.get(PurePath(path).suffix.lower())
    if reader is None:
        raise FileProblemError(f"{path} is of no known kind", f"use a file that ends in {', '.join(readers)}")
    return reader(reading.files.text(path, limit=MAX_DATA))


def _read_yaml(source: Source) -> list[Row]:
    document = parse(source)
    report = Reporter(source)
    report.problems.extend(document.problems)
    nodes = sequence(report, document.root, what="a file of cases") or ()
    rows = [_flat_or_nested(report, node, number) for number, node in enumerate(nodes, 1)]
    if report.problems:
        raise InvalidScenarioError(report.problems)
    return [row for row in rows if row is not None]


def _flat_or_nested(report: Reporter, node: Node, number: int) -> Row | None:
    whole = mapping(report, node, what="a case")
    if whole is None:
        return None
    own = {entry.key for entry in whole.entries if not is_own(entry.key)}
    nested = whole.get("vars")
    if nested is not None and isinstance(nested.value, MappingNode) and own <= set(keys.CASE):
        variables = variables_of(report, nested)
    else:
        variables = {entry.key: entry for entry in whole.entries if entry.key != "id"}
    case = whole.get("id")
    value = to_json(case.value) if case else None
    return Row.of_entries(whole, variables, source=report.source, case=value, number=number)

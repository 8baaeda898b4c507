"""Reading the trees of a configuration: values with their places, references followed, files opened."""

from __future__ import annotations

import csv
import io
import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from claude_run.imports.rows import rows
from claude_run.scenario.diagnostics import InvalidScenarioError, Problems, found_out
from claude_run.scenario.files import MAX_TEXT, FileProblemError
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import Entry, ListNode, MappingNode, ScalarNode, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.imports.drafts import Given
    from claude_run.imports.losses import Losses
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Position
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Node

CODE = frozenset({".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".sh", ".go"})
"""How the files end that are programs: they are named, and never run."""

_MAX_FILES = 1000
_MAX_REFERENCES = 20
_FILE = "file://"


class Tree:
    """The configuration, and whatever it names in other files."""

    def __init__(self, source: Source, given: Given) -> None:
        self.given = given
        self.losses = given.losses
        self._files = 0
        self.root = self._parse(source)

    def value(self, entry: Entry | None) -> Node | None:
        """Return the value of a key with a `$ref` in it followed."""
        return None if entry is None else self.followed(entry.value)

    def followed(self, node: Node) -> Node:
        """Return what a `$ref: '#/...'` into the configuration leads to; the node itself where it is none."""
        for _ in range(_MAX_REFERENCES):
            reference = node.get("$ref") if isinstance(node, MappingNode) else None
            path = text_of(reference)
            if path is None or not path.startswith("#/"):
                return node
            found: Node | None = self.root
            for step in path[2:].split("/"):
                entry = found.get(step) if isinstance(found, MappingNode) else None
                found = entry.value if entry is not None else None
            if found is None:
                self.losses.drop(reference or node, "$ref", f"`{path}` leads nowhere")
                return node
            node = found
        self.losses.drop(node, "$ref", "these references lead round in a circle")
        return ScalarNode(position=node.position, value=None, style="", start=0, end=0)

    def items(self, node: Node | None) -> Sequence[Node]:
        """Return the entries of a list, references followed; a value that is no list is its only entry."""
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            return ()
        return tuple(map(self.followed, node.items)) if isinstance(node, ListNode) else (node,)

    def file_name(self, node: Node | None) -> str | None:
        """Return the path behind `file://`; None for any other value."""
        text = text_of(node)
        if text is None or not text.startswith(_FILE):
            return None
        return text.removeprefix(_FILE).removeprefix("./")

    def is_code(self, name: str) -> bool:
        """Return whether a file is a program; a function in it may be named behind a colon."""
        return PurePosixPath(name.partition(":")[0]).suffix in CODE

    def open(self, name: str, place: Node | Entry, key: str, *, limit: int = MAX_TEXT) -> Source | None:
        """Return a file; None where it cannot be read, which is noted."""
        self._files += 1
        if self._files > _MAX_FILES:
            self.losses.drop(
                place, key, f"more than {_MAX_FILES} files are named", hint="import a part of them"
            )
            return None
        if "{{" in name:
            self.losses.drop(place, key, f"the path {name} is a template", hint="write the path out")
            return None
        try:
            return self.losses.know(self.given.library.text(name, limit=limit))
        except FileProblemError as error:
            self.losses.drop(place, key, error.message, hint=found_out(error.hint))
        except InvalidScenarioError as error:
            problem = error.diagnostics[0]
            self.losses.drop(place, key, f"{name} cannot be read: {problem.message}", hint=problem.hint)
        return None

    def matching(self, name: str) -> Sequence[str]:
        """Return the files that a path names, which may be a pattern."""
        return self.given.library.matching(name) if any(sign in name for sign in "*?[") else (name,)

    def loaded(self, name: str, place: Node | Entry, key: str) -> Node | None:
        """Return the tree of a YAML or JSON file; None where it cannot be read, which is noted."""
        source = self.open(name, place, key)
        if source is None:
            return None
        try:
            return self._parse(source)
        except InvalidScenarioError as error:
            problem = error.diagnostics[0]
            where = f"{problem.position.line}:{problem.position.column}"
            message = f"{name} cannot be read: {where}: {problem.message}"
            self.losses.drop(place, key, message, hint=problem.hint)
            return None

    def _parse(self, source: Source) -> Node:
        document = parse(self.losses.know(source))
        if document.problems:
            raise InvalidScenarioError(Problems(document.problems.shown))
        return document.root


def csv_rows(source: Source, losses: Losses) -> Iterator[tuple[Position, Mapping[str, str]]]:
    """Yield the rows of a CSV file by its header, each with the place of its line."""
    reader = csv.reader(io.StringIO(source.text, newline=""))
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            place = source.position(source.index(line))
            line = reader.line_num + 1
            if not header:
                header = [name.strip() for name in cells]
                for name in {name for name in header if header.count(name) > 1}:
                    losses.drop(place, name, f"the column `{name}` stands twice: the first one is not read")
            elif any(cells):
                if len(cells) > len(header):
                    losses.drop(
                        place, "row", "this row has more cells than the header: the last are left out"
                    )
                padded = [*cells, *[""] * len(header)]
                yield place, dict(zip(header, padded, strict=False))
    except csv.Error as error:
        message = f"this is not CSV that can be read, from here on: {error}"
        losses.drop(source.position(source.index(line)), "row", message)


def jsonl_nodes(source: Source, given: Given) -> Iterator[Node]:
    """Yield the rows of a JSONL file as trees, all of whose values stand where the row begins."""
    return (from_json(row.value, row.position) for row in rows(source, given.losses))


def from_json(value: Json, position: Position) -> Node:
    """Return JSON as a tree, all of it at one place."""
    if isinstance(value, dict):
        entries = tuple(
            Entry(key=key, position=position, value=from_json(part, position)) for key, part in value.items()
        )
        return MappingNode(position=position, entries=entries)
    if isinstance(value, list):
        return ListNode(position=position, items=tuple(from_json(part, position) for part in value))
    return ScalarNode(position=position, value=value, style='"', start=0, end=0)  # type: ignore[arg-type] # all else is a scalar


def text_of(node: Node | Entry | None) -> str | None:
    """Return a text; None for any other value."""
    inner = node.value if isinstance(node, Entry) else node
    return inner.value if isinstance(inner, ScalarNode) and isinstance(inner.value, str) else None


def as_text(value: Json) -> str | None:
    """Return a text, number or boolean as JavaScript writes it; None for any other value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value) if isinstance(value, int | float) else None


def number_of(node: Node | Entry | None) -> float | None:
    """Return a number, also where it is written as a text; None for any other value."""
    inner = node.value if isinstance(node, Entry) else node
    value = inner.value if isinstance(inner, ScalarNode) else None
    if isinstance(value, bool):
        return None
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def json_of(node: Node | Entry | None) -> Json:
    """Return a value as JSON; null for none."""
    inner = node.value if isinstance(node, Entry) else node
    return None if inner is None else to_json(inner)

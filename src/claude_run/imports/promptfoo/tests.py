"""Tests: written out or in files, with what all of them share, each with its variables and asserts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import chain, product
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from claude_run.imports.promptfoo.nodes import (
    csv_rows,
    from_json,
    json_of,
    jsonl_nodes,
    number_of,
    text_of,
)
from claude_run.scenario.files import MAX_DATA
from claude_run.scenario.yaml_tree import ListNode, MappingNode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.imports.promptfoo.nodes import Tree
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Position
    from claude_run.scenario.yaml_tree import Entry, Node

MAX_COMBINATIONS = 1000
"""How many tests one test with lists of values may become."""

MAX_TESTS = 20_000
"""How many tests a configuration may have, with all combinations."""

_KEYS = frozenset({"description", "vars", "assert", "options", "metadata", "threshold"})
_SCENARIO = frozenset({"config", "tests", "description"})
_EXPECTED = re.compile(r"__expected[0-9]*")
_COMPACT = re.compile(r"\s*((?:not-)?[a-z][a-z0-9-]*)(?:\(([0-9.]+)\))?:\s*(.*)", re.DOTALL)
_COMPACT_KINDS = frozenset(
    {"contains", "icontains", "equals", "starts-with", "ends-with", "regex", "is-json", "contains-json"}
    | {"contains-any", "contains-all", "icontains-any", "icontains-all", "llm-rubric", "g-eval", "factuality"}
    | {"model-graded-closedqa", "similar", "answer-relevance", "latency", "cost", "levenshtein", "rouge-n"}
    | {"javascript", "python", "ruby", "webhook", "is-refusal", "word-count", "fn", "eval", "file", "grade"}
)
_OLD_KINDS = {"fn": "javascript", "eval": "javascript", "file": "javascript", "grade": "llm-rubric"}
_LISTED = frozenset({"contains-any", "contains-all", "icontains-any", "icontains-all"})
_BINARY = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".mp4", ".mp3", ".wav", ".xlsx", ".xls"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test: `own` asserts, and those of all tests unless it wants none of `shared`.

    `places` says where the variables are written.
    """

    place: Node
    description: str | None = None
    vars: Mapping[str, Json] = field(default_factory=dict)
    places: Mapping[str, Position] = field(default_factory=dict)
    own: tuple[Node, ...] = ()
    shared: tuple[Node, ...] = ()
    threshold: float | None = None
    conversation: str | None = None
    prefix: str = ""
    suffix: str = ""
    tags: tuple[str, ...] = ()


def tests(
    tree: Tree, nodes: Sequence[Node], shared: Node | None, scenarios: Sequence[Node]
) -> Iterator[Test]:
    """Yield the tests, with what `defaultTest` says filled in; lists of values become one test each.

    Those of `scenarios` come after the others: each of their configurations with each of their tests.
    """
    reader = _Reader(tree)
    default = reader.test(shared, Test(place=tree.root)) if shared is not None else Test(place=tree.root)
    base = replace(default, own=(), shared=default.own, description=None)
    plain = ((reader.test(node, replace(base, place=node)), node) for node in reader.nodes(nodes))
    crossed = reader.crossed(scenarios, base)
    alone = () if nodes or scenarios else ((base, tree.root),)
    number = 0
    for whole, node in chain(plain, crossed, alone):
        for test in reader.expanded(whole, node):
            number += 1
            if number > MAX_TESTS:
                message = f"there are more than {MAX_TESTS:,} tests: this one and those below are left out"
                tree.losses.drop(node, "tests", message)
                return
            yield test


class _Reader:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._losses = tree.losses

    def nodes(self, listed: Sequence[Node]) -> Iterator[Node]:
        """Yield the trees of all tests, those in files among them."""
        for node in listed:
            path = text_of(node.get("path")) if isinstance(node, MappingNode) else None
            text = text_of(node) or path
            if text is None:
                yield node
            elif "://" in text and not text.startswith("file://"):
                self._losses.drop(node, "tests", "these tests are kept by a service, which is not asked")
            else:
                pattern = text.removeprefix("file://").removeprefix("./")
                names = self._tree.matching(pattern)
                if not names:
                    self._losses.drop(node, "tests", f"no file is called like {pattern}")
                for name in names:
                    yield from self._from_file(node, name)

    def crossed(self, scenarios: Sequence[Node], base: Test) -> Iterator[tuple[Test, Node]]:
        """Yield each test of each scenario on top of each of its configurations, and where it is written."""
        for scenario in self.nodes(scenarios):
            if not isinstance(scenario, MappingNode):
                self._losses.drop(scenario, "scenarios", "this scenario is not a mapping")
                continue
            for entry in scenario.entries:
                if entry.key not in _SCENARIO:
                    message = f"`{entry.key}` of a scenario is not carried over"
                    self._losses.drop(entry, entry.key, message)
            configs = list(self.nodes(self._tree.items(self._tree.value(scenario.get("config")))))
            if not configs:
                self._losses.drop(scenario, "config", "this scenario has no `config`, and so no tests")
            written = self._tree.items(self._tree.value(scenario.get("tests")))
            nodes = list(self.nodes(written))
            for config in configs:
                whole = self.test(config, replace(base, place=config))
                if not written:
                    yield whole, config
                for node in nodes:
                    made = self.test(node, replace(whole, place=node, own=()))
                    yield replace(made, own=(*whole.own, *made.own)), node

    def test(self, node: Node, base: Test) -> Test:
        """Return a test with what it says itself on top of `base`."""
        if (name := self._tree.file_name(node)) is not None:
            node = self._tree.loaded(name, node, "defaultTest") or node
        if not isinstance(node, MappingNode):
            self._losses.drop(node, "tests", "this test is not a mapping")
            return base
        for entry in node.entries:
            if entry.key not in _KEYS:
                hint = "name models with -m" if entry.key in {"provider", "providers"} else None
                self._losses.drop(entry, entry.key, f"`{entry.key}` of a test is not carried over", hint=hint)
        variables, places = self._vars(node.get("vars"))
        threshold = number_of(node.get("threshold"))
        made = replace(
            base,
            description=text_of(node.get("description")) or base.description,
            vars={**base.vars, **variables},
            places={**base.places, **places},
            own=tuple(self._tree.items(self._tree.value(node.get("assert")))),
            threshold=base.threshold if threshold is None else threshold,
        )
        return self._with_metadata(self._with_options(made, node.get("options")), node.get("metadata"))

    def expanded(self, test: Test, node: Node) -> Iterator[Test]:
        """Yield a test for each combination of the values that stand in lists of texts."""
        lists = {
            name: value
            for name, value in test.vars.items()
            if isinstance(value, list) and value and isinstance(value[0], str)
        }
        number = 1
        for values in lists.values():
            number *= len(values)
        if number > MAX_COMBINATIONS:
            message = f"the lists of this test make {number:,} tests, more than {MAX_COMBINATIONS:,}"
            self._losses.drop(node, "vars", message)
            return
        for combination in product(*lists.values()):
            yield replace(test, vars={**test.vars, **dict(zip(lists, combination, strict=True))})

    def _from_file(self, node: Node, name: str) -> Iterator[Node]:
        suffix = PurePosixPath(name).suffix
        if self._tree.is_code(name):
            self._losses.drop(node, "tests", f"{name} is code, which is not run")
        elif suffix in _BINARY:
            self._losses.drop(node, "tests", f"{name} is not a text", hint="save it as CSV")
        elif suffix in {".csv", ".jsonl"}:
            source = self._tree.open(name, node, "tests", limit=MAX_DATA)
            if source is not None and suffix == ".jsonl":
                yield from jsonl_nodes(source, self._tree.given)
            elif source is not None:
                for position, row in csv_rows(source, self._losses):
                    yield from_json(_row(row), position)
        elif (found := self._tree.loaded(name, node, "tests")) is not None:
            yield from self._tree.items(found)

    def _vars(self, entry: Entry | None) -> tuple[dict[str, Json], dict[str, Position]]:
        """Return the variables of a test, and where they are written."""
        node = self._tree.value(entry)
        if entry is None or node is None:
            return {}, {}
        if (name := self._tree.file_name(node) or text_of(node)) is not None:
            if self._tree.is_code(name):
                self._losses.drop(entry, "vars", f"{name} is code, which is not run")
                return {}, {}
            node = self._tree.loaded(name, entry, "vars")
        if not isinstance(node, MappingNode):
            self._losses.drop(entry, "vars", "`vars` is not a mapping")
            return {}, {}
        found = {each.key: self._var(each) for each in node.entries}
        places = {each.key: each.position for each in node.entries}
        return {name: value for name, value in found.items() if value is not None}, places

    def _var(self, entry: Entry) -> Json:
        node = self._tree.followed(entry.value)
        name = self._tree.file_name(node)
        if name is None:
            value = json_of(node)
            return "" if value is None else value
        if self._tree.is_code(name):
            self._losses.drop(entry, entry.key, f"{name} is code, which is not run")
        elif PurePosixPath(name).suffix.lower() in _BINARY:
            hint = "write it as a block: user: [{text: ...}, {image: path}]"
            self._losses.drop(entry, entry.key, f"{name} is not a text", hint=hint)
        elif name.endswith((".yaml", ".yml", ".json")):
            loaded = self._tree.loaded(name, entry, entry.key)
            return json_of(loaded) if loaded is not None else None
        elif any(sign in name for sign in "*?["):
            self._losses.drop(entry, entry.key, "a pattern of files is not followed in a variable")
        elif (source := self._tree.open(name, entry, entry.key)) is not None:
            return source.text.removesuffix("\n")
        return None

    def _with_options(self, test: Test, entry: Entry | None) -> Test:
        node = self._tree.value(entry)
        for each in node.entries if isinstance(node, MappingNode) else ():
            if each.key in {"prefix", "suffix"}:
                text = text_of(each) or ""
                test = replace(test, prefix=text) if each.key == "prefix" else replace(test, suffix=text)
            elif each.key == "disableDefaultAsserts" and json_of(each) is True:
                test = replace(test, shared=())
            elif each.key in {"transform", "postprocess", "transformVars"}:
                message = f"`{each.key}` is code: what it would change stays as it is"
                self._losses.drop(each, each.key, message)
            elif each.key == "provider":
                pass  # who judges, which `config` has read
            elif each.key == "storeOutputAs":
                message = "a reply is not kept for other tests: a conversation of its own begins in each"
                hint = "write the tests as turns of one case, and use `save`"
                self._losses.drop(each, each.key, message, hint=hint)
            elif each.key != "runSerially":
                self._losses.drop(each, each.key, f"`{each.key}` of a test is not carried over")
        return test

    def _with_metadata(self, test: Test, entry: Entry | None) -> Test:
        node = self._tree.value(entry)
        tags: list[str] = []
        for each in node.entries if isinstance(node, MappingNode) else ():
            values = json_of(each)
            if each.key == "conversationId":
                test = replace(test, conversation=str(values))
                continue
            listed = values if isinstance(values, list) else [values]
            if each.key in {"tags", "tags[]"} and all(isinstance(value, str) for value in listed):
                tags += map(str, listed)
            elif isinstance(each.value, ListNode | MappingNode):
                self._losses.drop(each, each.key, f"`{each.key}` of the metadata cannot be a tag")
            elif values not in (None, ""):
                tags.append(f"{each.key}:{values}")
        return replace(test, tags=(*test.tags, *tags)) if tags else test


def _row(row: Mapping[str, str]) -> Json:
    """Return a row of a CSV file as a test."""
    asserts: list[Json] = []
    variables: dict[str, Json] = {}
    metadata: dict[str, Json] = {}
    options: dict[str, Json] = {}
    test: dict[str, Json] = {}
    for column, cell in row.items():
        if _EXPECTED.fullmatch(column):
            asserts += [_compact(cell)] if cell.strip() else []
        elif column in {"__prefix", "__suffix"}:
            options[column[2:]] = cell
        elif column in {"__description", "__threshold"}:
            test[column[2:]] = cell or None
        elif column.startswith("__metadata:"):
            metadata[column.removeprefix("__metadata:")] = cell
        elif column.startswith("__"):
            test[column] = cell
        else:
            variables[column] = cell
    return {**test, "vars": variables, "assert": asserts, "options": options, "metadata": metadata}


def _compact(cell: str) -> Json:
    """Return an assert that is written in one cell: `contains: text`, `similar(0.8): text`, or text alone."""
    found = _COMPACT.fullmatch(cell)
    kind = found[1] if found else ""
    if found is None or kind.removeprefix("not-") not in _COMPACT_KINDS:
        plain = cell.strip()
        return (
            {"type": plain}
            if plain in {"is-json", "contains-json", "is-refusal"}
            else {
                "type": "equals",
                "value": cell,
            }
        )
    made: dict[str, Json] = {"type": _OLD_KINDS.get(kind, kind), "value": found[3]}
    if kind.removeprefix("not-") in _LISTED:
        made["value"] = [part.strip() for part in found[3].split(",")]
    if kind in {"latency", "cost"}:
        return {"type": kind, "threshold": found[2] or found[3]}
    return {**made, "threshold": found[2]} if found[2] else made

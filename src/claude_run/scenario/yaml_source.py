"""The only reader of YAML: strict, bounded, and with the place of everything it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError
from claude_run.scenario.yaml_hints import hint_for
from claude_run.scenario.yaml_nodes import Entry, ListNode, MappingNode, Node, ScalarNode, UnknownNode
from claude_run.scenario.yaml_scalars import NumberRangeError, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.source import Source

MAX_BYTES = 1024 * 1024
"""The largest YAML file that is read."""

MAX_DEPTH = 64
"""How deep lists and mappings may nest."""

MAX_NODES = 200_000
"""How many values and keys a file may hold."""

# Control characters, the three line breaks that YAML 1.2 no longer knows as such, and what is no character.
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_TOO_DEEP = f"lists and mappings nest deeper than {MAX_DEPTH} levels"
_OPENING = ("MappingStartEvent", "SequenceStartEvent")
_CLOSING = ("MappingEndEvent", "SequenceEndEvent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file that could be read; `problems` are the mistakes in it that did not hide the rest."""

    source: Source
    root: Node
    problems: tuple[Diagnostic, ...]


def parse(source: Source) -> Document:
    """Read a YAML text; InvalidScenarioError where its structure cannot be made out.

    YAML 1.2 core schema. Refused: over 1 MiB, over 64 levels, anchors, aliases, merge keys, tags, duplicate
    keys, keys that are no strings, several documents, control characters. An empty text is null.
    """
    _check_text(source)
    builder = _Builder(source)
    for event in _events(source, builder):
        builder.take(event)
    return Document(source=source, root=builder.root(), problems=tuple(builder.problems))


def _check_text(source: Source) -> None:
    # `surrogatepass`, because what is wrong with surrogates is said below, with their place.
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB"
        raise InvalidScenarioError(
            [source.problem(source.position(0), message, hint="split it, or move data into files of its own")]
        )
    if found := _REFUSED.search(source.text):
        message = f"the character U+{ord(found.group()):04X} may not stand in a YAML file"
        hint = 'remove it, or write it as an escape inside double quotes, such as "\\u2028"'
        raise InvalidScenarioError([source.problem(source.position(found.start()), message, hint=hint)])


def _events(source: Source, builder: _Builder) -> Iterator[Any]:
    import yaml  # noqa: PLC0415 - costs start-up time, and not every command reads YAML

    try:
        yield from yaml.parse(source.text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        index = mark.index if mark else 0
        message = f"this is no YAML: {error.problem or error.context}"
        if "maximum nesting depth" in (error.problem or ""):
            # The scanner reads ahead, and may meet a limit of its own before the builder sees ours passed.
            message = _TOO_DEEP
        problem = source.problem(
            source.position(index), message, hint=hint_for(source, index, problem=error.problem or "")
        )
        raise InvalidScenarioError([*builder.problems, problem]) from error


class _Builder:
    """Makes the tree from the events, one by one; limits are checked before anything is built."""

    def __init__(self, source: Source) -> None:
        self.problems: list[Diagnostic] = []
        self._source = source
        self._stack: list[tuple[int, list[Node]]] = [(0, [])]
        self._documents = 0
        self._nodes = 0

    def root(self) -> Node:
        nodes = self._stack[0][1]
        empty = ScalarNode(position=self._source.position(0), value=None, style="", start=0, end=0)
        return nodes[0] if nodes else empty

    def take(self, event: Any) -> None:  # noqa: ANN401 - PyYAML's events share no typed base with these fields
        kind = type(event).__name__
        start = event.start_mark.index
        if kind == "DocumentStartEvent":
            self._open_document(start)
        elif kind in _OPENING:
            self._count(start)
            self._check_decorations(event)
            self._stack.append((start, []))
        elif kind in _CLOSING:
            self._close(is_mapping=kind == "MappingEndEvent")
        elif kind == "ScalarEvent":
            self._count(start)
            self._check_decorations(event)
            self._add(self._scalar(event))
        elif kind == "AliasEvent":
            self._count(start)
            self._report(
                start, "aliases are not allowed", hint="write the value out", length=len(event.anchor) + 1
            )
            self._add(UnknownNode(position=self._source.position(start)))

    def _open_document(self, start: int) -> None:
        self._documents += 1
        if self._documents > 1:
            self._fail(
                start, "a file holds one YAML document", hint="move what follows into a file of its own"
            )

    def _count(self, start: int) -> None:
        self._nodes += 1
        if len(self._stack) > MAX_DEPTH:
            self._fail(start, _TOO_DEEP, hint=None)
        if self._nodes > MAX_NODES:
            self._fail(
                start, f"the file holds more than {MAX_NODES:,} values", hint="move data into other files"
            )

    def _check_decorations(self, event: Any) -> None:  # noqa: ANN401 - see `take`
        start = event.start_mark.index
        if event.anchor is not None:
            self._report(
                start, "anchors are not allowed", hint="write the value out", length=len(event.anchor) + 1
            )
        if event.tag is not None:
            self._report(start, "tags are not allowed", hint="remove it; quotes make a value a string")

    def _scalar(self, event: Any) -> Node:  # noqa: ANN401 - see `take`
        start, end = event.start_mark.index, event.end_mark.index
        position = self._source.position(start)
        try:
            value = resolve(event.value, event.style)
        except NumberRangeError as error:
            self._report(start, str(error), hint="quote it", length=end - start)
            return UnknownNode(position=position)
        if "\0" in event.value:
            self._report(start, "a text may not hold the character NUL", hint=None, length=end - start)
        return ScalarNode(position=position, value=value, style=event.style or "", start=start, end=end)

    def _close(self, *, is_mapping: bool) -> None:
        start, nodes = self._stack.pop()
        position = self._source.position(start)
        if not is_mapping:
            self._add(ListNode(position=position, items=tuple(nodes)))
        elif any(isinstance(key, ListNode | MappingNode) for key in nodes[::2]):
            # Nearly always an unquoted `{{ variable }}`; what else it may hold says nothing.
            self._report(start, "a key must be a string", hint="quote a text that begins with `{` or `[`")
            self._add(UnknownNode(position=position))
        else:
            self._add(MappingNode(position=position, entries=tuple(self._entries(nodes))))

    def _entries(self, nodes: list[Node]) -> Iterator[Entry]:
        seen: dict[str, int] = {}
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            name = self._key(key)
            if name is None:
                continue
            if name in seen:
                message = f"duplicate key `{name}`: it stands on line {seen[name]} already"
                self._report_key(key, message, hint="remove one of the two")
                continue
            seen[name] = key.position.line
            yield Entry(key=name, position=key.position, value=value)

    def _key(self, key: Node) -> str | None:
        if not isinstance(key, ScalarNode):
            return None
        if key.value == "<<" and not key.style:
            self._report_key(key, "merge keys are not allowed", hint="write the keys out")
            return None
        if not isinstance(key.value, str):
            self._report_key(key, "a key must be a string", hint="quote it")
            return None
        return key.value

    def _add(self, node: Node) -> None:
        self._stack[-1][1].append(node)

    def _report_key(self, key: Node, message: str, *, hint: str) -> None:
        length = key.end - key.start if isinstance(key, ScalarNode) else 1
        self.problems.append(self._source.problem(key.position, message, hint=hint, length=max(1, length)))

    def _report(self, start: int, message: str, *, hint: str | None, length: int = 1) -> None:
        position = self._source.position(start)
        self.problems.append(self._source.problem(position, message, hint=hint, length=length))

    def _fail(self, start: int, message: str, *, hint: str | None) -> None:
        self._report(start, message, hint=hint)
        raise InvalidScenarioError(self.problems)

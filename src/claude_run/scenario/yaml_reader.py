"""The only reader of YAML: strict, bounded, and with the place of everything it reads."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_run.scenario.diagnostics import InvalidScenarioError, Problems
from claude_run.scenario.yaml_tree import (
    CUT_OFF,
    Entry,
    ListNode,
    MappingNode,
    Node,
    ScalarNode,
    UnknownNode,
    cut_off,
)

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
_BEGINNINGS = frozenset({"", *"~nNtTfF-0123456789"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST_INTEGER = 20
_MAX_INTEGER = 2**63
_HINTS = (
    ("mapping values are not allowed", "quote the text: it holds `: `, or this line is indented too far"),
    ("block sequence entries are not allowed", "put the list on the next line, or quote the text"),
    ("found unexpected end of stream", "a quote was opened and not closed"),
    ("unknown escape character", "write the backslash twice, or use single quotes"),
    ("invalid Unicode character escape", "write the character itself"),
    ("did not find expected ',' or", "a bracket was opened and not closed, or a comma is missing"),
    ("did not find expected key", "check the indentation of this line, and the quotes of the line before"),
    ("did not find expected '-' indicator", "check the indentation: this line does not continue the list"),
    ("could not find expected ':'", "a key needs a colon and a space after it"),
)
_TEMPLATE_FIRST = re.compile(r"(:|-)\s+\{[{%#]")
# What a backslash in double quotes stands for that few know, and how it is written where it is meant.
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_SURPRISING = {
    "a": "the character BEL",
    "b": "a backspace",
    "e": "the character ESC",
    "f": "a form feed",
    "v": "a vertical tab",
    "N": "a line break, U+0085",
    "L": "a line separator",
    "P": "a paragraph separator",
    "_": "a space that does not break",
}
_WRITTEN = {"a": r"\x07", "b": r"\x08", "e": r"\x1b", "f": r"\x0c", "v": r"\x0b"}
_WRITTEN |= {"N": r"\x85", "L": r"\u2028", "P": r"\u2029", "_": r"\xa0"}
_CUT_OFF_BELOW = re.compile(r"[ \t]*\n[ \t]*(#[^\s#]\S*)")
_TAB_INDENT = re.compile(r" *\t")
_TOO_DEEP = f"lists and mappings nest deeper than {MAX_DEPTH} levels"
_OPENING = ("MappingStartEvent", "SequenceStartEvent")
_CLOSING = ("MappingEndEvent", "SequenceEndEvent")


class NumberRangeError(ValueError):
    """A number that 64 bits cannot hold; the text says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file that could be read; `problems` are the mistakes in it that did not hide the rest.

    `tagged` are the scalars that bear the tag which was allowed, by where they `start`.
    """

    source: Source
    root: Node
    problems: Problems
    tagged: frozenset[int] = frozenset()


def parse(source: Source, *, tag: str | None = None) -> Document:
    """Read a YAML text; InvalidScenarioError where its structure cannot be made out.

    YAML 1.2 core schema. Refused: over 1 MiB, over 64 levels, anchors, aliases, merge keys, tags, duplicate
    keys, keys that are not strings, several documents, control characters. An empty text is null.
    A scalar may bear one `tag`, such as `!include`, where it is named: that is not a scenario's to have.
    """
    # What is too large, or holds what no YAML file may hold, never reaches the parser. (`surrogatepass`:
    # what is wrong with surrogates is said below, with their place.)
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB"
        hint = "split it, or move data into files of its own"
        raise InvalidScenarioError([source.problem(source.position(0), message, hint=hint)])
    if found := _REFUSED.search(source.text):
        message = f"the character U+{ord(found.group()):04X} may not stand in a YAML file"
        hint = 'remove it, or write it as an escape inside double quotes, such as "\\u2028"'
        raise InvalidScenarioError([source.problem(source.position(found.start()), message, hint=hint)])
    import yaml  # noqa: PLC0415 - costs start-up time, and not every command reads YAML

    # The tree grows event by event, so that its limits hold before anything large is built.
    builder = _Builder(source, tag)
    try:
        for event in yaml.parse(source.text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        index = mark.index if mark else 0
        message = f"this is not valid YAML: {error.problem or error.context}"
        if "maximum nesting depth" in (error.problem or ""):
            # The scanner reads ahead, and may meet a limit of its own before the builder sees ours passed.
            message = _TOO_DEEP
        likely = _hint_for(source, index, problem=error.problem or "")
        problem = source.problem(source.position(index), message, hint=likely)
        builder.problems.extend([problem])
        raise InvalidScenarioError(builder.problems) from error
    return Document(
        source=source, root=builder.root(), problems=builder.problems, tagged=frozenset(builder.tagged)
    )


class _Builder:
    """Makes the tree from the events, one by one; limits are checked before anything is built."""

    def __init__(self, source: Source, tag: str | None) -> None:
        self.problems = Problems()
        self.tagged: set[int] = set()
        self._source = source
        self._tag = tag
        self._stack: list[tuple[int, list[Node]]] = [(0, [])]
        self._documents = 0
        self._nodes = 0

    def root(self) -> Node:
        nodes = self._stack[0][1]
        empty = ScalarNode(position=self._source.position(0), value=None, style="", start=0, end=0)
        return nodes[0] if nodes else empty

    def take(self, event: Any) -> None:  # noqa: ANN401 - PyYAML's events share no typed base with these fields
        kind = type(event).__name__
        # What begins is counted before it is built; lists and mappings are made nodes only where they close.
        if kind == "ScalarEvent":
            start = self._begin(event)
            if event.tag is not None:
                self.tagged.add(start)
            self._stack[-1][1].append(self._scalar(event, start))
        elif kind in _OPENING:
            self._stack.append((self._begin(event), []))
        elif kind in _CLOSING:
            self._close(is_mapping=kind == "MappingEndEvent")
        elif kind == "AliasEvent":
            start = self._begin(event, alias=True)
            self._stack[-1][1].append(UnknownNode(position=self._source.position(start)))
        elif kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                hint = "move what follows into a file of its own"
                self._fail(event.start_mark.index, "a file holds one YAML document", hint=hint)

    def _begin(self, event: Any, *, alias: bool = False) -> int:  # noqa: ANN401 - see `take`
        """Return where a node begins, once it is counted and its decorations are refused."""
        start: int = event.start_mark.index
        self._nodes += 1
        if len(self._stack) > MAX_DEPTH:
            self._fail(start, _TOO_DEEP, hint=None)
        if self._nodes > MAX_NODES:
            message = f"the file holds more than {MAX_NODES:,} values"
            self._fail(start, message, hint="move data into other files")
        if event.anchor is not None:
            what, length = "aliases" if alias else "anchors", len(event.anchor) + 1
            self._report(start, f"{what} are not allowed", hint="write the value out", length=length)
        is_allowed = type(event).__name__ == "ScalarEvent" and event.tag == self._tag
        if not alias and event.tag is not None and not is_allowed:
            self._report(start, "tags are not allowed", hint="remove it; quotes make a value a string")
        return start

    def _scalar(self, event: Any, start: int) -> Node:  # noqa: ANN401 - see `take`
        end = event.end_mark.index
        position = self._source.position(start)
        try:
            value = _resolve(event.value, event.style)
        except NumberRangeError as error:
            self._report(start, str(error), hint="quote it", length=end - start)
            return UnknownNode(position=position)
        if "\0" in event.value:
            self._report(start, "a text may not hold the character NUL", hint=None, length=end - start)
        if event.style == '"':
            self._check_escapes(start, end)
        elif not event.style and isinstance(value, str):
            self._check_comment(end)
        return ScalarNode(position=position, value=value, style=event.style or "", start=start, end=end)

    def _check_escapes(self, start: int, end: int) -> None:
        """Report what double quotes make of a backslash that was surely meant for a pattern or a path."""
        for found in _ESCAPE.finditer(self._source.text, start, end):
            name = _SURPRISING.get(found[0][1])
            if name is not None:
                message = f"`{found[0]}` in double quotes is {name}"
                hint = f"use single quotes, or write the backslash twice; {name} is {_WRITTEN[found[0][1]]}"
                self._report(found.start(), message, hint=hint, length=2)

    def _check_comment(self, end: int) -> None:
        """Report a text that a `#` cuts off which was surely meant as a part of it, such as `order #4711`."""
        found = CUT_OFF.match(self._source.text, end)
        if found is None and (below := _CUT_OFF_BELOW.match(self._source.text, end)):
            # On the next line it is a part of the text only where it stands as deep as one.
            column = self._source.position(below.start(1)).column
            found = below if column > self._source.position(self._stack[-1][0]).column else None
        if found is not None:
            message, hint = cut_off(found[1])
            self._report(found.start(1), message, hint=hint, length=len(found[1]))

    def _close(self, *, is_mapping: bool) -> None:
        start, nodes = self._stack.pop()
        position = self._source.position(start)
        if not is_mapping:
            self._stack[-1][1].append(ListNode(position=position, items=tuple(nodes)))
        elif any(isinstance(key, ListNode | MappingNode) for key in nodes[::2]):
            # Nearly always an unquoted `{{ variable }}`; what else it may hold says nothing.
            self._report(start, "a key must be a string", hint="quote a text that begins with `{` or `[`")
            self._stack[-1][1].append(UnknownNode(position=position))
        else:
            self._stack[-1][1].append(MappingNode(position=position, entries=tuple(self._entries(nodes))))

    def _entries(self, nodes: list[Node]) -> Iterator[Entry]:
        seen: dict[str, int] = {}
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, ScalarNode):
                continue  # reported where it was read
            name = key.value
            if name == "<<" and not key.style:
                self._report_key(key, "merge keys are not allowed", hint="write the keys out")
            elif not isinstance(name, str):
                self._report_key(key, "a key must be a string", hint="quote it")
            elif seen and self._has_no_colon(key, value):
                message = f"`{name}` has no value: a comma ends a value inside {{ }}"
                self._report_key(key, message, hint="put the text before it in quotes, comma and all")
            elif name in seen:
                message = f"duplicate key `{name}`: it stands on line {seen[name]} already"
                self._report_key(key, message, hint="remove one of the two")
            else:
                seen[name] = key.position.line
                yield Entry(key=name, position=key.position, value=value)

    def _has_no_colon(self, key: ScalarNode, value: Node) -> bool:
        """Return whether a key stands alone in braces, as a sentence does behind its comma."""
        if not isinstance(value, ScalarNode) or value.start < value.end:
            return False
        return ":" not in self._source.text[key.end : value.end + 1]

    def _report_key(self, key: ScalarNode, message: str, *, hint: str) -> None:
        self._report(key.start, message, hint=hint, length=max(1, key.end - key.start))

    def _report(self, start: int, message: str, *, hint: str | None, length: int = 1) -> None:
        position = self._source.position(start)
        self._source.report(self.problems, position, message, hint=hint, length=length)

    def _fail(self, start: int, message: str, *, hint: str | None) -> None:
        self._report(start, message, hint=hint)
        raise InvalidScenarioError(self.problems)


def _resolve(text: str, style: str) -> str | int | float | bool | None:
    """Return the value of a scalar: quoted and block scalars are strings, plain ones follow the core schema.

    Numbers are those of JSON: octal, hexadecimal, base 60, dates, underscores, `.5` and `+1` are strings.
    """
    # Quotes, and the indicator of a block, make any text a string; most others are known by how they begin.
    if style or text[:1] not in _BEGINNINGS:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    # A number of more than 64 bits is refused; a text that is far too long is not even turned into one.
    if _INTEGER.fullmatch(text):
        if len(text) > _LONGEST_INTEGER or not -_MAX_INTEGER <= int(text) < _MAX_INTEGER:
            raise NumberRangeError("the number does not fit into 64 bits")
        return int(text)
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    if math.isinf(number):
        raise NumberRangeError("the number is too large for a 64-bit floating-point number")
    return number


def _hint_for(source: Source, index: int, *, problem: str) -> str | None:
    """Return a hint for a syntax error at an index of the text, or None."""
    line = source.line(source.position(index).line)
    if _TAB_INDENT.match(line):
        return "indent with spaces: YAML takes no tabs here"
    if _TEMPLATE_FIRST.search(line):
        return "quote a text that begins with `{`"
    if "cannot start any token" in problem:
        return f"quote the text: it cannot begin with `{source.text[index : index + 1]}`"
    # Inside of brackets a colon or a template on the way to the comma stands in a plain sentence.
    held = next((each for each in (": ", "{{", "{%") if source.text.startswith(each, index)), None)
    if held is not None and "did not find expected ',' or" in problem:
        return f"quote the text: it holds `{held}`"
    return next((hint for start, hint in _HINTS if start in problem), None)

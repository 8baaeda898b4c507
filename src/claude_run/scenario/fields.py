"""What all readers of a scenario share: its context, and typed values with every problem at its place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from claude_run.scenario.diagnostics import (
    Diagnostic,
    InvalidScenarioError,
    Problems,
    did_you_mean,
    found_out,
)
from claude_run.scenario.files import FileProblemError
from claude_run.scenario.settings import Settings
from claude_run.scenario.template_language import to_text
from claude_run.scenario.vocabulary import name_problem, variable_problem
from claude_run.scenario.yaml_tree import (
    CUT_OFF,
    Entry,
    ListNode,
    MappingNode,
    ScalarNode,
    UnknownNode,
    cut_off,
    describe,
    locate,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from claude_run.scenario.diagnostics import Hint
    from claude_run.scenario.files import Files
    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.model import Position
    from claude_run.scenario.source import Source
    from claude_run.scenario.vocabulary import Refusal, Vocabulary
    from claude_run.scenario.yaml_tree import Node

T = TypeVar("T")
_CLOSE_COMMENT = re.compile(r" (#[ \t][^\n]*\S)")

_TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
}


class Reporter:
    """Collects the problems of one file."""

    def __init__(self, source: Source, problems: Problems | None = None) -> None:
        self.source = source
        self.problems = Problems() if problems is None else problems

    def at(self, position: Position, message: str, *, hint: Hint = None, length: int = 1) -> None:
        self.source.report(self.problems, position, message, hint=hint, length=length)

    def node(self, node: Node, message: str, *, hint: Hint = None) -> None:
        length = node.end - node.start if isinstance(node, ScalarNode) else 1
        self.at(node.position, message, hint=hint, length=max(1, length))

    def key(self, entry: Entry, message: str, *, hint: Hint = None, secret: bool = False) -> None:
        """Report a problem at a key; where what follows it may be a secret, the line is not shown."""
        if secret:
            problem = Diagnostic(position=entry.position, message=message, hint=found_out(hint))
            self.problems.extend([problem])
        else:
            self.at(entry.position, message, hint=hint, length=len(entry.key))


NO_TURN = -1
"""In place of a turn for a text that goes out in any of them, and so can read nothing that one has saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text of the user with the way back to its place.

    `scalar` is where it stands in a YAML file; None where `source` is wholly the text. `turn` is the number
    of turns before it, whose saved values it can read, or NO_TURN. `settings` are those that it is played
    with where they are not those of all its script.
    """

    text: str
    source: Source
    scalar: ScalarNode | None
    turn: int
    settings: Settings | None = None

    def positions(self, offsets: Sequence[int]) -> Mapping[int, Position]:
        """Return the places of some of its characters, by their offsets."""
        if not offsets:
            return {}
        indexes = offsets if self.scalar is None else locate(self.source, self.scalar, offsets)
        return dict(zip(offsets, map(self.source.position, indexes), strict=True))


@dataclass(slots=True, kw_only=True)
class ReadContext:
    """What the reading of one scenario file knows and finds.

    `problems` are those of other files that it names, whose texts are the `sources` by their paths; `saves`
    tells for each saved name which turn saves it, and `unsure` says of those that may be missing, why.
    `settings` are the cases and variants that the texts are played with.
    `blocks` are what images and documents became, or why not, by kind and path: each is read once.
    `refusals` are what the API is known to refuse.
    `unread` are the files whose texts could not be read, so that their variables are not known, and
    `unread_tools` tells that some tools could not.
    """

    report: Reporter
    files: Files
    vocabulary: Vocabulary
    templates: list[Template] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    warnings: Problems = field(default_factory=Problems)
    sources: dict[str, Source] = field(default_factory=dict)
    saves: dict[str, int] = field(default_factory=dict)
    unsure: dict[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    blocks: dict[tuple[str, str], JsonObject | tuple[str, Hint]] = field(default_factory=dict)
    refusals: list[Diagnostic] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unread_tools: bool = False

    def script(self, settings: Settings, *, source: Source | None = None) -> ReadContext:
        """Return the context of a script of its own, whose texts read what it saves alone.

        `source` is the file that it stands in, where that is not the scenario's.
        """
        report = self.report
        if source is not None and source is not report.source:
            report = Reporter(source, self.problems)
        return replace(self, report=report, settings=settings, templates=[], saves={}, unsure={})

    def template(self, text: str, node: ScalarNode, *, turn: int) -> None:
        """Keep a text of the scenario file for the check of its variables."""
        source = self.report.source
        self.templates.append(Template(text=text, source=source, scalar=node, turn=turn))
        # A comment is written two blanks behind its text; closer, it may be a part of a sentence.
        if not node.style and (comment := _CLOSE_COMMENT.match(source.text, node.end)):
            message = f"the text ends before the comment `{comment[1]}`"
            hint = "quote the text if that belongs to it; leave two spaces before a comment"
            place = source.position(comment.start(1))
            source.report(self.warnings, place, message, hint=hint, length=len(comment[1]))

    def warn(self, node: ScalarNode, message: str, *, hint: str) -> None:
        """Tell of something that is no problem by itself."""
        self.report.source.report(
            self.warnings, node.position, message, hint=hint, length=max(1, node.end - node.start)
        )

    def file(self, node: Node, read: Callable[[], T]) -> T | None:
        """Return what `read` makes of a file, or None where it cannot.

        A problem is shown at the node, and one with a place of its own there.
        """
        try:
            return read()
        except FileProblemError as error:
            self.report.node(node, error.message, hint=error.hint)
        except InvalidScenarioError as error:
            self.problems.merge(error.problems)
        return None


def meant(word: str, candidates: Iterable[str]) -> str | None:
    """Return the hint that names the candidate a word is a slip of, or None where none is close."""
    close = did_you_mean(word, candidates)
    return f"did you mean `{close}`?" if close else None


def is_own(key: str) -> bool:
    """Return whether a key is the user's own, which nothing reads."""
    return key.startswith("x-")


def mapping(report: Reporter, node: Node, *, what: str, hint: str | None = None) -> MappingNode | None:
    """Return the node where it is a mapping; anything else is a problem."""
    if isinstance(node, MappingNode):
        return node
    if not isinstance(node, UnknownNode):
        report.node(node, f"{what} must be a mapping, not {describe(node)}", hint=hint)
    return None


def sequence(report: Reporter, node: Node, *, what: str, hint: str | None = None) -> tuple[Node, ...] | None:
    """Return the items of a list with at least one; anything else is a problem."""
    if isinstance(node, ListNode):
        if not node.items:
            report.node(node, f"{what} must have at least one entry")
            return None
        return node.items
    if not isinstance(node, UnknownNode):
        report.node(node, f"{what} must be a list, not {describe(node)}", hint=hint)
    return None


def known(
    report: Reporter,
    node: MappingNode,
    *,
    keys: Iterable[str],
    what: str,
    refused: Callable[[str], Refusal | None] = lambda _: None,
) -> dict[str, Entry]:
    """Return the entries under known keys; unknown and refused keys are problems, `x-*` is passed over."""
    names = tuple(keys)
    wanted = frozenset(names)
    found: dict[str, Entry] = {}
    for entry in node.entries:
        if entry.key in wanted:
            found[entry.key] = entry
        elif refusal := refused(entry.key):
            report.key(entry, refusal.message, hint=refusal.hint, secret=refusal.secret)
        elif not is_own(entry.key):
            unknown_key(report, entry, keys=names, what=what)
    return found


def unknown_key(report: Reporter, entry: Entry, *, keys: Iterable[str], what: str) -> None:
    """Report a key that nothing reads."""

    def hint() -> str:
        close = did_you_mean(entry.key, keys)
        return (
            f"did you mean `{close}`?"
            if close
            else f"known keys: {', '.join(keys)}; your own begin with `x-`"
        )

    report.key(entry, f"unknown key `{entry.key}` in {what}", hint=hint)


def conforms(report: Reporter, node: Node, schema: JsonObject, *, what: str) -> bool:
    """Return whether a value has the type and the bounds of its schema; each difference is a problem.

    The schemas are those of the table of keys. A library would need all of the file as plain values, and lose
    their places. Known are `type`, `enum`, `minimum`, `maximum`, `minLength`, `minItems` and `items`.
    """
    if isinstance(node, UnknownNode):
        return False
    types = schema.get("type")
    wanted = [str(name) for name in types] if isinstance(types, list) else [str(types)] if types else []
    if wanted and not any(_has_type(node, name) for name in wanted):
        message = f"{what} must be {' or '.join(_TYPES[name] for name in wanted)}, not {describe(node)}"
        report.node(node, message, hint=_type_hint(node, wanted))
        return False
    if isinstance(node, ScalarNode):
        return _within(report, node, schema, what=what)
    items, least = schema.get("items"), schema.get("minItems")
    if isinstance(node, ListNode) and isinstance(least, int) and len(node.items) < least:
        report.node(node, f"{what} must have at least {least} entry" + ("" if least == 1 else "s"))
        return False
    if isinstance(node, ListNode) and isinstance(items, dict):
        # A list, not a generator: every item is looked at, so that every problem is reported.
        results = [conforms(report, item, items, what=f"an entry of {what}") for item in node.items]
        return all(results)
    return True


def text(report: Reporter, entry: Entry) -> str | None:
    """Return a string that is not blank; anything else is a problem."""
    node = entry.value
    if not conforms(report, node, {"type": "string"}, what=f"`{entry.key}`"):
        return None
    value = to_json(node)
    if not isinstance(value, str) or not value.strip():
        report.node(node, f"`{entry.key}` is empty", hint="write a text, or remove the key")
        return None
    return value


def name(report: Reporter, entry: Entry) -> str | None:
    """Return a name; anything that cannot be one is a problem."""
    value = text(report, entry)
    problem = name_problem(value) if value is not None else None
    if problem is None:
        return value
    report.node(entry.value, f"`{entry.key}` {problem}", hint="choose a short, plain name")
    return None


def variables(report: Reporter, entry: Entry) -> dict[str, Entry]:
    """Return the entries of a mapping of variables; names that cannot be variables are problems."""
    node = mapping(report, entry.value, what=f"`{entry.key}`")
    found: dict[str, Entry] = {}
    for variable in node.entries if node else ():
        problem = variable_problem(variable.key)
        if problem is None:
            found[variable.key] = variable
            check_spelling(report, variable.value)
        elif not is_own(variable.key):
            report.key(variable, f"`{variable.key}` {problem}")
    return found


def check_spelling(report: Reporter, node: Node) -> None:
    """Report each part of a variable's value that a text would hold in another spelling than is written."""
    if isinstance(node, MappingNode):
        for entry in node.entries:
            check_spelling(report, entry.value)
    elif isinstance(node, ListNode):
        for item in node.items:
            check_spelling(report, item)
    elif isinstance(node, ScalarNode) and not node.style and not isinstance(node.value, str):
        written, spelling = report.source.text[node.start : node.end], to_text(node.value)
        if written != spelling and not written.startswith(("&", "!")):
            message, hint = respelling(written, spelling)
            report.node(node, message, hint=hint)
        elif cut := CUT_OFF.match(report.source.text, node.end):
            message, hint = cut_off(cut[1])
            report.at(report.source.position(cut.start(1)), message, hint=hint, length=len(cut[1]))


def respelling(written: str, spelling: str) -> tuple[str, str]:
    """Return what to say of a value that reaches the model in another spelling than it was written in."""
    if not written:
        return "this value is empty", f"write '' for an empty text, or {spelling}"
    message = f"this value would reach the model as `{spelling}`, not as it is written"
    return message, f"quote it, or write {spelling}"


def _has_type(node: Node, wanted: str) -> bool:
    if wanted == "object":
        return isinstance(node, MappingNode)
    if wanted == "array":
        return isinstance(node, ListNode)
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, bool) or wanted == "boolean":
        return isinstance(value, bool) and wanted == "boolean"
    if wanted == "integer":
        return isinstance(value, int)
    return isinstance(value, str) if wanted == "string" else isinstance(value, int | float)


def _type_hint(node: Node, wanted: list[str]) -> str | None:
    if not isinstance(node, ScalarNode) or node.value is None:
        return None
    if "string" in wanted and not isinstance(node.value, str):
        return "quote it"
    if isinstance(node.value, str) and {"integer", "number"} & set(wanted):
        digits = node.value.lstrip("-").replace(".", "", 1)
        return (
            "remove the quotes" if node.style and digits.isdecimal() else "write a number, such as 5 or 0.5"
        )
    return None


def _within(report: Reporter, node: ScalarNode, schema: JsonObject, *, what: str) -> bool:
    value = node.value
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        message = f"{what} must be one of {', '.join(json.dumps(choice) for choice in allowed)}"
        report.node(node, message, hint=lambda: meant(str(value), map(str, allowed)))
        return False
    problem = None
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if isinstance(value, str):
        problem = f"{what} is empty" if schema.get("minLength") and not value.strip() else None
    elif value is not None and isinstance(lowest, int) and value < lowest:
        problem = f"{what} must be at least {lowest}"
    elif value is not None and isinstance(highest, int) and value > highest:
        problem = f"{what} must be at most {highest}"
    if problem is not None:
        report.node(node, problem)
    return problem is None

"""Pipecat evals: YAML with the user's turns and the events that are expected of the bot.

An eval holds neither the bot's prompt nor its tools, which stand in the bot's own code. So what is made of it
declares each tool that is expected to be called, with a result that says no more than ok.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from claude_run.imports.drafts import Draft, expectation_problem, slug
from claude_run.plan.model_rules import rules_for
from claude_run.scenario.diagnostics import InvalidScenarioError, Problems, found_out
from claude_run.scenario.files import MAX_TEXT, FileProblemError
from claude_run.scenario.template_language import literal
from claude_run.scenario.vocabulary import name_problem
from claude_run.scenario.yaml_reader import MAX_DEPTH, parse
from claude_run.scenario.yaml_tree import Entry, ListNode, MappingNode, ScalarNode, UnknownNode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.imports.drafts import Given
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Node

INCLUDE = "!include"
"""The tag by which a value is pulled from a file of its own."""

_MOST_INCLUDED = 4 * MAX_TEXT
_MOST_WITHIN = 8
_DEEPEST = MAX_DEPTH - 14
_DEFAULTS = frozenset({"judge", "user", "context", "stop_on_failure", "trigger_disconnect"})
_TOP = _DEFAULTS | {"name", "turns"}
_TURN = frozenset({"user", "dtmf", "expect", "send_after", "image", "audio"})
# `look_back_to` lets an event come earlier than its place says: no place is asked for here.
_EXPECTATION = frozenset(
    {"event", "within_ms", "text_contains", "text_excludes", "eval", "calls", "name", "args", "absent"}
    | {"look_back_to"}
)
_REPLIES = frozenset({"response", "llm_response", "tts_response"})
_GREETING = "Hello?"
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_YES, _NO = frozenset({"yes", "on"}), frozenset({"no", "off"})


@dataclass(slots=True, kw_only=True)
class _Eval:
    """A scenario as it grows: its turns, and the tools that are expected to be called, each with its keys."""

    turns: list[dict[str, Json]] = field(default_factory=list)
    tools: dict[str, dict[str, Json]] = field(default_factory=dict)
    judged: bool = False


def is_pipecat(root: MappingNode, tagged: frozenset[int]) -> bool:
    """Return whether a YAML file is an eval, or several: their turns expect events, or stand in a file."""
    scenarios = [each for each in _items(root.get("scenarios")) if isinstance(each, MappingNode)]
    if any(each.get("turns") or each.get("persona") for each in scenarios):
        return True
    turns = _value(root.get("turns"))
    if isinstance(turns, ScalarNode) and turns.start in tagged:
        return True
    expected = (
        each
        for turn in _items(root.get("turns"))
        if isinstance(turn, MappingNode)
        for each in _items(turn.get("expect"))
    )
    return any(isinstance(each, MappingNode) and each.get("event") is not None for each in expected)


def read_pipecat(source: Source, given: Given) -> Sequence[Draft]:
    """Return the scenarios of a file of evals; nothing for a YAML file that has none."""
    root = _Includes(given).tree(source)
    reader = _Reader(given)
    if isinstance(root, MappingNode) and isinstance(_value(root.get("scenarios")), ListNode):
        drafts = [reader.draft(each) for each in _each_of(root, given)]
    elif isinstance(root, MappingNode) and isinstance(_value(root.get("turns")), ListNode | UnknownNode):
        drafts = [reader.draft(root)]
    else:
        given.losses.drop(root, "turns", "this file is not an eval: it has no `turns` and no `scenarios`")
        return ()
    return [draft for draft in drafts if draft is not None]


def _each_of(root: MappingNode, given: Given) -> Iterator[MappingNode]:
    """Yield the scenarios of a file, each with what stands beside them as its defaults."""
    beside = [entry for entry in root.entries if entry.key not in {"name", "scenarios"}]
    called = _text(root.get("name"))
    for node in _items(root.get("scenarios")):
        if not isinstance(node, MappingNode):
            given.losses.drop(node, "scenarios", "this scenario is not a mapping")
            continue
        if (persona := node.get("persona")) is not None:
            message = "a model plays the user of this scenario: what it says is not known before"
            given.losses.drop(persona, "persona", message, hint="write what the user says, as `turns`")
            continue
        own, entries = _text(node.get("name")), [*node.entries]
        entries += [entry for entry in beside if node.get(entry.key) is None]
        name = next((entry for entry in entries if entry.key == "name"), None)
        # Scenarios of many files are called alike, `text` or `audio`: the file's name tells them apart.
        if called and own and called != own and name is not None and isinstance(name.value, ScalarNode):
            whole = replace(name, value=replace(name.value, value=f"{called}-{own}"))
            entries = [whole if entry is name else entry for entry in entries]
        yield MappingNode(position=node.position, entries=tuple(entries))


class _Includes:
    """Reads a file, and puts what it includes in its place, as far as that may be read.

    What cannot be read is a loss, and an UnknownNode stands for it.
    """

    def __init__(self, given: Given) -> None:
        self._given = given
        self._left = _MOST_INCLUDED

    def tree(self, source: Source, *, level: int = 1, within: tuple[str, ...] = ()) -> Node:
        """Return the tree of a file; InvalidScenarioError where it is not YAML that can be read.

        `level` is how deep it stands in the whole, and `within` the files that include it.
        """
        self._given.losses.know(source)
        document = parse(source, tag=INCLUDE)
        if document.problems:
            raise InvalidScenarioError(Problems(document.problems.shown))

        def whole(node: Node, key: str, level: int) -> Node:
            if within and level > _DEEPEST:
                raise FileProblemError(f"with what is included, it nests deeper than {_DEEPEST} levels")
            if isinstance(node, MappingNode):
                parts = ((each, whole(each.value, each.key, level + 1)) for each in node.entries)
                entries = tuple(replace(each, value=value) for each, value in parts)
                return MappingNode(position=node.position, entries=entries)
            if isinstance(node, ListNode):
                return replace(node, items=tuple(whole(item, key, level + 1) for item in node.items))
            if isinstance(node, ScalarNode) and node.start in document.tagged:
                return self._included(node, key, level=level, within=within)
            return node

        return whole(document.root, INCLUDE, level)

    def _included(self, node: ScalarNode, key: str, *, level: int, within: tuple[str, ...]) -> Node:
        name = str(node.value)
        try:
            source = self._read(name, within)
            return self.tree(source, level=level, within=(*within, name))
        except FileProblemError as error:
            self._given.losses.drop(node, key, error.message, hint=found_out(error.hint))
        except InvalidScenarioError as error:
            first = error.diagnostics[0]
            message = f"{name} cannot be read: {first.message}"
            self._given.losses.drop(node, key, message, hint=first.hint)
        return UnknownNode(position=node.position)

    def _read(self, name: str, within: tuple[str, ...]) -> Source:
        if name in within or len(within) == _MOST_WITHIN:
            raise FileProblemError(f"{name} is included by itself, or by a file too far within others")
        source = self._given.library.text(name)
        # A file may be included many times over.
        self._left -= len(source.text) + 1
        if self._left < 0:
            raise FileProblemError(f"more than {_MOST_INCLUDED // MAX_TEXT} MiB are included in all")
        return source


class _Reader:
    """Reads evals, one by one."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._losses = given.losses

    def draft(self, root: MappingNode) -> Draft | None:
        """Return the scenario of an eval; None where nothing is played in it."""
        losses = self._losses
        for entry in root.entries:
            if entry.key not in _TOP:
                losses.drop(entry, entry.key, f"`{entry.key}` of an eval is not carried over")
        self._settings(root)

        # The turns come first: they tell which tools there are, and whether anything is judged.
        found = _Eval()
        system = self._context(root.get("context"), found)
        for turn in _items(root.get("turns")):
            self._turn(found, turn)
        if not found.turns or "user" not in found.turns[-1]:
            # Of a file that cannot be read it is told already.
            if not isinstance(_value(root.get("turns")), UnknownNode):
                losses.drop(root.get("turns") or root, "turns", "nothing of these turns can be played")
            return None
        name = _text(root.get("name")) or self._given.stem
        stem = slug(name, default=self._given.stem)
        head: dict[str, Json] = {} if stem == name or name_problem(name) else {"name": name}
        head["model"] = self._given.model
        judge = self._judge(root.get("judge"))
        if found.judged:
            head["judge"] = {"model": judge}
        if system:
            head["system"] = literal(system)
        else:
            message = "the bot's prompt stands in its code, and not in its evals"
            losses.drop(root, "system", message, hint="write it into the scenario, as `system:`")
        if found.tools:
            message = "the bot's tools stand in its code: these take anything, and answer `ok`"
            hint = "write `tools` and `tool_results` as the bot has them"
            losses.change(root.get("turns") or root, "tools", message, hint=hint)
            head["tools"] = [_tool(tool, inputs) for tool, inputs in found.tools.items()]
            head["tool_results"] = {tool: {"return": "ok"} for tool in found.tools}
        head["turns"] = found.turns
        return Draft(stem=stem, head=head)

    def _settings(self, root: MappingNode) -> None:
        for key in ("user", "judge"):
            entry = root.get(key)
            block = _value(entry)
            spoken = isinstance(block, MappingNode) and _text(block.get("modality")) == "audio"
            if entry is not None and spoken:
                message = "what is spoken there is text here: the Messages API takes and gives no speech"
                self._losses.change(entry, key, message)
        # A conversation goes on after a failed check here, and nothing is connected.
        for key, why in (
            ("stop_on_failure", "a conversation goes on after a failed check"),
            ("trigger_disconnect", "no bot is connected that could hear of the end"),
        ):
            entry = root.get(key)
            if entry is not None and _json(entry.value) is True:
                self._losses.drop(entry, key, why)

    def _judge(self, entry: Entry | None) -> str:
        block = _value(entry)
        asked = block.get("eval") if isinstance(block, MappingNode) else None
        evaluated = asked.value if asked is not None else None
        if not isinstance(evaluated, MappingNode):
            return self._given.judge
        model, service = _text(evaluated.get("model")), _text(evaluated.get("service"))
        if service == "anthropic" and model and rules_for(model):
            return model
        called = f"{service or 'another service'} {model or ''}".strip()
        message = f"the judge {called} is `{self._given.judge}` here"
        self._losses.change(
            asked or evaluated, "judge", message, hint="a run's --judge-model is asked instead"
        )
        return self._given.judge

    def _context(self, entry: Entry | None, found: _Eval) -> str:
        """Add the messages that the conversation begins with, and return those of the system."""
        system: list[str] = []
        for message in _items(entry):
            role = _text(message.get("role")) if isinstance(message, MappingNode) else None
            text = _text(message.get("content")) if isinstance(message, MappingNode) else None
            last = next(iter(found.turns[-1]), None) if found.turns else None
            fits = {"user": last in {None, "assistant"}, "assistant": last == "user"}
            if role in {"system", "developer"} and text:
                system.append(text)
            elif role in {"user", "assistant"} and text and fits[role]:
                found.turns.append({role: literal(text)})
            else:
                self._losses.drop(message, "context", "this message of `context` cannot stand here")
        if entry is not None and found.turns and "user" in found.turns[-1]:
            self._losses.change(entry, "context", "its last message is played: it gets a reply of its own")
        return "\n\n".join(system)

    def _turn(self, found: _Eval, node: Node) -> None:
        if not isinstance(node, MappingNode):
            self._losses.drop(node, "turns", "this turn is not a mapping")
            return
        for entry in node.entries:
            if entry.key not in _TURN:
                self._losses.drop(entry, entry.key, f"`{entry.key}` of a turn is not carried over")
        said, keys, words = _text(node.get("user")), node.get("dtmf"), _value(node.get("user"))
        if isinstance(words, MappingNode | ListNode | UnknownNode):
            self._losses.drop(node, "turns", "what the user says is not a text: this turn is left out")
            return
        expected = list(self._expectations(found, node.get("expect")))
        if keys is not None:
            said = f"DTMF: {_text(keys) or ''}"
            message = "pressed keys are sent as the text that the bot's aggregator makes of them"
            self._losses.change(keys, "dtmf", message)
        if said and said.strip():
            turn: dict[str, Json] = {"user": literal(said)}
        elif not found.turns or "assistant" in found.turns[-1]:
            message = f"the bot speaks first there; here a first turn says `{_GREETING}`"
            self._losses.change(node, "turns", message, hint="the Messages API begins with the user")
            turn = {"user": _GREETING}
        else:
            # Nothing is said: what is expected is expected of the reply before.
            message = "the bot speaks unasked there; this is expected of the reply before"
            self._losses.change(node, "expect", message)
            before = found.turns[-1].get("expect")
            both = [*(before if isinstance(before, list) else ()), *expected]
            if both:
                found.turns[-1]["expect"] = both
            return
        self._waits(node)
        found.turns.append({**turn, "expect": expected} if expected else turn)

    def _waits(self, node: MappingNode) -> None:
        for key, why in (
            ("send_after", "a turn is sent when the reply before it is whole, and interrupts nothing"),
            ("image", "an image that the bot's code asks for is not carried over"),
        ):
            if (entry := node.get(key)) is not None:
                hint = "write it as a block: user: [{text: ...}, {image: path}]" if key == "image" else None
                self._losses.drop(entry, key, why, hint=hint)
        if (entry := node.get("audio")) is not None:
            self._losses.change(entry, "audio", "the text of a recording is sent, not its sound")

    def _expectations(self, found: _Eval, entry: Entry | None) -> Iterator[JsonObject]:
        for node in _items(entry):
            if not isinstance(node, MappingNode):
                self._losses.drop(node, "expect", "this expectation is not a mapping")
                continue
            for each in node.entries:
                if each.key not in _EXPECTATION:
                    self._losses.drop(each, each.key, f"`{each.key}` of an expectation is not carried over")
            for expectation in self._expectation(found, node):
                if problem := expectation_problem(expectation):
                    self._losses.drop(
                        node, "expect", f"this cannot be expected: {problem[0]}", hint=problem[1]
                    )
                else:
                    found.judged = found.judged or "judge" in expectation
                    yield expectation

    def _expectation(self, found: _Eval, node: MappingNode) -> Iterator[JsonObject]:
        event, absent = _text(node.get("event")), _json(_value(node.get("absent")))
        place = node.get("event") or node
        if event == "function_call" and absent is True:
            yield {"no_tool_calls": True}
        elif absent is True:
            self._losses.drop(place, "absent", f"that no `{event}` comes cannot be expected")
        elif event in _REPLIES:
            yield from _said(node)
        elif event == "function_call":
            yield from self._calls(found, node)
            if (judged := node.get("eval")) is not None:
                self._losses.drop(judged, "eval", "a judge reads what is said, and not the input of a call")
        else:
            message = f"the event `{event}` tells of speech and of the bot's inside, which nobody sees here"
            self._losses.drop(place, "event", message)
            return
        within = node.get("within_ms")
        budget = _json(within.value) if within is not None else None
        if within is not None and absent is not True:
            if isinstance(budget, int) and budget > 0:
                yield {"max_latency": f"{budget}ms"}
            else:
                self._losses.drop(within, "within_ms", "this is not a number of milliseconds")

    def _calls(self, found: _Eval, node: MappingNode) -> Iterator[JsonObject]:
        calls = node.get("calls")
        listed: Sequence[Node] = _items(calls) if calls is not None else (node,)
        for call in listed:
            name = _text(call.get("name")) if isinstance(call, MappingNode) else None
            if isinstance(call, ScalarNode):
                name = _text(call)
            if name is None or not _TOOL_NAME.fullmatch(name):
                place = node.get("event") or node
                self._losses.drop(place, "calls", "a call without the name of a tool cannot be expected here")
                continue
            args = _json(_value(call.get("args"))) if isinstance(call, MappingNode) else None
            inputs = found.tools.setdefault(name, {})
            if isinstance(args, dict) and args:
                inputs |= args
                yield {"calls_tool": {"name": name, "input": _literal(args)}}
            else:
                yield {"calls_tool": name}


def _said(node: MappingNode) -> Iterator[JsonObject]:
    """Yield what is expected of the text of a reply."""
    if text := _text(node.get("text_contains")):
        yield {"contains": literal(text)}
    if text := _text(node.get("text_excludes")):
        yield {"not": {"contains": literal(text)}}
    if text := _text(node.get("eval")):
        yield {"judge": literal(text)}


def _tool(name: str, inputs: Mapping[str, Json]) -> JsonObject:
    schema: dict[str, Json] = {"type": "object"}
    if inputs:
        schema["properties"] = {key: {"type": _type(value)} for key, value in inputs.items()}
    return {"name": name, "input_schema": schema}


def _type(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict | list):
        return "object" if isinstance(value, dict) else "array"
    return "string"


def _literal(value: Json) -> Json:
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, dict):
        return {key: _literal(part) for key, part in value.items()}
    return [_literal(part) for part in value] if isinstance(value, list) else value


def _json(node: Node | None) -> Json:
    """Return a value as PyYAML reads it, to which a plain `yes` is true."""
    if isinstance(node, ScalarNode) and not node.style and isinstance(node.value, str):
        word = node.value.lower()
        return word in _YES if word in _YES | _NO else node.value
    if isinstance(node, ListNode):
        return [_json(item) for item in node.items]
    if isinstance(node, MappingNode):
        return {entry.key: _json(entry.value) for entry in node.entries}
    return node.value if isinstance(node, ScalarNode) else None


def _value(entry: Entry | None) -> Node | None:
    return entry.value if entry is not None else None


def _items(entry: Entry | None) -> Sequence[Node]:
    return entry.value.items if entry is not None and isinstance(entry.value, ListNode) else ()


def _text(entry: Entry | ScalarNode | None) -> str | None:
    node = entry.value if isinstance(entry, Entry) else entry
    if not isinstance(node, ScalarNode) or node.value is None or isinstance(node.value, bool):
        return None
    return str(node.value)

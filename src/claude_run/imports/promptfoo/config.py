"""promptfoo configurations: each prompt is a scenario, each test a case of it.

With a prompt that goes on, or a chat that is made when it is filled in, a case has turns of its own, whose
texts are filled in. What a configuration runs as code is named, and never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.imports.drafts import (
    Draft,
    Names,
    case_id,
    expectation_problem,
    filled_problem,
    fits,
    slug,
    unwritable,
)
from claude_run.imports.promptfoo.asserts import Asserts
from claude_run.imports.promptfoo.nodes import Tree, json_of, number_of, text_of
from claude_run.imports.promptfoo.nunjucks import Template, composed, filled, translated
from claude_run.imports.promptfoo.prompts import Message, Prompt, chat_of, prompts
from claude_run.imports.promptfoo.providers import claude_model, models
from claude_run.imports.promptfoo.tests import Test, tests
from claude_run.scenario.template import Renderer, RenderError, texts_inside
from claude_run.scenario.template_inspection import variables_in
from claude_run.scenario.template_language import literal
from claude_run.scenario.vocabulary import name_problem, variable_problem
from claude_run.scenario.yaml_tree import MappingNode, ScalarNode
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from claude_run.imports.drafts import Given
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Node

_KEYS = frozenset(
    {"prompts", "providers", "targets", "tests", "defaultTest", "description", "evaluateOptions", "tags"}
    | {"scenarios", "assertionTemplates", "$schema"}
)
_CODE = frozenset({"extensions", "nunjucksFilters", "transform"})
_MAX_REPEAT = 1000


def is_promptfoo(root: MappingNode) -> bool:
    """Return whether a YAML or JSON file is a configuration: it has prompts or providers, and no turns."""
    return root.get("turns") is None and any(root.get(key) for key in ("prompts", "providers", "targets"))


def read_promptfoo(source: Source, given: Given) -> Sequence[Draft]:
    """Return a scenario for each prompt of a configuration that can be said."""
    tree = Tree(source, given)
    if not isinstance(tree.root, MappingNode):
        given.losses.drop(tree.root, "prompts", "this file is not a configuration: it is not a mapping")
        return ()
    config = _Config(tree, tree.root)
    found = [draft for prompt in config.prompts for draft in config.drafts(prompt)]
    if len(config.prompts) > 1:
        names = Names()
        found = [replace(draft, stem=names.take(draft.stem)) for draft in found]
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A test with its variables as they are filled in, those that others read, and the name of its case."""

    test: Test
    id: str
    vars: Mapping[str, Json]
    used: frozenset[str]


class _Config:
    """One configuration: who plays, what is tested, and each prompt as scenarios."""

    def __init__(self, tree: Tree, root: MappingNode) -> None:
        self._tree, self._root, self._losses, self._given = tree, root, tree.losses, tree.given
        self._note_keys()
        self._models = models(tree, self._listed("providers", "targets"))
        declared = [entry.get("tools") for entry in self._models]
        self._asserts = Asserts(
            tree=tree,
            judge=self._judge(),
            tools=frozenset(
                str(tool.get("name"))
                for listed in declared
                for tool in (listed if isinstance(listed, list) else ())
                if isinstance(tool, Mapping)
            ),
        )
        self.prompts = tuple(prompts(tree, self._listed("prompts") or (_default_prompt(root),)))
        shared = tree.value(root.get("defaultTest"))
        found = tests(tree, self._listed("tests"), shared, self._listed("scenarios"))
        self._tests = tuple(self._ready(found))

    def drafts(self, prompt: Prompt) -> Iterator[Draft]:
        """Yield the scenarios of a prompt: one, or none, or one more for cases without a system prompt."""
        stem = self._given.stem
        if len(self.prompts) > 1:
            stem = f"{stem}-{slug(prompt.name, default='prompt')}"
        shared = None if prompt.whole is not None or prompt.goes_on else self._shared(prompt)
        if shared is not None:
            yield Draft(stem=stem, head=shared[0], cases=shared[1])
        elif prompt.whole is not None or prompt.goes_on:
            for head, cases in self._inlined(prompt):
                yield Draft(stem=stem, head=head, cases=cases)

    # What holds for all prompts.

    def _note_keys(self) -> None:
        for entry in self._root.entries:
            if entry.key in _CODE:
                self._losses.drop(entry, entry.key, f"`{entry.key}` is code, which is not carried over")
            elif entry.key == "env":
                message = "`env` is not carried over: a scenario reads no environment"
                self._losses.hide(entry)
                for each in entry.value.entries if isinstance(entry.value, MappingNode) else ():
                    self._losses.hide(each)
                self._losses.drop(entry, "env", message, hint="--env-file keeps what a run needs")
            elif entry.key not in _KEYS:
                self._losses.drop(entry, entry.key, f"`{entry.key}` is not carried over")
        options = self._tree.value(self._root.get("evaluateOptions"))
        for each in options.entries if isinstance(options, MappingNode) else ():
            if each.key != "repeat":
                message = f"`{each.key}` belongs to a run, and not to a scenario"
                self._losses.drop(each, each.key, message, hint="see claude-run run --help")

    def _listed(self, *names: str) -> Sequence[Node]:
        for name in names:
            if (entry := self._root.get(name)) is not None:
                return self._tree.items(self._tree.value(entry))
        return ()

    def _judge(self) -> str:
        """Return the model that grades: the one that all tests name, where it is one of Claude."""
        shared = self._tree.value(self._root.get("defaultTest"))
        options = self._tree.value(shared.get("options")) if isinstance(shared, MappingNode) else None
        entry = options.get("provider") if isinstance(options, MappingNode) else None
        if entry is None:
            return self._given.judge
        named = self._tree.value(entry)
        model = claude_model(
            text_of(named) or text_of(named.get("id") if isinstance(named, MappingNode) else None)
        )
        if model is None:
            message = f"the judge is `{self._given.judge}`: the one named here is not Claude by its own API"
            self._losses.change(entry, "provider", message, hint="a run's --judge-model is asked instead")
        return model or self._given.judge

    def _ready(self, found: Iterable[Test]) -> Iterator[_Ready]:
        names = Names()
        for number, test in enumerate(found, 1):
            made = composed(test.vars)
            for name in made.stuck:
                message = f"`{name}` holds a template that cannot be filled in: it stays as it is"
                self._losses.change(test.places.get(name, test.place), name, message)
            for reader, missing in made.missing.items():
                for name in missing:
                    message = f"`{name}` has no value in this test: it is empty in `{reader}`"
                    self._losses.change(test.places.get(reader, test.place), name, message)
            named = names.take(case_id(test.description, default=f"test-{number}"))
            yield _Ready(test=test, id=named, vars=made.values, used=made.used)

    def _head(self, expected: Iterable[JsonObject]) -> dict[str, Json]:
        head: dict[str, Json] = {}
        description = text_of(self._root.get("description"))
        if description:
            head["description"] = description
        if tags := list(self._tags()):
            head["tags"] = tags
        only = self._models[0]
        if len(self._models) == 1 and "label" not in only:
            head |= only
        else:
            head["models"] = [each["model"] if len(each) == 1 else each for each in self._models]
        options = self._tree.value(self._root.get("evaluateOptions"))
        repeat = number_of(options.get("repeat")) if isinstance(options, MappingNode) else None
        if repeat is not None and repeat.is_integer() and 1 < repeat <= _MAX_REPEAT:
            head["repeat"] = int(repeat)
        if any(map(_is_judged, expected)):
            head["judge"] = {"model": self._asserts.judge}
        return head

    def _tags(self) -> Iterator[str]:
        entry = self._root.get("tags")
        value = json_of(entry)
        for key, word in value.items() if isinstance(value, Mapping) else ():
            tag = f"{key}:{word}"
            if name_problem(tag) is None:
                yield tag
            elif entry is not None:
                self._losses.drop(entry, "tags", f"the tag `{key}` cannot be one here")

    # A prompt whose texts stay templates.

    def _shared(self, prompt: Prompt) -> tuple[JsonObject, tuple[JsonObject, ...]] | None:
        texts = [*([prompt.system] if prompt.system else []), *_texts(prompt.messages)]
        if (problem := next((t.problem for t in map(translated, texts) if t.problem), None)) is not None:
            self._losses.drop(prompt.place, "prompts", f"this prompt cannot be said: {problem}")
            return None
        if prompt.messages[-1].role == "assistant":
            message = "the prompt ends with words of the assistant, which no model goes on from: left out"
            self._losses.drop(prompt.place, "prompts", message)
            prompt = replace(prompt, messages=prompt.messages[:-1])
            texts = [*([prompt.system] if prompt.system else []), *_texts(prompt.messages)]

        # What all tests expect stands at the turn, unless a test adds it up or a pattern differs by test.
        common = self._common()
        expected = self._asserts.read(common, None, place=prompt.place)
        turns = _turns(prompt.messages)
        turns[-1] = {**turns[-1], "expect": expected} if expected else turns[-1]
        used = [name for text in texts for name in translated(text).names]
        used += _names_in(expected)
        cases = [
            case
            for ready in self._tests
            if (case := self._case(ready, prompt, turns, used=used, common=bool(common))) is not None
        ]
        if not cases:
            return None
        inside = [each for case in cases for each in _expected_in(case)]
        head = self._head([*expected, *inside])
        if prompt.system:
            head["system"] = translated(prompt.system).source
        if not all("turns" in case for case in cases):
            head["turns"] = turns
        shared_vars, cases = _with_shared(cases)
        if shared_vars:
            head["vars"] = shared_vars
        if unwritable(head) or not fits(head):
            message = "this prompt is too large or nests too deep, or holds what no scenario can"
            self._losses.drop(prompt.place, "prompts", message)
            return None
        only = cases[0]
        if len(cases) == 1 and only.keys() <= {"id", "turns"} and not self._tests[0].test.description:
            return {**head, "turns": only.get("turns", turns)}, ()
        return head, tuple(cases)

    def _common(self) -> tuple[Node, ...]:
        first = self._tests[0].test.shared if self._tests else ()
        same = all(each.test.shared == first and each.test.threshold is None for each in self._tests)
        by_test = any("regex" in str(json_of(node)) and "{{" in str(json_of(node)) for node in first)
        return first if same and not by_test else ()

    def _case(
        self, ready: _Ready, prompt: Prompt, turns: Sequence[JsonObject], *, used: Sequence[str], common: bool
    ) -> JsonObject | None:
        test = ready.test
        nodes = test.own if common else (*test.shared, *test.own)
        asserts = replace(self._asserts, variables=ready.vars)
        expected = asserts.read(nodes, test.threshold, place=test.place)
        names = [*used, *_names_in(expected)]
        variables = self._variables(ready, names)
        case: dict[str, Json] = {"id": ready.id}
        if variables:
            case["vars"] = variables
        if tags := self._own_tags(test):
            case["tags"] = tags
        own = list(turns)
        if test.prefix or test.suffix:
            last = prompt.messages[-1]
            if isinstance(last.content, str):
                around = Message(role="user", content=f"{test.prefix}{last.content}{test.suffix}")
                own[-1] = {**own[-1], **_turns([around])[0]}
            else:
                self._losses.drop(
                    test.place, "options", "`prefix` and `suffix` of blocks are not carried over"
                )
        # A single test is no case: what it expects stands at its turn.
        is_case = len(self._tests) > 1
        anywhere = is_case and all(
            expectation_problem(each, place="conversation") is None for each in expected
        )
        if expected and anywhere and own[-1] is turns[-1]:
            case["expect"] = expected
        elif expected or own[-1] is not turns[-1]:
            before = own[-1].get("expect")
            both = [*(before if isinstance(before, list) else ()), *expected]
            own[-1] = {**own[-1], "expect": both} if both else own[-1]
            case["turns"] = own
        return case if self._can_play(ready, case, turns, prompt) else None

    def _variables(self, ready: _Ready, names: Sequence[str]) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for name in dict.fromkeys(names):
            if name in ready.vars:
                found[name] = ready.vars[name]
            else:
                message = f"`{name}` has no value in this test: it is empty"
                self._losses.change(ready.test.place, name, message)
                found[name] = ""
        for name in ready.vars.keys() - found.keys() - ready.used:
            why = variable_problem(name)
            message = f"the variable `{name}` {why}" if why else f"no text uses the variable `{name}`"
            self._losses.drop(ready.test.places.get(name, ready.test.place), name, message)
        return found

    def _own_tags(self, test: Test) -> list[Json]:
        for tag in test.tags:
            if (problem := name_problem(tag)) is not None:
                self._losses.drop(
                    test.place, "metadata", f"a word of the metadata cannot be a tag: it {problem}"
                )
        return [tag for tag in dict.fromkeys(test.tags) if name_problem(tag) is None]

    def _can_play(self, ready: _Ready, case: JsonObject, turns: Sequence[JsonObject], prompt: Prompt) -> bool:
        """Return whether a case can be played once it is filled in; why not is noted."""
        renderer = Renderer(_vars_of(case))
        own = case.get("turns")
        played = own if isinstance(own, list) else turns
        problem: str | None = None
        try:
            if prompt.system is not None:
                renderer.fill(translated(prompt.system).source, {})
            for turn in played:
                for text in texts_inside({key: turn[key] for key in ("user", "assistant") if key in turn}):
                    if not str(renderer.fill(text, {})).strip():
                        problem = "a message of it says nothing"
        except RenderError as error:
            problem = error.reason
        expected = [*_expected_in({"turns": list(played)}), *_expected_in({**case, "turns": []})]
        problem = problem or next(
            (found for each in expected if (found := filled_problem(each, renderer)) is not None), None
        )
        if problem is None and unwritable(case):
            problem = "it holds NUL or half of a surrogate pair"
        if problem is None and not fits(case):
            problem = "it is too large for a scenario"
        if problem is not None:
            self._losses.drop(ready.test.place, "tests", f"this test is left out: {problem}")
        return problem is None

    # A prompt whose texts are filled in for each test.

    def _inlined(self, prompt: Prompt) -> Iterator[tuple[JsonObject, tuple[JsonObject, ...]]]:
        groups: dict[str, list[_Ready]] = {}
        for ready in self._tests:
            key = ready.id if not prompt.goes_on else ready.test.conversation or "conversation"
            groups.setdefault(key, []).append(ready)
        names = Names()
        found: dict[bool, list[tuple[str | None, JsonObject, Sequence[_Ready]]]] = {}
        for key, members in groups.items():
            name = names.take(case_id(key, default=f"conversation-{len(names) + 1}"))
            talk = self._talk(prompt, members, name)
            if talk is not None:
                found.setdefault(talk[0] is not None, []).append((*talk, members))
        for talks in found.values():
            systems = {system for system, _, _ in talks}
            head = self._head(each for _, case, _ in talks for each in _expected_in(case))
            cases = [case for _, case, _ in talks]
            if len(systems) > 1:
                head["system"] = "{{ system }}"
                cases = [{**case, "vars": {"system": system}} for system, case, _ in talks]
            elif talks[0][0] is not None:
                head["system"] = literal(talks[0][0])
            if unwritable(head) or not fits(head):
                message = "this prompt is too large or nests too deep, or holds what no scenario can"
                self._losses.drop(prompt.place, "prompts", message)
                for _, _, left_out in talks:
                    self._leave_out(left_out, "so is its prompt")
                continue
            yield head, tuple(cases)

    def _talk(
        self, prompt: Prompt, members: Sequence[_Ready], name: str
    ) -> tuple[str | None, JsonObject] | None:
        """Return the system's text and the case of a conversation; None where it cannot be said, with why."""
        turns: list[Json] = []
        system: str | None = None
        tags: list[Json] = []
        for ready in members:
            said = self._said(prompt, ready)
            if isinstance(said, str):
                self._leave_out(members, said)
                return None
            if turns and said[0] != system:
                message = "the system prompt of a conversation stays that of its first test"
                self._losses.change(ready.test.place, "tests", message)
            system = system if turns else said[0]
            messages = said[1] if not turns else said[1][-1:]
            asserts = replace(self._asserts, variables=ready.vars, inline=True)
            nodes = (*ready.test.shared, *ready.test.own)
            expected = asserts.read(nodes, ready.test.threshold, place=ready.test.place)
            played = [_literal_turn(message) for message in messages]
            played[-1] = {**played[-1], "expect": expected} if expected else played[-1]
            turns += played
            tags += [tag for tag in self._own_tags(ready.test) if tag not in tags]
        case: dict[str, Json] = {"id": name, **({"tags": tags} if tags else {}), "turns": turns}
        if unwritable([system, case]) or not fits({**case, "system": system}):
            self._leave_out(members, "it is too large, or holds what no scenario can")
            return None
        return system, case

    def _leave_out(self, members: Sequence[_Ready], why: str) -> None:
        """Note every test of a conversation that cannot be said."""
        for ready in members:
            self._losses.drop(ready.test.place, "tests", f"this conversation is left out: {why}")

    def _said(self, prompt: Prompt, ready: _Ready) -> tuple[str | None, tuple[Message, ...]] | str:
        """Return the system's text and the messages that a test sends; a text that says why it cannot."""
        try:
            if prompt.whole is not None:
                whole = self._filled(prompt.whole, ready)
                found = chat_of(read_json(whole))
            else:
                system = self._filled(prompt.system, ready) if prompt.system else None
                found = system, tuple(self._filled_message(each, ready) for each in prompt.messages)
        except RenderError as error:
            return error.reason
        except ValueError as error:
            return f"its prompt is not JSON once it is filled in: {error}"
        if isinstance(found, str):
            return found
        system, messages = found
        if messages[-1].role != "user":
            return "it ends with words of the assistant"
        if not all(text.strip() for text in _texts(messages)):
            return "a message of it says nothing"
        last = messages[-1]
        if isinstance(last.content, str) and (ready.test.prefix or ready.test.suffix):
            content = f"{ready.test.prefix}{last.content}{ready.test.suffix}"
            messages = (*messages[:-1], Message(role="user", content=content))
        return system or None, messages

    def _filled(self, text: str, ready: _Ready) -> str:
        template = translated(text)
        if template.problem is not None:
            raise RenderError(template.problem)
        self._note_missing(template, ready)
        return filled(template, ready.vars)

    def _filled_message(self, message: Message, ready: _Ready) -> Message:
        if isinstance(message.content, str):
            return replace(message, content=self._filled(message.content, ready))
        blocks = (
            {**block, "text": self._filled(block["text"], ready)} if "text" in block else block
            for block in message.content
        )
        return replace(message, content=tuple(blocks))

    def _note_missing(self, template: Template, ready: _Ready) -> None:
        for name in template.names:
            if name not in ready.vars:
                message = f"`{name}` has no value in this test: it is empty"
                self._losses.change(ready.test.place, name, message)


def _default_prompt(root: MappingNode) -> Node:
    return ScalarNode(position=root.position, value="{{prompt}}", style='"', start=0, end=0)


def _turns(messages: Sequence[Message]) -> list[JsonObject]:
    """Return turns whose texts are templates."""
    turns: list[JsonObject] = []
    for message in messages:
        if isinstance(message.content, str):
            turns.append({message.role: translated(message.content).source})
        else:
            turns.append({message.role: [_block(block, template=True) for block in message.content]})
    return turns


def _literal_turn(message: Message) -> JsonObject:
    """Return a turn whose texts are what they are."""
    if isinstance(message.content, str):
        return {message.role: literal(message.content)}
    return {message.role: [_block(block, template=False) for block in message.content]}


def _block(block: Mapping[str, str], *, template: bool) -> JsonObject:
    if "image" in block:
        return {"image": {"url": block["image"]}}
    return {"text": translated(block["text"]).source if template else literal(block["text"])}


def _texts(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        if isinstance(message.content, str):
            yield message.content
        else:
            yield from (block["text"] for block in message.content if "text" in block)


def _names_in(expected: Sequence[JsonObject]) -> list[str]:
    """Return the variables that expectations read."""
    texts = (text for each in expected for text in texts_inside(each))
    return [use.name for text in texts for use in variables_in(text).uses if not use.optional]


def _expected_in(case: JsonObject) -> Iterator[JsonObject]:
    turns = case.get("turns")
    holders = [case, *(turns if isinstance(turns, list) else ())]
    for holder in holders:
        expected = holder.get("expect") if isinstance(holder, Mapping) else None
        for each in expected if isinstance(expected, list) else ():
            if isinstance(each, Mapping):
                yield each


def _is_judged(expectation: JsonObject) -> bool:
    """Return whether the judge of the scenario is asked: none of its own is named."""
    for key, value in expectation.items():
        if key == "judge":
            return not (isinstance(value, Mapping) and "by" in value)
        inside = value if isinstance(value, list) else [value]
        if key in {"not", "any_of", "all_of"} and any(
            _is_judged(each) for each in inside if isinstance(each, Mapping)
        ):
            return True
    return False


def _with_shared(cases: Sequence[JsonObject]) -> tuple[dict[str, Json], list[JsonObject]]:
    """Return the variables that all cases have alike, and the cases without them."""
    found = [_vars_of(case) for case in cases]
    shared = {
        name: value
        for name, value in found[0].items()
        if all(name in each and each[name] == value for each in found)
    }
    left: list[JsonObject] = []
    for case, variables in zip(cases, found, strict=True):
        own = {name: value for name, value in variables.items() if name not in shared}
        without = {key: part for key, part in case.items() if key != "vars"}
        left.append({"id": case["id"], "vars": own, **without} if own else without)
    return shared, left


def _vars_of(case: JsonObject) -> Mapping[str, Json]:
    variables = case.get("vars")
    return variables if isinstance(variables, Mapping) else {}

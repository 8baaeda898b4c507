"""Asserts as expectations: each kind by a table, groups by what they need of their members."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from claude_run.checks.registry import default_registry
from claude_run.imports.drafts import expectation_problem
from claude_run.imports.promptfoo.nodes import as_text, json_of, number_of, text_of
from claude_run.imports.promptfoo.nunjucks import filled, translated
from claude_run.imports.promptfoo.providers import claude_model
from claude_run.scenario.foreign_words import expectation_hint
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.template import RenderError
from claude_run.scenario.template_language import is_template, literal
from claude_run.scenario.yaml_tree import MappingNode
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from claude_run.imports.promptfoo.nodes import Tree
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.yaml_tree import Node

_CODE = frozenset({"javascript", "python", "ruby", "webhook"})
_KEYS = frozenset(
    {"type", "value", "threshold", "weight", "metric", "provider", "assert", "transform", "$ref"}
)
_MOST_WAYS = 20
_MOST_MEMBERS = 10
_JSON_INSIDE = r"(?s)(\{.*\}|\[.*\])"
_STOP_REASONS: Mapping[str, Json] = {
    "stop": ["end_turn", "stop_sequence"],
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_REFUSES = "The reply refuses to do what the user asks."
_RELEVANT = "The reply answers what the user asks, and keeps to it."
_FACTUAL = "What the reply says agrees with these facts: "
_SIMILAR = "The reply means the same as this text: "


class NotCarriedError(Exception):
    """An assert has no counterpart; the message says why, and the hint what may be done."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Weighed(NamedTuple):
    """An expectation, and how much it weighs where a threshold adds them up."""

    weight: float
    expectation: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserts:
    """Reads asserts; their texts stay templates, or where it is `inline` are filled in with the `variables`.

    A pattern is always filled in: its variables are patterns there, and plain text here. `judge` answers
    where no model of Claude is named; `tools` are the names of those that are declared.
    """

    tree: Tree
    judge: str
    tools: frozenset[str]
    variables: Mapping[str, Json] = EMPTY
    inline: bool = False

    def read(self, nodes: Sequence[Node], threshold: float | None, *, place: Node) -> list[JsonObject]:
        """Return what is expected; what has no counterpart is noted and left out."""
        members = [(node, self._member(node)) for node in nodes if not self._decides_nothing(node)]
        return self._grouped(members, threshold, place)

    def _decides_nothing(self, node: Node) -> bool:
        """Return whether an assert weighs nothing, so that no threshold misses it either; that is noted."""
        if not isinstance(node, MappingNode) or number_of(node.get("weight")) != 0:
            return False
        message = "an assert of weight 0 decides nothing there, and is left out"
        self.tree.losses.drop(node.get("type") or node, text_of(node.get("type")) or "assert", message)
        return True

    def _member(self, node: Node) -> Weighed | None:
        """Return one assert as an expectation; None where it is left out, which is noted."""
        losses = self.tree.losses
        if not isinstance(node, MappingNode):
            losses.drop(node, "assert", "this assert is not a mapping with a `type`")
            return None
        kind = text_of(node.get("type")) or ""
        place = node.get("type") or node
        try:
            for entry in node.entries:
                if entry.key not in _KEYS:
                    losses.drop(entry, entry.key, f"`{entry.key}` of an assert is not carried over")
            weight = number_of(node.get("weight"))
            _refuse_code(node)
            expectation = self._set(node) if kind == "assert-set" else self._one(kind, node)
            _refuse_unsound(kind, expectation)
        except NotCarriedError as error:
            losses.drop(place, kind or "assert", error.message, hint=error.hint)
            return None
        if metric := text_of(node.get("metric")):
            expectation = {**expectation, "label": metric}
        return Weighed(1.0 if weight is None else weight, expectation)

    def _set(self, node: MappingNode) -> JsonObject:
        inside = self.tree.items(self.tree.value(node.get("assert")))
        found = self.read(inside, number_of(node.get("threshold")), place=node)
        if not found:
            raise NotCarriedError("nothing is left of this `assert-set`")
        return found[0] if len(found) == 1 else {"all_of": found}

    def _grouped(
        self, members: Sequence[tuple[Node, Weighed | None]], threshold: float | None, place: Node
    ) -> list[JsonObject]:
        """Return what holds where as much of the members holds as a threshold asks for."""
        kept = [member for _, member in members if member is not None]
        losses = self.tree.losses
        if threshold is None or not members:
            return [each.expectation for each in kept]
        where = place.get("threshold") if isinstance(place, MappingNode) else None
        if len(kept) < len(members):
            message = "not all asserts that this threshold adds up are carried over, so that none of them is"
            losses.drop(where or place, "threshold", message)
            return []
        losses.change(where or place, "threshold", "an assert counts as 1 or 0 here, and never in part")
        found = ways([each.weight for each in kept], threshold)
        if found is None:
            message = f"{len(kept)} asserts of which {threshold:g} must hold are too many ways to write out"
            losses.drop(where or place, "threshold", message, hint="write `any_of` by hand")
            return []
        if not found:
            losses.drop(where or place, "threshold", "a threshold of 0 is always reached")
            return []
        if len(found) == 1:
            return [kept[index].expectation for index in found[0]]
        either = [[kept[index].expectation for index in way] for way in found]
        return [{"any_of": [way[0] if len(way) == 1 else {"all_of": way} for way in either]}]

    def _one(self, kind: str, node: MappingNode) -> JsonObject:
        if kind.startswith("not-"):
            return {"not": self._one(kind.removeprefix("not-"), node)}
        if kind in _CODE:
            raise NotCarriedError(
                f"`{kind}` is code, which is not carried over",
                "write it as a check of your own in Python, handed over with --checks FILE",
            )
        read = _KINDS.get(kind)
        if read is None:
            raise NotCarriedError(
                f"`{kind}` has no counterpart", expectation_hint(kind, default_registry().kinds())
            )
        return read(self, node)

    def value(self, node: MappingNode) -> Json:
        """Return the value of an assert, from the file that it names where it does so."""
        entry = node.get("value")
        found = self.tree.value(entry)
        name = self.tree.file_name(found)
        if name is None or entry is None:
            return json_of(found)
        if self.tree.is_code(name):
            raise NotCarriedError(f"{name} is code, which is not carried over")
        if name.endswith((".json", ".yaml", ".yml")):
            loaded = self.tree.loaded(name, entry, "value")
            if loaded is None:
                raise NotCarriedError(f"its value cannot be read from {name}")
            return json_of(loaded)
        source = self.tree.open(name, entry, "value")
        if source is None:
            raise NotCarriedError(f"its value cannot be read from {name}")
        return source.text

    def text(self, value: Json, *, pattern: bool = False) -> str:
        """Return a text of an assert as a template, or filled in."""
        text = as_text(value)
        if text is None:
            raise NotCarriedError("its value is not a text")
        if not is_template(text) and "{#" not in text:
            return text
        template = translated(text)
        if template.problem is not None:
            raise NotCarriedError(f"its text is a template that cannot be said here: {template.problem}")
        if not self.inline and not pattern:
            return template.source
        try:
            return literal(filled(template, self.variables))
        except RenderError as error:
            raise NotCarriedError(f"its text cannot be filled in: {error.reason}") from error

    def texts(self, value: Json) -> list[Json]:
        """Return a list of texts, which may be written as one text with commas."""
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(parts, list) or not parts:
            raise NotCarriedError("its value is not a list of texts")
        return [self.text(part) for part in parts]

    def filled_in(self, value: Json) -> Json:
        """Return JSON with every text in it as a template, or filled in."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.filled_in(part) for key, part in value.items()}
        return [self.filled_in(part) for part in value] if isinstance(value, list) else value

    def judged(self, node: MappingNode, rubric: str, *, near: str | None = None) -> JsonObject:
        """Return a `judge` with its model; `near` says in what it differs from what is asked for there."""
        losses = self.tree.losses
        if near is not None:
            losses.change(node.get("type") or node, text_of(node.get("type")) or "type", near)
        threshold = node.get("threshold")
        if threshold is not None:
            losses.drop(threshold, "threshold", "a judge passes or fails a reply, and gives no score")
        provider = node.get("provider")
        if provider is None:
            return {"judge": rubric}
        named = self.tree.value(provider)
        model = claude_model(
            text_of(named) or text_of(named.get("id") if isinstance(named, MappingNode) else None)
        )
        if model is None:
            losses.change(provider, "provider", f"the judge named here is `{self.judge}` instead")
            return {"judge": rubric}
        return {"judge": {"rubric": rubric, "by": model}}


def _refuse_code(node: MappingNode) -> None:
    """Raise NotCarriedError for an assert of any kind that looks at what code makes."""
    if node.get("transform") is not None:
        raise NotCarriedError("`transform` is code: what it makes of a reply cannot be looked at")


def _refuse_unsound(kind: str, expectation: JsonObject) -> None:
    """Raise NotCarriedError for an expectation that `check` would refuse."""
    if problem := expectation_problem(expectation):
        raise NotCarriedError(f"`{kind}` cannot be said here: {problem[0]}", problem[1])


def ways(weights: Sequence[float], threshold: float) -> list[tuple[int, ...]] | None:
    """Return the smallest sets of members whose weights reach a share of all; None for too many of them."""
    if len(weights) > _MOST_MEMBERS:
        everything = threshold > 1 - min(weights) / sum(weights)
        return [tuple(range(len(weights)))] if everything else None
    needed = threshold * sum(weights) - 1e-9
    if needed <= 0:
        return []
    found: list[tuple[int, ...]] = []
    for size in range(1, len(weights) + 1):
        for way in combinations(range(len(weights)), size):
            is_new = not any(set(less) <= set(way) for less in found)
            if is_new and sum(weights[n] for n in way) >= needed:
                found.append(way)
                if len(found) > _MOST_WAYS:
                    return None
    return found or [tuple(range(len(weights)))]


def _compares(kind: str, *, ignore_case: bool = False) -> Callable[[Asserts, MappingNode], JsonObject]:
    def read(asserts: Asserts, node: MappingNode) -> JsonObject:
        text = asserts.text(asserts.value(node))
        return {kind: {"text": text, "ignore_case": True} if ignore_case else text}

    return read


def _contains(share: str, *, ignore_case: bool = False) -> Callable[[Asserts, MappingNode], JsonObject]:
    def read(asserts: Asserts, node: MappingNode) -> JsonObject:
        texts = asserts.texts(asserts.value(node))
        return {"contains": {share: texts, "ignore_case": True} if ignore_case else {share: texts}}

    return read


def _equals(asserts: Asserts, node: MappingNode) -> JsonObject:
    value = asserts.value(node)
    if isinstance(value, dict | list):
        return {"json": {"pointer": "", "equals": asserts.filled_in(value)}}
    return {"equals": asserts.text(value)}


def _regex(asserts: Asserts, node: MappingNode) -> JsonObject:
    value = asserts.value(node)
    return {"matches": asserts.text(value, pattern=True)}


def _schema(asserts: Asserts, node: MappingNode) -> Json:
    value = asserts.value(node)
    if isinstance(value, str):
        try:
            value = read_json(value)
        except ValueError as error:
            raise NotCarriedError("its value is not a JSON Schema") from error
    if value is not None and not isinstance(value, dict):
        raise NotCarriedError("its value is not a JSON Schema")
    return True if not value else asserts.filled_in(value)


def _is_json(asserts: Asserts, node: MappingNode) -> JsonObject:
    return {"json": _schema(asserts, node)}


def _contains_json(asserts: Asserts, node: MappingNode) -> JsonObject:
    place = node.get("type") or node
    message = "one JSON value is looked for, from the first bracket to the last, and no other beside it"
    asserts.tree.losses.change(place, "contains-json", message)
    return {"within": {"pattern": _JSON_INSIDE, "expect": [{"json": _schema(asserts, node)}]}}


def _rubric(asserts: Asserts, node: MappingNode) -> JsonObject:
    value = asserts.value(node)
    if isinstance(value, list):
        value = "\n".join(str(as_text(part)) for part in value)
    return asserts.judged(node, asserts.text(value))


def _means(words: str, near: str) -> Callable[[Asserts, MappingNode], JsonObject]:
    def read(asserts: Asserts, node: MappingNode) -> JsonObject:
        return asserts.judged(node, words + asserts.text(asserts.value(node)), near=near)

    return read


def _says(rubric: str, near: str) -> Callable[[Asserts, MappingNode], JsonObject]:
    return lambda asserts, node: asserts.judged(node, rubric, near=near)


def _threshold(node: MappingNode) -> float:
    found = number_of(node.get("threshold"))
    if found is None:
        found = number_of(node.get("value"))
    if found is None or found <= 0:
        raise NotCarriedError("it has no `threshold` that could be held")
    return found


def _words(asserts: Asserts, node: MappingNode) -> JsonObject:
    value = asserts.value(node)
    least, most = (value.get("min"), value.get("max")) if isinstance(value, dict) else (value, value)
    limits: list[JsonObject] = [
        {name: limit}
        for name, limit in (("min_words", least), ("max_words", most))
        if isinstance(limit, int) and not isinstance(limit, bool)
    ]
    if not limits:
        raise NotCarriedError("its value is neither a number nor {min, max}")
    return limits[0] if len(limits) == 1 else {"all_of": limits}


def _stops(asserts: Asserts, node: MappingNode) -> JsonObject:
    value = as_text(asserts.value(node)) or ""
    if value not in _STOP_REASONS:
        raise NotCarriedError(f"`{value}` is not a finish reason that is known")
    return {"stop_reason": _STOP_REASONS[value]}


def _calls(asserts: Asserts, node: MappingNode) -> JsonObject:
    value = asserts.value(node)
    names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if isinstance(names, dict) and set(names) <= {"name"}:
        names = [names.get("name")]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise NotCarriedError(
            "only names of tools can be expected here", "write `- calls_tool: name` by hand"
        )
    if (number_of(node.get("threshold")) or 1) < 1:
        raise NotCarriedError("a share of the calls cannot be expected")
    if text_of(node.get("type")) != "trajectory:tool-used":
        message = "other tools may be called as well here"
        asserts.tree.losses.change(node.get("type") or node, "tool-call-f1", message)
    calls = [_declared(asserts, {"calls_tool": name}, name) for name in names]
    return calls[0] if len(calls) == 1 else {"all_of": calls}


def _calls_with(asserts: Asserts, node: MappingNode) -> JsonObject:
    value = asserts.value(node)
    held = value if isinstance(value, dict) else {}
    inputs, name = held.get("args", held.get("arguments")), held.get("name")
    if not isinstance(name, str) or not isinstance(inputs, dict) or held.get("mode", "partial") != "partial":
        message = "only a `name` with `args` that are a part of the input can be expected"
        raise NotCarriedError(message, "write `- calls_tool: {name: ..., schema: ...}` by hand")
    call = {"calls_tool": {"name": name, "input": asserts.filled_in(inputs)}}
    return _declared(asserts, call, name)


def _declared(asserts: Asserts, call: JsonObject, name: object) -> JsonObject:
    if name not in asserts.tools:
        raise NotCarriedError(f"the tool `{name}` is not declared by any provider that is carried over")
    return call


_KINDS: Mapping[str, Callable[[Asserts, MappingNode], JsonObject]] = {
    "contains": _compares("contains"),
    "icontains": _compares("contains", ignore_case=True),
    "contains-any": _contains("any"),
    "contains-all": _contains("all"),
    "icontains-any": _contains("any", ignore_case=True),
    "icontains-all": _contains("all", ignore_case=True),
    "equals": _equals,
    "starts-with": _compares("starts_with"),
    "ends-with": _compares("ends_with"),
    "regex": _regex,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "llm-rubric": _rubric,
    "g-eval": _rubric,
    "model-graded-closedqa": _rubric,
    "factuality": _means(_FACTUAL, "a judge is asked whether the reply agrees with the facts"),
    "model-graded-factuality": _means(_FACTUAL, "a judge is asked whether the reply agrees with the facts"),
    "similar": _means(_SIMILAR, "a judge is asked whether it means the same: no embeddings are compared"),
    "answer-relevance": _says(_RELEVANT, "a judge is asked whether the reply is relevant"),
    "is-refusal": _says(_REFUSES, "a judge is asked whether the reply refuses"),
    "latency": lambda _asserts, node: {"max_latency": f"{_threshold(node):g}ms"},
    "cost": lambda _asserts, node: {"max_cost_usd": _threshold(node)},
    "word-count": _words,
    "finish-reason": _stops,
    "tool-call-f1": _calls,
    "trajectory:tool-used": _calls,
    "trajectory:tool-args-match": _calls_with,
}

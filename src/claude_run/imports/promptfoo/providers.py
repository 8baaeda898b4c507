"""Providers as models: those of Claude with the parameters that they still take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claude_run.imports.drafts import Names
from claude_run.imports.promptfoo.nodes import json_of, text_of
from claude_run.imports.tools import claude_tools
from claude_run.plan.model_rules import SAMPLING, newer_model, retirement, rules_for
from claude_run.scenario import keys
from claude_run.scenario.vocabulary import name_problem, refused_key
from claude_run.scenario.yaml_tree import Entry, MappingNode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.imports.promptfoo.nodes import Tree
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.yaml_tree import Node

_CLAUDE = re.compile(r"anthropic:(?:messages:)?(claude-[a-z0-9.@-]+)")
_KEYS = frozenset({"id", "label", "config"})
_DEFAULTS = {"temperature": 1, "top_p": 0.99}
_CHOICES: dict[object, JsonObject] = {
    "auto": {"type": "auto"},
    "required": {"type": "any"},
    "any": {"type": "any"},
    "none": {"type": "none"},
}


def claude_model(provider: str | None) -> str | None:
    """Return the model of Claude that a provider is by the Messages API; None for any other."""
    found = _CLAUDE.fullmatch(provider or "")
    return found[1] if found else None


def models(tree: Tree, nodes: Sequence[Node]) -> tuple[JsonObject, ...]:
    """Return the models that providers stand for, each as an entry of `models`; at least one."""
    entries: list[dict[str, Json]] = []
    names = Names()
    for node in nodes:
        entry = _Provider(tree, node).entry()
        if entry is None:
            continue
        same = {**entry, "label": None} in [{**each, "label": None} for each in entries]
        if same and "label" not in entry:
            continue
        wanted = str(entry.get("label") or entry["model"])
        taken = names.take(wanted)
        if taken != entry["model"]:
            entry["label"] = taken
        entries.append(entry)
    if not entries:
        if nodes:
            message = f"no provider is a model of Claude by its own API: `{tree.given.model}` plays"
            tree.losses.change(nodes[0], "providers", message, hint="choose another one with -m")
        return ({"model": tree.given.model},)
    return tuple(entries)


class _Provider:
    """One provider: an id, or an object with an id, a label and a configuration."""

    def __init__(self, tree: Tree, node: Node) -> None:
        self._tree = tree
        self._losses = tree.losses
        self._node = self._opened(node)

    def _opened(self, node: Node) -> Node:
        name = self._tree.file_name(node)
        if name is None or self._tree.is_code(name):
            return node
        return self._tree.loaded(name, node, "providers") or node

    def entry(self) -> dict[str, Json] | None:
        """Return it as a model; None for one that is not of Claude, which is noted."""
        node = self._node
        written: Node | Entry = node
        options = node if isinstance(node, MappingNode) else None
        provider = text_of(node)
        if options is not None and (named := options.get("id")) is not None:
            provider, written = text_of(named), named
        elif options is not None and len(options.entries) == 1:
            # The older way: the id is the key of its options.
            only = options.entries[0]
            provider, written = only.key, only
            options = only.value if isinstance(only.value, MappingNode) else None
        model = claude_model(provider)
        if model is None:
            elsewhere = "claude" in (provider or "")
            hint = "name the model with -m, and the way to it with --provider" if elsewhere else None
            shown = provider or "this provider"
            self._losses.drop(written, "providers", f"`{shown}` is not Claude by its own API", hint=hint)
            return None
        entry: dict[str, Json] = {"model": self._current(model, written)}
        for each in options.entries if options is not None else ():
            if each.key not in _KEYS:
                self._losses.drop(each, each.key, f"`{each.key}` of a provider is not carried over")
        label = text_of(options.get("label")) if options is not None else None
        if label and name_problem(label) is None:
            entry["label"] = label
        elif label:
            self._losses.drop(written, "label", f"this label {name_problem(label)}")
        config = self._tree.value(options.get("config")) if options is not None else None
        entry |= dict(self._params(config, str(entry["model"])))
        return entry

    def _current(self, model: str, place: Node | Entry) -> str:
        ended = retirement(model)
        if ended is None or ended > self._tree.given.today:
            return model
        newer = newer_model(model) or self._tree.given.model
        message = f"`{model}` has been retired on {ended}: `{newer}` plays"
        self._losses.change(place, "providers", message, hint="choose another one with -m")
        return newer

    def _params(self, config: Node | None, model: str) -> Iterator[tuple[str, Json]]:
        if not isinstance(config, MappingNode):
            return
        for entry in config.entries:
            refused = refused_key(entry.key)
            if entry.key.lower().replace("_", "") in {"apikey", "apibaseurl", "apihost"} or refused:
                message = f"`{entry.key}` may not stand in a scenario, which holds no keys and no addresses"
                self._losses.hide(entry)
                self._losses.hide(entry.value)
                self._losses.drop(entry, entry.key, message, hint="set it in the environment")
            elif entry.key not in keys.PARAMS:
                self._losses.drop(entry, entry.key, f"`{entry.key}` of a provider is not carried over")
            elif (value := self._param(entry, model)) is not None:
                yield entry.key, value

    def _param(self, entry: Entry, model: str) -> Json:
        """Return the value of a parameter; None where the model would refuse it, which is noted."""
        key, value = entry.key, json_of(self._tree.followed(entry.value))
        if key == "tools":
            return self._tools(entry)
        if key == "tool_choice" and isinstance(value, str):
            value = dict(_CHOICES[value]) if value in _CHOICES else value
        kinds = _TYPES.get(key, (dict,))
        if isinstance(value, bool) or not isinstance(value, kinds):
            self._losses.drop(entry, key, f"`{key}` has a value that the API does not take")
            return None
        if (reason := _refusal(key, value, model)) is not None:
            self._losses.drop(entry, key, f"`{model}` {reason}")
            return None
        return value

    def _tools(self, entry: Entry) -> Json:
        name = self._tree.file_name(entry.value)
        node: Node | None = entry.value
        if name is not None:
            if self._tree.is_code(name):
                self._losses.drop(entry, "tools", f"{name} is code, which is not carried over")
                return None
            node = self._tree.loaded(name, entry, "tools")
        listed = [json_of(each) for each in self._tree.items(node)]
        tools, refused = claude_tools(listed)
        for message in refused:
            self._losses.drop(entry, "tools", message)
        return list(tools) or None


_TYPES: dict[str, tuple[type, ...]] = {
    "temperature": (int, float),
    "top_p": (int, float),
    "top_k": (int,),
    "max_tokens": (int,),
    "stop_sequences": (list,),
    "betas": (list,),
    "service_tier": (str,),
}


def _refusal(key: str, value: Json, model: str) -> str | None:
    """Return why a model would refuse a parameter, by what is known of it; None where it takes it."""
    rules = rules_for(model)
    if rules is None:
        return None
    reason: str | None = None
    kind = str(value.get("type")) if isinstance(value, dict) else None
    if key in SAMPLING:
        if rules.sampling == "refused" or (rules.sampling == "defaults" and value != _DEFAULTS.get(key)):
            reason = f"takes no `{key}`"
        elif rules.sampling == "one" and key == "top_p":
            reason = "takes `temperature` or `top_p`"
    elif key == "max_tokens" and isinstance(value, int) and not 0 < value <= rules.max_output_tokens:
        reason = f"takes `max_tokens` up to {rules.max_output_tokens:,}"
    elif key == "thinking" and kind not in rules.thinking:
        reason = f"does not think in the way `{kind}`"
    elif key == "tool_choice" and kind in {"any", "tool"} and not rules.forced_tool_choice:
        reason = "cannot be forced to call a tool"
    return reason

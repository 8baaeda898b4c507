"""What is sent with a prompt, and to whom: request parameters, models, variants, judges."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from claude_run.scenario import keys
from claude_run.scenario.content import system_prompt
from claude_run.scenario.fields import conforms, known, mapping, name, sequence, variables
from claude_run.scenario.model import Graders, ModelChoice, Variant
from claude_run.scenario.output_config import output_config
from claude_run.scenario.tools import tools
from claude_run.scenario.vocabulary import Refusal, name_problem, refused_key
from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Position
    from claude_run.scenario.yaml_tree import Entry, Node


def params(context: ReadContext, entries: Mapping[str, Entry]) -> JsonObject:
    """Return the request parameters among the entries; those with problems are left out."""
    found: dict[str, Json] = {}
    for key, entry in entries.items():
        if key == "tools":
            listed = tools(context, entry)
            if listed is not None:
                found[key] = listed
        elif key == "output_config":
            config = output_config(context, entry)
            if config is not None:
                found[key] = config
        elif key in keys.PARAMS and conforms(
            context.report, entry.value, keys.PARAMS[key].schema, what=f"`{key}`"
        ):
            found[key] = to_json(entry.value)
            _check_header(context, entry)
    _check_mcp_servers(context, entries.get("mcp_servers"))
    return found


def _check_header(context: ReadContext, entry: Entry) -> None:
    """Report each text that cannot be sent as the header that the API takes it as."""
    if entry.key not in keys.HEADERS:
        return
    for node in entry.value.items if isinstance(entry.value, ListNode) else (entry.value,):
        value = str(to_json(node))
        if not (value.isascii() and value.isprintable()):
            message = f"`{entry.key}` goes out as a header, which is plain ASCII in one line"
            context.report.node(node, message, hint="write it without other characters")


def check_betas(context: ReadContext, entries: Mapping[str, Entry]) -> None:
    """Report each parameter of a beta that some request would have without `betas`: the API does not know it.

    A request has the parameters of the scenario, of one variant and of one model.
    """
    of_scenario = "betas" in entries
    variants, models = (_listed(entries.get(key)) for key in ("variants", "models"))
    in_all_variants, in_all_models = (
        bool(each) and all("betas" in layer for layer in each) for each in (variants, models)
    )
    layers = [(entries, in_all_variants or in_all_models)]
    layers += [(layer, "betas" in layer or in_all_models) for layer in variants]
    layers += [(layer, "betas" in layer or in_all_variants) for layer in models]
    hint = "write `betas: [...]` beside it, with the name that the API's page about it gives"
    for layer, named in () if of_scenario else layers:
        for key in () if named else keys.BETA_PARAMS:
            if key in layer:
                context.report.key(layer[key], f"`{key}` is a parameter of a beta", hint=hint)


def _listed(entry: Entry | None) -> list[Mapping[str, Entry]]:
    """Return the entries of each item of a list; an item that is not a mapping has none."""
    items = entry.value.items if entry is not None and isinstance(entry.value, ListNode) else ()
    return [
        {each.key: each for each in item.entries} if isinstance(item, MappingNode) else {} for item in items
    ]


def _check_mcp_servers(context: ReadContext, entry: Entry | None) -> None:
    servers = entry.value.items if entry is not None and isinstance(entry.value, ListNode) else ()
    for server in servers:
        token = server.get("authorization_token") if isinstance(server, MappingNode) else None
        if token is not None:
            message = "`authorization_token` may not stand in a scenario: scenarios hold no secrets"
            hint = "remove it; only servers that need no token can be used"
            context.report.key(token, message, hint=hint, secret=True)


def models(context: ReadContext, entries: Mapping[str, Entry]) -> tuple[ModelChoice, ...]:
    """Read `model` or `models`; labels are unique. Choices with problems are left out of the result."""
    one, several = entries.get("model"), entries.get("models")
    if one is not None and several is not None:
        context.report.key(several, "`model` and `models` stand together", hint="keep one of the two")
    if several is None:
        choice = _model_id(context, one.value) if one is not None else None
        return (choice,) if choice else ()
    nodes = sequence(context.report, several.value, what="`models`", hint="write `models: [id, id]`") or ()
    read = [_model(context, node) for node in nodes]
    choices = tuple(choice for choice in read if choice is not None)
    seen: dict[str, Position | None] = {}
    for choice, node in zip(read, nodes, strict=True):
        if choice is not None:
            _report_twice(context, node, choice.label, what="model label", seen=seen)
    return choices


def variants(context: ReadContext, entry: Entry) -> tuple[tuple[Variant, ...], Mapping[str, Entry]]:
    """Read `variants`, and where each of their variables is set first; ids are unique.

    Variants with problems are left out of the result.
    """
    nodes = sequence(context.report, entry.value, what="`variants`") or ()
    set_first: dict[str, Entry] = {}
    read = [_variant(context, node, set_first=set_first) for node in nodes]
    seen: dict[str, Position | None] = {}
    for variant, node in zip(read, nodes, strict=True):
        if variant is not None and variant.id is not None:
            _report_twice(context, node, variant.id, what="variant id", seen=seen)
    return tuple(variant for variant in read if variant is not None), set_first


def graders(context: ReadContext, entry: Entry) -> Graders | None:
    """Read the `judge` of a scenario: `{model: id}` with request parameters of its own, or several models."""
    node = mapping(
        context.report, entry.value, what="`judge`", hint="write `judge: {model: claude-opus-5-5}`"
    )
    if node is None:
        return None
    entries = known(context.report, node, keys=keys.GRADERS, what="`judge`", refused=refused_key)
    named = [entries[key] for key in ("model", "models") if key in entries]
    if len(named) != 1:
        context.report.node(node, "`judge` needs a model", hint="write `model: id`, or `models: [id, id]`")
        return None
    if not conforms(context.report, named[0].value, keys.GRADERS_MODELS, what="the model of `judge`"):
        return None
    found = to_json(named[0].value)
    models = (found,) if isinstance(found, str) else tuple(map(str, cast("Sequence[Json]", found)))
    return Graders(models=models, params=params(context, entries), position=entry.position)


def _model(context: ReadContext, node: Node) -> ModelChoice | None:
    if not isinstance(node, MappingNode):
        return _model_id(context, node)
    entries = known(
        context.report,
        node,
        keys=keys.MODEL,
        what="this entry of `models`",
        refused=partial(_refused, "models"),
    )
    values = params(context, entries)
    if "model" not in entries:
        context.report.node(
            node, "this entry of `models` has no `model`", hint="write {model: id, label: name}"
        )
        return None
    choice = _model_id(context, entries["model"].value, labelled="label" in entries)
    label_entry = entries.get("label")
    label = name(context.report, label_entry) if label_entry is not None else None
    if choice is None or (label_entry is not None and label is None):
        return None
    return ModelChoice(
        id=choice.id,
        label=label or choice.label,
        params=values,
        param_positions={key: entries[key].position for key in values},
        position=node.position,
    )


def _model_id(context: ReadContext, node: Node, *, labelled: bool = False) -> ModelChoice | None:
    if not conforms(context.report, node, keys.MODEL["model"].schema, what="a model's id"):
        return None
    model = str(to_json(node))
    problem = None if labelled else name_problem(model)
    if problem or not model.isprintable():
        message = f"the model's id {problem or 'holds a character that cannot be printed'}"
        context.report.node(node, message, hint="give it a label: {model: id, label: name}")
        return None
    return ModelChoice(id=model, label=model, position=node.position)


def _variant(context: ReadContext, node: Node, *, set_first: dict[str, Entry]) -> Variant | None:
    whole = mapping(context.report, node, what="a variant", hint="write `- {id: v2, ...}`")
    if whole is None:
        return None
    entries = known(
        context.report, whole, keys=keys.VARIANT, what="a variant", refused=partial(_refused, "variants")
    )
    values = params(context, entries)
    own = variables(context.report, entries["vars"]) if "vars" in entries else {}
    for key, entry in own.items():
        set_first.setdefault(key, entry)
    told = Variant(vars={key: to_json(entry.value) for key, entry in own.items()})
    # `system: null` takes the prompt of the scenario away; without the key it stays.
    system = entries.get("system")
    without = system is not None and isinstance(system.value, ScalarNode) and system.value.value is None
    prompt = None
    if system is not None and not without:
        of_all, context.settings = context.settings, context.settings.of(variants=(told,))
        prompt = system_prompt(context, system)
        context.settings = of_all
    # Everything else is looked at before the id, so that all problems of the entry are shown.
    if "id" not in entries:
        context.report.node(whole, "this variant has no `id`", hint="write `- {id: v2, ...}`")
        return None
    variant = name(context.report, entries["id"])
    if variant is None:
        return None
    return Variant(
        id=variant,
        vars=told.vars,
        system=prompt,
        overrides_system=system is not None,
        params=values,
        param_positions={key: entries[key].position for key in values},
        position=whole.position,
    )


def _report_twice(
    context: ReadContext, node: Node, name: str, *, what: str, seen: dict[str, Position | None]
) -> None:
    first = seen.setdefault(name, node.position)
    if first is not None and first is not node.position:
        message = f"duplicate {what} `{name}`: line {first.line} has it already"
        context.report.node(node, message, hint="choose another one")


def _refused(where: str, key: str) -> Refusal | None:
    if where == "variants" and key in {"model", "models"}:
        return Refusal(message="a variant has no model of its own", hint="list the models under `models`")
    if key in keys.SCENARIO and key not in keys.PARAMS:
        message = f"`{key}` cannot differ between the entries of `{where}`"
        return Refusal(message=message, hint="move it to the top of the file")
    return refused_key(key)

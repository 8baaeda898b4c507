"""Request parameters that depend on the model: thinking, effort, sampling, tool choice, output format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from claude_run.simulator.catalog import EFFORTS, THINKING
from claude_run.simulator.problems import invalid, refused
from claude_run.simulator.shapes import (
    a_boolean,
    a_cache_control,
    a_choice,
    a_list,
    a_string,
    an_integer,
    an_object,
    join,
    only,
    required,
)

if TYPE_CHECKING:
    from claude_run.scenario.model import JsonObject
    from claude_run.simulator.catalog import Model

SAMPLING = ("temperature", "top_p", "top_k")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LEAST_BUDGET = 1024
_HIGHEST = {"temperature": 1.0, "top_p": 1.0}
_DEFAULTS = {"temperature": (1,), "top_p": (0.99, 1), "top_k": ()}
_HAIKU_DEFAULTS = {"temperature": (1,), "top_p": (0.99,), "top_k": ()}


def check_thinking(body: JsonObject, model: Model) -> bool:
    """Check `thinking` and the effort beside it; return whether the model thinks by request."""
    if body.get("thinking") is None:
        return False
    thinking = an_object(body["thinking"], "thinking")
    kind = a_choice(required(thinking, "type", "thinking"), "thinking.type", of=THINKING)
    fields = {"adaptive": {"display"}, "enabled": {"display", "budget_tokens"}}.get(kind, set())
    only(thinking, {"type", *fields}, f"thinking.{kind}")
    if thinking.get("display") is not None:
        a_choice(thinking["display"], f"thinking.{kind}.display", of=("summarized", "omitted"))
    if kind not in model.thinking:
        raise invalid("thinking.type", f"'{kind}' is not supported on this model")
    if kind == "enabled":
        _check_budget(thinking, body)
    effort = _effort(body)
    if kind in {"disabled", "between_tools"} and effort and effort not in model.off_efforts:
        raise invalid(
            "output_config.effort", f"'{effort}' is not supported with thinking '{kind}' on this model"
        )
    return kind in {"adaptive", "enabled"}


def check_output_config(body: JsonObject, model: Model) -> None:
    """Check `output_config`: the effort levels of the model, and the JSON Schema's first rule."""
    if body.get("output_config") is None:
        return
    config = an_object(body["output_config"], "output_config")
    only(config, {"effort", "format"}, "output_config")
    if config.get("effort") is not None:
        effort = a_choice(config["effort"], "output_config.effort", of=EFFORTS)
        if effort not in model.efforts:
            raise invalid("output_config.effort", "This model does not support the effort parameter.")
    if config.get("format") is not None:
        where = "output_config.format"
        form = an_object(config["format"], where)
        only(form, {"type", "schema"}, where)
        a_choice(required(form, "type", where), f"{where}.type", of=("json_schema",))
        schema = an_object(required(form, "schema", where), f"{where}.schema")
        _check_closed(schema, f"{where}.schema")


def check_sampling(body: JsonObject, model: Model, *, legacy: bool) -> None:
    """Check the sampling parameters: gone in version 2026-10-21, by model under the `legacy` one."""
    given = {name: body[name] for name in SAMPLING if body.get(name) is not None}
    if given and not legacy:
        raise invalid(next(iter(given)), "Extra inputs are not permitted")
    for name, value in given.items():
        _check_number(name, value)
    if {"temperature", "top_p"} <= given.keys() and model.sampling in {"haiku", "one"}:
        raise refused(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
    if model.sampling in {"default", "haiku"}:
        allowed = _HAIKU_DEFAULTS if model.sampling == "haiku" else _DEFAULTS
        for name, value in given.items():
            if value not in allowed[name]:
                raise invalid(name, "only the default value is supported on this model")


def check_tools(body: JsonObject, model: Model) -> None:
    """Check `tools` and `tool_choice`."""
    names: list[str] = []
    if body.get("tools") is not None:
        for index, tool in enumerate(a_list(body["tools"], "tools")):
            names.append(_check_tool(tool, f"tools.{index}"))
            if names[-1] in names[:-1]:
                raise invalid("tools", "Tool names must be unique.")
    if body.get("tool_choice") is not None:
        _check_choice(an_object(body["tool_choice"], "tool_choice"), names, model=model)


def is_forced(body: JsonObject) -> bool:
    """Tell whether a valid request forces a tool call."""
    choice = body.get("tool_choice")
    return isinstance(choice, Mapping) and choice["type"] in {"any", "tool"}


def _check_budget(thinking: JsonObject, body: JsonObject) -> None:
    where = "thinking.enabled.budget_tokens"
    value = required(thinking, "budget_tokens", "thinking.enabled")
    budget, limit = an_integer(value, where, least=_LEAST_BUDGET), body.get("max_tokens")
    if isinstance(limit, int) and budget >= limit:
        raise refused("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _effort(body: JsonObject) -> str | None:
    config = body.get("output_config")
    effort = config.get("effort") if isinstance(config, Mapping) else None
    return effort if isinstance(effort, str) else None


def _check_closed(schema: object, where: str) -> None:
    """Objects need `additionalProperties: false` (messages-api reference, section 1.2)."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            raise invalid(where, "For 'object' type, 'additionalProperties' must be explicitly set to false")
        for key, value in schema.items():
            _check_closed(value, join(where, key))
    elif isinstance(schema, Sequence) and not isinstance(schema, str):
        for index, value in enumerate(schema):
            _check_closed(value, join(where, index))


def _check_number(name: str, value: object) -> None:
    if name == "top_k":
        an_integer(value, name, least=0)
    elif not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid(name, "Input should be a valid number")
    elif not 0 <= value <= _HIGHEST[name]:
        raise invalid(name, f"range: 0..{_HIGHEST[name]:g}")


def _check_tool(value: object, where: str) -> str:
    tool = an_object(value, where)
    name = a_string(required(tool, "name", where), join(where, "name"))
    a_cache_control(tool.get("cache_control"), join(where, "cache_control"))
    if tool.get("type") not in {None, "custom"}:
        return name
    if not _TOOL_NAME.fullmatch(name):
        raise invalid(join(where, "custom.name"), f"String should match pattern '^{_TOOL_NAME.pattern}$'")
    if tool.get("description") is not None:
        a_string(tool["description"], join(where, "custom.description"))
    where = join(where, "custom")
    schema = an_object(required(tool, "input_schema", where), join(where, "input_schema"))
    a_choice(
        required(schema, "type", join(where, "input_schema")),
        join(where, "input_schema.type"),
        of=("object",),
    )
    return name


def _check_choice(choice: JsonObject, names: Sequence[str], *, model: Model) -> None:
    kinds = ("auto", "any", "tool", "none")
    kind = a_choice(required(choice, "type", "tool_choice"), "tool_choice.type", of=kinds)
    fields = {"name"} if kind == "tool" else set()
    if kind != "none":
        fields.add("disable_parallel_tool_use")
    only(choice, {"type", *fields}, f"tool_choice.{kind}")
    if "disable_parallel_tool_use" in choice:
        where = f"tool_choice.{kind}.disable_parallel_tool_use"
        a_boolean(choice["disable_parallel_tool_use"], where)
    if not names:
        raise invalid("tool_choice", "`tool_choice` may only be specified while providing `tools`.")
    if kind == "tool":
        name = a_string(required(choice, "name", "tool_choice.tool"), "tool_choice.tool.name")
        if name not in names:
            raise refused(f"Tool '{name}' not found in provided tools")
    if kind in {"any", "tool"} and not model.forced_tools:
        raise invalid("tool_choice", f"'{kind}' is not supported on this model")

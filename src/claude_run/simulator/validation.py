"""Refuse what the API refuses, with its status codes and error texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from claude_run.scenario.output_schema import untaken
from claude_run.simulator.catalog import EFFORTS, THINKING, find_model
from claude_run.simulator.problems import (
    ApiError,
    a_boolean,
    a_cache_control,
    a_choice,
    a_list,
    a_string,
    an_integer,
    an_object,
    invalid,
    join,
    only,
    refused,
    required,
)
from claude_run.simulator.validation_messages import check_block, check_messages
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from claude_run.scenario.json_values import JsonObject
    from claude_run.simulator.catalog import Model

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 500
VERSIONS = ("2023-06-01", "2026-10-21")
LEGACY_VERSION = VERSIONS[0]
SAMPLING = ("temperature", "top_p", "top_k")

_COUNTED = frozenset(
    {
        "cache_control",
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
        *SAMPLING,
    }
)
_KEYS = _COUNTED | {
    "container",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
}
_BETA_KEYS = frozenset(
    {
        "billing_policy",
        "compaction",
        "context_management",
        "fallback_credit_token",
        "fallbacks",
        "mcp_servers",
        "thread",
    }
)
# Sets of tools have no name of their own (SDK, `types/beta/beta_tool_union_param.py`).
_TOOLSET = re.compile(r"[a-z_]+_toolset(_\d{8})?")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LEAST_BUDGET = 1024
_HIGHEST = {"temperature": 1.0, "top_p": 1.0}
_DEFAULTS = {"temperature": (1,), "top_p": (0.99, 1), "top_k": ()}
_HAIKU_DEFAULTS = {"temperature": (1,), "top_p": (0.99,), "top_k": ()}


def parse_body(raw: bytes) -> JsonObject:
    """Read a request body: a JSON object in UTF-8."""
    try:
        value = read_json(raw, deepest=None)
        if b"\\u" in raw:
            # An escaped half of a surrogate pair is valid JSON but no text.
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        raise refused(f"The request body is not valid JSON: {type(error).__name__}") from error
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _is_deep(value):
        raise refused("The request body is nested too deeply")
    return an_object(value, "body")


def _is_deep(value: object) -> bool:
    """Return whether a value nests deeper than MAX_DEPTH: how far recursion gets depends on the Python."""
    level = [value]
    for _ in range(MAX_DEPTH):
        outer = [each for each in level if isinstance(each, dict | list)]
        level = [part for each in outer for part in (each.values() if isinstance(each, dict) else each)]
    return bool(level)


def check_version(version: str | None) -> bool:
    """Check the `anthropic-version` header; return whether it is the one that still knows sampling."""
    if version is None:
        raise invalid("anthropic-version", "header is required")
    if version not in VERSIONS:
        raise invalid("anthropic-version", f'"{version}" is not a valid version')
    return version == LEGACY_VERSION


def check_message_request(body: JsonObject, *, legacy: bool, beta: bool) -> Model:
    """Check the body of `POST /v1/messages`; return its model."""
    for key in ("model", "max_tokens", "messages"):
        required(body, key, "")
    only(body, _KEYS | _BETA_KEYS if beta else _KEYS, "")
    model = _check_common(body, legacy=legacy)
    limit = an_integer(body["max_tokens"], "max_tokens", least=0)
    if limit > model.max_output:
        what = f"{limit} > {model.max_output}, which is the maximum allowed number of output tokens for"
        raise invalid("max_tokens", f"{what} {model.id}")
    _check_plain_fields({key: value for key, value in body.items() if value is not None})
    if body.get("inference_geo") is not None and not model.geography:
        raise invalid("inference_geo", "not supported on this model")
    if limit == 0:
        _check_warm_up(body)
    return model


def check_count_request(body: JsonObject, *, legacy: bool, beta: bool) -> Model:
    """Check the body of `POST /v1/messages/count_tokens`; return its model."""
    for key in ("model", "messages"):
        required(body, key, "")
    only(body, _COUNTED | _BETA_KEYS if beta else _COUNTED, "")
    return _check_common(body, legacy=legacy)


def check_prompt_size(tokens: int, model: Model) -> None:
    """Refuse a prompt that is longer than the context window."""
    if tokens > model.context:
        raise refused(f"prompt is too long: {tokens} tokens > {model.context} maximum")


def _check_common(body: JsonObject, *, legacy: bool) -> Model:
    """Check what requests of both kinds have; return the model."""
    name = a_string(body["model"], "model")
    model = find_model(name)
    if model is None:
        raise ApiError(404, f"model: {name}")
    _check_sampling(body, model, legacy=legacy)
    _check_output_config(body, model)
    thinks = _check_thinking(body, model)
    _check_tools(body, model)
    system = body.get("system")
    if system is not None and not isinstance(system, str):
        for index, block in enumerate(a_list(system, "system")):
            check_block(block, join("system", index), role="system")
    a_cache_control(body.get("cache_control"), "cache_control")
    if body.get("speed") is not None:
        a_choice(body["speed"], "speed", of=("standard", "fast"))
    check_messages(body["messages"], model, thinks=thinks)
    return model


def _check_plain_fields(given: JsonObject) -> None:
    """Check the fields that depend on nothing else; null counts as absent."""
    if "stop_sequences" in given:
        for index, item in enumerate(a_list(given["stop_sequences"], "stop_sequences")):
            where = join("stop_sequences", index)
            if not a_string(item, where).strip():
                raise invalid(where, "each stop sequence must contain non-whitespace")
    if "metadata" in given:
        metadata = an_object(given["metadata"], "metadata")
        only(metadata, {"user_id"}, "metadata")
        if metadata.get("user_id") is not None:
            a_string(metadata["user_id"], "metadata.user_id")
    if "diagnostics" in given:
        only(an_object(given["diagnostics"], "diagnostics"), {"previous_message_id"}, "diagnostics")
    if "service_tier" in given:
        a_choice(given["service_tier"], "service_tier", of=("auto", "standard_only"))
    if "inference_geo" in given:
        a_string(given["inference_geo"], "inference_geo")
    if "stream" in given:
        a_boolean(given["stream"], "stream")


def _check_warm_up(body: JsonObject) -> None:
    """`max_tokens: 0` only warms the cache; what asks for output is refused (section 1.1)."""
    config, thinking = body.get("output_config") or {}, body.get("thinking") or {}
    choice = body.get("tool_choice")
    wants_output = (
        body.get("stream")
        or an_object(thinking, "thinking").get("type") == "enabled"
        or an_object(config, "output_config").get("format")
        or (isinstance(choice, Mapping) and choice["type"] in {"any", "tool"})
    )
    if wants_output:
        raise invalid(
            "max_tokens", "0 is not allowed with stream, enabled thinking, a format or a forced tool"
        )


def _check_sampling(body: JsonObject, model: Model, *, legacy: bool) -> None:
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


def _check_number(name: str, value: object) -> None:
    if name == "top_k":
        an_integer(value, name, least=0)
    elif not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid(name, "Input should be a valid number")
    elif not 0 <= value <= _HIGHEST[name]:
        raise invalid(name, f"range: 0..{_HIGHEST[name]:g}")


def _check_output_config(body: JsonObject, model: Model) -> None:
    """Check `output_config`: the effort levels of the model, and what may stand in a schema."""
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
        if (problem := next(untaken(schema), None)) is not None:
            raise invalid(f"{where}.schema", problem.api)
        if _asks_for_citations(body.get("messages")):
            raise refused("output_config.format: citations are not supported with structured outputs")


def _asks_for_citations(value: object) -> bool:
    """Return whether a document or a search result anywhere in the messages is to be cited."""
    if isinstance(value, Mapping):
        citations = value.get("citations")
        enabled = isinstance(citations, Mapping) and citations.get("enabled") is True
        return enabled or any(map(_asks_for_citations, (value.get("content"),)))
    return isinstance(value, list) and any(map(_asks_for_citations, value))


def _check_thinking(body: JsonObject, model: Model) -> bool:
    """Check `thinking` and the effort beside it; return whether the model thinks by request."""
    if body.get("thinking") is None:
        return False
    # The object itself: its type, and the fields that go with it.
    thinking = an_object(body["thinking"], "thinking")
    kind = a_choice(required(thinking, "type", "thinking"), "thinking.type", of=THINKING)
    fields = {"adaptive": {"display"}, "enabled": {"display", "budget_tokens"}}.get(kind, set())
    only(thinking, {"type", *fields}, f"thinking.{kind}")
    if thinking.get("display") is not None:
        a_choice(thinking["display"], f"thinking.{kind}.display", of=("summarized", "omitted"))
    # What the model takes, and a budget that leaves room for the reply.
    if kind not in model.thinking:
        raise invalid("thinking.type", f"'{kind}' is not supported on this model")
    if kind == "enabled":
        where, limit = "thinking.enabled.budget_tokens", body.get("max_tokens")
        value = required(thinking, "budget_tokens", "thinking.enabled")
        budget = an_integer(value, where, least=_LEAST_BUDGET)
        if isinstance(limit, int) and budget >= limit:
            raise refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
    # Without thinking, some models take no high effort.
    effort = an_object(body.get("output_config") or {}, "output_config").get("effort")
    if kind in {"disabled", "between_tools"} and effort and effort not in model.off_efforts:
        raise invalid(
            "output_config.effort", f"'{effort}' is not supported with thinking '{kind}' on this model"
        )
    return kind in {"adaptive", "enabled"}


def _check_tools(body: JsonObject, model: Model) -> None:
    """Check `tools` and `tool_choice`."""
    names: list[str] = []
    if body.get("tools") is not None:
        for index, tool in enumerate(a_list(body["tools"], "tools")):
            name = _check_tool(tool, f"tools.{index}")
            if name in names:
                raise invalid("tools", "Tool names must be unique.")
            names += [name] if name is not None else []
    if body.get("tool_choice") is not None:
        choice = an_object(body["tool_choice"], "tool_choice")
        _check_choice(choice, names, listed=bool(body.get("tools")), model=model)


def _check_tool(value: object, where: str) -> str | None:
    """Check one tool; return its name, None for a set of tools, which has none."""
    tool = an_object(value, where)
    a_cache_control(tool.get("cache_control"), join(where, "cache_control"))
    if _TOOLSET.fullmatch(str(tool.get("type"))):
        if tool["type"] == "mcp_toolset":
            a_string(required(tool, "mcp_server_name", where), join(where, "mcp_server_name"))
        return None
    name = a_string(required(tool, "name", where), join(where, "name"))
    if tool.get("type") not in (None, "custom"):
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


def _check_choice(choice: JsonObject, names: Sequence[str], *, listed: bool, model: Model) -> None:
    """Check `tool_choice` against the names of the tools; `listed` says whether there are any at all."""
    kinds = ("auto", "any", "tool", "none")
    kind = a_choice(required(choice, "type", "tool_choice"), "tool_choice.type", of=kinds)
    fields = {"name"} if kind == "tool" else set()
    if kind != "none":
        fields.add("disable_parallel_tool_use")
    only(choice, {"type", *fields}, f"tool_choice.{kind}")
    if "disable_parallel_tool_use" in choice:
        where = f"tool_choice.{kind}.disable_parallel_tool_use"
        a_boolean(choice["disable_parallel_tool_use"], where)
    if not listed:
        raise invalid("tool_choice", "`tool_choice` may only be specified while providing `tools`.")
    if kind == "tool":
        name = a_string(required(choice, "name", "tool_choice.tool"), "tool_choice.tool.name")
        if name not in names:
            raise refused(f"Tool '{name}' not found in provided tools")
    if kind in {"any", "tool"} and not model.forced_tools:
        raise invalid("tool_choice", f"'{kind}' is not supported on this model")

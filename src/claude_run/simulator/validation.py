"""Refuse what the API refuses, with its status codes and error texts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

from claude_run.simulator.catalog import find_model
from claude_run.simulator.problems import ApiError, invalid, refused
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
from claude_run.simulator.validation_blocks import check_block
from claude_run.simulator.validation_messages import check_messages
from claude_run.simulator.validation_params import (
    SAMPLING,
    check_output_config,
    check_sampling,
    check_thinking,
    check_tools,
    is_forced,
)

if TYPE_CHECKING:
    from claude_run.scenario.model import JsonObject
    from claude_run.simulator.catalog import Model

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 500
VERSIONS = ("2023-06-01", "2026-10-21")
LEGACY_VERSION = VERSIONS[0]

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


def parse_body(raw: bytes) -> JsonObject:
    """Read a request body: a JSON object in UTF-8."""
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
        if b"\\u" in raw:
            # An escaped half of a surrogate pair is valid JSON but no text.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
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
    for key, check in _PLAIN.items():
        if body.get(key) is not None:
            check(body[key], key)
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
    name = a_string(body["model"], "model")
    model = find_model(name)
    if model is None:
        raise ApiError(404, f"model: {name}")
    check_sampling(body, model, legacy=legacy)
    check_output_config(body, model)
    thinks = check_thinking(body, model)
    check_tools(body, model)
    _check_system(body.get("system"))
    a_cache_control(body.get("cache_control"), "cache_control")
    if body.get("speed") is not None:
        a_choice(body["speed"], "speed", of=("standard", "fast"))
    check_messages(body["messages"], model, thinks=thinks)
    return model


def _check_system(system: object) -> None:
    if system is None or isinstance(system, str):
        return
    for index, block in enumerate(a_list(system, "system")):
        check_block(block, join("system", index), role="system")


def _check_warm_up(body: JsonObject) -> None:
    """`max_tokens: 0` only warms the cache; what asks for output is refused (section 1.1)."""
    config, thinking = body.get("output_config") or {}, body.get("thinking") or {}
    wants_output = (
        body.get("stream")
        or an_object(thinking, "thinking").get("type") == "enabled"
        or an_object(config, "output_config").get("format")
        or is_forced(body)
    )
    if wants_output:
        raise invalid(
            "max_tokens", "0 is not allowed with stream, enabled thinking, a format or a forced tool"
        )


def _check_stop_sequences(value: object, where: str) -> None:
    for index, item in enumerate(a_list(value, where)):
        if not a_string(item, join(where, index)).strip():
            raise invalid(join(where, index), "each stop sequence must contain non-whitespace")


def _check_metadata(value: object, where: str) -> None:
    metadata = an_object(value, where)
    only(metadata, {"user_id"}, where)
    if metadata.get("user_id") is not None:
        a_string(metadata["user_id"], join(where, "user_id"))


def _check_diagnostics(value: object, where: str) -> None:
    only(an_object(value, where), {"previous_message_id"}, where)


def _check_tier(value: object, where: str) -> None:
    a_choice(value, where, of=("auto", "standard_only"))


_PLAIN = {
    "stop_sequences": _check_stop_sequences,
    "metadata": _check_metadata,
    "diagnostics": _check_diagnostics,
    "service_tier": _check_tier,
    "inference_geo": a_string,
    "stream": a_boolean,
}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)

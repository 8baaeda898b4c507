"""Keys that a scenario may not have, and why: what would carry secrets, and what has another place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a key is refused, and what to do instead; the value of a `secret` one is not shown."""

    message: str
    hint: str
    secret: bool = False


_CONNECTION = frozenset(
    {
        "api_key",
        "auth_token",
        "authorization",
        "x_api_key",
        "token",
        "secret",
        "password",
        "credentials",
        "base_url",
        "api_base",
        "endpoint",
        "url",
        "host",
        "proxy",
        "proxies",
        "headers",
        "default_headers",
        "default_query",
        "extra_headers",
        "extra_query",
        "extra_body",
        "env",
        "environment",
        "http_client",
        "anthropic_api_key",
        "anthropic_base_url",
        "anthropic_version",
    }
)
_BETA = frozenset(
    {
        "betas",
        "context_management",
        "compaction",
        "fallbacks",
        "fallback_credit_token",
        "mcp_servers",
        "thread",
        "billing_policy",
    }
)
_ELSEWHERE = {
    "messages": ("a scenario has no `messages`", "write the messages under `turns`"),
    "stream": ("`stream` is not set in a scenario", "remove it: streaming is chosen by `max_tokens`"),
    "timeout": (
        "`timeout` is not set in a scenario",
        "remove it: deadlines belong to the run, not to a scenario",
    ),
    "max_retries": ("`max_retries` is not set in a scenario", "remove it: retries belong to the run"),
}
_LATER_KINDS = frozenset({"calls_tool"})


def refused_key(key: str) -> Refusal | None:
    """Return why a key at the top, of a model or of a variant is refused, or None."""
    plain = key.lower().replace("-", "_")
    if plain in _CONNECTION:
        return Refusal(
            message=f"`{key}` may not stand in a scenario: scenarios hold no secrets, endpoints or headers",
            hint="remove it; set ANTHROPIC_API_KEY or ANTHROPIC_BASE_URL in the environment",
            secret=True,
        )
    if plain in _BETA:
        return Refusal(
            message=f"`{key}` is a beta parameter, which this version does not send",
            hint="remove it",
        )
    found = _ELSEWHERE.get(key)
    return Refusal(message=found[0], hint=found[1]) if found else None


def refused_kind(kind: str) -> Refusal | None:
    """Return why an expectation is refused that a later version knows, or None."""
    if kind not in _LATER_KINDS:
        return None
    return Refusal(message=f"this version does not know `{kind}`", hint="use another expectation")

"""Prompt-cache accounting by the documented rules, on an injected clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.simulator import cache
from claude_run.simulator.cache import PromptCache
from claude_run.simulator.engine import Engine
from claude_run.simulator.problems import ApiError
from claude_run.simulator.prompt import read_prompt
from claude_run.simulator.replies import NoReplies

HEADERS = {"anthropic-version": "2026-10-21"}
MARK_5M: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
MARK_1H: dict[str, Any] = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
LONG = "x" * 4000


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Api:
    """The engine with a hand-moved clock; `ask` returns read, written for 5m, written for 1h, fresh."""

    def __init__(self) -> None:
        self.clock = _Clock()
        self.engine = Engine(NoReplies(), self.clock)

    def ask(self, **changes: Any) -> tuple[int, int, int, int]:
        body = {"model": "claude-haiku-5-5", "max_tokens": 64, "messages": [_user("hi")], **changes}
        prepared = self.engine.prepare(body, HEADERS)
        self.engine.begin(prepared)
        usage: Any = prepared.message["usage"]
        created = usage["cache_creation"]
        assert usage["cache_creation_input_tokens"] == sum(created.values())
        return (
            usage["cache_read_input_tokens"],
            created["ephemeral_5m_input_tokens"],
            created["ephemeral_1h_input_tokens"],
            usage["input_tokens"],
        )


def _user(text: str, **marker: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text, **marker}]}


def _assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def _system(text: str = LONG, **marker: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, **marker}]


SYSTEM_TOKENS = 1000 + 3
HI_TOKENS = 4 + 3 + 1


def test_nothing_is_cached_without_a_breakpoint() -> None:
    """Caching is opt-in."""
    api = _Api()
    assert api.ask(system=LONG) == (0, 0, 0, SYSTEM_TOKENS + HI_TOKENS)
    assert api.ask(system=LONG) == (0, 0, 0, SYSTEM_TOKENS + HI_TOKENS)


def test_an_explicit_breakpoint_is_written_then_read() -> None:
    """The second request reads the prefix that the first one wrote; the rest is fresh."""
    api = _Api()
    assert api.ask(system=_system(**MARK_5M)) == (0, SYSTEM_TOKENS, 0, HI_TOKENS)
    assert api.ask(system=_system(**MARK_5M), messages=[_user("yo")]) == (SYSTEM_TOKENS, 0, 0, HI_TOKENS)


def test_an_entry_is_readable_only_once_its_reply_has_begun() -> None:
    """Parallel first requests all pay the write."""
    api = _Api()
    body: dict[str, Any] = {
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        "system": _system(**MARK_5M),
        "messages": [_user("a")],
    }
    first = api.engine.prepare(body, HEADERS)
    assert api.engine.prepare(body, HEADERS).cache_use.read == 0
    api.engine.begin(first)
    assert api.engine.prepare(body, HEADERS).cache_use.read == SYSTEM_TOKENS


def test_markers_are_no_part_of_the_content() -> None:
    """Moving or dropping markers leaves the prefix the same."""
    api = _Api()
    api.ask(system=_system(**MARK_5M))
    read, *_ = api.ask(system=_system(), messages=[_user("hi", **MARK_5M)])
    assert read == SYSTEM_TOKENS


def test_automatic_caching_moves_with_the_conversation() -> None:
    """Each turn reads all that the one before has written, and writes what is new."""
    api = _Api()
    first = [_user(LONG)]
    second = [*first, _assistant("b"), _user("c")]
    assert api.ask(messages=first, **MARK_5M) == (0, 1007, 0, 0)
    assert api.ask(messages=second, **MARK_5M) == (1007, 16, 0, 0)
    assert api.ask(messages=second, **MARK_5M) == (1023, 0, 0, 0)


def test_short_prompts_are_silently_not_cached() -> None:
    """Below the model's minimum both counters stay 0; another model has another minimum."""
    api = _Api()
    text = "x" * 2400
    assert api.ask(system=_system(text, **MARK_5M))[1] == 603
    assert api.ask(system=_system(text, **MARK_5M), model="claude-sonnet-5") == (0, 0, 0, 603 + HI_TOKENS)


def test_models_do_not_share_entries() -> None:
    """The cache is keyed by model."""
    api = _Api()
    api.ask(system=_system(**MARK_5M))
    assert api.ask(system=_system(**MARK_5M), model="claude-opus-5-5")[:2] == (0, SYSTEM_TOKENS)


@pytest.mark.parametrize(("marker", "lifetime"), [(MARK_5M, 300), (MARK_1H, 3600)])
def test_lifetime(marker: dict[str, Any], lifetime: int) -> None:
    """An entry lives 5 minutes or an hour from the start of the request, and a read renews it."""
    api = _Api()
    api.ask(system=_system(**marker))
    for _ in range(3):
        api.clock.now += lifetime - 1
        assert api.ask(system=_system(**marker))[0] == SYSTEM_TOKENS
    api.clock.now += lifetime
    assert api.ask(system=_system(**marker))[0] == 0


def test_both_lifetimes_in_one_request() -> None:
    """What is written is split by the breakpoint that it belongs to."""
    api = _Api()
    usage = api.ask(system=_system(**MARK_1H), messages=[_user("hi", **MARK_5M)])
    assert usage == (0, HI_TOKENS, SYSTEM_TOKENS, 0)
    api.clock.now += 600
    assert api.ask(system=_system(**MARK_1H), messages=[_user("hi", **MARK_5M)]) == (
        SYSTEM_TOKENS,
        HI_TOKENS,
        0,
        0,
    )


def test_look_back_is_twenty_positions() -> None:
    """A breakpoint finds an entry up to 20 positions back, and no further."""
    api = _Api()
    api.ask(messages=[_user(LONG, **MARK_5M)])
    for more, found in ((19, 1007), (20, 0)):
        blocks = [{"type": "text", "text": LONG}, *({"type": "text", "text": f"{i}"} for i in range(more))]
        blocks[-1] = {**blocks[-1], **MARK_5M}
        assert _read_of(api, blocks) == found


def _read_of(api: _Api, blocks: list[dict[str, Any]]) -> int:
    body: dict[str, Any] = {
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": blocks}],
    }
    return api.engine.prepare(body, HEADERS).cache_use.read


TOOL = {"name": "look", "input_schema": {"type": "object"}}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, "messages"),
        ({"metadata": {"user_id": "u"}}, "messages"),
        ({"thinking": {"type": "disabled"}}, "system"),
        ({"output_config": {"effort": "low"}}, "system"),
        ({"tool_choice": {"type": "any"}}, "system"),
        (
            {"messages": [_user("hi", **MARK_5M), _assistant("a"), {"role": "user", "content": [PIXEL]}]},
            "system",
        ),
        ({"speed": "fast"}, "tools"),
        ({"system": _system("y" * 4000, **MARK_5M)}, "tools"),
        ({"tools": [{**TOOL, "description": "y" * 4000, **MARK_5M}]}, "nothing"),
    ],
)
def test_what_invalidates_what(change: dict[str, Any], kept: str) -> None:
    """A change of one section invalidates what comes after it, and nothing before."""
    api = _Api()
    request: dict[str, Any] = {
        "tools": [{**TOOL, "description": LONG, **MARK_5M}],
        "system": _system(**MARK_5M),
        "messages": [_user("hi", **MARK_5M)],
    }
    _, written, _, _ = api.ask(**request)
    tools = written - SYSTEM_TOKENS - HI_TOKENS
    expected = {"nothing": 0, "tools": tools, "system": tools + SYSTEM_TOKENS, "messages": written}
    assert api.ask(**{**request, **change})[0] == expected[kept]


def test_too_many_breakpoints() -> None:
    """Four are allowed; automatic caching takes one of them."""
    api = _Api()
    system = [*(_system("a", **MARK_5M) * 4)]
    assert api.ask(system=system)[1] == 0
    with pytest.raises(ApiError, match="A maximum of 4 blocks with cache_control may be provided"):
        api.ask(system=system, messages=[_user("hi", **MARK_5M)])
    with pytest.raises(ApiError, match="Found 5"):
        api.ask(system=system, **MARK_5M)


def test_breakpoints_that_contradict_each_other() -> None:
    """A longer lifetime may not follow a shorter one, nor may the automatic one differ from the last."""
    api = _Api()
    with pytest.raises(ApiError, match="must not come after"):
        api.ask(system=_system(**MARK_5M), messages=[_user("hi", **MARK_1H)])
    with pytest.raises(ApiError, match="already has cache_control with ttl 1h"):
        api.ask(messages=[_user("hi", **MARK_1H)], **MARK_5M)


def test_automatic_caching_passes_over_what_cannot_be_marked() -> None:
    """A thinking block at the end of the history cannot carry the breakpoint; the one before does."""
    api = _Api()
    paused = {
        "role": "assistant",
        "content": [
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "thinking", "thinking": "", "signature": "s"},
        ],
    }
    read, written, _, fresh = api.ask(messages=[_user(LONG), paused], **MARK_5M)
    assert (read, written > 1007, fresh > 0) == (0, True, True)


def test_the_oldest_entries_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is bounded: what was used last stays."""
    monkeypatch.setattr(cache, "MAX_ENTRIES", 2)
    api = _Api()
    for letter in "abac":
        api.ask(system=_system(letter * 4000, **MARK_5M))
    assert api.ask(system=_system("a" * 4000, **MARK_5M))[0] == SYSTEM_TOKENS
    assert api.ask(system=_system("b" * 4000, **MARK_5M))[0] == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), st.integers(0, 400)), max_size=8
    )
)
def test_the_split_always_adds_up(requests: list[tuple[list[str], int]]) -> None:
    """Read, written and fresh are the whole prompt, whatever came before and whenever."""
    clock = _Clock()
    store = PromptCache(clock)
    for letters, wait in requests:
        clock.now += wait
        content = [{"type": "text", "text": letter * 2000, **MARK_5M} for letter in letters[:4]]
        prompt = read_prompt({"messages": [{"role": "user", "content": content}]}, "m")
        use = store.look_up(prompt, 512)
        assert use.read + use.created_5m + use.created_1h + use.fresh == prompt.tokens
        store.commit(use)
        assert store.look_up(prompt, 512).created_5m == 0

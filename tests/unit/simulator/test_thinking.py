"""Thinking, pauses and other models from the simulator, and caches that come late."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.simulator.engine import Engine
from claude_run.simulator.examples import request_digest
from claude_run.simulator.fault_text import parse_faults
from claude_run.simulator.faults import Call
from claude_run.simulator.problems import ApiError
from claude_run.simulator.replies import PAUSE_ID, NoReplies, Scripted
from claude_run.simulator.thinking import SUMMARY
from tests.unit.simulator.in_order import InOrder

if TYPE_CHECKING:
    from collections.abc import Callable

HEADERS = {"anthropic-version": "2026-10-21"}
ADAPTIVE = {"type": "adaptive"}
TOOL = {"name": "look", "input_schema": {"type": "object"}}


def body(**changes: Any) -> dict[str, Any]:
    """Give a request; every part of it may be another."""
    asked = {"role": "user", "content": "hi"}
    return {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": [asked], **changes}


def answer(asked: dict[str, Any], scripted: Scripted | str = "Yes.") -> Any:
    """Return the message that answers."""
    return Engine(InOrder([scripted]), lambda: 0.0).prepare(asked, HEADERS).message


def kinds(message: Any) -> list[str]:
    """Return the types of the blocks of a message."""
    return [block["type"] for block in message["content"]]


def test_a_reply_thinks_where_it_is_asked_to() -> None:
    """The block comes first and says nothing, or that it is simulated; its tokens count as thinking."""
    assert kinds(answer(body())) == ["text"]
    assert kinds(answer(body(thinking={"type": "disabled"}, model="claude-haiku-5-5"))) == ["text"]
    thinks = answer(body(thinking=ADAPTIVE))
    assert kinds(thinks) == ["thinking", "text"]
    assert thinks["content"][0]["thinking"] == ""
    assert thinks["usage"]["output_tokens_details"]["thinking_tokens"] > 0
    shown = answer(body(thinking={**ADAPTIVE, "display": "summarized"}))
    assert shown["content"][0]["thinking"] == SUMMARY
    # Before calls as well, but not where a tool is forced.
    call = Scripted(content=({"type": "tool_use", "id": "t", "name": "look", "input": {}},))
    assert kinds(answer(body(thinking=ADAPTIVE, tools=[TOOL]), call)) == ["thinking", "tool_use"]
    forced = body(thinking=ADAPTIVE, tools=[TOOL], tool_choice={"type": "any"}, model="claude-haiku-5-5")
    assert kinds(answer(forced, call)) == ["tool_use"]
    # What is written down with thoughts of its own is left as it is.
    own = Scripted(content=({"type": "thinking", "thinking": "hm", "signature": "s"},))
    assert answer(body(thinking=ADAPTIVE), own)["content"] == [*own.content]


def _second() -> dict[str, Any]:
    first = body(thinking=ADAPTIVE, system="Be kind.", tools=[TOOL])
    reply = answer(first)
    said = [*first["messages"], {"role": "assistant", "content": reply["content"]}]
    return {**first, "messages": [*said, {"role": "user", "content": "more"}]}


def _leave(asked: dict[str, Any]) -> None:
    asked["cache_control"] = {"type": "ephemeral"}
    asked["messages"][0]["content"] = [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]
    asked["max_tokens"] = 50


def _change_system(asked: dict[str, Any]) -> None:
    asked["system"] = "Be rude."


def _change_tools(asked: dict[str, Any]) -> None:
    asked["tools"][0]["description"] = "looks"


def _change_question(asked: dict[str, Any]) -> None:
    asked["messages"][0]["content"] = "ho"


def _change_thought(asked: dict[str, Any]) -> None:
    asked["messages"][1]["content"][0]["thinking"] = "I never thought this"


def _take_thought_away(asked: dict[str, Any]) -> None:
    del asked["messages"][1]["content"][0]


@pytest.mark.parametrize("change", [_leave, _take_thought_away])
def test_a_history_may_be_marked_and_its_thoughts_left_out(change: Callable[[Any], None]) -> None:
    """Cache markers, other parameters and leading thoughts that are gone change nothing that was said."""
    asked = copy.deepcopy(_second())
    change(asked)
    assert kinds(answer(asked)) == ["thinking", "text"]


@pytest.mark.parametrize("change", [_change_system, _change_tools, _change_question, _change_thought])
def test_a_history_that_was_changed_is_refused(change: Callable[[Any], None]) -> None:
    """A thought is bound to all that stands before it."""
    asked = copy.deepcopy(_second())
    change(asked)
    with pytest.raises(ApiError, match=r"messages.1.content.0: Invalid `signature`"):
        answer(asked)


def test_examples_are_found_whatever_was_thought_and_paused() -> None:
    """A request is known by what was said: thoughts of the simulator and its pauses are no part of that."""
    pause = {"type": "server_tool_use", "id": f"{PAUSE_ID}1", "name": "web_search", "input": {}}
    plain = _second()
    _take_thought_away(plain)
    paused = copy.deepcopy(_second())
    paused["messages"].insert(1, {"role": "assistant", "content": [pause]})
    assert request_digest(plain) == request_digest(_second()) == request_digest(paused)


def test_a_cache_that_comes_late_is_read_late() -> None:
    """What is written can be read after the delay; a request that misses it writes anew."""
    now = [0.0]
    engine = Engine(NoReplies(), lambda: now[0], cache_delay_s=2.0)
    system = [{"type": "text", "text": "x" * 8000, "cache_control": {"type": "ephemeral"}}]

    def read(*, misses: bool = False) -> bool:
        prepared = engine.prepare(body(system=system), HEADERS, misses_cache=misses)
        engine.begin(prepared)
        usage: Any = prepared.message["usage"]
        assert bool(usage["cache_read_input_tokens"]) != bool(usage["cache_creation_input_tokens"])
        return bool(usage["cache_read_input_tokens"])

    assert not read()
    now[0] = 1.9
    assert not read()
    # It can be read two seconds after it was written first, however often it was written again.
    now[0] = 2.0
    assert read()
    assert not read(misses=True)
    assert read()


def test_a_script_says_how_late_a_cache_is() -> None:
    """Which requests miss it follows from the seed and the request."""
    script = parse_faults("cache-delay=500ms cache-miss=40% seed=3")
    assert (script.cache_delay_s, script.cache_miss) == (0.5, 0.4)
    calls = [Call(number=n, digest=str(n).encode(), seen=1, body=None) for n in range(1000)]
    missed = [script.misses_cache(call) for call in calls]
    assert missed == [script.misses_cache(call) for call in calls]
    assert 350 < sum(missed) < 450
    assert not any(parse_faults("").misses_cache(call) for call in calls)

"""The body of a request: parameters as they are, the system prompt, cache breakpoints, and its key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.exchange import Request
from claude_run.conversation.steps import Send, kept_for_an_hour, next_step, system_blocks
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.model import TextBlock
from tests.unit.conversation.builders import MODEL, PlainRenderer, script, text, user
from tests.unit.conversation.strategies import JSON, OBJECTS

if TYPE_CHECKING:
    from claude_run.conversation.script import Conversation
    from claude_run.scenario.json_values import JsonObject

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def _body(conversation: Conversation) -> JsonObject:
    step = next_step(conversation, [], PlainRenderer())
    assert isinstance(step, Send)
    return step.request.body


def test_parameters_pass_as_they_are_in_their_order() -> None:
    """Unknown ones too: the model comes first, the messages last, the rest as the user wrote it."""
    params = {"future": {"b": 1, "a": [None]}, "max_tokens": 7, "output_config": {"effort": "low"}}
    sent = _body(script(user("hi"), params=params, system=text("Be kind.")))
    assert list(sent) == ["model", "future", "max_tokens", "output_config", "system", "messages"]
    assert {name: sent[name] for name in params} == params
    assert sent["model"] == MODEL


def test_a_request_knows_its_model_and_limit() -> None:
    """Both are read from the body, so they cannot differ from what is sent."""
    request = Request(body=_body(script(user(), params={"max_tokens": 7})))
    assert (request.model, request.max_tokens) == (MODEL, 7)


def test_the_bytes_of_a_request_are_made_once() -> None:
    """Its key, its problems and its price all look at the same bytes, however long the history is."""
    request = Request(body=_body(script(user("\u00e9"))))
    first = request.canonical()
    assert request.key(["who"]) == Request(body=request.body).key(["who"])
    assert request.problem is None
    assert request.canonical() is first


def test_what_can_never_leave_says_why() -> None:
    """A lone surrogate, which JSON may carry and UTF-8 may not, and a header that is not plain ASCII."""
    sendable = Request(body={"messages": [{"role": "user", "content": "a\0b \U0001f600"}]})
    assert sendable.problem is None
    surrogate = Request(body={"messages": [{"role": "user", "content": "x\ud800"}]}).problem
    assert surrogate is not None
    assert "what UTF-8 cannot carry" in surrogate
    header = Request(body={"user_profile_id": "Jos\u00e9"}).problem
    assert header is not None
    assert header.startswith("user_profile_id 'Jos\u00e9' cannot be sent")


def test_without_a_system_prompt_there_is_no_system_field() -> None:
    """Absent is absent, not null."""
    assert "system" not in _body(script(user()))
    assert system_blocks(script(user()), PlainRenderer()) == []


@pytest.mark.parametrize(("mode", "mark"), [("auto", MARK), ("1h", HOUR)])
def test_caching_marks_the_last_system_block_and_asks_for_automatic_caching(
    mode: str, mark: dict[str, str]
) -> None:
    """Conversations that share the system prompt read it from the cache, and so do later turns."""
    blocks = (TextBlock(text=text("one")), TextBlock(text=text("two")))
    sent = _body(script(user(), user(), system=blocks, cache=mode))
    assert sent["system"] == [
        {"type": "text", "text": "one"},
        {"type": "text", "text": "two", "cache_control": mark},
    ]
    assert sent["cache_control"] == mark


def test_what_is_cached_can_be_kept_for_an_hour_where_that_is_left_to_us() -> None:
    """As batches want it; the request that it is made of stays as it was, and with it the key."""
    conversation = script(user(), user(), system=text("Be kind."), cache="auto")
    request = Request(body=_body(conversation))
    before = json.dumps(request.body)
    kept = kept_for_an_hour(conversation, request).body
    assert kept["cache_control"] == HOUR
    assert kept["system"] == [{"type": "text", "text": "Be kind.", "cache_control": HOUR}]
    assert json.dumps(request.body) == before
    assert {**kept, "system": 0, "cache_control": 0} == {**request.body, "system": 0, "cache_control": 0}


@pytest.mark.parametrize(
    "fields",
    [
        {"cache": "off"},
        {"cache": "1h"},
        {"cache": "auto", "params": {"max_tokens": 7, "cache_control": MARK}},
        {"cache": "auto", "params": {"max_tokens": 7, "tools": [{"name": "t", "cache_control": MARK}]}},
    ],
)
def test_what_the_user_says_of_the_cache_holds_in_batches_too(fields: dict[str, Any]) -> None:
    """No breakpoint of theirs lives longer than they want."""
    conversation = script(user(), user(), **{"system": text("Be kind."), **fields})
    request = Request(body=_body(conversation))
    assert kept_for_an_hour(conversation, request) is request


def test_a_single_turn_is_not_cached_automatically() -> None:
    """Nothing would ever read what the breakpoint after the only request has written."""
    sent = _body(script(user(), system=text("Be kind."), cache="auto"))
    assert "cache_control" not in sent
    assert sent["system"] == [{"type": "text", "text": "Be kind.", "cache_control": MARK}]


def test_caching_can_be_switched_off() -> None:
    """With `cache: off` no breakpoint is added anywhere."""
    sent = _body(script(user(), user(), system=text("Be kind."), cache="off"))
    assert sent["system"] == [{"type": "text", "text": "Be kind."}]
    assert "cache_control" not in sent


def test_breakpoints_of_the_user_in_the_system_prompt_stay_where_they_are() -> None:
    """None is added to them, here or on top: the API takes four in all."""
    blocks = (TextBlock(text=text("one"), extra={"cache_control": HOUR}), TextBlock(text=text("two")))
    sent = _body(script(user(), user(), system=blocks, cache="auto"))
    assert sent["system"] == [
        {"type": "text", "text": "one", "cache_control": HOUR},
        {"type": "text", "text": "two"},
    ]
    assert "cache_control" not in sent


def test_a_system_prompt_that_renders_to_nothing_is_left_out() -> None:
    """The API refuses empty text blocks, and those of white space, which a condition in a template leaves."""
    assert "system" not in _body(script(user(), system=text("")))
    assert "system" not in _body(script(user(), system=text("\n  \n")))
    blocks = (TextBlock(text=text("one")), TextBlock(text=text("\n")))
    assert _body(script(user(), system=blocks, cache="off"))["system"] == [{"type": "text", "text": "one"}]


def test_a_cache_control_parameter_of_the_user_replaces_ours() -> None:
    """Whoever sets the top-level breakpoint decides on all of them."""
    params = {"max_tokens": 7, "cache_control": HOUR}
    sent = _body(script(user(), user(), params=params, system=text("Be kind."), cache="auto"))
    assert sent["cache_control"] == HOUR
    assert sent["system"] == [{"type": "text", "text": "Be kind."}]


@settings(deadline=None, max_examples=50)
@given(OBJECTS)
def test_equal_requests_have_equal_keys_whatever_the_order_of_their_fields(body: dict[str, Any]) -> None:
    """The canonical form sorts the fields, holds any text, and is JSON."""
    request = Request(body=body)
    turned = Request(body=dict(reversed(body.items())))
    assert request.canonical() == turned.canonical()
    assert request.key(["a"]) == turned.key(["a"])
    assert json.loads(request.canonical()) == body


@settings(deadline=None, max_examples=50)
@given(JSON, JSON)
def test_different_requests_have_different_keys(one: Any, other: Any) -> None:
    """A changed prompt is a new key by itself."""
    first, second = Request(body={"messages": one}), Request(body={"messages": other})
    assert (first.key([]) == second.key([])) is (first.canonical() == second.canonical())


def test_a_key_is_fixed_for_good() -> None:
    """Journals of earlier versions are looked up by it, so it must never change."""
    request = Request(
        body={"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "\u2028é"}]}
    )
    key = request.key(script(user()).identity.key_parts)
    assert key == "965eb5505fc5f6ec6a70ea266eac1a41d8f87ebbfdb4ccf8fd49f439195c9e25"


@pytest.mark.parametrize(
    "fields",
    [{"scenario": "other"}, {"case": "phone"}, {"variant": "v1"}, {"model_label": "small"}, {"repeat": 2}],
)
def test_each_part_of_the_identity_makes_a_key_of_its_own(fields: dict[str, Any]) -> None:
    """Two conversations never share a recorded reply, even where they send the same bytes."""
    request = Request(body={"model": MODEL})
    assert request.key(script(user(), **fields).identity.key_parts) != request.key(
        script(user()).identity.key_parts
    )


def test_parts_of_the_identity_do_not_run_together() -> None:
    """A case is not mistaken for a variant of the same name."""
    request = Request(body={"model": MODEL})
    case, variant = script(user(), case="x"), script(user(), variant="x")
    assert request.key(case.identity.key_parts) != request.key(variant.identity.key_parts)


def test_a_single_play_has_the_key_of_the_first_repeat() -> None:
    """Raising `repeat` later finds the reply that is already there."""
    request = Request(body={"model": MODEL})
    assert request.key(script(user()).identity.key_parts) == request.key(
        script(user(), repeat=1).identity.key_parts
    )


def test_numbers_that_are_no_json_are_refused() -> None:
    """A request with NaN would not be the JSON that its key is made of."""
    with pytest.raises(ValueError, match="Out of range float"):
        Request(body={"temperature": float("nan")}).canonical()


def test_the_empty_object_is_an_object_without_keys() -> None:
    """The default of every mapping is immutable, hashable and equal to `{}`."""
    assert dict(EMPTY) == {}
    assert (len(EMPTY), hash(EMPTY), repr(EMPTY)) == (0, 0, "{}")
    with pytest.raises(KeyError):
        EMPTY["a"]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.sampled_from(["auto", "1h", "off"]), min_size=2, max_size=2, unique=True))
def test_every_cache_mode_gives_another_request(modes: list[str]) -> None:
    """A recording made under one mode is not taken for another."""
    keys = {
        Request(body=_body(script(user(), user(), system=text("x"), cache=mode))).key([]) for mode in modes
    }
    assert len(keys) == 2

"""What a run costs at most, and how many tokens a prompt can have."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.exchange import Exchange, SentMessage
from claude_run.conversation.steps import Send, next_step
from claude_run.conversation.transcript import total_cost
from claude_run.plan.estimate import (
    SERVER_ROUNDS,
    TOOL_PROMPT_TOKENS,
    Estimate,
    estimate,
    grown_prompt_tokens,
    has_server_tools,
    prompt_tokens,
    web_searches,
    worst_cost,
    worst_cost_after,
)
from claude_run.plan.matrix import Plan, Selection, expand
from claude_run.plan.prices import cost
from claude_run.scenario.model import AssistantTurn, Case, Save, Text, ToolResult, ToolResults
from tests.support.bounds import bounds_of
from tests.unit.plan.builders import (
    PRICED,
    PlainRenderer,
    at,
    conversation,
    exchange,
    model,
    request,
    scenario,
    text,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.scenario.json_values import JsonObject

WINDOW = 1_000_000
SAVE = Save(name="order", pattern="A-[0-9]+", position=at(9))


def _plan(*conversations: Conversation) -> Plan:
    return Plan(conversations=conversations, pass_rates={}, files={})


def _plain(_: Conversation) -> TextRenderer:
    return PlainRenderer()


def bound_of(plan: Plan, renderer_for: Callable[[Conversation], TextRenderer]) -> Estimate:
    """Return the bound of a whole plan."""
    return estimate(plan, bounds_of(plan, renderer_for))


def _worst(*conversations: Conversation) -> Decimal:
    found = bound_of(_plan(*conversations), _plain).worst_cost_usd
    assert found is not None
    return found


def test_the_estimate_counts_conversations_requests_and_models() -> None:
    """Scripted history sends no request; each model has its row, in the order of the plan."""
    turns = (user(), AssistantTurn(content=text("Yes?"), position=at(2)), user(), user())
    given = scenario(
        turns=turns, models=(model("claude-opus-5-5", "big"), model("claude-haiku-5-5")), repeat=3
    )
    found = bound_of(expand([given], Selection()), _plain)
    assert (found.conversations, found.requests, found.unpriced) == (6, 12, ())
    assert [(row.model, row.conversations, row.requests) for row in found.models] == [
        ("claude-opus-5-5", 3, 6),
        ("claude-haiku-5-5", 3, 6),
    ]
    assert found.worst_cost_usd == total_cost(row.worst_cost_usd for row in found.models)


def test_in_batches_the_bound_is_half_but_for_a_longer_life_in_the_cache() -> None:
    """What is written to the cache for an hour costs twice as much as fresh text, and not 1.25 times."""
    plain, cached = conversation(user(), cache="off"), conversation(user(), user(), cache="auto")
    for each, least, most in ((plain, 0.5, 0.5), (cached, 0.5, 0.8)):
        live = bounds_of(_plan(each), _plain)[each.identity.case_name].worst_cost_usd
        batched = bounds_of(_plan(each), _plain, batch=True)[each.identity.case_name].worst_cost_usd
        assert live is not None
        assert batched is not None
        assert Decimal(str(least)) <= batched / live <= Decimal(str(most))


def test_an_unpriced_model_makes_the_whole_unpriced_and_is_named() -> None:
    """The rows of the other models keep their cost."""
    given = scenario(models=(model("claude-opus-99"), model("claude-haiku-5-5")))
    found = bound_of(expand([given], Selection()), _plain)
    assert (found.worst_cost_usd, found.unpriced) == (None, ("claude-opus-99",))
    assert found.models[1].worst_cost_usd is not None


def test_an_empty_plan_costs_nothing() -> None:
    """The sum of nothing is zero."""
    found = bound_of(_plan(), _plain)
    assert (found.conversations, found.requests, found.worst_cost_usd, found.models) == (0, 0, Decimal(0), ())


def test_repeats_are_computed_once() -> None:
    """A thousand repeats render the script once."""
    renderers: list[PlainRenderer] = []

    def renderer_for(_: Conversation) -> TextRenderer:
        renderers.append(PlainRenderer())
        return renderers[-1]

    found = bound_of(expand([scenario(repeat=1000)], Selection()), renderer_for)
    assert (found.requests, len(renderers), renderers[0].rendered) == (1000, 1, 1)


def test_many_different_conversations_take_no_time() -> None:
    """500 cases of three turns take less than two seconds of CPU, also under coverage."""
    cases = tuple(Case(id=str(n)) for n in range(500))
    plan = expand([scenario(turns=(user(), user(), user()), cases=cases)], Selection())
    worst_cost(request())  # loads the price table
    started = time.process_time()
    assert bound_of(plan, _plain).requests == 1500
    assert time.process_time() - started < 2


def test_each_reply_grows_the_prompt_of_the_next_request() -> None:
    """A second turn costs more than the first, by the reply that it carries."""
    one, two = _worst(conversation(user())), _worst(conversation(user(), user()))
    wordy = conversation(user(), user(), params={"max_tokens": 10_000})
    brief = conversation(user(), user(), params={"max_tokens": 9_999})
    assert two > 2 * one
    # One token less: two outputs, and one carried into the next prompt and cached, all at US prices.
    difference = (2 * Decimal("0.5") + Decimal("0.125")) * Decimal("1.1") / 10**6
    assert _worst(wordy) - _worst(brief) == difference


def test_saved_text_may_be_as_long_as_a_reply_wherever_it_is_quoted() -> None:
    """Each quotation counts as a whole reply, whatever the pattern finds."""
    params = {"max_tokens": 5000, "inference_geo": "global"}
    once, twice = (
        _worst(conversation(user(save=(SAVE,)), user("{{ saved.order }}" * n), params=params)) for n in (1, 2)
    )
    assert twice - once > 5000 * Decimal("0.125") / 10**6


def test_cache_writes_are_counted_at_the_price_of_their_time_to_live() -> None:
    """No breakpoint, one for five minutes anywhere, one for an hour anywhere: each is dearer."""
    five, hour = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}

    def blocks(control: Any) -> list[Any]:
        return [{"role": "user", "content": [{"type": "text", "text": "x" * 9000, "cache_control": control}]}]

    none, short = worst_cost(request(blocks(None))), worst_cost(request(blocks(five)))
    top = worst_cost(request(blocks(five), cache_control=hour))
    block = worst_cost(request(blocks(hour), cache_control=five))
    assert none is not None
    assert short is not None
    assert top is not None
    assert block is not None
    assert none < short < top
    assert short < block


def test_a_fast_request_is_bounded_at_the_fast_price() -> None:
    """Fast mode of Opus 5.5 costs twice as much."""
    plain = worst_cost(request(model="claude-opus-5-5"))
    fast = worst_cost(request(model="claude-opus-5-5", speed="fast"))
    assert plain is not None
    assert fast == 2 * plain


def test_server_tools_may_pause_and_be_resumed() -> None:
    """Each of the eleven requests that a turn may take reads the window in each of ten rounds."""
    tools = [{"type": "web_fetch_20250910", "name": "web_fetch"}]
    found = _worst(conversation(params={"max_tokens": 100, "tools": tools, "inference_geo": "global"}))
    assert found > 11 * 10 * Decimal("0.5")


def _with_tools(*results: ToolResult, max_rounds: int = 10, **params: Any) -> Estimate:
    tools = ToolResults(by_tool={"look": results}, max_rounds=max_rounds)
    talk = replace(
        conversation(user(), user(), params={"max_tokens": 1000, **params}),
        tool_results=tools,
    )
    return bound_of(_plan(talk), _plain)


def _answer(times: int | None = None) -> ToolResult:
    return ToolResult(json="x" * 200, times=times, position=at(5))


def test_rounds_of_tools_are_requests_of_their_own() -> None:
    """Of one turn there are as many as results may be used, and no more than the scenario allows."""
    found = [
        _with_tools(_answer()),
        _with_tools(_answer(), max_rounds=3),
        _with_tools(_answer(times=2)),
        _with_tools(_answer(times=2), _answer(times=40)),
        _with_tools(),
    ]
    assert [each.requests for each in found] == [2] * 5
    assert [each.most_requests for each in found] == [22, 8, 6, 22, 2]


def test_what_answers_a_call_once_is_paid_for_once() -> None:
    """A result with `times` is bounded by them, and a reply of one call by that call."""
    always = _with_tools(_answer()).worst_cost_usd
    once = _with_tools(_answer(times=1)).worst_cost_usd
    one_by_one = _with_tools(
        _answer(), tool_choice={"type": "auto", "disable_parallel_tool_use": True}
    ).worst_cost_usd
    assert always is not None
    assert once is not None
    assert one_by_one is not None
    assert once < one_by_one < always / 5


def test_worst_cost_after_is_tighter_than_the_bytes_of_the_history() -> None:
    """What the API counted replaces what could only be guessed."""
    talk = conversation(user("x" * 5000), user())
    first = next_step(talk, [], PlainRenderer())
    assert isinstance(first, Send)
    assert worst_cost_after(first, []) == worst_cost(first.request)
    answered = exchange(first.request, input_tokens=900, output_tokens=10)
    done = [Exchange(turn=0, key="", sent=first.sent, reply=answered.reply)]
    second = next_step(talk, done, PlainRenderer())
    assert isinstance(second, Send)
    after, alone = worst_cost_after(second, done), worst_cost(second.request)
    assert after is not None
    assert alone is not None
    assert after < alone


@st.composite
def _talks(draw: st.DrawFn) -> Conversation:
    name = draw(st.sampled_from([*PRICED, "claude-haiku-5-5", "claude-haiku-5-5"]))
    texts = draw(st.lists(st.sampled_from(["Hi", "\u4e2d\u6587", "x" * 6_000]), min_size=1, max_size=4))
    turns = [user(each, save=(SAVE,) if index == 0 else ()) for index, each in enumerate(texts)]
    if draw(st.booleans()) and len(turns) > 1:
        turns.append(user("It is {{ saved.order }}."))
    params = {"max_tokens": draw(st.sampled_from([1, 500, 20_000]))}
    system = draw(st.sampled_from([None, text("Be kind. " * 500)]))
    cache = draw(st.sampled_from(["auto", "off", "1h"]))
    return conversation(*turns, model=name, params=params, system=system, cache=cache)


def _played(talk: Conversation, data: st.DataObject) -> list[tuple[Decimal | None, Decimal | None]]:
    """Play against an API that counts as many tokens as the bytes allow; give paid and worst costs."""
    found: list[tuple[Decimal | None, Decimal | None]] = []
    exchanges: list[Exchange] = []
    known = 0
    while isinstance(step := next_step(talk, exchanges, PlainRenderer()), Send):
        new = sum(len(str(each.content).encode()) for each in step.sent)
        if not exchanges and isinstance(talk.system, Text):
            new += len(talk.system.source)
        known += data.draw(st.one_of(st.just(new), st.integers(0, new)))
        output = data.draw(
            st.one_of(st.just(step.request.max_tokens), st.integers(1, step.request.max_tokens))
        )
        # The API writes to the cache only where the request has a breakpoint.
        cached = b'"cache_control"' in step.request.canonical()
        written = data.draw(st.integers(0, known)) if cached else 0
        ttl = "1h" if talk.cache == "1h" else "5m"
        usage: JsonObject = {
            "input_tokens": known - written,
            "cache_creation_input_tokens": written,
            "cache_creation": {f"ephemeral_{ttl}_input_tokens": written},
            "output_tokens": output,
            "inference_geo": data.draw(st.sampled_from(["us", "global"])),
        }
        reply = exchange(step.request, content="A-1", **usage).reply
        found.append((cost(reply.body), worst_cost_after(step, exchanges)))
        exchanges.append(Exchange(turn=step.turn, key="", sent=step.sent, reply=reply))
        known += output
    return found


@settings(max_examples=60, deadline=None)
@given(_talks(), st.data())
def test_no_conversation_within_its_limits_costs_more_than_the_estimate(
    talk: Conversation, data: st.DataObject
) -> None:
    """Every reply costs at most its worst cost, and all worst costs together at most the estimate."""
    steps = _played(talk, data)
    worst = total_cost(bound for _, bound in steps)
    assert all(paid is not None and bound is not None and paid <= bound for paid, bound in steps)
    assert worst is not None
    assert worst <= _worst(talk)


@pytest.mark.parametrize("name", PRICED)
def test_every_priced_model_can_be_estimated(name: str) -> None:
    """No current model that has a price lacks a bound."""
    assert _worst(conversation(model=name)) > 0


def _content(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": list(blocks)}]


def _pdf(data: bytes) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(data).decode()}
    return {"type": "document", "source": source}


def _image(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_the_bound_is_at_least_the_bytes_of_the_text(system: str, message: str) -> None:
    """A token is at least one byte, so UTF-8 bytes bound the tokens; lone surrogates are text too."""
    bound = prompt_tokens(request([{"role": "user", "content": message}], system=system))
    assert bound >= sum(len(each.encode("utf-8", "surrogatepass")) for each in (system, message))


def test_the_bound_of_plain_text_is_tight() -> None:
    """Beside the text there are only the JSON of the message and a small frame."""
    assert 1000 < prompt_tokens(request([{"role": "user", "content": "x" * 1000}])) < 1150


def test_an_image_is_bounded_by_its_largest_size_not_by_its_bytes() -> None:
    """A large file costs no more than a small one, also inside a tool result."""
    small, large = (prompt_tokens(request(_content(_image("A" * n)))) for n in (8, 800_000))
    assert 5000 < small == large < 5300
    nested = {"type": "tool_result", "tool_use_id": "t", "content": [_image("AAAA"), _image("AAAA")]}
    assert 10_000 < prompt_tokens(request(_content(nested))) < 10_500
    linked = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    assert 5000 < prompt_tokens(request(_content(linked))) < 5300


def test_the_pages_of_a_pdf_are_counted() -> None:
    """Each page has an allowance; the tree of pages is not a page."""
    two = b"%PDF-1.4 /Type /Pages /Type /Page /Type/Page\n" + b"x" * 50_000
    assert 20_000 < prompt_tokens(request(_content(_pdf(two)))) < 20_400


@pytest.mark.parametrize(
    "block",
    [
        _pdf(b"%PDF-1.7 /Type /Page /Type /ObjStm"),
        _pdf(b"no pages to be seen"),
        {"type": "document", "source": {"type": "base64", "data": "A"}},
        {"type": "document", "source": {"type": "base64", "data": "\u00e9"}},
        {"type": "document", "source": {"type": "base64"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
    ],
)
def test_a_pdf_whose_pages_cannot_be_counted_may_fill_the_window(block: dict[str, Any]) -> None:
    """What cannot be known is bounded by what the model can take."""
    assert prompt_tokens(request(_content(block))) == WINDOW
    assert prompt_tokens(request(_content(block), model="claude-haiku-4-5")) == 200_000


def test_a_text_document_counts_as_its_text() -> None:
    """Its bytes are in the prompt as they are."""
    source = {"type": "text", "media_type": "text/plain", "data": "x" * 1000}
    assert 1000 < prompt_tokens(request(_content({"type": "document", "source": source}))) < 1300


def test_the_window_bounds_every_known_model() -> None:
    """The API refuses a longer prompt, so it is never paid; of an unknown model the window is unknown."""
    huge = [{"role": "user", "content": "x" * 300_000}]
    assert prompt_tokens(request(huge, model="claude-haiku-4-5")) == 200_000
    assert prompt_tokens(request(huge, model="claude-opus-99")) > 300_000


def test_tools_and_schemas_count_with_what_the_api_adds_for_them() -> None:
    """A definition counts in full, escaped, and brings a prompt of the API's own."""
    plain = prompt_tokens(request())
    tool = {"name": "look", "description": "\u4e2d" * 100, "input_schema": {"type": "object"}}
    with_tool = prompt_tokens(request(tools=[tool]))
    assert with_tool >= plain + len(json.dumps(tool)) + TOOL_PROMPT_TOKENS
    typed = prompt_tokens(request(tools=[tool, {"type": "bash_20250124", "name": "bash"}]))
    assert typed >= with_tool + TOOL_PROMPT_TOKENS
    schema = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert prompt_tokens(request(output_config=schema)) >= plain + TOOL_PROMPT_TOKENS


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking"])
def test_a_message_with_thinking_counts_as_a_whole_reply(kind: str) -> None:
    """Its text is left out of the JSON and billed all the same."""
    question, answer = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": kind}]}
    assert prompt_tokens(request([question, answer, question], max_tokens=9000)) > 9000


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, False),
        ({"tools": [{"name": "a", "input_schema": {}}, {"type": "custom", "name": "b"}]}, False),
        ({"tools": [{"type": "text_editor_20250728"}]}, False),
        ({"tools": [{"type": "browser_toolset_20260801"}]}, False),
        ({"tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]}, True),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"mcp_servers": [{"name": "x"}]}, True),
    ],
)
def test_server_tools_are_those_that_the_api_runs(body: dict[str, Any], expected: bool) -> None:
    """Their requests may read the whole window in every round."""
    made = request(**body)
    assert has_server_tools(made) is expected
    assert (prompt_tokens(made) == SERVER_ROUNDS * WINDOW) is expected


def test_web_searches_are_bounded_by_max_uses_or_by_the_output() -> None:
    """Each search takes at least one token to ask for."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert web_searches(request()) == 0
    assert web_searches(request(tools=[{**search, "max_uses": 3}])) == 3
    assert web_searches(request(tools=[search], max_tokens=77)) == 77
    assert web_searches(request(tools=[{"type": "web_fetch_20250910"}])) == 0


def test_a_grown_prompt_is_the_counted_one_its_reply_and_what_is_new() -> None:
    """The bytes of the history do not count again once the API has counted it."""
    first = request([{"role": "user", "content": "x" * 5000}])
    sent = (SentMessage(turn=1, role="user", content="y" * 100),)
    send = Send(turn=1, request=request([{"role": "user", "content": "x" * 5000}] * 3), sent=sent)
    assert grown_prompt_tokens(send, []) == prompt_tokens(send.request) > 15_000
    counted = exchange(first, input_tokens=700, cache_read_input_tokens=300, output_tokens=50)
    assert 1150 < grown_prompt_tokens(send, [counted]) < 1350
    silent = exchange(first, input_tokens=None, output_tokens=50)
    assert grown_prompt_tokens(send, [silent]) == prompt_tokens(send.request)

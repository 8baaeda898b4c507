"""The calls that the simulator makes up: those that are expected, answered by results that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.registry import default_registry
from claude_run.checks.subject import Subject
from claude_run.conversation.exchange import HEADER_PARAMS, Exchange, Reply
from claude_run.conversation.results import Status
from claude_run.conversation.steps import Finish, Send, Steps
from claude_run.plan.estimate import worst_cost_after
from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.loader import load
from claude_run.scenario.model import UserTurn
from claude_run.simulator.engine import Engine
from claude_run.simulator.examples import ExampleBook
from tests.support.bounds import bounds_of

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

HEADERS = {"anthropic-version": "2026-10-21", "anthropic-beta": "b"}
PAY = "{id: w, tools: [{name: pay, input_schema: {type: object}}]}"
HEAD = """\
model: claude-haiku-5-5
max_tokens: 300
tools:
  - name: look
    input_schema: {type: object, properties: {id: {type: string}, n: {type: integer}}, required: [id]}
  - {name: stop, input_schema: {type: object, properties: {why: {enum: [angry, lost]}}, required: [why]}}
tool_results: {look: [{when: {id: A-1}, return: "found {{ what }}"}, {when: {id: B-2}, return: lost}]}
vars: {what: it}
"""


def played(folder: Path, text: str) -> tuple[list[list[Any]], Finish, list[Decimal | None], Decimal | None]:
    """Return the content of each reply, how it ended, what each request may cost, and the bound of all."""
    (folder / "a.yaml").write_text(HEAD + text, encoding="utf-8")
    plan = expand(load([str(folder / "a.yaml")], vocabulary=default_registry()), Selection())
    conversation, *_ = plan.conversations
    renderer = ScriptRenderer(conversation.vars)
    engine = Engine(ExampleBook.from_conversations([conversation], lambda _: renderer), lambda: 0.0)
    steps = Steps(conversation, renderer)
    exchanges: list[Exchange] = []
    costs: list[Decimal | None] = []
    while isinstance(step := steps.next(exchanges), Send):
        costs.append(worst_cost_after(step, exchanges))
        sent = {key: value for key, value in step.request.body.items() if key not in HEADER_PARAMS}
        body = engine.prepare(sent, HEADERS).message
        reply = Reply.from_body(body)
        exchanges.append(Exchange(turn=step.turn, key="", sent=step.sent, reply=reply))
    bound, *_ = bounds_of(plan, lambda _: renderer).values()
    # What was called is what was expected of the turn, if nothing ended the conversation.
    turn = conversation.turns[0]
    assert isinstance(turn, UserTurn)
    said = Subject(
        text="Done.",
        stop_reason="end_turn",
        latency_s=0.0,
        cost_usd=None,
        usage=exchanges[0].reply.usage,
        content=tuple(block for each in exchanges if each.turn == 0 for block in each.reply.content),
    )
    for expectation in turn.expect:
        result = default_registry().evaluate(expectation, said, lambda slot: slot.source)
        assert result.status is Status.PASSED, result.message
    contents = [[_plain(block) for block in each.reply.content] for each in exchanges]
    return contents, step, costs, bound.worst_cost_usd


def test_what_the_api_runs_needs_no_results(tmp_path: Path) -> None:
    """Calls of its own tools and of MCP servers stand in the reply, with what came of them."""
    text = (
        "betas: [b]\nmcp_servers: [{type: url, url: 'https://x.example', name: shop}]\n"
        "turns:\n"
        "- {user: Hi, expect: [{calls_tool: [web_search, buy]}], example: A}\n- {user: Bye, example: B}\n"
        "variants: [{id: v, tools: [{type: web_search_20260318, name: web_search}]}]\n"
    )
    found, end, _, _ = played(tmp_path, text)
    assert end == Finish()
    assert found == [
        [("web_search", {}), "web_search_tool_result", ("buy", {}), "mcp_tool_result", "A"],
        ["B"],
    ]


def _plain(block: Any) -> Any:
    if block["type"] == "text":
        return block["text"]
    return (block["name"], dict(block["input"])) if "name" in block else block["type"]


@pytest.mark.parametrize(
    ("expected", "contents"),
    [
        ("calls_tool: look", [[("look", {"id": "A-1"})], ["Done."]]),
        ("calls_tool: {input: {id: B-2}}", [[("look", {"id": "B-2"})], ["Done."]]),
        ("calls_tool: {name: look, input: {n: 3}}", [[("look", {"id": "A-1", "n": 3})], ["Done."]]),
        ("calls_tool: stop", [["Done.", ("stop", {"why": "angry"})]]),
        (
            "calls_tool: {name: stop, schema: {properties: {why: {const: lost}}, required: [why]}}",
            [["Done.", ("stop", {"why": "lost"})]],
        ),
        (
            "calls_tool: {name: stop, schema: {properties: {why: {examples: [lost], pattern: ost}}}}",
            [["Done.", ("stop", {"why": "lost"})]],
        ),
        (
            "calls_tool: {schema: {required: [at], properties: {at: {contains: {const: 1}}}}}",
            [[("look", {"id": "A-1", "at": [1]})], ["Done."]],
        ),
        (
            "calls_tool: [look, {name: look, input: {id: B-2}}, stop]",
            [
                [("look", {"id": "A-1"}), ("look", {"id": "B-2"})],
                ["Done.", ("stop", {"why": "angry"})],
            ],
        ),
        ("calls_tool: [look, look]", [[("look", {"id": "A-1"})] * 2, ["Done."]]),
        (
            "all_of: [{calls_tool: look}, {calls_tool: [{input: {id: B-2}}, look]}, {calls_tool: look}]",
            [[("look", {"id": "B-2"}), ("look", {"id": "A-1"})], ["Done."]],
        ),
        ("any_of: [{calls_tool: pay}, {calls_tool: look}]", [[("look", {"id": "A-1"})], ["Done."]]),
        ("any_of: [{calls_tool: pay}, {no_tool_calls: true}]", [["Done."]]),
        (
            "any_of: [{all_of: [{calls_tool: look}]}, {calls_tool: stop}]",
            [[("look", {"id": "A-1"})], ["Done."]],
        ),
        ("not: {calls_tool: look}", [["Done."]]),
        ("no_tool_calls: true", [["Done."]]),
    ],
)
def test_what_is_expected_is_called(tmp_path: Path, expected: str, contents: Any) -> None:
    """With an input that fits what is expected, a result, and the tool's schema."""
    # One more tool stands in a variant that is not played.
    text = f"turns: [{{user: Hi, expect: [{{{expected}}}], example: Done.}}]\nvariants: [{{id: v}}, {PAY}]\n"
    found, end, costs, bound = played(tmp_path, text)
    assert found == contents
    assert end == Finish()
    assert bound is not None
    assert bound >= sum(cost for cost in costs if cost is not None)


def test_what_the_conversation_must_call_is_called_in_its_last_turn(tmp_path: Path) -> None:
    """But for what a turn before has called."""
    text = (
        "turns: [{user: Hi, expect: [{calls_tool: look}], example: A}, {user: Bye, example: B}]\n"
        "expect: [{calls_tool: [look, stop]}]\n"
    )
    found, end, _, _ = played(tmp_path, text)
    assert found == [[("look", {"id": "A-1"})], ["A"], ["B", ("stop", {"why": "angry"})]]
    assert end == Finish()


def test_a_call_that_no_result_fits_is_made_all_the_same(tmp_path: Path) -> None:
    """What a scenario expects and does not answer fails, as it would on a model."""
    text = "turns: [{user: Hi, expect: [{calls_tool: {name: look, input: {id: C-3}}}]}, {user: Bye}]\n"
    found, end, _, _ = played(tmp_path, text)
    assert found == [[("look", {"id": "C-3"})]]
    assert end.stop is not None


def test_the_bound_holds_while_a_model_calls_again_and_again(tmp_path: Path) -> None:
    """Ten rounds of as many calls as fit into a reply cost no more than was said before."""
    (tmp_path / "a.yaml").write_text(HEAD + "turns: [{user: Hi}, {user: Bye}]\n", encoding="utf-8")
    plan = expand(load([str(tmp_path / "a.yaml")], vocabulary=default_registry()), Selection())
    (conversation,) = plan.conversations
    renderer = ScriptRenderer(conversation.vars)
    steps = Steps(conversation, renderer)
    exchanges: list[Exchange] = []
    spent: list[Decimal] = []
    calls = [
        {"type": "tool_use", "id": f"toolu_{number}", "name": "look", "input": {"id": "A-1"}}
        for number in range(30)
    ]
    for number in range(22):
        step = steps.next(exchanges)
        assert isinstance(step, Send)
        cost = worst_cost_after(step, exchanges)
        assert cost is not None
        spent.append(cost)
        is_last = number % 11 == 10
        body: Any = {
            "type": "message",
            "role": "assistant",
            "id": "m",
            "model": conversation.model,
            "content": [{"type": "text", "text": "Done."}] if is_last else calls,
            "stop_reason": "end_turn" if is_last else "tool_use",
            "usage": {"input_tokens": 500 * number + 400, "output_tokens": 300},
        }
        exchanges.append(Exchange(turn=step.turn, key="", sent=step.sent, reply=Reply.from_body(body)))
    assert steps.next(exchanges) == Finish()
    (bound,) = bounds_of(plan, lambda _: renderer).values()
    assert bound.worst_cost_usd is not None
    assert bound.worst_cost_usd >= sum(spent)

"""Calls of tools: which scripted result answers them, in which order, and what no result fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.checks.conditions import ScriptRenderer
from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.steps import Finish, Send, Steps, StopKind
from claude_run.conversation.tools import holds
from claude_run.scenario.model import JsonBlock, TextBlock, ToolResult, ToolResults
from tests.unit.conversation.builders import at, body, save, script, text, user

if TYPE_CHECKING:
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Step
    from claude_run.scenario.json_values import Json


def call(name: str, number: int = 1, **given_input: Any) -> dict[str, Any]:
    """Give a call of a tool as the API says it."""
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": given_input}


def result(**fields: Any) -> ToolResult:
    """Give a scripted result."""
    return ToolResult(position=at(), **fields)


def results(max_rounds: int = 10, **by_tool: Any) -> ToolResults:
    """Give the results of tools by their names."""
    return ToolResults(by_tool=by_tool, max_rounds=max_rounds)


def play(conversation: Conversation, *replies: Any) -> tuple[list[Send], Step]:
    """Answer one request after another; return the requests, and the step after the last reply."""
    steps = Steps(conversation, ScriptRenderer(conversation.vars))
    exchanges: list[Exchange] = []
    sends: list[Send] = []
    for each in replies:
        step = steps.next(exchanges)
        assert isinstance(step, Send)
        sends.append(step)
        reply = Reply.from_body(each)
        exchanges.append(Exchange(turn=step.turn, key=str(len(exchanges)), sent=step.sent, reply=reply))
    # Whoever goes on later decides the same from the same exchanges.
    last = steps.next(exchanges)
    assert Steps(conversation, ScriptRenderer(conversation.vars)).next(exchanges) == last
    return sends, last


def said(text_: str) -> dict[str, Any]:
    """Give a reply of text."""
    return body([{"type": "text", "text": text_}], "end_turn")


def calling(*calls: Any) -> dict[str, Any]:
    """Give a reply of calls."""
    return body(list(calls), "tool_use")


def sent_results(step: Step) -> Any:
    """Return the content of the one message that a step sends."""
    assert isinstance(step, Send)
    (message,) = step.sent
    assert message.role == "user"
    return message.content


def test_parallel_calls_are_answered_in_one_message_in_their_order() -> None:
    """The results stand in the order of the calls, under their ids, behind the reply as it came."""
    tools = results(
        weather=(result(json={"sky": ["clear", 1]}),),
        order=(result(content=text("It is {{ state }}.")),),
    )
    conversation = script(user(), vars={"state": "shipped"}, tool_results=tools)
    calls = [call("order", 1), call("weather", 2), call("order", 3)]
    _, step = play(conversation, calling(*calls))
    assert sent_results(step) == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "It is shipped."},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": '{"sky": ["clear", 1]}'},
        {"type": "tool_result", "tool_use_id": "toolu_3", "content": "It is shipped."},
    ]
    assert isinstance(step, Send)
    messages: Any = step.request.body["messages"]
    assert messages[1] == {"role": "assistant", "content": calls}
    assert messages[2]["role"] == "user"
    assert step.turn == 0


def test_the_first_result_that_fits_and_is_not_used_up_answers() -> None:
    """`when` is a part of the input; what answers once answers no second call, also in a later turn."""
    tools = results(
        order=(
            result(when={"id": "{{ id }}", "deep": {"a": [1]}}, json="found"),
            result(json="try again", is_error=True, times=1),
            result(json=17),
        )
    )
    conversation = script(user(), user(), vars={"id": 7}, tool_results=tools)
    sends, step = play(
        conversation,
        calling(call("order", id=7, deep={"a": [1], "b": 2}, more=True), call("order", 2, id=8)),
        said("Done."),
        calling(call("order", 3, id=8), call("order", 4, id=7, deep={"a": [1, 2]})),
    )
    first = sends[1].sent[0].content
    assert first == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "found"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "try again", "is_error": True},
    ]
    assert [each["content"] for each in sent_results(step)] == ["17", "17"]


def test_a_result_may_hold_blocks() -> None:
    """Text is filled in, and an image goes out as it was read."""
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    content = (TextBlock(text=text("Of {{ id }}:")), JsonBlock(value=image))
    conversation = script(user(), vars={"id": "A-1"}, tool_results=results(photo=(result(content=content),)))
    _, step = play(conversation, calling(call("photo")))
    assert sent_results(step)[0]["content"] == [{"type": "text", "text": "Of A-1:"}, image]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            call("order", id="B-2"),
            (
                'the reply calls order with {"id": "B-2"}, and none of its tool_results fits: they want '
                '{"id": "A-1"} or {"id": "A-2", "n": 1} or {"id": "A-3"} or 1 more'
            ),
        ),
        (
            call("long", id="A-2"),
            (
                'the reply calls long with {"id": "A-2"}, and none of its tool_results fits: they want '
                f'{{"id": "{"x" * 92}…'
            ),
        ),
        (call("other", id="A-1"), 'the reply calls other with {"id": "A-1"}, which has no tool_results'),
    ],
)
def test_a_call_that_no_result_fits_ends_the_conversation(made: Any, message: str) -> None:
    """It names the tool, its input, and what would have been answered."""
    whens: list[Any] = [{"id": "{{ id }}"}, {"id": "A-2", "n": 1}, {"id": "A-3"}, {"id": "A-4"}]
    tools = results(
        order=tuple(result(when=when, json="found") for when in whens),
        long=(result(when={"id": "x" * 500}, json="found"),),
    )
    conversation = script(user(), user(), vars={"id": "A-1"}, tool_results=tools)
    _, step = play(conversation, calling(made))
    assert isinstance(step, Finish)
    assert step.stop is not None
    assert (step.stop.kind, step.stop.turn, step.stop.message) == (StopKind.NO_TOOL_RESULT, 0, message)


def test_what_no_file_can_hold_is_replaced_in_words() -> None:
    """JSON can spell half of a surrogate pair; what is said of a call goes into files in UTF-8."""
    _, step = play(script(user(), user()), calling(call("order", id="\ud800")))
    assert isinstance(step, Finish)
    assert step.stop is not None
    assert step.stop.message == 'the reply calls order with {"id": "?"}, which has no tool_results'


def test_what_is_used_up_is_said() -> None:
    """Whoever wrote `times` learns that it was too few."""
    tools = results(order=(result(json="found", times=1),))
    _, step = play(script(user(), tool_results=tools), calling(call("order")), calling(call("order", 2)))
    assert isinstance(step, Finish)
    assert step.stop is not None
    assert step.stop.message == "the reply calls order with {}, and all tool_results that fit are used up"


def test_a_tool_without_results_may_end_the_last_turn() -> None:
    """A transfer waits for no answer; a wrong call beside it is wrong all the same."""
    tools = results(order=(result(when={"id": 1}, json="found"),))
    conversation = script(user(), tool_results=tools)
    assert play(conversation, calling(call("order", id=1), call("transfer", 2)))[1] == Finish()
    _, step = play(conversation, calling(call("order", id=2), call("transfer", 2)))
    assert isinstance(step, Finish)
    assert step.stop is not None


def test_rounds_end() -> None:
    """A model that never stops calling is stopped, and pauses are counted apart."""
    tools = results(max_rounds=2, order=(result(json="found"),))
    pause = body([{"type": "server_tool_use", "id": "s", "name": "x", "input": {}}], "pause_turn")
    conversation = script(user(), user(), tool_results=tools)
    replies = [pause, calling(call("order")), pause, calling(call("order", 2))]
    _, step = play(conversation, *replies)
    assert isinstance(step, Send)
    _, step = play(conversation, *replies, calling(call("order", 3)))
    assert isinstance(step, Finish)
    assert step.stop is not None
    assert step.stop.message == "the model still calls tools after 2 rounds of results (max_tool_rounds)"


def test_what_a_turn_saves_may_come_after_its_calls() -> None:
    """The pattern is looked for in all of its text, once the turn is over."""
    tools = results(order=(result(json="found"),))
    conversation = script(
        user(save=(save("state", "state: (.*)"),)), user("{{ saved.state }}"), tool_results=tools
    )
    _, step = play(conversation, calling(call("order")), said("state: shipped"))
    assert sent_results(step) == "shipped"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON, more=st.dictionaries(st.text(max_size=2), JSON, max_size=2))
def test_json_holds_itself_and_objects_may_have_more(value: Json, more: Any) -> None:
    """A part is held by the whole; true and 1 are not the same."""
    assert holds(value, value)
    if isinstance(value, dict):
        assert holds({**more, **value}, value)
    assert not holds([value], [value, value])
    assert not holds([True], [1])
    assert not holds([0], [False])
    assert holds(1, 1.0)

"""Stop reasons: which of them let a conversation go on, and what is said of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.steps import Finish, Stop, StopKind
from tests.unit.conversation.builders import body, play, script, sends, user

if TYPE_CHECKING:
    from claude_run.conversation.script import Conversation


def _stop(conversation: Conversation, *replies: dict[str, Any]) -> Stop | None:
    steps, _ = play(conversation, replies)
    last = steps[-1]
    assert isinstance(last, Finish), "the replies did not end the conversation"
    return last.stop


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "max_tokens"])
def test_the_conversation_goes_on_after_a_reply_that_came_to_its_end(reason: str) -> None:
    """A cut-off reply is a matter for warnings and checks, not an end."""
    steps, _ = play(script(user(), user()), [body(stop_reason=reason), body(stop_reason=reason)])
    assert len(sends(steps)) == 2
    assert steps[-1] == Finish()


@pytest.mark.parametrize("reason", ["refusal", "model_context_window_exceeded", "from_the_future"])
@pytest.mark.parametrize("place", ["middle", "end"])
def test_other_stop_reasons_end_the_conversation_wherever_they_come(reason: str, place: str) -> None:
    """Nothing is sent after them, and the turn that they came in is named."""
    first = [body()] if place == "end" else []
    stop = _stop(script(user(), user()), *first, body(stop_reason=reason))
    kinds = {
        "refusal": StopKind.REFUSED,
        "model_context_window_exceeded": StopKind.CONTEXT_WINDOW,
        "from_the_future": StopKind.UNKNOWN,
    }
    assert stop is not None
    assert (stop.kind, stop.turn) == (kinds[reason], len(first))


def test_an_unknown_stop_reason_is_quoted() -> None:
    """The user reads the API's own word, escaped."""
    stop = _stop(script(user()), body(stop_reason="new\nword"))
    assert stop is not None
    assert stop.message == "unknown stop_reason 'new\\nword'"


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"type": "refusal", "category": "cyber"}, "the model refused to answer (category: cyber)"),
        ({"type": "refusal", "category": None}, "the model refused to answer"),
        (None, "the model refused to answer"),
        ("odd", "the model refused to answer"),
    ],
)
def test_a_refusal_names_its_category_where_there_is_one(details: Any, message: str) -> None:
    """The category of `stop_details` is optional, and its shape is not trusted."""
    stop = _stop(script(user()), body([], "refusal", stop_details=details))
    assert stop is not None
    assert stop.message == message


TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "get_order", "input": {"id": "A-1"}}


@pytest.mark.parametrize(
    ("reason", "kind", "message"),
    [
        (
            "tool_use",
            StopKind.NO_TOOL_RESULT,
            'the reply calls get_order with {"id": "A-1"}, which has no tool_results',
        ),
        (
            "max_tokens",
            StopKind.CUT_OFF_CALL,
            "the reply was cut off at max_tokens while it called get_order; raise max_tokens",
        ),
    ],
)
def test_a_tool_call_with_turns_to_come_ends_the_conversation(
    reason: str, kind: StopKind, message: str
) -> None:
    """A user turn after an unanswered call would be refused; a cut-off call is a call all the same."""
    stop = _stop(script(user(), user()), body([TOOL_USE], reason))
    assert stop == Stop(kind=kind, turn=0, message=message)


def test_a_tool_call_in_the_last_reply_is_an_answer() -> None:
    """Nothing has to be sent after it, so the script was played to its end."""
    assert _stop(script(user()), body([TOOL_USE], "tool_use")) is None


def test_an_unknown_stop_reason_ends_the_conversation_even_with_a_tool_call() -> None:
    """A last reply that calls a tool is an answer only under a stop reason that we know."""
    stop = _stop(script(user()), body([TOOL_USE], "from_the_future"))
    assert stop is not None
    assert stop.kind is StopKind.UNKNOWN

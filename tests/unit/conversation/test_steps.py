"""The state machine: what is sent next, and with which history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.exchange import Exchange
from claude_run.conversation.steps import (
    MAX_ROUNDS,
    Finish,
    Send,
    Steps,
    Stop,
    StopKind,
    next_step,
)
from claude_run.scenario.model import JsonBlock, TextBlock
from tests.unit.conversation.builders import (
    PlainRenderer,
    answered,
    assistant,
    body,
    messages,
    play,
    save,
    script,
    sends,
    system,
    text,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Step
    from claude_run.scenario.model import Save, Text


def _stop(conversation: Conversation, *replies: dict[str, Any]) -> Stop | None:
    steps, _ = play(conversation, replies)
    last = steps[-1]
    assert isinstance(last, Finish), "the replies did not end the conversation"
    return last.stop


def _saved(conversation: Conversation, exchanges: Sequence[Exchange]) -> Mapping[str, str]:
    steps = Steps(conversation, PlainRenderer())
    steps.next(exchanges)
    return steps.saved


def _roles(step: Step) -> list[str]:
    return [message["role"] for message in messages(step)]


def test_user_turns_are_sent_one_by_one_and_alternate_with_replies() -> None:
    """Each request is the one before, its reply, and the next user turn."""
    steps, _ = play(script(user("a"), user("b"), user("c")), [body("A"), body("B"), body("C")])
    assert [_roles(step) for step in sends(steps)] == [
        ["user"],
        ["user", "assistant", "user"],
        ["user", "assistant", "user", "assistant", "user"],
    ]
    assert [step.turn for step in sends(steps)] == [0, 1, 2]
    assert steps[-1] == Finish()


def test_replies_go_back_as_the_very_blocks_that_came() -> None:
    """Thinking, redacted and unknown blocks and text stay, in order, with every field."""
    blocks = [
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eA=="},
        {"type": "text", "text": " a ", "citations": None},
        {"type": "future_block", "nested": {"a": [1, None]}},
        {"type": "text", "text": "Hi"},
    ]
    steps, exchanges = play(script(user(), user()), [body(blocks)])
    assert messages(steps[1])[1] == {"role": "assistant", "content": blocks}
    assert messages(steps[1])[1]["content"] is exchanges[0].reply.body["content"]


def test_scripted_assistant_turns_are_history_and_cost_no_request() -> None:
    """A user turn that a scripted answer follows goes out with the next generated turn."""
    steps, _ = play(script(user("q1"), assistant("a1"), user("q2"), user("q3")), [body("A2"), body("A3")])
    first, second = sends(steps)
    assert messages(first) == [
        {"role": "user", "content": "q1"},
        {"role": "assistant", "content": "a1"},
        {"role": "user", "content": "q2"},
    ]
    assert [(message.turn, message.role) for message in first.sent] == [
        (0, "user"),
        (1, "assistant"),
        (2, "user"),
    ]
    assert [message.turn for message in second.sent] == [3]


def test_scripted_history_in_mid_conversation_goes_out_with_the_next_user_turn() -> None:
    """History between two generated turns is sent once, before the second of them."""
    steps, _ = play(script(user("q1"), user("q2"), assistant("a2"), user("q3")), [body("A1"), body("A3")])
    assert messages(steps[1])[2:] == [
        {"role": "user", "content": "q2"},
        {"role": "assistant", "content": "a2"},
        {"role": "user", "content": "q3"},
    ]


def test_a_script_that_generates_nothing_is_finished_at_once() -> None:
    """Where every user turn has a scripted answer there is nothing to send."""
    assert next_step(script(user(), assistant()), [], PlainRenderer()) == Finish()


def test_system_turns_go_out_with_the_user_turn_before_them() -> None:
    """An instruction steers the reply to the user turn that it follows, not the next one."""
    conversation = script(user("a"), system("rule"), user("b"), assistant("B"), system("x"), user("c"))
    steps, _ = play(conversation, [body("A"), body("C")])
    assert messages(steps[0]) == [
        {"role": "user", "content": "a"},
        {"role": "system", "content": "rule"},
    ]
    assert _roles(steps[1])[2:] == ["assistant", "user", "assistant", "system", "user"]


def test_a_system_turn_before_a_scripted_answer_is_history_too() -> None:
    """A system turn between a user turn and its scripted answer changes neither."""
    steps, _ = play(script(user("a"), system("rule"), assistant("A"), user("b")), [])
    assert _roles(steps[0]) == ["user", "system", "assistant", "user"]
    assert isinstance(steps[0], Send)
    assert steps[0].turn == 3


@pytest.mark.parametrize("content", [[], [{"type": "text", "text": ""}], [{"type": "text", "text": None}]])
def test_an_empty_reply_is_never_sent_back(content: list[Any]) -> None:
    """The API refuses an empty assistant message, so the history goes on without it."""
    steps, _ = play(script(user("a"), user("b")), [body(content), body()])
    assert messages(steps[1]) == [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert steps[-1] == Finish()


def test_a_reply_of_nothing_but_thinking_is_sent_back() -> None:
    """A thinking block without text is not an empty reply."""
    steps, _ = play(script(user("a"), user("b")), [body([{"type": "thinking", "thinking": ""}])])
    assert _roles(steps[1]) == ["user", "assistant", "user"]


def test_a_paused_reply_is_resumed_without_a_new_message() -> None:
    """History and the paused content go out unchanged; the texts of the turn count as one."""
    conversation = script(user("a"), user("b"))
    steps, _ = play(conversation, [body("Par", "pause_turn"), body("is"), body()])
    paused, resumed = sends(steps)[:2]
    assert (resumed.turn, resumed.sent) == (0, ())
    assert messages(resumed) == [
        *messages(paused),
        {"role": "assistant", "content": [{"type": "text", "text": "Par"}]},
    ]
    assert _roles(steps[2]) == ["user", "assistant", "assistant", "user"]


def test_pauses_are_counted_per_turn_up_to_the_limit() -> None:
    """Ten resumptions are tried, for each turn anew, and the eleventh pause ends the conversation."""
    pauses = [body("x", "pause_turn")] * MAX_ROUNDS
    steps, _ = play(script(user(), user()), [*pauses, body(), *pauses, body("x", "pause_turn")])
    assert len(sends(steps)) == 2 * MAX_ROUNDS + 2
    assert steps[-1] == Finish(
        stop=Stop(
            kind=StopKind.PAUSED, turn=1, message=f"the reply paused {MAX_ROUNDS + 1} times without an end"
        )
    )


@pytest.mark.parametrize("content", [[], [{"type": "text", "text": ""}]])
def test_an_empty_pause_ends_the_conversation(content: list[Any]) -> None:
    """Without content there is nothing to go on from: the same request would be asked for ever."""
    stop = _stop(script(user(), user()), body(content, "pause_turn"))
    assert stop is not None
    assert (stop.kind, stop.turn) == (StopKind.PAUSED, 0)


def test_saved_text_reaches_later_turns() -> None:
    """A pattern is looked for in all texts of the turn, and what it finds fills later templates."""
    conversation = script(user("a", save=(save("city", "Par.."),)), user("Tell me of {{ saved.city }}."))
    steps, exchanges = play(conversation, [body("Par", "pause_turn"), body("is it is")])
    assert messages(steps[2])[-1] == {"role": "user", "content": "Tell me of Paris."}
    assert _saved(conversation, exchanges) == {"city": "Paris"}


class _Looked(list[Exchange]):
    """Exchanges that know how often one of them was handed out."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        self.looks += len(found) if isinstance(index, slice) else 1
        return found

    def __iter__(self) -> Iterator[Exchange]:
        self.looks += len(self)
        return super().__iter__()


class _CountingRenderer(PlainRenderer):
    """Counts its renderings and extractions."""

    count = 0

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        self.count += 1
        return super().render(text, saved)

    def extract(self, save: Save, text: str, saved: Mapping[str, str]) -> str | None:
        self.count += 1
        return super().extract(save, text, saved)


def test_a_long_conversation_costs_what_is_new_in_each_turn() -> None:
    """Every exchange is looked at once, every text rendered once, every pattern tried once."""
    turns = [user("{{ saved.n }}" if index else "a", save=(save("n", "[0-9]+"),)) for index in range(200)]
    conversation = script(*turns)
    renderer, exchanges = _CountingRenderer(), _Looked()
    steps = Steps(conversation, renderer)
    while isinstance(step := steps.next(exchanges), Send):
        exchanges.append(answered(conversation, step, body(str(len(exchanges)))))
    assert len(exchanges) == 200
    assert exchanges.looks == 200
    assert renderer.count == 2 * 200


def test_a_later_save_of_the_same_name_wins() -> None:
    """Saving again overwrites."""
    turns = (user(save=(save("n", "[0-9]+"),)), user(save=(save("n", "[0-9]+"),)), user("{{ saved.n }}"))
    steps, _ = play(script(*turns), [body("1"), body("2")])
    assert messages(steps[-1])[-1]["content"] == "2"


def test_a_save_that_finds_nothing_ends_the_conversation() -> None:
    """The turn, the name and the pattern are named, and nothing is saved."""
    conversation = script(user(save=(save("city", "Rome"),)), user("{{ saved.city }}"))
    steps, exchanges = play(conversation, [body("Paris")])
    assert steps[-1] == Finish(
        stop=Stop(
            kind=StopKind.NOT_SAVED,
            turn=0,
            message="nothing in the reply matches the pattern of save 'city': Rome",
        )
    )
    assert _saved(conversation, exchanges) == {}


def test_the_last_turn_must_save_too() -> None:
    """A pattern that finds nothing counts even where nothing is left to send."""
    stop = _stop(script(user(save=(save("city", "Rome"),))), body("Paris"))
    assert stop is not None
    assert stop.kind is StopKind.NOT_SAVED


def test_content_blocks_are_rendered_or_passed_as_they_are() -> None:
    """Text blocks are templates and keep their other fields; any other block is the user's own JSON."""
    image: dict[str, Any] = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "{{ x }}"},
    }
    cache = {"cache_control": {"type": "ephemeral"}}
    turn = user((TextBlock(text=text("hi"), extra=cache), JsonBlock(value=image)))
    steps, _ = play(script(turn), [])
    assert messages(steps[0])[0]["content"] == [{"type": "text", "text": "hi", **cache}, image]


def test_a_step_is_decided_from_its_arguments_alone() -> None:
    """The same exchanges give the same step, whatever was asked in between."""
    conversation = script(user("a"), user("b"))
    first = next_step(conversation, [], PlainRenderer())
    assert isinstance(first, Send)
    exchanges = [answered(conversation, first, body())]
    second = next_step(conversation, exchanges, PlainRenderer())
    assert next_step(conversation, [], PlainRenderer()) == first
    assert next_step(conversation, exchanges, PlainRenderer()) == second

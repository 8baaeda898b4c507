"""What holds for every script and whatever the model answers."""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.log import ConversationLog
from claude_run.conversation.script import generated_turns
from claude_run.conversation.steps import MAX_ROUNDS, Finish, Steps, next_step
from tests.unit.conversation.builders import WORST, PlainRenderer, body, events_of, messages, play, sends
from tests.unit.conversation.strategies import BLOCKS, HAPPY_REASONS, REPLIES, scripts

if TYPE_CHECKING:
    from claude_run.conversation.script import Conversation

PLAYS = st.tuples(scripts(), st.lists(REPLIES, max_size=12))
ENDLESS = st.tuples(scripts(), st.lists(st.builds(body, BLOCKS, HAPPY_REASONS), min_size=1, max_size=5))


@settings(deadline=None, max_examples=50)
@given(PLAYS)
def test_the_next_step_is_a_function_of_script_and_exchanges(
    played: tuple[Conversation, list[dict[str, Any]]],
) -> None:
    """Every step of a play is decided again, from the journal's events, as it was the first time."""
    conversation, replies = played
    steps, exchanges = play(conversation, replies)
    from_journal = tuple(ConversationLog(events_of(conversation, replies)).exchanges)
    assert list(from_journal) == exchanges
    for number, step in enumerate(steps):
        assert next_step(conversation, from_journal[:number], PlainRenderer()) == step


@settings(deadline=None, max_examples=50)
@given(PLAYS)
def test_steps_that_follow_each_other_are_those_of_the_whole(
    played: tuple[Conversation, list[dict[str, Any]]],
) -> None:
    """Whoever looks only at what is new finds the same steps, and the same saved texts."""
    conversation, replies = played
    steps, exchanges = play(conversation, replies)
    found = Steps(conversation, PlainRenderer())
    assert [found.next(exchanges[:number]) for number in range(len(steps))] == steps
    anew = Steps(conversation, PlainRenderer())
    anew.next(exchanges)
    assert anew.saved == found.saved


@settings(deadline=None, max_examples=50)
@given(ENDLESS)
def test_every_play_comes_to_an_end(played: tuple[Conversation, list[dict[str, Any]]]) -> None:
    """However often replies pause, no script asks for more than its turns and their resumptions."""
    conversation, replies = played
    steps, exchanges = play(conversation, cycle(replies))
    assert isinstance(steps[-1], Finish)
    assert len(exchanges) <= len(generated_turns(conversation.turns)) * (MAX_ROUNDS + 1)


@settings(deadline=None, max_examples=50)
@given(PLAYS)
def test_history_is_append_only_and_every_request_is_new(
    played: tuple[Conversation, list[dict[str, Any]]],
) -> None:
    """Each request extends the one before; only its messages grow, so no two have the same key."""
    conversation, replies = played
    steps, _ = play(conversation, replies)
    requests = sends(steps)
    for earlier, later in pairwise(requests):
        before, after = messages(earlier), messages(later)
        assert after[: len(before)] == before
        assert len(after) > len(before)
        assert {**earlier.request.body, "messages": after} == later.request.body
    assert len({step.request.key(conversation.identity.key_parts) for step in requests}) == len(requests)


@settings(deadline=None, max_examples=50)
@given(PLAYS)
def test_no_request_holds_an_empty_assistant_message(
    played: tuple[Conversation, list[dict[str, Any]]],
) -> None:
    """What goes out begins with the user, ends with no scripted answer, and has content throughout."""
    conversation, replies = played
    for step in sends(play(conversation, replies)[0]):
        sent = messages(step)
        assert sent[0]["role"] == "user"
        assert all(message["content"] for message in sent)


@settings(deadline=None, max_examples=50)
@given(PLAYS)
def test_a_folded_play_equals_the_play(played: tuple[Conversation, list[dict[str, Any]]]) -> None:
    """Turns, exchanges and totals of the transcript are those that were played, and none is lost."""
    conversation, replies = played
    steps, exchanges = play(conversation, replies)
    transcript = ConversationLog(events_of(conversation, replies)).transcript()
    sent = {message.turn: message.content for step in sends(steps) for message in step.sent}
    assert list(transcript.exchanges) == exchanges
    assert len(transcript.turns) == len(conversation.turns)
    for index, turn in enumerate(transcript.turns):
        assert (turn.sent, turn.content) == (index in sent, sent.get(index))
    assert transcript.usage.input_tokens == 10 * len(exchanges)
    assert transcript.uncertain_usd == WORST * (len(sends(steps)) - len(exchanges))

"""Turns that react: sent only where the last reply fits, and the same replies give the same path."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.checks.conditions import ScriptRenderer, WholeScript
from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.steps import Finish, Send, Steps, StopKind
from claude_run.scenario.model import Expectation, ToolResult, ToolResults
from claude_run.scenario.template import RenderError
from tests.unit.conversation.builders import assistant, at, body, save, script, system, user

if TYPE_CHECKING:
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Step


def holds(kind: str, value: Any, *children: Expectation) -> Expectation:
    """Give an expectation of a condition."""
    return Expectation(kind=kind, value=value, children=children, position=at(7))


def denies(inner: Expectation) -> Expectation:
    """Give the contrary of an expectation."""
    return holds("not", None, inner)


REACTIVE = script(
    user("I want my money back."),
    user("It is A-1.", condition=(holds("matches", "(?i)order number"),)),
    system("Be short."),
    user("I have no receipt.", condition=(holds("contains", "receipt"),)),
    user("Bye."),
)


def play(conversation: Conversation, *said: Any) -> tuple[list[Send], Steps, Step]:
    """Answer one request after another; return the requests, the steps, and the step after the last reply."""
    steps = Steps(conversation, ScriptRenderer(conversation.vars))
    exchanges: list[Exchange] = []
    sent: list[Send] = []
    for each in said:
        step = steps.next(exchanges)
        assert isinstance(step, Send)
        sent.append(step)
        reply = Reply.from_body(body(each) if isinstance(each, str) else each)
        exchanges.append(Exchange(turn=step.turn, key=str(len(exchanges)), sent=step.sent, reply=reply))
    last = steps.next(exchanges)
    # Whoever goes on later, with all exchanges at hand, takes the same way.
    anew = Steps(conversation, ScriptRenderer(conversation.vars))
    assert (anew.next(exchanges), anew.left_out) == (last, steps.left_out)
    return sent, steps, last


@pytest.mark.parametrize(
    ("said", "turns", "left_out"),
    [
        (["What is your order number?", "And the receipt?", "Sorry.", "Bye."], [0, 1, 3, 4], set()),
        (["What is your order number?", "Done.", "Bye."], [0, 1, 4], {3}),
        # The next one looks at the last reply that came, whichever turn it answered.
        (["And the receipt?", "Sorry.", "Bye."], [0, 3, 4], {1, 2}),
        (["Done.", "Bye."], [0, 4], {1, 2, 3}),
    ],
)
def test_a_turn_that_does_not_fit_is_left_out(said: list[str], turns: list[int], left_out: set[int]) -> None:
    """It is not in the history either, nor is the system turn that would have steered the reply to it."""
    sent, steps, last = play(REACTIVE, *said)
    assert last == Finish()
    assert [step.turn for step in sent] == turns
    assert steps.left_out == left_out
    written: Any = sent[-1].request.body["messages"]
    asked = [each["content"] for each in written if each["role"] != "assistant"]
    scripted = [turn.content for turn in REACTIVE.turns]
    assert asked == [text.source for index, text in enumerate(scripted) if index not in left_out]  # type: ignore[union-attr] # all are texts


def test_nothing_may_be_left_to_send() -> None:
    """A script whose last turns are all left out is over."""
    talk = script(user("a"), user("b", condition=(holds("contains", "x"),)))
    sent, steps, last = play(talk, "no")
    assert (len(sent), last, steps.left_out) == (1, Finish(), {1})


def test_all_of_a_condition_must_hold() -> None:
    """Several expectations are one condition; `not`, `within`, tools and stop reasons may stand in it."""
    condition = (
        holds("contains", "receipt"),
        denies(holds("within", {"pattern": "<a>(.*)</a>"}, holds("contains", "never"))),
        holds("stop_reason", "max_tokens"),
        holds("no_tool_calls", value=True),
    )
    talk = script(user("a"), user("b", condition=condition))
    cut = body("the receipt <a>now</a>", "max_tokens")
    assert len(play(talk, cut, "x")[0]) == 2
    assert play(talk, "the receipt")[1].left_out == {1}
    assert play(talk, body("the receipt <a>never</a>", "max_tokens"))[1].left_out == {1}


def test_all_rounds_of_a_turn_are_looked_at() -> None:
    """What was said and called before a tool's result belongs to the reply."""
    call = body([{"type": "tool_use", "id": "t", "name": "look", "input": {"id": 1}}], "tool_use")
    results = ToolResults(by_tool={"look": (ToolResult(json=1, position=at()),)})
    condition = (holds("calls_tool", {"name": "look", "input": {"id": 1}}), holds("contains", "Here"))
    talk = script(user("a"), user("b", condition=condition), tool_results=results)
    sent, steps, _ = play(talk, call, "Here it is.", "ok")
    assert [step.turn for step in sent] == [0, 0, 1]
    assert not steps.left_out


def test_a_call_may_end_the_last_turn_that_is_sent() -> None:
    """What has no result ends a conversation where all that follows is left out, and fails it otherwise."""
    call = body([{"type": "tool_use", "id": "t", "name": "hand_over", "input": {}}], "tool_use")
    talk = script(user("a"), user("b", condition=(holds("contains", "Sorry"),)))
    _, steps, last = play(talk, call)
    assert (last, steps.left_out) == (Finish(), {1})
    said = body([{"type": "text", "text": "Sorry."}, *call["content"]], "tool_use")  # type: ignore[misc] # blocks
    _, _, last = play(talk, said)
    assert isinstance(last, Finish)
    assert last.stop is not None
    assert last.stop.kind is StopKind.NO_TOOL_RESULT


def test_a_condition_is_filled_in() -> None:
    """Variables and what was saved may stand in it."""
    condition = (holds("contains", "{{ saved.n }}"), holds("contains", "{{ who }}"))
    talk = script(user("a", save=(save("n", "[0-9]+"),)), user("b", condition=condition), vars={"who": "Ada"})
    assert len(play(talk, "7 Ada", "x")[0]) == 2
    assert play(talk, "7 Bob")[1].left_out == {1}


def test_a_condition_that_cannot_be_decided_stops_the_conversation() -> None:
    """What nobody can tell is no reason to send, and none to leave out: the place of the `if` is named."""
    talk = script(user("a"), user("b", condition=(holds("contains", "{{ nobody }}"),)))
    with pytest.raises(RenderError, match=r":7:\d+: the `if` cannot be decided: .*nobody"):
        play(talk, "x")


def test_what_a_left_out_turn_would_save_is_missing() -> None:
    """And what ends a conversation ends it, whatever is left out behind."""
    talk = script(
        user("a"), user("b", condition=(holds("contains", "x"),), save=(save("n", "[0-9]+"),)), user("c")
    )
    _, steps, _ = play(talk, "no", "bye")
    assert (steps.saved, steps.left_out) == ({}, {1})
    _, _, last = play(talk, "x", "no digits")
    assert isinstance(last, Finish)
    assert last.stop is not None
    assert last.stop.kind is StopKind.NOT_SAVED


def test_scripted_history_behind_a_turn_that_is_left_out_is_sent() -> None:
    """It belongs to the turn that comes next."""
    talk = script(
        user("a"), user("b", condition=(holds("contains", "x"),)), user("c"), assistant("d"), user("e")
    )
    sent, steps, _ = play(talk, "no", "bye")
    assert [each.turn for each in sent[1].sent] == [2, 3, 4]
    assert steps.left_out == {1}


def test_the_same_replies_give_the_same_path_a_thousand_times() -> None:
    """The way through a script follows from the replies alone: a thousand talks, each taken twice over."""
    words = ("order number", "receipt", "ORDER NUMBER and receipt", "none")
    for seed in range(1000):
        dice = random.Random(seed)  # noqa: S311 - no secret hangs on it
        steps = Steps(REACTIVE, ScriptRenderer(REACTIVE.vars))
        exchanges: list[Exchange] = []
        while isinstance(step := steps.next(exchanges), Send):
            reply = Reply.from_body(body(dice.choice(words)))
            exchanges.append(Exchange(turn=step.turn, key="", sent=step.sent, reply=reply))
        # Again, from nothing, and from any number of the exchanges.
        begun = Steps(REACTIVE, ScriptRenderer(REACTIVE.vars))
        known = dice.randrange(len(exchanges))
        for number in range(known, len(exchanges)):
            again = begun.next(exchanges[:number])
            assert isinstance(again, Send)
            assert (again.turn, again.sent) == (exchanges[number].turn, exchanges[number].sent)
        assert (begun.next(exchanges), begun.left_out) == (step, steps.left_out)


def test_what_is_measured_changes_with_a_condition() -> None:
    """Another condition is another test: a baseline must know."""
    plain = script(user("a"), user("b"))
    one = script(user("a"), user("b", condition=(holds("contains", "x"),)))
    other = script(user("a"), user("b", condition=(holds("contains", "y"),)))
    assert len({each.expectations_digest for each in (plain, one, other)}) == 3


def test_what_must_be_known_beforehand_leaves_nothing_out() -> None:
    """A bound and a rehearsal go the longest way."""
    steps = Steps(REACTIVE, WholeScript(REACTIVE.vars))
    exchanges: list[Exchange] = []
    while isinstance(step := steps.next(exchanges), Send):
        reply = Reply.from_body(body("none"))
        exchanges.append(Exchange(turn=step.turn, key="", sent=step.sent, reply=reply))
    assert [each.turn for each in exchanges] == [0, 1, 3, 4]

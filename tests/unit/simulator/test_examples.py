"""The examples of scenarios as replies: each is found by the request that it answers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.identity import Identity
from claude_run.conversation.script import Conversation
from claude_run.conversation.steps import Send, next_step
from claude_run.errors import InputError
from claude_run.scenario.model import AssistantTurn, Position, Save, SystemTurn, Text, UserTurn
from claude_run.simulator.engine import Engine
from claude_run.simulator.examples import ExampleBook, request_digest
from claude_run.simulator.replies import compose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Expectation, Turn

AT = Position(path="a.yaml", line=1, column=1)
HEADERS = {"anthropic-version": "2026-10-21"}


class _Renderer:
    """Fills `{name}` and counts how often it was asked."""

    def __init__(self, conversation: Conversation) -> None:
        self._vars = conversation.vars
        self.rendered = 0

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        self.rendered += 1
        try:
            return text.source.format_map({**self._vars, **saved})
        except KeyError as error:
            raise InputError(f"undefined variable {error}") from error

    def fill_json(self, value: Json) -> Json:
        return value

    def extract(self, save: Save, text: str, saved: Mapping[str, str]) -> str | None:  # noqa: ARG002 - the signature is the Protocol's
        found = re.search(save.pattern, text)
        return found[0] if found else None

    def fits(
        self,
        condition: Sequence[Expectation],
        replies: Sequence[Exchange],
        saved: Mapping[str, str],  # noqa: ARG002 - the signature is the Protocol's
    ) -> bool:
        return all(str(each.value) in replies[-1].reply.text for each in condition)


def _text(source: str) -> Text:
    return Text(source=source, position=AT)


def _user(source: str, example: str | None = None, *saves: Save) -> UserTurn:
    shown = None if example is None else _text(example)
    return UserTurn(content=_text(source), example=shown, save=saves, position=AT)


HAIKU = Identity.of(scenario="s", path="a.yaml", model="claude-haiku-5-5", model_label="claude-haiku-5-5")


def _conversation(*turns: Turn, **changes: Any) -> Conversation:
    values: dict[str, Any] = {
        "identity": replace(HAIKU, scenario=changes.pop("scenario", "s"), case=changes.pop("case", None)),
        "position": AT,
        "vars": {"item": "phone"},
        "system": _text("You sell the {item}."),
        "params": {"max_tokens": 100},
        "turns": turns,
    }
    return Conversation(**{**values, **changes})


def _play(book: ExampleBook, conversation: Conversation) -> list[str]:
    """Play a conversation against the engine, as the player does over the wire."""
    engine, renderer = Engine(book, lambda: 0.0), _Renderer(conversation)
    exchanges: list[Exchange] = []
    while isinstance(step := next_step(conversation, exchanges, renderer), Send):
        reply = Reply.from_body(engine.prepare(json.loads(step.request.canonical()), HEADERS).message)
        exchanges.append(Exchange(turn=step.turn, key="", sent=step.sent, reply=reply))
    return [exchange.reply.text for exchange in exchanges]


def _book(*conversations: Conversation) -> ExampleBook:
    return ExampleBook.from_conversations(conversations, _Renderer)


def test_every_turn_gets_its_example() -> None:
    """Examples are rendered with the conversation's variables, over all turns, for every model."""
    haiku = _conversation(_user("I bought a {item}.", "A {item}!"), _user("Refund?", "In 30 days."))
    opus = replace(haiku, identity=replace(HAIKU, model="claude-opus-5-5", model_label="opus"))
    book = _book(haiku)
    assert _play(book, haiku) == _play(book, opus) == ["A phone!", "In 30 days."]


def test_cases_are_told_apart() -> None:
    """Conversations of one scenario with other variables have their own examples."""
    turn = _user("I bought a {item}.", "A {item}!")
    phone = _conversation(turn, case="phone")
    sofa = _conversation(turn, case="sofa", vars={"item": "sofa"})
    book = _book(phone, sofa)
    assert (_play(book, phone), _play(book, sofa)) == (["A phone!"], ["A sofa!"])


def test_cache_markers_do_not_matter() -> None:
    """The same conversation finds its examples with and without caching."""
    cached = _conversation(_user("a", "b"), _user("c", "d"))
    book = _book(cached)
    assert _play(book, replace(cached, cache="off")) == _play(book, replace(cached, cache="1h")) == ["b", "d"]


def test_scripted_history_and_system_turns() -> None:
    """Scripted assistant and system turns are part of what is looked up."""
    conversation = _conversation(
        _user("What is a list?"),
        AssistantTurn(content=_text("Mutable."), position=AT),
        _user("And a tuple?", "Immutable."),
        SystemTurn(content=_text("Be brief."), position=AT),
        _user("Thanks.", "Welcome."),
    )
    assert _play(_book(conversation), conversation) == ["Immutable.", "Welcome."]


def test_saved_text_can_stand_in_an_example() -> None:
    """What an example's text saves is known to the next turn and to its example."""
    save = Save(name="state", pattern="shipped|pending", position=AT)
    conversation = _conversation(
        _user("Where is it?", "It is shipped.", save), _user("Sure that it is {state}?", "Yes, {state}.")
    )
    assert _play(_book(conversation), conversation) == ["It is shipped.", "Yes, shipped."]


def test_a_turn_without_example_does_not_lose_the_later_ones() -> None:
    """The placeholder stands in for it, and the history still matches."""
    conversation = _conversation(_user("a", "b"), _user("c"), _user("e", "f"))
    expected = ["b", "[simulated reply 2: no example is given for this turn]", "f"]
    assert _play(_book(conversation), conversation) == expected


def test_examples_that_are_cut_still_match() -> None:
    """Where max_tokens or a stop sequence cuts an example, later turns are found all the same."""
    params = {"max_tokens": 2, "stop_sequences": ["STOP"]}
    conversation = _conversation(
        _user("a", "twelve bytes"), _user("b", "go STOP go"), _user("c", "end"), params=params
    )
    assert _play(_book(conversation), conversation) == ["twelve b", "go ", "end"]


def test_equal_conversations_are_played_once() -> None:
    """Models and repeats cost nothing; another max_tokens or other turns do."""
    first = _conversation(_user("a", "b"))
    renderers: list[_Renderer] = []

    def renderer_for(conversation: Conversation) -> _Renderer:
        renderers.append(_Renderer(conversation))
        return renderers[-1]

    others = [replace(first, identity=replace(HAIKU, model=f"claude-{i}", repeat=i)) for i in range(50)]
    short = replace(first, params={"max_tokens": 1})
    longer = replace(first, turns=(*first.turns, _user("c", "d")))
    ExampleBook.from_conversations([first, *others, short, longer], renderer_for)
    assert len(renderers) == 3


def test_the_first_of_two_examples_wins() -> None:
    """Two scenarios that send the same get one answer, and both find their later examples."""
    left = _conversation(_user("a", "left"), _user("b", "more left"))
    right = _conversation(_user("a", "right"), _user("c", "more right"), scenario="other")
    book = _book(left, right)
    assert _play(book, left) == ["left", "more left"]
    assert _play(book, right) == ["left", "more right"]


def test_a_template_that_fails_ends_its_table_only() -> None:
    """A conversation that cannot be rendered leaves the others their examples."""
    broken = _conversation(_user("a", "b"), _user("{nothing}", "d"), scenario="broken")
    fine = _conversation(_user("e", "f"))
    book = _book(broken, fine)
    assert _play(book, fine) == ["f"]
    assert _play(book, replace(broken, turns=broken.turns[:1])) == ["b"]


def test_unknown_requests_have_no_example() -> None:
    """A book answers only what it has learnt."""
    assert _book().reply({"messages": [{"role": "user", "content": "a"}]}) is None


def test_strings_and_text_blocks_are_the_same_question() -> None:
    """The digest sees through the two spellings of one text, and the markers on it."""
    marked: Sequence[Any] = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]
    spelled = request_digest({"system": marked, "messages": [{"role": "user", "content": marked}]})
    assert spelled == request_digest({"system": "a", "messages": [{"role": "user", "content": "a"}]})
    assert spelled != request_digest({"system": "b", "messages": [{"role": "user", "content": "a"}]})


def test_examples_are_replies_of_text() -> None:
    """What the book holds is the example before it is cut."""
    conversation = _conversation(_user("a", "a long example"))
    step = next_step(conversation, (), _Renderer(conversation))
    assert isinstance(step, Send)
    scripted = _book(conversation).reply(step.request.body)
    assert scripted is not None
    assert scripted.content == "a long example"
    assert compose({**step.request.body, "max_tokens": 1}, scripted).stop_reason == "max_tokens"

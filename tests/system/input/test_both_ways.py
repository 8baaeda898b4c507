"""What `check` lets through can be played: random cases of random scenarios are filled in both ways."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from claude_run.checks.conditions import ScriptRenderer
from claude_run.checks.registry import default_registry
from claude_run.checks.subject import Subject
from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.steps import Send, Steps, StopKind
from claude_run.conversation.usage import Usage
from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import load
from claude_run.scenario.model import UserTurn
from claude_run.scenario.template import RenderError

if TYPE_CHECKING:
    from claude_run.conversation.script import Conversation
    from claude_run.scenario.model import Expectation, Scenario

REGISTRY = default_registry()
REPLY = 'The order A-1 is shipped, {"a": 1}.'

values = st.one_of(
    st.sampled_from(["", " ", "a", "a.b(c", "7", "{{ a }}", "/a"]),
    st.integers(-2, 400),
    st.booleans(),
    st.none(),
    st.lists(st.sampled_from(["x", 1, "", None]), max_size=3),
    st.fixed_dictionaries({}, optional={"y": st.sampled_from(["", "z", 3])}),
)
PIECES = """
Hi |  || {{ a }} | {{ b }} | {{ a.y }} | {{ b[1] }} | {{ a \\ int }} | {{ b \\ first }} | {{ a \\ length }}
| {% if a %}x{% endif %} | {% for i in b %}{{ i }}{% endfor %} | {{ [a, b] \\ join }}
| {{ b \\ default('z') }} | {# a #}
"""
pieces = st.sampled_from([piece.strip("\n").replace("\\", "|") for piece in PIECES.split("|")])
texts = st.lists(pieces, min_size=1, max_size=3).map("".join)
later = st.lists(pieces | st.sampled_from(["{{ saved.s }}", "{{ saved.s | upper }}"]), min_size=1, max_size=3)
expectations = st.one_of(
    st.fixed_dictionaries({"contains": texts}),
    st.fixed_dictionaries({"equals": texts}),
    st.fixed_dictionaries({"matches": texts}),
    st.fixed_dictionaries({"contains": st.fixed_dictionaries({"all": texts})}),
    st.fixed_dictionaries({"contains": st.fixed_dictionaries({"any": st.lists(texts, max_size=2)})}),
    st.fixed_dictionaries({"max_words": texts}),
    st.fixed_dictionaries({"max_latency": texts.map(lambda text: text + "s")}),
    st.fixed_dictionaries({"json": st.fixed_dictionaries({"pointer": texts, "equals": texts})}),
    texts.map(lambda text: {"json": {"schema": {"type": text}}}),
    st.fixed_dictionaries({"json": st.fixed_dictionaries({"properties": st.fixed_dictionaries(
        {"a": st.fixed_dictionaries({"pattern": texts, "minLength": texts})})})}),
    st.fixed_dictionaries({"similar": st.fixed_dictionaries({"to": texts, "at_least": texts})}),
)  # fmt: skip
scenarios = st.fixed_dictionaries(
    {
        "model": st.just("claude-haiku-5-5"),
        "system": texts,
        "cases": st.lists(st.fixed_dictionaries({"a": values, "b": values}), min_size=1, max_size=3),
        "first": texts,
        "save": st.sampled_from(["order (.*?) is", "(sh.*),", "{{ a }}|order"]),
        "expect": st.lists(expectations, max_size=3),
        "second": later.map("".join),
    }
)


def written(drawn: dict[str, Any]) -> str:
    """Return the scenario as a file: JSON is YAML."""
    return json.dumps(
        {
            "model": drawn["model"],
            "system": drawn["system"] + "{{ a and b }}.",
            "cases": [{"id": f"c{n}", "vars": each} for n, each in enumerate(drawn["cases"])],
            "turns": [
                {"user": drawn["first"], "save": {"s": drawn["save"]}},
                {"user": drawn["second"], **({"expect": drawn["expect"]} if drawn["expect"] else {})},
            ],
        }
    )


def play(conversation: Conversation) -> None:
    """Play a conversation on replies that never vary; fail where a text cannot be sent or evaluated."""
    renderer = ScriptRenderer(conversation.vars)
    steps = Steps(conversation, renderer)
    exchanges: list[Exchange] = []
    while isinstance(step := steps.next(exchanges), Send):
        for message in step.sent:
            assert str(message.content).strip(), "an empty text is sent"
        body: dict[str, Any] = {
            "model": "m",
            "content": [{"type": "text", "text": REPLY}],
            "stop_reason": "end_turn",
        }
        exchanges.append(
            Exchange(turn=step.turn, key="", sent=step.sent, reply=Reply(body=body, usage=Usage()))
        )
    assert step.stop is None or step.stop.kind in {StopKind.NOT_SAVED, StopKind.OTHER_MODEL}
    subject = Subject(text=REPLY, stop_reason="end_turn", latency_s=1.0, cost_usd=None, usage=Usage())
    for turn in conversation.turns:
        for expectation in turn.expect if isinstance(turn, UserTurn) else ():
            evaluate(expectation, subject, renderer, steps)


def evaluate(expectation: Expectation, subject: Subject, renderer: ScriptRenderer, steps: Steps) -> None:
    """Evaluate one expectation, and fail where it cannot be."""
    result = REGISTRY.evaluate(
        expectation,
        subject,
        lambda slot: renderer.fill(slot.source, {"s": "A-1", **steps.saved}, into=slot.into),
    )
    assert "cannot be evaluated" not in result.message, result.message
    assert "cannot be rendered" not in result.message, result.message


@given(drawn=scenarios)
@settings(max_examples=300, deadline=None)
def test_whatever_check_lets_through_can_be_played(drawn: dict[str, Any]) -> None:
    """No text fails, is empty or cannot be judged once a reply has been paid for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_text(written(drawn), encoding="utf-8")
        loaded, refusal = read(path)
    event("refused" if refusal else "played")
    assert not refusal or refused_rightly(drawn, refusal)
    for conversation in expand(loaded, Selection()).conversations if loaded else ():
        play(conversation)


def read(path: Path) -> tuple[tuple[Scenario, ...], str]:
    """Return the scenarios of a file, or what is said against it."""
    try:
        return load([str(path)], vocabulary=REGISTRY), ""
    except InvalidScenarioError as error:
        return (), str(error)


def refused_rightly(drawn: dict[str, Any], error: str) -> bool:
    """Return whether what was refused does fail where each text is filled in by itself."""
    # What may stand in a text that is sent, and is nothing that a reply could be looked through for.
    looked_for = ("a pattern takes texts and numbers", "in this pattern is empty", "in the middle of a text")
    if "cannot be filled in" not in error or any(words in error for words in looked_for):
        return True
    for case in drawn["cases"]:
        renderer = ScriptRenderer(case)
        for text in (
            drawn["system"],
            drawn["first"],
            drawn["second"],
            drawn["save"],
            json.dumps(drawn["expect"]),
        ):
            try:
                renderer.fill(text, {"s": "A-1"})
            except RenderError:
                return True
    return False

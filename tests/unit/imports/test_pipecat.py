"""Pipecat evals: turns, events as expectations, what stands in the bot's code, files that are included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.errors import InputError
from tests.unit.imports.importing import made_of

if TYPE_CHECKING:
    from pathlib import Path


def evaluated(folder: Path, *turns: Any, **keys: Any) -> Any:
    """Return what an eval with these turns becomes, in JSON, which is YAML."""
    return made_of(folder, {"e.yaml": {"name": "e", "turns": list(turns), **keys}}, source_format="pipecat")


def reply(**says: Any) -> dict[str, Any]:
    """Return what is expected of a reply."""
    return {"event": "response", **says}


def test_what_is_expected_of_a_reply(tmp_path: Path) -> None:
    """Criteria, texts, budgets; texts word for word."""
    events = [reply(eval="is {{ polite }}", within_ms=2500), reply(text_contains="{% x %}")]
    found = evaluated(tmp_path, {"user": "Hi {{ you }}", "expect": events})
    assert found.only["turns"] == [
        {
            "user": "Hi {{ '{{' }} you }}",
            "expect": [
                {"judge": "is {{ '{{' }} polite }}"},
                {"max_latency": "2500ms"},
                {"contains": "{{ '{%' }} x %}"},
            ],
        }
    ]
    assert found.losses == [("dropped", "e.yaml", 1, "system")]


def test_calls_of_tools(tmp_path: Path) -> None:
    """Each is expected, in any order; a stand-in is declared for each tool, and answers."""
    calls = [{"name": "book", "args": {"day": "{{ d }}", "seats": 2}}, "look", {"name": "look"}]
    event = {"event": "function_call", "calls": calls}
    turns = [
        {"user": "Book!", "expect": [event]},
        {"user": "Bye", "expect": [{**event, "calls": [{"name": "end"}]}]},
    ]
    found = evaluated(tmp_path, *turns, {"user": "x", "expect": [{"event": "function_call", "absent": True}]})

    assert found.only["turns"][0]["expect"] == [
        {"calls_tool": {"name": "book", "input": {"day": "{{ '{{' }} d }}", "seats": 2}}},
        {"calls_tool": "look"},
        {"calls_tool": "look"},
    ]
    assert found.only["turns"][2]["expect"] == [{"no_tool_calls": True}]
    assert [tool["name"] for tool in found.only["tools"]] == ["book", "look", "end"]
    assert found.only["tools"][0]["input_schema"]["properties"] == {
        "day": {"type": "string"},
        "seats": {"type": "number"},
    }
    assert found.only["tool_results"].keys() == {"book", "look", "end"}
    assert ("changed", "e.yaml", 3, "tools") in found.losses


def test_a_bot_that_speaks_first_is_greeted(tmp_path: Path) -> None:
    """Later, what it says unasked is expected of the reply before."""
    found = evaluated(
        tmp_path,
        {"expect": [reply(eval="greets")]},
        {"user": "Hi", "expect": [reply(text_contains="hello")]},
        {"expect": [reply(text_contains="bye")]},
    )
    first, second = found.only["turns"]
    assert first == {"user": "Hello?", "expect": [{"judge": "greets"}]}
    assert second["expect"] == [{"contains": "hello"}, {"contains": "bye"}]
    assert [loss[:1] + loss[3:] for loss in found.losses if loss[0] == "changed"] == [
        ("changed", "turns"),
        ("changed", "expect"),
    ]


def test_a_context_is_the_system_prompt_and_history(tmp_path: Path) -> None:
    """What cannot stand at its place is left out."""
    context = [
        {"role": "system", "content": "Be {{ brief }}."},
        {"role": "assistant", "content": "too early"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
    found = evaluated(tmp_path, {"user": "Who are you?"}, context=context)
    assert found.only["system"] == "Be {{ '{{' }} brief }}."
    assert found.only["turns"] == [{"user": "Hi"}, {"assistant": "Hello"}, {"user": "Who are you?"}]
    assert [(loss[0], loss[3]) for loss in found.losses] == [("dropped", "context")]


def test_the_judge_is_kept_where_it_is_claude(tmp_path: Path) -> None:
    """Another one is replaced, which is said; it is named only where it is asked."""
    turn = {"user": "Hi", "expect": [reply(eval="is polite")]}
    judge = {"eval": {"service": "anthropic", "model": "claude-sonnet-5"}}
    assert evaluated(tmp_path / "a", turn, judge=judge).only["judge"] == {"model": "claude-sonnet-5"}
    other = evaluated(tmp_path / "b", turn, judge={"eval": {"service": "openai", "model": "gpt-4o-mini"}})
    assert other.only["judge"] == {"model": "claude-opus-5-5"}
    assert "the judge openai gpt-4o-mini is `claude-opus-5-5` here" in other.messages
    assert "judge" not in evaluated(tmp_path / "c", {"user": "Hi"}, judge=judge).only


@pytest.mark.parametrize("path", ["../judge.yaml", "/etc/passwd", "gone.yaml", "broken.yaml", "link.yaml"])
def test_an_include_that_cannot_be_read_is_a_loss(path: str, tmp_path: Path) -> None:
    """Outside of the folder too; the eval is made without it."""
    (tmp_path / "judge.yaml").write_text("eval: {service: anthropic, model: claude-sonnet-5}")
    folder = tmp_path / "evals"
    folder.mkdir()
    (folder / "link.yaml").symlink_to(tmp_path / "judge.yaml")
    text = f"name: e\njudge: !include {path}\nturns:\n"
    text += "  - user: Hi\n    expect: [{event: response, eval: ok}]\n"
    found = made_of(folder, {"e.yaml": text, "broken.yaml": "a: [", "sub/x.yaml": ""})
    assert ("dropped", "e.yaml", 2, "judge") in found.losses
    assert found.only["judge"] == {"model": "claude-opus-5-5"}


def test_a_file_of_several_scenarios(tmp_path: Path) -> None:
    """Each becomes one; what stands beside them is their default, and who is played by a model is a loss."""
    turns = [{"user": "A pizza.", "expect": [reply(eval="asks for the size", text_excludes="sushi")]}]
    claude = {"eval": {"service": "anthropic", "model": "claude-sonnet-5"}}
    whole = {
        "name": "food",
        "judge": claude,
        "context": [{"role": "system", "content": "Sell pizza."}],
        "scenarios": [
            {"name": "food", "turns": turns},
            {"name": "text", "turns": turns, "context": [], "judge": {"eval": {"service": "openai"}}},
            {"name": "free", "persona": "Alex, hungry", "goal": "Order a pizza."},
            "odd",
        ],
    }
    found = made_of(tmp_path, {"e.yaml": whole})
    assert list(found.scenarios) == ["food-text", "food"]
    assert found.scenarios["food"] == {
        "model": "claude-haiku-5-5",
        "judge": {"model": "claude-sonnet-5"},
        "system": "Sell pizza.",
        "turns": [
            {
                "user": "A pizza.",
                "expect": [{"not": {"contains": "sushi"}}, {"judge": "asks for the size"}],
            }
        ],
    }
    assert found.scenarios["food-text"]["judge"] == {"model": "claude-opus-5-5"}
    assert "system" not in found.scenarios["food-text"]
    assert {(loss[0], loss[3]) for loss in found.losses} == {
        ("changed", "judge"),
        ("dropped", "system"),
        ("dropped", "persona"),
        ("dropped", "scenarios"),
    }


def test_any_value_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Turns, a text and what an included file includes; what looks like it inside of a text is text."""
    found = made_of(
        tmp_path,
        {
            "e.yaml": "name: e\nscenarios:\n  - name: e\n    turns: !include turns/a.yaml\n",
            "turns/a.yaml": "- user: !include u.txt\n  expect: !include turns/expect.yaml\n"
            "- user: 'say: !include u.txt'\n",
            "turns/expect.yaml": "[{event: response, text_contains: !include 'w.txt'}]",
            "u.txt": "hello there\n",
            "w.txt": '"Hi: you"',
        },
    )
    assert found.only["turns"] == [
        {"user": "hello there", "expect": [{"contains": "Hi: you"}]},
        {"user": "say: !include u.txt"},
    ]
    assert [loss[3] for loss in found.losses] == ["system"]


@pytest.mark.parametrize(
    ("included", "said"),
    [
        ("no.txt", "no such file: no.txt"),
        ("../u.txt", "lies outside of the scenario's root"),
        ("map.yaml", "what the user says is not a text"),
        ("round.yaml", "round.yaml is included by itself"),
        ("deep.yaml", "nests deeper than 50 levels"),
        ("bomb0.yaml", "more than 4 MiB are included"),
    ],
)
def test_a_turn_whose_text_cannot_be_included_is_left_out(included: str, said: str, tmp_path: Path) -> None:
    """The name of a file is said to nobody; the loss is named, and what is around it is made."""
    nested = "[" * 30
    bombs = {f"bomb{n}.yaml": f"[{', '.join([f'!include bomb{n + 1}.yaml'] * 40)}]" for n in range(4)}
    found = made_of(
        tmp_path,
        {
            "e.yaml": f"name: e\nturns:\n  - user: !include {included}\n"
            "  - user: Hi\n    expect: [{event: response}]\n",
            "map.yaml": "{a: 1}",
            "round.yaml": "[!include round.yaml]",
            "deep.yaml": f"{nested}!include deeper.yaml {']' * 30}",
            "deeper.yaml": f"{nested}{']' * 30}",
            **bombs,
            "bomb4.yaml": f"[{'1, ' * 100}]",
        },
    )
    assert found.only["turns"] == [{"user": "Hi"}]
    assert said in found.messages


def test_a_file_of_turns_that_cannot_be_included_is_told(tmp_path: Path) -> None:
    """Nothing is made, and the place is named."""
    with pytest.raises(InputError) as caught:
        made_of(tmp_path, {"e.yaml": "name: e\nturns: !include ../turns.yaml\n"})
    said = "\n".join(caught.value.lines)
    assert "lies outside of the scenario's root" in said
    assert "--file-root" in said


@pytest.mark.parametrize(
    ("turn", "key"),
    [
        ({"user": "Hi", "send_after": {"delay_ms": 5}}, "send_after"),
        ({"user": "Hi", "image": "cat.jpg"}, "image"),
        ({"user": "Hi", "mood": "good"}, "mood"),
        ({"user": ["Hi"]}, "turns"),
        ({"user": "Hi", "expect": [{"event": "function_call", "name": "f", "eval": "x"}]}, "eval"),
        ({"user": "Hi", "expect": [{"event": "llm_started"}]}, "event"),
        ({"user": "Hi", "expect": [reply(absent=True)]}, "absent"),
        ({"user": "Hi", "expect": [reply(within_ms="soon")]}, "within_ms"),
        ({"user": "Hi", "expect": [reply(tone="warm")]}, "tone"),
        ({"user": "Hi", "expect": [reply(eval=" ")]}, "expect"),
        ({"user": "Hi", "expect": ["response"]}, "expect"),
        ({"user": "Hi", "expect": [{"event": "function_call"}]}, "calls"),
        ({"user": "Hi", "expect": [{"event": "function_call", "calls": [{"name": "a b"}]}]}, "calls"),
        ("Hi", "turns"),
    ],
)
def test_what_has_no_counterpart_is_a_loss(turn: Any, key: str, tmp_path: Path) -> None:
    """Under its key; the rest is made."""
    found = evaluated(tmp_path, {"user": "First"}, turn)
    assert key in {loss[3] for loss in found.losses if loss[0] == "dropped"}
    assert found.only["turns"][0] == {"user": "First"}


def test_keys_of_an_eval_that_mean_nothing_here(tmp_path: Path) -> None:
    """What is as it is here anyway is no loss."""
    keys = {"stop_on_failure": True, "trigger_disconnect": False, "owner": "me", "user": {"modality": "text"}}
    found = evaluated(tmp_path, {"user": "Hi"}, **keys)
    assert {loss[3] for loss in found.losses} == {"system", "stop_on_failure", "owner"}


def test_pyyaml_takes_a_plain_yes_for_true(tmp_path: Path) -> None:
    """As Pipecat reads it; in quotes it is a text."""
    text = (
        "name: e\nturns:\n  - user: Hi\n    expect:\n      - event: function_call\n"
        "        calls: [{name: f, args: {a: yes, b: 'no', c: [off]}}]\n"
    )
    found = made_of(tmp_path, {"e.yaml": text})
    call = found.only["turns"][0]["expect"][0]["calls_tool"]
    assert call["input"] == {"a": True, "b": "no", "c": [False]}


def test_names(tmp_path: Path) -> None:
    """The file is called after the eval, by letters that any file may have; so is the scenario by its own."""
    turn = {"turns": [{"user": "Hi", "expect": [reply(eval="ok")]}]}
    found = made_of(
        tmp_path,
        {"e.yaml": {"name": "../../Große Frage", **turn}, "f.yaml": {"name": "A b", **turn}},
        "e.yaml",
        "f.yaml",
    )
    assert {stem: each.get("name") for stem, each in found.scenarios.items()} == {
        "gro-e-frage": None,
        "a-b": "A b",
    }


def test_scenarios_that_are_called_alike_are_told_apart(tmp_path: Path) -> None:
    """In one file and in several: the second one is called like its file."""
    one = {"name": "A b", "turns": [{"user": "Hi"}]}
    found = made_of(
        tmp_path,
        {"e.yaml": {"scenarios": [one, one]}, "f.yaml": one},
        "e.yaml",
        "f.yaml",
        source_format="pipecat",
    )
    assert {stem: each.get("name") for stem, each in found.scenarios.items()} == {
        "a-b": "A b",
        "a-b-2": None,
        "a-b-3": None,
    }

"""`messages` JSONL: what is sent are the texts of the source; replies, tools, and what is left out."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.cli.app import run_command_line
from tests.support.hostile_corpus import CORPUS
from tests.unit.imports.importing import made_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"word": "{{ x }}"}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "{{ found }}"}
ASKED = {"role": "user", "content": "Look!"}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
SIGNS = [
    "{{",
    "{%",
    "{{ name }}",
    "{% raw %}",
    "{#",
    "#}",
    "}}",
    "{{ '{{' }}",
    "\r\n",
    "\u2028",
    "\x85",
    "\x1b",
]
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(SIGNS), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
    ),
    min_size=1,
    max_size=6,
).map("".join)
SAID = TEXTS.filter(lambda text: bool(text.strip()))


def conversation(*texts: str, system: str | None = None) -> dict[str, Any]:
    """Return a row in which user and assistant say these texts in turn."""
    said = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
    return {"messages": ([{"role": "system", "content": system}] if system is not None else []) + said}


def played(folder: Path, rows: Sequence[Any], *options: str) -> Iterator[dict[str, Any]]:
    """Import rows, play what was made on the simulator, and yield the transcripts."""
    source, out, run = folder / "chats.jsonl", folder / "scenarios", folder / "run"
    source.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8", newline="")
    assert run_command_line(["import", str(source), "-q", "-o", str(out), *options]) == 0
    assert run_command_line(["run", str(out), "--simulate", "-q", "-o", str(run)]) == 0
    yield from map(json.loads, (run / "transcripts.jsonl").read_text(encoding="utf-8").split("\n")[:-1])


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.lists(SAID, min_size=2, max_size=6).filter(lambda texts: len(texts) % 2 == 0),
            st.one_of(st.none(), SAID),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_sent_is_what_the_source_says(rows: list[tuple[list[str], str | None]]) -> None:
    """Whatever texts hold, tags of our templates too: each message, each example and each system prompt."""
    # The simulator knows a conversation by what is asked first, so no two begin alike.
    source = {
        f"line-{n}": conversation(f"{n}. {first}", *rest, system=system)
        for n, ((first, *rest), system) in enumerate(rows, 1)
    }
    with tempfile.TemporaryDirectory() as folder:
        found = {each["case"]: each for each in played(Path(folder), list(source.values()))}

    assert found.keys() == source.keys()
    for name, row in source.items():
        turns = found[name]["turns"]
        sent = [(turn["content"], turn["reply"]["text"]) for turn in turns]
        texts = [each["content"] for each in row["messages"] if each["role"] != "system"]
        assert sent == list(zip(texts[::2], texts[1::2], strict=True))
        system = next((each["content"] for each in row["messages"] if each["role"] == "system"), None)
        assert _text(found[name]["system"]) == system


def _text(system: Any) -> Any:
    """Return a system prompt without the cache breakpoint that its last block has."""
    return system[0]["text"] if isinstance(system, list) else system


def test_the_hostile_corpus_is_sent_word_for_word(tmp_path: Path) -> None:
    """Each text that a YAML file can hold at all; the others are left out, each with its line."""
    rows = [{"id": f"n{n}", **conversation(text, "Yes.")} for n, text in enumerate(CORPUS)]
    found = {each["case"]: each["turns"][0]["content"] for each in played(tmp_path, rows)}
    said = {f"n{n}": text for n, text in enumerate(CORPUS) if text.strip()}
    left = {
        name for name, text in said.items() if "\0" in text or (not text.isascii() and not _encodes(text))
    }

    assert len(left) < len(said) / 4
    assert found == {name: text for name, text in said.items() if name not in left}


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_the_form_of_share_gpt(tmp_path: Path) -> None:
    """`conversations` of `{from, value}`; a speaker whom nobody knows leaves one out."""
    said = [("system", "S"), ("human", "A {{ a }}"), ("gpt", "B")]
    rows = [
        {"conversations": [{"from": who, "value": text} for who, text in said], "id": "x"},
        {"conversations": [{"from": "narrator", "value": "C"}]},
    ]
    found = made_of(tmp_path, {"a.jsonl": rows})
    turns = [{"user": "A {{ '{{' }} a }}", "example": "B"}]
    assert (found.only["system"], found.only["cases"]) == ("S", [{"id": "x", "turns": turns}])
    assert found.losses == [("dropped", "a.jsonl", 2, "role")]


def test_replies_may_be_history(tmp_path: Path) -> None:
    """Then only the last turn is played, and what was said before is sent as it was said."""
    (found,) = played(tmp_path, [conversation("A {{ a }}", "B {% b %}", "C", "D")], "--replies", "history")
    first, second, last = found["turns"]
    assert [(turn["role"], turn["content"]) for turn in (first, second)] == [
        ("user", "A {{ a }}"),
        ("assistant", "B {% b %}"),
    ]
    assert (last["content"], last["reply"]["text"]) == ("C", "D")


def test_a_conversation_with_tools_is_history_up_to_its_last_reply(tmp_path: Path) -> None:
    """Calls and results are blocks, in which nothing is filled in; tools are declared as the API has them."""
    row = {"messages": [ASKED, CALLED, RESULT, {"role": "assistant", "content": "Found {{ it }}."}]}
    found = made_of(tmp_path, {"a.jsonl": [row]})

    assert found.only["cases"][0]["turns"] == [
        {"user": "Look!"},
        {"assistant": [{"type": "tool_use", "id": "call_1", "name": "look", "input": {"word": "{{ x }}"}}]},
        {
            "user": [{"type": "tool_result", "tool_use_id": "call_1", "content": "{{ found }}"}],
            "example": "Found {{ '{{' }} it }}.",
        },
    ]
    assert found.only["tools"] == [{"name": "look", "input_schema": {"type": "object"}}]
    assert found.losses == [("changed", "a.jsonl", 1, "tools"), ("changed", "a.jsonl", 1, "tool_calls")]
    (played_again,) = played(tmp_path, [row])
    assert played_again["turns"][-1]["reply"]["text"] == "Found {{ it }}."


def test_a_conversation_that_ends_in_a_call_expects_it(tmp_path: Path) -> None:
    """By its name and its input, word for word."""
    found = made_of(tmp_path, {"a.jsonl": [{"messages": [ASKED, CALLED], "tools": [_tool("look")]}]})
    call = {"name": "look", "input": {"word": "{{ '{{' }} x }}"}}
    assert found.only["cases"][0]["turns"] == [{"user": "Look!", "expect": [{"calls_tool": call}]}]


def test_each_set_of_tools_is_a_scenario(tmp_path: Path) -> None:
    """And so are the conversations with a system prompt, which is a variable where it differs."""
    rows = [
        conversation("a", "b", system="One {{ x }}"),
        conversation("a", "b", system="Two"),
        conversation("a", "b"),
        {**conversation("a", "b"), "tools": [_tool("look")]},
    ]
    found = made_of(tmp_path, {"a.jsonl": rows})
    assert {stem: scenario.get("system") for stem, scenario in found.scenarios.items()} == {
        "a": "{{ system }}",
        "a-2": None,
        "a-3": None,
    }
    assert found.scenarios["a"]["cases"][0]["vars"] == {"system": "One {{ x }}"}
    assert found.scenarios["a-3"]["tools"][0]["name"] == "look"


def test_parts_of_a_content(tmp_path: Path) -> None:
    """Texts and images are blocks; an image must be what it says it is."""
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts = [
        {"type": "text", "text": "See {{ this }}:"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    wrong = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{png}"}}
    rows = [{"messages": [{"role": "user", "content": content}]} for content in (parts, [wrong])]
    found = made_of(tmp_path, {"a.jsonl": rows})

    assert found.only["cases"][0]["turns"][0]["user"] == [
        {"text": "See {{ '{{' }} this }}:"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
    ]
    assert found.losses == [("dropped", "a.jsonl", 2, "image_url")]


def test_an_instruction_in_the_middle_is_a_system_turn(tmp_path: Path) -> None:
    """Behind the user's message whose reply it steers; one that had stood elsewhere is told, or lost."""
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "In {{ German }}."},
        {"role": "developer", "content": "Briefly."},
        {"role": "assistant", "content": "Hallo"},
        {"role": "system", "content": "In French."},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Au revoir"},
        {"role": "system", "content": "Nothing more."},
    ]
    found = made_of(tmp_path / "a", {"a.jsonl": [{"messages": talk}]})
    steered = [{"text": "In {{ '{{' }} German }}."}, {"text": "Briefly."}]
    assert found.only["cases"][0]["turns"] == [
        {"user": "Hi", "example": "Hallo"},
        {"system": steered},
        {"user": "Bye", "example": "Au revoir"},
        {"system": "In French."},
    ]
    assert [(loss[0], loss[3]) for loss in found.losses] == [("dropped", "system"), ("changed", "system")]

    history = made_of(tmp_path / "b", {"a.jsonl": [{"messages": talk[:6]}]}, replies="history")
    assert history.only["cases"][0]["turns"] == [
        {"user": "Hi"},
        {"system": steered},
        {"assistant": "Hallo"},
        {"user": "Bye"},
        {"system": "In French."},
    ]


@pytest.mark.parametrize(
    ("messages", "key"),
    [
        ([], "messages"),
        ("Hello", "messages"),
        ([{"role": "assistant", "content": "Hi"}], "messages"),
        ([{"role": "robot", "content": "Hi"}], "role"),
        ([{"role": ["user"], "content": "Hi"}], "role"),
        ([{"role": "user", "content": " \n"}], "content"),
        ([{"role": "user", "content": None}], "content"),
        ([{"role": "user", "content": 5}], "content"),
        ([{"role": "user", "content": [{"type": "text", "text": ""}]}], "content"),
        ([{"role": "user", "content": [{"type": ["text"]}]}], "content"),
        ([{"role": "user", "content": [{"type": "image"}]}], "source"),
        ([ASKED, {"role": "system", "content": [{"type": "image"}]}], "source"),
        ([ASKED, CALLED, ASKED], "tool_calls"),
        ([ASKED, RESULT], "tool_call_id"),
        ([ASKED, {**CALLED, "tool_calls": [{**CALL, "id": "a b"}]}], "tool_calls"),
        ([ASKED, {**CALLED, "tool_calls": [{"function": {"name": "a b"}}]}], "name"),
        (
            [ASKED, {**CALLED, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "["}}]}],
            "arguments",
        ),
        ([ASKED, {"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}], "tool_use"),
    ],
)
def test_a_conversation_that_cannot_be_said_is_left_out(messages: Any, key: str, tmp_path: Path) -> None:
    """With its line and the key that it is about; those beside it are made."""
    found = made_of(tmp_path, {"a.jsonl": [conversation("a", "b"), {"messages": messages}]})
    assert found.losses == [("dropped", "a.jsonl", 2, key)]
    assert "this conversation is left out: " in found.messages
    assert [case["id"] for case in found.only["cases"]] == ["line-1"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "this line is not a JSON object"),
        ('{"messages": NaN}', "this line cannot be read: NaN is not a JSON number"),
        ('{"messages": [], "messages": []}', "this line cannot be read: duplicate key `messages`"),
        ('{"messages": "\\ud800"}', "this line holds NUL or half of a surrogate pair"),
        (
            f'{{"messages": {"[" * 70}{"]" * 70}}}',
            "this line cannot be read: it is nested deeper than 50 levels",
        ),
        ('{"messages":', "this line is not valid JSON: Expecting value"),
    ],
)
def test_a_line_that_cannot_be_read_is_left_out(line: str, said: str, tmp_path: Path) -> None:
    """Blank lines count as lines, and are no loss."""
    text = f"{json.dumps(conversation('a', 'b'))}\n\n{line}\n"
    found = made_of(tmp_path, {"a.jsonl": text})
    assert found.losses == [("dropped", "a.jsonl", 3, "row")]
    assert said in found.messages


def test_names_of_conversations(tmp_path: Path) -> None:
    """Their own where they can be an id, and unique; what is called otherwise here is said."""
    named = [("one", "one"), ("one", "one-2"), (7, "7"), ("a/b", "line-4"), (None, "line-5")]
    rows = [{"id": wanted, **conversation("a", "b")} for wanted, _ in named[:4]] + [conversation("a", "b")]
    found = made_of(tmp_path, {"a.jsonl": rows})
    assert [case["id"] for case in found.only["cases"]] == [name for _, name in named]
    assert found.losses == [("changed", "a.jsonl", 2, "id"), ("changed", "a.jsonl", 4, "id")]


def test_many_conversations_are_divided_among_scenarios(tmp_path: Path) -> None:
    """A file may have one mebibyte: each stays below it, and none is lost."""
    rows = [conversation("x" * 3000, "y") for _ in range(400)]
    found = made_of(tmp_path, {"a.jsonl": rows})
    sizes = [path.stat().st_size for path in (tmp_path / "out").iterdir()]
    ids = [case["id"] for scenario in found.scenarios.values() for case in scenario["cases"]]

    assert len(sizes) == 2
    assert max(sizes) < 1024 * 1024
    assert sorted(ids) == sorted(f"line-{n}" for n in range(1, 401))
    assert not found.losses


def test_a_conversation_that_no_file_can_hold_is_left_out(tmp_path: Path) -> None:
    """Too large for a scenario, or with too many signs that would begin a tag."""
    rows = [conversation("a", "b"), conversation("x" * 900_000, "y"), conversation("{{" * 20_000, "y")]
    found = made_of(tmp_path, {"a.jsonl": rows})
    assert [loss[2] for loss in found.losses] == [2, 3]
    assert "it is too large for a scenario" in found.messages


def _tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"properties": {}}}}


def test_of_many_keys_that_mean_nothing_a_few_are_named(tmp_path: Path) -> None:
    """The others are counted."""
    row = {**conversation("a", "b"), **{f"k{n:02}": n for n in range(25)}}
    found = made_of(tmp_path, {"a.jsonl": [row]})
    assert sorted(loss[3] for loss in found.losses) == sorted([*(f"k{n:02}" for n in range(20)), "keys"])
    assert "each of 5 more keys of a conversation is not carried over" in found.messages

"""The script: speakers, contents, order, saves and expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_run.scenario.model import (
    AssistantTurn,
    JsonBlock,
    Position,
    SystemTurn,
    Text,
    TextBlock,
    UserTurn,
)
from tests.unit.scenario.loading import PNG, complaints, load_text, refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ("", ["1:7 `turns` must be a list, not empty"]),
        (" []", ["1:8 `turns` must have at least one entry"]),
        (" {user: Hi}", ["1:8 `turns` must be a list, not a mapping"]),
        (" *x", ["1:8 aliases are not allowed"]),
        (" [*x ]", ["1:9 aliases are not allowed"]),
        (" [Hi]", ["1:9 a turn must be a mapping, not a string"]),
        (" [{}]", ["1:9 this turn has no speaker"]),
        (" [{expect: []}]", ["1:9 this turn has no speaker"]),
        (" [{usr: Hi}]", ["1:10 unknown key `usr` in a turn"]),
        (" [{user: }]", ["1:10 `user` is empty"]),
        (" [{user: ' '}]", ["1:16 `user` is empty"]),
        (" [{user: 5}]", ["1:16 `user` must be a string, not a number"]),
        (" [{user: {file: a}}]", ["1:23 no such file: a"]),
        (" [{user: {fil: a}}]", ["1:16 `user` must be a text or a list of blocks"]),
        (" [{user: Hi, assistant: Ho}]", ["1:20 a turn has one speaker: this one has `user` already"]),
        (" [{user: Hi, expct: []}]", ["1:20 unknown key `expct` in this user turn"]),
        (" [{assistant: Hi}, {user: Ho}]", ["1:10 the first turn must be a user turn"]),
        (" [{system: Hi}, {user: Ho}]", ["1:10 the first turn must be a user turn"]),
        (
            " [{user: a}, {assistant: b}]",
            ["1:21 the last turn is scripted: nothing would be generated after it"],
        ),
        (
            " [{user: a}, {assistant: b}, {assistant: c}, {user: d}]",
            ["1:37 two assistant turns follow each other"],
        ),
        (
            " [{user: a}, {assistant: b}, {system: c}, {user: d}]",
            ["1:37 a system turn must follow a user turn, not an assistant turn"],
        ),
        (
            " [{user: a}, {system: b}, {system: c}]",
            ["1:34 a system turn must follow a user turn, not a system turn"],
        ),
        (
            " [{user: a, example: x}, {system: s}, {assistant: b}, {user: c}]",
            ["1:19 `example` has no reply to speak of: a scripted assistant turn answers this one"],
        ),
        (
            " [{user: a}, {assistant: b, expect: []}, {user: c}]",
            ["1:35 `expect` belongs to a user turn: it speaks of the reply to it"],
        ),
        (
            " [{user: a, if: {contains: x}}]",
            ["1:19 `if` has no reply to look at: nothing is generated before this turn"],
        ),
        (
            " [{user: a}, {assistant: b}, {user: c, if: {contains: x}}]",
            ["1:46 `if` has no reply to look at: nothing is generated before this turn"],
        ),
        (
            " [{user: a}, {user: b, if: {contains: x}}, {assistant: c}, {user: d}]",
            ["1:30 `if` decides nothing: a scripted assistant turn answers this one"],
        ),
        (
            " [{user: a}, {user: b, if: {contains: x, must: true}}]",
            ["1:30 `must` says nothing in an `if`, which decides and judges nothing"],
        ),
        (
            " [{user: a}, {user: b, if: {contains: x}, save: {n: '[0-9]'}}, {user: 'c {{ saved.n }}'}]",
            ["1:83 `saved.n` may be missing: turn 2, which saves it, has an `if`"],
        ),
        (
            " [{user: a}, {assistant: b, if: x}, {user: c}]",
            ["1:35 `if` belongs to a user turn: it speaks of the reply to it"],
        ),
        (" [{user: a}, {system: b, sytem: c}]", ["1:32 unknown key `sytem` in this system turn"]),
        (" [{user: a, example: 5}]", ["1:28 `example` must be a string, not a number"]),
    ],
)
def test_mistakes_in_a_script_are_reported_at_their_place(
    tmp_path: Path, turns: str, expected: list[str]
) -> None:
    """Each wrong turn has its line, its column and its words."""
    assert complaints(tmp_path, f"turns:{turns}\n") == [f"a.yaml:{line}" for line in expected]


def test_a_script_may_have_history_and_instructions(tmp_path: Path) -> None:
    """Scripted answers and mid-conversation instructions keep their places."""
    text = """\
turns:
  - user: One
  - system: Be brief.
  - assistant: Two
  - user: Three
  - system: [{text: Be kind.}]
  - user: Four
"""
    turns = load_text(tmp_path, text).turns
    kinds = [UserTurn, SystemTurn, AssistantTurn, UserTurn, SystemTurn, UserTurn]
    assert [type(turn) for turn in turns] == kinds
    assert isinstance(turns[2].content, Text)
    assert turns[2].content.source == "Two"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("Hi", "1:17 a content block must be a mapping, not a string"),
        ("{}", "1:17 this content block is empty"),
        ("{x-a: 1}", "1:17 this content block is empty"),
        ("{video: a.mp4}", "1:18 unknown key `video` in a content block"),
        ("{txt: Hi}", "1:18 unknown key `txt` in a content block"),
        ("{text: }", "1:18 `text` is empty"),
        ("{text: Hi, image: a.png}", "1:18 unknown key `text` in this image block"),
        ("{text: Hi, cache_control: yes}", "1:43 `cache_control` must be a mapping, not a string"),
        ("{type: 5}", "1:24 `type` must be a string, not a number"),
        ("{type: text}", "1:17 this text block has no `text`"),
        ("{image: 5}", "1:25 `image` must be a string, not a number"),
        ("{image: none.png}", "1:25 no such file: none.png"),
        ("{image: note.txt}", "1:25 note.txt is not an image that the API takes"),
        ("{image: a.pdf}", "1:25 a.pdf is not an image that the API takes"),
        ("{document: a.png}", "1:28 a.png is an image, not a document"),
        ("{document: bytes.bin}", "1:28 bytes.bin is neither a PDF nor a UTF-8 text"),
        ("{document: empty.txt}", "1:28 empty.txt is empty or not text"),
        ("{document: note.txt, title: 5}", "1:45 `title` must be a string, not a number"),
    ],
)
def test_mistakes_in_a_block_are_reported_at_their_place(tmp_path: Path, block: str, expected: str) -> None:
    """Blocks and the files that they name are checked before anything is sent."""
    files: dict[str, str | bytes] = {
        "a.yaml": f"turns: [{{user: [{block}]}}]\n",
        "note.txt": "note",
        "a.png": PNG,
        "a.pdf": b"%PDF-1.7",
        "bytes.bin": b"\xff\xfe",
        "empty.txt": " ",
    }
    found = complaints(tmp_path, files)
    assert found == [f"a.yaml:{expected}"]


def test_blocks_become_the_blocks_of_the_api(tmp_path: Path) -> None:
    """Text stays a template, files become base64 or text, and the API's own blocks pass as they are."""
    text = """\
turns:
  - user:
      - {type: text, text: Hi, citations: null}
      - {document: note.txt, title: Note, citations: {enabled: true}}
      - {document: a.pdf}
      - {type: search_result, source: s}
"""
    (turn,) = load_text(tmp_path, text, note_txt="\ufeffnote", a_pdf=b"%PDF-1.7").turns
    path = turn.position.path
    assert isinstance(turn.content, tuple)
    first, note, pdf, own = turn.content
    assert isinstance(first, TextBlock)
    assert (first.text.source, first.extra) == ("Hi", {"citations": None})
    assert note == JsonBlock(
        value={
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "note"},
            "title": "Note",
            "citations": {"enabled": True},
        },
        name="note.txt",
        position=Position(path=path, line=4, column=20),
    )
    assert pdf == JsonBlock(
        value={
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
        },
        name="a.pdf",
        position=Position(path=path, line=5, column=20),
    )
    assert own == JsonBlock(
        value={"type": "search_result", "source": "s"}, position=Position(path=path, line=6, column=9)
    )


def test_the_assistant_may_say_blocks_of_the_api(tmp_path: Path) -> None:
    """History may hold tool calls in the API's own form, but no files."""
    text = "turns: [{user: a}, {assistant: [{type: tool_use, id: t}]}, {user: b}]\n"
    said = load_text(tmp_path, text).turns[1].content
    assert isinstance(said, tuple)
    assert [block.value for block in said if isinstance(block, JsonBlock)] == [
        {"type": "tool_use", "id": "t"}
    ]
    assert complaints(tmp_path, text.replace("{type: tool_use, id: t}", "{image: a.png}")) == [
        "a.yaml:1:34 `image` blocks may stand in user turns only"
    ]


@pytest.mark.parametrize(
    ("save", "expected"),
    [
        ("{x: '('}", "1:30 this pattern is wrong: missing ): ("),
        ("{x: 5}", "1:30 `x` must be a string, not a number"),
        ("{x: ''}", "1:30 `x` is empty"),
        ("{saved: a}", "1:27 `saved` is a reserved name"),
        ("[x]", "1:26 `save` must be a mapping, not a list"),
    ],
)
def test_mistakes_in_a_save_are_reported_at_their_place(tmp_path: Path, save: str, expected: str) -> None:
    """Names and patterns of saves are checked before anything is sent."""
    assert complaints(tmp_path, f"turns: [{{user: Hi, save: {save}}}]\n") == [f"a.yaml:{expected}"]


def test_a_name_is_saved_once(tmp_path: Path) -> None:
    """Two turns that save one name would hide each other's text."""
    text = "turns:\n  - {user: a, save: {x: b}}\n  - {user: a, save: {x: b}}\n"
    assert complaints(tmp_path, text) == ["a.yaml:3:22 `x` is saved by turn 1 already"]


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ("{contian: a}", "1:29 unknown expectation `contian`"),
        ("[a, b]", "1:29 a comma ends a text inside [ ]"),
        ("[max_wrods, {contains: a}]", "1:29 unknown expectation `max_wrods`"),
        ("[7]", "1:29 an expectation must be a mapping, not a number"),
        ("[]", "1:28 `expect` must have at least one entry"),
        ("[{}]", "1:29 this expectation is empty"),
        ("[{label: a}]", "1:29 this expectation is empty"),
        ("[{contians: a}]", "1:30 unknown expectation `contians`"),
        ("[{zzz: a}]", "1:30 unknown expectation `zzz`"),
        ("[{calls_tool: a}]", "1:30 unknown expectation `calls_tool`"),
        ("[{contains: a, matches: b}]", "1:43 `matches` needs an entry of its own: this one is `contains`"),
        ("[{contains: a, label: 5}]", "1:50 `label` must be a string, not a number"),
        ("[{contains: 5}]", "1:40 not a text"),
        ("[{contains: }]", "1:30 not a text"),
        ("[{contains: [a]}]", "1:40 not a text"),
        ("[{contains: {any: [a, 5]}}]", "1:50 not a text"),
        ("[{contains: {anny: [a]}}]", "1:41 unknown key `anny`"),
        ("[{contains: {ignore_case: 3}}]", "1:54 not a boolean"),
        ("[{contains: {ignore_case: }}]", "1:41 not a boolean"),
        ("[{matches: '('}]", "1:39 the pattern is wrong: missing ): ("),
        ("[{not: [{contains: a}]}]", "1:30 `not` must be one expectation"),
        ("[{not: {contians: a}}]", "1:36 unknown expectation `contians`"),
        ("[{any_of: 7}]", "1:38 `any_of` must be a list, not a number"),
        ("[{all_of: []}]", "1:38 `all_of` must have at least one entry"),
        ("[{all_of: [{not: {matches: '('}}]}]", "1:55 the pattern is wrong: missing ): ("),
    ],
)
def test_mistakes_in_expectations_are_reported_at_their_place(
    tmp_path: Path, expect: str, expected: str
) -> None:
    """The vocabulary says what is wrong with a value, and the loader knows where it stands."""
    assert complaints(tmp_path, f"turns: [{{user: Hi, expect: {expect}}}]\n") == [f"a.yaml:{expected}"]


def test_a_value_that_could_not_be_read_is_not_judged_again(tmp_path: Path) -> None:
    """An alias is one problem, not two."""
    text = "turns: [{user: Hi, expect: [{contains: *x }, {not: *x }, {max_words: 5}]}]\n"
    assert complaints(tmp_path, text) == [
        "a.yaml:1:40 aliases are not allowed",
        "a.yaml:1:52 aliases are not allowed",
    ]


def test_an_expectation_knows_whether_it_judges_the_conversation(tmp_path: Path) -> None:
    """Kinds that make sense for a reply only are refused at the end of the file."""
    text = "turns: [{user: Hi, expect: [{max_words: 5}]}]\nexpect: [{max_words: 5}]\n"
    assert complaints(tmp_path, text) == ["a.yaml:2:22 max_words judges one reply"]


def test_a_misplaced_system_turn_has_a_hint(tmp_path: Path) -> None:
    """A system prompt written as the first turn is sent to its place."""
    assert "put it at the top, as `system:`" in refused(tmp_path, "turns: [{system: Hi}, {user: Ho}]\n")

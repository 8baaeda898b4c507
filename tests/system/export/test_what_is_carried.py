"""What scenarios hold beside plain turns, exported: the program sends the same requests."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.simulator.replies import Scripted
from tests.support.hostile_corpus import CORPUS
from tests.system.export.side_by_side import PROGRAMS, in_order, play, play_exported
from tests.system.harness.sweeps import spread

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

CLEAN = [
    text.replace("{{", "{ {").replace("{%", "{ %")
    for text in CORPUS
    if text.strip() and len(text) < 300 and not re.search("[\0\ud800-\udfff]", text)
]
TOOL = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}


def _call(number: int, value: Any, name: str = "look") -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": value}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


THOUGHT = {"type": "thinking", "thinking": "", "signature": "c2ln"}
SEARCH: dict[str, Any] = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "x"},
}

SCENARIOS: dict[str, dict[str, Any]] = {
    "conditions": {
        "max_tokens": 20_000,
        "turns": [
            {"user": "Where is my order?"},
            {"user": "It is 5.", "if": [{"matches": r"(?i)\bNUMBER\b.*$"}], "save": {"all": "(?s)^.*$"}},
            {
                "user": "I have no receipt.",
                "if": {"contains": {"any": ["RECEIPT", 'a"b'], "ignore_case": True}},
            },
            {"user": "Never", "if": {"not": {"any_of": [{"starts_with": " o"}, {"max_chars": 3}]}}},
            {"system": "Never either"},
            {"user": "Said", "if": [{"all_of": [{"ends_with": "k!"}, {"equals": "ok!"}, {"min_words": 1}]}]},
            {"system": "Be brief"},
            {"user": "Never", "if": {"stop_reason": ["max_tokens", "refusal"]}},
            {"user": "Once more", "if": [{"stop_reason": "end_turn"}, {"refusal": False}, {"max_words": 9}]},
            {"user": "hi"},
            {"assistant": "ho"},
            {"user": "{{ saved.all | default('nothing') }} and ${x} {y} \\(z)"},
        ],
        "replies": [
            "What is the number?",
            'A receipt: {saved} ${all} "\\(1)" 😀\nsecond',
            "  ok!\n",
            "ok!",
            "the last, but one",
            "bye",
        ],
    },
    "blocks that are filled in": {
        "vars": {"page": 'Thirty days, "yes" {x} ${y}.', "where": "https://a.example/a.png"},
        "turns": [
            {"user": "Which colour?", "save": {"word": "blue"}},
            {
                "user": [
                    {"image": {"url": "{{ where }}"}},
                    {
                        "document": {"text": "It is {{ saved.word }}."},
                        "title": "{{ saved.word }}, {{ page }}",
                    },
                    {
                        "search_result": {
                            "title": "{{ saved.word }}",
                            "source": "s",
                            "content": ["{{ page }}"],
                        }
                    },
                    {"search_result": {"file": "note.txt"}, "cache_control": {"type": "ephemeral"}},
                ]
            },
        ],
        "replies": ["It is blue.", "Yes."],
    },
    "not saved": {
        "turns": [{"user": "One", "save": {"word": "x(y)?"}}, {"user": "Two {{ saved.word }}"}],
        "replies": ["nothing of it x"],
    },
    "a default": {
        "turns": [
            {"user": "One"},
            {"user": "Two", "if": {"contains": "never said"}, "save": {"word": r"(\w+)$"}},
            {"user": "Three {{ saved.word | default('$(id) `id` \"') }}"},
        ],
        "replies": ["one", "three"],
    },
    "tools": {
        "tools": [TOOL, {"name": "end", "input_schema": {"type": "object"}}],
        "tool_results": {
            "look": [
                {"when": {"at": {"x": [1, True, None]}}, "return": {"found": ["ü", 1.5]}},
                {"when": {"at": True}, "return": "yes", "times": 1},
                {"return": [{"type": "text", "text": "blocks"}], "is_error": True, "times": 2},
                {"return": "the rest $(id) '\"` \\"},
            ]
        },
        "turns": [{"user": "Look"}, {"user": "And again"}],
        "replies": [
            (
                THOUGHT,
                _text("I look."),
                _call(1, {"at": {"x": [1, True, None], "y": 2}}),
                _call(2, {"at": True}),
            ),
            (_text(" \n"), _call(3, {"at": 1}), _call(4, {"at": True}), _call(5, {})),
            "Done.",
            (_text("Once more."), _call(6, {"at": {"x": [1, 1, None]}})),
            (_call(7, {}, "end"),),
        ],
    },
    "a call that nothing answers": {
        "tools": [TOOL],
        "turns": [{"user": "Look"}, {"user": "And now?"}],
        "replies": [(_text("I look."), _call(1, {})), "never"],
    },
    "a call before a turn that is left out": {
        "tools": [TOOL, {"name": "end", "input_schema": {"type": "object"}}],
        "tool_results": {"look": [{"return": "one"}]},
        "turns": [{"user": "Look"}, {"user": "And now?", "if": {"contains": "never said"}}],
        "replies": [(_text("I look."), _call(1, {}), _call(2, {}, "end"))],
    },
    "a call before a turn that is sent": {
        "tools": [TOOL, {"name": "end", "input_schema": {"type": "object"}}],
        "tool_results": {"look": [{"return": "one"}]},
        "turns": [
            {"user": "Look"},
            {"user": "And now?", "if": [{"contains": "look"}, {"stop_reason": "tool_use"}]},
        ],
        "replies": [(_text("I look."), _call(1, {}), _call(2, {}, "end")), "never"],
    },
    "no result": {
        "tools": [TOOL],
        "tool_results": {"look": [{"when": {"at": 1}, "return": "one"}]},
        "turns": [{"user": "Look"}],
        "replies": [(_call(1, {"at": True}),)],
    },
    "endless calls": {
        "tools": [TOOL],
        "max_tool_rounds": 2,
        "tool_results": {"look": [{"return": "one"}]},
        "turns": [{"user": "Look"}],
        "replies": [(_call(number, {}),) for number in range(3)],
    },
    "pauses": {
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "turns": [{"user": "Search"}, {"user": "And now?"}],
        "replies": [
            Scripted(content=(_text("I search."), SEARCH), stop_reason="pause_turn"),
            Scripted(content=(_text("More."), SEARCH), stop_reason="pause_turn"),
            "Found.",
            "Nothing.",
        ],
    },
    "refusal": {
        "turns": [{"user": "One"}, {"user": "Two"}, {"user": "Three"}],
        "replies": ["one", Scripted(content="No", stop_reason="refusal"), "never"],
    },
    "blank": {
        "turns": [{"user": "One"}, {"user": "Two"}, {"user": "Three"}],
        "replies": [(THOUGHT, _text(" \n\t")), Scripted(content=(_text(""),)), "three"],
    },
    "betas": {
        "betas": ["mcp-client-2025-11-20", "x-2026"],
        "mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "m"}],
        "turns": [{"user": "One"}, {"user": "Two"}],
        "replies": [
            "1",
            "2",
        ],
    },
    "sampling": {
        "model": "claude-sonnet-4-6",
        "temperature": 0.5,
        "cache": "1h",
        "system": [{"text": "One"}, {"text": "Two {{ 1 }}"}],
        "metadata": {"user_id": "u"},
        "stop_sequences": ["END", '"'],
        "turns": [{"user": "One"}, {"user": "Two"}],
        "replies": ["1", Scripted(content="2", usage={"cache_read_input_tokens": 7})],
    },
    "blocks": {
        "cache": "off",
        "turns": [
            {
                "user": [
                    {"image": "dot.png"},
                    {"text": "What is it?"},
                    {"document": "page.pdf"},
                    {"image": "dot.png"},
                ]
            },
            {"user": [{"image": "dot.png"}]},
        ],
        "replies": ["A dot.", "The same."],
    },
    "hostile": {
        "system": "\n".join(CLEAN),
        "description": 'It has """ */ \\ \u202e and\nmore.',
        "turns": [
            {"user": text} for text in [*CLEAN[:30], "JSON\nJQ\n'JSON'\n$(touch hacked)`touch hacked`"]
        ],
        "replies": [],
    },
}


def _as_yaml(value: Any) -> str:
    """Return JSON as YAML takes it: with each character outside of the basic plane as one escape."""
    text = json.dumps(value)
    # A backspace and a form feed are refused where they look like mistakes.
    text = re.sub(r"(?<!\\)((?:\\\\)*)\\([bf])", lambda m: m[1] + {"b": "\\x08", "f": "\\x0c"}[m[2]], text)
    pair = re.compile(r"\\u(d[89ab]..)\\u(d[c-f]..)")
    return pair.sub(lambda m: f"\\U{ord(json.loads(f'{chr(34)}{m.group()}{chr(34)}')):08x}", text)


# Every one in one of the languages, a language after the other, and in each of them where there is time.
PLAYED = [
    (name, language)
    for at, name in enumerate(sorted(SCENARIOS))
    for language in spread(sorted(PROGRAMS), one_in=len(PROGRAMS), first=at % len(PROGRAMS))
]


@pytest.mark.parametrize(("name", "language"), PLAYED)
def test_a_program_sends_the_same(name: str, language: str, workspace: Workspace) -> None:
    """The requests are equal, what is printed too, and a conversation that stops is told with code 1."""
    scenario = dict(SCENARIOS[name])
    book = in_order(
        *(Scripted(content=each) if isinstance(each, tuple) else each for each in scenario.pop("replies"))
    )
    workspace.folder.joinpath("dot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    workspace.folder.joinpath("page.pdf").write_bytes(b"%PDF-1.4 " + base64.b64encode(bytes(300)))
    workspace.write("note.txt", "{{ stays }}")
    full = {"name": "s", "model": "claude-haiku-5-5", "max_tokens": 512, **scenario}
    path = workspace.write("s.yaml", _as_yaml(full))
    expected = play(workspace, path, book)

    played = play_exported(workspace, PROGRAMS[language](workspace, path), book)

    # A shell does not read a stream: it asks for the reply in one piece.
    sent = [
        (version, beta, body.replace(', "stream": true', "") if language == "curl" else body)
        for version, beta, body in expected.requests
    ]
    assert played.requests == sent
    assert played.printed == expected.printed
    assert played.result.code == expected.result.code, played.result.stderr
    assert not workspace.folder.joinpath("hacked").exists()

"""Message content in readable parts."""

from __future__ import annotations

import pytest

from claude_run.conversation.content import file_digest
from claude_run.report.text.blocks import ContentPart, compact, content_parts, one_text, truncate, value_text
from claude_run.scenario.json_values import EMPTY, Json


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("hello", ContentPart(kind="text", body="hello")),
        ([{"type": "text", "text": "hello"}], ContentPart(kind="text", body="hello")),
        ([], ContentPart(kind="note", body="Empty: no content.")),
        (None, ContentPart(kind="note", body="Empty: no content.")),
        (
            [{"type": "thinking", "thinking": "", "signature": "s"}],
            ContentPart(kind="note", body="Thinking, whose text the API left out."),
        ),
        (
            [{"type": "thinking", "thinking": "Hm."}],
            ContentPart(kind="text", title="thinking", body="Hm.", fold="Thinking"),
        ),
        (
            [{"type": "redacted_thinking", "data": "x" * 1234}],
            ContentPart(kind="note", body="Thinking, encrypted by the API: 1,234 characters."),
        ),
        (
            [{"type": "new", "a": [1]}],
            ContentPart(kind="json", title="new", body='{"type": "new", "a": [1]}', fold="Block"),
        ),
        (
            [{"type": "text", "text": 5}],
            ContentPart(kind="json", title="text", body='{"type": "text", "text": 5}', fold="Block"),
        ),
        (["odd"], ContentPart(kind="json", title="block", body='"odd"')),
    ],
)
def test_a_block_is_shown_by_its_type(content: Json, part: ContentPart) -> None:
    """Text is text, thinking without text is one line, and what is unknown is JSON."""
    assert content_parts(content) == (part,)


PHOTO: Json = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}
FILES = {str(file_digest(PHOTO)): "photos/damage.png"}  # type: ignore[arg-type] # an object


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        (PHOTO, "[image photos/damage.png, 5 bytes]"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "eA" * 30_000}},
            "[image, image/gif, 45 kB]",
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a.example"}},
            "[image https://a.example]",
        ),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, "[image file_1]"),
        (
            {
                "type": "document",
                "title": "Terms",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "eHh4" * 1_000_000},
            },
            '[document "Terms", application/pdf, 3.0 MB]',
        ),
        ({"type": "container_upload", "file_id": "file_2"}, "[container upload file_2]"),
    ],
)
def test_a_file_is_shown_by_its_name_and_its_size(block: Json, shown: str) -> None:
    """The name that the scenario calls it by; without one its type, its address or its id."""
    assert content_parts([block], FILES) == (ContentPart(kind="note", body=shown),)
    assert one_text([{"type": "text", "text": "See"}, block], FILES) == f"See {shown}"


@pytest.mark.parametrize(
    ("block", "title", "text"),
    [
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Yes."}},
            "document, text/plain, 4 bytes",
            "Yes.",
        ),
        (
            {
                "type": "document",
                "source": {"type": "content", "content": [{"type": "text", "text": "a"}, PHOTO]},
            },
            "document",
            f"a\n\n{compact(PHOTO)}",
        ),
        ({"type": "document", "source": {"type": "content", "content": "a"}}, "document", "a"),
        (
            {
                "type": "search_result",
                "title": "Returns",
                "source": "https://a.example",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            'search result "Returns" https://a.example',
            "a\n\nb",
        ),
    ],
)
def test_a_text_that_was_sent_beside_is_folded(block: Json, title: str, text: str) -> None:
    """It is long and rarely read: its name stands above it, and in one text it is all that is said."""
    assert content_parts([block]) == (ContentPart(kind="text", title=title, body=text, fold="Text"),)
    assert one_text([block]) == f"[{title}]"


def test_a_file_that_says_nothing_of_itself_is_json() -> None:
    """A source of a future kind is shown as it came."""
    odd: Json = {"type": "image", "source": {"type": "tape"}}
    assert content_parts([odd]) == (ContentPart(kind="json", title="image", body=compact(odd), fold="Block"),)


def test_citations_are_numbered_in_the_text_and_listed_below_it() -> None:
    """Text blocks of one reply are one text then; each source is told as its kind has it."""
    content: Json = [
        {"type": "text", "text": "It is "},
        {
            "type": "text",
            "text": "blue",
            "citations": [
                {
                    "cited_text": "sky\nis blue",
                    "document_title": "Sky",
                    "start_page_number": 5,
                    "end_page_number": 6,
                },
                {"cited_text": "blue", "document_index": 0, "start_char_index": 9, "end_char_index": 20},
            ],
        },
        {"type": "text", "text": " and "},
        {
            "type": "text",
            "text": "wide.",
            "citations": [
                {
                    "cited_text": "w",
                    "title": "T",
                    "source": "s",
                    "start_block_index": 1,
                    "end_block_index": 2,
                },
                {"cited_text": "w", "title": "Web", "url": "https://a.example", "encrypted_index": "x"},
                {"cited_text": "w"},
                "odd",
            ],
        },
    ]
    text, notes = content_parts(content)
    assert text == ContentPart(kind="text", body="It is blue[1][2] and wide.[3][4][5][6]")
    assert notes.title == "citations"
    assert notes.body.split("\n") == [
        '[1] "sky is blue" (Sky, page 5)',
        '[2] "blue" (document 1, characters 10 to 20)',
        '[3] "w" (T, s, block 2)',
        '[4] "w" (Web, https://a.example)',
        '[5] "w"',
        '[6] "odd"',
    ]
    uncited: Json = [{"type": "text", "text": "a", "citations": None}, {"type": "text", "text": "b"}]
    assert [part.body for part in content_parts(uncited)] == ["a", "b"]


def test_what_the_tools_of_the_api_return_is_shown_with_their_calls() -> None:
    """Searches line by line, programs by what they wrote, connectors as content, all else as JSON, folded."""
    found: Json = [
        {"type": "web_search_result", "title": "A", "url": "https://a.example", "encrypted_content": "x"}
    ]
    ran: Json = {
        "type": "code_execution_result",
        "stdout": "1\n",
        "stderr": "",
        "return_code": 0,
        "content": [],
    }
    content: Json = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "a"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": found},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": {"error_code": "unavailable"}},
        {"type": "code_execution_tool_result", "tool_use_id": "s2", "content": ran},
        {"type": "tool_search_tool_result", "tool_use_id": "s3", "content": {"tool_references": []}},
        {"type": "mcp_tool_use", "id": "m1", "name": "look", "server_name": "shop", "input": {}},
        {
            "type": "mcp_tool_result",
            "tool_use_id": "m1",
            "is_error": True,
            "content": [{"type": "text", "text": "no"}],
        },
    ]
    assert [(part.title, part.body, part.folded) for part in content_parts(content)] == [
        ("server_tool_use: web_search", '{"query": "a"}', False),
        ("web search tool result of web_search", "A (https://a.example)", True),
        ("web search tool result of web_search, an error", '{"error_code": "unavailable"}', True),
        ("code execution tool result", "1\n(return code 0)", True),
        ("tool search tool result", '{"tool_references": []}', True),
        ("mcp_tool_use: look of shop", "{}", False),
        ("mcp tool result of look, an error", "no", False),
    ]


def test_data_is_shortened_to_its_size() -> None:
    """Base64 data gives way to its size and keeps its media type, long signatures to their length."""
    source: Json = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
    assert compact({"type": "image", "source": source}) == (
        '{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "(5 bytes)"}}'
    )
    assert compact({"signature": "x" * 2000}) == '{"signature": "(2,000 characters)"}'
    assert compact({"signature": "short", "data": "x"}) == '{"signature": "short", "data": "x"}'


def test_deep_values_are_cut() -> None:
    """JSON that is nested beyond reason is shown as far as it helps."""
    deep: Json = 1
    for number in range(900):
        deep = {"a": deep} if number % 2 else [deep]
    assert compact(deep).count("a") < 30
    assert "(nested too deep to show)" in compact(deep)


def test_values_beside_values() -> None:
    """A string is shown as it is, anything else as JSON, frozen mappings and raw surrogates included."""
    assert value_text("a\nb") == "a\nb"
    assert value_text(0.01) == "0.01"
    assert value_text(EMPTY) == "{}"
    assert value_text(["\ud800"]) == '["\ud800"]'


def test_long_text_is_cut_and_says_so() -> None:
    """What is cut off is counted."""
    assert truncate("abc", 3) == "abc"
    assert truncate("abcd" * 1000, 4) == "abcd… (3,996 more characters)"

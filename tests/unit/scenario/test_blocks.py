"""The short forms of images, documents and search results: what they become, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.model import JsonBlock
from tests.support.media import jpeg, pdf, png
from tests.unit.scenario.loading import complaints, load_files, load_text, refused

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
vars: {who: Ann, where: 'https://a.example', said: Yes}
turns:
  - user:
      - text: '{{ who }}{{ where }}{{ said }}'
"""


def _block(folder: Path, written: str) -> JsonBlock:
    files: dict[str, str | bytes] = {"a_png": png(), "note_txt": "{{ who }}\r\nstays", "a_pdf": pdf()}
    (turn,) = load_text(folder, f"{HEAD}      - {written}\n", **files).turns
    assert isinstance(turn.content, tuple)
    found = turn.content[1]
    assert isinstance(found, JsonBlock)
    return found


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("image: {url: 'https://a.example/a.png'}", {"type": "url", "url": "https://a.example/a.png"}),
        ("image: {url: '{{ where }}'}", {"type": "url", "url": "{{ where }}"}),
        ("image: {file_id: file_1}", {"type": "file", "file_id": "file_1"}),
        ("document: {url: 'http://a.example/a.pdf'}", {"type": "url", "url": "http://a.example/a.pdf"}),
        ("document: {file_id: file_1}", {"type": "file", "file_id": "file_1"}),
        (
            "document: {text: 'Hi {{ who }}'}",
            {"type": "text", "media_type": "text/plain", "data": "Hi {{ who }}"},
        ),
        (
            "document: {file: note.txt}",
            {"type": "text", "media_type": "text/plain", "data": "{{ who }}\nstays"},
        ),
    ],
)
def test_an_image_or_a_document_may_lie_elsewhere(
    tmp_path: Path, written: str, source: dict[str, str]
) -> None:
    """By URL, by the id of an uploaded file, as a text that is filled in; a file is data and is not."""
    found = _block(tmp_path, written)
    assert found.value == {"type": written.partition(":")[0], "source": source}
    templates = {path: text.source for path, text in found.texts}
    filled = next((value for value in source.values() if "{{" in value and "stays" not in value), None)
    assert list(templates.values()) == ([filled] if filled else [])


def test_what_stands_beside_a_document_is_filled_in(tmp_path: Path) -> None:
    """Its title and its context are texts of the user, citations and cache markers the API's own."""
    found = _block(
        tmp_path,
        "{document: a.pdf, title: 'For {{ who }}', context: plain, citations: {enabled: true}}",
    )
    assert (found.name, found.value["title"], found.value["context"]) == ("a.pdf", "For {{ who }}", "plain")
    assert found.value["citations"] == {"enabled": True}
    assert [(path, text.source) for path, text in found.texts] == [(("title",), "For {{ who }}")]


def test_a_search_result_becomes_the_block_of_the_api(tmp_path: Path) -> None:
    """Its content is a list of text blocks, however it is written; a file says what it is called."""
    written = "search_result: {title: '{{ who }}', source: s, text: '{{ said }}', citations: {enabled: true}}"
    found = _block(tmp_path, written)
    assert found.value == {
        "type": "search_result",
        "source": "s",
        "title": "{{ who }}",
        "content": [{"type": "text", "text": "{{ said }}"}],
        "citations": {"enabled": True},
    }
    assert [path for path, _ in found.texts] == [("title",), ("content", 0, "text")]

    of_file = _block(tmp_path, "search_result: {file: note.txt}")
    assert of_file.value == {
        "type": "search_result",
        "source": "note.txt",
        "title": "note.txt",
        "content": [{"type": "text", "text": "{{ who }}\nstays"}],
    }
    assert (of_file.name, of_file.texts) == ("note.txt", ())

    marker = {"cache_control": {"type": "ephemeral"}}
    pieces = _block(
        tmp_path,
        "{search_result: {title: t, source: s, content: [a, {text: b, cache_control: {type: ephemeral}}]},"
        " cache_control: {type: ephemeral}}",
    )
    assert pieces.value == {
        "type": "search_result",
        "source": "s",
        "title": "t",
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", **marker}],
        **marker,
    }


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("image: {}", "5:16 `image` needs one source"),
        ("image: {url: a, file_id: b}", "5:16 `image` needs one source"),
        ("image: {text: a}", "5:17 unknown key `text` in `image`"),
        ("image: {url: 'ftp://a'}", "5:22 this is not a URL"),
        ("image: {url: ''}", "5:22 `url` is empty"),
        ("document: {file: none.txt}", "5:26 no such file: none.txt"),
        ("document: {file: 5}", "5:26 `file` must be a string, not a number"),
        ("search_result: note.txt", "5:24 `search_result` must be a mapping, not a string"),
        ("search_result: {title: t, source: s}", "5:24 a search result needs one of"),
        ("search_result: {title: t, source: s, text: a, file: b}", "5:24 a search result needs one of"),
        ("search_result: {text: a, source: s}", "5:24 this search result has no `title`"),
        ("search_result: {text: a, title: t, source: ''}", "5:52 `source` is empty"),
        ("search_result: {title: t, source: s, content: []}", "5:55 `content` must be a list of texts"),
        ("search_result: {title: t, source: s, content: [5]}", "5:56 a piece of a search result must be"),
        ("search_result: {title: t, source: s, content: [{image: a.png}]}", "5:57 `image` blocks may stand"),
        ("search_result: {title: t, source: s, content: [{type: image}]}", "5:63 only text blocks may"),
        ("search_result: {file: none.txt}", "5:31 no such file: none.txt"),
        ("search_result: {file: a.png}", "5:31 a.png is neither a PDF nor a UTF-8 text"),
        ("search_result: {file: 5}", "5:31 `file` must be a string, not a number"),
        ("search_result: {text: a, title: t, source: s, citations: 5}", "5:66 `citations` must be a mapping"),
        ("image: shown.png", "5:16 shown.png is a JPEG image, not a PNG image as its name says"),
        ("document: wrong.pdf", "5:19 wrong.pdf is a text, not a PDF as its name says"),
        ("document: pdf.jpg", "5:19 pdf.jpg is a PDF, not a JPEG image as its name says"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, written: str, expected: str) -> None:
    """One problem each, with line and column."""
    files: dict[str, str | bytes] = {
        "a.yaml": f"{HEAD}      - {written}\n",
        "a.png": png(),
        "shown.png": jpeg(),
        "wrong.pdf": "a text",
        "pdf.jpg": pdf(),
    }
    found = complaints(tmp_path, files)
    assert len(found) == 1
    assert found[0].startswith(f"a.yaml:{expected}")


def test_a_wrong_suffix_has_a_hint(tmp_path: Path) -> None:
    """Whoever converts an image by renaming it is told its right name."""
    files: dict[str, str | bytes] = {"a.yaml": "turns: [{user: [{image: x/a.png}]}]\n", "x/a.png": jpeg()}
    assert "rename it to a.jpg" in refused(tmp_path, files)


def test_a_text_of_a_block_is_filled_in_for_every_case(tmp_path: Path) -> None:
    """What would be refused in one case is found with the line of that case."""
    text = """\
cases:
  - {id: a, vars: {said: Yes}}
  - {id: b, vars: {said: ''}}
turns:
  - user:
      - search_result: {title: t, source: s, text: '{{ said }}'}
"""
    assert complaints(tmp_path, text) == [
        f"a.yaml:3:5 the text at {tmp_path}/a.yaml:6:52 is empty".replace(f"{tmp_path}/", "")
    ]


CASES = "cases: [{id: a, vars: {item: sofa}}, {id: b, vars: {item: lamp}}]\n"
PHOTOS: dict[str, str | bytes] = {
    "p/sofa.png": png(2, 2),
    "p/lamp.png": png(3, 3),
    "p/sofa.txt": "A sofa.",
    "p/lamp.txt": "A {{ lamp }}.",
}


def test_a_path_is_filled_in_for_every_case(tmp_path: Path) -> None:
    """In turns, in those of a case alone and in results of tools; what the file holds is data."""
    text = (
        "model: m\n"
        "cases:\n"
        "  - {id: a, vars: {item: sofa}}\n"
        "  - {id: b, vars: {item: lamp}}\n"
        "  - {id: c, vars: {item: lamp}, turns: [{user: [{image: 'p/{{ item }}.png'}, {text: '?'}]}]}\n"
        "tools: [{name: look, input_schema: {type: object}}]\n"
        "tool_results: {look: {return: [{image: 'p/{{ item }}.png'}]}}\n"
        "turns:\n"
        "  - user:\n"
        "      - {document: 'p/{{ item }}.txt', title: 'Of {{ item }}'}\n"
        "      - search_result: {file: 'p/{{ item }}.txt', citations: {enabled: true}}\n"
    )
    plan = expand(load_files(tmp_path, {"a.yaml": text, **PHOTOS}), Selection())
    sent = {each.identity.case: each.turns[0].content for each in plan.conversations}
    returned = {each.identity.case: each.tool_results.by_tool["look"][0] for each in plan.conversations}
    names = {
        case: [block.name for block in content if isinstance(block, JsonBlock)]
        for case, content in sent.items()
        if isinstance(content, tuple)
    }
    assert names == {"a": ["p/sofa.txt"] * 2, "b": ["p/lamp.txt"] * 2, "c": ["p/lamp.png"]}
    shown = [each.content[0] for each in returned.values() if isinstance(each.content, tuple)]
    assert [each.name for each in shown if isinstance(each, JsonBlock)] == [
        "p/sofa.png",
        "p/lamp.png",
        "p/lamp.png",
    ]
    assert isinstance(sent["b"], tuple)
    document, found = sent["b"]
    assert isinstance(document, JsonBlock)
    assert isinstance(found, JsonBlock)
    assert document.value == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "A {{ lamp }}."},
        "title": "Of {{ item }}",
    }
    assert [path for path, _ in document.texts] == [("title",)]
    assert found.value == {
        "type": "search_result",
        "source": "p/lamp.txt",
        "title": "lamp.txt",
        "content": [{"type": "text", "text": "A {{ lamp }}."}],
        "citations": {"enabled": True},
    }
    assert len({each.expectations_digest for each in plan.conversations}) == 2


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "image: 'p/{{ item }}.gif'",
            ["3:25 no such file: p/lamp.gif, in case `b`", "3:25 no such file: p/sofa.gif, in case `a`"],
        ),
        ("image: 'p/{{ item }}.txt'", ["3:25 p/lamp.txt is not an image", "3:25 p/sofa.txt is not an image"]),
        ("document: {file: '../{{ item }}.png'}", ["3:35 ../lamp.png lies outside", "3:35 ../sofa.png lies"]),
        ("search_result: {file: 'p/{{ itm }}.txt'}", ["3:46 undefined variable `itm`"]),
        ("image: 'p/{{ saved.x }}.png'", ["3:31 nothing is saved as `x`"]),
        (
            "image: 'p/{{ item[9] }}.png'",
            ["3:25 the path cannot be filled in: str object has no element 9, in case `a`"],
        ),
    ],
)
def test_what_is_wrong_with_a_path_of_a_case(tmp_path: Path, written: str, expected: list[str]) -> None:
    """Every file is read before anything is sent, and the case is named."""
    text = f"model: m\n{CASES}turns: [{{user: [{{{written}}}, {{text: 'A {{{{ item }}}}'}}]}}]\n"
    found = [one.removeprefix("a.yaml:") for one in complaints(tmp_path, {"a.yaml": text, **PHOTOS})]
    assert [one[: len(wanted)] for one, wanted in zip(found, expected, strict=True)] == expected

"""What must hold of text that was made safe for a medium, whatever the text was."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Literal, TypeAlias
from xml.etree import ElementTree as ET

from markdown_it import MarkdownIt

from claude_run.report.text.safe import WORD_JOINER
from tests.unit.report.safe_html import assert_safe_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from markdown_it.token import Token

Medium: TypeAlias = Literal[
    "terminal",
    "line",
    "log",
    "visible",
    "shown",
    "fence",
    "inline",
    "cell",
    "quote",
    "document",
    "json",
    "jsonl",
    "review",
    "name",
    "xml",
    "commands",
    "comment",
    "folded",
    "html",
    "page",
]
"""Where a text ends up.

`terminal` is text that a caller prints, `line` the same on one line, `log` whole output of ours; `visible` is
a word for a message and `shown` a message, which a caller prints line by line; `fence`, `inline`, `cell` and
`quote` are pieces of Markdown, `document` is a whole Markdown file; `json` is a JSON file, `jsonl` one of
lines, `review` one whose letters are not escaped; `name` is the name of a file; `xml` is a whole XML file,
`commands` are workflow commands of GitHub Actions; `comment` is Markdown for stdout in which we fold parts
away, `folded` the same as a file, with links to anchors of ours, `html` a whole page; `page` is one with a
script of ours, and with data.
"""

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_ALIVE = {"html_block", "html_inline", "link_open", "image"}
_MARKED = {"em_open", "strong_open", "s_open", "softbreak", "hardbreak", "heading_open", "list_item_open"}
_LATE_LINKS = re.compile(r"://|\bwww\.|@\w|#\d|\bGH-\d", re.IGNORECASE)
_COMMAND = re.compile(r"^\s*::[A-Za-z]", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##\w*\[")
_ANNOTATION = re.compile(r"::(error|warning) (file=[^:,]*,(line=\d+,col=\d+,)?)?title=[^:,]*::.*")
_FOLDS = re.compile(
    r"<!-- claude-run (comparison|run) -->\n"
    r"|<details( open)?><summary>[A-Za-z, ]+( \([\d,]+( characters| turns?)?\))?</summary>\n|</details>\n"
)
_ANCHOR = re.compile(r'<a id="c\d+">|</a>')
_TO_ANCHOR = re.compile(r"(transcripts\.md)?#c\d+")
# What a text that is quoted may be to a reader, and no more.
_QUOTED = {"paragraph_open", "inline", "paragraph_close", "fence"}
_LINES_OF_A_MESSAGE = re.compile(r"(error|warning): .*|\s*(-->|=|\||\d+ \|)( .*)?")


def assert_safe(medium: Medium, shown: str) -> None:
    """Fail when the output can do anything but be read."""
    _assert_characters(shown)
    if medium in {"terminal", "line", "log", "comment", "html"}:
        assert not _COMMAND.search(shown), "a CI command"
        assert not _OLD_COMMAND.search(shown), "an old CI command"
    if medium in {"line", "visible"}:
        assert "\n" not in shown, "more than one line"
    if medium == "shown":
        assert all(map(_LINES_OF_A_MESSAGE.fullmatch, shown.split("\n"))), "a line that is not ours"
    if medium in {"json", "jsonl"}:
        _assert_json(shown.split("\n") if medium == "jsonl" else [shown, ""])
    further = _FURTHER.get(medium)
    if further is not None:
        further(shown)


def shape(document: str) -> list[str]:
    """Return the kinds of the blocks of a Markdown document, in order, a quote being one, and its links."""
    tokens = list(_without_quoted(_PARSER.parse(document)))
    return [*(token.type for token in tokens), *_links(tokens)]


def skeleton(document: str) -> list[str]:
    """Return what a text must not change in a Markdown document.

    These are its `shape`, and the last cells of its table rows, which are ours.
    """
    tokens = list(_without_quoted(_PARSER.parse(document)))
    ends = [number for number, token in enumerate(tokens) if token.type == "tr_close"]
    return [*shape(document), *(tokens[number - 2].content for number in ends)]


def rendered(piece: str) -> str:
    """Return what a reader sees of a piece of inline Markdown."""
    inline = _PARSER.parseInline(piece)[0]
    return "".join(token.content for token in inline.children or ()).replace(WORD_JOINER, "")


def _assert_characters(shown: str) -> None:
    shown.encode()
    for char in set(shown) - {"\n", "\t", WORD_JOINER}:
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}, f"raw {char!r}"


def _assert_json(values: list[str]) -> None:
    assert values.pop() == "", "an unfinished line"
    for text in values:
        assert text.isascii()
        assert not _OLD_COMMAND.search(text), "an old CI command"
        json.loads(text)


def _assert_review(shown: str) -> None:
    assert not _OLD_COMMAND.search(shown), "an old CI command"
    json.loads(shown)


def _assert_xml(shown: str) -> None:
    for element in ET.fromstring(shown.encode()).iter():  # noqa: S314 - our own file, read back
        for text in (element.tag, element.text or "", element.tail or "", *element.attrib.values()):
            _assert_characters(text)


def _assert_name(shown: str) -> None:
    assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]{0,99}", shown), "no plain name"


def _assert_commands(shown: str) -> None:
    lines = shown.split("\n")
    assert len(lines) <= 10, "more commands than GitHub shows"
    assert all(map(_ANNOTATION.fullmatch, lines)), "not one of our commands"


def _assert_fence(shown: str) -> None:
    tokens = _PARSER.parse(f"{shown}\n\nafter")
    assert [token.type for token in tokens][:2] == ["fence", "paragraph_open"], "the fence was closed"


def _assert_document(shown: str) -> None:
    _assert_tokens(_PARSER.parse(shown))


def _assert_comment(shown: str) -> None:
    _assert_folds(_PARSER.parse(shown))


def _assert_folds(tokens: list[Token]) -> None:
    blocks = [token for token in tokens if token.type == "html_block"]
    assert all(_FOLDS.fullmatch(token.content) for token in blocks), "HTML that is not ours"
    _assert_tokens([token for token in tokens if token.type != "html_block"])


def _assert_folded(shown: str) -> None:
    """Fail where a link leads anywhere but to an anchor that a number names, or another has made one."""
    tokens = _PARSER.parse(shown)
    assert all(map(_TO_ANCHOR.fullmatch, _links(tokens))), "a link that is not ours"
    for token in tokens:
        token.children = [part for part in token.children or () if not _is_anchor(part)]
    _assert_folds(tokens)


def _assert_quote(shown: str) -> None:
    """Fail where a text gets out of its quote, or is more in it than paragraphs and code."""
    assert all(line.startswith(">") for line in shown.split("\n")), "a line outside of the quote"
    tokens = _PARSER.parse(f"before\n\n{shown}\n\nafter")
    _assert_tokens(tokens)
    kinds = [token.type for token in _without_quoted(tokens)]
    paragraph = ["paragraph_open", "inline", "paragraph_close"]
    assert kinds == [*paragraph, "blockquote_open", "blockquote_close", *paragraph], "the quote was left"
    marked = {part.type for token in tokens for part in token.children or ()}
    assert not marked & (_MARKED - {"hardbreak"}), "markup"
    assert not re.search(r"^> ?\[!", shown, re.MULTILINE), "an alert of GitHub"
    languages = {token.info for token in tokens if token.type == "fence"}
    assert not languages & {"mermaid", "geojson", "topojson", "stl", "math"}, "code that GitHub draws"


def _without_quoted(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield the tokens without those inside a quote, which must be paragraphs and code."""
    depth = 0
    for token in tokens:
        depth -= token.type == "blockquote_close"
        if not depth:
            yield token
        else:
            assert token.type in _QUOTED, f"{token.type} in a quote"
        depth += token.type == "blockquote_open"


def _links(tokens: Iterable[Token]) -> Iterator[str]:
    parts = (part for token in tokens for part in token.children or ())
    return (str(part.attrs["href"]) for part in parts if part.type == "link_open")


def _is_anchor(part: Token) -> bool:
    ours = part.type == "html_inline" and _ANCHOR.fullmatch(part.content)
    return bool(ours) or part.type in {"link_open", "link_close"}


def _assert_inline(shown: str) -> None:
    assert "\n" not in shown, "more than one line"
    for place in (shown, f"- **x**: {shown} y"):
        tokens = _PARSER.parse(place)
        _assert_tokens(tokens)
    alone = {token.type for token in _PARSER.parse(shown)} | {token.type for token in _flat(shown)}
    assert not alone & _MARKED, "markup"


def _assert_cell(shown: str) -> None:
    assert shown, "an empty cell"
    tokens = _PARSER.parse(f"| a | b |\n|---|---|\n| {shown} | end |\n\nafter")
    _assert_tokens(tokens)
    kinds = [token.type for token in tokens]
    assert kinds.count("td_open") == 2, "another number of cells"
    cells = [token.content for token in tokens if token.type == "inline"]
    assert cells[-2:] == ["end", "after"], "the table was left"


def _assert_tokens(tokens: list[Token]) -> None:
    for token in tokens:
        for part in (token, *(token.children or ())):
            assert part.type not in _ALIVE, f"{part.type}: {part.content}"
            if part.type == "text":
                assert not _LATE_LINKS.search(part.content), f"a link in {part.content!r}"


def _flat(shown: str) -> Iterator[Token]:
    for token in _PARSER.parse(shown):
        yield from token.children or ()


def _assert_page(shown: str) -> None:
    """Fail unless each page is inert but for one script, which is ours, and data that no script is."""
    for page in re.split(r"(?=<!DOCTYPE)", shown)[1:]:
        rest, scripts = re.subn(r'<script>"use strict";\n[^\0]*?</script>', "", page)
        assert scripts == 1, "another number of scripts"
        rest = re.sub(r'<script type="application/gzip" id="[a-z0-9-]+">[A-Za-z0-9+/=]*</script>', "", rest)
        assert_safe_html(rest)


_FURTHER: Mapping[Medium, Callable[[str], None]] = {
    "review": _assert_review,
    "name": _assert_name,
    "xml": _assert_xml,
    "commands": _assert_commands,
    "fence": _assert_fence,
    "inline": _assert_inline,
    "cell": _assert_cell,
    "document": _assert_document,
    "comment": _assert_comment,
    "folded": _assert_folded,
    "quote": _assert_quote,
    "html": assert_safe_html,
    "page": _assert_page,
}

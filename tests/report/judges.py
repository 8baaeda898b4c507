"""What must hold of text that was made safe for a medium, whatever the text was."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from claude_run.report.safe import WORD_JOINER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_ALIVE = {"html_block", "html_inline", "link_open", "image"}
_MARKED = {"em_open", "strong_open", "s_open", "softbreak", "hardbreak", "heading_open", "list_item_open"}
_LATE_LINKS = re.compile(r"://|\bwww\.|@\w|#\d|\bGH-\d", re.IGNORECASE)
_COMMAND = re.compile(r"^\s*::[A-Za-z]", re.MULTILINE)


def judge(medium: str, shown: str) -> None:
    """Fail when the output can do anything but be read."""
    _judge_characters(shown)
    if medium in {"terminal", "line", "log"}:
        assert not _COMMAND.search(shown), "a CI command"
        assert not re.search(r"##\w*\[", shown), "an old CI command"
    if medium == "line":
        assert "\n" not in shown, "more than one line"
    if medium == "fence":
        tokens = _PARSER.parse(f"{shown}\n\nafter")
        assert [token.type for token in tokens][:2] == ["fence", "paragraph_open"], "the fence was closed"
    if medium == "inline":
        _judge_inline(shown)
    if medium == "cell":
        _judge_cell(shown)
    if medium == "document":
        _judge_tokens(_PARSER.parse(shown))


def skeleton(document: str) -> list[str]:
    """Return what a text must not change in a Markdown document.

    These are the kinds of its blocks, in order, and the last cells of its table rows, which are ours.
    """
    tokens = _PARSER.parse(document)
    ends = [number for number, token in enumerate(tokens) if token.type == "tr_close"]
    return [token.type for token in tokens] + [tokens[number - 2].content for number in ends]


def rendered(piece: str) -> str:
    """Return what a reader sees of a piece of inline Markdown."""
    inline = _PARSER.parseInline(piece)[0]
    return "".join(token.content for token in inline.children or ()).replace(WORD_JOINER, "")


def _judge_characters(shown: str) -> None:
    shown.encode()
    for char in set(shown) - {"\n", "\t", WORD_JOINER}:
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}, f"raw {char!r}"


def _judge_inline(shown: str) -> None:
    assert "\n" not in shown, "more than one line"
    for place in (shown, f"- **x**: {shown} y"):
        tokens = _PARSER.parse(place)
        _judge_tokens(tokens)
    alone = {token.type for token in _PARSER.parse(shown)} | {token.type for token in _flat(shown)}
    assert not alone & _MARKED, "markup"


def _judge_cell(shown: str) -> None:
    assert shown, "an empty cell"
    tokens = _PARSER.parse(f"| a | b |\n|---|---|\n| {shown} | end |\n\nafter")
    _judge_tokens(tokens)
    kinds = [token.type for token in tokens]
    assert kinds.count("td_open") == 2, "another number of cells"
    cells = [token.content for token in tokens if token.type == "inline"]
    assert cells[-2:] == ["end", "after"], "the table was left"


def _judge_tokens(tokens: list[Token]) -> None:
    for token in tokens:
        for part in (token, *(token.children or ())):
            assert part.type not in _ALIVE, f"{part.type}: {part.content}"
            if part.type == "text":
                assert not _LATE_LINKS.search(part.content), f"a link in {part.content!r}"


def _flat(shown: str) -> Iterator[Token]:
    for token in _PARSER.parse(shown):
        yield from token.children or ()

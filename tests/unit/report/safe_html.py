"""What must hold of an HTML page of ours, whatever the texts in it say: it shows itself and does nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TypeAlias

Element: TypeAlias = tuple[str, tuple[str, ...]]
"""A tag and the names of its attributes."""

_TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "h2",
        "h3",
        "p",
        "div",
        "span",
        "section",
        "em",
    ),
    *("strong", "code", "table", "tr", "th", "td", "dl", "dt", "dd", "details", "summary", "del", "ins"),
    *("svg", "line", "circle"),
}
_ATTRIBUTES = {
    *("id", "data-redacted"),
    *("lang", "charset", "http-equiv", "content", "name", "class", "open", "role", "aria-label"),
    *("viewbox", "x1", "x2", "y1", "y2", "cx", "cy", "r"),
}
_VOID = {"meta"}


def assert_safe_html(page: str) -> None:
    """Fail when a page holds a script, anything that loads, or a tag that a text has opened or closed."""
    parser = _read(page)
    assert {tag for tag, _ in parser.elements} <= _TAGS, "a tag that is not ours"
    assert {name for _, names in parser.elements for name in names} <= _ATTRIBUTES, "an attribute of a text"
    assert not parser.open, "a tag that is not closed"
    assert page.count("<!") == 1, "a comment, or a second document type"


def html_skeleton(page: str) -> list[Element]:
    """Return the elements of a page in order: what a text must not change."""
    return _read(page).elements


def policy(page: str) -> dict[str, str]:
    """Return the page's Content-Security-Policy by directive, with the hash of its style filled in."""
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert found
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    rules = found[1].replace(f"sha256-{digest}", "the hash of the style")
    return dict(rule.split(" ", 1) for rule in rules.split("; "))


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader


class _Reader(HTMLParser):
    """Gathers elements, and keeps the tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

"""One pure escaping function per medium: what others wrote can be shown, and do nothing else.

Terminals obey control characters (CWE-150), Markdown renders HTML, links and beacons, and GitHub Actions
obeys `::command::` at the start of a line and `##[command]` anywhere in it. The runner trims spaces before it
looks for `::`, so that indentation alone protects nothing (actions/runner, ActionCommand.cs).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Environment

WORD_JOINER = "\u2060"
"""Invisible. It breaks mentions, references and automatic links, which are found after escapes are undone."""

NO_BREAK_SPACE = "\u00a0"
"""Holds a word where it stands: at the head of a line Markdown takes away a space, and leaves this."""

_MIN_FENCE = 3
_DELETE = 0x7F
_CARET = 0x40

_C0 = "\x00-\x08\x0b-\x1f"
_C1 = "\x7f-\x9f"
# Every format character of Unicode (category Cf: bidi controls, zero width, tags), the line and paragraph
# separators, lone surrogates, and the variation selectors that can carry hidden text.
_FORMAT = (
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\ud800-\udfff"
)
_UNSEEN = re.compile(f"[{_C0}{_C1}{_FORMAT}]")
_UNSEEN_IN_XML = re.compile(f"[{_C0}{_C1}{_FORMAT}\ufffe\uffff]")
_SELECTOR = re.compile("[\U000e0000-\U000e0fff]")
_BREAK = re.compile(r"[\n\t]+")
_COMMAND = re.compile(r"^([^\w\n]*?):(?=:[A-Za-z])", re.MULTILINE)
_OLD_COMMAND = re.compile(r"#(?=#\w*\[)")
# What the end of a text may still become when more of it comes: the first half of a surrogate pair, and what
# the two patterns above would see to.
_HALF_PAIR = re.compile("[\ud800-\udbff]\\Z")
_OLD_COMMAND_BEGUN = re.compile(r"#(?:#\w*)?\Z")
_COMMAND_BEGUN = re.compile(r":{1,2}\Z")
_WORD = re.compile(r"\w")
_INCLUDED = re.compile(r'^\{% include "([^"]+)" %\}\n', re.MULTILINE)
_RUN = re.compile(r"`+|~+")
_BACKTICKS = re.compile(r"`+")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# `_` inside a word is not emphasis (CommonMark 6.2) and `$` before a digit closes no formula (GitHub): names
# and amounts stay as they are.
_MARKUP = re.compile(r"[&<>@#!\[\]|\\`*~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|\$(?!\d)")
_LEADING = re.compile(r"^(?:[-+=]|\d+(?=[.)]))")
_LINKS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=GH)(?=-\d)", re.IGNORECASE)
# What may act in a paragraph. It begins with one class of characters, for which `re` searches fast; a line
# break takes along what stands at the head of its line, where a list, a quote or a table would begin.
_IN_QUOTE = re.compile(r"[&<@#\[|\\`*~_$\n](?:(?<=\n)[ \t]*(?:[-+=:>]|\d+(?=[.)]))?)?")
_CODE_BLOCK = re.compile(
    r"^( *)(`{3,}+|~{3,}+)([^\n`]*)\n(.*?)(?:^ *\2[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
# Languages that GitHub colours and does nothing else with: `mermaid` and `geojson` it would draw.
_LANGUAGES = frozenset(
    {"bash", "css", "diff", "go", "html", "java", "js", "json", "python", "rust", "sh", "sql", "xml", "yaml"}
)


def safe_terminal(text: str) -> str:
    r"""Return the text with nothing in it that a terminal or a CI log obeys; `\n` and `\t` stay.

    C0 controls are shown as `^[`, DEL and C1 as `\x9b`, bidi, zero-width and other format characters and lone
    surrogates as `<U+202E>`. The first character of a CI command is shown as `\x3a` or `\x23`.
    """
    text = _OLD_COMMAND.sub(r"\\x23", _visible(text))
    return _COMMAND.sub(r"\1\\x3a", text)


class SafeStream:
    """Text that comes in pieces: what it returns is, put together, what `safe_terminal` makes of the whole.

    What hangs on the next piece, seldom more than a character, is held back until that is there.
    """

    def __init__(self) -> None:
        self._half = ""
        self._held = ""
        # Whether the current line begins, in what was returned of it, with more than signs.
        self._has_word = False

    def add(self, piece: str) -> str:
        """Return what can be shown now."""
        raw = (self._half + piece).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        half = _HALF_PAIR.search(raw)
        self._half = half.group() if half else ""
        text = self._held + _visible(raw[: half.start()] if half else raw)
        begun = _OLD_COMMAND_BEGUN.search(text)
        end = begun.start() if begun else len(text)
        ready = _OLD_COMMAND.sub(r"\\x23", text[:end])
        colons = None if self._speaks(ready) else _COMMAND_BEGUN.search(ready)
        if colons is not None:
            ready, end = ready[: colons.start()], end - len(colons.group())
        self._held = text[end:]
        return self._release(ready)

    def end(self) -> str:
        """Return the rest."""
        rest, self._half, self._held = self._held + _visible(self._half), "", ""
        return self._release(_OLD_COMMAND.sub(r"\\x23", rest))

    def _release(self, ready: str) -> str:
        # Behind a word nothing is a command: one is put before what continues such a line, and taken away.
        lead = "x" if self._has_word else ""
        self._has_word = self._speaks(ready)
        return _COMMAND.sub(r"\1\\x3a", lead + ready)[len(lead) :]

    def _speaks(self, ready: str) -> bool:
        """Return whether the line that is current after this text holds a word."""
        before, _, last = ready.rpartition("\n")
        continues = len(last) == len(ready)
        return _WORD.search(last) is not None or (continues and not before and self._has_word)


def safe_line(text: str) -> str:
    """Return the text as `safe_terminal` does, folded to one line: line breaks and tabs become a space."""
    return safe_terminal(_fold(text))


def safe_block(text: str, prefix: str) -> str:
    """Return the text as `safe_terminal` does, with the prefix before every line."""
    return "\n".join(prefix + line for line in safe_terminal(text.removesuffix("\n")).split("\n"))


def fence(text: str, language: Literal["text", "json", "diff"] = "text") -> str:
    """Return a fenced Markdown block, without a line break at its end, that the text cannot close.

    Its fence is longer than any run of backticks or tildes in the text (CommonMark 4.5). Control and format
    characters are shown as in `safe_terminal`.
    """
    return _fenced(_visible(text.removesuffix("\n")), language)


def md_quote(text: str, language: Literal["", "json"] = "") -> str:
    """Return the text as a block quote that reads as it was written, and in which nothing of it acts.

    Its lines, paragraphs and indentation stay, and what it fences as code stays a fence, inside the quote;
    all else is inert as in `md_inline`. With a `language` the whole text is such a fence. Blank lines at both
    ends are left out, and nothing that the text holds leads out of the quote (CommonMark 5.1).
    """
    shown = _visible(text).strip("\n")
    if not shown.strip():
        return "> (empty)"
    if language:
        return _quoted(_fenced(shown, language))
    if "```" not in shown and "~~~" not in shown:
        return _quoted_prose(shown)
    pieces: list[str] = []
    end = 0
    for block in _CODE_BLOCK.finditer(shown):
        pieces.append(_quoted_prose(shown[end : block.start()]))
        indent, _, info, code = block.groups()
        named = info.split()[:1]
        known = named[0].lower() if named and named[0].lower() in _LANGUAGES else "text"
        code = code.removesuffix("\n")
        if indent:
            # In a list it stands as far to the right as the list does.
            code = re.sub(rf"^ {{1,{len(indent)}}}", "", code, flags=re.MULTILINE)
        pieces.append(_quoted(_fenced(code, known)))
        end = block.end()
    pieces.append(_quoted_prose(shown[end:]))
    return "\n>\n".join(filter(None, pieces))


def md_inline(text: str) -> str:
    """Return the text as inert Markdown on one line: no markup, HTML, link, image, mention or reference."""
    shown = _visible(_fold(text)).strip(" ")
    leading = _LEADING.match(shown)
    head = leading.group() if leading else ""
    body = _MARKUP.sub(_escape_markup, _LINKS.sub(WORD_JOINER, shown[len(head) :]))
    if not head:
        return body
    # At the start of a line `-` would open a list item and `1.` a numbered one.
    return f"{head}\\{body}" if head.isdigit() else f"\\{head}{body}"


def md_cell(text: str) -> str:
    """Return the text for a cell of a Markdown table: as `md_inline`, never empty and never a column more."""
    return md_inline(text).replace(r"\|", "&#124;") or "-"


def md_code(text: str) -> str:
    """Return the text as a code span on one line; its backticks are outnumbered by the delimiter."""
    shown = _visible(_fold(text))
    if not shown.strip(" "):
        return "(empty)"
    runs = {len(run) for run in _BACKTICKS.findall(shown)}
    ticks = "`" * next(size for size in range(1, len(runs) + 2) if size not in runs)
    pad = " " if shown[0] in " `" or shown[-1] in " `" else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def md_code_cell(text: str) -> str:
    """Return the text as a code span for a table cell; text with a `|`, which splits cells, as `md_cell`."""
    return md_cell(text) if "|" in text else md_code(text)


def xml_text(text: str) -> str:
    """Return the text for an XML 1.0 writer, with what that forbids and what cannot be seen as `#x1B`.

    A writer escapes markup, and lets controls, lone surrogates and U+FFFE through, which no reader accepts. A
    carriage return is spelt out too, because readers turn it into a line feed.
    """
    return _UNSEEN_IN_XML.sub(lambda match: f"#x{ord(match.group()):02X}", text)


def html_text(text: str) -> str:
    r"""Return the text for HTML, between tags or in a quoted attribute; `\n` and `\t` stay.

    Control and format characters are shown as in `safe_terminal`; what a CI log would obey becomes an entity.
    """
    from html import escape  # noqa: PLC0415 - most commands write no HTML

    text = _OLD_COMMAND.sub("&#35;", escape(_visible(text)))
    return _COMMAND.sub(r"\1&#58;", text)


class Escaped(str):
    """Text that came out of an escaping function and may be printed by a template as it is."""

    __slots__ = ()


def require_escaped(value: object) -> Escaped:
    """Let a value pass that an escaping filter made; TypeError for any other."""
    if not isinstance(value, Escaped):
        raise TypeError(f"a template prints a {type(value).__name__} that went through no escaping filter")
    return value


def escaping_environment(
    filters: Mapping[str, Callable[..., str]], helpers: Mapping[str, Any]
) -> Environment:
    """Return an environment for the Markdown templates of this room that print only what those filters made.

    `helpers` are global names, which templates call; what they return is not printed as it is.
    """
    import jinja2  # noqa: PLC0415 - heavy, and needed only when Markdown is written

    # What a filter returns is marked, and what is printed must bear the mark.
    def escaping(function: Callable[..., str]) -> Callable[..., Escaped]:
        return lambda *values: Escaped(function(*values))

    # Parts that a template includes are read into it: to call them would cost more than all that they print.
    templates = jinja2.PackageLoader("claude_run.report")

    def whole(name: str) -> str:
        source = templates.get_source(environment, name)[0]
        return _INCLUDED.sub(lambda match: whole(match[1]), source)

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(whole),
        autoescape=False,  # noqa: S701 - it would escape for HTML; `require_escaped` refuses raw values
        undefined=jinja2.StrictUndefined,
        finalize=require_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters.update({name: escaping(function) for name, function in filters.items()})
    environment.globals.update(helpers)
    return environment


def _fenced(shown: str, language: str) -> str:
    runs = _RUN.findall(shown) if "`" in shown or "~" in shown else ()
    longest = max(map(len, runs), default=0)
    ticks = "`" * max(_MIN_FENCE, longest + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def _quoted(block: str) -> str:
    return "> " + block.replace("\n", "\n> ")


def _quoted_prose(shown: str) -> str:
    shown = shown.strip("\n")
    if not shown.strip():
        return ""
    if _may_link(shown):
        shown = _LINKS.sub(WORD_JOINER, shown)
    return _IN_QUOTE.sub(_escape_in_quote, f"\n{shown}").lstrip(" \n")


def _may_link(shown: str) -> bool:
    """Return whether `_LINKS` may find anything; one character is looked for much faster than two."""
    slashes = "/" in shown and "//" in shown
    issue = "-" in shown and ("H-" in shown or "h-" in shown)
    host = "ww" in shown or ("W" in shown and any(pair in shown for pair in ("WW", "Ww", "wW")))
    return slashes or issue or host


def _escape_in_quote(match: re.Match[str]) -> str:
    found, following = match.group(), match.string[match.end() : match.end() + 1]
    match found[0]:
        case "\n":
            return _line_break(found, following)
        case "_":
            # Inside a word it is no emphasis, as in `_MARKUP`; the text begins with a line break.
            inside = match.string[match.start() - 1].isalnum() and following.isalnum()
            return "_" if inside else "\\_"
        case "$":
            return "$" if following.isdigit() else "\\$"
        case "@" | "#" as char:
            # A mention and a reference are found after escapes are undone; a heading needs the escape.
            joiner = WORD_JOINER if following.isalnum() or following == "_" else ""
            return f"{'' if char == '@' else chr(92)}{char}{joiner}"
        case "[" if following == "!":
            # An alert of GitHub.
            return f"\\[{WORD_JOINER}"
        case char:
            return _ENTITIES.get(char) or f"\\{char}"


def _line_break(found: str, following: str) -> str:
    """Return the beginning of a line of a quote, in which what stands there in the text begins no block."""
    if following in {"", "\n"} and found.isspace():
        return "\n>"
    # Two spaces make a line break. Where a line is indented Markdown would take the spaces away, or take it
    # for code; no-break spaces stay what they are, and nothing that comes after them is a list.
    mark = found.lstrip("\n\t ")
    if indent := found[1 : len(found) - len(mark)].replace("\t", "    "):
        return f"  \n> {NO_BREAK_SPACE * len(indent)}{mark}"
    if not mark:
        return "  \n> "
    return f"  \n> {mark}\\" if mark.isdigit() else f"  \n> \\{mark}"


def _visible(text: str) -> str:
    # Most texts are plain, which is seen in a fraction of the time that the search takes: of what that finds
    # Python takes nothing for printable but the selectors.
    if text.replace("\n", "").replace("\t", "").isprintable() and (
        text.isascii() or not _SELECTOR.search(text)
    ):
        return text
    return _UNSEEN.sub(_show, text)


def _fold(text: str) -> str:
    return _BREAK.sub(" ", text)


def _show(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < _DELETE:
        return f"^{chr(code ^ _CARET)}"
    return f"\\x{code:02x}" if code <= 0x9F else f"<U+{code:04X}>"  # noqa: PLR2004 - the last C1 control


def _escape_markup(match: re.Match[str]) -> str:
    char = match.group()
    if char == "@":
        return char + WORD_JOINER
    if char == "#":
        return "\\#" + WORD_JOINER
    return _ENTITIES.get(char) or f"\\{char}"

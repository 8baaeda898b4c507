"""Message content in parts that a person can read: text, compact JSON, or a note on what is not shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from claude_run.conversation.content import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.json_values import Json, JsonObject

MAX_EXCERPT = 300
"""How many characters of a text are shown where nothing else is said."""

_WRITTEN = frozenset({"", "citations", "thinking"})
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_MAX_DEPTH = 40
_OPAQUE = frozenset({"signature", "encrypted_content", "encrypted_index", "data"})
_MAX_OPAQUE = 200
_KILO = 1000
_OUTPUTS = ("stdout", "stderr", "return_code")
# Where a citation points to, and what makes people's first and last of the API's, whose end is exclusive.
_RANGES = (
    ("page", "start_page_number", "end_page_number", 0, -1),
    ("character", "start_char_index", "end_char_index", 1, 0),
    ("block", "start_block_index", "end_block_index", 1, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPart:
    """One piece of a message: `title` names it where it is not plain text, `body` is untrusted.

    What is `folded` is opened by those who want to see it; `fold` names it in a word of ours.
    """

    kind: Literal["text", "json", "note"]
    title: str = ""
    body: str
    fold: str = ""

    @property
    def folded(self) -> bool:
        return bool(self.fold)

    @property
    def prose(self) -> bool:
        """Whether it was written to be read, rather than what a program or a file holds."""
        return self.kind == "text" and self.title in _WRITTEN


def content_parts(content: Json, files: Mapping[str, str] | None = None) -> tuple[ContentPart, ...]:
    """Return the parts of a message's `content` as the API spells it: a string, or a list of blocks.

    `files` are the paths of the files in it, by `file_digest`.
    """
    if isinstance(content, str):
        return (ContentPart(kind="text", body=content),)
    blocks = content if isinstance(content, Sequence) else ()
    shown = _Shown(files=files or {}, tools={})
    parts = tuple(part for cited, run in groupby(blocks, _is_text) for part in shown.run([*run], text=cited))
    return parts or (ContentPart(kind="note", body="Empty: no content."),)


def one_text(content: Json, files: Mapping[str, str] | None = None) -> str:
    """Return what a message says as one text: what is folded elsewhere is named, and no more."""
    parts = content_parts(content, files)
    return " ".join(f"[{part.title}]" if part.folded else part.body for part in parts)


def compact(value: Json) -> str:
    """Return a value as one line of JSON, base64 data and signatures shortened to their size."""
    return json.dumps(_shorten(value, _MAX_DEPTH), ensure_ascii=False)


def value_text(value: Json) -> str:
    """Return a value to show beside others: a string as it is, anything else as compact JSON."""
    return value if isinstance(value, str) else compact(value)


def truncate(text: str, limit: int = MAX_EXCERPT) -> str:
    """Return the text, cut after `limit` characters with a word on how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def excerpt(text: str, *, characters: int, lines: int) -> str:
    """Return the beginning of a text, so many characters and lines, with a word on how much is missing."""
    kept = text[:characters].split("\n", lines)
    shown = "\n".join(kept[:lines])
    return truncate(text, len(shown)) if len(shown) < len(text) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """How the blocks of one message are shown: `tools` are the names of those that were called, by id."""

    files: Mapping[str, str]
    tools: dict[str, str]

    def run(self, blocks: Sequence[Json], *, text: bool) -> Iterator[ContentPart]:
        """Yield the parts of blocks that stand beside each other, all of them text or none."""
        if text:
            yield from _text(blocks)
            return
        for block in blocks:
            yield from self.block(block)

    def block(self, block: Json) -> Iterator[ContentPart]:
        kind = block.get("type") if isinstance(block, Mapping) else None
        if not isinstance(block, Mapping) or not isinstance(kind, str):
            yield ContentPart(kind="json", title="block", body=compact(block))
        elif kind in {"thinking", "redacted_thinking"}:
            yield _thinking(block)
        elif kind in _CALLS:
            name = str(block.get("name"))
            self.tools[str(block.get("id"))] = name
            where = f" of {block['server_name']}" if "server_name" in block else ""
            body = compact(block.get("input") or {})
            yield ContentPart(kind="json", title=f"{kind}: {name}{where}", body=body)
        elif kind in {"image", "document", "search_result", "container_upload"}:
            yield from self._file(block, kind)
        elif kind.endswith("tool_result"):
            yield from self._result(block, kind)
        else:
            yield ContentPart(kind="json", title=kind, body=compact(block), fold="Block")

    def _file(self, block: JsonObject, kind: str) -> Iterator[ContentPart]:
        """Show a file by its name and its size, and what can be read of it folded."""
        noun, title, source = kind.replace("_", " "), block.get("title"), block.get("source")
        where: JsonObject = source if isinstance(source, Mapping) else {}
        digest = file_digest(block)
        name = self.files.get(digest) if digest is not None else None
        for named in (where.get("url"), where.get("file_id"), block.get("file_id"), source):
            name = name or (named if isinstance(named, str) else None)

        # What it holds: bytes, of which the size is told, or text.
        data, is_binary = where.get("data"), where.get("type") == "base64"
        text, size = "", None
        if isinstance(data, str):
            size = _decoded(data) if is_binary else len(data.encode(errors="replace"))
            text = "" if is_binary else data
        elif kind == "search_result" or where.get("type") == "content":
            text = _inner_text(block.get("content") if kind == "search_result" else where.get("content"))
        words = [noun, f'"{truncate(str(title))}"' if title else "", truncate(name or "")]
        sizes = [str(where["media_type"]) if not name and "media_type" in where else ""]
        sizes.append(_size(size) if size is not None else "")
        shown = ", ".join(filter(None, [" ".join(filter(None, words)), *sizes]))
        if text:
            yield ContentPart(kind="text", title=shown, body=text, fold="Text")
        elif not name and size is None:
            yield ContentPart(kind="json", title=kind, body=compact(block), fold="Block")
        else:
            yield ContentPart(kind="note", body=f"[{shown}]")

    def _result(self, block: JsonObject, kind: str) -> Iterator[ContentPart]:
        """Show what a tool returned, with the name of the tool where its call stands before it."""
        content = block.get("content")
        failed = block.get("is_error") or (isinstance(content, Mapping) and "error_code" in content)
        name = self.tools.get(str(block.get("tool_use_id")))
        title = kind.replace("_", " ") + (f" of {name}" if name else "") + (", an error" if failed else "")
        if kind in {"tool_result", "mcp_tool_result"}:
            # Content of its own.
            for part in content_parts(content or "", self.files):
                yield replace(part, title=f"{title}: {part.title}" if part.title else title)
            return
        said = _search_hits(content) if isinstance(content, Sequence) else _output(content)
        whole = ContentPart(kind="text", title=title, body=said) if said else None
        part = whole or ContentPart(kind="json", title=title, body=compact(content))
        yield replace(part, fold="Result")


def _is_text(block: Json) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "text" and isinstance(block.get("text"), str)


def _text(blocks: Sequence[Json]) -> Iterator[ContentPart]:
    """Yield text blocks each as a part; where one has citations, as one text with their numbers."""
    texts = [block for block in blocks if isinstance(block, Mapping)]
    cited = [_citations(block) for block in texts]
    if not any(cited):
        yield from (ContentPart(kind="text", body=str(block["text"])) for block in texts)
        return
    pieces: list[str] = []
    notes: list[str] = []
    for block, citations in zip(texts, cited, strict=True):
        pieces.append(str(block["text"]))
        for citation in citations:
            notes.append(f"[{len(notes) + 1}] {_citation(citation)}")
            pieces.append(f"[{len(notes)}]")
    yield ContentPart(kind="text", body="".join(pieces))
    yield ContentPart(kind="text", title="citations", body="\n".join(notes))


def _citations(block: JsonObject) -> Sequence[Json]:
    found = block.get("citations")
    return found if isinstance(found, Sequence) and not isinstance(found, str) else ()


def _citation(citation: Json) -> str:
    """Return what is cited, and where it stands, on one line."""
    if not isinstance(citation, Mapping):
        return compact(citation)
    quoted = _one_line(citation.get("cited_text") or "")
    names = ("document_title", "title", "source", "url", "file_id")
    where = [_one_line(citation[name]) for name in names if citation.get(name)]
    if not where and "document_index" in citation:
        where = [f"document {_number(citation['document_index'], 1)}"]
    for noun, start, end, add, subtract in _RANGES:
        if start in citation:
            first, last = _number(citation[start], add), _number(citation.get(end), subtract)
            where.append(f"{noun} {first}" if first == last else f"{noun}s {first} to {last}")
    return f'"{truncate(quoted)}" ({", ".join(where)})' if where else f'"{truncate(quoted)}"'


def _one_line(value: Json) -> str:
    return " ".join(str(value).split())


def _number(value: Json, add: int) -> str:
    return str(value + add) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _thinking(block: JsonObject) -> ContentPart:
    text = block.get("thinking")
    if isinstance(text, str) and text:
        return ContentPart(kind="text", title="thinking", body=text, fold="Thinking")
    if block["type"] == "thinking":
        return ContentPart(kind="note", body="Thinking, whose text the API left out.")
    size = len(str(block.get("data") or ""))
    return ContentPart(kind="note", body=f"Thinking, encrypted by the API: {size:,} characters.")


def _search_hits(content: Sequence[Json]) -> str:
    """Return the results of a search, a line of each; nothing where they are of another kind."""
    hits = [each for each in content if isinstance(each, Mapping) and "url" in each]
    if len(hits) < len(content):
        return ""
    return "\n".join(f"{each.get('title')} ({each['url']})" for each in hits)


def _output(content: Json) -> str:
    """Return what a program wrote and ended with; nothing where a tool returned anything else."""
    if not isinstance(content, Mapping) or not all(name in content for name in _OUTPUTS):
        return ""
    lines = [str(content[name]).rstrip("\n") for name in ("stdout", "stderr") if content[name]]
    return "\n".join([*lines, f"(return code {content['return_code']})"])


def _inner_text(content: Json) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, Sequence) else ()
    return "\n\n".join(str(each.get("text") or compact(each)) for each in blocks if isinstance(each, Mapping))


def _size(size: int) -> str:
    if size < _KILO:
        return f"{size} bytes"
    return f"{size / _KILO:.0f} kB" if size < _KILO * _KILO else f"{size / _KILO / _KILO:.1f} MB"


def _decoded(data: str) -> int:
    """Return the bytes behind base64: four characters are three, less one for each `=` that fills it up."""
    return len(data) * 3 // 4 - data[-2:].count("=")


def _shorten(value: Json, depth: int) -> Json:
    if isinstance(value, Mapping):
        if not depth:
            return "(nested too deep to show)"
        return {name: _shorten(_field(name, item), depth - 1) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_shorten(item, depth - 1) for item in value] if depth else "(nested too deep to show)"
    return value


def _field(name: str, value: Json) -> Json:
    if name in _OPAQUE and isinstance(value, str) and len(value) > _MAX_OPAQUE:
        return f"({len(value):,} characters)"
    data = value.get("data") if isinstance(value, Mapping) and value.get("type") == "base64" else None
    if isinstance(value, Mapping) and isinstance(data, str):
        return {**value, "data": f"({_decoded(data):,} bytes)"}
    return value

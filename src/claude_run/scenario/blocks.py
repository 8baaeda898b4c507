"""Content blocks: text, images, documents and search results in short forms, and the API's own."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, cast

from claude_run.scenario import keys
from claude_run.scenario.fields import conforms, is_own, known, mapping, text, unknown_key
from claude_run.scenario.files import FileProblemError
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.media import KINDS, SUFFIXES, media_type
from claude_run.scenario.model import Block, JsonBlock, Text, TextBlock
from claude_run.scenario.paths import taken_files
from claude_run.scenario.source import with_lf
from claude_run.scenario.template_language import is_template
from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode, describe, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.yaml_tree import Entry, Node

Allowed = Literal["user", "assistant", "text"]
"""Which blocks a content may have: all; text and the API's own JSON; text alone."""

BLOCK_HINT = (
    "write `- text: ...`, `- image: path`, `- document: path`, `- search_result: {...}`, "
    "or a block with `type`"
)

SUGAR: Mapping[str, keys.Keys] = {
    "image": keys.IMAGE_BLOCK,
    "document": keys.DOCUMENT_BLOCK,
    "search_result": keys.SEARCH_RESULT_BLOCK,
    "text": keys.TEXT_BLOCK,
}
"""The short forms by the key that tells each, with the table of all their keys."""

_SOURCES = {"image": keys.IMAGE_SOURCE, "document": keys.DOCUMENT_SOURCE}
_EXTENSIONS = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"}
_TEMPLATES = frozenset({"title", "context"})
_CONTENTS = ("text", "file", "content")


def block(context: ReadContext, node: Node, *, allowed: Allowed, turn: int) -> Block | None:
    """Read one block of a content; None where it has problems."""
    whole = mapping(context.report, node, what="a content block", hint=BLOCK_HINT)
    if whole is None:
        return None
    if whole.get("type"):
        return _api_block(context, whole, allowed=allowed, turn=turn)
    sugar = next((name for name in SUGAR if whole.get(name)), None)
    if sugar is not None:
        return _sugar_block(context, whole, sugar=sugar, allowed=allowed, turn=turn)
    entry = next((entry for entry in whole.entries if not is_own(entry.key)), None)
    if entry is None:
        context.report.node(whole, "this content block is empty", hint=BLOCK_HINT)
    else:
        known_keys = ("text", "image", "document", "search_result", "type")
        unknown_key(context.report, entry, keys=known_keys, what="a content block")
    return None


def text_of(context: ReadContext, entry: Entry, *, turn: int) -> Text | None:
    """Read a text that is rendered when it is played; None where it has problems."""
    node = entry.value
    if isinstance(node, ScalarNode) and node.value is None:
        context.report.key(entry, f"`{entry.key}` is empty", hint="write a text, or remove it")
        return None
    source = text(context.report, entry)
    if source is None or not isinstance(node, ScalarNode):
        return None
    context.template(source, node, turn=turn)
    return Text(source=source, position=node.position)


def file_path(context: ReadContext, node: MappingNode, *, what: str) -> Entry | None:
    """Read the entry of `{file: path}`; None where it has problems."""
    entries = known(context.report, node, keys=keys.FILE, what=what)
    entry = entries.get("file")
    if entry is None:
        context.report.node(node, f"{what} has no `file`", hint="write {file: path}")
        return None
    return entry if text(context.report, entry) is not None else None


def image_block(data: bytes, name: str) -> JsonObject:
    """Return an `image` block with base64 data; FileProblemError where the bytes are not a known image."""
    kind = media_type(data)
    if kind is None or not kind.startswith("image/"):
        hint = "use `document:` for it" if kind else "use a PNG, JPEG, GIF or WebP file"
        raise FileProblemError(f"{name} is not an image that the API takes", hint)
    _require_suffix(name, kind)
    return {"type": "image", "source": _base64(kind, data)}


def document_block(data: bytes, name: str) -> JsonObject:
    """Return a `document` block: a PDF as base64, a UTF-8 text as it is; otherwise FileProblemError."""
    kind = media_type(data)
    if kind == "application/pdf":
        _require_suffix(name, kind)
        return {"type": "document", "source": _base64(kind, data)}
    if kind:
        raise FileProblemError(f"{name} is an image, not a document", "use `image:` for it")
    _require_suffix(name, None)
    return {"type": "document", "source": _plain(_document_text(data, name))}


def _document_text(data: bytes, name: str) -> str:
    try:
        text = with_lf(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        message = f"{name} is neither a PDF nor a UTF-8 text"
        raise FileProblemError(message, "use a PDF or a text file") from error
    if "\0" in text or not text.strip():
        raise FileProblemError(f"{name} is empty or not text", "use a PDF or a text file")
    return text


def _require_suffix(name: str, kind: str | None) -> None:
    """Raise FileProblemError where the end of a name promises another type than the content has."""
    path = PurePosixPath(name)
    promised = SUFFIXES.get(path.suffix.lower())
    if promised in {None, kind}:
        return
    found = KINDS[kind] if kind else "a text"
    hint = f"rename it to {path.with_suffix(_EXTENSIONS[kind]).name}" if kind in _EXTENSIONS else "rename it"
    raise FileProblemError(f"{name} is {found}, not {KINDS[str(promised)]} as its name says", hint)


def _base64(kind: str, data: bytes) -> JsonObject:
    return {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode("ascii")}


def _plain(text: str) -> JsonObject:
    return {"type": "text", "media_type": "text/plain", "data": text}


def _sugar_block(
    context: ReadContext, node: MappingNode, *, sugar: str, allowed: Allowed, turn: int
) -> Block | None:
    table = SUGAR[sugar]
    entries = known(context.report, node, keys=table, what=f"this {sugar.replace('_', ' ')} block")
    main = entries.pop(sugar)
    if sugar != "text" and allowed != "user":
        message = f"`{sugar}` blocks may stand in user turns only"
        context.report.key(main, message, hint="move it into a user turn")
        return None

    # What stands beside it goes to the API under its own name.
    extras = [entry for entry in entries.values() if _fits(context, entry, table)]
    if sugar == "text":
        said = text_of(context, main, turn=turn)
        extra = {entry.key: to_json(entry.value) for entry in extras}
        return TextBlock(text=said, extra=extra or EMPTY) if said else None
    if sugar == "search_result":
        found = _search_result(context, main, turn=turn)
    else:
        found = _source(context, main, sugar=sugar, turn=turn)
    return None if found is None else _with(context, found, extras, turn=turn)


def _fits(context: ReadContext, entry: Entry, table: keys.Keys) -> bool:
    return conforms(context.report, entry.value, table[entry.key].schema, what=f"`{entry.key}`")


def _with(context: ReadContext, found: JsonBlock, extras: Sequence[Entry], *, turn: int) -> JsonBlock:
    said = [(entry.key, _template(context, entry.value, turn=turn)) for entry in extras]
    texts = tuple(((key,), each) for key, each in said if each is not None)
    return _beside(found, {entry.key: to_json(entry.value) for entry in extras}, texts)


def _beside(
    found: JsonBlock, beside: JsonObject, texts: tuple[tuple[tuple[str | int, ...], Text], ...]
) -> JsonBlock:
    """Return a block with what stands beside its content, whatever file that is read from."""
    versions = {path: {**value, **beside} for path, value in found.versions.items()}
    value = found.value if versions else {**found.value, **beside}
    return replace(found, value=value, texts=(*texts, *found.texts), versions=versions)


def _template(context: ReadContext, node: Node, *, turn: int) -> Text | None:
    """Keep a text that is a template, and return it; None where nothing is to be filled in."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or not is_template(node.value):
        return None
    context.template(node.value, node, turn=turn)
    return Text(source=node.value, position=node.position)


def _source(context: ReadContext, entry: Entry, *, sugar: str, turn: int) -> JsonBlock | None:
    """Read what an image or a document is: a path, or one of `file`, `url`, `file_id`, and `text`."""
    node = entry.value
    if not isinstance(node, MappingNode):
        return _of_file(context, entry, sugar=sugar)
    table = _SOURCES[sugar]
    entries = known(context.report, node, keys=table, what=f"`{sugar}`")
    # A key that is not known is reported already, and may be the one that is missing.
    sole = len(entries) == 1
    if not sole and (entries or all(is_own(each.key) for each in node.entries)):
        hint = "write one of {" + ": ...}, {".join(table) + ": ...}"
        context.report.node(node, f"`{sugar}` needs one source", hint=hint)
    if not sole:
        return None
    [given] = entries.values()
    if given.key == "file":
        return _of_file(context, given, sugar=sugar)
    said = text_of(context, given, turn=turn)
    if said is None:
        return None
    is_url = given.key == "url"
    if is_url and not is_template(said.source) and not said.source.startswith(("https://", "http://")):
        hint = "write https://..., or a path without `url`"
        context.report.node(given.value, "this is not a URL", hint=hint)
    source: JsonObject = {"type": "url" if is_url else "file", given.key: said.source}
    path = ("source", given.key)
    if given.key == "text":
        source, path = _plain(said.source), ("source", "data")
    texts = ((path, said),) if is_template(said.source) else ()
    return JsonBlock(value={"type": sugar, "source": source}, texts=texts, position=given.value.position)


def _of_file(context: ReadContext, entry: Entry, *, sugar: str) -> JsonBlock | None:
    name = text(context.report, entry)
    if name is None:
        return None
    return _read_file(context, entry, name, lambda path: _file_block(context, sugar, path))


def _read_file(
    context: ReadContext, entry: Entry, name: str, read: Callable[[str], JsonObject]
) -> JsonBlock | None:
    """Return what `read` makes of a file, or of each that a path with variables becomes."""
    node = entry.value
    if not is_template(name) or not isinstance(node, ScalarNode):
        value = context.file(node, lambda: read(name))
        return None if value is None else JsonBlock(value=value, name=name, position=node.position)
    files = taken_files(context, name, node)
    versions: dict[str, JsonObject] = {}
    paths: dict[tuple[str | None, str | None], str] = {}
    for path, taken in (files or {}).items():
        try:
            versions[path] = read(path)
        except FileProblemError as error:
            context.report.node(node, error.message + taken.whose, hint=error.hint)
        paths.update(((case.id, variant.id), path) for case, variant in taken.pairs)
    if not versions or len(versions) < len(files or ()):
        return None
    return JsonBlock(value=EMPTY, name=name, position=node.position, versions=versions, paths=paths)


def _file_block(context: ReadContext, sugar: str, name: str) -> JsonObject:
    """Return the block of an image or a document, read and encoded once however often it is named."""
    if (sugar, name) not in context.blocks:
        make = image_block if sugar == "image" else document_block
        try:
            context.blocks[sugar, name] = make(context.files.binary(name), name)
        except FileProblemError as error:
            # Not the error itself: it holds on to a traceback, which would grow with every place.
            context.blocks[sugar, name] = error.message, error.hint
    found = context.blocks[sugar, name]
    if isinstance(found, tuple):
        raise FileProblemError(*found)
    return found


def _search_result(context: ReadContext, entry: Entry, *, turn: int) -> JsonBlock | None:
    """Read a `search_result`: where it is from, what it is called, and what it says."""
    report, hint = context.report, "write {title: ..., source: ..., text: ...}"
    node = mapping(report, entry.value, what="`search_result`", hint=hint)
    if node is None:
        return None
    entries = known(report, node, keys=keys.SEARCH_RESULT, what="this search result")
    given = [entries[key] for key in _CONTENTS if key in entries]
    if len(given) != 1:
        report.node(node, "a search result needs one of `text`, `file` and `content`", hint=hint)
        return None
    of_file = given[0].key == "file"
    found = _page(context, given[0]) if of_file else _passages(context, given[0], turn=turn)

    # The API wants both; a file says both, unless somebody knows better.
    about: dict[str, Text | None] = {}
    for key in ("title", "source"):
        if key in entries:
            about[key] = text_of(context, entries[key], turn=turn)
        elif not of_file:
            report.node(node, f"this search result has no `{key}`", hint=hint)
            about[key] = None
    said = {key: each for key, each in about.items() if each is not None}
    if found is None or len(said) < len(about):
        return None

    beside: dict[str, Json] = {key: each.source for key, each in said.items()}
    if "citations" in entries and _fits(context, entries["citations"], keys.SEARCH_RESULT):
        beside["citations"] = to_json(entries["citations"].value)
    texts = tuple(((key,), each) for key, each in said.items() if is_template(each.source))
    return _beside(found, beside, texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """One text of a search result."""

    said: Text
    extra: JsonObject = EMPTY


def _page(context: ReadContext, entry: Entry) -> JsonBlock | None:
    """Read a search result whose content is that of a file, which is no template."""

    def read(path: str) -> JsonObject:
        content = [{"type": "text", "text": _document_text(context.files.binary(path), path)}]
        return _result(PurePosixPath(path).name, path, content)

    name = text(context.report, entry)
    return None if name is None else _read_file(context, entry, name, read)


def _passages(context: ReadContext, entry: Entry, *, turn: int) -> JsonBlock | None:
    """Read a search result whose content is written in the scenario."""
    pieces = _pieces(context, entry, turn=turn)
    if pieces is None:
        return None
    content = [{"type": "text", "text": piece.said.source, **piece.extra} for piece in pieces]
    texts = tuple(
        (("content", at, "text"), piece.said)
        for at, piece in enumerate(pieces)
        if is_template(piece.said.source)
    )
    return JsonBlock(value=_result("", "", content), texts=texts, position=entry.value.position)


def _result(title: str, source: str, content: Sequence[JsonObject]) -> JsonObject:
    return {"type": "search_result", "source": source, "title": title, "content": content}


def _pieces(context: ReadContext, entry: Entry, *, turn: int) -> Sequence[_Piece] | None:
    """Read the content of a search result; None where it has problems."""
    if entry.key == "text":
        said = text_of(context, entry, turn=turn)
        return None if said is None else [_Piece(said=said)]
    if not isinstance(entry.value, ListNode) or not entry.value.items:
        message = f"`content` must be a list of texts, not {describe(entry.value)}"
        context.report.node(entry.value, message, hint="write [text, text], or `text: ...` for one")
        return None
    pieces = [_piece(context, item, turn=turn) for item in entry.value.items]
    whole = [piece for piece in pieces if piece is not None]
    return whole if len(whole) == len(pieces) else None


def _piece(context: ReadContext, node: Node, *, turn: int) -> _Piece | None:
    if not isinstance(node, ScalarNode):
        found = block(context, node, allowed="text", turn=turn)
        if not isinstance(found, TextBlock):
            return None
        return _Piece(said=found.text, extra=found.extra)
    if not isinstance(node.value, str) or not node.value.strip():
        context.report.node(node, "a piece of a search result must be a text", hint="quote it")
        return None
    context.template(node.value, node, turn=turn)
    return _Piece(said=Text(source=node.value, position=node.position))


def _api_block(context: ReadContext, node: MappingNode, *, allowed: Allowed, turn: int) -> Block | None:
    entries = {entry.key: entry for entry in node.entries if not is_own(entry.key)}
    kind = entries["type"]
    if not conforms(context.report, kind.value, {"type": "string"}, what="`type`"):
        return None
    if to_json(kind.value) == "text":
        if "text" not in entries:
            context.report.node(node, "this text block has no `text`", hint="write `- text: ...`")
            return None
        source = text_of(context, entries["text"], turn=turn)
        rest = {key: to_json(entry.value) for key, entry in entries.items() if key not in {"type", "text"}}
        return TextBlock(text=source, extra=rest or EMPTY) if source else None
    if allowed == "text":
        context.report.node(kind.value, "only text blocks may stand here", hint="write `- text: ...`")
        return None
    value = {key: to_json(entry.value) for key, entry in entries.items()}
    return JsonBlock(value=cast("JsonObject", value), position=node.position)

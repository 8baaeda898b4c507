"""System prompts and the content of turns: text, files, and content blocks."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from claude_run.scenario import keys
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.fields import Template, conforms, is_own, known, mapping, sequence, text, unknown_key
from claude_run.scenario.files import FileProblemError
from claude_run.scenario.model import EMPTY, Block, Content, JsonBlock, Position, Text, TextBlock
from claude_run.scenario.source import with_lf
from claude_run.scenario.template import Renderer, RenderError
from claude_run.scenario.template_language import is_template
from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode, to_json

if TYPE_CHECKING:
    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.model import Case, Json, JsonObject, Variant
    from claude_run.scenario.settings import Settings
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Entry, Node

Allowed = Literal["user", "assistant", "text"]
"""Which blocks a content may have: all; text and the API's own JSON; text alone."""

_SUGAR = {"text": keys.TEXT_BLOCK, "image": keys.IMAGE_BLOCK, "document": keys.DOCUMENT_BLOCK}
_BLOCK_HINT = "write `- text: ...`, `- image: path`, `- document: path`, or a block with `type`"
MAX_FILES = 1000
"""How many files one path may become."""

# An image's or document's type comes from its first bytes, not from its name.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_WEBP = (b"RIFF", b"WEBP")


def system_prompt(context: ReadContext, entry: Entry) -> Content | None:
    """Read a system prompt: text, `{file: path}`, or a list of text blocks; None where it has problems."""
    if isinstance(entry.value, MappingNode):
        return _text_file(context, entry.value, what="`system`", turn=0)
    return content(context, entry, allowed="text", turn=0)


def content(context: ReadContext, entry: Entry, *, allowed: Allowed, turn: int) -> Content | None:
    """Read a content: text, `{file: path}`, or a list of blocks; None where it has problems."""
    node = entry.value
    if isinstance(node, ListNode):
        blocks = [
            _block(context, item, allowed=allowed, turn=turn)
            for item in sequence(context.report, node, what=f"`{entry.key}`") or ()
        ]
        whole = tuple(block for block in blocks if block is not None)
        return whole if whole and len(whole) == len(blocks) else None
    if isinstance(node, MappingNode) and node.get("file"):
        return _text_file(context, node, what=f"`{entry.key}`", turn=turn)
    if isinstance(node, MappingNode):
        hint = f"write {{file: path}} for a text in a file; {_BLOCK_HINT}"
        context.report.node(node, f"`{entry.key}` must be a text or a list of blocks", hint=hint)
        return None
    return text_of(context, entry, turn=turn)


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
    kind = _media_type(data)
    if kind is None or not kind.startswith("image/"):
        hint = "use `document:` for it" if kind else "use a PNG, JPEG, GIF or WebP file"
        raise FileProblemError(f"{name} is not an image that the API takes", hint)
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode("ascii")},
    }


def document_block(data: bytes, name: str) -> JsonObject:
    """Return a `document` block: a PDF as base64, a UTF-8 text as it is; otherwise FileProblemError."""
    kind = _media_type(data)
    if kind == "application/pdf":
        return {
            "type": "document",
            "source": {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode("ascii")},
        }
    if kind:
        raise FileProblemError(f"{name} is an image, not a document", "use `image:` for it")
    try:
        text = with_lf(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        message = f"{name} is neither a PDF nor a UTF-8 text"
        raise FileProblemError(message, "use a PDF or a text file") from error
    if "\0" in text or not text.strip():
        raise FileProblemError(f"{name} is empty or not text", "use a PDF or a text file")
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}


def _text_file(context: ReadContext, node: MappingNode, *, what: str, turn: int) -> Text | None:
    """Read a text that stands in a file, or one for each path that a template becomes."""
    entry = file_path(context, node, what=what)
    if entry is None or not isinstance(entry.value, ScalarNode):
        return None
    path = str(to_json(entry.value))
    if not is_template(path):
        return _text_in(context, entry.value, path, turn=turn)

    # Which path it becomes hangs on variables alone: what replies say is not known before they are paid for.
    context.template(path, entry.value, turn=0)
    chosen: dict[str, list[tuple[Case, Variant]]] = {}
    for case, variant, variables in context.settings.each():
        # A variable that is not defined is reported with all others.
        with suppress(RenderError):
            chosen.setdefault(str(Renderer(variables).fill(path, {})), []).append((case, variant))
    if len(chosen) > MAX_FILES:
        message = f"this path becomes {len(chosen):,} different ones, and at most {MAX_FILES:,} are read"
        context.report.node(entry.value, message, hint="divide the cases among several scenarios")
        return None
    versions: dict[str, Text] = {}
    for filled, played in chosen.items():
        cases = tuple({id(case): case for case, _ in played}.values())
        variants = tuple({id(variant): variant for _, variant in played}.values())
        settings = context.settings.of(cases=cases, variants=variants)
        text = _text_in(context, entry.value, filled, turn=turn, settings=settings)
        if text is not None:
            versions[filled] = text
    if not versions or len(versions) < len(chosen):
        return None
    return Text(source=path, position=entry.value.position, versions=versions)


def _text_in(
    context: ReadContext, node: ScalarNode, path: str, *, turn: int, settings: Settings | None = None
) -> Text | None:
    """Read one file; `settings` are those whose path it is, named where they are not all."""
    source: Source | None = None
    try:
        source = context.files.prompt(path)
    except FileProblemError as error:
        context.report.node(node, error.message + _whose(settings), hint=error.hint)
    except InvalidScenarioError as error:
        context.problems.merge(error.problems)
    if source is None:
        context.unread.append(path)
        return None
    if not source.text.strip():
        message = f"{path} is empty{_whose(settings)}"
        context.report.node(node, message, hint="write the text into it")
        return None
    context.sources[source.path] = source
    template = Template(text=source.text, source=source, scalar=None, turn=turn, settings=settings)
    context.templates.append(template)
    return Text(source=source.text, position=Position(path=source.path, line=1, column=1))


def _whose(settings: Settings | None) -> str:
    """Return in which case and variant a path was filled in, the first ones of many."""
    if settings is None:
        return ""
    named = [("case", settings.cases[0].id), ("variant", settings.variants[0].id)]
    return "".join(f", in {what} `{name}`" for what, name in named if name is not None)


def _block(context: ReadContext, node: Node, *, allowed: Allowed, turn: int) -> Block | None:
    whole = mapping(context.report, node, what="a content block", hint=_BLOCK_HINT)
    if whole is None:
        return None
    if whole.get("type"):
        return _api_block(context, whole, allowed=allowed, turn=turn)
    sugar = next((name for name in ("image", "document", "text") if whole.get(name)), None)
    if sugar is not None:
        return _sugar_block(context, whole, sugar=sugar, allowed=allowed, turn=turn)
    entry = next((entry for entry in whole.entries if not is_own(entry.key)), None)
    if entry is None:
        context.report.node(whole, "this content block is empty", hint=_BLOCK_HINT)
    else:
        unknown_key(context.report, entry, keys=("text", "image", "document", "type"), what="a content block")
    return None


def _sugar_block(
    context: ReadContext, node: MappingNode, *, sugar: str, allowed: Allowed, turn: int
) -> Block | None:
    report = context.report
    entries = known(report, node, keys=_SUGAR[sugar], what=f"this {sugar} block")
    if sugar != "text" and allowed != "user":
        message = f"`{sugar}` blocks may stand in user turns only"
        report.key(entries[sugar], message, hint="move it into a user turn")
        return None

    # What stands beside the text or the file goes to the API as it is.
    extra: dict[str, Json] = {}
    for key, entry in entries.items():
        about = keys.DOCUMENT_BLOCK.get(key)
        if key != sugar and (not about or conforms(report, entry.value, about.schema, what=f"`{key}`")):
            extra[key] = to_json(entry.value)

    if sugar == "text":
        source = text_of(context, entries["text"], turn=turn)
        return TextBlock(text=source, extra=extra or EMPTY) if source else None
    name = text(report, entries[sugar])
    if name is None:
        return None
    value = context.file(entries[sugar].value, lambda: _file_block(context, sugar, name))
    return JsonBlock(value={**value, **extra}) if value is not None else None


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
    return JsonBlock(value={key: to_json(entry.value) for key, entry in entries.items()})


def _media_type(data: bytes) -> str | None:
    if data[:4] == _WEBP[0] and data[8:12] == _WEBP[1]:
        return "image/webp"
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), None)

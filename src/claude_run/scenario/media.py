"""Images and documents as the API's content blocks; their type comes from the content, not from the name."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from claude_run.scenario.files import FileProblemError

if TYPE_CHECKING:
    from claude_run.scenario.model import JsonObject

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_WEBP = (b"RIFF", b"WEBP")


def image_block(data: bytes, name: str) -> JsonObject:
    """Return an `image` block with base64 data; FileProblemError where the bytes are no known image."""
    kind = _media_type(data)
    if kind is None or not kind.startswith("image/"):
        hint = "use `document:` for it" if kind else "use a PNG, JPEG, GIF or WebP file"
        raise FileProblemError(f"{name} is no image that the API takes", hint)
    return {"type": "image", "source": _base64(data, kind)}


def document_block(data: bytes, name: str) -> JsonObject:
    """Return a `document` block: a PDF as base64, a UTF-8 text as it is; otherwise FileProblemError."""
    kind = _media_type(data)
    if kind == "application/pdf":
        return {"type": "document", "source": _base64(data, kind)}
    if kind:
        raise FileProblemError(f"{name} is an image, not a document", "use `image:` for it")
    return {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": _text(data, name)},
    }


def _media_type(data: bytes) -> str | None:
    if data[:4] == _WEBP[0] and data[8:12] == _WEBP[1]:
        return "image/webp"
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), None)


def _base64(data: bytes, kind: str) -> JsonObject:
    return {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode("ascii")}


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileProblemError(
            f"{name} is neither a PDF nor a UTF-8 text", "use a PDF or a text file"
        ) from error
    if "\0" in text or not text.strip():
        raise FileProblemError(f"{name} is empty or no text", "use a PDF or a text file")
    return text

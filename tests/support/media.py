"""The smallest images and PDFs that say what a test needs: a type, a size in pixels, a number of pages."""

from __future__ import annotations

import base64
from typing import Any


def png(width: int = 1, height: int = 1, *, padding: int = 0) -> bytes:
    """Return the head of a PNG, and so many bytes behind it."""
    sides = width.to_bytes(4) + height.to_bytes(4)
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + sides + b"\x08\x02\0\0\0" + b"x" * padding


def jpeg(width: int = 1, height: int = 1) -> bytes:
    """Return the head of a JPEG whose frame comes after two other segments, a byte that fills up between."""
    other = b"\xff\xe0\0\x04ab" + b"\xff\xff\xdb\0\x03x"
    return b"\xff\xd8" + other + b"\xff\xc0\0\x11\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\x03" * 8


def gif(width: int = 1, height: int = 1) -> bytes:
    """Return the head of a GIF."""
    return b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0\0\0"


def webp(kind: bytes, width: int = 1, height: int = 1) -> bytes:
    """Return the head of a WebP of one of its three kinds: `VP8 `, `VP8L`, `VP8X`."""
    if kind == b"VP8X":
        body = b"\0" * 4 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + b"\0" * 8
    else:
        body = b"\0\0\0\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + body


def pdf(pages: int | None = 1, *, encrypted: bool = False) -> bytes:
    """Return a PDF whose page tree has a branch; without pages the tree is compressed and cannot be read."""
    tree = b"" if pages is None else f"<< /Type /Pages /Kids [2 0 R] /Count {pages} >>".encode()
    branch = b"2 0 obj\n<< /Count 1 /Type /Pages >>\nendobj\n3 0 obj\n<< /Count 9999 >>\nendobj\n"
    trailer = b"trailer << /Root 1 0 R /Encrypt 5 0 R >>" if encrypted else b"trailer << /Root 1 0 R >>"
    return b"%PDF-1.4\n1 0 obj\n" + tree + b"\nendobj\n" + (branch if pages else b"") + trailer


def block(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    """Return the content block of an image or a PDF."""
    kind = "document" if media_type == "application/pdf" else "image"
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
    return {"type": kind, "source": source}

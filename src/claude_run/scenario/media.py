"""Images and PDFs: what their bytes say they are, and what the API takes of them.

The numbers are those of the API's pages on vision, PDFs and errors, as of 2026-09. Only headers are read, by
hand: what needs a decoder to be known is left to the API.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.json_values import Json, JsonObject

MAX_IMAGE = 10 * 1024 * 1024
"""The longest base64 text of one image."""

MAX_SIDE = 8000
"""The most pixels that an image may be wide or high."""

MANY_IMAGES, MAX_SIDE_OF_MANY = 20, 2000
"""In a request of more images than these, none may be wider or higher than this."""

LONG_CONTEXT = 1_000_000
"""So many tokens of context make the larger of these two limits hold."""

MAX_MEDIA, MAX_MEDIA_SHORT = 600, 100
"""How many images and pages of PDFs a request may hold together: on models of long context, on others."""

MAX_REQUEST = 32 * 1024 * 1024
"""The most bytes that a request may have."""

KINDS: Mapping[str, str] = {
    "image/png": "a PNG image",
    "image/jpeg": "a JPEG image",
    "image/gif": "a GIF image",
    "image/webp": "a WebP image",
    "application/pdf": "a PDF",
}
"""The types that are told by their first bytes, in words."""

SUFFIXES: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".pdf": "application/pdf",
}
"""The type that the end of a file's name promises."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_PAGES = re.compile(rb"/Type\s*/Pages\b")
_COUNT = re.compile(rb"/Count\s+(\d{1,9})\b")
_ENCRYPTED = re.compile(rb"/Encrypt\s+\d+\s+\d+\s+R\b")
# The segments of a JPEG that say its size: start of frame, all but DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image or a PDF in a request: `size` characters of base64 that are said to be of `media_type`.

    `found` is the type that the bytes have, None for none that is known. `sides` are width and height in
    pixels; they and `pages` are None where the header does not say.
    """

    media_type: str
    size: int
    found: str | None
    sides: tuple[int, int] | None = None
    pages: int | None = None
    encrypted: bool = False

    @property
    def is_image(self) -> bool:
        return self.media_type != "application/pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """Why the API refuses an image or a PDF: in its own words behind the place, and in ours with a hint."""

    api: str
    message: str
    hint: str


def media_type(data: bytes) -> str | None:
    """Return the type of an image or a PDF by its first bytes; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), None)


def media_of(block: JsonObject) -> Media | None:
    """Return the image or the PDF that a content block holds as base64; None for any other block."""
    source = block.get("source")
    if block.get("type") not in {"image", "document"} or not isinstance(source, Mapping):
        return None
    data, said = source.get("data"), source.get("media_type")
    if source.get("type") != "base64" or not isinstance(data, str) or not isinstance(said, str):
        return None
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    found = media_type(raw)
    is_pdf = found == "application/pdf"
    return Media(
        media_type=said,
        size=len(data),
        found=found,
        sides=_SIZES[found](raw) if found in _SIZES else None,
        pages=_pages(raw) if is_pdf else None,
        encrypted=is_pdf and _ENCRYPTED.search(raw) is not None,
    )


def media_in(content: Json) -> Iterator[Media]:
    """Yield the images and PDFs of a message's content, those in results of tools too."""
    for block in content if isinstance(content, list | tuple) else ():
        if not isinstance(block, Mapping):
            continue
        if (found := media_of(block)) is not None:
            yield found
        if block.get("type") == "tool_result":
            yield from media_in(block.get("content"))


def excess(media: Media, *, of_many: bool = False) -> Excess | None:
    """Return why the API refuses an image or a PDF; `of_many` says that its request has many images."""
    if media.is_image and media.size > MAX_IMAGE:
        size = f"{media.size} bytes > {MAX_IMAGE} bytes"
        return Excess(
            api=f"image exceeds {MAX_IMAGE >> 20} MB maximum: {size}",
            message=f"this image has {megabytes(media.size)} as base64; the API takes {MAX_IMAGE >> 20} MB",
            hint="make it smaller: a large image is scaled down before the model sees it anyway",
        )
    if media.found is not None and media.found != media.media_type:
        named, found = media.media_type, KINDS[media.found]
        return Excess(
            api=f"The image was specified using the {named} media type, but it appears to be {media.found}",
            message=f"`media_type` is {named}, but the data are {found}",
            hint=f"write `media_type: {media.found}`",
        )
    if media.sides is not None and max(media.sides) > MAX_SIDE:
        width, height = media.sides
        return Excess(
            api=f"At least one of the image dimensions exceed max allowed size: {MAX_SIDE} pixels",
            message=f"this image is {width:,} x {height:,} pixels; a side may have {MAX_SIDE:,}",
            hint="make it smaller: a large image is scaled down before the model sees it anyway",
        )
    if of_many and media.sides is not None and max(media.sides) > MAX_SIDE_OF_MANY:
        width, height = media.sides
        return Excess(
            api="At least one of the image dimensions exceed max allowed size for many-image requests:"
            f" {MAX_SIDE_OF_MANY} pixels",
            message=f"this image is {width:,} x {height:,} pixels; in a request of more than {MANY_IMAGES}"
            f" images a side may have {MAX_SIDE_OF_MANY:,}",
            hint="make the images smaller, or send fewer of them in one conversation",
        )
    if media.encrypted:
        return Excess(
            api="The PDF specified is password protected.",
            message="this PDF is encrypted, and the API takes none with a password",
            hint="save it without a password",
        )
    return None


def megabytes(size: int) -> str:
    """Return a number of bytes in the units that the API's limits are told in: `12.9 MB`."""
    return f"{size / (1 << 20):.1f} MB"


def _pages(data: bytes) -> int | None:
    """Return the pages of a PDF by its page tree; None where that is compressed, and cannot be read."""
    most: int | None = None
    for found in _PAGES.finditer(data):
        start, end = data.rfind(b" obj", 0, found.start()), data.find(b"endobj", found.end())
        count = _COUNT.search(data, max(0, start), end if end >= 0 else len(data))
        if count is not None:
            # The root of the tree counts what its branches do, together.
            most = max(most or 0, int(count[1]))
    return most


def _png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR" or len(data) < 24:  # noqa: PLR2004 - where its first chunk says both sides
        return None
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _gif(data: bytes) -> tuple[int, int] | None:
    if len(data) < 10:  # noqa: PLR2004 - where its screen descriptor says both sides
        return None
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if len(data) < 30:  # noqa: PLR2004 - the longest of the three heads
        return None
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk over the segments of a JPEG to its first frame, which says the size."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:  # noqa: PLR2004 - what a marker begins with
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a byte that only fills up
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAMES:
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


_SIZES = {"image/png": _png, "image/jpeg": _jpeg, "image/gif": _gif, "image/webp": _webp}

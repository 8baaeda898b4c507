"""What the bytes of images and PDFs say, and what the API takes of them."""

from __future__ import annotations

from typing import Any

import pytest

from claude_run.scenario.media import Media, excess, media_in, media_of
from tests.support.media import block, gif, jpeg, pdf, png, webp


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (png(640, 480), "image/png"),
        (jpeg(640, 480), "image/jpeg"),
        (gif(640, 480), "image/gif"),
        (webp(b"VP8X", 640, 480), "image/webp"),
        (webp(b"VP8L", 640, 480), "image/webp"),
        (webp(b"VP8 ", 640, 480), "image/webp"),
    ],
)
def test_the_size_of_an_image_stands_in_its_head(data: bytes, media_type: str) -> None:
    """Width and height are read from each kind of image, whatever it is said to be."""
    found = media_of(block(data))
    assert found is not None
    assert (found.found, found.sides, found.is_image) == (media_type, (640, 480), True)


@pytest.mark.parametrize(
    "data",
    [
        png()[:18],
        b"\x89PNG\r\n\x1a\nnot a head, but long enough",
        gif()[:8],
        jpeg()[:16],
        b"\xff\xd8\xff\xd9" + b"\0" * 20,
        webp(b"VP8X")[:25],
        webp(b"ALPH"),
    ],
)
def test_an_image_without_a_whole_head_has_no_size(data: bytes) -> None:
    """What cannot be read is left to the API, and is no error of ours."""
    found = media_of(block(data, "image/png"))
    assert found is not None
    assert found.sides is None


def test_the_pages_of_a_pdf_are_counted_by_its_tree() -> None:
    """The root counts for its branches; other counts are none of pages; what is compressed is not known."""
    found = [media_of(block(pdf(pages), "application/pdf")) for pages in (7, 700, None)]
    assert [each and each.pages for each in found] == [7, 700, None]
    assert not any(each.is_image for each in found if each)
    cut_off = media_of(block(pdf(7).partition(b"endobj")[0], "application/pdf"))
    assert cut_off is not None
    assert cut_off.pages == 7


@pytest.mark.parametrize(
    "other",
    [
        {"type": "text", "text": "hi"},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "no base64!"}},
        {"type": "image", "source": {"type": "base64", "data": ""}},
        {"type": "image"},
    ],
)
def test_other_blocks_hold_no_image(other: dict[str, str]) -> None:
    """Text, what lies elsewhere, and what is no base64."""
    assert media_of(other) is None


def test_images_in_results_of_tools_count() -> None:
    """They are sent like others; a content that is a text holds none."""
    result: dict[str, Any] = {"type": "tool_result", "content": [block(png()), {"type": "text", "text": "x"}]}
    assert len(list(media_in([block(pdf(), "application/pdf"), result, "odd"]))) == 2
    assert list(media_in("text")) == []


MANY = "At least one of the image dimensions exceed max allowed size for many-image requests:"


def _excess(data: bytes, media_type: str = "image/png", *, of_many: bool = False) -> tuple[str, str] | None:
    media = media_of(block(data, media_type))
    assert isinstance(media, Media)
    found = excess(media, of_many=of_many)
    return (found.api, found.message) if found else None


def test_what_is_too_large_is_said_in_the_words_of_the_api_and_in_ours() -> None:
    """Bytes of base64, pixels of a side, a smaller side where there are many images, a password."""
    assert _excess(png(8000, 8000)) is None
    assert _excess(png(2001, 10)) is None
    assert _excess(png(10, 2000), of_many=True) is None
    found = [
        _excess(png(padding=7_900_000)),
        _excess(png(8001, 10)),
        _excess(jpeg(10, 2001), "image/jpeg", of_many=True),
        _excess(jpeg(), "image/png"),
        _excess(pdf(encrypted=True), "application/pdf"),
    ]
    assert found == [
        (
            "image exceeds 10 MB maximum: 10533372 bytes > 10485760 bytes",
            "this image has 10.0 MB as base64; the API takes 10 MB",
        ),
        (
            "At least one of the image dimensions exceed max allowed size: 8000 pixels",
            "this image is 8,001 x 10 pixels; a side may have 8,000",
        ),
        (
            f"{MANY} 2000 pixels",
            "this image is 10 x 2,001 pixels; in a request of more than 20 images a side may have 2,000",
        ),
        (
            "The image was specified using the image/png media type, but it appears to be image/jpeg",
            "`media_type` is image/png, but the data are a JPEG image",
        ),
        (
            "The PDF specified is password protected.",
            "this PDF is encrypted, and the API takes none with a password",
        ),
    ]

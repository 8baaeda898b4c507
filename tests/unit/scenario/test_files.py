"""Files that scenarios name: inside the root, regular, bounded, recognised by content."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from claude_run.scenario.blocks import document_block, image_block
from claude_run.scenario.diagnostics import found_out
from claude_run.scenario.files import MAX_TEXT, FileProblemError, Files
from tests.unit.scenario.loading import ONE_TURN, PNG, complaints, load_files, refused

if TYPE_CHECKING:
    from pathlib import Path


def reason(files: Files, name: str) -> str:
    """Return why a file is refused."""
    with pytest.raises(FileProblemError) as caught:
        files.binary(name)
    assert caught.value.hint
    return caught.value.message


def test_files_outside_of_the_root_are_refused(tmp_path: Path) -> None:
    """Neither `..`, nor an absolute path, nor a symbolic link leads out of the scenario's folder."""
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (inside / "own.txt").write_text("own")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "folder").symlink_to(tmp_path)
    (inside / "loop").symlink_to(inside / "loop")
    files = Files(inside)
    assert reason(files, "../secret.txt") == "../secret.txt lies outside of the scenario's root"
    assert reason(files, "link.txt") == "link.txt lies outside of the scenario's root"
    assert reason(files, "folder/secret.txt") == "folder/secret.txt lies outside of the scenario's root"
    assert "is an absolute path" in reason(files, str(inside / "own.txt"))
    assert "is empty or holds the character NUL" in reason(files, "a\0b")
    assert "is empty or holds the character NUL" in reason(files, "")
    with pytest.raises(FileProblemError, match="loop"):
        files.binary("loop")
    assert files.binary("sub/../own.txt") == b"own"
    assert Files(inside, tmp_path).binary("../secret.txt") == b"secret"


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A folder, a FIFO and a device are refused at once."""
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe")
    files = Files(tmp_path)
    assert reason(files, "pipe") == "pipe is not a regular file"
    assert "sub" in reason(files, "sub")
    assert reason(Files(tmp_path, root=type(tmp_path)("/")), os.path.relpath("/dev/null", tmp_path)) == (
        "null is not a regular file"
    )


def test_missing_files_come_with_a_suggestion(tmp_path: Path) -> None:
    """A slip in a file's name is recognised."""
    (tmp_path / "prompt.md").write_text("x")
    with pytest.raises(FileProblemError) as caught:
        Files(tmp_path).text("promt.md")
    assert found_out(caught.value.hint) == "did you mean `prompt.md`?"
    with pytest.raises(FileProblemError) as caught:
        Files(tmp_path).text("nowhere/prompt.md")
    assert found_out(caught.value.hint) == "paths are relative to the scenario's folder"
    with pytest.raises(FileProblemError, match=r"prompt\.md/x"):
        Files(tmp_path).text("prompt.md/x")


def test_sizes_are_bounded(tmp_path: Path) -> None:
    """A text over 1 MiB is refused, and so is an image over 32 MiB."""
    (tmp_path / "big.txt").write_bytes(b"x" * (MAX_TEXT + 1))
    with pytest.raises(FileProblemError, match=r"big\.txt is larger than 1,024 KiB"):
        Files(tmp_path).text("big.txt")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(32 * 1024 * 1024 + 1)
    assert reason(Files(tmp_path), "huge.png") == "huge.png is larger than 32,768 KiB"


def test_the_digest_does_not_depend_on_order(tmp_path: Path) -> None:
    """The same files give the same digest, in whatever order and spelling they are read."""
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first, second = Files(tmp_path), Files(tmp_path)
    first.binary("a"), first.binary("b")
    second.binary("./b"), second.binary("a"), second.binary("a")
    assert first.digest(b"x") == second.digest(b"x") != Files(tmp_path).digest(b"x")
    assert first.used == {(tmp_path / "a").resolve(), (tmp_path / "b").resolve()}


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_the_type_of_an_image_comes_from_its_content(data: bytes, media_type: str) -> None:
    """The name of the file does not matter."""
    source = image_block(data, "wrong.name")["source"]
    assert isinstance(source, dict)
    assert (source["type"], source["media_type"]) == ("base64", media_type)


def test_other_sound_files_are_no_images() -> None:
    """A RIFF file need not be a WebP image."""
    with pytest.raises(FileProblemError, match="not an image that the API takes"):
        image_block(b"RIFF\x00\x00\x00\x00WAVE", "a.webp")
    with pytest.raises(FileProblemError) as caught:
        image_block(b"%PDF-1.7", "a.png")
    assert caught.value.hint == "use `document:` for it"


def test_a_document_may_be_a_pdf_or_a_text() -> None:
    """A PDF is sent as base64, a text as it is."""
    assert document_block(b"%PDF-1.7", "a")["source"] == {
        "type": "base64",
        "media_type": "application/pdf",
        "data": "JVBERi0xLjc=",
    }
    assert document_block("é".encode(), "a")["source"] == {
        "type": "text",
        "media_type": "text/plain",
        "data": "é",
    }
    with pytest.raises(FileProblemError, match="empty or not text"):
        document_block(b"a\0b", "a")


def test_a_prompt_from_a_file_is_a_template_with_its_own_places(tmp_path: Path) -> None:
    """What is wrong inside the file is shown in the file."""
    files: dict[str, str | bytes] = {
        "a.yaml": "system: {file: p/s.md}\nvars: {who: x}\n" + ONE_TURN,
        "p/s.md": "Hello {{ who }}\nand {{ whom }}\n",
    }
    assert complaints(tmp_path, files) == ["p/s.md:2:8 undefined variable `whom`"]
    assert "2 | and {{ whom }}" in refused(tmp_path, files)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff", "s.md:1:1 the file is not UTF-8"),
        (b"ab\0", "s.md:1:3 a text may not hold the character NUL"),
        (b" \n", "a.yaml:1:16 s.md is empty"),
    ],
)
def test_a_prompt_must_be_text(tmp_path: Path, content: bytes, expected: str) -> None:
    """Other bytes are reported in the file, an empty file where it is named."""
    files: dict[str, str | bytes] = {"a.yaml": "system: {file: s.md}\n" + ONE_TURN, "s.md": content}
    assert complaints(tmp_path, files) == [expected]


def test_the_root_can_be_widened(tmp_path: Path) -> None:
    """With a wider root, scenarios share files of the folders above them."""
    files: dict[str, str | bytes] = {
        "sub/a.yaml": "system: {file: ../shared.md}\n" + ONE_TURN,
        "shared.md": "Hi",
    }
    (found,) = complaints(tmp_path, files, "sub/a.yaml")
    assert found == "sub/a.yaml:1:16 ../shared.md lies outside of the scenario's root"
    assert len(load_files(tmp_path, files, "sub/a.yaml", file_root=str(tmp_path))) == 1

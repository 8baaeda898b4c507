"""Streams that outlive their readers."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from claude_run.process import LastingStream

FULL = Path("/dev/full")


def test_what_nobody_reads_is_dropped() -> None:
    """A pipe without a reader takes everything from then on, what was in the buffer too: no failure."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        stream = LastingStream(pipe)
        for _ in range(2):
            assert stream.write("words") == 5
            stream.flush()
    assert stream.failure is None


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("buffering", [1, -1])
def test_what_finds_no_room_is_a_failure_for_the_end(buffering: int) -> None:
    """A full disk is remembered and not raised, however the stream is buffered."""
    with FULL.open("w", buffering=buffering) as full:
        stream = LastingStream(full)
        stream.write("words\n")
        stream.flush()
        stream.write("words\n")
    assert stream.failure is not None
    assert stream.failure.errno == errno.ENOSPC


def test_what_passes_is_changed_first() -> None:
    """The text that arrives is the changed one, and everything else is the stream's own."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="ascii") as pipe:
        stream = LastingStream(pipe, change=str.upper)
        stream.write("words")
        assert stream.encoding == "ascii"
    with os.fdopen(reader) as read:
        assert read.read() == "WORDS"

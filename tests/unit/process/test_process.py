"""Streams that outlive their readers, and what a signal means at each stage of a process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from claude_run.errors import ExitCode
from claude_run.process import LastingStream, Signals, is_in_ci

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


@pytest.mark.parametrize(
    ("encoding", "arrives"), [("latin-1", b"\xe9 \\u3053"), ("utf-8", b"\xc3\xa9 \xe3\x81\x93")]
)
def test_what_an_encoding_cannot_say_is_escaped(encoding: str, arrives: bytes) -> None:
    """A verdict is told in any terminal, whatever a reply holds."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding=encoding) as pipe:
        assert LastingStream(pipe).write("\u00e9 \u3053") == 3
    with os.fdopen(reader, "rb") as read:
        assert read.read() == arrives


@pytest.mark.parametrize(
    ("value", "said"), [("true", True), ("1", True), ("", False), ("false", False), ("0", False)]
)
def test_who_says_no_to_ci_is_not_in_it(monkeypatch: pytest.MonkeyPatch, value: str, *, said: bool) -> None:
    """`CI=false` is how a person gets rid of it."""
    monkeypatch.setenv("CI", value)
    assert is_in_ci() is said


def test_a_signal_is_taken_by_whom_it_is_handed_to_and_then_postponed() -> None:
    """The exit code is that of the first one that counts, and the handlers of before are back in the end."""
    signals, taken = Signals(), list[signal.Signals]()
    before = signal.getsignal(signal.SIGTERM)
    with signals.heard():
        with signals.handed_to(taken.append):
            signal.raise_signal(signal.SIGTERM)
        assert (taken, signals.code) == ([signal.SIGTERM], None)
        signal.raise_signal(signal.SIGHUP)
        assert signals.code is ExitCode.HUNG_UP
        signals.note(signal.SIGINT)
        assert signals.code is ExitCode.HUNG_UP
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("coming", ["before", "meanwhile"])
def test_whoever_waits_for_the_user_is_interrupted(coming: str) -> None:
    """By a signal that comes meanwhile, and by one that has been postponed."""
    signals = Signals()

    def send_at(moment: str) -> None:
        if moment == coming:
            signal.raise_signal(signal.SIGTERM)

    with signals.heard():
        signals.postpone()
        send_at("before")
        with pytest.raises(KeyboardInterrupt), signals.raised():
            send_at("meanwhile")
    assert signals.code is ExitCode.TERMINATED


@pytest.mark.parametrize(
    ("sent", "forgiven"),
    [
        ([], True),
        ([signal.SIGINT], True),
        ([signal.SIGINT, signal.SIGINT], False),
        ([signal.SIGTERM], False),
        ([signal.SIGTERM, signal.SIGINT], False),
    ],
)
def test_only_a_single_ctrl_c_is_forgiven(sent: list[signal.Signals], *, forgiven: bool) -> None:
    """It was to stop what went on then; whoever repeats it, or sends another, wants the process to end."""
    signals = Signals()
    for number in sent:
        signals.note(number)
    assert signals.forgive() is forgiven
    assert (signals.first is None) is forgiven
    signals.note(signal.SIGINT)
    assert signals.forgive() is forgiven


def test_what_a_process_has_changed_is_undone_before_a_signal_ends_it() -> None:
    """Such as the settings of its terminal, for nothing else is run then."""
    told = (
        "import os, signal; from claude_run.process import Signals; signals = Signals(); signals.listen();"
        "undoing = signals.undoing(lambda: os.write(1, b'undone'));"
        "undoing.__enter__(); signal.raise_signal(signal.SIGTERM)"
    )
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (143, b"undone")


def test_after_a_forgiven_signal_the_next_one_is_noted() -> None:
    """It is as if the first had never come: the process does not end at once."""
    signals = Signals()
    with signals.heard():
        signals.postpone()
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
            assert signals.first is signal.SIGINT
            assert signals.forgive()


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    """`nohup` means what it says."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals = Signals()
        with signals.heard():
            signal.raise_signal(signal.SIGHUP)
        assert signals.code is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_at_the_end_of_the_process_nothing_is_looked_through() -> None:
    """All that is alive then ends with it: a collector that walks it takes a seventh of a short command."""
    told = (
        "import atexit, gc; from claude_run.process import relax_collector;"
        "atexit.register(lambda: print(len(gc.get_objects())));"
        "relax_collector(); print(len(gc.get_objects()) > 1000)"
    )
    ended = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert ended.stdout == "True\n0\n"

"""`verify`: what is wrong with a run folder, each with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace


@pytest.fixture
def played(workspace: CrashWorkspace) -> CrashWorkspace:
    """Give a run that is whole."""
    assert workspace.play().code == 0
    return workspace


def _found(workspace: CrashWorkspace) -> list[str]:
    """Verify the run, which is not whole, and return what was found."""
    ended = workspace.run("verify", "run")
    assert ended.code == 3
    *lines, last = ended.stdout.splitlines()
    assert last.endswith(f": {len(lines)} problem{'s' if len(lines) > 1 else ''}")
    return lines


def test_a_whole_run(played: CrashWorkspace) -> None:
    """One line says so, and the code is 0."""
    ended = played.run("verify", "run")
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout == "run: 3 conversations, 9 replies, $0.0002, uncertain $0: whole\n"


def test_a_run_that_was_resumed_after_a_clean_stop(workspace: CrashWorkspace) -> None:
    """Where no attempt was under way nothing is uncertain, and the run is whole."""
    assert workspace.play("--max-requests", "3", "-j", "1").code == 4
    assert workspace.resume("--max-requests", "100").code == 0
    assert workspace.run("verify", "run").code == 0


def test_a_damaged_line_in_the_middle(played: CrashWorkspace) -> None:
    """It stops every command: what else the journal lost cannot be known."""
    lines = played.journal.read_bytes().splitlines(keepends=True)
    lines[9] = lines[9].replace(b"talk/", b"tulk/")
    played.journal.write_bytes(b"".join(lines))
    for command in (("verify", "run"), ("report", "run"), ("resume", "run"), ("verify", "run")):
        ended = played.run(*command)
        assert (ended.code, ended.stdout) == (3, "")
        assert ended.stderr == (
            "error: run/journal.jsonl:10: this line is damaged, so replies may be"
            " lost; restore the file from a backup, or --reuse a copy of it that ends before the line\n"
        )
    assert len(played.api.ledger) == 9


def test_a_copy_that_ends_before_the_damage_can_be_reused(played: CrashWorkspace) -> None:
    """The way out that the message names."""
    lines = played.journal.read_bytes().splitlines(keepends=True)
    (played.folder / "good.jsonl").write_bytes(b"".join(lines[:-10]))
    played.clear()
    assert played.play("--reuse", "good.jsonl").code == 0
    assert 0 < len(played.api.ledger) < 9


def test_a_line_that_was_removed(played: CrashWorkspace) -> None:
    """Each line is whole, but one is not there."""
    lines = played.journal.read_bytes().splitlines(keepends=True)
    del lines[-2]
    played.journal.write_bytes(b"".join(lines))
    number = len(lines)
    ended = played.run("verify", "run")
    assert (ended.code, ended.stdout) == (3, "")
    assert ended.stderr == (
        f"error: run/journal.jsonl:{number}: here belongs seq {number - 1}, not {number}: lines were removed,"
        " added or moved, so replies may be lost; restore the file from a backup, or --reuse a copy of it"
        " that ends before the line\n"
    )


@pytest.mark.parametrize("name", ["transcripts.jsonl", "transcripts.md", "summary.json", "summary.md"])
def test_a_derived_file_that_was_changed_or_removed(played: CrashWorkspace, name: str) -> None:
    """`report` makes it anew, and then all is well."""
    path = played.run_folder / name
    good = path.read_bytes()
    path.write_bytes(good.replace(b"passed", b"failed", 1))
    assert _found(played) == [f"{name} differs from the journal: `claude-run report run` makes it anew"]
    path.unlink()
    assert _found(played) == [f"{name} is missing: `claude-run report run` makes it"]
    assert played.run("report", "run").code == 0
    assert path.read_bytes() == good
    assert played.run("verify", "run").code == 0


def test_a_torn_tail_and_an_open_end(played: CrashWorkspace) -> None:
    """Both are told with the command that goes on."""
    whole = played.journal.read_bytes()
    played.journal.write_bytes(whole[:-20])
    torn = len(whole.splitlines()[-1]) + 1 - 20
    assert _found(played)[:2] == [
        (
            f"journal.jsonl ends in a torn line of {torn} bytes, whose request may be sent again:"
            " `claude-run resume run` sets it aside and goes on"
        ),
        "the run was cut off before its end: `claude-run resume run` goes on with it",
    ]
    assert played.journal.read_bytes() == whole[:-20], "a look changes nothing"
    assert played.resume().code == 0
    assert played.run("verify", "run").code == 0


def test_uncertain_attempts(workspace: CrashWorkspace) -> None:
    """An attempt that a kill left without a reply may be on the bill: it is told, though the run is done."""
    assert workspace.play("-j", "1", crash_at=8).code == KILLED
    assert workspace.resume().code == 0
    sent = next(workspace.events("attempt"))["at"]
    assert _found(workspace) == [
        (
            f"talk/ada/claude-haiku-5-5: attempt 1 at turn 1, sent {sent}, brought no reply and may have been"
            " billed, at most 0.000064 USD: look it up in the usage report of the API's console; until then"
            " it counts as spent"
        )
    ]


def test_uncertain_attempts_of_a_superseded_conversation(workspace: CrashWorkspace) -> None:
    """Playing a changed scenario anew does not hide what the old one may have cost."""
    assert workspace.play("-j", "1", crash_at=8).code == KILLED
    workspace.write(workspace.scenario.read_text(encoding="utf-8").replace("Goodbye", "Farewell"))
    assert workspace.resume("--changed").code == 0
    (found,) = _found(workspace)
    assert "attempt 1 at turn 1" in found


def test_no_run(workspace: CrashWorkspace) -> None:
    """A folder that is none of ours is a wrong argument."""
    ended = workspace.run("verify", "run")
    assert (ended.code, ended.stderr) == (
        2,
        "error: run holds no run: name a folder that claude-run wrote\n",
    )

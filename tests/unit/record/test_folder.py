"""The run folder: made before anything is sent, for its owner alone, and never written over."""

from __future__ import annotations

import errno
import os
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.events import Attempted
from claude_run.errors import InputError, StorageError
from claude_run.record.disk import replace_file
from claude_run.record.folder import RunFolder, latest, slug, standing
from tests.unit.record.fakes import FaultDisk, FullDisk, events, run

if TYPE_CHECKING:
    from collections.abc import Iterator

STAMP = "2026-11-23T07-00-00Z"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _create(out: Path | None = None, **fields: Any) -> RunFolder:
    return RunFolder.create(run(**fields), out=out, stamp=STAMP, disk=FaultDisk())


def test_a_run_gets_a_folder_of_its_own_and_latest_points_to_it() -> None:
    """A second run of the same second gets a number, and `latest` moves on to it."""
    first, second = _create(), _create(name="Grüße & co")
    third = _create()
    assert [folder.path for folder in (first, second, third)] == [
        Path(f"outputs/{STAMP}-greet"),
        Path(f"outputs/{STAMP}-gr-e-co"),
        Path(f"outputs/{STAMP}-greet-2"),
    ]
    assert latest() == Path("outputs/latest")
    assert latest().readlink() == Path(f"{STAMP}-greet-2")
    assert Path("outputs/.gitignore").read_text() == "*\n!.gitignore\n"
    assert sorted(entry.name for entry in Path("outputs").iterdir()) == [
        ".gitignore",
        f"{STAMP}-gr-e-co",
        f"{STAMP}-greet",
        f"{STAMP}-greet-2",
        "latest",
    ]


def test_the_folder_that_the_user_names_is_used_itself() -> None:
    """An empty folder may already be there, and `latest` leads to it as to any other."""
    Path("mine").mkdir()
    for out in (Path("mine"), Path("new/deep/run")):
        folder = _create(out)
        assert (folder.path, folder.read_run()) == (out, run())
        assert latest().resolve() == out.resolve()
        assert RunFolder.open(latest()).path == out
    assert [entry.name for entry in Path("outputs").iterdir()] != []


@pytest.mark.parametrize("latest", [True, False])
@pytest.mark.parametrize("out", ["outputs/my-run", "outputs/deep/my-run", "./x/../outputs/my-run"])
def test_whoever_makes_outputs_keeps_it_out_of_git(out: str, *, latest: bool) -> None:
    """Also as the parent of a folder that the user names, and for a run that `latest` does not follow."""
    Path("x").mkdir()
    RunFolder.create(run(), out=Path(out), stamp=STAMP, latest=latest, disk=FaultDisk())
    assert Path("outputs/.gitignore").read_text() == "*\n!.gitignore\n"


def test_a_moving_name_is_called_by_the_run_that_it_means_now() -> None:
    """The link itself, and a file in the folder that it leads to; what is no link keeps its name."""
    _create(Path("mine"))
    assert standing(Path("outputs/latest")) == Path("mine")
    assert standing(Path("outputs/latest/journal.jsonl")) == Path("mine/journal.jsonl")
    assert standing(Path("mine/journal.jsonl")) == Path("mine/journal.jsonl")
    assert standing(Path("gone")) == Path("gone")


def test_a_folder_that_holds_anything_is_refused() -> None:
    """A run never mixes with other files; what a killed start left behind is nobody's."""
    Path("mine").mkdir()
    Path("mine/.run.json.0a1b2c3d").touch()
    _create(Path("mine"))
    Path("other").mkdir()
    Path("other/notes.txt").touch()
    with pytest.raises(
        InputError, match=r"^other is not empty, it holds notes\.txt: name a new folder with -o"
    ):
        _create(Path("other"))
    assert latest().resolve() == Path("mine").resolve()


@pytest.mark.parametrize("marker", ["claude-run.toml", "pyproject.toml", "scenarios/claude-run.schema.json"])
def test_runs_land_beside_the_project(marker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder of the project too; but a repository of its own is not its parent's project."""
    path = Path("project") / marker
    (Path("project/scenarios/deep")).mkdir(parents=True)
    path.write_text("[tool.claude-run]\n" if marker == "pyproject.toml" else "", encoding="utf-8")
    root = Path.cwd()
    monkeypatch.chdir("project/scenarios/deep")
    assert _create().path == Path(f"../../outputs/{STAMP}-greet")
    assert RunFolder.open(latest()).read_run() == run()
    (root / "project/scenarios/deep/.git").mkdir()
    assert _create().path == Path(f"outputs/{STAMP}-greet")


def test_a_project_of_something_else_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pyproject.toml that does not name us, or that cannot be read, is passed by."""
    Path("project/inner").mkdir(parents=True)
    Path("project/pyproject.toml").write_text("[tool.other]\n", encoding="utf-8")
    monkeypatch.chdir("project/inner")
    Path("pyproject.toml").write_text("not toml", encoding="utf-8")
    assert _create().path == Path(f"outputs/{STAMP}-greet")


def test_everything_is_for_its_owner_alone_whatever_the_umask() -> None:
    """Folders are 0700, those on the way to them included, and files 0600."""
    before = os.umask(0)
    try:
        folder = _create()
        folder.open_journal()[0].close()
        folder.write("transcripts.jsonl", [b"{}\n"])
    finally:
        os.umask(before)
    made = [Path("outputs"), folder.path, *folder.path.iterdir()]
    assert {path.name: path.stat().st_mode & 0o777 for path in made} == {
        "outputs": 0o700,
        folder.path.name: 0o700,
        "run.json": 0o600,
        "journal.jsonl": 0o600,
        "journal.lock": 0o600,
        "transcripts.jsonl": 0o600,
    }


@pytest.mark.parametrize("name", ["run.json", "journal.jsonl"])
def test_a_folder_that_holds_a_run_is_refused(name: str) -> None:
    """Nothing in it changes, and the message says how to go on with it."""
    Path("mine").mkdir()
    Path("mine", name).write_text("precious", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"^mine already holds a run: go on with `claude-run resume mine`, or name"
    ):
        _create(Path("mine"))
    assert [entry.read_text(encoding="utf-8") for entry in Path("mine").iterdir()] == ["precious"]


@pytest.mark.parametrize("out", ["file", "file/run", "x" * 300, f"{'y' * 300}/run"])
def test_a_folder_that_cannot_be_made_is_found_at_once(out: str) -> None:
    """It is an error of storage that names the folder and the option."""
    Path("file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot be created: .*; pass -o DIR$"):
        _create(Path(out))


def test_a_default_folder_that_cannot_be_made_is_found_at_once() -> None:
    """`outputs` may be a file of the user's."""
    Path("outputs").write_bytes(b"")
    with pytest.raises(StorageError, match=r"^outputs/.* cannot be created: .*; pass -o DIR$"):
        _create()


def test_a_folder_named_latest_is_not_replaced() -> None:
    """Only a link is ours to move."""
    Path("outputs/latest").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"^outputs/latest cannot be replaced: .*; remove it$"):
        _create()
    assert latest().is_dir()
    assert sorted(entry.name for entry in Path("outputs").iterdir()) == [f"{STAMP}-greet", "latest"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_at_any_operation_is_found_and_leaves_the_old_link(code: int) -> None:
    """It is an error of storage, `latest` still leads to a whole run, and nothing is half-made."""
    _create()
    clean = FaultDisk()
    RunFolder.create(run(), out=None, stamp="probe", disk=clean)
    assert clean.operations[-2:] == ["link", "replace"]
    for number in range(1, len(clean.operations) + 1):
        disk = FaultDisk(at=number, code=code)
        with pytest.raises(StorageError, match=os.strerror(code)):
            RunFolder.create(run(), out=None, stamp=str(number), disk=disk)
        assert RunFolder.open(latest()).read_run() == run()
        names = {
            entry.name for path in (Path("outputs"), Path(f"outputs/{number}-greet")) for entry in _in(path)
        }
        assert not [name for name in names - {".gitignore"} if name.startswith(".")], clean.operations[
            number - 1
        ]


def _in(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.exists() else []


def test_a_run_is_opened_through_the_link_and_everything_can_be_written_there() -> None:
    """`outputs/latest` is a link, and so may be the folder that the user names."""
    _create()
    folder = RunFolder.open(latest())
    assert folder.read_run() == run()
    folder.open_journal()[0].close()
    folder.write_json("summary.json", {"a": 1})
    assert Path(f"outputs/{STAMP}-greet/journal.jsonl").exists()
    Path("real").mkdir()
    Path("link").symlink_to("real")
    assert _create(Path("link")).read_run() == run()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("outputs/latest", "outputs/latest holds no run: no run was made yet"),
        ("nowhere", "nowhere holds no run: name a folder that claude-run wrote"),
    ],
)
def test_only_a_folder_that_holds_a_run_can_be_opened(path: str, message: str) -> None:
    """The user learns what to name instead."""
    with pytest.raises(InputError, match=f"^{message}$"):
        RunFolder.open(Path(path))


@pytest.mark.parametrize(("sent", "simulated"), [(True, False), (False, False), (True, True)])
def test_a_run_that_nobody_paid_for_can_be_removed(*, sent: bool, simulated: bool) -> None:
    """Nothing of it stays; where a request was sent to the API, everything does."""
    folder = _create(simulated=simulated)
    journal, _ = folder.open_journal()
    with closing(journal):
        journal.append(*(each for each in events() if sent or not isinstance(each, Attempted)))
    before, paid = _in(folder.path), sent and not simulated
    folder.remove_unpaid()
    assert _in(folder.path) == (before if paid else [])
    left = [entry for entry in Path("outputs").iterdir() if entry.is_dir() and not entry.is_symlink()]
    assert left == ([folder.path] if paid else [])


def test_a_run_that_somebody_goes_on_with_is_not_removed() -> None:
    """Who has it open may be about to pay for it."""
    folder = _create()
    journal, _ = folder.open_journal()
    with closing(journal):
        folder.remove_unpaid()
    assert folder.run_json.exists()
    folder.remove_unpaid()
    assert not folder.path.exists()


def test_a_derived_file_is_replaced_as_a_whole_or_not_at_all() -> None:
    """A reader sees the old content until the new one is complete, and no rest is left behind."""
    folder = _create(Path("mine"))
    clean = FaultDisk()
    replace_file(clean, folder.transcripts, [b"new", b"er"])
    for number in range(1, len(clean.operations) + 1):
        folder.write("transcripts.jsonl", [b"old"])
        disk = FaultDisk(at=number, code=errno.EIO)
        with pytest.raises(StorageError, match=r"^mine/transcripts\.jsonl cannot be written: Input/output"):
            replace_file(disk, folder.transcripts, [b"new", b"er"])
        replaced = "replace" in clean.operations[: number - 1]
        assert folder.transcripts.read_bytes() == (b"newer" if replaced else b"old")
        assert sorted(entry.name for entry in folder.path.iterdir()) == ["run.json", "transcripts.jsonl"]


def test_a_short_write_of_a_derived_file_is_continued() -> None:
    """The disk may take a part at a time; one that takes nothing at all is an error."""
    target = Path("file").resolve()
    replace_file(FaultDisk(at=2, short=True), target, [b"0123456789"])
    assert target.read_bytes() == b"0123456789"
    with pytest.raises(StorageError, match="cannot be written: the disk takes no more bytes"):
        replace_file(FullDisk(), target, [b"more"])
    assert target.read_bytes() == b"0123456789"


def test_an_error_of_the_content_leaves_the_old_file_and_no_rest() -> None:
    """Parts are produced while they are written, so producing them may fail in the middle."""

    def parts() -> Iterator[bytes]:
        yield b"new"
        raise ValueError("a bug")

    folder = _create(Path("mine"))
    with pytest.raises(ValueError, match="a bug"):
        folder.write("run.json", parts())
    assert folder.read_run() == run()
    assert [entry.name for entry in folder.path.iterdir()] == ["run.json"]


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters()) | st.text("aZ0._-/ äİ", max_size=80))
def test_any_text_makes_a_file_name(text: str) -> None:
    """It is short, plain, never hidden and never empty, and making it twice changes nothing."""
    name = slug(text)
    assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]{0,59}", name)
    assert not name.endswith(("-", "."))
    assert slug(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("refund-policy", "refund-policy"),
        ("Refund Policy!", "refund-policy"),
        ("../../etc/passwd", "etc-passwd"),
        ("", "run"),
        ("日本", "run"),
        ("a" * 59 + "-b", "a" * 59),
    ],
)
def test_names_stay_readable(text: str, name: str) -> None:
    """What can be kept of a name is kept."""
    assert slug(text) == name

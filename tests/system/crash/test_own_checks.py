"""Own checks of a run that goes on: which files are run, and what becomes of those that were changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.system.crash.workspace import TALK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.crash.workspace import CrashWorkspace

CHECKS = '''\
from pathlib import Path

from claude_run.checks.own import Finding, Subject, check, passed, failed

Path("was_run").touch()

@check("mine", schema={"type": "integer"}, example=1)
def mine(value: int, reply: Subject) -> Finding:
    """Every reply is fine."""
    return passed("fine", expected=value, actual=1)
'''
STRICTER = CHECKS.replace("return passed(", "return failed(")


@pytest.fixture
def checked(workspace: CrashWorkspace) -> CrashWorkspace:
    """Give a scenario that asks for an own check, in a file beside it."""
    workspace.write(TALK.replace("contains: number", "mine: 1"))
    (workspace.folder / "mine.py").write_text(CHECKS, encoding="utf-8")
    return workspace


def _half(checked: CrashWorkspace) -> None:
    """Play a part of the run, and forget that its checks were run."""
    assert checked.play("--checks", "mine.py", "-j", "1", "--max-requests", "4").code == 4
    (checked.folder / "was_run").unlink()


def _go_on(checked: CrashWorkspace, *arguments: str) -> tuple[int, str]:
    done = checked.resume("--max-requests", "99", *arguments)
    return done.code, done.stderr


def test_a_run_goes_on_with_the_checks_that_it_was_started_with(checked: CrashWorkspace) -> None:
    """Nobody names them again, and their bytes stand in `run.json`."""
    _half(checked)
    run = json.loads((checked.run_folder / "run.json").read_bytes())
    assert run["own_checks"] == {"mine.py": hashlib.sha256(CHECKS.encode()).hexdigest()}
    assert _go_on(checked)[0] == 0
    assert _go_on(checked, "--checks", "mine.py")[0] == 0


@pytest.mark.parametrize("whole", [False, True])
def test_changed_checks_are_named_and_want_to_be_asked_for(checked: CrashWorkspace, *, whole: bool) -> None:
    """A verdict is never that of two checks under one name; every reply is checked anew, and none is paid."""
    _half(checked)
    assert not whole or _go_on(checked)[0] == 0
    (checked.folder / "was_run").unlink(missing_ok=True)
    (checked.folder / "mine.py").write_text(STRICTER, encoding="utf-8")
    sent = len(checked.api.ledger)
    for arguments in ([], ["--changed"]):
        code, said = _go_on(checked, *arguments)
        assert code == 2
        assert "(mine.py)" in said
        assert "pass --changed --checks mine.py" in said
        assert not (checked.folder / "was_run").exists()
    code, said = _go_on(checked, "--checks", "mine.py")
    assert (code, "(own checks: mine.py)" in said, len(checked.api.ledger)) == (2, True, sent)
    assert _go_on(checked, "--changed", "--checks", "mine.py")[0] == 1
    assert [row["outcome"] for row in checked.transcripts()] == ["failed"] * 3
    assert len(checked.api.ledger) == 9
    assert _go_on(checked)[0] == 1
    assert checked.run("verify", "run").code == 0


def test_checks_that_are_gone_or_new_are_changed_ones(checked: CrashWorkspace) -> None:
    """Another file than the one that was named is another check, whatever it holds."""
    _half(checked)
    (checked.folder / "mine.py").rename(checked.folder / "other.py")
    code, said = _go_on(checked)
    assert (code, "(mine.py)" in said) == (2, True)
    code, said = _go_on(checked, "--checks", "other.py")
    assert (code, "(own checks: mine.py, other.py)" in said) == (2, True)
    assert _go_on(checked, "--changed", "--checks", "other.py")[0] == 0
    run = json.loads((checked.run_folder / "run.json").read_bytes())
    assert list(run["own_checks"]) == run["options"]["own_checks"] == ["other.py"]


def _name_checks(run: Path, path: str, text: str) -> None:
    value = json.loads((run / "run.json").read_bytes())
    value["options"]["own_checks"] = [path]
    value["own_checks"] = {path: hashlib.sha256(text.encode()).hexdigest()}
    (run / "run.json").write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize("place", ["run/mine.py", "run/deep/mine.py", "../elsewhere/mine.py", "link.py"])
def test_a_run_folder_names_no_program_to_be_run(checked: CrashWorkspace, place: str) -> None:
    """Not from within itself and not from outside of the project, though its digest is right."""
    _half(checked)
    outside = checked.folder.parent / "elsewhere" / "mine.py"
    path = outside if place == "link.py" else checked.folder / place
    path.parent.mkdir(exist_ok=True)
    shutil.copyfile(checked.folder / "mine.py", path)
    if place == "link.py":
        (checked.folder / place).symlink_to(outside)
    _name_checks(checked.run_folder, place, CHECKS)
    before = (checked.run_folder / "run.json").read_bytes()
    code, said = _go_on(checked, "--changed")
    assert code == 2
    assert f"a program is run only where you name it; read it, and then pass --checks {place}" in said
    assert not (checked.folder / "was_run").exists()
    assert (checked.run_folder / "run.json").read_bytes() == before
    assert _go_on(checked, "--checks", place)[0] == 0


def test_a_run_of_an_earlier_version_wants_its_checks_named(checked: CrashWorkspace) -> None:
    """It says nothing of what they were."""
    _half(checked)
    value = json.loads((checked.run_folder / "run.json").read_bytes())
    del value["own_checks"]
    (checked.run_folder / "run.json").write_text(json.dumps(value), encoding="utf-8")
    code, said = _go_on(checked)
    assert (code, "pass --changed --checks mine.py" in said) == (2, True)
    assert _go_on(checked, "--changed", "--checks", "mine.py")[0] == 0

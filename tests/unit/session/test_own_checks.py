"""Own checks are described by a process of their own, which ends in time whatever is loaded."""

from __future__ import annotations

import asyncio
import sys
from datetime import date
from typing import TYPE_CHECKING

import pytest

from claude_run.errors import InputError
from claude_run.record.redact import Redactor
from claude_run.session.load import load_scenarios
from claude_run.session.own_check_files import OwnCheckFiles
from claude_run.session.own_checks import OwnCheckProcesses
from claude_run.session.request import RunRequest
from claude_run.session.world import SystemClock
from tests.unit.checks.builders import subject
from tests.unit.checks.test_custom import SHOUTS

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.checks.kind import Finding

ENDLESS = SHOUTS + "while True: pass\n"


def write(folder: Path, source: str, *, load_s: float = 60.0) -> OwnCheckFiles:
    """Write a file of checks."""
    path = folder / "mine.py"
    path.write_text(source, encoding="utf-8")
    return OwnCheckFiles(files=(path,), load_s=load_s)


def test_checks_are_described_without_being_loaded_here(tmp_path: Path) -> None:
    """Their code runs elsewhere; what they say of themselves comes over."""
    before = set(sys.modules)
    (described,) = write(tmp_path, SHOUTS).describe()
    assert (described.name, described.example) == ("shouts", True)
    assert not {name for name in set(sys.modules) - before if "own_checks_" in name}


def test_nothing_is_started_where_there_are_none() -> None:
    """A run without own checks pays nothing for them."""
    assert OwnCheckFiles.of([]).describe() == ()
    assert not OwnCheckFiles.of([])


def test_checks_of_packages_come_over_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process finds what is installed here."""
    info = tmp_path / "our_checks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-checks\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[claude_run.checks]\nmine = our_other_module\n", "utf-8")
    (tmp_path / "our_other_module.py").write_text(SHOUTS, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert [one.name for one in OwnCheckFiles.of([]).describe()] == ["shouts"]
    assert "our_other_module" not in sys.modules


@pytest.mark.parametrize(("kind", "is_asked"), [("contains", False), ("shouts", True)])
def test_packages_are_loaded_when_a_scenario_asks_for_what_nobody_else_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, *, is_asked: bool
) -> None:
    """One that is broken is named then, and is nobody's trouble before."""
    info = tmp_path / "our_checks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-checks\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[claude_run.checks]\nmine = our_broken_module\n", "utf-8")
    (tmp_path / "our_broken_module.py").write_text("raise RuntimeError('no')\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    scenario = tmp_path / "s.yaml"
    scenario.write_text(f"model: claude-haiku-5-5\nturns: [{{user: Hi, expect: [{{{kind}: a}}]}}]\n", "utf-8")
    request = RunRequest(paths=(str(scenario),))
    if not is_asked:
        assert len(load_scenarios(request, today=date(2026, 11, 1)).scenarios) == 1
        return
    with pytest.raises(InputError, match="the checks `mine` of the installed package our-checks cannot be"):
        load_scenarios(request, today=date(2026, 11, 1))


def test_a_file_that_is_never_loaded_is_named(tmp_path: Path) -> None:
    """`check` ends, and says which file it was."""
    with pytest.raises(
        InputError, match=r"mine\.py: loading it did not end within 1 s; a file of checks only"
    ):
        write(tmp_path, ENDLESS, load_s=1.0).describe()


def test_a_file_that_changes_during_the_run_is_named(tmp_path: Path) -> None:
    """It could be loaded when the run began and cannot now, or lacks the check: errored, with the reason."""

    async def messages(*sources: str) -> list[str]:
        said = []
        for source in sources:
            own = OwnCheckProcesses(
                write(tmp_path, source, load_s=2.0),
                limit_s=60,
                clock=SystemClock(),
                tell=print,
                redactor=Redactor(),
            )
            finding = await own.judge("shouts", value=True, subject=subject("HO"))
            own.end()
            said.append(f"{finding.status}: {finding.message}")
        return said

    broken, endless, gone, whole = asyncio.run(
        messages("1 / 0", ENDLESS, SHOUTS.replace("shouts", "roars"), SHOUTS)
    )
    assert broken.startswith("errored: the check `shouts` could not be loaded: ")
    assert "mine.py:1: this file of checks broke: ZeroDivisionError" in broken
    assert endless == "errored: the check `shouts` could not be loaded within 2 s"
    assert gone == "errored: the check `shouts` is gone from its file"
    assert whole == "passed: it shouts"


def test_a_check_that_says_the_credential_is_kept_without_it(tmp_path: Path) -> None:
    """In its words and in the values that it shows: what is written of them later cannot hold it."""
    key = "sk-ant-0123456789abcdef"
    tells = f"""
from claude_run.checks.own import check, failed

@check("shouts", schema={{"type": "boolean"}}, example=True)
def shouts(value, reply):
    return failed("it says {key}", expected=["{key}"], actual={{"said": "{key}"}})
"""

    async def judged() -> Finding:
        own = OwnCheckProcesses(
            write(tmp_path, tells, load_s=60.0),
            limit_s=60,
            clock=SystemClock(),
            tell=print,
            redactor=Redactor([key]),
        )
        try:
            return await own.judge("shouts", value=True, subject=subject("HO"))
        finally:
            own.end()

    finding = asyncio.run(judged())
    assert finding.message == "it says [redacted]"
    assert (finding.expected, finding.actual) == (["[redacted]"], {"said": "[redacted]"})

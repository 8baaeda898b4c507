"""Run folders that somebody made up: what they say of their scenarios is no reason to write anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_run.errors import InputError
from claude_run.record.folder import RunFolder
from claude_run.session import baselines
from claude_run.session.world import World
from tests.unit.conversation.builders import AT, body, events_of
from tests.unit.record.fakes import FaultDisk, conversation, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATHS = [
    *("/etc/greet.yaml", "../greet.yaml", "scenarios/../../greet.yaml", "out/greet.yaml", "a\0b.yaml"),
    *("x" * 5000, "", "/", "\ud800.yaml", "greet.baseline.json", "folder", "link/greet.yaml"),
]


def made_up(folder: Path, path: str) -> Path:
    """Write a whole run, journal and all, whose only conversation was played from `path`, and return it."""
    played = conversation(path=path)
    made = RunFolder.create(
        run(played, files={path: "sha"}), out=folder / "theirs", stamp="", latest=False, disk=FaultDisk()
    )
    journal, _ = made.open_journal()
    journal.append_run("started", at=AT)
    for event in events_of(played, [body()]):
        journal.append(event)
    journal.append_run("ended", at=AT, duration_s=1.0, stop=None, reason=None)
    journal.close()
    return made.path


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project with one scenario, beside other folders that hold one of the same name."""
    home = tmp_path / "mine"
    for place in (home, tmp_path, tmp_path / "other"):
        place.mkdir(exist_ok=True)
        (place / "greet.yaml").write_text("turns: [{user: Hello}]\n", encoding="utf-8")
    (home / "folder").mkdir()
    (home / "link").symlink_to(tmp_path / "other")
    monkeypatch.chdir(home)
    monkeypatch.delenv("CI", raising=False)
    return home


@pytest.mark.parametrize("read", [baselines.acceptable, baselines.review])
@pytest.mark.parametrize("path", PATHS)
def test_no_path_of_a_run_folder_leads_out_of_the_project(
    mine: Path, path: str, read: Callable[[Path, World], object]
) -> None:
    """Neither up, nor through a link, nor to what is no scenario; the words name the run and the way."""
    theirs = made_up(mine, path)
    before = sorted(mine.parent.rglob("*"))
    with pytest.raises(InputError, match="a baseline is written only beside"):
        read(theirs, World())
    assert sorted(mine.parent.rglob("*")) == before


def test_a_scenario_that_stands_there_gets_its_baseline(mine: Path) -> None:
    """The same run, played from the scenario that is ours."""
    found = baselines.acceptable(made_up(mine, "greet.yaml"), World())
    assert list(baselines.accept(found, World())) == [
        "wrote greet.baseline.json: 1 of 1 sample passed",
        (
            "note: 1 case has fewer than 3 attempts, too few to promise anything: accept a run of -n 10 once,"
            " then -n 2 in pull requests is enough"
        ),
    ]
    assert (mine / "greet.baseline.json").exists()

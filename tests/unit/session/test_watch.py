"""What a session of `--watch` knows: what has changed, what a round still tells, when a save is over."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from claude_run.conversation.results import Outcome
from claude_run.errors import SelectionError
from claude_run.record.folder import RunFolder
from claude_run.record.summary import Ending, summarize
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.session.project_file import requested
from claude_run.session.request import RunRequest
from claude_run.session.watch import Round, Versions, Watching, failed_cases, stamps, superseded
from claude_run.session.world import World
from tests.unit.record.fakes import conversation, record, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TALK = "model: claude-haiku-5-5\nturns: [{user: Hi, expect: [{contains: x}]}]\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        ({"a": "1", "b": "1"}, {"a": "1", "b": "1"}, set()),
        ({"a": "1", "b": "1"}, {"a": "1", "b": "2"}, {"b"}),
        ({"a": "1"}, {"a": "1", "b": "1"}, {"b"}),
        ({"a": "1", "b": "1"}, {"a": "1"}, set()),
    ],
    ids=["nothing", "changed", "new", "gone"],
)
def test_a_scenario_has_changed_where_its_version_has(
    before: Mapping[str, str], now: Mapping[str, str], changed: set[str]
) -> None:
    """What is gone has not: there is nothing of it to play."""
    assert Versions(scenarios=now).changed_since(Versions(scenarios=before)) == changed


def test_what_all_share_changes_all() -> None:
    """Own checks and options may change what comes of any scenario."""
    before = Versions(scenarios={"a": "1", "b": "1"}, shared="one")
    assert Versions(scenarios=before.scenarios, shared="two").changed_since(before) == {"a", "b"}


def _round(*, newest_of: Iterable[str] = (), has_paid: bool = False) -> Round:
    return Round(
        folder=RunFolder(Path("out")),
        newest_of=frozenset(newest_of),
        has_paid=has_paid,
    )


def test_a_round_is_superseded_once_it_holds_nothing_of_its_own() -> None:
    """Neither a reply that was paid in it, nor the newest verdict on anything."""
    paid, newest, old = _round(has_paid=True), _round(newest_of="a"), _round()
    assert [*superseded([paid, newest, old])] == [old]


def test_a_case_has_failed_as_for_lf() -> None:
    """Below its pass rate, not measured whole, or by a rule that must hold."""
    names = ("good", "bad", "unmeasured")
    outcomes = (Outcome.PASSED, Outcome.FAILED, Outcome.ERRORED)
    planned = [conversation(case=name) for name in names]
    records = [record(each, outcome=outcome) for each, outcome in zip(planned, outcomes, strict=True)]
    found = failed_cases(summarize(run(*planned), records, Ending()))
    assert {name.split("/")[1]: failed for name, failed in found.items()} == {
        "good": False,
        "bad": True,
        "unmeasured": True,
    }


def test_a_stamp_tells_of_any_write(tmp_path: Path) -> None:
    """Of a file that is written anew, exchanged, made or removed, and of a folder that gets another file."""
    file = tmp_path / "a"

    def stamp() -> list[object]:
        return [*stamps([file, tmp_path]).values()]

    seen = [stamp()]
    for text in ("one", "two"):
        file.write_text(text)
        seen.append(stamp())
    (tmp_path / "b").write_text("two")
    (tmp_path / "b").replace(file)
    seen.append(stamp())
    file.unlink()
    seen.append(stamp())
    assert [before[0] != after[0] for before, after in pairwise(seen)] == [True] * 4
    assert seen[0][0] is None
    assert seen[-1][1] != seen[0][1]


class _Files:
    """Stamps of files that a test decides on."""

    def __init__(self) -> None:
        self.stamp = 0

    def __call__(self, paths: Iterable[Path]) -> Mapping[Path, object]:
        return dict.fromkeys(paths, self.stamp)


def _watching(files: _Files | None = None, **asked: object) -> Watching:
    request = RunRequest(paths=(".",), **asked)  # type: ignore[arg-type] # whatever a test asks for
    return Watching(lambda: request, World(), look=files or _Files())


def test_a_save_is_over_when_nothing_moves_any_more() -> None:
    """Not while the files are still being written; and what was read is not read again."""
    Path("a.yaml").write_text(TALK)
    files = _Files()
    session = _watching(files)
    session.start(print)
    told = []
    for stamp in (0, 0, 1, 2, 2, 2):
        files.stamp = stamp
        told.append(session.was_saved())
    assert told == [False, False, False, False, True, True]
    session.saved()
    assert not session.was_saved()


def test_what_never_lies_still_is_looked_at_now_and_then() -> None:
    """A folder in which somebody else works must not keep a save from being seen."""
    Path("a.yaml").write_text(TALK)
    files = _Files()
    session = _watching(files)
    session.start(print)
    told = []
    for stamp in range(1, 7):
        files.stamp = stamp
        told.append(session.was_saved())
    assert told == [False, False, False, False, True, True]
    session.saved()
    files.stamp = 7
    assert not session.was_saved(), "what was just read is not read again at once"


def test_what_is_found_when_it_is_read_is_read_once_more() -> None:
    """It may have been written since: nothing was known of it that could tell."""
    Path("a.yaml").write_text("model: claude-haiku-5-5\nturns: [{user: {file: p.md}}]\n")
    Path("p.md").write_text("one")
    session = _watching()
    session.start(print)
    Path("p.md").write_text("other")
    assert [session.was_saved(), session.was_saved()] == [False, True]
    part = session.saved()
    assert part is not None
    assert [*part.plan.files] == ["a.yaml"]
    assert [session.was_saved(), session.was_saved()] == [False, False]


def test_a_key_knows_what_was_just_saved() -> None:
    """It may be pressed before anybody has looked at the files again."""
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text(TALK)
    session = _watching()
    before = session.start(print).plan.files
    Path("b.yaml").write_text(f"{TALK}tags: [new]\n")
    now = session.all().plan.files
    assert [path for path in now if now[path] != before[path]] == ["b.yaml"]
    Path("a.yaml").write_text(f"{TALK}tags: [new]\n")
    part = session.only_failed()
    assert part is not None
    assert [*part.plan.files] == ["a.yaml"]


def test_a_new_project_file_is_seen_wherever_it_may_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also above the folder that is watched."""
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    Path("a.yaml").write_text(TALK)
    session = Watching(lambda: requested({"paths": ["."]}), World())
    session.start(print)
    assert [session.was_saved(), session.was_saved()] == [False, False]
    (tmp_path / "claude-run.toml").write_text("repeat = 2\n")
    assert [session.was_saved(), session.was_saved()] == [False, True]
    part = session.saved()
    assert part is not None
    assert len(part.plan.identities) == 2


def test_what_is_saved_is_planned_and_nothing_else() -> None:
    """A file that says the same, such as after a touch, brings nothing; one that is gone leaves the plan."""
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        Path(name).write_text(TALK)
    session = _watching()
    assert [*session.start(print).plan.files] == ["a.yaml", "b.yaml", "c.yaml"]
    assert session.saved() is None
    Path("b.yaml").write_text(f"{TALK}tags: [new]\n")
    Path("c.yaml").unlink()
    part = session.saved()
    assert part is not None
    assert [*part.plan.files] == ["b.yaml"]
    assert part.request.last_failed, "a run that left scenarios out must say so"
    assert [*session.all().plan.files] == ["a.yaml", "b.yaml"]
    assert session.only_failed() is None


def test_what_was_not_sound_is_played_once_it_is() -> None:
    """Also the change of one file that came together with the mistake in another."""
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text(TALK)
    session = _watching()
    session.start(print)
    Path("a.yaml").write_text(f"{TALK}tags: [new]\n")
    Path("b.yaml").write_text(f"{TALK}foo: 1\n")
    for ask in (session.saved, session.all, session.only_failed):
        with pytest.raises(InvalidScenarioError):
            ask()
    Path("b.yaml").write_text(TALK)
    part = session.saved()
    assert part is not None
    assert [*part.plan.files] == ["a.yaml"]


def test_a_selection_that_leaves_nothing_is_told() -> None:
    """It is no reason to end: the next save may bring back what is selected."""
    Path("a.yaml").write_text(f"{TALK}tags: [smoke]\n")
    session = _watching(tags=("smoke",))
    session.start(print)
    Path("a.yaml").write_text(TALK)
    with pytest.raises(SelectionError):
        session.saved()
    Path("a.yaml").write_text(f"{TALK}tags: [smoke, more]\n")
    part = session.saved()
    assert part is not None
    assert [*part.plan.files] == [*session.all().plan.files] == ["a.yaml"]

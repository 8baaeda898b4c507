"""Baselines: written to be read in a diff, read back as they were, and never taken for what they are not."""

from __future__ import annotations

import difflib
import json
import stat
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.identity import PARTS, Identity
from claude_run.conversation.sample import Sample
from claude_run.errors import InputError, StorageError
from claude_run.record.baseline import (
    AcceptedCase,
    Baseline,
    accepted_cases,
    read_baseline,
    write_baseline,
)
from claude_run.record.disk import LocalDisk
from tests.unit.record.fakes import FaultDisk

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

PATH = "scenarios/refund.yaml"
REPLIES = ("Hello.\nHow can I help?", "Within 30 days.\n\n- phone\n- sofa\n\nAnything else?")
DIGEST = "0123456789abcdef"


def sample(case: str | None = "phone", *, repeat: int | None = 1, **fields: Any) -> Sample:
    """Return a sample that passed, unless said otherwise."""
    defaults: dict[str, Any] = {
        "passed": True,
        "cost_usd": Decimal("0.000123"),
        "latency_s": 1.25,
        "input_tokens": 120,
        "output_tokens": 34,
        "output_chars": 99,
        "replies": REPLIES,
        "vars": {"item": case},
        "expectations": DIGEST,
        "models": ("claude-haiku-5-5-20261001",),
    }
    parts = {name: fields.pop(name) for name in PARTS if name in fields}
    identity: dict[str, Any] = {"scenario": "refund", "path": PATH, "case": case, "repeat": repeat}
    identity |= {"model": "claude-haiku-5-5", "model_label": "haiku", **parts}
    return Sample(identity=Identity.of(**identity), **{**defaults, **fields})


def baseline(*samples: Sample, before: tuple[AcceptedCase, ...] = (), **fields: Any) -> Baseline:
    """Return the baseline of these samples."""
    defaults = {"scenario": "refund", "simulated": False}
    return Baseline(path=PATH, cases=accepted_cases(samples, before), **{**defaults, **fields})


def written(folder: Path, value: Baseline) -> Path:
    """Write a baseline and return its file."""
    path = folder / "refund.baseline.json"
    write_baseline(LocalDisk(), path, value)
    return path


def changed_lines(before: str, after: str) -> list[str]:
    """Return the lines that differ, without the marks of JSON around them."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return [line.strip("+-, ") for line in changed]


def test_it_reads_back_as_it_was(tmp_path: Path) -> None:
    """Cases come back by name, with unknown tokens and digests as they were."""
    value = baseline(
        sample("phone"),
        sample("phone", repeat=2, input_tokens=None, models=("claude-odd", "claude-haiku-5-5")),
        sample("sofa", variant="v2", passed=False, expectations=None),
        sample(None, repeat=None, model="claude-opus-5-5", model_label="claude-opus-5-5", vars={}),
        simulated=True,
        reason="The prompt is shorter.",
    )
    found = read_baseline(written(tmp_path, value), scenario_path=PATH)
    assert sorted(found.cases, key=repr) == sorted(value.cases, key=repr)
    assert replace(found, cases=()) == replace(value, cases=())


def test_attempts_are_counted_and_summed(tmp_path: Path) -> None:
    """What is not known of one attempt is not known of all; a digest is that of all attempts, or none."""
    rows = [
        sample(repeat=1, passed=False, output_tokens=30, models=("b",)),
        sample(repeat=2, output_tokens=40, models=("a", "b")),
        sample(repeat=3, input_tokens=None, output_tokens=41),
        sample(repeat=4, passed=None, output_tokens=1000, models=("unheard",)),
    ]
    (case,) = read_baseline(written(tmp_path, baseline(*rows)), scenario_path=PATH).cases
    assert (case.passed, case.measured) == (2, 3)
    assert (case.input_tokens, case.output_tokens) == (None, 111)
    assert case.answered_by == ("a", "b", "claude-haiku-5-5-20261001")
    assert (case.identity.repeat, case.identity.id) == (None, "refund/phone/haiku")
    assert case.expectations == DIGEST
    (mixed,) = accepted_cases([sample(repeat=1), sample(repeat=2, expectations="other")])
    assert mixed.expectations is None


def test_it_gives_samples_to_compare_with(tmp_path: Path) -> None:
    """As many as were measured, those that passed first; what is not in the file is not known of them."""
    rows = [sample(repeat=number, passed=number > 1, output_tokens=number) for number in (1, 2, 3)]
    found = read_baseline(written(tmp_path, baseline(*rows)), scenario_path=PATH).samples
    assert [each.passed for each in found] == [True, True, False]
    expected = replace(
        sample(repeat=None),
        cost_usd=None,
        latency_s=None,
        output_tokens=2,
        output_chars=len("".join(REPLIES)),
    )
    assert found[0] == expected
    assert found[2] == replace(expected, passed=False)


def test_its_scenario_is_the_one_that_it_is_read_for(tmp_path: Path) -> None:
    """The file holds no path, so that a repository may be checked out anywhere."""
    path = written(tmp_path, baseline(sample()))
    assert PATH not in path.read_text()
    found = read_baseline(path, scenario_path="elsewhere/refund.yaml")
    assert found.path == found.samples[0].identity.path == "elsewhere/refund.yaml"


def test_of_the_attempts_of_a_case_one_reply_is_kept() -> None:
    """That of the first that passed, or of the first where none did."""
    rows = [sample(repeat=number, passed=number > 1, replies=(f"reply {number}",)) for number in (1, 2, 3)]
    assert [case.replies for case in accepted_cases(rows)] == [("reply 2",)]
    failed = [replace(row, passed=False) for row in rows]
    assert [case.replies for case in accepted_cases(failed)] == [("reply 1",)]


def test_the_accepted_reply_stays_where_an_attempt_brought_it_again() -> None:
    """Whichever attempt it was, passed or not; only exactly the same replies count."""
    before = accepted_cases([sample(replies=("reply 3",))])
    rows = [sample(repeat=number, passed=number < 3, replies=(f"reply {number}",)) for number in (1, 2, 3)]
    assert [case.replies for case in accepted_cases(rows, before)] == [("reply 3",)]
    assert [case.replies for case in accepted_cases(rows[:2], before)] == [("reply 1",)]
    other = accepted_cases([sample("sofa", replies=("reply 3",))])
    assert [case.replies for case in accepted_cases(rows, other)] == [("reply 1",)]


def test_the_whole_file(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """What a reviewer sees in a pull request."""
    rows = (sample("sofa", passed=False), sample("phone", vars={"z": [1, {}], "item": "phone"}))
    value = baseline(*rows, reason="The prompt is shorter.")
    assert written(tmp_path, value).read_text() == snapshot


def test_the_order_of_the_run_does_not_show(tmp_path: Path) -> None:
    """Cases are sorted, and so are variables, so that only what changed is in the diff."""
    rows = [sample(case, vars={"a": 1, "b": case}) for case in ("b", "a", "c")]
    first = written(tmp_path, baseline(*rows)).read_text()
    moved = [replace(row, vars={name: row.vars[name] for name in ("b", "a")}) for row in reversed(rows)]
    assert written(tmp_path, baseline(*moved)).read_text() == first


def test_an_unchanged_run_changes_no_byte(tmp_path: Path) -> None:
    """Neither times, nor costs, nor which of the attempts came first is in the file."""
    rows = [sample(repeat=number, replies=(f"reply {number}",)) for number in (1, 2, 3)]
    accepted = baseline(*rows)
    before = written(tmp_path, accepted).read_bytes()
    again = [replace(row, latency_s=9.0, cost_usd=None) for row in reversed(rows)]
    assert written(tmp_path, baseline(*again, before=accepted.cases)).read_bytes() == before


def test_one_changed_reply_changes_few_lines(tmp_path: Path) -> None:
    """A changed line of a reply is a changed line of the file; nothing around it moves."""
    rows = [sample(f"case-{number:02}") for number in range(30)]
    before = written(tmp_path, baseline(*rows)).read_text()
    rows[7] = replace(rows[7], replies=(REPLIES[0], REPLIES[1].replace("30 days", "14 days")))
    after = written(tmp_path, baseline(*rows)).read_text()
    assert changed_lines(before, after) == ['"Within 30 days."', '"Within 14 days."']


def test_everyone_may_read_it(tmp_path: Path) -> None:
    """It is a source file, unlike what a run leaves."""
    path = written(tmp_path, baseline(sample()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=40), max_size=3), text=st.text(max_size=40))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: list[str], text: str) -> None:
    """Line breaks of all kinds, lone halves of characters, and what hides in a terminal."""
    value = baseline(sample(replies=tuple(texts), vars={text: text}, models=(text,)), reason=text)
    path = written(tmp_path_factory.mktemp("any"), value)
    assert read_baseline(path, scenario_path=PATH) == value
    assert "\u202e" not in path.read_text()


def test_any_number_may_be_a_variable(tmp_path: Path) -> None:
    """What no count may be, a scenario may well say: order numbers have twenty digits."""
    value = baseline(sample(vars={"order": 10**20, "rate": 0.1}))
    assert read_baseline(written(tmp_path, value), scenario_path=PATH) == value


def test_what_hides_is_shown(tmp_path: Path) -> None:
    """Letters stay letters; what turns the direction of text, or hides, is an escape that a diff shows."""
    text = written(tmp_path, baseline(sample(replies=("schön \u202e 好\u200b",)))).read_text()
    assert "schön \\u202e 好\\u200b" in text


CASE = "cases/phone~haiku"
CHANGES: tuple[tuple[str, Any], ...] = (
    ("scenario", None),
    ("simulated", "no"),
    ("reason", 5),
    ("cases", []),
    (CASE, []),
    (f"{CASE}/case", 5),
    (f"{CASE}/case", "sofa"),
    (f"{CASE}/model", None),
    (f"{CASE}/vars", None),
    (f"{CASE}/vars", []),
    (f"{CASE}/passed", "1"),
    (f"{CASE}/passed", True),
    (f"{CASE}/passed", 2),
    (f"{CASE}/passed", -1),
    (f"{CASE}/measured", 0),
    (f"{CASE}/measured", 1.0),
    (f"{CASE}/measured", 10**9),
    (f"{CASE}/expectations", 5),
    (f"{CASE}/answered_by", [5]),
    (f"{CASE}/answered_by", None),
    (f"{CASE}/input_tokens", 1.5),
    (f"{CASE}/input_tokens", -1),
    (f"{CASE}/output_tokens", 10**400),
    (f"{CASE}/replies", 4),
    (f"{CASE}/replies", [[1]]),
)


@pytest.mark.parametrize(("place", "value"), CHANGES)
def test_a_value_that_no_run_can_have_is_damage(tmp_path: Path, place: str, value: Any) -> None:
    """What was changed by hand is refused before it decides anything."""
    path = written(tmp_path, baseline(sample()))
    whole: Any = json.loads(path.read_text())
    *outer, last = [part.replace("~", "/") for part in place.split("/")]
    part = whole
    for step in outer:
        part = part[step]
    part[last] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=r"is damaged .* restore it from git, or accept a run anew"):
        read_baseline(path, scenario_path=PATH)


@pytest.mark.parametrize(
    "place", ["scenario", "simulated", "reason", "cases", f"{CASE}/vars", f"{CASE}/passed"]
)
def test_a_missing_key_is_damage(tmp_path: Path, place: str) -> None:
    """Nothing is filled in by guessing."""
    path = written(tmp_path, baseline(sample()))
    whole = json.loads(path.read_text())
    *outer, key = [part.replace("~", "/") for part in place.split("/")]
    part = whole
    for step in outer:
        part = part[step]
    del part[key]
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=f"is damaged .*{key}"):
        read_baseline(path, scenario_path=PATH)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not valid JSON"),
        (b"\xff", "is not valid JSON"),
        (b"<<<<<<< HEAD\n{}\n", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"schema_version": 2, "cost": NaN}', "is not valid JSON"),
        (b'{"schema_version": 2, "scenario": "a", "scenario": "b"}', "is not valid JSON"),
        (b"[]", "is not a baseline of version 2"),
        (b"{}", "is not a baseline of version 2"),
        (b'{"schema_version": 1}', "is not a baseline of version 2"),
        (b'{"schema_version": 3}', "is not a baseline of version 2"),
        (
            b'{"schema_version": 1, "accepted_at": ""}',
            "by an older claude-run.* `claude-run accept` writes it anew",
        ),
    ],
)
def test_another_file_is_no_baseline(tmp_path: Path, data: bytes, reason: str) -> None:
    """A conflict, a cut file, an earlier or a later version is named as what it is."""
    path = tmp_path / "refund.baseline.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=reason):
        read_baseline(path, scenario_path=PATH)


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    """So does a folder in its place."""
    for path in (tmp_path / "none.baseline.json", tmp_path):
        with pytest.raises(InputError, match=r"cannot be read: .*; `claude-run accept` writes baselines"):
            read_baseline(path, scenario_path=PATH)


def test_a_full_disk_leaves_the_old_baseline(tmp_path: Path) -> None:
    """It is replaced at once or not at all."""
    path = written(tmp_path, baseline(sample("old")))
    before = path.read_bytes()
    disk = FaultDisk(at=2, code=28)
    with pytest.raises(StorageError, match="cannot be written"):
        write_baseline(disk, path, baseline(sample("new")))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]

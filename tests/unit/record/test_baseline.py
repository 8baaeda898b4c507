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
from claude_run.record.baseline import Baseline, read_baseline, write_baseline
from claude_run.record.disk import LocalDisk
from tests.unit.record.fakes import FaultDisk

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

PATH = "scenarios/refund.yaml"
REPLIES = ("Hello.\nHow can I help?", "Within 30 days.\n\n- phone\n- sofa\n\nAnything else?")


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
        "failures": (),
    }
    parts = {name: fields.pop(name) for name in PARTS if name in fields}
    identity: dict[str, Any] = {"scenario": "refund", "path": PATH, "case": case, "repeat": repeat}
    identity |= {"model": "claude-haiku-5-5", "model_label": "haiku", **parts}
    return Sample(identity=Identity.of(**identity), **{**defaults, **fields})


def baseline(*samples: Sample, **fields: Any) -> Baseline:
    """Return the baseline of these samples."""
    defaults = {"scenario": "refund", "accepted_at": "2026-11-23T07:00:00.000Z", "simulated": False}
    return Baseline(path=PATH, samples=samples, **{**defaults, **fields})


def written(folder: Path, value: Baseline) -> Path:
    """Write a baseline and return its file."""
    path = folder / "refund.baseline.json"
    write_baseline(LocalDisk(), path, value)
    return path


def test_it_reads_back_as_it_was(tmp_path: Path) -> None:
    """Conversations come back by name; failures, unknown costs and unmeasured numbers as they were."""
    value = baseline(
        sample("phone"),
        sample("phone", repeat=2, cost_usd=None, latency_s=None),
        sample("sofa", variant="v2", passed=False, failures=("turn 2: no '30 days'",)),
        sample(None, repeat=None, model="claude-opus-5-5", model_label="claude-opus-5-5", passed=None),
        simulated=True,
    )
    found = read_baseline(written(tmp_path, value), scenario_path=PATH)
    assert sorted(found.samples, key=repr) == sorted(value.samples, key=repr)
    assert replace(found, samples=()) == replace(value, samples=())


def test_its_scenario_is_the_one_that_it_is_read_for(tmp_path: Path) -> None:
    """The file holds no path, so that a repository may be checked out anywhere."""
    path = written(tmp_path, baseline(sample()))
    assert PATH not in path.read_text()
    found = read_baseline(path, scenario_path="elsewhere/refund.yaml")
    assert found.path == found.samples[0].identity.path == "elsewhere/refund.yaml"


def test_it_is_slim(tmp_path: Path) -> None:
    """Of the repeats of a conversation one reply is kept, the first that passed."""
    rows = [sample(repeat=number, passed=number > 1, replies=(f"reply {number}",)) for number in (1, 2, 3, 4)]
    path = written(tmp_path, baseline(*rows))
    assert [reply for reply in ("reply 1", "reply 2", "reply 3", "reply 4") if reply in path.read_text()] == [
        "reply 2"
    ]
    found = read_baseline(path, scenario_path=PATH)
    assert [(each.identity.repeat, each.passed) for each in found.samples] == [
        (1, False),
        (2, True),
        (3, True),
        (4, True),
    ]


def test_the_whole_file(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """What a reviewer sees in a pull request."""
    value = baseline(sample("sofa", passed=False, failures=("turn 2: no '30 days'",)), sample("phone"))
    assert written(tmp_path, value).read_text() == snapshot


def test_the_order_of_the_run_does_not_show(tmp_path: Path) -> None:
    """Conversations are sorted, so that only what changed is in the diff."""
    rows = [sample(case) for case in ("b", "a", "c")]
    first = written(tmp_path, baseline(*rows)).read_text()
    assert written(tmp_path, baseline(*reversed(rows))).read_text() == first


def test_one_changed_reply_changes_few_lines(tmp_path: Path) -> None:
    """A changed line of a reply is a changed line of the file; nothing around it moves."""
    rows = [sample(f"case-{number:02}") for number in range(30)]
    before = written(tmp_path, baseline(*rows)).read_text()
    rows[7] = replace(rows[7], replies=(REPLIES[0], REPLIES[1].replace("30 days", "14 days")))
    after = written(tmp_path, baseline(*rows)).read_text()
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert [line.strip("+-, ") for line in changed] == ['"Within 30 days."', '"Within 14 days."']


def test_everyone_may_read_it(tmp_path: Path) -> None:
    """It is a source file, unlike what a run leaves."""
    path = written(tmp_path, baseline(sample()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=40), max_size=3), failure=st.text(max_size=40))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: list[str], failure: str) -> None:
    """Line breaks of all kinds, lone halves of characters, and what hides in a terminal."""
    row = sample(replies=tuple(texts), failures=(failure,))
    path = written(tmp_path_factory.mktemp("any"), baseline(row))
    assert read_baseline(path, scenario_path=PATH).samples == (row,)
    assert "\u202e" not in path.read_text()


def test_what_hides_is_shown(tmp_path: Path) -> None:
    """Letters stay letters; what turns the direction of text, or hides, is an escape that a diff shows."""
    text = written(tmp_path, baseline(sample(replies=("schön \u202e 好\u200b",)))).read_text()
    assert "schön \\u202e 好\\u200b" in text


CHANGES: tuple[tuple[str, Any], ...] = (
    ("scenario", None),
    ("accepted_at", 5),
    ("simulated", "no"),
    ("conversations", []),
    ("conversations/phone~haiku/case", 5),
    ("conversations/phone~haiku/model", None),
    ("conversations/phone~haiku/replies", 4),
    ("conversations/phone~haiku/replies", [[1]]),
    ("conversations/phone~haiku/attempts", {"a": 1}),
    ("conversations/phone~haiku/attempts/0/passed", "yes"),
    ("conversations/phone~haiku/attempts/0/passed", 1),
    ("conversations/phone~haiku/attempts/0/repeat", "1"),
    ("conversations/phone~haiku/attempts/0/cost_usd", "much"),
    ("conversations/phone~haiku/attempts/0/latency_s", "fast"),
    ("conversations/phone~haiku/attempts/0/input_tokens", 1.5),
    ("conversations/phone~haiku/attempts/0/failures", [7]),
    ("conversations/phone~haiku/attempts/0/failures", None),
)


@pytest.mark.parametrize(("place", "value"), CHANGES)
def test_a_value_of_another_type_is_damage(tmp_path: Path, place: str, value: Any) -> None:
    """What was changed by hand is refused before it decides anything."""
    path = written(tmp_path, baseline(sample()))
    whole: Any = json.loads(path.read_text())
    *outer, last = [int(part) if part.isdigit() else part.replace("~", "/") for part in place.split("/")]
    part = whole
    for step in outer:
        part = part[step]
    part[last] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=r"is damaged .* restore it from git, or accept a run anew"):
        read_baseline(path, scenario_path=PATH)


@pytest.mark.parametrize("key", ["scenario", "accepted_at", "simulated", "conversations"])
def test_a_missing_key_is_damage(tmp_path: Path, key: str) -> None:
    """Nothing is filled in by guessing."""
    path = written(tmp_path, baseline(sample()))
    whole = json.loads(path.read_text())
    del whole[key]
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
        (b'{"schema_version": 1, "cost": NaN}', "is not valid JSON"),
        (b'{"schema_version": 1, "input_tokens": 1' + b"0" * 400 + b"}", "is not valid JSON"),
        (b'{"schema_version": 1, "scenario": "a", "scenario": "b"}', "is not valid JSON"),
        (b"[]", "is not a baseline of version 1"),
        (b"{}", "is not a baseline of version 1"),
        (b'{"schema_version": 2}', "is not a baseline of version 1"),
    ],
)
def test_another_file_is_no_baseline(tmp_path: Path, data: bytes, reason: str) -> None:
    """A conflict, a cut file or a later version is named as what it is."""
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

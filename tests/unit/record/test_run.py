"""`run.json`: everything comes back from it, and damage is named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.errors import StorageError
from claude_run.record.folder import RunFolder
from claude_run.record.run import ShardOf, plan_digest
from tests.unit.record.fakes import FaultDisk, conversation, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


SHARD = {"index": 1, "count": 2, "conversations": 3, "plan_sha256": "00", "files": {}}


def _create(tmp_path: Path) -> RunFolder:
    return RunFolder.create(run(), out=tmp_path / "mine", stamp="", disk=FaultDisk())


def test_run_json_holds_what_was_asked_for(tmp_path: Path) -> None:
    """Everything comes back; the models are there for readers, each once."""
    asked = run(
        conversation(case="phone", repeat=1),
        conversation(variant="v2", model="claude-opus-5-5", model_label="big"),
        simulated=True,
        options={"set": {"x": "\u2028\ud800"}, "concurrency": 4},
        pass_rates={"greet": 0.66},
    )
    folder = RunFolder.create(asked, out=tmp_path / "mine", stamp="", disk=FaultDisk())
    assert folder.read_run() == asked
    value = json.loads(folder.run_json.read_bytes())
    assert value["schema_version"] == 1
    assert value["models"] == ["claude-haiku-5-5", "claude-opus-5-5"]
    assert value["conversations"][1] == {
        "id": "greet/v2/big",
        "scenario": "greet",
        "path": "greet.yaml",
        "case": None,
        "variant": "v2",
        "model": "claude-opus-5-5",
        "model_label": "big",
        "repeat": None,
    }


def test_a_shard_says_of_which_whole_it_is_a_part(tmp_path: Path) -> None:
    """It comes back; a run that is no shard has no such key, as in earlier versions."""
    whole = [conversation(case=name).identity for name in ("phone", "sofa")]
    shard = ShardOf.of((2, 3), whole, {"greet.yaml": "00"})
    asked = replace(run(conversation(case="sofa")), shard=shard)
    folder = RunFolder.create(asked, out=tmp_path / "mine", stamp="", disk=FaultDisk())
    assert folder.read_run() == asked
    assert (shard.name, shard.conversations) == ("2/3", 2)
    assert "shard" not in run().to_json()


def test_the_digest_of_a_plan_stands_for_its_order_and_all_parts() -> None:
    """Two plans are the same where all of their conversations are, one after the other."""
    first, second = (conversation(case=name).identity for name in ("phone", "sofa"))
    moved = replace(second, path="elsewhere.yaml")
    plans = [(), (first,), (first, second), (second, first), (first, moved)]
    assert len({plan_digest(plan) for plan in plans}) == len(plans)
    assert plan_digest([first, second]) == plan_digest(iter((first, second)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"is not valid JSON: "),
        (b"\xff", r"is not valid JSON: "),
        (b"[]", r"holds no JSON object: it was not written by claude-run"),
        (b"{}", r"has schema_version None; this version of claude-run reads 1"),
        (b'{"schema_version": 2}', r"has schema_version 2; this version of claude-run reads 1"),
        (b'{"schema_version": 1}', r"is incomplete \('name'\): it was changed by hand or cut off"),
    ],
)
def test_a_damaged_run_json_is_an_error_of_storage(tmp_path: Path, content: bytes, message: str) -> None:
    """The file is named, and what is wrong with it."""
    folder = _create(tmp_path)
    folder.run_json.write_bytes(content)
    with pytest.raises(StorageError, match=rf"run\.json {message}"):
        folder.read_run()


@pytest.mark.parametrize("name", ["claude_run", "pass_rates", "conversations"])
def test_a_part_that_is_missing_from_run_json_is_named(tmp_path: Path, name: str) -> None:
    """A file that was changed by hand is never half-understood."""
    folder = _create(tmp_path)
    value = json.loads(folder.run_json.read_bytes())
    del value[name]
    folder.write_json("run.json", value)
    with pytest.raises(StorageError, match=rf"run\.json is incomplete \('{name}'\)"):
        folder.read_run()


@pytest.mark.parametrize("planned", [[{}], [5], 5, [None]])
def test_a_planned_conversation_that_does_not_fit_is_refused(tmp_path: Path, planned: Any) -> None:
    """The plan decides what is resumed, so it must be whole."""
    folder = _create(tmp_path)
    value = json.loads(folder.run_json.read_bytes())
    folder.write_json("run.json", {**value, "conversations": planned})
    with pytest.raises(StorageError, match=r"run\.json is incomplete"):
        folder.read_run()


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("conversations", lambda part: [*part, part[0]], "is planned 2 times"),
        ("paths", lambda _: "a.yaml", "'a.yaml' is not a list"),
        ("changes", lambda _: [{"journal_lines": 3, "superseded": "abc"}], "'abc' is not a list"),
        ("pass_rates", lambda _: {"refund": 1.5}, "a pass rate is above 1"),
        ("options", lambda part: {**part, "allowed_models": 5}, "allowed_models must be an object"),
        ("options", lambda part: {**part, "allowed_models": {"a": "bc"}}, "'bc' is not a list"),
        ("own_checks", lambda _: {"checks.py": 5}, "own_checks must be"),
        ("shard", lambda _: {"index": 1}, "count"),
        ("shard", lambda _: {**SHARD, "index": 3}, "there is no shard 3/2"),
        ("shard", lambda _: {**SHARD, "files": {"a.yaml": 5}}, "files must be"),
    ],
)
def test_a_run_json_that_nobody_can_have_planned_is_refused(
    tmp_path: Path, name: str, part: Callable[[Any], Any], message: str
) -> None:
    """A conversation that stands there twice, and what is no list where one belongs."""
    folder = _create(tmp_path)
    value = json.loads(folder.run_json.read_bytes())
    folder.write_json("run.json", {**value, name: part(value.get(name))})
    with pytest.raises(StorageError, match=rf"run\.json is incomplete \(.*{message}"):
        folder.read_run()


def test_a_key_that_stands_twice_in_run_json_is_refused(tmp_path: Path) -> None:
    """Which of the two was meant is not for us to guess."""
    folder = _create(tmp_path)
    text = folder.run_json.read_text(encoding="utf-8")
    folder.run_json.write_text(text.replace("{", '{"files": {"a.yaml": "00"},', 1), encoding="utf-8")
    with pytest.raises(StorageError, match=r"run\.json is not valid JSON: duplicate key `files`"):
        folder.read_run()


def test_a_run_json_that_is_gone_is_an_error_of_storage(tmp_path: Path) -> None:
    """It may vanish between opening and reading."""
    folder = _create(tmp_path)
    folder.run_json.unlink()
    with pytest.raises(StorageError, match=r"run\.json cannot be read: No such file"):
        folder.read_run()

"""Samples read the short way are those that the journal tells."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from claude_run.conversation.identity import Identity
from claude_run.conversation.sample import Sample
from claude_run.errors import StorageError
from claude_run.record.derive import read_played, read_samples, write_derived
from claude_run.record.folder import RunFolder
from claude_run.record.transcripts import SavedLines, sample_from_json
from claude_run.text.strict_json import plain_json
from tests.support.big_runs import write_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> RunFolder:
    """Return a small run of flaky cases with its derived files."""
    write_run(tmp_path / "run", cases=4, repeats=3, chance=0.5, seed=3)
    folder = RunFolder.open(tmp_path / "run")
    write_derived(folder, read_played(folder))
    return folder


def _by_journal(folder: RunFolder) -> tuple[Sample, ...]:
    return tuple(Sample.of(each.transcript) for each in read_played(folder).records if each.transcript)


def test_the_derived_file_says_what_the_journal_says(folder: RunFolder) -> None:
    """Every field is equal, in the order of the plan."""
    assert read_samples(folder) == _by_journal(folder)
    assert {sample.passed for sample in read_samples(folder)} == {True, False}
    assert all(sample.models for sample in read_samples(folder))


def test_nothing_of_a_sample_is_lost_where_hardly_anything_is_known(tmp_path: Path) -> None:
    """Not its price, not what answered; with parts of its identity that others lack, and of another kind."""
    identity = Identity.of(
        scenario="s", path="s.yaml", case="1", variant="v", model="m", model_label="l", case_digest="d"
    )
    said = {"index": 1, "role": "user", "content": "Hello.", "reply": None, "checks": [], "left_out": False}
    line = {
        "conversation_id": identity.id,
        **identity.parts(),
        "confirm": None,
        "outcome": "errored",
        "cost_usd": None,
        "usage": {},
        "vars": {"nested": [{"a": None, "b": [1.5, True]}], "lone": "\ud800"},
        "expectations": None,
        "params": {"max_tokens": 512},
        "system": None,
        "turns": [said],
        "checks": [],
    }
    other = {**line, "params": {"max_tokens": 99}, "outcome": "failed", "cost_usd": 0.00012}
    path = tmp_path / "transcripts.jsonl"
    path.write_text("".join(plain_json(each) + "\n" for each in (line, other, {**line, "confirm": 1})))
    with path.open("rb") as file:
        samples = SavedLines(path).samples(file)
    assert samples == [sample_from_json(line), sample_from_json(other)]
    assert [sample.setup.params["max_tokens"] for sample in samples if sample.setup] == [512, 99]


def test_a_derived_file_that_is_older_or_cut_is_not_trusted(folder: RunFolder) -> None:
    """The journal decides where the file is stale, short, or was changed by hand into something else."""
    expected = _by_journal(folder)
    lines = folder.transcripts.read_bytes().split(b"\n")
    for content in (b"\n".join(lines[:3]), b'{"outcome": "passed"}\n' * 12, b"not JSON\n"):
        folder.transcripts.write_bytes(content)
        assert read_samples(folder) == expected
    folder.transcripts.write_bytes(b"\n".join(lines).replace(b'"passed"', b'"failed"'))
    os.utime(folder.transcripts, ns=(0, 0))
    assert read_samples(folder) == expected
    folder.transcripts.unlink()
    assert read_samples(folder) == expected


def test_what_was_never_started_is_no_attempt(folder: RunFolder) -> None:
    """A planned conversation without a line in the journal is left out either way."""
    run = json.loads(folder.run_json.read_bytes())
    extra = {**run["conversations"][0], "id": "never", "case": "never"}
    folder.write_json("run.json", {**run, "conversations": [*run["conversations"], extra]})
    expected = read_samples(folder)
    write_derived(folder, read_played(folder))
    assert read_samples(folder) == expected
    assert all(sample.identity.case != "never" for sample in expected)


def test_what_was_said_is_read_from_the_file_when_it_is_shown(folder: RunFolder) -> None:
    """A file that was changed since then is not taken for what was compared."""
    samples = read_samples(folder)
    failed = next(sample for sample in samples if not sample.passed)
    assert (len(failed.replies), len(failed.failures), failed.replies[:0]) == (1, 1, ())
    assert hash(failed.replies) == hash(tuple(failed.replies))
    assert failed.replies != "no list"
    folder.transcripts.write_bytes(b"not JSON\n")
    with pytest.raises(StorageError, match="was changed while it was read"):
        _ = failed.replies[0]

"""Merging, for any plan in any number of shards: nothing is missing, and nothing is there twice."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.errors import InputError
from claude_run.plan.matrix import Selection, expand
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder
from claude_run.record.redact import Redactor
from claude_run.record.run import Run, ShardOf
from claude_run.scenario.model import Case
from claude_run.session.merge import merge
from claude_run.session.options import saved_options
from claude_run.session.request import RunRequest
from claude_run.session.world import World
from tests.unit.conversation.builders import AT, body, events_of
from tests.unit.plan.builders import scenario, user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.model import Scenario

WORDS = st.text(st.characters(codec="utf-8"), max_size=8)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@st.composite
def _scenarios(draw: st.DrawFn) -> list[Scenario]:
    return [
        scenario(
            f"s{number}",
            path=f"s{number}.yaml",
            turns=(user("word " * draw(st.integers(1, 50))),),
            cases=tuple(Case(id=f"c{each}") for each in range(draw(st.integers(1, 5)))),
            repeat=draw(st.integers(1, 3)),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


def _played(scenarios: list[Scenario], shard: tuple[int, int], place: Path, words: st.DataObject) -> Path:
    """Write the run folder of a shard whose conversations have got some replies; return where it is."""
    plan, (index, count) = expand(scenarios, Selection(shard=shard)), shard
    assert plan.whole is not None
    run = Run(
        run_id=f"run-{index}",
        name="some",
        claude_run="1.0.0",
        created_at=AT,
        paths=("s0.yaml",),
        options=saved_options(RunRequest(shard=f"{index}/{count}")),
        files=plan.files,
        pass_rates=plan.pass_rates,
        prices="genai-prices 1",
        simulated=True,
        conversations=plan.identities,
        shard=ShardOf.of(shard, plan.whole.identities, plan.whole.files),
    )
    folder = RunFolder.create(run, out=place / str(index), stamp="", latest=False)
    journal, _ = folder.open_journal(run)
    with closing(journal):
        journal.append_run("started", at=AT)
        for conversation in plan.conversations:
            journal.append(*events_of(conversation, [body(words.draw(WORDS))]))
        journal.append_run("ended", at=AT, duration_s=1.0, stop=None, reason=None)
    return folder.path


def _events(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal but its header, without what says where they stand."""
    lines = [json.loads(line) for line in (path / "journal.jsonl").read_bytes().splitlines()]
    return [{key: part for key, part in line.items() if key not in {"crc", "seq"}} for line in lines[1:]]


def _merge(paths: Sequence[Path], out: Path) -> RunFolder:
    return asyncio.run(merge(paths, out, World(redactor=Redactor()), {})).folder


@settings(max_examples=40, deadline=None)
@given(_scenarios(), st.integers(1, 6), st.data())
def test_nothing_is_missing_and_nothing_is_there_twice(
    scenarios: list[Scenario], count: int, data: st.DataObject
) -> None:
    """All shards in any order become the whole plan with every event; any other choice of them is refused."""
    whole = expand(scenarios, Selection())
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        shards = [(index, count) for index in range(1, count + 1)]
        paths = [_played(scenarios, shard, place, data) for shard in shards]
        folder = _merge(data.draw(st.permutations(paths)), place / "merged")

        # The plan, every conversation played once, and what each shard's journal tells, in the plan's order.
        assert folder.read_run().conversations == tuple(whole.identities)
        records = read_played(folder).records
        assert [record.planned.id for record in records] == [each.id for each in whole.conversations]
        assert all(record.figures is not None for record in records)
        told = [event for path in paths for event in _events(path)]
        assert _events(folder.path)[:-1] == told
        starts = Counter(event["conversation_id"] for event in told if event["event"] == "start")
        assert starts == Counter(each.id for each in whole.conversations)

        # One too few, or one too many, by whatever name.
        chosen = data.draw(st.integers(0, count - 1))
        if count > 1:
            with pytest.raises(InputError, match=f"shard {chosen + 1}/{count} is missing"):
                _merge([path for path in paths if path != paths[chosen]], place / "less")
        again = _played(scenarios, shards[chosen], place / "again", data)
        with pytest.raises(InputError, match=f"shard {chosen + 1}/{count} is there twice"):
            _merge([*paths, again], place / "more")
        assert not (place / "less").exists()
        assert not (place / "more").exists()

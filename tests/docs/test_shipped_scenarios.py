"""The scenarios of the repository: sound, passing on their examples, and able to fail."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from claude_run.checks.registry import default_registry
from claude_run.scenario.loader import load
from tests.docs.page_examples import run
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
NAMES = [path.stem for path in SCENARIOS]


@pytest.mark.parametrize("path", SCENARIOS, ids=NAMES)
def test_a_scenario_fits_the_schema_that_its_first_line_names(path: Path) -> None:
    """An editor that follows the first line finds the schema, and nothing wrong with the file."""
    text = path.read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named is not None
    schema = json.loads((path.parent / named[1]).read_text(encoding="utf-8"))

    jsonschema.validate(yaml.safe_load(text), schema, cls=jsonschema.Draft202012Validator)


def test_a_scenario_tells_what_it_is_for_and_how_to_play_it() -> None:
    """Each one has a description, tags, a model, and an example and expectations for every reply."""
    scenarios = load([str(ROOT / "scenarios")], vocabulary=default_registry())

    assert [scenario.name for scenario in scenarios] == NAMES
    for scenario in scenarios:
        assert scenario.description.endswith(".")
        assert scenario.tags
        assert scenario.models
        for script in filter(None, (scenario.turns, *(case.turns for case in scenario.cases))):
            assert scenario.expect or script[-1].expect  # type: ignore[union-attr] # no script ends with another turn


def test_the_scenarios_pass_on_their_examples(tmp_path: Path) -> None:
    """Played on two models, twice each, every conversation passes, and usage is the sum of the replies'."""
    out = tmp_path / "run"
    line = f"claude-run {ROOT}/scenarios --simulate -m claude-haiku-5-5 -m claude-opus-5-5 -n 2 -q -o {out}"
    code, printed = run(line)
    transcripts = _transcripts(out)

    assert code == 0, printed
    assert {transcript["scenario"] for transcript in transcripts} == set(NAMES)
    assert len(transcripts) == len({transcript["conversation_id"] for transcript in transcripts}) == 104
    for transcript in transcripts:
        assert (transcript["outcome"], transcript["simulated"]) == ("passed", True)
        assert _input(transcript["usage"]) == sum(_input(turn["usage"]) for turn in transcript["turns"])
        assert transcript["turns"][-1]["checks"]


def test_the_scenarios_fail_without_their_examples(tmp_path: Path) -> None:
    """With the simulator's placeholders for replies, no conversation of any scenario passes."""
    folder = tmp_path / "scenarios"
    shutil.copytree(ROOT / "scenarios", folder)
    for path in folder.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"^( +)example:", r"\1x-example:", text, flags=re.MULTILINE), "utf-8")
    code, _ = run(f"claude-run {folder} --simulate -q -o {tmp_path}/run")

    assert code in {1, 3}
    assert {transcript["outcome"] for transcript in _transcripts(tmp_path / "run")} <= {"failed", "errored"}


def test_the_tutorial_request_is_replayed_word_by_word(tmp_path: Path) -> None:
    """`tuple-or-list` sends exactly the system prompt and the three messages of the tutorial."""
    run(f"claude-run {ROOT}/scenarios/tuple-or-list.yaml --simulate -q -o {tmp_path}/run")
    (transcript,) = _transcripts(tmp_path / "run")

    assert [block["text"] for block in transcript["system"]] == [
        "You are a senior Python engineer. Be concise."
    ]
    assert [(turn["role"], turn["content"]) for turn in transcript["turns"]] == [
        ("user", "What is the difference between a list and a tuple?"),
        ("assistant", "Lists are mutable; tuples are immutable."),
        ("user", "Give me a practical example of when to use each."),
    ]


def _transcripts(run_folder: Path) -> Sequence[Any]:
    lines = (run_folder / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _input(usage: Any) -> int:
    """Return the tokens of the whole prompt; 0 for a turn without a reply."""
    if usage is None:
        return 0
    cached = (usage["cache_creation_input_tokens"] or 0) + (usage["cache_read_input_tokens"] or 0)
    return int(usage["input_tokens"]) + cached

"""Public suites of scripted conversations, written anew as scenarios: each can be said, and shorter.

The head of each file names the suite that it answers. What differs from it is the words; the questions, the
expected values and the calls are the same.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.page_examples import run

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SCENARIOS = sorted(HERE.glob("*.yaml"))
NAMES = [path.stem for path in SCENARIOS]

LINES = [
    # suite, lines there, lines here at most: of scenarios, and with the data beside them
    ("01", 100, 82, 82),
    ("02", 92, 92, 92),
    ("03-tools", 90, 32, 44),
    ("03-threads", 61, 22, 22),
    ("03-policy", 30, 17, 17),
    ("04", 58, 58, 58),
    ("05", 335, 94, 94),
    ("06", None, 53, 63),  # there: two rows of JSON a talk, each as long as a page, and tools in Python
    ("07", None, 14, 20),  # there: a row of JSON a talk, and the judge in Python
    ("08-classification", 91, 16, 40),
    ("08-support", 397, 41, 41),
    ("08-summary", 520, 37, 37),
    ("09", 90, 14, 19),
]

CONVERSATIONS = {
    "01-delegation": 1,
    "01-language-switch": 1,
    "01-reservation": 2,
    "02-transfer": 3,
    "03-policy": 4,
    "03-threads": 3,
    "03-tools": 4,
    "04-drive": 4,
    "05-airline": 4,
    "06-missing-parameter": 3,
    "07-mt-bench": 6,
    "08-classification": 8,
    "08-summary": 2,
    "08-support": 5,
    "09-customer-service": 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A wrong reply: `right` becomes `wrong` in a scenario, or the file `beside` it; `found` is printed."""

    right: str
    wrong: str
    found: str
    beside: str | None = None


MISTAKES = {
    "01-delegation": Mistake(
        right="CI on main is green.\n", wrong="The retry test is fixed.\n", found="turn 2, matches"
    ),
    "01-language-switch": Mistake(
        right="is in Barcelona, Spain.", wrong="is in Madrid, Spain.", found="turn 2, contains"
    ),
    "01-reservation": Mistake(
        right="You could come at 5 PM, 6 PM or 9 PM.", wrong="Please call again.", found="turn 3, contains"
    ),
    "02-transfer": Mistake(
        right="Shall I send $50 to Jimmy?", wrong="Shall I send $50 to John?", found="turn 5, not"
    ),
    "03-policy": Mistake(
        right="I cannot help with that.", wrong="It is Paris.", found="03-policy/out-of-scope"
    ),
    "03-threads": Mistake(right="In California.", wrong="In Texas.", found="turn 3, contains"),
    "03-tools": Mistake(
        # The simulator makes the calls that are expected, so this one is: with a parameter that is banned.
        right="input: {select: {type: text}}",
        wrong="input: {doc: open, select: {type: text}}",
        found="conversation, not",
    ),
    "04-drive": Mistake(
        right="Restaurant {{ saved.count }} it is.", wrong="Restaurant 1 it is.", found="turn 5, contains"
    ),
    "05-airline": Mistake(
        right="but this is basic economy, which cannot be changed.",
        wrong="but you need to pay for that.",
        found="turn 1, matches",
    ),
    "06-missing-parameter": Mistake(
        right="example: How many lines?", wrong="example: Here they are.", found="turn 4, contains"
    ),
    "07-mt-bench": Mistake(
        right='"reference": ["12000", "2000"]',
        wrong='"reference": ["12000", "4000"]',
        found="turn 2, contains",
        beside="07-mt-bench.jsonl",
    ),
    "08-classification": Mistake(right='join(", ")', wrong="first", found="08-classification/heat/basic"),
    "08-summary": Mistake(
        right='"resolution": "Handed over"',
        wrong='"resolution": "Handed Ines Kolb over"',
        found="turn 1, within",
    ),
    "08-support": Mistake(
        right="<final_answer>{{ no }}</final_answer>",
        wrong="{{ no }} <final_answer>2, 3, 5, 7</final_answer>",
        found="turn 1, within",
    ),
    "09-customer-service": Mistake(
        right="It is {{ says }}.", wrong="I do not know.", found="turn 1, contains"
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_is_sound(name: str) -> None:
    """Nothing is wrong with it, nothing is warned of, and the examples satisfy what is expected."""
    for options in ("", " --examples"):
        code, printed = run(f"claude-run check {HERE / name}.yaml{options}")
        assert (code, "warning" in printed, "note" in printed) == (0, False, False), printed


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_plays_without_a_key(name: str, tmp_path: Path) -> None:
    """All of its conversations pass on the simulator, with a check in each."""
    code, printed = run(f"claude-run {HERE / name}.yaml --simulate -q -o {tmp_path / 'run'}")
    transcripts = list(_transcripts(tmp_path / "run"))

    assert (code, printed.splitlines()[0]) == (0, "PASSED (exit code 0): all conversations passed")
    assert len(transcripts) == CONVERSATIONS[name]
    for transcript in transcripts:
        assert transcript["outcome"] == "passed"
        assert any(turn.get("checks") for turn in transcript["turns"])


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_can_fail(name: str, tmp_path: Path) -> None:
    """One wrong reply is a failed check, at the turn that got it."""
    mistake = MISTAKES[name]
    suites = tmp_path / "suites"
    shutil.copytree(HERE, suites, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    changed = suites / (mistake.beside or f"{name}.yaml")
    text = changed.read_text(encoding="utf-8")
    assert mistake.right in text
    changed.write_text(text.replace(mistake.right, mistake.wrong), encoding="utf-8")

    code, printed = run(f"claude-run {suites / name}.yaml --simulate -q -o {tmp_path / 'run'}")
    assert code == 1, printed
    assert mistake.found in printed


@pytest.mark.parametrize(("suite", "there", "most", "with_data"), LINES, ids=[line[0] for line in LINES])
def test_a_suite_is_no_longer_than_there(suite: str, there: int | None, most: int, with_data: int) -> None:
    """Lines of scenarios, and with the tools, the rows and the prompts that stand in files of their own."""
    scenarios = [path for path in SCENARIOS if path.stem.startswith(suite)]
    beside = {path for scenario in scenarios for path in _beside(scenario)}
    lines = sum(map(_lines, scenarios))

    assert scenarios
    assert lines <= most
    assert lines + sum(map(_lines, beside)) <= min(with_data, there or with_data)


def test_every_scenario_belongs_to_a_suite_and_names_its_source() -> None:
    """In the first line, as the repository and the path in it."""
    assert set(NAMES) == set(MISTAKES) == set(CONVERSATIONS)
    for path in SCENARIOS:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# Answers ")
        assert "/" in first.partition(": ")[2]
        assert [suite for suite, *_ in LINES if path.stem.startswith(suite)]


def _beside(scenario: Path) -> Iterator[Path]:
    """Yield the files that a scenario names: tools, rows, and all prompts of a folder."""
    text = scenario.read_text(encoding="utf-8")
    for path in HERE.rglob("*"):
        named = path.parent.name if path.parent != HERE else path.name
        if path.suffix in {".json", ".jsonl", ".md"} and named in text:
            yield path


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _transcripts(folder: Path) -> Iterator[Any]:
    yield from map(json.loads, (folder / "transcripts.jsonl").read_text(encoding="utf-8").splitlines())

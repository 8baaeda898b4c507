"""MT-Bench question files: 80 questions as they come, each a case that plays and is judged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.cli.app import run_command_line
from tests.unit.imports.importing import made_of

if TYPE_CHECKING:
    from pathlib import Path

CATEGORIES = ("writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities")


def question(number: int) -> dict[str, Any]:
    """Return a question of our own in the real form: two turns, and a reference for some categories."""
    category = CATEGORIES[(number - 81) // 10]
    turns = [
        f"Question {number}: what is {number} + 1? {{{{ {number} }}}}",
        "And {% half %} of it?\nSay why.",
    ]
    whole: dict[str, Any] = {"question_id": number, "category": category, "turns": turns}
    if category in {"reasoning", "math", "coding"}:
        whole["reference"] = [f"{number + 1} {{{{ right }}}}", "" if number % 2 else str((number + 1) / 2)]
    return whole


def test_eighty_questions_become_one_scenario_that_plays(tmp_path: Path) -> None:
    """What is sent is what the file says, in its order, under its ids and with its categories as tags."""
    rows = [question(number) for number in range(81, 161)]
    found = made_of(tmp_path, {"question.jsonl": rows})
    scenario = tmp_path / "out" / "question.yaml"
    assert found.losses == [("changed", "question.jsonl", 1, "turns")]

    run = tmp_path / "run"
    assert run_command_line(["run", str(scenario), "--simulate", "-q", "-o", str(run)]) == 0
    lines = (run / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    played = {each["case"]: each for each in map(json.loads, lines)}
    assert list(played) == [str(row["question_id"]) for row in rows]
    for row in rows:
        transcript = played[str(row["question_id"])]
        assert [turn["content"] for turn in transcript["turns"]] == row["turns"]
        assert transcript["tags"] == [row["category"]]
        assert all(turn["checks"][0]["kind"] == "judge" for turn in transcript["turns"])
        for turn, answer in zip(transcript["turns"], row.get("reference", []), strict=False):
            assert not answer or turn["reply"]["text"] == answer


def test_a_reference_is_what_the_judge_holds_the_reply_against(tmp_path: Path) -> None:
    """And the example; where there is none the judge looks at the reply alone."""
    rows = [{"question_id": 1, "turns": ["a", "b"], "reference": ["{{ x }}"]}]
    first, second = made_of(tmp_path, {"q.jsonl": rows}).only["cases"][0]["turns"]
    assert first["expect"][0]["judge"].endswith("this reference answer: {{ '{{' }} x }}")
    assert first["example"] == "{{ '{{' }} x }}"
    assert second.keys() == {"user", "expect"}
    assert "reference" not in second["expect"][0]["judge"]


@pytest.mark.parametrize(
    ("row", "loss"),
    [
        ({"turns": []}, "turns"),
        ({"turns": ["a", " "]}, "turns"),
        ({"turns": "a"}, "turns"),
        ({"turns": ["x" * 900_000]}, "turns"),
        ({"turns": ["a"], "reference": "b"}, "reference"),
        ({"turns": ["a"], "reference": ["b", "c"]}, "reference"),
        ({"turns": ["a"], "category": "a/b"}, "category"),
        ({"turns": ["a"], "category": ["a"]}, "category"),
        ({"turns": ["a"], "model_id": "x"}, "model_id"),
    ],
)
def test_what_a_question_cannot_be_said_with_is_a_loss(
    row: dict[str, Any], loss: str, tmp_path: Path
) -> None:
    """In its line, under its key; a question without turns that say something is left out."""
    found = made_of(tmp_path, {"q.jsonl": [{"turns": ["fine"]}, row]})
    assert ("dropped", "q.jsonl", 2, loss) in found.losses
    assert len(found.only["cases"]) == (1 if loss == "turns" else 2)

"""Labelled replies: what a file of them may hold, and the conversations that they become."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.session.grade import read_labels

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"prompt": "Hello", "reply": "Hi {{ there }}.", "rubric": "It is {{ polite }}.", "label": "pass"}


def written(folder: Path, *lines: Any) -> str:
    """Write a file of labels; what is no text is written as JSON."""
    path = folder / "labels.jsonl"
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("\n".join(texts), encoding="utf-8")
    return str(path)


def refused(path: str) -> list[tuple[int, str]]:
    """Return line and message of each problem."""
    with pytest.raises(InvalidScenarioError) as caught:
        read_labels(path, ["judge"])
    return [(problem.position.line, problem.message) for problem in caught.value.diagnostics]


def test_each_line_becomes_a_conversation(tmp_path: Path) -> None:
    """Its texts are data, whatever braces they hold; without an id the line's number names it."""
    question = {"id": "two", "reply": "No.", "question": "Is it short?", "label": "fail"}
    first, second = read_labels(written(tmp_path, GOOD, "", question), ["a", "b"])
    assert (first.reply, first.conversation.tags) == ("Hi {{ there }}.", ("pass",))
    assert first.conversation.id == "judge-eval/1"
    assert first.conversation.vars == {"prompt": "Hello", "criterion": "It is {{ polite }}."}
    assert first.conversation.judge is not None
    assert first.conversation.judge.models == ("a", "b")
    assert (second.conversation.tags, second.conversation.id) == (("fail",), "judge-eval/two")
    assert second.conversation.vars["prompt"] == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "this line is not a JSON object"),
        ("[" * 100_000, "this line is not a JSON object"),
        ("[1]", "this line is not a JSON object"),
        ('{"reply": "a", "rubric": "b", "label": "pass", "id": NaN}', "this line is not a JSON object"),
        ('{"reply": "a", "rubric": "b", "label": "pass", "label": "fail"}', "duplicate key `label`"),
        ({**GOOD, "labels": 1}, "unknown key `labels`"),
        ({**GOOD, "question": "b"}, "exactly one of `rubric` and `question` is needed"),
        ({"reply": "a", "label": "pass"}, "exactly one of `rubric` and `question` is needed"),
        ({**GOOD, "reply": ""}, "`reply` must be text"),
        ({**GOOD, "rubric": 4}, "`rubric` must be text"),
        ({**GOOD, "prompt": ["Hello"]}, "`prompt` must be text"),
        ({**GOOD, "label": "good"}, "`label` must be pass or fail"),
        ({**GOOD, "label": ["pass"]}, "`label` must be pass or fail"),
        ({**GOOD, "id": None}, "`id` must be text or a whole number"),
        ({**GOOD, "id": True}, "`id` must be text or a whole number"),
        ({**GOOD, "id": {"a": 1}}, "`id` must be text or a whole number"),
        ({**GOOD, "id": "a/b"}, "the id 'a/b' is there already, or holds a slash"),
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path: Path, line: Any, message: str) -> None:
    """The whole lines around it are no excuse."""
    assert refused(written(tmp_path, GOOD, line)) == [(2, message)]


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """A file is mended in one go, an id that stands twice included."""
    twice = {**GOOD, "id": "same"}
    found = refused(written(tmp_path, twice, "x", twice, {**GOOD, "label": None}))
    assert [line for line, _ in found] == [2, 3, 4]


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    """Empty, missing and unreadable files say so at their first line."""
    assert refused(written(tmp_path, "", " ")) == [(1, "there is no labelled reply")]
    assert refused(str(tmp_path / "none.jsonl")) == [
        (1, "the file cannot be read: No such file or directory")
    ]
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe")
    assert refused(str(tmp_path / "latin.jsonl")) == [(1, "the file cannot be read: it is not UTF-8 text")]

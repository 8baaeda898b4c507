"""What a shell may complete, and that nothing unreadable keeps it from anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from claude_run.checks.registry import default_registry
from claude_run.scenario.loader import load
from claude_run.session.completion import words
from tests.support.command import COMMAND, execute

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = """
name: returns
model: claude-haiku-5-5
max_tokens: 9
tags: [smoke]
cases: [{id: phone, vars: {item: a}, tags: [gadget]}, {vars: {item: b}}]
variants: [{id: v1}, {id: v2, max_tokens: 5}]
turns: [{user: 'May I return {{ item }}?'}]
"""


def test_words_of_the_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that are named, or of the project's folder; what has no name of its own is left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "a.yaml").write_text(SCENARIO)
    assert list(words("TAG", [])) == ["smoke", "gadget"]
    assert list(words("EXPR", ["scenarios/a.yaml"])) == ["returns", "phone", "v1", "v2", "smoke", "gadget"]


def test_nothing_where_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is pressed brings no error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("turns: [{usr: Hi}]\n")
    assert list(words("TAG", ["a.yaml"])) == []
    assert list(words("TAG", ["nothing.yaml"])) == []
    assert list(words("[RUN]", [])) == []


def test_models_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest run first; `latest` is no run of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("2026-01-01", "2026-02-01"):
        (tmp_path / "outputs" / name).mkdir(parents=True)
        (tmp_path / "outputs" / name / "run.json").touch()
    (tmp_path / "outputs" / "latest").symlink_to("2026-02-01")
    assert list(words("[RUN]", [])) == ["outputs/2026-02-01", "outputs/2026-01-01"]
    assert "claude-opus-5-5" in words("MODEL", [])


def test_a_broken_file_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever mends one scenario still selects among the others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("turns: [{usr: Hi}]\n")
    (tmp_path / "b.yaml").write_text(SCENARIO)
    assert list(words("TAG", ["a.yaml", "b.yaml"])) == ["smoke", "gadget"]
    assert list(words("TAG", [])) == ["smoke", "gadget"]


HOSTILE = (
    *(
        r"\$(touch pwned)",
        "$(touch${IFS}pwned)",
        "`touch pwned`",
        "a;touch pwned",
        "a|b",
        "a&b",
        "<(b)",
        "#a",
    ),
    *("two words", "it's", 'a"b', "~", "*", "a?", "[a]", "{a,b}", "!a", "-k", "--help", "=ls", "a:b"),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_word_is_offered_that_a_shell_evaluates(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario may come from anybody, and the shell of whoever presses the key is theirs."""
    monkeypatch.chdir(tmp_path)
    scenario = {
        "name": text,
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        "tags": [text, "smoke"],
        "cases": [{"id": text, "tags": [text]}],
        "variants": [{"id": text}],
        "turns": [{"user": "Hi"}],
    }
    (tmp_path / "a.yaml").write_text(json.dumps(scenario))
    named = load(["a.yaml"], vocabulary=default_registry())
    assert [named[0].name, *named[0].tags] == [text, text, "smoke"]
    for what in ("TAG", "EXPR"):
        assert list(words(what, [])) == ["smoke"]


def test_an_operator_is_no_name_in_an_expression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-k or` is refused; `--tag or` is a tag as any other."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(SCENARIO.replace("[smoke]", "[or]"))
    assert "or" not in list(words("EXPR", []))
    assert "or" in list(words("TAG", []))


def test_conversations_of_the_latest_run_or_of_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `show` takes: an id of the latest run, or a run and then one of its ids."""
    monkeypatch.chdir(tmp_path)
    assert list(words("[RUN] ID", [])) == []
    (tmp_path / "a.yaml").write_text(SCENARIO.replace("vars: {item: b}", "id: sofa, vars: {item: b}"))
    played = execute([str(COMMAND), "a.yaml", "--simulate", "-q", "-k", "phone"], cwd=tmp_path)
    assert played.code == 0, played.stderr
    ids = [f"returns/phone/{variant}/claude-haiku-5-5" for variant in ("v1", "v2")]
    runs = list(words("[RUN]", []))
    assert list(words("[RUN] ID", [])) == [*ids, *runs]
    assert list(words("[RUN] ID", runs)) == ids
    assert list(words("A [B...]", [])) == list(words("RUN...", [])) == runs

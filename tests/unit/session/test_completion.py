"""What a shell may complete, and that nothing unreadable keeps it from anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.session.completion import words

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

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

"""Cases without ids are known by their variables, wherever their rows have moved to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.gate.api import said

if TYPE_CHECKING:
    from tests.system.gate.workspace import GateWorkspace

BEFORE = ["alpha", "beta", "gamma", "delta"]


def write(workspace: GateWorkspace, items: list[str], *, note: str = "n") -> None:
    """Write a scenario whose table has no ids; each reply says which item was asked about."""
    rows = "".join(f"{item},{note}\n" for item in items)
    (workspace.folder / "cases.csv").write_text(f"item,note\n{rows}", encoding="utf-8")
    (workspace.folder / "refund.yaml").write_text(
        "model: claude-haiku-5-5\nmax_tokens: 100\ncases: cases.csv\n"
        "turns:\n  - user: '{{ item }}'\n    expect: [not: {contains: NEW}]\n",
        encoding="utf-8",
    )
    workspace.api.reply = lambda body, _nth: f"echo: {said(body)}"


def test_the_gate_pairs_what_asks_the_same(workspace: GateWorkspace) -> None:
    """A row before all others makes nothing worse: it is new, and named by its number."""
    write(workspace, BEFORE)
    assert workspace.play("base").code == 0
    assert workspace.run("accept", "base").code == 0
    write(workspace, ["NEW", "gamma", "alpha", "beta"], note="another")
    done = workspace.play("run", "--baseline")
    assert done.code == 1, done.stdout
    compared = workspace.run("compare", "base", "run", "--json")
    for output in (done.stdout + done.stderr, compared.stdout):
        assert "alpha" not in output or "+NEW" not in output
    (found,) = json.loads(compared.stdout)["candidates"]
    assert found["baseline_only"] == ["refund/4"]
    assert found["candidate_only"] == ["refund/1 (other variables)"]
    assert "refund/1" in done.stdout + done.stderr


def test_last_failed_means_the_row_that_failed(workspace: GateWorkspace) -> None:
    """Where a row was put before it, the number is another one."""
    write(workspace, ["alpha", "NEW", "beta"])
    assert workspace.play("run").code == 1
    write(workspace, ["gamma", "alpha", "NEW", "beta"])
    listed = workspace.run("refund.yaml", "--lf", "--list")
    assert listed.stdout == "refund/3/claude-haiku-5-5\n"


@pytest.mark.parametrize("fields", [{}, {"note": "changed"}])
def test_review_shows_the_reply_to_the_same_question(
    workspace: GateWorkspace, fields: dict[str, str]
) -> None:
    """Moved rows are no change, and neither is a column that nothing uses."""
    write(workspace, BEFORE)
    assert workspace.play("base").code == 0
    assert workspace.run("accept", "base").code == 0
    write(workspace, BEFORE[::-1], **fields)
    assert workspace.play("run").code == 0
    review = workspace.run("review", "run", "--pending")
    assert (review.code, review.stdout) == (0, ""), review.stdout

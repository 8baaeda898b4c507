"""The references of comparisons and baselines name every key of real ones, and none that they lack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs import comparison_fields as described
from tests.docs.page_examples import run
from tests.docs.tables import names

if TYPE_CHECKING:
    from pathlib import Path

_SCENARIO = """\
name: compared
models: [claude-haiku-5-5, claude-opus-5-5]
cases:
  - {id: tea, vars: {drink: tea}}
  - {id: milk, vars: {drink: milk}}
turns:
  - user: Do you like {{ drink }}?
    expect: [{contains: tea}]
    example: I like {{ drink }}.
"""


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Play a scenario of which one case fails, and make it the baseline."""
    folder = tmp_path_factory.mktemp("compared")
    (folder / "compared.yaml").write_text(_SCENARIO, encoding="utf-8")
    code, printed = run(f"claude-run {folder}/compared.yaml --simulate -q -o {folder}/run")
    assert code == 1, printed
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI", raising=False)  # where nothing is accepted
        code, printed = run(f"claude-run accept {folder}/run --with-failures")
    assert code == 0, printed
    return folder


def test_each_key_of_a_comparison_is_documented(folder: Path) -> None:
    """The JSON of `compare`, its candidate and all their parts have exactly the documented keys."""
    code, printed = run(f"claude-run compare {folder}/run --json")
    found: Any = json.loads(printed)
    (candidate,) = found["candidates"]
    parts = {
        "rules": described.RULES,
        "effect": described.EFFECT,
        "metrics": described.METRIC,
        "cases": described.CASE,
    }

    assert code == 0
    assert list(found) == names(described.COMPARISON)
    assert list(candidate) == names(described.CANDIDATE)
    for name, fields in parts.items():
        for part in candidate[name] if isinstance(candidate[name], list) else [candidate[name]]:
            assert list(part) == names(fields), name
    assert list(candidate["effect"]["interval"]) == names(described.INTERVAL)
    assert list(candidate["cases"][0]["baseline"]) == names(described.RATE)


def test_each_key_of_a_baseline_is_documented(folder: Path) -> None:
    """The file and its cases have exactly the documented keys."""
    baseline: Any = json.loads((folder / "compared.baseline.json").read_text(encoding="utf-8"))

    assert list(baseline) == names(described.BASELINE)
    assert len(baseline["cases"]) == 4
    for case in baseline["cases"].values():
        assert list(case) == names(described.BASELINE_CASE)

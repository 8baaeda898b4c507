"""The baseline beside a scenario: each scenario has one of its own, and nothing else is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_run.scenario.beside import baseline_path, scenario_beside
from claude_run.scenario.loader import scenario_name
from tests.unit.scenario.loading import ONE_TURN, complaints, load_files, refused

NAMED = f"name: other\n{ONE_TURN}"
TEXT = "system: {file: a.baseline.json}\nturns: [{user: Hi}]\n"
SHARED = "would be the baseline of"


def test_it_stands_beside_its_scenario() -> None:
    """The suffix is replaced, dots in the name stay."""
    assert baseline_path("scenarios/refund.yaml") == Path("scenarios/refund.baseline.json")
    assert baseline_path("a/v1.2.yml") == Path("a/v1.2.baseline.json")


@pytest.mark.parametrize(
    ("files", "paths", "place"),
    [
        ({"a.yaml": ONE_TURN, "a.yml": NAMED}, ["a.yaml", "a.yml"], "a.yml:1:1"),
        ({"a.yaml": ONE_TURN, "a.yml": NAMED}, ["."], "a.yml:1:1"),
        ({"a.yaml": ONE_TURN, "a.yml": NAMED}, ["a.yaml"], "a.yaml:1:1"),
        ({"a.yaml": ONE_TURN, "a.yml": ONE_TURN}, ["a.yml"], "a.yml:1:1"),
        (
            {"a.yaml": ONE_TURN, "a.json": '{"name": "b", "turns": [{"user": "Hi"}]}'},
            ["a.yaml", "a.json"],
            "a.json:1:1",
        ),
        ({"a.yaml": ONE_TURN, "A.yaml": NAMED}, ["."], "a.yaml:1:1"),
        (
            {"a.yaml": ONE_TURN, "b/../A.yml": NAMED, "b/c.yaml": ONE_TURN},
            ["a.yaml", "b/../A.yml"],
            "b/../A.yml:1:1",
        ),
    ],
)
def test_two_scenarios_never_share_one(
    tmp_path: Path, files: dict[str, str], paths: list[str], place: str
) -> None:
    """It is found before anything is played, whether both are played or the other only stands there."""
    (found,) = complaints(tmp_path, files, *paths)
    assert found.startswith(place)
    assert SHARED in found


def test_the_way_out_is_told(tmp_path: Path) -> None:
    """Both files are named, with what to do."""
    text = refused(tmp_path, {"a.yaml": ONE_TURN, "a.yml": NAMED}, "a.yaml", "a.yml")
    assert "error: `a.baseline.json` would be the baseline of `a.yaml` too" in text
    assert "1 | name: other" in text
    assert "give one of the two files another name" in text


@pytest.mark.parametrize(
    "files",
    [
        {
            "a.yaml": "cases: {file: a.yml}\nturns: [{user: '{{ x }}'}]\n",
            "a.yml": "- {id: one, vars: {x: 1}}\n",
        },
        {"a.yaml": ONE_TURN, "a.yml": "just: data\n"},
        {"a.yaml": ONE_TURN, "a.yml": "not: [valid\n"},
        {"a.yaml": ONE_TURN, "b/a.yml": NAMED},
        {"a.yaml": ONE_TURN, "a.baseline.json": "{}"},
        {"a.yaml": ONE_TURN, "a.b.yml": NAMED},
    ],
)
def test_what_is_no_scenario_or_stands_elsewhere_shares_nothing(
    tmp_path: Path, files: dict[str, str]
) -> None:
    """A file of cases may be called like its scenario."""
    assert load_files(tmp_path, files, "a.yaml")


def test_one_file_by_two_names_is_one_scenario(tmp_path: Path) -> None:
    """A link to a scenario shares its baseline with it, as it should."""
    (tmp_path / "a.yml").symlink_to("a.yaml")
    assert len(load_files(tmp_path, {"a.yaml": ONE_TURN}, "a.yaml")) == 1


@pytest.mark.parametrize("path", ["a.yaml", "b.yaml"])
def test_what_a_scenario_reads_is_never_written_over(tmp_path: Path, path: str) -> None:
    """Its own prompt, or that of another scenario, in the place of a baseline is found."""
    (found,) = complaints(
        tmp_path, {"a.yaml": ONE_TURN, "b.yaml": ONE_TURN, path: TEXT, "a.baseline.json": "Hi"}, "."
    )
    assert (
        found == f"{path}:1:1 `a.baseline.json`, which this scenario reads, is the baseline file of `a.yaml`"
    )


def test_a_scenario_is_never_written_over(tmp_path: Path) -> None:
    """JSON is YAML, so that a scenario may be called like the baseline of another."""
    files = {"a.yaml": ONE_TURN, "a.baseline.json": '{"name": "b", "turns": [{"user": "Hi"}]}'}
    (found,) = complaints(tmp_path, files, "a.yaml", "a.baseline.json")
    assert found == "a.baseline.json:1:1 the baseline of `a.yaml` would be written over this file"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ONE_TURN, "a"),
        (NAMED, "other"),
        ("turns: 5\n", "a"),
        ("name: {a: b}\nturns: []\n", "{'a': 'b'}"),
        ("- 1\n", None),
        ("name: other\n", None),
        ("turns: [\n", None),
        (b"\xff", None),
        ("", None),
    ],
)
def test_the_name_of_what_stands_in_a_file(tmp_path: Path, text: str | bytes, name: str | None) -> None:
    """It is that of the scenario, also of one with mistakes; anything else has none, and no file has none."""
    path = tmp_path / "a.yaml"
    assert scenario_name(str(path)) is None
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert scenario_name(str(path)) == name


def test_a_baseline_leads_back_to_its_scenario(tmp_path: Path) -> None:
    """To the file that is there, of either suffix; to `.yaml` where none is."""
    for name in ("one.yml", "two.yaml", "v1.2.yml"):
        (tmp_path / name).write_text(ONE_TURN, encoding="utf-8")
        assert scenario_beside(baseline_path(str(tmp_path / name))) == str(tmp_path / name)
    assert scenario_beside(Path("gone.baseline.json")) == "gone.yaml"

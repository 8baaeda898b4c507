"""Every example that the README and the documentation show: files are played, output is compared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from claude_run.errors import ExitCode
from tests.docs.page_examples import blocks, commands, fits, mentioned, replay, run
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README = ROOT / "README.md"
PAGES = [README, ROOT / "SKILL.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_COMMANDS = [page for page in PAGES if "```console" in page.read_text(encoding="utf-8")]
_LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<part>[^)\s]*))?\)")
_SURROUNDINGS = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE"),
    *("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"),
)
_MAKE = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, without a key, and on nobody's build server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.com")
    for name in _SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=_name)
def test_a_page_shows_what_its_commands_print(page: Path) -> None:
    """Each command of a page prints what stands under it, times and lines left out aside."""
    for shown, printed in replay(page.read_text(encoding="utf-8")):
        assert fits(shown, printed), f"shown:\n{shown}\nprinted:\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_names_no_command_or_option_that_does_not_exist(page: Path) -> None:
    """Each command line of a page, in a block or in a sentence, is understood with `--help` after it."""
    for line in mentioned(page.read_text(encoding="utf-8")):
        if line == "claude-run --version":  # answered before the commands are even imported
            continue
        code, printed = run(f"{line} --help")
        assert code == 0, f"{line}: {printed}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_links_to_what_is_there(page: Path) -> None:
    """Each relative link leads to a file or folder, and its fragment to a heading."""
    for link in _LINK.finditer(page.read_text(encoding="utf-8")):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.exists(), link[0]
        if link["part"]:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert link["part"] in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_make_targets_of_the_pages_exist() -> None:
    """Each `make` command that a page tells to run is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in _MAKE.findall(page.read_text("utf-8"))}

    assert {"demo", "test"} <= named
    assert named <= targets


def test_the_readme_begins_with_a_scenario_of_ten_lines_and_its_command() -> None:
    """The first block is a scenario of ten lines, the second the command that plays it."""
    scenario, played, *_ = blocks(README.read_text(encoding="utf-8"))

    assert (scenario.language, len(scenario.body.splitlines())) == ("yaml", 10)
    assert commands(played)[0].line == f"claude-run {scenario.name} --simulate"


def test_the_readme_lists_every_exit_code() -> None:
    """The table of the README holds each code of `ExitCode`."""
    rows = re.findall(r"^\| ([\d, ]+) \|", README.read_text(encoding="utf-8"), re.MULTILINE)

    assert [int(code) for row in rows for code in row.split(",")] == [int(code) for code in ExitCode]


def test_the_skill_needs_six_commands_to_a_gated_scenario() -> None:
    """The last but one is held against what the one before has accepted."""
    shown = blocks((ROOT / "SKILL.md").read_text(encoding="utf-8"))
    lines = [one.line for block in shown if block.language == "console" for one in commands(block)]

    assert len(lines) == 6
    assert lines[3:5] == ["claude-run accept", "claude-run scenarios --simulate -n 3 --baseline --quiet"]


def test_only_lines_that_a_page_marks_may_be_left_out() -> None:
    """A line `...` stands for any lines, none included; nothing else may differ."""
    printed = "PASSED\n  a\n  b\nend\n"

    assert fits(printed, printed)
    assert fits("PASSED\n...\nend\n", printed)
    assert fits("...\nPASSED\n...\n  b\nend\n...\n", printed)
    assert not fits("PASSED\n...\n", "FAILED\n  a\n")
    assert not fits("PASSED\nend\n", printed)
    assert not fits("PASSED\n  a ...\n  b\nend\n", printed)


def test_a_page_that_hides_a_failure_is_found_out() -> None:
    """A command that fails must be followed by its exit code, or the page does not pass."""
    page = "```console\n$ claude-run missing.yaml --list\n```\n"

    with pytest.raises(AssertionError, match="which the page hides"):
        list(replay(page))

"""The GitHub action: its steps as the scripts that they are, run by bash as a runner runs them."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SCENARIO = """
model: claude-haiku-5-5
max_tokens: 100
turns:
  - user: May I give it back?
    expect: [{contains: 30 days}]
    example: EXAMPLE
"""


def script(name: str) -> str:
    """Return what a step runs."""
    (step,) = (each for each in STEPS if each.get("name") == name)
    return str(step["run"])


class Runner:
    """A runner with our command where the action installs it, and a `gh` that notes what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.work, self.temp = folder / "work with spaces", folder / "temp"
        self.output = folder / "output"
        self.output.touch()
        self.work.mkdir()
        (self.temp / "claude-run").mkdir(parents=True)
        (self.temp / "claude-run" / "bin").symlink_to(Path(sys.executable).parent)
        self.asked = folder / "asked"
        self.asked.touch()
        (folder / "bin").mkdir()
        gh = folder / "bin" / "gh"
        gh.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{self.asked}"\ncase "$*" in *--jq*) echo "$FOUND";; esac\n'
        )
        gh.chmod(gh.stat().st_mode | stat.S_IXUSR)
        self.path = f"{folder / 'bin'}:{os.environ['PATH']}"

    def run(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a step in the folder of the work."""
        known = {
            "PATH": self.path,
            "HOME": str(self.work),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_ACTION": "play",
            "GITHUB_REPOSITORY": "acme/shop",
            "CI": "true",
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(name)]
        return subprocess.run(
            command, cwd=self.work, env={**known, **environment}, capture_output=True, text=True, check=False
        )

    @property
    def outputs(self) -> dict[str, str]:
        """What the steps have said so far."""
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """Return a runner with one scenario, whose name a careless script would take apart."""
    runner = Runner(tmp_path)
    text = SCENARIO.replace("EXAMPLE", "Within 30 days.")
    (runner.work / "a $(touch broken) b.yaml").write_text(text)
    return runner


def test_uses_are_pinned_and_nothing_is_pasted_into_scripts() -> None:
    """By the hash of a commit, with the version beside it; inputs reach scripts by the environment alone."""
    text = (ROOT / "action.yml").read_text()
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", used)
    assert all("${{" not in step.get("run", "") for step in STEPS)


def test_refuses_to_run_with_the_secrets_of_the_base() -> None:
    """Before anything else is done."""
    assert STEPS[0]["if"] == "github.event_name == 'pull_request_target'"
    ended = subprocess.run(["/bin/bash", "-ec", STEPS[0]["run"]], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout[:8]) == (2, "::error ")


def test_plays_what_it_is_given_and_fails_last(runner: Runner) -> None:
    """Paths and options one a line, whatever they hold; the exit code is kept for the last step."""
    paths = "\na $(touch broken) b.yaml\n"
    played = runner.run("Play", PATHS=paths, OPTIONS="--simulate\n\n--max-cost=1\n")
    assert played.returncode == 0, played.stderr
    assert not (runner.work / "broken").exists()
    assert runner.outputs["code"] == "0"
    assert (Path(runner.outputs["run"]) / "report.html").exists()

    broken = (runner.work / "a $(touch broken) b.yaml").read_text().replace("Within 30", "Within 14")
    (runner.work / "a $(touch broken) b.yaml").write_text(broken)
    (Path(runner.outputs["run"])).rename(runner.temp / "earlier")
    assert runner.run("Play", PATHS=paths, OPTIONS="--simulate").returncode == 0
    assert runner.outputs["code"] == "1"
    assert runner.run("Fail where the run did", CODE=runner.outputs["code"]).returncode == 1


@pytest.mark.parametrize("found", ["", "4711"])
def test_writes_one_comment_that_updates_itself(runner: Runner, found: str) -> None:
    """Its own is found by a mark, and changed; only where there is none a new one is written."""
    runner.run("Play", PATHS="a $(touch broken) b.yaml", OPTIONS="--simulate")
    ended = runner.run("Comment", RUN=runner.outputs["run"], NUMBER="12", GH_TOKEN="", FOUND=found)
    assert ended.returncode == 0, ended.stderr
    comment = (runner.temp / "claude-run-comment.md").read_text()
    assert comment.startswith("<!-- claude-run run -->\n")
    assert len(comment.encode()) <= 60_000
    asked = runner.asked.read_text().splitlines()
    assert len(asked) == 2
    way = "--method PATCH repos/acme/shop/issues/comments/4711" if found else "--method POST"
    assert way in asked[1]


def test_a_run_that_never_began_is_no_comment(runner: Runner) -> None:
    """An invalid scenario is told by its annotations and the exit code."""
    (runner.work / "bad.yaml").write_text("turns: [{usr: Hi}]\n")
    assert runner.run("Play", PATHS="bad.yaml", OPTIONS="--simulate").returncode == 0
    assert runner.outputs["code"] == "2"
    assert runner.run("Comment", RUN=runner.outputs["run"], NUMBER="12", GH_TOKEN="").returncode == 0
    assert runner.asked.read_text() == ""

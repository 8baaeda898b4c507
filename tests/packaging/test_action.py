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


def program(path: Path, text: str) -> None:
    """Write a program of the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class Runner:
    """A runner with the Python that the action installs, and a `gh` that notes what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.work, self.temp = folder / "work with spaces", folder / "temp"
        self.output = folder / "output"
        self.output.touch()
        self.work.mkdir()
        self.asked = folder / "asked"
        self.asked.touch()
        program(self.temp / "claude-run" / "bin" / "python", f'exec "{sys.executable}" "$@"')
        noted = f'printf "%s\\n" "$*" >> "{self.asked}"\ncase "$*" in *--jq*) echo "$FOUND";; esac'
        program(folder / "bin" / "gh", noted)
        self.path = f"{folder / 'bin'}:{os.environ['PATH']}"

    def run(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a step in the folder of the work."""
        known = {
            "PATH": self.path,
            "HOME": str(self.work),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "77",
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


def comment(runner: Runner, *, found: str = "", name: str = "claude-run", artifact: str = "") -> str:
    """Let the comment be written, and return it."""
    assert runner.run("Take the name", NAME=name).returncode == 0
    outputs = runner.outputs
    ended = runner.run(
        "Comment",
        NAME=outputs["name"],
        MARK=outputs["mark"],
        CODE=outputs.get("code", ""),
        COMMENT=outputs.get("comment", ""),
        COMMIT="c0ffee" * 6 + "c0ff",
        ARTIFACT=artifact,
        NUMBER="12",
        GH_TOKEN="",
        FOUND=found,
    )
    assert ended.returncode == 0, ended.stderr
    written = [each.partition("body=@")[2] for each in runner.asked.read_text().splitlines()]
    return Path(written[-1]).read_text()


@pytest.mark.parametrize("found", ["", "4711"])
def test_writes_one_comment_that_updates_itself(runner: Runner, found: str) -> None:
    """Its own is found by a mark, and changed; only where there is none a new one is written."""
    runner.run("Play", PATHS="a $(touch broken) b.yaml", OPTIONS="--simulate")
    written = comment(runner, found=found, artifact="https://github.com/acme/shop/artifacts/5")
    assert written.startswith(
        "<!-- claude-run: claude-run -->\n"
        f"`claude-run` at {'c0ffee' * 6}c0ff: [workflow run](https://github.com/acme/shop/actions/runs/77),"
        " [report and transcripts](https://github.com/acme/shop/artifacts/5)\n\n"
    )
    assert "# PASSED (exit code 0)" in written
    assert len(written.encode()) <= 65_536
    asked = runner.asked.read_text().splitlines()
    assert len(asked) == 2
    assert "startswith(env.MARK)" in asked[0]
    way = "--method PATCH repos/acme/shop/issues/comments/4711" if found else "--method POST"
    assert way in asked[1]


@pytest.mark.parametrize(
    ("text", "options", "headline", "told"),
    [
        ("turns: [{usr: <b>Hi</b>}]\n", "--simulate", "# NOT STARTED (exit code 2)", "bad.yaml:1:"),
        (SCENARIO, "--simulate\n-k\nzzz", "# NOTHING SELECTED (exit code 5)", "zzz"),
        (SCENARIO, "", "# NOT MEASURED (exit code 3)", "ANTHROPIC_API_KEY"),
        (SCENARIO, "--baselin", "# NOT STARTED (exit code 2)", "--baselin"),
    ],
)
def test_a_run_that_never_began_changes_the_comment(
    runner: Runner, text: str, options: str, *, headline: str, told: str
) -> None:
    """Else that of an earlier commit would say PASSED beside a red build; what is wrong is told, inert."""
    (runner.work / "bad.yaml").write_text(text)
    assert runner.run("Play", PATHS="bad.yaml", OPTIONS=options).returncode == 0
    written = comment(runner, found="4711")
    assert f"actions/runs/77)\n\n{headline}\n\n```text\n" in written
    assert told in written
    assert "--method PATCH" in runner.asked.read_text()


@pytest.mark.parametrize("outputs", ["", "code=137\ncomment=/nowhere\n"])
def test_what_could_say_nothing_changes_the_comment_too(runner: Runner, outputs: str) -> None:
    """Where nothing could be installed, or the system has ended the program."""
    runner.output.write_text(outputs)
    ended = "exit code 137" if outputs else "it did not start"
    assert f"# NOT FINISHED ({ended})" in comment(runner)


def test_several_uses_have_comments_of_their_own(runner: Runner) -> None:
    """The name makes the mark; one that could act in it, in Markdown or in a file name is refused."""
    assert comment(runner, name="haiku 5.5").startswith("<!-- claude-run: haiku 5.5 -->\n`haiku 5.5` at ")
    for name in ("", "a -->", "a`b", "a/b", "a\nmark=x", "a" * 81, "-a"):
        ended = runner.run("Take the name", NAME=name)
        assert (ended.returncode, ended.stdout[:8]) == (2, "::error "), name


def test_one_summary_and_one_set_of_annotations(runner: Runner, tmp_path: Path) -> None:
    """However many steps show what came of it: the summary is that of the one step that plays."""
    text = (runner.work / "a $(touch broken) b.yaml").read_text().replace("Within 30", "Within 14")
    (runner.work / "a $(touch broken) b.yaml").write_text(text)
    told = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    played = runner.run("Play", PATHS="a $(touch broken) b.yaml", OPTIONS="--simulate", **told)
    assert played.stderr.count("::error ") == 1
    assert (tmp_path / "summary").read_text().count("# FAILED (exit code 1)") == 1
    assert "# FAILED (exit code 1)" in comment(runner)
    assert "claude_run" not in script("Comment")
    assert "claude-run report" not in script("Comment")


def test_no_module_of_the_repository_stands_in_for_one_of_ours(runner: Runner) -> None:
    """A pull request may hold any file; the key is in the environment."""
    (runner.work / "yaml.py").write_text("raise SystemExit('taken over')\n")
    runner.run("Play", PATHS="a $(touch broken) b.yaml", OPTIONS="--simulate")
    assert runner.outputs["code"] == "0"


def test_nothing_is_built_and_all_is_pinned_by_hash() -> None:
    """What a build needs would come by its newest version, into the environment that has the key."""
    for line in script("Install").splitlines():
        if "/pip" in line:
            assert "--no-deps --require-hashes --only-binary :all:" in line


def test_the_source_is_used_as_it_lies_there(tmp_path: Path) -> None:
    """Without a build the package is found all the same, from a folder with any name."""
    source = tmp_path / "a source"
    (source / "src" / "claude_run").mkdir(parents=True)
    (source / "src" / "claude_run" / "__init__.py").touch()
    made = f'"{sys.executable}" -m venv --without-pip "$3"; ln -s /bin/true "$3/bin/pip"'
    program(tmp_path / "bin" / "python", made)
    known = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script("Install")]
    subprocess.run(command, env={**known, "SOURCE": str(source)}, check=True)
    python = [
        str(tmp_path / "claude-run" / "bin" / "python"),
        "-I",
        "-c",
        "import claude_run as c; print(c.__file__)",
    ]
    found = subprocess.run(python, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert Path(found.stdout.strip()) == source / "src" / "claude_run" / "__init__.py"

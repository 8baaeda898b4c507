"""Starting a project, help for editors, and the simulator on its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from claude_run import __version__
from tests.support.command import COMMAND, PATIENCE_S, QUICKSTART, CommandResult, claude_run, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.harness.fork_server import ForkServer

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandResult, Path]:
    """Start a project in an empty folder."""
    home = tmp_path_factory.mktemp("project")
    return claude_run("init", cwd=home), home


def test_init(project: tuple[CommandResult, Path]) -> None:
    """A scenario, its schema and an ignored folder are there, and the next command is named."""
    ended, home = project
    assert (ended.code, len(ended.stdout.splitlines())) == (0, 3)
    assert ended.stderr == "next: claude-run scenarios/first.yaml --simulate\n"
    assert (home / "scenarios/first.yaml").read_text().startswith("# yaml-language-server: $schema=")
    assert (home / "outputs/.gitignore").exists()
    linked = (home / "scenarios/first.yaml").read_text().split("$schema=")[1].split("\n")[0]
    assert json.loads((home / "scenarios" / linked).read_text())


def test_what_init_writes_plays(project: tuple[CommandResult, Path], fork_server: ForkServer) -> None:
    """The first scenario is sound and passes at once, without a key."""
    _, home = project
    checked = fork_server.claude_run("check", "scenarios", cwd=home)
    assert (checked.code, checked.stdout) == (0, "1 scenario: no problems found\n")
    assert fork_server.claude_run("scenarios/first.yaml", "--simulate", "-o", "out", cwd=home).code == 0


@pytest.mark.parametrize("command", [["check", "a.yaml"], ["run", "a.yaml"]])
def test_a_project_file_is_read_by_whatever_it_gives_defaults_to(tmp_path: Path, command: list[str]) -> None:
    """What is wrong in it is told with its place, before the command looks at anything else."""
    (tmp_path / "claude-run.toml").write_text("[gate]\nalpa = 0.1\n")
    ended = claude_run(*command, cwd=tmp_path)
    assert ended.code == 2
    assert ended.stderr.startswith("error: unknown key `alpa` in the table `gate`\n  --> claude-run.toml:2:1")


def test_runs_land_where_the_project_file_says(
    project: tuple[CommandResult, Path], fork_server: ForkServer
) -> None:
    """And every command that takes the latest run finds it there."""
    _, home = project
    (home / "claude-run.toml").write_text("outputs = 'build/runs'\n")
    try:
        assert fork_server.claude_run("scenarios/first.yaml", "--simulate", cwd=home).code == 0
        assert (home / "build/runs/latest/summary.json").exists()
        assert fork_server.claude_run("verify", cwd=home / "scenarios").code == 0
    finally:
        (home / "claude-run.toml").unlink()


def test_init_overwrites_nothing(project: tuple[CommandResult, Path]) -> None:
    """A second time it refuses, and leaves every file as it is, changed ones too."""
    _, home = project
    (home / "scenarios/first.yaml").write_text("mine")
    ended = claude_run("init", cwd=home)
    assert ended.code == 2
    assert "scenarios/first.yaml is already there" in ended.stderr
    assert (home / "scenarios/first.yaml").read_text() == "mine"


def test_init_elsewhere(tmp_path: Path) -> None:
    """A folder may be named, and is made; one that cannot be made is code 3."""
    assert claude_run("init", "a/b", cwd=tmp_path).code == 0
    assert (tmp_path / "a/b/scenarios/first.yaml").exists()
    (tmp_path / "file").write_text("")
    ended = claude_run("init", "file", cwd=tmp_path)
    assert ended.code == 3
    assert "file/scenarios" in ended.stderr


def test_schema(tmp_path: Path) -> None:
    """The schema is valid, and nothing else is on stdout."""
    ended = claude_run("schema", cwd=tmp_path)
    schema = json.loads(ended.stdout)
    assert (ended.code, ended.stderr) == (0, "")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_schema_of_own_checks(tmp_path: Path) -> None:
    """An editor knows an own check as it knows the others: what it is, an example, and what is wrong."""
    (tmp_path / "mine.py").write_text(
        "from claude_run.checks.own import check, passed\n"
        "@check('max_questions', schema={'type': 'integer', 'minimum': 0}, example=1)\n"
        "def max_questions(value, reply):\n"
        '    """Count the question marks."""\n'
        "    return passed('fine')\n"
    )
    ended = claude_run("schema", "--checks", "mine.py", cwd=tmp_path)
    schema = json.loads(ended.stdout)
    about = schema["$defs"]["expectation"]["properties"]["max_questions"]
    assert (about["description"], about["examples"]) == ("Count the question marks.", [1])
    valid = jsonschema.Draft202012Validator(schema)
    turn = {"user": "Hi", "expect": [{"max_questions": 1}]}
    assert valid.is_valid({"model": "m", "max_tokens": 1, "turns": [turn]})
    assert not valid.is_valid({"turns": [{**turn, "expect": [{"max_questions": "many"}]}]})


@pytest.mark.parametrize(
    ("service", "file"), [("github", ".github/workflows/claude-run.yml"), ("gitlab", ".gitlab-ci.yml")]
)
def test_a_workflow_for_a_service(tmp_path: Path, service: str, file: str) -> None:
    """It is written once, pins what it uses, and its commands without a key pass in a new project."""
    assert claude_run("init", cwd=tmp_path).code == 0
    ended = claude_run("init", "--ci", service, cwd=tmp_path)
    assert (ended.code, ended.stdout) == (0, f"wrote {file}\n")
    text = (tmp_path / file).read_text()
    assert f"claude-run=={__version__}" in text
    assert "pull_request_target" not in text
    assert all(re.fullmatch(r"[0-9a-f]{40}", sha) for sha in re.findall(r"uses: [^@]+@(\S+)", text))
    yaml.safe_load(text)
    for line in re.findall(r"(?:run:|-) (claude-run .*(?:--examples|--simulate))$", text, re.MULTILINE):
        played = claude_run(*line.split()[1:], cwd=tmp_path)
        assert played.code == 0, played
    again = claude_run("init", "--ci", service, cwd=tmp_path)
    assert again.code == 2
    assert f"{file} is already there" in again.stderr


def test_a_skill_for_coding_agents(tmp_path: Path) -> None:
    """It is written once, where they look, with the front matter they read; a workflow may come with it."""
    ended = claude_run("init", "--skill", "--ci", "github", cwd=tmp_path)
    assert ended.code == 0
    assert ended.stdout.splitlines() == [
        "wrote .github/workflows/claude-run.yml",
        "wrote .claude/skills/claude-run/SKILL.md",
    ]
    assert not (tmp_path / "scenarios").exists()
    text = (tmp_path / ".claude/skills/claude-run/SKILL.md").read_text()
    about = yaml.safe_load(text.split("---\n")[1])
    assert about.keys() == {"name", "description"}
    assert (about["name"], len(about["description"]) <= 1024) == ("claude-run", True)
    again = claude_run("init", "--skill", cwd=tmp_path)
    assert again.code == 2
    assert "SKILL.md is already there" in again.stderr


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_workflow_is_written_where_the_service_reads_it(tmp_path: Path, service: str) -> None:
    """In a folder inside a repository it would be read by nobody, and nobody would be told."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "shop" / "prompts").mkdir(parents=True)
    said = claude_run("init", "--ci", service, cwd=tmp_path / "shop" / "prompts")
    assert said.code == 2
    assert f"root of a repository alone, which is {tmp_path.resolve()}" in said.stderr
    assert "let its steps work in shop/prompts" in said.stderr
    assert not list((tmp_path / "shop").glob("**/*.yml"))
    assert claude_run("init", "--ci", service, cwd=tmp_path).code == 0


def test_nothing_is_written_through_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    """Where it leads may be outside of the project."""
    project = tmp_path / "project"
    (project / ".github" / "workflows").mkdir(parents=True)
    (project / ".github" / "workflows" / "claude-run.yml").symlink_to(tmp_path / "elsewhere.yml")
    said = claude_run("init", "--ci", "github", cwd=project)
    assert (said.code, (tmp_path / "elsewhere.yml").exists()) == (2, False)
    assert "is already there" in said.stderr


@pytest.mark.parametrize("text", ["turns: [{usr: Hi}]\n", "turns: [{user: Hi}]\nname: [\n"])
def test_check_speaks_json(tmp_path: Path, text: str) -> None:
    """Every problem with its place, and nothing else on stdout; the exit code is the same."""
    (tmp_path / "a.yaml").write_text(text)
    said = claude_run("check", "a.yaml", "--format", "json", cwd=tmp_path)
    found = json.loads(said.stdout)
    assert (said.code, said.stderr, found["scenarios"], found["more"]) == (2, "", 0, 0)
    (problem,) = found["problems"]
    assert (problem["severity"], problem["path"]) == ("error", "a.yaml")
    shown = claude_run("check", "a.yaml", cwd=tmp_path)
    assert f"a.yaml:{problem['line']}:{problem['column']}" in shown.stderr


def test_check_speaks_json_of_what_is_sound(tmp_path: Path) -> None:
    """Warnings are problems, too, and fail nothing."""
    claude_run("init", cwd=tmp_path)
    (tmp_path / "b.yaml").write_text("model: claude-nonsense-9\nmax_tokens: 5\nturns: [{user: Hi}]\n")
    said = claude_run("check", "scenarios", "b.yaml", "--format", "json", cwd=tmp_path)
    found = json.loads(said.stdout)
    assert (said.code, found["scenarios"]) == (0, 2)
    assert {each["severity"] for each in found["problems"]} <= {"warning"}


def test_check_marks_lines_for_github_anywhere(tmp_path: Path) -> None:
    """Not only where GitHub runs it."""
    (tmp_path / "a.yaml").write_text("turns: [{usr: Hi}]\n")
    said = claude_run("check", "a.yaml", "--format", "github", cwd=tmp_path)
    assert said.code == 2
    assert said.stdout.startswith("::error file=a.yaml,line=1,col=10,title=did you mean `user`?::unknown key")
    assert said.stderr == claude_run("check", "a.yaml", cwd=tmp_path).stderr


def test_check_marks_how_many_it_does_not_mark(tmp_path: Path) -> None:
    """Ten annotations are what GitHub shows of a step: the tenth counts all that have none."""
    turns = "".join(f"  - {{usr{number}: Hi}}\n" for number in range(150))
    (tmp_path / "a.yaml").write_text(f"turns:\n{turns}")
    said = claude_run("check", "a.yaml", "--format", "github", cwd=tmp_path)
    *marked, last = said.stdout.splitlines()
    assert len(marked) == 9
    assert last == "::error title=claude-run::141 more: see the log of the step"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("a.yaml",), ("claude-run.toml", 1, 1)),
        (("a.yaml", "-m", ""), (None, None, None)),
        (("a.yaml", "--checks", "nope.py"), (None, None, None)),
    ],
)
def test_check_tells_in_its_form_what_is_wrong_elsewhere(
    tmp_path: Path, arguments: tuple[str, ...], found: tuple[str | int | None, ...]
) -> None:
    """An option or the project file may be what is wrong: a program that reads the result learns it, too."""
    (tmp_path / "a.yaml").write_text("model: claude-haiku-5-5\nmax_tokens: 5\nturns: [{user: Hi}]\n")
    if found[0] is not None:
        (tmp_path / "claude-run.toml").write_text("concurency = 3\n")
    said = claude_run("check", *arguments, "--format", "json", cwd=tmp_path)
    (problem,) = json.loads(said.stdout)["problems"]
    assert (said.code, said.stderr) == (2, "")
    assert (problem["path"], problem["line"], problem["column"]) == found
    marked = claude_run("check", *arguments, "--format", "github", cwd=tmp_path)
    assert marked.code == 2
    assert marked.stdout.startswith("::error ")
    assert marked.stderr.startswith("error: ")


def test_check_in_a_form_for_programs_is_as_quiet_as_it_is_asked_to_be(tmp_path: Path) -> None:
    """`-q` takes away talk, no result."""
    (tmp_path / "a.yaml").write_text(
        "model: claude-haiku-5-5\nmax_tokens: 5\nturns: [{user: Hi, expect: [{max_words: 900}]}]\n"
    )
    for form in ("github", "json"):
        said = claude_run("check", "a.yaml", "-q", "--format", form, cwd=tmp_path)
        assert "alone passes on every reply" in said.stdout, said


def test_the_hook_for_pre_commit_checks_the_project(tmp_path: Path) -> None:
    """A scenario is made of prompts, data and settings, too, and none of those is one by itself."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (hook["pass_filenames"], hook["always_run"]) == (False, True)
    arguments: list[str] = [*hook["entry"].split(), *hook["args"]]
    assert arguments.pop(0) == "claude-run"
    folder = tmp_path / "scenarios" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(
        "model: claude-haiku-5-5\ncases: {file: cases.yaml}\nturns: [{user: '{{ x }}'}]\n"
    )
    (folder / "cases.yaml").write_text("- {id: one, x: 1}\n")
    assert claude_run(*arguments, cwd=tmp_path).code == 0
    (folder / "cases.yaml").write_text("- {id: one, y: 1}\n")
    ended = claude_run(*arguments, cwd=tmp_path)
    assert ended.code == 2
    assert "scenarios/deep/" in ended.stderr


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve the quickstart's examples on a free port."""
    command = [str(COMMAND), "simulate", "--port", "0", str(QUICKSTART)]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    yield process.stdout.readline().rstrip("\n"), process
    process.kill()
    process.communicate(timeout=PATIENCE_S)


def test_the_simulator_alone(
    simulator: tuple[str, subprocess.Popen[str]], tmp_path: Path, fork_server: ForkServer
) -> None:
    """It answers a run that knows nothing of it, which is marked simulated, and ends on a signal."""
    url, process = simulator
    env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "any-key-will-do"}
    ended = fork_server.claude_run(QUICKSTART, "-o", "out", "--json", cwd=tmp_path, env=env)
    assert ended.code == 0
    (line,) = (tmp_path / "out/transcripts.jsonl").read_text().splitlines()
    assert json.loads(line)["simulated"] is True
    assert json.loads(ended.stdout)["simulated"] is True
    assert "simulat" in (tmp_path / "out/transcripts.md").read_text()[:600]
    assert "simulated: nothing was paid" in ended.stderr
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (0, "")
    assert url in err

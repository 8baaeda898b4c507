"""The plugin for pytest: off unless asked for, a test for each conversation, nothing played twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from claude_run.errors import ExitCode
from tests.support.command import claude_run, execute
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.support.command import CommandResult

_TALK = """\
name: talk
tags: [smoke]
models: [claude-haiku-5-5, claude-opus-5-5]
max_tokens: 2048
cases:
  - {id: late, vars: {problem: late}}
  - {id: broken, vars: {problem: broken}}
turns:
  - user: "My parcel is {{ problem }}."
    expect: [{contains: sorry, label: apologizes}]
    example: I am sorry to hear that.
  - user: What now?
    expect: [{contains: "{{ problem }}"}]
    example: It is late.
"""
_OTHER = """\
name: other
model: claude-haiku-5-5
max_tokens: 2048
repeat: 2
turns: [{user: Hello, example: Hello.}]
"""
_PLAIN = """\
def test_plain():
    pass
"""
_FIXTURE = """\
import pathlib
SCENARIO = {
    "name": "made", "model": "claude-haiku-5-5", "max_tokens": 2048,
    "turns": [{"user": "Hello", "example": "Hi.", "expect": [{"contains": "Hi"}]}],
}

def test_simulated(claude_run):
    run = claude_run(SCENARIO, simulate=True)
    assert run.passed and run.summary["simulated"]
    again = claude_run(pathlib.Path("scenarios/other.yaml"), repeat=1, simulate=True)
    assert len(again.conversations) == 1
    assert claude_run("scenarios/other.yaml", repeat=1, replay=again.folder).summary["replayed"]

def test_that_would_send(claude_run):
    assert claude_run(SCENARIO).passed
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with two scenarios, a file that is none, and a test."""
    scenarios = tmp_path / "scenarios" / "parcels"
    scenarios.mkdir(parents=True)
    (scenarios / "talk.yaml").write_text(_TALK, encoding="utf-8")
    (scenarios / "data.yaml").write_text("answers: [1]\n", encoding="utf-8")
    (tmp_path / "scenarios" / "other.yaml").write_text(_OTHER, encoding="utf-8")
    (tmp_path / "test_plain.py").write_text(_PLAIN, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return tmp_path


def run_pytest(folder: Path, *arguments: str, plugins: tuple[str, ...] = ()) -> CommandResult:
    """Run pytest with the plugin and no other that is not named."""
    named = [part for name in ("claude_run.pytest_plugin", *plugins) for part in ("-p", name)]
    options = ("-p", "no:cacheprovider", "--disable-plugin-autoload", "-q", *named)
    return execute([sys.executable, "-m", "pytest", *options, *arguments], cwd=folder)


def runs_of(folder: Path) -> list[str]:
    """Return the conversations that were played, of all runs."""
    files = sorted(folder.glob("outputs/20*/transcripts.jsonl"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [each["conversation_id"] for each in map(json.loads, lines) if each["outcome"] != "skipped"]


def summary(result: CommandResult) -> str:
    """Return how pytest sums the session up, without the time."""
    return result.stdout.strip().splitlines()[-1].partition(" in ")[0]


def test_pytest_finds_the_plugin() -> None:
    """By its entry point, under a name that turns it off."""
    [found] = [each for each in entry_points(group="pytest11") if each.name == "claude-run"]
    assert found.value == "claude_run.pytest_plugin"


def test_it_is_off_unless_asked_for(project: Path) -> None:
    """A plain session collects no scenario and imports nothing of ours but the plugin itself."""
    (project / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    ours = sorted(name for name in sys.modules if name.startswith('claude_run'))\n"
        "    print(ours, {'yaml', 'typer', 'jinja2', 'anthropic', 'asyncio'} & set(sys.modules))\n",
        encoding="utf-8",
    )
    result = run_pytest(project)
    assert "1 passed" in result.stdout
    assert result.stdout.splitlines()[-1] == "['claude_run', 'claude_run.pytest_plugin'] set()"
    assert not (project / "outputs").exists()


def test_each_conversation_is_a_test(project: Path) -> None:
    """Of the files where scenarios are, and of none that holds something else."""
    result = run_pytest(project, "--claude-run-simulate", "--collect-only")
    assert result.stdout.splitlines()[:7] == [
        "scenarios/other.yaml::other[claude-haiku-5-5#1]",
        "scenarios/other.yaml::other[claude-haiku-5-5#2]",
        "scenarios/parcels/talk.yaml::late[claude-haiku-5-5]",
        "scenarios/parcels/talk.yaml::late[claude-opus-5-5]",
        "scenarios/parcels/talk.yaml::broken[claude-haiku-5-5]",
        "scenarios/parcels/talk.yaml::broken[claude-opus-5-5]",
        "test_plain.py::test_plain",
    ]
    assert not (project / "outputs").exists()


def test_a_failure_shows_what_was_asked_expected_and_said(project: Path, snapshot: SnapshotAssertion) -> None:
    """No traceback; the run is named and told to be simulated, and was played once, all side by side."""
    result = run_pytest(project, "--claude-run-simulate", "scenarios", "-k", "haiku")
    shown = re.sub(r"\d{4}-\d\d-\d\dT[\d-]+Z|\d+\.\d\ds|\.{3}$", "...", result.stdout, flags=re.MULTILINE)
    assert shown == snapshot
    assert result.code == 1
    assert sorted(runs_of(project)) == [
        "other/claude-haiku-5-5/1",
        "other/claude-haiku-5-5/2",
        "talk/broken/claude-haiku-5-5",
        "talk/late/claude-haiku-5-5",
    ]
    assert claude_run("verify", cwd=project).stdout.endswith(": whole\n")


@pytest.mark.parametrize(
    ("selected", "played"),
    [
        (("-k", "smoke and opus and not broken"), ["talk/late/claude-opus-5-5"]),
        (("scenarios/parcels/talk.yaml::late[claude-haiku-5-5]",), ["talk/late/claude-haiku-5-5"]),
        (("--claude-run-options", "--tag smoke -k late -m claude-opus-5-5"), ["talk/late/claude-opus-5-5"]),
        (("--setup-plan",), []),
        (("test_plain.py",), []),
    ],
)
def test_only_what_is_selected_is_played(project: Path, selected: tuple[str, ...], played: list[str]) -> None:
    """By names, tags, models and ids, and by the options of a run."""
    assert run_pytest(project, "--claude-run-simulate", *selected).code == 0
    assert runs_of(project) == played


def test_stopping_at_a_failure_stops_sending(project: Path) -> None:
    """With -x: what was not played is not paid for."""
    talk = project / "scenarios" / "parcels" / "talk.yaml"
    talk.write_text(_TALK.replace("problem: late", "problem: zebra"), encoding="utf-8")
    result = run_pytest(project, "--claude-run-simulate", "-x", "--claude-run-options=-j 1", str(talk))
    assert summary(result) == "1 failed"
    played = runs_of(project)
    assert "talk/late/claude-haiku-5-5" in played
    assert not [name for name in played if "broken" in name]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--faults 400@3 -j 1", "400 invalid_request_error"),
        ("--max-requests 3 -j 1", "--max-requests"),
    ],
)
def test_what_could_not_be_measured_is_an_error(project: Path, options: str, said: str) -> None:
    """For the terminal and for JUnit; so is what a cap has kept from being played."""
    arguments = ("--claude-run-simulate", "--claude-run-options", options, "--junitxml", "junit.xml")
    result = run_pytest(project, *arguments, "scenarios")
    suite = ET.parse(project / "junit.xml").getroot()[0]  # noqa: S314 - pytest has just written it
    assert result.code == 1
    texts = [each.text or "" for each in suite.iter("error")]
    assert suite.attrib["errors"] == str(len(texts))
    assert any(said in text for text in texts)
    assert "Traceback" not in result.stdout
    assert "items.py" not in result.stdout


def test_failures_that_are_tolerated_stop_nothing(project: Path) -> None:
    """With -x: what pytest calls xfail, by a pass rate or by a mark, is none that it stops at."""
    talk = project / "scenarios" / "parcels" / "talk.yaml"
    talk.write_text(
        f"{_TALK.replace('problem: late', 'problem: zebra')}repeat: 2\npass_rate: 0\n", encoding="utf-8"
    )
    (project / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        if 'opus' in item.name:\n"
        "            item.add_marker(pytest.mark.xfail)\n",
        encoding="utf-8",
    )
    result = run_pytest(project, "--claude-run-simulate", "-x", "--claude-run-options=-j 1", "scenarios")
    assert (result.code, summary(result)) == (0, "2 passed, 8 xfailed")


@pytest.mark.parametrize(
    "mark", ["skip", "skipif(True, reason='not now')", "skipif('sys.platform')", "xfail(run=False)"]
)
def test_what_is_skipped_is_not_played(project: Path, mark: str) -> None:
    """For whatever reason a mark has: nobody pays for it."""
    (project / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        if 'opus' in item.name or 'other' in item.name:\n"
        f"            item.add_marker(pytest.mark.{mark})\n",
        encoding="utf-8",
    )
    result = run_pytest(project, "--claude-run-simulate", "scenarios", "-k", "late or other")
    assert summary(result) in {"1 passed, 3 skipped, 2 deselected", "1 passed, 2 deselected, 3 xfailed"}
    assert runs_of(project) == ["talk/late/claude-haiku-5-5"]


def test_a_name_with_two_colons_can_be_selected(project: Path) -> None:
    """By the id that pytest shows; JUnit takes it apart in the right place."""
    talk = project / "scenarios" / "parcels" / "talk.yaml"
    talk.write_text(_TALK.replace("id: late", "id: 'a:::b'"), encoding="utf-8")
    listed = run_pytest(project, "--claude-run-simulate", "--collect-only", str(talk)).stdout.splitlines()
    assert listed[0] == "scenarios/parcels/talk.yaml::a: : :b[claude-haiku-5-5]"
    result = run_pytest(project, "--claude-run-simulate", "--junitxml", "junit.xml", listed[0])
    assert runs_of(project) == ["talk/a:::b/claude-haiku-5-5"]
    assert result.code == 0
    [case] = ET.parse(project / "junit.xml").getroot().iter("testcase")  # noqa: S314 - pytest has just written it
    assert case.attrib["classname"] == "scenarios.parcels.talk.yaml"


def test_shards_are_refused(project: Path) -> None:
    """Each file would be cut by itself; what makes shards is named."""
    result = run_pytest(project, "--claude-run-simulate", "--claude-run-options=--shard 1/2")
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "play shards with `claude-run --shard I/N`" in result.stderr
    assert runs_of(project) == []


def test_an_interrupted_session_says_how_to_go_on(project: Path) -> None:
    """The run folder is named, and the command that plays the rest."""
    options = "--claude-run-options=--faults latency=30s --grace 100ms"
    arguments = ("-p", "no:cacheprovider", "-q", "-p", "claude_run.pytest_plugin", "--claude-run-simulate")
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--disable-plugin-autoload", *arguments, options, "scenarios"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        journals = "outputs/20*/journal.jsonl"
        until(lambda: any(b"attempt" in each.read_bytes() for each in project.glob(journals)))
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    [folder] = project.glob("outputs/20*")
    assert f"next: claude-run resume outputs/{folder.name}" in said


def test_junit_holds_the_conversations(project: Path) -> None:
    """With their own times, costs and the run that they are of."""
    run_pytest(
        project,
        "--claude-run-simulate",
        "--junitxml",
        "junit.xml",
        "scenarios",
        "--claude-run-options=--faults latency=100ms",
    )
    cases = list(ET.parse(project / "junit.xml").getroot().iter("testcase"))  # noqa: S314 - same
    assert [case.attrib["name"] for case in cases[-2:]] == [
        "broken[claude-haiku-5-5]",
        "broken[claude-opus-5-5]",
    ]
    assert {case.attrib["classname"] for case in cases[-2:]} == {"scenarios.parcels.talk.yaml"}
    assert all(float(case.attrib["time"]) >= 0.2 for case in cases[-2:])
    told = {each.attrib["name"]: each.attrib["value"] for each in cases[-1].iter("property")}
    assert told["conversation_id"] == "talk/broken/claude-opus-5-5"
    assert told["simulated"] == "true"
    assert float(told["cost_usd"]) > 0
    assert (project / told["run"] / "journal.jsonl").exists()
    failure = cases[-1].find("failure")
    assert failure is not None
    assert "expected | broken" in (failure.text or "")


def test_what_a_pass_rate_tolerates_is_no_failure(project: Path) -> None:
    """It is expected to fail now and then, as the exit code of the run says."""
    talk = project / "scenarios" / "parcels" / "talk.yaml"
    talk.write_text(f"{_TALK}pass_rate: 0\n", encoding="utf-8")
    result = run_pytest(project, "--claude-run-simulate", "-rx")
    assert (result.code, summary(result)) == (0, "5 passed, 2 xfailed")
    assert "tolerated: 0 of 1 measured passed, 0% required" in result.stdout


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadfile", "loadscope", "loadgroup"])
def test_workers_play_nothing_twice(project: Path, dist: str) -> None:
    """One of them plays all scenarios as one run, so that its limits hold; the tests are the same."""
    result = run_pytest(project, "--claude-run-simulate", "-n2", "--dist", dist, plugins=("xdist",))
    assert summary(result) == "2 failed, 5 passed"
    assert len(runs_of(project)) == len(set(runs_of(project))) == 6
    assert len(list(project.glob("outputs/20*"))) == 1
    assert result.stdout.count("\nrun outputs/") == 1


def test_workers_that_would_each_play_all_are_refused(project: Path) -> None:
    """For it would be paid as often."""
    result = run_pytest(project, "--claude-run-simulate", "-n2", "--dist", "each", plugins=("xdist",))
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "--dist each would play each conversation on each worker" in result.stderr
    assert runs_of(project) == []


def test_an_invalid_scenario_is_an_error_of_collection(project: Path) -> None:
    """With our diagnostics, and nothing is played."""
    (project / "scenarios" / "bad.yaml").write_text("name: bad\nturns: [{usr: x}]\n", encoding="utf-8")
    result = run_pytest(project, "--claude-run-simulate")
    assert result.code == pytest.ExitCode.INTERRUPTED
    assert "  --> scenarios/bad.yaml:2:10\n" in result.stdout
    assert "did you mean `user`?" in result.stdout
    assert "Traceback" not in result.stdout
    assert runs_of(project) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name: broken\nturn: [{user: hi}]\n", "did you mean `turns`?"),
        (b"turns: [{user: hi}]\n# " + b"x" * 1024 * 1024, "larger than 1,024 KiB"),
        ("turns: [{user: hi}]\n".encode("utf-16"), "not UTF-8, but UTF-16"),
        (b"model: claude-haiku-5-5\nsystem: Hi\n", "turns"),
        (b"tur: [\n", "not valid YAML"),
    ],
)
def test_what_check_reports_of_a_folder_is_an_error_of_collection(
    project: Path, content: bytes, said: str
) -> None:
    """No broken scenario vanishes; it is an error as it is for the command line."""
    (project / "scenarios" / "broken.yaml").write_bytes(content)
    assert claude_run("check", "scenarios", cwd=project).code == ExitCode.USAGE
    result = run_pytest(project, "--claude-run-simulate")
    assert result.code == pytest.ExitCode.INTERRUPTED
    assert said in result.stdout
    assert runs_of(project) == []


def test_what_check_leaves_alone_is_left_alone(project: Path) -> None:
    """The data of a scenario too, though it looks like one, and is not even YAML."""
    talk = project / "scenarios" / "parcels" / "talk.yaml"
    talk.write_text(
        _TALK.replace("name: talk", "system: {file: data/prompt.yaml}\nname: talk"), encoding="utf-8"
    )
    data = project / "scenarios" / "parcels" / "data"
    data.mkdir()
    (data / "prompt.yaml").write_text("system: [\n", encoding="utf-8")
    (project / "scenarios" / "settings.yaml").write_text("answers: 2\n", encoding="utf-8")
    assert claude_run("check", "scenarios", cwd=project).code == 0
    result = run_pytest(project, "--claude-run-simulate", "--collect-only", "-k", "late")
    assert (result.code, summary(result)) == (0, "2/7 tests collected (5 deselected)")


def test_nothing_is_spent_without_a_key(project: Path) -> None:
    """The error says what to do."""
    result = run_pytest(project, "--claude-run", "scenarios", "-k", "late")
    assert summary(result).endswith("2 errors")
    assert "set ANTHROPIC_API_KEY" in result.stdout
    assert "During handling" not in result.stdout


def test_the_configuration_of_pytest_turns_it_on(project: Path) -> None:
    """With its own patterns and options; the command line's come after them."""
    (project / "pytest.ini").write_text(
        "[pytest]\nclaude_run = true\nclaude_run_files = talks/*.yaml\n"
        "claude_run_options = --simulate --model claude-haiku-5-5 -n 3\n",
        encoding="utf-8",
    )
    os.rename(project / "scenarios", project / "talks")  # noqa: PTH104 - a folder
    assert (
        summary(run_pytest(project, "-k", "late", "--claude-run-options", "-n 2")) == "2 passed, 5 deselected"
    )
    assert runs_of(project) == ["talk/late/claude-haiku-5-5/1", "talk/late/claude-haiku-5-5/2"]


@pytest.mark.parametrize("options", ["--modl x", "-n", "--simulate=1", "-n many", "'"])
def test_options_that_make_no_sense_are_an_error_of_usage(project: Path, options: str) -> None:
    """Before anything is collected."""
    result = run_pytest(project, "--claude-run-simulate", f"--claude-run-options={options}", "--collect-only")
    assert result.code != 0
    assert "Traceback" not in result.stderr
    assert runs_of(project) == []


def test_a_run_that_fails_without_a_failing_test_fails_the_session(project: Path) -> None:
    """A gate bounds what replies may cost in all, which no test of its own can say."""
    assert claude_run("scenarios/other.yaml", "--simulate", cwd=project).code == 0
    assert claude_run("accept", cwd=project).code == 0
    (project / "claude-run.toml").write_text("[gate]\nmax_cost_increase = 0.1\n", encoding="utf-8")
    other = project / "scenarios" / "other.yaml"
    other.write_text(_OTHER.replace("user: Hello", f"user: Hello {'again ' * 400}"), encoding="utf-8")
    result = run_pytest(project, "--claude-run-simulate", "--claude-run-options=--baseline", str(other))
    assert "exit code 1" in result.stdout
    assert result.code == 1


def test_the_fixture_plays_what_costs_nothing(project: Path) -> None:
    """What would send requests is skipped until the plugin is on."""
    (project / "test_fixture.py").write_text(_FIXTURE, encoding="utf-8")
    assert summary(run_pytest(project, "test_fixture.py")) == "1 passed, 1 skipped"
    assert summary(run_pytest(project, "test_fixture.py", "--claude-run-simulate")) == "2 passed"


_ASKED = """\
import os, types
import pytest
from claude_run import InputError
SCENARIO = types.MappingProxyType({
    "model": "claude-haiku-5-5", "max_tokens": 2048,
    "turns": ({"user": "Hello \\U0001f600 \\u2028", "example": "Hi.", "expect": [{"contains": "Hi"}]},),
})

def test_any_mapping(claude_run):
    run = claude_run(SCENARIO, simulate=True)
    assert run.passed
    assert run.conversations[0]["turns"][0]["content"] == SCENARIO["turns"][0]["user"]
    assert claude_run({**SCENARIO, "repeat": 2}, simulate=True).passed
    assert claude_run(SCENARIO, replay=run.folder).passed

@pytest.mark.parametrize(("value", "said"), [
    ("\\ud83d", "turns[0].user holds half of a surrogate pair, U+D83D"),
    ("\\0", "turns[0].user holds NUL"),
    ({1}, "turns[0].user is {1}, which no scenario can hold"),
    (float("nan"), "turns[0].user is nan"),
    ({1: 2}, "turns[0].user has the key 1, and a key must be a text"),
])
def test_what_no_file_can_hold(claude_run, value, said):
    with pytest.raises(InputError) as caught:
        claude_run({**SCENARIO, "turns": [{"user": value}]}, simulate=True)
    assert said in str(caught.value)
    inside = []
    inside.append(inside)
    with pytest.raises(InputError, match="turns.*nest deeper than 64 levels"):
        claude_run({**SCENARIO, "turns": inside}, simulate=True)

def test_that_is_wrong(claude_run):
    claude_run({"turns": [{"usr": "Hi"}]}, simulate=True)
"""


def test_the_fixture_takes_any_mapping(project: Path) -> None:
    """The same one has the same name; what cannot be written is refused in words, without our own frames."""
    (project / "test_fixture.py").write_text(_ASKED, encoding="utf-8")
    result = run_pytest(project, "test_fixture.py")
    assert summary(result) == "1 failed, 6 passed"
    assert "did you mean `user`?" in result.stdout
    assert re.findall(r"^(\S+\.py):\d+:", result.stdout, flags=re.MULTILINE) == ["test_fixture.py"]


@pytest.mark.parametrize(
    "options", ["--baseline -n 3", "-k c1", "-o same", "--tag x", "--set unknown=1", "--lf"]
)
def test_the_fixture_takes_over_how_to_play_and_nothing_else(project: Path, options: str) -> None:
    """What is selected, held against and written for collected scenarios is not meant for it."""
    (project / "test_fixture.py").write_text(
        "def test_models(claude_run):\n"
        "    for _ in range(2):\n"
        "        run = claude_run('scenarios/parcels/talk.yaml')\n"
        "        assert run.summary['simulated'] and len(run.conversations) == 2\n"
        "        assert {each['model'] for each in run.conversations} == {'claude-sonnet-5'}\n",
        encoding="utf-8",
    )
    asked = f"--claude-run-options={options} -m claude-sonnet-5"
    result = run_pytest(project, "--claude-run-simulate", asked, "test_fixture.py")
    assert summary(result) == "1 passed"


def test_a_replay_of_the_session_holds_for_the_fixture(project: Path) -> None:
    """So that nothing is sent; a test that asks for the simulator has it."""
    assert claude_run("scenarios/other.yaml", "--simulate", "-o", "before", cwd=project).code == 0
    (project / "test_fixture.py").write_text(
        "def test_of_the_session(claude_run):\n"
        "    assert claude_run('scenarios/other.yaml').summary['replayed']\n"
        "def test_of_its_own(claude_run):\n"
        "    assert not claude_run('scenarios/other.yaml', simulate=True).summary['replayed']\n",
        encoding="utf-8",
    )
    result = run_pytest(project, "--claude-run", "--claude-run-options=--replay before", "test_fixture.py")
    assert summary(result) == "2 passed"


def test_it_can_be_turned_off(project: Path) -> None:
    """As any plugin, by its name."""
    result = execute(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:claude-run", "--claude-run", "test_plain.py"],
        cwd=project,
    )
    assert "unrecognized arguments: --claude-run" in result.stderr

"""What is fuzzed: the readers of files, as functions of bytes that may raise nothing but their own errors."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.checks.registry import default_registry
from claude_run.conversation.events import Failed
from claude_run.conversation.exchange import Failure
from claude_run.conversation.results import Outcome, Status
from claude_run.errors import InputError, StorageError
from claude_run.record.baseline import Baseline, accepted_cases, read_baseline, write_baseline
from claude_run.record.derive import read_played, write_derived
from claude_run.record.disk import LocalDisk
from claude_run.record.folder import RunFolder
from claude_run.record.journal import Journal
from claude_run.record.recording import Recording
from claude_run.report.compare.markdown import comparison_markdown
from claude_run.report.compare.terminal import print_comparison
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.markdown import summary_markdown, transcripts_markdown
from claude_run.report.run.terminal_summary import print_summary
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import load
from claude_run.scenario.source import decode
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import to_json
from claude_run.text.strict_json import json_pieces
from claude_run.verdict.basics import ComparisonRules
from claude_run.verdict.comparison import Arm, compare
from tests.system.torture.fuzzed_choices import FuzzedChoices, changed, edited
from tests.unit.conversation.builders import AT, body, check, ended, events_of, script, user
from tests.unit.record.fakes import run as run_of
from tests.unit.report.comparisons import regressed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SCENARIOS = sorted((Path(__file__).parents[3] / "scenarios").glob("*.yaml"))
CSV = b'id,item,"long, name"\nphone,a phone,"x\ny"\nsofa,a sofa,\n'
JSONL = b'{"id": "a", "vars": {"item": [1, {"b": null}]}}\n\n{"id": "b", "item": "\\ud83d\\ude00"}\n'


def scenario(data: bytes) -> None:
    """Read as a scenario any bytes, or a shipped one in which bytes were edited or a value was changed."""
    choices = FuzzedChoices(data)
    ways: Sequence[Callable[[], bytes]] = (
        lambda: data[1:],
        lambda: edited(choices.one_of(SCENARIOS).read_bytes(), choices),
        lambda: _as_json(changed(_tree(choices.one_of(SCENARIOS)), choices)),
    )
    text = choices.one_of(ways)()
    with tempfile.TemporaryDirectory() as folder:
        _load(Path(folder), {"a.yaml": text})


def cases(data: bytes) -> None:
    """Read any bytes, or a good file that was edited, as cases in CSV, JSONL or YAML."""
    choices = FuzzedChoices(data)
    good, name = choices.one_of([(CSV, "c.csv"), (JSONL, "c.jsonl"), (JSONL.split(b"\n")[0], "c.yaml")])
    text = data[1:] if choices.below(3) == 0 else edited(good, choices)
    whole = f"model: m\nturns: [{{user: '{{{{ item }}}}'}}]\ncases: {{file: {name}}}\n"
    with tempfile.TemporaryDirectory() as folder:
        _load(Path(folder), {"a.yaml": whole.encode(), name: text})


def journal(data: bytes) -> None:
    """Read any bytes, or a good journal that was edited, as the journal of a run; then open and mend it."""
    choices = FuzzedChoices(data)
    text = data[1:] if choices.below(3) == 0 else edited(_good_journal(), choices)
    _use_run_folder(_good_run(), text)


def events(data: bytes) -> None:
    """Read a journal whose checksums are right and one of whose events is not."""
    choices = FuzzedChoices(data)
    lines = [json.loads(line) for line in _good_journal().split(b"\n")[:-1]]
    for _ in range(1 + choices.below(2)):
        number = choices.below(len(lines))
        lines[number] = changed(lines[number], choices)
    _use_run_folder(_good_run(), b"".join(map(framed, lines)))


def run_json(data: bytes) -> None:
    """Read a run folder whose `run.json` was changed."""
    choices = FuzzedChoices(data)
    good = _good_run()
    text = (
        edited(good, choices)
        if choices.below(3) == 0
        else json.dumps(changed(json.loads(good), choices)).encode()
    )
    _use_run_folder(text, _good_journal())


def baseline(data: bytes) -> None:
    """Read a baseline that was changed, and hold the good one against what it became."""
    choices = FuzzedChoices(data)
    good = _good_baseline()
    text = (
        edited(good, choices)
        if choices.below(3) == 0
        else json.dumps(changed(json.loads(good), choices)).encode()
    )
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(InputError):
        path = Path(name) / "a.baseline.json"
        path.write_bytes(text)
        read = read_baseline(path, scenario_path="a.yaml")
        before = Arm(name="good", samples=regressed().baseline.samples)
        comparison = compare(before, [Arm(name="read", samples=read.samples)], ComparisonRules())
        comparison_markdown(comparison)
        print_comparison(comparison, stream=io.StringIO(), verbose=2)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (scenario, cases, journal, events, run_json, baseline)
}


def framed(value: Any) -> bytes:
    """Return a journal line with its checksum, whatever the value is."""
    rest = json.dumps(value if isinstance(value, dict) else {"event": value}).encode()[1:] + b"\n"
    # The checksum that was there before, if any, becomes a field like others.
    return b'{"crc":"%08x",%s' % (zlib.crc32(rest), rest)


def _tree(path: Path) -> Any:
    return to_json(parse(decode(str(path), path.read_bytes())).root)


def _as_json(value: Any) -> bytes:
    """Return a value as JSON, which is YAML, with every character in it that YAML takes."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _load(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, text in files.items():
        (folder / name).write_bytes(text)
    lines: tuple[str, ...] = ("ok",)
    try:
        load([str(folder / "a.yaml")], vocabulary=default_registry())
    except InvalidScenarioError as error:
        lines = error.lines
    assert lines, "an error without words"


def _use_run_folder(run: bytes, lines: bytes) -> None:
    """Do with a run folder all that `report`, `--replay` and `--resume` do before they send."""
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        folder.run_json.write_bytes(run)
        folder.journal.write_bytes(lines)
        with contextlib.suppress(InputError, StorageError):
            Recording.open(folder.journal)
        with contextlib.suppress(InputError, StorageError):
            played = read_played(folder)
            write_derived(folder, played)
            facts = RunFacts.of(played)
            list(transcripts_markdown(played, facts))
            list(summary_markdown(played, facts))
            print_summary(played, facts, folder=folder.path, stream=io.StringIO(), verbose=2)
        with contextlib.suppress(InputError, StorageError):
            Journal(folder.journal).close()


@cache
def _good_baseline() -> bytes:
    good = Baseline(
        scenario="refund",
        path="a.yaml",
        simulated=False,
        reason="The prompt is shorter.",
        cases=accepted_cases(regressed().baseline.samples[:3]),
    )
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.baseline.json"
        write_baseline(LocalDisk(), path, good)
        return path.read_bytes()


@cache
def _good_run() -> bytes:
    return "".join(json_pieces(run_of(_talk()).to_json())).encode()


@cache
def _good_journal() -> bytes:
    talk = _talk()
    blocks: list[Any] = [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "id": "t", "input": {}}]
    *played, _ = events_of(talk, [body("Hi."), body([*blocks, {"type": "text", "text": "Bye."}])])
    failure = Failure(kind="status", message="529", status=529, type="overloaded_error", paid="no")
    where = {"conversation_id": talk.id, "turn": 0, "key": "k", "n": 1, "at": AT}
    failed = Failed(**where, failure=failure)
    bad = check(Status.FAILED, expected=["30 days"], actual={"a": 1}, children=(check(),))
    end = ended(talk.id, outcome=Outcome.FAILED, turn_checks=((0, (bad,)),), checks=(bad,), warnings=("cut",))
    with tempfile.TemporaryDirectory() as name:
        file = Journal(Path(name) / "journal.jsonl")
        file.append_run("started", at=AT)
        for event in (*played, failed, end):
            file.append(event)
        file.append_run("ended", at=AT, duration_s=2.5, stop=None, reason=None)
        file.close()
        return file.path.read_bytes()


def _talk() -> Any:
    return script(user("Hello"), user("Bye"), tags=("t",), vars={"item": {"a": [1]}})

"""The real command from end to end, with hostile text everywhere: files, cases, replies, errors, paths."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from claude_run.cli.app import run_command_line
from tests.support.command import CommandResult, claude_run
from tests.support.hostile_corpus import CORPUS
from tests.support.scripted_server import (
    Answer,
    RawServer,
    ReceivedRequest,
    error_answer,
    json_answer,
    message,
)
from tests.unit.report.safe_output import assert_safe

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.report.safe_output import Medium

KINDS: dict[str, Medium] = {
    "run.json": "json",
    "journal.jsonl": "jsonl",
    "transcripts.jsonl": "jsonl",
    "summary.json": "json",
    "transcripts.md": "folded",
    "summary.md": "folded",
}
FOLDER = "sc\x1b[31m`|<b>@team\u202e\n::error::planted"
NUMBER = re.compile(r"case (\d+)\.")
# Variables take no NUL and no half of a surrogate pair; replies may hold both.
TEXTS = [re.sub("[\0\ud800-\udfff]", "?", text) for text in CORPUS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the command said, and the folder that it left."""

    ended: CommandResult
    folder: Path

    def text(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode()


def _respond(request: ReceivedRequest) -> Answer:
    """Answer a conversation with the text of its number, by its scenario in one of three ways."""
    asked = request.body["messages"][0]["content"]
    words = asked if isinstance(asked, str) else asked[0]["text"]
    text = CORPUS[int(NUMBER.search(words)[1])]  # type: ignore[index] # every first message has its number
    if words.startswith("error"):
        return error_answer(text or "odd", text, status=400)
    if words.startswith("odd"):
        blocks: list[dict[str, Any]] = [
            {"type": text, "text": text},
            {"type": "tool_use", "id": text, "name": text, "input": {text: text}},
            {"type": "thinking", "thinking": text, "signature": text},
        ]
        return json_answer(message(*blocks, stop_reason=text, model=text, id=text))
    return json_answer(message({"type": "text", "text": text}))


def _scenario(kind: str) -> dict[str, Any]:
    """Return a scenario with a case for each text; `kind` at the start of a message tells how to answer."""
    label = "\x1b[32m | `l` ::error::"
    return {
        "name": f"{kind} `x` | <b> @team ##[error]a [l](u) ::error::n",
        "description": "\x1b]52;c;ZXZpbA==\x07 \u202e",
        "tags": ["::warning::t", "@team `"],
        "x-note": "\x1b[2J",
        "model": "claude-haiku-5-5",
        "vars": {"common": "\x1b[31m \u2028 ]]> </script>"},
        "system": "{{ common }} \x9b31m ```",
        "cases": {"file": "cases.jsonl"},
        "turns": [
            {
                "user": f"{kind} case {{{{ number }}}}. {{{{ text }}}}",
                "expect": [{"contains": "\x1b[31m nowhere \u202e {{ text }}", "label": label}],
                "save": {"all": "(?s)(.*)"},
            },
            {"user": "{{ saved.all }} {{ text }}", "expect": [{"matches": "nothing\u202e"}, {"json": True}]},
        ],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Play three hostile scenarios against a hostile server, once for all tests."""
    cwd = tmp_path_factory.mktemp("hostile")
    folder = cwd / FOLDER
    folder.mkdir()
    cases = [
        {"id": f"`{number} ::error::i", "text": text, "number": number} for number, text in enumerate(TEXTS)
    ]
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)), encoding="utf-8")
    for kind in ("plain", "odd", "error"):
        (folder / f"{kind}\u202e\x1b[31m.yaml").write_text(json.dumps(_scenario(kind)), encoding="utf-8")
    with RawServer(respond=_respond) as server:
        env = {"ANTHROPIC_BASE_URL": server.base_url, "ANTHROPIC_API_KEY": "sk-ant-canary-hostile"}
        ended = claude_run(FOLDER, "-vv", "--json", cwd=cwd, env=env)
    assert (cwd / "outputs").is_dir(), ended.stderr
    (made,) = [path for path in (cwd / "outputs").iterdir() if path.is_dir() and not path.is_symlink()]
    return Run(ended=ended, folder=made)


def test_the_streams_can_only_be_read(run: Run) -> None:
    """Progress, failures, replies in full and the exit reason act on no terminal and no CI log."""
    assert run.ended.code == 3
    assert_safe("log", run.ended.stderr)
    assert_safe("json", run.ended.stdout)
    assert json.loads(run.ended.stdout)["totals"]["conversations"] == 3 * len(CORPUS)


def test_the_files_can_only_be_read(run: Run) -> None:
    """Every file of the run is whole and inert by the rules of its kind, and no name comes from a text."""
    assert {path.name for path in run.folder.iterdir()} == {*KINDS, "journal.lock"}
    assert_safe("name", run.folder.name.lower())
    for name, medium in KINDS.items():
        assert_safe(medium, run.text(name))


def test_no_text_is_a_heading(run: Run) -> None:
    """Each conversation has one section, whatever its texts say."""
    tokens = MarkdownIt("commonmark").parse(run.text("transcripts.md"))
    headings = [token.tag for token in tokens if token.type == "heading_open"]
    assert headings.count("h1") == 1
    assert headings.count("h2") == 3 * len(CORPUS)


def test_data_is_kept_as_it_came(run: Run) -> None:
    """What is made harmless for readers is verbatim for programs, in replies and in errors."""
    rows = [json.loads(line) for line in run.text("transcripts.jsonl").split("\n")[:-1]]
    texts = [row["turns"][0]["reply"]["text"] for row in rows if row["scenario"].startswith("plain")]
    odd = [row["turns"][0]["reply"]["content"][1] for row in rows if row["scenario"].startswith("odd")]
    errors = [row["error"] for row in rows if row["scenario"].startswith("error")]

    assert texts == list(CORPUS)
    assert odd == [{"type": "tool_use", "id": text, "name": text, "input": {text: text}} for text in CORPUS]
    assert all(text in error for text, error in zip(CORPUS, errors, strict=True))


@pytest.fixture
def _there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.folder.parent.parent)


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["report", "{run}", "-vv"], 3),
        (["verify", "{run}"], 0),
        ([FOLDER, "--list"], 0),
        ([FOLDER, "--dry-run"], 0),
        ([FOLDER, "--replay", "{run}", "-v", "--set", "common=\x1b[31m\n::error::other"], 3),
    ],
    ids=["report", "verify", "list", "dry-run", "replay"],
)
def test_later_commands_can_only_be_read(
    arguments: list[str], expected: int, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """What reads the run or the scenarios again says it as harmlessly, and makes the same files."""
    before = {name: run.text(name) for name in KINDS}
    code = run_command_line([argument.replace("{run}", str(run.folder)) for argument in arguments])
    said = capsys.readouterr()

    assert code == expected, said.err[-500:]
    assert_safe("log", said.out)
    assert_safe("log", said.err)
    assert {name: run.text(name) for name in KINDS} == before

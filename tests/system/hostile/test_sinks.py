"""The hostile corpus, through every registered sink, and the rules that find one which is not registered."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import claude_run
from claude_run import record, report
from tests.support.hostile_corpus import CORPUS
from tests.system.hostile.no_sinks import NO_SINKS
from tests.system.hostile.sinks import SINKS
from tests.unit.report.safe_output import assert_safe, skeleton

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(claude_run.__file__).parent
WATCHED = [
    *(
        module.name.removeprefix("claude_run.")
        for room in (report, record)
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    ),
    *("cli.output", "cli.terminal", "scenario.diagnostics", "text.strict_json", "text.visible"),
    "pytest_plugin.talk",
]
# Which modules may touch the two streams, and which may write a file, with what they write.
TO_STREAMS = {
    "__main__.py": "the version",
    "checks/own_worker.py": "nothing: it flushes what own checks have printed",
    "cli/app.py": "nothing: it flushes",
    "cli/chat.py": "nothing: it asks whether stderr is a terminal",
    "cli/compare.py": "nothing: it hands stdout to a sink of report",
    "cli/review.py": "nothing: it hands stderr to a sink of report",
    "cli/export.py": "nothing: it asks stdout which letters it takes",
    "cli/line_editor.py": "nothing: it hands a terminal to the line editor, which shows what is typed",
    "cli/output.py": "the sinks `print_error`, `print_line` and `print_json`, and what sinks of report made",
    "cli/show.py": "nothing: it hands stdout to a sink of report",
    "cli/terminal.py": "nothing: it hands stderr to the sinks of report",
    "cli/watch.py": "nothing: it asks whether stdin and stdout are a terminal",
}
TO_FILES = {
    "checks/own_worker.py": "lines of JSON to the process of claude-run, which reads them strictly",
    "cluster/engine.py": "the plan as a pickle, and own checks as they are, which the players alone read",
    "cli/app.py": "the details of a bug, redacted, in a file that only its owner can read",
    "cli/export.py": "what a sink of report made, into a file that the user names",
    "pytest_plugin/fixture.py": "a scenario of a test, as ASCII JSON in the folder of that test",
    "session/imports.py": "YAML of the scenario writer, which escapes what is not visible",
    "session/project.py": "files whose content is ours",
    "cli/write_reports.py": "what sinks of report made, into files that the user or the CI names",
    "record/disk.py": "the bytes of the sinks of record and report",
    "process.py": "the name of a signal, in words of ours",
}
# Templates that are shown by one function are tested together.
DISTINCT = list({(sink.show, sink.medium): name for name, sink in SINKS.items()}.values())
BIG = f"{'plain words ' * 30}`~:#@_-|\x1b\n" * 8_000


@pytest.mark.parametrize("name", DISTINCT)
def test_nothing_hostile_gets_through(name: str) -> None:
    """Every text of the corpus comes out of every sink as something that can only be read."""
    sink = SINKS[name]
    for text in CORPUS:
        assert_safe(sink.medium, sink.show(text))


@pytest.mark.parametrize("name", ["template.transcripts.md.j2", "template.summary.md.j2"])
def test_no_text_changes_the_shape_of_a_document(name: str) -> None:
    """The headings, tables, lists and fences of a file are the same whatever the texts in it say."""
    plain = skeleton(SINKS[name].show("plain"))
    for text in CORPUS:
        if text:  # an empty text leaves its error and its blocks out, which is not an attack
            assert skeleton(SINKS[name].show(text)) == plain, text[:80]


@pytest.mark.parametrize("name", DISTINCT)
def test_three_megabytes_pass_in_bounded_time(name: str) -> None:
    """A text of 3 MB with a hostile word in each of its lines is shown, or cut, within seconds."""
    begin = time.process_time()
    SINKS[name].show(BIG)
    assert time.process_time() - begin < 6


def test_what_json_holds_reads_back() -> None:
    """The escapes of JSON are undone by any reader: nothing is lost."""
    for text in CORPUS:
        assert json.loads(SINKS["text.strict_json.plain_json"].show(text)) == {text: [text]}


def test_every_sink_is_registered() -> None:
    """A public function, class or template that no hostile text visits is found, and one that is gone too."""
    names = {name for module in WATCHED for name in _public(module)}
    folder = resources.files("claude_run.report") / "templates"
    templates = {f"template.{file.name}" for file in folder.iterdir() if file.name.endswith(".j2")}
    assert set(SINKS) | set(NO_SINKS) == names | templates
    assert not set(SINKS) & set(NO_SINKS)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ({"sys.stdout", "sys.stderr", "print", "typer.echo", "sys.__stdout__", "sys.__stderr__"}, TO_STREAMS),
        ({".write_text", ".write_bytes", "tempfile.NamedTemporaryFile", "os.write", "open()"}, TO_FILES),
    ],
)
def test_nothing_writes_but_the_sinks(calls: set[str], expected: dict[str, str]) -> None:
    """No other module of the package touches a stream or writes a file."""
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if calls & set(_mentioned(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == set(expected)


def _public(module: str) -> Iterator[str]:
    whole = f"claude_run.{module}"
    for name, value in vars(importlib.import_module(whole)).items():
        is_own = (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == whole
        if is_own and not name.startswith("_"):
            yield f"{module}.{name}"


def _mentioned(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module uses: `name`, `module.name`, `.method` of anything, `open()` to write."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _opens_to_write(node):
            yield "open()"
        if isinstance(node, ast.Name):
            yield node.id
        if isinstance(node, ast.Attribute):
            yield f".{node.attr}"
            if isinstance(node.value, ast.Name):
                yield f"{node.value.id}.{node.attr}"


def _opens_to_write(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    modes = [
        node.value
        for part in (*call.args, *(keyword.value for keyword in call.keywords))
        for node in ast.walk(part)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return name == "open" and any(re.fullmatch(r"[wax][bt+]*|r[bt]*\+[bt]*", mode) for mode in modes)

"""The hostile corpus, through every registered sink."""

from __future__ import annotations

import inspect
import json
import time
from importlib import resources
from pathlib import Path

import pytest

from claude_run.report import safe, terminal
from tests.report.judges import judge, skeleton
from tests.sinks import SINKS

CORPUS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "hostile.jsonl").read_text("ascii").split("\n")
    if line
]
PURE = {"colour_wanted"}


@pytest.mark.parametrize("name", SINKS)
def test_nothing_hostile_gets_through(name: str) -> None:
    """Every text of the corpus comes out of every sink as something that can only be read."""
    sink = SINKS[name]
    for text in CORPUS:
        judge(sink.medium, sink.show(text))


@pytest.mark.parametrize("name", ["template.transcripts.md.j2", "template.summary.md.j2"])
def test_no_text_changes_the_shape_of_a_document(name: str) -> None:
    """The headings, tables, lists and fences of a file are the same whatever the texts in it say."""
    plain = skeleton(SINKS[name].show("plain"))
    for text in CORPUS:
        if text:  # an empty text leaves its error and its blocks out, which is no attack
            assert skeleton(SINKS[name].show(text)) == plain, text[:80]


def test_every_sink_of_the_room_is_registered() -> None:
    """A public function of `safe`, a template or a terminal writer that no hostile text visits is found."""
    functions = {
        f"safe.{name}"
        for name, value in vars(safe).items()
        if inspect.isfunction(value) and value.__module__ == safe.__name__ and not name.startswith("_")
    }
    folder = resources.files("claude_run.report") / "templates"
    templates = {f"template.{file.name}" for file in folder.iterdir() if file.name.endswith(".j2")}
    writers = {f"terminal.{name}" for name in set(terminal.__all__) - PURE}
    assert set(SINKS) == functions | templates | writers


@pytest.mark.parametrize("name", ["safe.safe_terminal", "safe.safe_block", "safe.fence", "safe.md_inline"])
def test_ten_megabytes_pass_in_linear_time(name: str) -> None:
    """A text of 10 MB with a hostile word in each of its lines is shown within seconds."""
    text = f"{'plain words ' * 30}`~:#@_-|\x1b\n" * 27_000
    begin = time.process_time()
    assert len(SINKS[name].show(text)) >= len(text) * 0.9
    assert time.process_time() - begin < 20

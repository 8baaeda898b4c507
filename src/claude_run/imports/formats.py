"""The formats that are imported: what each is called, how it is recognised, and who reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.imports.messages import read_messages
from claude_run.imports.mt_bench import read_mt_bench
from claude_run.imports.pipecat import INCLUDE, is_pipecat, read_pipecat
from claude_run.imports.promptfoo.config import is_promptfoo, read_promptfoo
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import MappingNode
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.imports.drafts import Draft, Given
    from claude_run.scenario.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format by its name; `read` gives the scenarios of a source."""

    name: str
    read: Callable[[Source, Given], Sequence[Draft]]


FORMATS = {
    each.name: each
    for each in (
        Format(name="promptfoo", read=read_promptfoo),
        Format(name="pipecat", read=read_pipecat),
        Format(name="messages", read=read_messages),
        Format(name="mt-bench", read=read_mt_bench),
    )
}


_TALKS = ("messages", "conversations")


def recognised(source: Source) -> Format | None:
    """Return the format of a file by what stands in it; None where it could be any, or none.

    InvalidScenarioError for YAML whose structure cannot be made out.
    """
    if source.path.lower().endswith((".jsonl", ".ndjson")):
        return _of_rows(source)
    document = parse(source, tag=INCLUDE)
    if isinstance(document.root, MappingNode):
        if is_pipecat(document.root, document.tagged):
            return FORMATS["pipecat"]
        if is_promptfoo(document.root):
            return FORMATS["promptfoo"]
    return None


def _of_rows(source: Source) -> Format | None:
    """Return the format of the first row that has one."""
    for text in source.lines():
        try:
            row = read_json(text) if text.strip() else None
        except ValueError:
            row = None
        if isinstance(row, dict) and any(isinstance(row.get(key), list) for key in _TALKS):
            return FORMATS["messages"]
        if isinstance(row, dict) and isinstance(row.get("turns"), list):
            return FORMATS["mt-bench"]
    return None

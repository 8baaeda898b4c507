"""The end of every command on a run: derived files, the closing block, the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.talk import say_json
from claude_run.record.derive import read_played, write_derived
from claude_run.report.markdown import summary_markdown, transcripts_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from claude_run.cli.terminal import Terminal
    from claude_run.record.derive import Played
    from claude_run.record.folder import RunFolder


DERIVED: Mapping[str, Callable[[Played], Iterable[bytes]]] = {
    "transcripts.md": transcripts_markdown,
    "summary.md": lambda played: [summary_markdown(played).encode()],
}
"""The files for people, each made from what the journal tells."""


def finish(folder: RunFolder, terminal: Terminal, *, as_json: bool) -> int:
    """Write every derived file anew from the journal, say how the run ended, and return its exit code."""
    played = read_played(folder)
    write_derived(folder, played)
    for name, make in DERIVED.items():
        folder.write(name, make(played))
    terminal.print_summary(played, folder=folder.path)
    if as_json:
        say_json(played.summary.to_json())
    return int(played.summary.exit_code)

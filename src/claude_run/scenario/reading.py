"""What the readers of one scenario file share: its reporter, its files, and the templates they find."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from claude_run.scenario.files import FileProblemError, Files
from claude_run.scenario.yaml_scalars import locate

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.scenario.diagnostics import Diagnostic
    from claude_run.scenario.fields import Reporter
    from claude_run.scenario.source import Source
    from claude_run.scenario.vocabulary import Vocabulary
    from claude_run.scenario.yaml_nodes import Node, ScalarNode

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text of the user with the way back to its place.

    `scalar` is where it stands in a YAML file; None where `source` is wholly the text. `turn` is the number
    of turns before it, whose saved values it can read.
    """

    text: str
    source: Source
    scalar: ScalarNode | None
    turn: int

    def problem(self, offset: int, message: str, *, hint: str | None, length: int) -> Diagnostic:
        """Return a diagnostic at an offset of the text."""
        index = offset if self.scalar is None else locate(self.source, self.scalar, offset)
        return self.source.problem(self.source.position(index), message, hint=hint, length=length)


@dataclass(slots=True, kw_only=True)
class Reading:
    """The reading of one scenario file, in progress.

    `problems` are those of other files that it names; `saves` tells for each saved name which turn saves it.
    `unread_text` tells that a file with a text could not be read, so that its variables are not known.
    """

    report: Reporter
    files: Files
    vocabulary: Vocabulary
    templates: list[Template] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    saves: dict[str, int] = field(default_factory=dict)
    unread_text: bool = False

    def template(self, text: str, node: ScalarNode, *, turn: int) -> None:
        """Keep a text of the scenario file for the check of its variables."""
        template = Template(text=text, source=self.report.source, scalar=node, turn=turn)
        self.templates.append(template)

    def file(self, node: Node, read: Callable[[], T]) -> T | None:
        """Return what `read` makes of a file, or None where it cannot: the problem is shown at the node."""
        try:
            return read()
        except FileProblemError as error:
            self.report.node(node, error.message, hint=error.hint)
            return None

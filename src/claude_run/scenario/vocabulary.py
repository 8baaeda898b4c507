"""What the loader must know about expectations, so that it can check them without knowing the checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.model import Json, JsonObject

ValuePath: TypeAlias = "tuple[str | int, ...]"
"""Where something stands inside a value: keys of objects and indexes of lists, outermost first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in the value of an expectation; the loader turns `path` into a line and a column."""

    path: ValuePath
    message: str
    hint: str | None = None


class Vocabulary(Protocol):
    """The expectations that a scenario may use; the checks room satisfies it."""

    def kinds(self) -> Sequence[str]:
        """Return the name of every expectation, the wrappers `not`, `any_of` and `all_of` included."""

    def schema(self, kind: str) -> JsonObject:
        """Return the JSON Schema (draft 7) of the value of that kind; never asked about a wrapper."""

    def problems(self, kind: str, value: Json, *, on_conversation: bool) -> Sequence[Problem]:
        """Return what is wrong with a value: its type, a pattern that does not compile, a wrong scope."""

    def templates(self, kind: str, value: Json) -> Sequence[tuple[ValuePath, str]]:
        """Return the strings inside the value that are templates, each with its place."""

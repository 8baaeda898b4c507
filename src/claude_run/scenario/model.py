"""The values that a scenario file is parsed into: frozen, plain, free of I/O and of third-party imports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from claude_run.scenario.json_values import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from claude_run.scenario.diagnostics import Diagnostic
    from claude_run.scenario.json_values import Json, JsonObject

CacheMode = Literal["auto", "off", "1h"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """A place in a file: the path as the user gave it, line and column counted from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text that the user wrote: a template, rendered once per conversation.

    Where it stands in a file whose path is a template, `source` is that path, and `versions` are the texts by
    every path that it becomes.
    """

    source: str
    position: Position
    versions: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlock:
    """A `text` content block; `extra` holds its other API fields, such as `cache_control`, as written."""

    text: Text
    extra: JsonObject = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonBlock:
    """Any other content block, in the API's own JSON; file sugar is already resolved to base64.

    `texts` are templates in it, each by its place: keys and indexes, outermost first. `name` is the path of
    the file whose content it holds, as written; `position` is where the block says so.
    Where that path is a template, `versions` are what stands in place of `value`, by every path that it
    becomes, and `paths` the path of each case and variant, by their ids.
    """

    value: JsonObject
    texts: tuple[tuple[tuple[str | int, ...], Text], ...] = ()
    name: str | None = None
    position: Position | None = None
    versions: Mapping[str, JsonObject] = field(default_factory=dict)
    paths: Mapping[tuple[str | None, str | None], str] = field(default_factory=dict)

    def chosen(self, case: Case, variant: Variant) -> JsonBlock:
        """Return the block as it is sent for a case and a variant, with the file that they choose."""
        if not self.versions:
            return self
        path = self.paths[case.id, variant.id]
        return replace(self, value=self.versions[path], name=path, versions={}, paths={})


Block: TypeAlias = TextBlock | JsonBlock
Content: TypeAlias = Text | tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What answers a call of a tool whose input holds all of `when`, at most `times` in a conversation.

    `content` is what a message may hold, or the JSON of `json`, which is sent as text. Texts in both and in
    `when` are templates; one that is wholly an expression keeps its type.
    """

    when: JsonObject = EMPTY
    content: Content | None = None
    json: Json = None
    is_error: bool = False
    times: int | None = None
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResults:
    """The scripted results by the name of their tool, and how often one turn may be answered with them."""

    by_tool: Mapping[str, tuple[ToolResult, ...]] = field(default_factory=dict)
    max_rounds: int = 10


NO_RESULTS = ToolResults()
"""No call of any tool is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the scenario asks of a reply or of a conversation.

    `kind` names a check of the registry, `value` its arguments as written; the wrappers `not`, `any_of` and
    `all_of` carry `children` and no value. String arguments are templates unless the kind says otherwise.
    What `must` hold fails the run where it does not once, whatever the other repeats or the baseline say.
    """

    kind: str
    value: Json = None
    children: tuple[Expectation, ...] = ()
    label: str | None = None
    must: bool = False
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Text to keep from a reply: the first group of an RE2 pattern, or the whole match where it has none."""

    name: str
    pattern: str
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTurn:
    """A message of the user. It is sent and gets a reply, unless a scripted assistant turn follows it.

    With a `condition` it is sent only where all of that holds of the last reply before it.
    """

    content: Content
    expect: tuple[Expectation, ...] = ()
    example: Text | None = None
    save: tuple[Save, ...] = ()
    condition: tuple[Expectation, ...] = ()
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantTurn:
    """Scripted history: what the assistant is said to have answered."""

    content: Content
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTurn:
    """An instruction in mid-conversation; it stands after the user turn whose reply it steers."""

    content: Content
    position: Position


Turn: TypeAlias = UserTurn | AssistantTurn | SystemTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A model to play, with request parameters that hold for it alone. `label` names it in ids and tables."""

    id: str
    label: str
    params: JsonObject = EMPTY
    param_positions: Mapping[str, Position] = field(default_factory=dict)
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set of variables. `id` is None for the only case of a scenario that lists none.

    A case that is written without an id has its number for one, and is `numbered`. Then `digest` stands for
    those of its variables that the scenario uses. Its `turns` take the place of the scenario's, None where it
    has none of its own; `expect` and `tags` are added to the scenario's.
    """

    id: str | None = None
    vars: JsonObject = EMPTY
    turns: tuple[Turn, ...] | None = None
    expect: tuple[Expectation, ...] = ()
    tags: tuple[str, ...] = ()
    position: Position | None = None
    numbered: bool = False
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One named set of overrides: other variables, another system prompt, other request parameters."""

    id: str | None = None
    vars: JsonObject = EMPTY
    system: Content | None = None
    overrides_system: bool = False
    params: JsonObject = EMPTY
    param_positions: Mapping[str, Position] = field(default_factory=dict)
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graders:
    """Who answers `judge` expectations: models, and the request parameters that they are asked with."""

    models: tuple[str, ...]
    params: JsonObject = EMPTY
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario file. `params` holds request parameters under their API names, passed on as written.

    `sha256` is over its bytes and those of the `files` that it names, which are resolved paths.
    `refusals` are what the API is known to refuse of them on every model, each at its place.
    """

    name: str
    path: str
    sha256: str
    position: Position
    turns: tuple[Turn, ...]
    description: str = ""
    tags: tuple[str, ...] = ()
    models: tuple[ModelChoice, ...] = ()
    system: Content | None = None
    params: JsonObject = EMPTY
    param_positions: Mapping[str, Position] = field(default_factory=dict)
    cache: CacheMode = "auto"
    vars: JsonObject = EMPTY
    cases: tuple[Case, ...] = (Case(),)
    variants: tuple[Variant, ...] = (Variant(),)
    repeat: int = 1
    pass_rate: float = 1.0
    expect: tuple[Expectation, ...] = ()
    judge: Graders | None = None
    tool_results: ToolResults = NO_RESULTS
    refusals: tuple[Diagnostic, ...] = ()
    files: frozenset[Path] = frozenset()

    def script_of(self, case: Case) -> tuple[Turn, ...]:
        """Return the turns that a case is played with."""
        return self.turns if case.turns is None else case.turns

    @property
    def turns_of_all(self) -> Iterator[Turn]:
        """All turns of all scripts: the scenario's own, and those of its cases."""
        yield from self.turns
        for case in self.cases:
            yield from case.turns or ()

    @property
    def params_of_all(self) -> tuple[JsonObject, ...]:
        """The parameters that the scenario, its variants and its models set, each for itself."""
        variants, models = (each.params for each in self.variants), (each.params for each in self.models)
        return (self.params, *variants, *models)

    @property
    def expectations_on_all(self) -> Iterator[Expectation]:
        """What is expected of turns and of conversations, and what turns are sent for, in all scripts."""
        yield from self.expect
        for case in self.cases:
            yield from case.expect
        for turn in self.turns_of_all:
            yield from (*turn.condition, *turn.expect) if isinstance(turn, UserTurn) else ()


def turn_number(index: int) -> int:
    """Return what people and files call the turn with this index, which counts from 0: they count from 1."""
    return index + 1

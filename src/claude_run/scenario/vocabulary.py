"""The words of a scenario: what may be a name, which keys are refused, and what is known of expectations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from claude_run.scenario.foreign_words import key_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.scenario.json_values import Json, JsonObject

ValuePath: TypeAlias = "tuple[str | int, ...]"
"""Where something stands inside a value: keys of objects and indexes of lists, outermost first."""


Place: TypeAlias = Literal["turn", "conversation", "part", "condition"]
"""Where an expectation stands: under a turn, under the scenario, in `within`, or in the `if` of a turn."""


class Fill(Enum):
    """What a text inside an expectation becomes when its variables are filled in."""

    TEXT = "text"
    """A text; a list, an object, null or a boolean is none, as where it is written out."""

    PROSE = "prose"
    """A text that is read and not looked for, so that a list or an object may stand in it as JSON."""

    VALUE = "value"
    """Where it is one whole `{{ expression }}`, what that gives: a number stays a number; else a text."""

    TEXTS = "texts"
    """As `VALUE`, for a list of texts: numbers and booleans in the list become texts."""

    POINTER = "pointer"
    """A JSON Pointer: one whole expression is it, any other value a step of it, with `/` and `~` escaped."""

    PATTERN = "pattern"
    """A pattern: the values in it are escaped, so that each of their characters stands for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A text inside the value of an expectation that is a template, its place, and what it becomes."""

    path: ValuePath
    source: str
    into: Fill


MAX_NAME = 100
"""How many characters a name may have."""

RESERVED = frozenset(
    {"saved", "loop", "self", "true", "false", "none", "True", "False", "None"}
    | {"and", "or", "not", "in", "is", "if", "else"}
)
"""Names that a template reads as something else than a variable."""

# Keys, in lower case and with `_`, that would carry secrets or choose where they go.
_CONNECTION = frozenset(
    {
        "api_key",
        "auth_token",
        "authorization",
        "x_api_key",
        "token",
        "secret",
        "password",
        "credentials",
        "base_url",
        "api_base",
        "endpoint",
        "url",
        "host",
        "proxy",
        "proxies",
        "headers",
        "default_headers",
        "default_query",
        "extra_headers",
        "extra_query",
        "extra_body",
        "env",
        "environment",
        "http_client",
        "anthropic_api_key",
        "anthropic_base_url",
        "anthropic_version",
    }
)
# A thread keeps the history where nobody can look at it; a token is a secret.
_BETA = frozenset({"fallback_credit_token", "thread"})
_ELSEWHERE = {
    "messages": ("a scenario has no `messages`", "write the messages under `turns`"),
    "stream": ("`stream` is not set in a scenario", "remove it: streaming is chosen by `max_tokens`"),
    "timeout": (
        "`timeout` is not set in a scenario",
        "remove it: deadlines belong to the run, not to a scenario",
    ),
    "max_retries": ("`max_retries` is not set in a scenario", "remove it: retries belong to the run"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a key is refused, and what to do instead; the value of a `secret` one is not shown."""

    message: str
    hint: str
    secret: bool = False


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

    def knows(self, kind: str) -> bool:
        """Return whether this is the name of an expectation: cheaper than all names."""

    def schema(self, kind: str) -> JsonObject:
        """Return the JSON Schema (2020-12) of the value of that kind; never asked about a wrapper."""

    def example(self, kind: str) -> Json:
        """Return a value that the kind accepts; never asked about a wrapper."""

    def problems(self, kind: str, value: Json, *, place: Place) -> Sequence[Problem]:
        """Return what is wrong with a value: its type, a pattern that does not compile, a wrong place."""

    def filled_problems(self, kind: str, value: Json) -> Sequence[Problem]:
        """Return what is wrong with a value whose templates are filled in."""

    def templates(self, kind: str, value: Json) -> Sequence[Slot]:
        """Return the strings inside the value that are filled in before it is evaluated."""

    def rendered(self, kind: str, value: Json, fill: Callable[[Slot], Json]) -> Json:
        """Return the value with its templates filled in; raises what `fill` raises."""


def name_problem(value: str) -> str | None:
    """Return what keeps a text from being a name of a scenario, case, variant, model or tag, or None."""
    if not value:
        return "is empty"
    if len(value) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters"
    if not value.isprintable():
        return "holds a character that cannot be printed"
    if "/" in value:
        return "holds a `/`, which separates the parts of a conversation's id"
    return "begins or ends with a space" if value != value.strip() else None


def variable_problem(value: str) -> str | None:
    """Return what keeps a text from being the name of a variable, or None."""
    if value in RESERVED:
        return "is a reserved name"
    if not value.isascii() or not value.isidentifier() or len(value) > MAX_NAME:
        return "is not a variable name: use letters, digits and `_`, and begin with a letter"
    return None


def refused_key(key: str) -> Refusal | None:
    """Return why a key at the top, of a model or of a variant is refused, or None."""
    plain = key.lower().replace("-", "_")
    if plain in _CONNECTION:
        return Refusal(
            message=f"`{key}` may not stand in a scenario: scenarios hold no secrets, endpoints or headers",
            hint="remove it; set ANTHROPIC_API_KEY or ANTHROPIC_BASE_URL in the environment",
            secret=True,
        )
    if plain in _BETA:
        return Refusal(
            message=f"`{key}` is a beta parameter, which this version does not send",
            hint="remove it",
        )
    if found := _ELSEWHERE.get(key):
        return Refusal(message=found[0], hint=found[1])
    hint = key_hint(key, turn=False)
    return Refusal(message=f"a scenario has no `{key}`", hint=hint) if hint else None

"""How an option is declared: once, with all that follows from it.

A field of a dataclass that is made by `option` is a flag on the command line, in a panel of its help; where
it is `saved` it is kept in `run.json` and holds again when the run goes on.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from claude_run.checks.arguments import parse_duration
from claude_run.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from claude_run.scenario.model import Json, JsonObject

T = TypeVar("T")
_SET = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_KEY = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a value is given on the command line, as `given`, and how a file keeps it."""

    given: Any
    read: Callable[[str, Any], Any] = lambda _flag, value: value
    to_json: Callable[[Any], Json] = lambda value: value
    from_json: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One declared option. `shown` is its default as a user writes it; None where leaving it out says enough.

    What `shapes` a run decides what the run is: it cannot change when the run goes on.
    """

    name: str
    flags: tuple[str, ...]
    kind: Kind
    help: str
    panel: str
    metavar: str | None = None
    shown: Any = None
    least: int | None = None
    most: int | None = None
    saved: bool = True
    shapes: bool = False

    @property
    def flag(self) -> str:
        """The name that messages use: what a user is likely to type."""
        return self.flags[0] if self.flags else (self.metavar or self.name).rstrip(".")

    def read(self, given: Any) -> Any:  # noqa: ANN401 - what the kind makes of it
        """Return the value of what the user gave; InputError for a value that makes no sense."""
        return self.kind.read(self.flags[-1] if self.flags else self.name, given)


def option(  # noqa: PLR0913 - one argument for each thing that a declaration can say
    *flags: str,
    kind: Kind,
    help: str,  # noqa: A002 - the word of every command-line library
    panel: str = "",
    metavar: str | None = None,
    default: Any = MISSING,  # noqa: ANN401 - of the field's own type
    shown: Any = None,  # noqa: ANN401 - as the command line shows it
    least: int | None = None,
    most: int | None = None,
    saved: bool = True,
    shapes: bool = False,
) -> Any:  # noqa: ANN401 - a dataclass field stands for its value
    """Declare a field as an option; without flags it is the positional argument."""
    declared = Option(
        name="",
        flags=flags,
        kind=kind,
        help=help,
        panel=panel,
        metavar=metavar,
        shown=shown,
        least=least,
        most=most,
        saved=saved,
        shapes=shapes,
    )
    if default is MISSING and shown is not None:
        default = declared.read(shown)
    return field(default=None if default is MISSING else default, metadata={_KEY: declared})


def options_of(cls: type) -> Iterator[Option]:
    """Yield the declared options of a dataclass in order, those of nested dataclasses among them."""
    for each in fields(cls):
        if _KEY in each.metadata:
            yield replace(each.metadata[_KEY], name=each.name)
        elif (nested := _nested(each)) is not None:
            yield from options_of(nested)


def build(cls: type[T], given: Mapping[str, Any]) -> T:
    """Make an instance of what the user gave, by option name; None and what is missing leave the default."""
    values: dict[str, Any] = {}
    for each in fields(cls):  # type: ignore[arg-type] # mypy has no bound for "any dataclass"
        if _KEY in each.metadata:
            value = given.get(each.name)
            if value is not None:
                values[each.name] = replace(each.metadata[_KEY], name=each.name).read(value)
        elif (nested := _nested(each)) is not None:
            values[each.name] = build(nested, given)
    return cls(**values)


def saved_options(value: object) -> JsonObject:
    """Return the saved options of an instance as JSON; a nested dataclass is an object of its own."""
    result: dict[str, Json] = {}
    for each in fields(value):  # type: ignore[arg-type] # same
        found = getattr(value, each.name)
        if _KEY in each.metadata:
            declared: Option = each.metadata[_KEY]
            if declared.saved:
                result[each.name] = None if found is None else declared.kind.to_json(found)
        elif _nested(each) is not None:
            result[each.name] = saved_options(found)
    return result


def restored(cls: type[T], saved: Mapping[str, Any], given: Mapping[str, Any]) -> T:
    """Make an instance of the options as they were saved, but for those that the user gives anew, by name.

    An option that is not there has its default: an earlier version, which did not know it, began the run.
    TypeError where what was saved cannot be read.
    """
    values: dict[str, Any] = {}
    for each in fields(cls):  # type: ignore[arg-type] # mypy has no bound for "any dataclass"
        if _KEY not in each.metadata:
            if (nested := _nested(each)) is not None:
                values[each.name] = restored(nested, saved.get(each.name, {}), given)
            continue
        declared: Option = replace(each.metadata[_KEY], name=each.name)
        if given.get(each.name) is not None:
            values[each.name] = declared.read(given[each.name])
        elif declared.saved and each.name in saved:
            kept = saved[each.name]
            values[each.name] = None if kept is None else declared.kind.from_json(kept)
    return cls(**values)


def _nested(each: Any) -> type | None:  # noqa: ANN401 - a dataclass field
    factory = each.default_factory
    return cast("type", factory) if is_dataclass(factory) else None


def _read_assignments(flag: str, values: list[str]) -> Mapping[str, str]:
    assignments: dict[str, str] = {}
    for value in values:
        found = _SET.fullmatch(value)
        if found is None:
            raise InputError(f"{flag} {value}: write {flag} name=value, the name as it stands under `vars`")
        name, text = found.groups()
        if name in assignments:
            raise InputError(f"{flag} {name}: the variable is set twice; keep one of them")
        assignments[name] = text
    return assignments


def _read_names(flag: str, values: list[str]) -> Mapping[str, frozenset[str]]:
    names: dict[str, frozenset[str]] = {}
    for value in values:
        asked, _, served = map(str.strip, value.partition("="))
        if not asked or not served:
            raise InputError(f"{flag} {value}: write {flag} ASKED=SERVED, the model that is asked for first")
        names[asked] = names.get(asked, frozenset()) | {served}
    return names


def _read_money(flag: str, text: str) -> Decimal:
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise InputError(f"{flag} {text}: write an amount of US dollars above 0, such as 2.50")
    return amount


def _read_duration(flag: str, text: str) -> float:
    try:
        seconds = parse_duration(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except ValueError as error:
        raise InputError(f"{flag} {text}: {error}; write 90s, 10m or 1h") from error
    if seconds <= 0:
        raise InputError(f"{flag} {text}: the time must be longer than 0; write 90s, 10m or 1h")
    return seconds


def choice(*words: str) -> Kind:
    """Return the kind of an option that is one of a few words."""

    def read(flag: str, value: str) -> str:
        if value not in words:
            *first, last = words
            raise InputError(f"{flag} {value}: choose {', '.join(first)} or {last}")
        return value

    return Kind(given=str, read=read)


TEXT = Kind(given=str)
TEXTS = Kind(given=list[str], read=lambda _flag, values: tuple(values), to_json=list, from_json=tuple)
PATH = Kind(given=Path, to_json=str, from_json=Path)
PATHS = Kind(
    given=list[Path],
    read=lambda _flag, values: tuple(values),
    to_json=lambda paths: [str(path) for path in paths],
    from_json=lambda paths: tuple(map(Path, paths)),
)
SWITCH = Kind(given=bool)
COUNT = Kind(given=int)
NUMBER = Kind(given=int)
FRACTION = Kind(given=float)
MONEY = Kind(
    given=str, read=_read_money, to_json=str, from_json=lambda text: _read_money("the saved amount", text)
)
DURATION = Kind(given=str, read=_read_duration)
NAMES = Kind(
    given=list[str],
    read=_read_names,
    to_json=lambda names: {asked: sorted(served) for asked, served in names.items()},
    from_json=lambda names: {asked: frozenset(served) for asked, served in names.items()},
)
ASSIGNMENTS = Kind(given=list[str], read=_read_assignments, to_json=dict)

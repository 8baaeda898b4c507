"""How an option is declared: once, with all that follows from it.

A field of a dataclass that is made by `option` is a flag on the command line, in a panel of its help; where
it is `saved` it is kept in `run.json` and holds again when the run goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from claude_run.checks.arguments import parse_duration
from claude_run.checks.excerpt import cut
from claude_run.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_run.scenario.model import Json, JsonObject

T = TypeVar("T")
_SET = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_KEY = "option"
_MOST = 10**15  # no number that the command line takes is larger
_SHOWN = 60  # characters of a value that a message repeats

# Numbers are finite and plain: no sign, no exponent, no `_`, no digits of other scripts, no name of infinity.
_WHOLE = re.compile(r"[0-9]{1,15}")
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How the value of an option is read from what the user wrote, and how a file keeps it.

    `given` is what the command line hands over of each value: True for a switch, a number for a flag that
    counts, and otherwise the text, or the path. `several` says that an option takes any number of values;
    `read` gets them all then, and otherwise the only one. `metavar` stands for the value in the help; where
    it is one of a few `words`, a shell completes them. `from_json` believes a file no more than `read` does a
    user: TypeError or InputError for what is no value.
    """

    given: type[bool | int | str | Path] = str
    several: bool = False
    metavar: str = "TEXT"
    words: tuple[str, ...] = ()
    read: Callable[[Option, Any], Any] = lambda _option, value: value
    to_json: Callable[[Any], Json] = lambda value: value
    from_json: Callable[[Option, Any], Any] = lambda option, value: option.kind.read(option, _text(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One declared option.

    `shown` is its default as a user writes it; None where leaving it out says enough. `implied` is the value
    that its flag alone stands for.

    What `shapes` a run decides what the run is: it cannot change when the run goes on. What `selects` leaves
    conversations of its scenarios out. What may stand in the file of a `project` has its default from there.
    """

    name: str
    flags: tuple[str, ...]
    kind: Kind
    help: str
    panel: str
    metavar: str | None = None
    shown: Any = None
    implied: str | None = None
    least: int | None = None
    most: int | None = None
    saved: bool = True
    shapes: bool = False
    selects: bool = False
    project: bool = False

    @property
    def flag(self) -> str:
        """The name that messages use: what a user is likely to type."""
        return self.flags[0] if self.flags else (self.metavar or self.name).rstrip(".")

    def read(self, given: Any) -> Any:  # noqa: ANN401 - what the kind makes of it
        """Return the value of what the user gave: one value, or a list of them.

        InputError for a value that makes no sense, and for two where the option takes one: which of them was
        meant is not for us to guess.
        """
        values = tuple(given) if isinstance(given, list) else (given,)
        if self.kind.several:
            return self.kind.read(self, values)
        if len(values) > 1:
            *others, last = (cut(str(value), _SHOWN) for value in values)
            times = "twice" if len(values) == 2 else f"{len(values)} times"  # noqa: PLR2004 - twice is two
            raise InputError(
                f"{self.flag} was given {times}, as {', '.join(others)} and {last}: it takes one value, so"
                " keep the one that is meant"
            )
        return self.kind.read(self, values[0])

    def restore(self, kept: Any, *, default: Any) -> Any:  # noqa: ANN401 - what the kind makes of JSON
        """Return the value that a file has kept; TypeError for what could never have been saved."""
        if kept is None and default is None:
            return None
        try:
            value = self.kind.from_json(self, kept)
        except (TypeError, InputError) as error:
            raise TypeError(f"{self.name}: {error}") from error
        if self.kind.to_json(value) != kept:
            raise TypeError(f"{self.name}: {kept!r:.40} is not how the option is kept")
        return value

    def refuse(self, text: str, hint: str) -> NoReturn:
        """Raise InputError for a text that is no value of this option."""
        raise InputError(f"{self.flag} {cut(text, _SHOWN)}: {hint}")


def option(  # noqa: PLR0913 - one argument for each thing that a declaration can say
    *flags: str,
    kind: Kind,
    help: str,  # noqa: A002 - the word of every command-line library
    panel: str = "",
    metavar: str | None = None,
    default: Any = MISSING,  # noqa: ANN401 - of the field's own type
    shown: Any = None,  # noqa: ANN401 - as the command line shows it
    implied: str | None = None,
    least: int | None = None,
    most: int | None = None,
    saved: bool = True,
    shapes: bool = False,
    selects: bool = False,
    project: bool = False,
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
        implied=implied,
        least=least,
        most=most,
        saved=saved,
        shapes=shapes,
        selects=selects,
        project=project,
    )
    if default is MISSING and shown is not None:
        default = declared.read(str(shown))
    return field(default=None if default is MISSING else default, metadata={_KEY: declared})


def options_of(cls: type) -> Iterator[Option]:
    """Yield the declared options of a dataclass in order, those of nested dataclasses among them."""
    for each in fields(cls):
        if _KEY in each.metadata:
            yield replace(each.metadata[_KEY], name=each.name)
        elif (nested := _nested(each)) is not None:
            yield from options_of(nested)


def own_options_of(cls: type) -> Iterator[Option]:
    """Yield the declared options of a dataclass, without those of nested ones."""
    return (replace(each.metadata[_KEY], name=each.name) for each in fields(cls) if _KEY in each.metadata)


def nested_of(cls: type) -> Iterator[tuple[str, type]]:
    """Yield the names of the fields that are dataclasses with options of their own, and those dataclasses."""
    for each in fields(cls):
        if _KEY not in each.metadata and (nested := _nested(each)) is not None:
            yield each.name, nested


def build(cls: type[T], given: Mapping[str, Any], defaults: Mapping[str, Any] = MappingProxyType({})) -> T:
    """Make an instance of what the user gave, by option name; what is not there has its default.

    `defaults` are values that stand before those of the declarations; those of a nested dataclass are a
    mapping of their own.
    """
    names = {each.name for each in fields(cls)}  # type: ignore[arg-type] # mypy has no bound for "any dataclass"
    values = {name: value for name, value in defaults.items() if name in names}
    for each in fields(cls):  # type: ignore[arg-type] # mypy has no bound for "any dataclass"
        if _KEY in each.metadata:
            if each.name in given:
                values[each.name] = replace(each.metadata[_KEY], name=each.name).read(given[each.name])
        elif (nested := _nested(each)) is not None:
            values[each.name] = build(nested, given, defaults.get(each.name, {}))
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


def as_arguments(cls: type, saved: Mapping[str, Json], *, defaults: Mapping[str, Json]) -> Sequence[str]:
    """Return the saved options that are not the default as arguments of a command line.

    Both are as `saved_options` returns them.
    """
    found: list[str] = []
    for option, value, default in _saved_values(cls, saved, defaults):
        if not option.flags or value is None or value == default:
            continue
        flag = option.flags[0]
        if option.kind is SWITCH:
            found += [flag] if value else []
        elif isinstance(value, Mapping):
            pairs = ((name, part) for name, parts in value.items() for part in _each(parts))
            found += [argument for name, part in pairs for argument in (flag, f"{name}={part}")]
        elif value == option.implied:
            found.append(flag)
        else:
            found += [argument for part in _each(value) for argument in (flag, _written(option, part))]
    return found


def _saved_values(
    cls: type, saved: Mapping[str, Json], defaults: Mapping[str, Json]
) -> Iterator[tuple[Option, Json, Json]]:
    for each in fields(cls):
        value, default = saved.get(each.name), defaults.get(each.name)
        if _KEY in each.metadata:
            yield each.metadata[_KEY], value, default
        elif (nested := _nested(each)) is not None:
            yield from _saved_values(nested, _object(value or {}), _object(default or {}))


def _written(option: Option, value: Json) -> str:
    """Return a saved value as a user writes it."""
    if not isinstance(value, int | float):
        return str(value)
    plain = f"{Decimal(str(value)).normalize():f}"
    return f"{plain}s" if option.kind in {DURATION, PATIENCE} else plain


def restored(cls: type[T], saved: Mapping[str, Any], given: Mapping[str, Any]) -> T:
    """Make an instance of the options as they were saved, but for the values that are given anew, by name.

    An option that is not there has its default: an earlier version, which did not know it, began the run.
    TypeError names the first that holds what could never have been saved.
    """
    values: dict[str, Any] = {}
    for each in fields(cls):  # type: ignore[arg-type] # mypy has no bound for "any dataclass"
        if _KEY not in each.metadata:
            if (nested := _nested(each)) is not None:
                values[each.name] = restored(nested, _object(saved.get(each.name, {})), given)
            continue
        declared: Option = replace(each.metadata[_KEY], name=each.name)
        if each.name in given:
            values[each.name] = given[each.name]
        elif declared.saved and each.name in saved:
            values[each.name] = declared.restore(saved[each.name], default=each.default)
    return cls(**values)


def _nested(each: Any) -> type | None:  # noqa: ANN401 - a dataclass field
    factory = each.default_factory
    return cast("type", factory) if is_dataclass(factory) else None


def _each(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else [value]


def _read_assignments(option: Option, texts: Sequence[str]) -> Mapping[str, str]:
    assignments: dict[str, str] = {}
    for text in texts:
        found = _SET.fullmatch(text)
        if found is None:
            option.refuse(text, f"write {option.flag} name=value, the name as it stands under `vars`")
        name, value = found.groups()
        if name in assignments:
            option.refuse(name, "the variable is set twice; keep one of them")
        assignments[name] = value
    return assignments


def _read_names(option: Option, texts: Sequence[str]) -> Mapping[str, frozenset[str]]:
    names: dict[str, frozenset[str]] = {}
    for text in texts:
        asked, _, served = map(str.strip, text.partition("="))
        if not asked or not served:
            option.refuse(text, f"write {option.flag} ASKED=SERVED, the model that is asked for first")
        names[asked] = names.get(asked, frozenset()) | {served}
    return names


def _read_number(option: Option, text: str) -> int:
    least, most = option.least or 0, option.most
    number = int(text) if _WHOLE.fullmatch(text) else -1
    if number < least or (most is not None and number > most):
        bounds = f"from {least}" if most is None else f"from {least} to {most}"
        example = option.shown or least
        option.refuse(text, f"write a whole number {bounds} in plain digits, such as {example}")
    return number


def _read_fraction(option: Option, text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        option.refuse(text, f"write a plain decimal number, such as {option.shown}")
    return float(text)


def _read_money(option: Option, text: str) -> Decimal:
    digits = text.removeprefix("$")
    if not _DECIMAL.fullmatch(digits) or not Decimal(digits):
        option.refuse(text, "write an amount of US dollars above 0 in plain digits, such as 2.50")
    return Decimal(digits)


def _read_duration(option: Option, text: str) -> float:
    seconds = _read_patience(option, text)
    if seconds <= 0:
        option.refuse(text, "the time must be longer than 0; write 90s, 10m or 1h")
    return seconds


def _read_patience(option: Option, text: str) -> float:
    try:
        seconds = parse_duration(float(text) if _DECIMAL.fullmatch(text) else text)
    except ValueError:
        option.refuse(text, "this is not a length of time; write 90s, 10m or 1h")
    return seconds


def _text(value: object) -> str:
    """Return a text of JSON that the command line could have given."""
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(f"{value!r:.40} is not a text that an option takes")
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise TypeError(f"{value!r:.40} is not a text that an option takes") from error
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is not a list")
    return tuple(map(_text, value))


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r:.40} is not an object")
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.40} is neither true nor false")
    return value


def _number(value: object) -> float:
    # JSON that was read strictly holds no infinity, and nothing else that is not a number.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise TypeError(f"{value!r:.40} is not a number from 0 on")
    return value


def _time(value: object) -> float:
    seconds = _number(value)
    if not seconds:
        raise TypeError("a time must be longer than 0")
    return seconds


def _saved_whole(option: Option, value: object) -> int:
    number = _number(value)
    if not isinstance(number, int):
        raise TypeError(f"{value!r:.40} is not a whole number")
    return _read_number(option, str(number))


def _pairs(parts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((name, part) for name, found in parts.items() for part in _texts(found))


def choice(*words: str) -> Kind:
    """Return the kind of an option that is one of a few words."""

    def read(option: Option, text: str) -> str:
        if text not in words:
            *first, last = words
            option.refuse(text, f"choose {', '.join(first)} or {last}")
        return text

    return Kind(metavar="|".join(words), words=words, read=read)


TEXT = Kind()
TEXTS = Kind(several=True, to_json=list, from_json=lambda _option, value: _texts(value))
PATH = Kind(given=Path, metavar="PATH", read=lambda _option, path: Path(path), to_json=str)
PATHS = Kind(
    given=Path,
    several=True,
    metavar="PATH",
    read=lambda _option, paths: tuple(map(Path, paths)),
    to_json=lambda paths: [str(path) for path in paths],
    from_json=lambda _option, value: tuple(map(Path, _texts(value))),
)
SWITCH = Kind(given=bool, from_json=lambda _option, value: _switch(value))
COUNT = Kind(given=int)
NUMBER = Kind(metavar="N", read=_read_number, from_json=_saved_whole)
FRACTION = Kind(metavar="RATE", read=_read_fraction, from_json=lambda _option, value: _number(value))
MONEY = Kind(metavar="USD", read=_read_money, to_json=lambda amount: f"{amount:f}")
DURATION = Kind(metavar="TIME", read=_read_duration, from_json=lambda _option, value: _time(value))
PATIENCE = Kind(metavar="TIME", read=_read_patience, from_json=lambda _option, value: _number(value))
NAMES = Kind(
    several=True,
    metavar="ASKED=SERVED",
    read=_read_names,
    to_json=lambda names: {asked: sorted(served) for asked, served in names.items()},
    from_json=lambda option, value: _read_names(
        option, [f"{asked}={served}" for asked, served in _pairs(_object(value))]
    ),
)
ASSIGNMENTS = Kind(
    several=True,
    metavar="NAME=VALUE",
    read=_read_assignments,
    to_json=dict,
    from_json=lambda option, value: _read_assignments(
        option, [f"{name}={_text(part)}" for name, part in _object(value).items()]
    ),
)

"""How an option is declared: once, with all that follows from it.

A field of a dataclass that is made by `option` is a flag on the command line, in a panel of its help; where
it is `saved` it is kept in `run.json` and holds again when the run goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from claude_run.checks.excerpt import cut
from claude_run.errors import InputError
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.session.option_kinds import DURATION, PATIENCE, SWITCH, json_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.session.option_kinds import Kind

T = TypeVar("T")
_KEY = "option"
_SHOWN = 60  # characters of a value that a message repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One declared option.

    `shown` is its default as a user writes it; None where leaving it out says enough. `implied` is the value
    that its flag alone stands for.

    What `shapes` a run decides what the run is: it cannot change when the run goes on. What `selects` leaves
    conversations of its scenarios out. What may stand in the file of a `project` has its default from there;
    with `project_only` it stands nowhere else: it is decided once for all runs, and not at a command line.
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
    project_only: bool = False

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
    project_only: bool = False,
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
        project_only=project_only,
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


def read_arguments(cls: type, arguments: Sequence[str]) -> Mapping[str, Any]:
    """Return what the arguments of a command line give, by option name, as `build` takes it.

    They are flags alone. InputError for what is no flag, and for one without its value.
    """
    flags = {flag: each for each in options_of(cls) if not each.project_only for flag in each.flags}
    given: dict[str, Any] = {}
    left = deque(arguments)
    while left:
        word = left.popleft()
        flag, equals, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        option = flags.get(flag)
        if option is None:
            close = did_you_mean(flag, flags)
            raise InputError(
                f"{cut(word, _SHOWN)} is no option here{f': did you mean {close}?' if close else ''}"
            )
        if option.kind is SWITCH:
            if equals:
                raise InputError(f"{flag} takes no value")
            given[option.name] = True
            continue
        # What a flag alone stands for is meant where no value follows.
        if not equals and option.implied is not None and (not left or left[0].startswith("-")):
            value = option.implied
        elif not equals:
            if not left:
                raise InputError(f"{flag} needs a value")
            value = left.popleft()
        given.setdefault(option.name, []).append(value)
    return given


def as_arguments(cls: type, saved: Mapping[str, Json], *, defaults: Mapping[str, Json]) -> Sequence[str]:
    """Return the saved options that are not the default as arguments of a command line.

    Both are as `saved_options` returns them.
    """
    found: list[str] = []
    for option, value, default in _saved_values(cls, saved, defaults):
        if not option.flags or option.project_only or value is None or value == default:
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
            yield from _saved_values(nested, json_object(value or {}), json_object(default or {}))


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
                values[each.name] = restored(nested, json_object(saved.get(each.name, {})), given)
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

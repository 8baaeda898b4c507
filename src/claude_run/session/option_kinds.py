"""What kinds of values options have: how each is read from the command line, and kept in a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.checks.arguments import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_run.scenario.json_values import Json
    from claude_run.session.options import Option

_ENGINE = re.compile(r"local|ray(://(auto|[A-Za-z0-9._-]+:[0-9]{1,5}|\[[0-9A-Fa-f:]+\]:[0-9]{1,5}))?")
_SET = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_MOST = 10**15  # no number that the command line takes is larger

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


def _read_path(option: Option, path: Any) -> Path:  # noqa: ANN401 - a text, or a path already
    try:
        callable_so = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        callable_so = False
    if not callable_so:
        option.refuse(str(path), "no file can be called so")
    # A path that is made of it would be the current folder.
    if path == "":
        option.refuse("''", "an empty path: is the variable in your command empty?")
    return Path(path)


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
        option.refuse(text, f"write a plain decimal number, such as {option.shown or 0.1}")
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


def json_object(value: object) -> Mapping[str, Any]:
    """Return an object of JSON; TypeError for anything else."""
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


def _read_engine(option: Option, text: str) -> str:
    if not _ENGINE.fullmatch(text):
        option.refuse(text, "write local, ray, or ray://HOST:PORT for a cluster that is there already")
    return text


def choice(*words: str) -> Kind:
    """Return the kind of an option that is one of a few words."""

    def read(option: Option, text: str) -> str:
        if text not in words:
            *first, last = words
            option.refuse(text, f"choose {', '.join(first)} or {last}")
        return text

    return Kind(metavar="|".join(words), words=words, read=read)


TEXT = Kind()
ENGINE = Kind(metavar="ENGINE", words=("local", "ray"), read=_read_engine)
TEXTS = Kind(several=True, to_json=list, from_json=lambda _option, value: _texts(value))
PATH = Kind(given=Path, metavar="PATH", read=_read_path, to_json=str)
PATHS = Kind(
    given=Path,
    several=True,
    metavar="PATH",
    read=lambda option, paths: tuple(_read_path(option, path) for path in paths),
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
        option, [f"{asked}={served}" for asked, served in _pairs(json_object(value))]
    ),
)
ASSIGNMENTS = Kind(
    several=True,
    metavar="NAME=VALUE",
    read=_read_assignments,
    to_json=dict,
    from_json=lambda option, value: _read_assignments(
        option, [f"{name}={_text(part)}" for name, part in json_object(value).items()]
    ),
)


def texts_of(kind: Kind, value: object) -> bool | str | list[str] | None:
    """Return a value of TOML or Python as the command line would give it; None for one of another type."""
    if kind is SWITCH:
        return value if isinstance(value, bool) else None
    if kind in {NAMES, ASSIGNMENTS}:
        return _pairs_of(value, every=kind is ASSIGNMENTS)
    if kind.several:
        texts = listed(value)
        whole = all(isinstance(each, str) and each.strip() for each in texts)
        return [str(each) for each in texts] if whole else None
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if is_number and kind in _NUMBERS | _TIMES:
        return f"{Decimal(str(value)):f}"
    return value if isinstance(value, str) and kind not in _NUMBERS else None


def wanted(kind: Kind) -> str:
    """Say what `texts_of` takes."""
    if kind.several:
        return _TAKEN.get(kind, "a list of texts")
    if kind.words:
        return f"one of {', '.join(kind.words)}"
    return _TAKEN.get(kind, "a text")


def listed(value: object) -> list[object]:
    """Return a list, be it of one value."""
    return list(value) if isinstance(value, list) else [value]


def _pairs_of(value: object, *, every: bool) -> list[str] | None:
    """Return a table as `NAME=VALUE`; with `every` any text will do, otherwise one or several names."""
    pairs = value.items() if isinstance(value, Mapping) else [("", None)]
    named = [(name, part) for name, parts in pairs for part in listed(parts)]
    # On the command line `=` ends the name.
    whole = all(
        isinstance(name, str)
        and name.strip()
        and "=" not in name
        and isinstance(part, str)
        and (every or part)
        for name, part in named
    )
    return [f"{name}={part}" for name, part in named] if whole else None


_NUMBERS = frozenset({NUMBER, FRACTION, MONEY})
_TIMES = frozenset({DURATION, PATIENCE})
_TAKEN = {
    SWITCH: "true or false",
    NAMES: 'a table of names, such as claude-haiku-5-5 = "gateway/haiku"',
    ASSIGNMENTS: "a table of texts",
    NUMBER: "a whole number",
    FRACTION: "a number",
    MONEY: "a number",
    DURATION: 'a time, such as "90s"',
    PATIENCE: 'a time, such as "90s"',
}

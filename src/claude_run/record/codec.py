"""Events as JSON objects and back: how a journal line is spelled, and that what is read fits its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from claude_run.conversation.events import Asked, Attempted, Ended, Failed, Replied, SetAside, Started
from claude_run.conversation.exchange import Failure, Reply, SentMessage
from claude_run.conversation.identity import Identity
from claude_run.conversation.results import CheckResult, Outcome, Status
from claude_run.scenario.model import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.conversation.events import Event
    from claude_run.scenario.json_values import Json, JsonObject

T = TypeVar("T")

_NAMES: Mapping[type[Event], str] = {
    Started: "start",
    Asked: "request",
    Attempted: "attempt",
    Replied: "reply",
    Failed: "failure",
    SetAside: "set_aside",
    Ended: "end",
}
_TYPES: Mapping[str, type[Event]] = {name: cls for cls, name in _NAMES.items()}
_FIELDS: Mapping[type[Event], tuple[str, ...]] = {
    cls: tuple(field.name for field in fields(cls)) for cls in _NAMES
}
_PARTS: Mapping[type, tuple[str, ...]] = {
    cls: tuple(field.name for field in fields(cls)) for cls in (SentMessage, Failure)
}
_ADDED_LATER: Mapping[str, object] = {
    "expectations": None,
    "files": None,
    "left_out": (),
    "in_batch": False,
}
"""Fields that the journals of earlier versions lack, and what that means."""

_ONLY_WHERE: Mapping[str, object] = {"in_batch": False}
"""Fields that are written only where they are not this: a live run writes what it always wrote."""

_AS_THEY_ARE = frozenset({str, int, float, bool, type(None), dict, list})

_MOST = 10**12
"""No time in seconds and no amount of dollars is larger; sums of such numbers stay finite."""


def encode(event: Event) -> dict[str, Json]:
    """Return the JSON object of an event, its kind under `event`."""
    line: dict[str, Json] = {"event": _NAMES[type(event)]}
    for name in _FIELDS[type(event)]:
        value = getattr(event, name)
        if name in _ONLY_WHERE and value == _ONLY_WHERE[name]:
            continue
        # Who a conversation is stands flat in its line, and of a reply the raw body alone.
        if isinstance(value, Identity):
            line |= {"conversation_id": value.id, **value.parts()}
        elif isinstance(value, Reply):
            line["body"] = value.body
        else:
            line[name] = _plain(value)
    return line


def decode(line: Mapping[str, Any]) -> Event:
    """Read an event back; ValueError names what does not fit."""
    cls = _TYPES.get(line.get("event", ""))
    if cls is None:
        raise ValueError(f"unknown event {line.get('event')!r}")
    try:
        return checked_types(cls(**{name: _value(name, line) for name in _FIELDS[cls]}))
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"a {line['event']} event does not fit: {error!r}") from error


def money(value: Decimal | None) -> float | None:
    """Return US dollars as a JSON number; `Decimal(str(number))` gives the same amount back."""
    return None if value is None else float(round(value, 12))


def check_to_json(result: CheckResult) -> JsonObject:
    """Return a check result as it stands in the journal and in transcripts."""
    return {
        "kind": result.kind,
        "status": str(result.status),
        "message": result.message,
        "expected": result.expected,
        "actual": result.actual,
        "label": result.label,
        "must": result.must,
        "position": {
            "path": result.position.path,
            "line": result.position.line,
            "column": result.position.column,
        },
        "children": [check_to_json(child) for child in result.children],
    }


def checked_types(value: T) -> T:
    """Return a dataclass instance; TypeError names the first of its fields that is of another type."""
    for name, declared, fits in _checked_fields(type(value)):  # type: ignore[arg-type] # classes are hashable
        found = getattr(value, name)
        if not fits(found):
            raise TypeError(f"{name} must be {declared}, which {found!r:.40} is not")
    return value


@cache
def _checked_fields(cls: type) -> tuple[tuple[str, str, Callable[[Any], bool]], ...]:
    """Return name, declared type and check of the fields whose type says what a file may hold.

    Not among them is what may be any JSON, and what a reader has made: enumerations, dataclasses.
    """
    declared = ((field.name, str(field.type)) for field in fields(cls))
    return tuple((name, spelt, _FITS[spelt]) for name, spelt in declared if spelt in _FITS)


def _plain(value: Any) -> Json:  # noqa: ANN401 - any field of any event
    # Most are of these types, and what is sent and received is written as it is, however large.
    if type(value) in _AS_THEY_ARE:
        return cast("Json", value)
    match value:
        case Decimal():
            plain: Json = money(value)
        case CheckResult():
            plain = check_to_json(value)
        case SentMessage() | Failure():
            plain = {name: _plain(getattr(value, name)) for name in _PARTS[type(value)]}
        case tuple():
            plain = [_plain(item) for item in value]
        case Mapping():
            plain = dict(value)  # the model's `EMPTY` is an object that `json` does not know
        case _:
            plain = cast("Json", value)
    return plain


def _value(name: str, line: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any field of any event
    """Return a field of an event as the type that the event declares."""
    if name == "identity":
        return checked_types(Identity.from_parts(line, name=line["conversation_id"]))
    if name == "reply":
        return Reply.from_body(line["body"])
    if name in _ADDED_LATER and name not in line:
        return _ADDED_LATER[name]
    read = _READERS.get(name)
    return line[name] if read is None else read(line[name])


def _money(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _checks(rows: Sequence[Mapping[str, Any]]) -> tuple[CheckResult, ...]:
    results = (
        CheckResult(
            kind=row["kind"],
            status=Status(row["status"]),
            message=row["message"],
            expected=row["expected"],
            actual=row["actual"],
            label=row["label"],
            must=row.get("must", False),
            position=checked_types(Position(**row["position"])),
            children=_checks(row["children"]),
        )
        for row in rows
    )
    return tuple(map(checked_types, results))


_READERS: Mapping[str, Callable[[Any], object]] = {
    "worst_cost_usd": _money,
    "cost_usd": _money,
    "sent": lambda sent: tuple(checked_types(SentMessage(**message)) for message in sent),
    "failure": lambda failure: checked_types(Failure(**failure)),
    "outcome": Outcome,
    "tags": tuple,
    "roles": tuple,
    "warnings": tuple,
    "left_out": tuple,
    "checks": _checks,
    "turn_checks": lambda rows: tuple((turn, _checks(checks)) for turn, checks in rows),
}
"""How the fields of events are read that are not what JSON makes of them."""


def _is_a(cls: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, cls)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and 0 <= value <= _MOST


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _each(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: all(map(fits, value))


def _values(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(map(fits, value.values()))


# By the spelling of the annotation, which is what a class of this package keeps of it.
_FITS: Mapping[str, Callable[[Any], bool]] = {
    "str": _is_a(str),
    "str | None": _or_none(_is_a(str)),
    "int": _is_whole,
    "int | None": _or_none(_is_whole),
    "float": _is_number,
    "float | None": _or_none(_is_number),
    "Decimal | None": _or_none(_is_number),
    "bool": _is_a(bool),
    "bool | None": _or_none(_is_a(bool)),
    "FailureKind": _is_a(str),
    "Literal['no', 'maybe']": lambda value: value in ("no", "maybe"),
    "JsonObject": _is_a(Mapping),
    "Mapping[str, str]": _values(_is_a(str)),
    "Mapping[str, str] | None": _or_none(_values(_is_a(str))),
    "Mapping[str, float]": _values(_is_number),
    "tuple[str, ...]": _each(_is_a(str)),
    "tuple[int, ...]": _each(_is_whole),
    "tuple[tuple[int, tuple[CheckResult, ...]], ...]": _each(lambda pair: _is_whole(pair[0])),
}

"""Whether values that were read back are of the types that their classes declare: files may hold anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MOST = 10**12
"""No time in seconds and no amount of dollars is larger; sums of such numbers stay finite."""


def checked_types(value: T) -> T:
    """Return a dataclass instance; TypeError names the first of its fields that is of another type."""
    for field in fields(value):  # type: ignore[arg-type] # mypy has no bound for "any dataclass"
        fits = _FITS.get(str(field.type), _anything)
        found = getattr(value, field.name)
        if not fits(found):
            raise TypeError(f"{field.name} must be {field.type}, which {found!r:.40} is not")
    return value


def _anything(_: object) -> bool:
    # Json, and what a reader has already made: enumerations, other dataclasses.
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and 0 <= value <= _MOST


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _each(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: all(map(fits, value))


def _values(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(map(fits, value.values()))


# By the spelling of the annotation, which is what a class of this package keeps of it.
_FITS: Mapping[str, Callable[[Any], bool]] = {
    "str": _is_text,
    "str | None": _or_none(_is_text),
    "int": _is_whole,
    "int | None": _or_none(_is_whole),
    "float": _is_number,
    "float | None": _or_none(_is_number),
    "Decimal | None": _or_none(_is_number),
    "bool": _is_truth,
    "bool | None": _or_none(_is_truth),
    "FailureKind": _is_text,
    "Literal['no', 'maybe']": lambda value: value in ("no", "maybe"),
    "JsonObject": _is_mapping,
    "Mapping[str, str]": _values(_is_text),
    "Mapping[str, float]": _values(_is_number),
    "tuple[str, ...]": _each(_is_text),
    "tuple[tuple[int, tuple[CheckResult, ...]], ...]": _each(lambda pair: _is_whole(pair[0])),
}

"""The rules that the arguments of many checks share, each as problems with a hint, and spans of time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeGuard

from claude_run.checks.excerpt import quote
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.template_language import is_template
from claude_run.scenario.vocabulary import Fill, Problem, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import ValuePath

DURATION = r"^[0-9]{1,9}(\.[0-9]{1,9})? ?(ms|s|m|h)$"
"""What a span of time with a unit looks like, for RE2, Python and JSON Schema alike."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(DURATION.replace("^", "").replace("$", ""))


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Return whether a JSON value is an object."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[Json]]:
    """Return whether a JSON value is a list; text is none."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def describe(value: Json) -> str:
    """Return what a value is, in words that fit behind "not"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "text"
    if is_number(value):
        return "a number"
    return "an object" if is_object(value) else "a list"


def text_problems(
    value: Json, path: ValuePath = (), *, blank_ok: bool = False, empty_ok: bool = False
) -> Sequence[Problem]:
    """Find what keeps a value from being text that says something, or blank or empty where that is meant."""
    if isinstance(value, str):
        if value.strip() or (value and blank_ok) or empty_ok:
            return ()
        return (Problem(path=path, message="the text is empty", hint="write the text to look for"),)
    hint = "write the text to look for" if value is None else "put it in quotes"
    if is_object(value) or is_list(value):
        hint = "write one text here"
    return (Problem(path=path, message=_must_be("text", describe(value)), hint=hint),)


def boolean_problems(value: Json, path: ValuePath = ()) -> Sequence[Problem]:
    """Find what keeps a value from being true or false."""
    if isinstance(value, bool):
        return ()
    hint = "write true or false, without quotes"
    return (Problem(path=path, message=_must_be("true or false", describe(value)), hint=hint),)


@lru_cache(maxsize=64)
def _must_be(wanted: str, found: str) -> str:
    """Return what to say of a value of the wrong kind: one text, however many values are wrong."""
    return f"this must be {wanted}, not {found}"


def key_problems(value: JsonObject, known: Iterable[str], *, path: ValuePath = ()) -> Iterator[Problem]:
    """Find the keys that an argument object must not have."""
    allowed = tuple(known)
    for key in value:
        if key not in allowed:
            yield Problem(path=(*path, key), message=f"unknown key `{key}`", hint=suggest(key, allowed))


def suggest(word: str, known: Sequence[str]) -> str:
    """Return a hint for an unknown word: the known one that is meant, or all of them."""
    meant = did_you_mean(word, known)
    return f"did you mean `{meant}`?" if meant else _all_known(tuple(known))


@lru_cache(maxsize=64)
def _all_known(known: tuple[str, ...]) -> str:
    """Return the hint that names them all: one text, however many words are wrong."""
    return "known here: " + ", ".join(f"`{name}`" for name in known)


def strings(value: Json, path: ValuePath = ()) -> Iterator[tuple[ValuePath, str]]:
    """Yield every string inside a value, each with its place; keys are none."""
    if isinstance(value, str):
        yield path, value
    elif is_object(value):
        for key, part in value.items():
            yield from strings(part, (*path, key))
    elif is_list(value):
        for index, part in enumerate(value):
            yield from strings(part, (*path, index))


def slots(value: Json, into: Fill, path: ValuePath = ()) -> tuple[Slot, ...]:
    """Return a slot for every string inside a value; keys are none."""
    return tuple(Slot(path=place, source=text, into=into) for place, text in strings(value, path))


def key_template_problems(value: Json, path: ValuePath = ()) -> Iterator[Problem]:
    """Find the keys that look like templates: they would be taken as they are written."""
    if is_object(value):
        for key, part in value.items():
            if is_template(key):
                hint = "write the key out; values are filled in"
                yield Problem(path=(*path, key), message="a key is not filled in", hint=hint)
            yield from key_template_problems(part, (*path, key))
    elif is_list(value):
        for index, part in enumerate(value):
            yield from key_template_problems(part, (*path, index))


def replace_strings(value: Json, new: Mapping[ValuePath, Json], *, path: ValuePath = ()) -> Json:
    """Return the value with the strings at the given places exchanged."""
    if isinstance(value, str):
        return new.get(path, value)
    if is_object(value):
        return {key: replace_strings(part, new, path=(*path, key)) for key, part in value.items()}
    if is_list(value):
        return [replace_strings(part, new, path=(*path, index)) for index, part in enumerate(value)]
    return value


def parse_duration(value: Json) -> float:
    """Return the seconds of `20s`, `500ms`, `2m` or a number; ValueError says why there are none."""
    if is_number(value):
        if not math.isfinite(value):
            raise ValueError(f"this must be a length of time, not {value}")
        return float(value)
    if not isinstance(value, str):
        raise ValueError(f"this must be a length of time, not {describe(value)}")  # noqa: TRY004 - one error for every bad value
    found = _DURATION.fullmatch(value)
    if found is None:
        raise ValueError(f"{quote(value)} is not a length of time")
    unit = found[2]
    return float(value.removesuffix(unit)) * _SECONDS[unit]

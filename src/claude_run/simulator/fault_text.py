"""The compact text form of a fault script, for the command line: `429@3 529:10% latency=50ms..200ms`.

    script   = item { (space | ",") item }
    item     = fault [ "@" requests ] [ ":" percent "%" ] | "latency=" time [ ".." time ] | "seed=" number
             | "cache-delay=" time | "cache-miss=" percent "%" | "batch-delay=" time
             | "batch-error=" percent "%" | "batch-expiry=" percent "%" | "batch-lost=" number
    fault    = (status | name) [ "(" option "=" value { "," option "=" value } ")" ]
    requests = n | n ".." m | n ".."

Requests are counted from 1; without `@` every request is meant.
"""

from __future__ import annotations

import difflib
import re
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from claude_run.errors import InputError
from claude_run.simulator.faults import (
    Break,
    BreakFault,
    DripFault,
    ErrorEventFault,
    FaultRule,
    FaultScript,
    HugeFault,
    PageFault,
    RedirectFault,
    Spoil,
    SpoilFault,
    StatusFault,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from claude_run.simulator.faults import Fault

T = TypeVar("T")
_ITEM = re.compile(r"(?:[^\s,()]|\([^()]*\))+|[()]")
_FAULT = re.compile(
    r"(?P<name>[a-zA-Z0-9-]+)(?:\((?P<options>[^()]*)\))?(?:@(?P<requests>[^:]+))?(?::(?P<percent>.+))?"
)
_REQUESTS = re.compile(r"(?P<first>[0-9]{1,9})(?P<open>\.\.(?P<last>[0-9]{1,9})?)?")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)%")
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]+)?)(ms|s|m)")
_SEED = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,12})(B|KB|MB|GB)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_BYTES = {None: 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


class _ProblemError(ValueError):
    """What is wrong with one item, before its place is known."""


def parse_faults(text: str) -> FaultScript:
    """Parse a fault script; InputError names the item, its place and what would be right."""
    rules: list[FaultRule] = []
    latency: tuple[float, float] | None = None
    seed: int | None = None
    settings: dict[str, float] = {}
    for found in _ITEM.finditer(text):
        item = found[0]
        try:
            if item.startswith("latency="):
                latency = _only(latency, _latency(item.removeprefix("latency=")))
            elif item.startswith("seed="):
                seed = _only(seed, int(_match(_SEED, item.removeprefix("seed="), hint="seed=7")[0]))
            elif (setting := _SETTINGS.get(item.partition("=")[0])) and "=" in item:
                name, read = setting
                settings[name] = _only(settings.get(name), read(item.partition("=")[2]))
            else:
                rules.append(_rule(item))
        except _ProblemError as problem:
            raise InputError(f"faults: {item!a} (character {found.start() + 1}): {problem}") from None
    return FaultScript(
        rules=tuple(rules),
        latency_s=latency or (0.0, 0.0),
        seed=seed or 0,
        **settings,  # type: ignore[arg-type] # its names are fields that are numbers
    )


def _only(before: T | None, value: T) -> T:
    if before is not None:
        raise _ProblemError("this is given twice; keep the one that is meant")
    return value


def _rule(item: str) -> FaultRule:
    parts = _match(_FAULT, item, hint="429@3, 529:10% or cut@5")
    fault = _fault(parts["name"], _options(parts["options"]))
    first, last, chance = 1, None, 1.0
    # `@3` is one request, `@2..5` a range, `@4..` all from there.
    if parts["requests"] is not None:
        requests = _match(_REQUESTS, parts["requests"], hint="@3, @2..5 or @4..")
        first = int(requests["first"])
        last = int(requests["last"]) if requests["last"] else None if requests["open"] else first
        if first < 1 or (last is not None and last < first):
            raise _ProblemError("requests are counted from 1, the lower number first")
    if parts["percent"] is not None:
        chance = _chance(parts["percent"], hint=":10%")
    return FaultRule(fault=fault, first=first, last=last, chance=chance)


def _chance(text: str, *, hint: str) -> float:
    chance = float(_match(_PERCENT, text, hint=hint)[1]) / 100
    if chance > 1:
        raise _ProblemError("a chance is at most 100%")
    return chance


def _latency(text: str) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    shortest = _seconds(low)
    longest = _seconds(high) if dots else shortest
    if longest < shortest:
        raise _ProblemError("the shorter time comes first, as in latency=50ms..200ms")
    return shortest, longest


def _options(text: str | None) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in text.split(",") if text else ():
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise _ProblemError(f"{pair!a} is not an option; write name=value")
        if not (value.isascii() and value.isprintable()):
            raise _ProblemError(f"{value!a} cannot be sent; use printable ASCII characters")
        if name in options:
            raise _ProblemError(f"the option {name!a} is given twice")
        options[name] = value
    return options


def _fault(name: str, options: Mapping[str, str]) -> Fault:
    # Every number is the fault `status`, with the number as its status.
    key = "status" if name.isdigit() else name
    if key not in _FAULTS:
        close = difflib.get_close_matches(name, _FAULTS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: a status such as 429, {', '.join(_NAMES)}"
        raise _ProblemError(f"there is no fault of this name; {hint}")
    make, readers = _FAULTS[key]
    values: dict[str, Any] = {}
    for option, value in options.items():
        if option not in readers:
            known = ", ".join(readers) or "none"
            raise _ProblemError(f"{name} has no option {option!a}; its options: {known}")
        field, read = readers[option]
        values[field] = read(value)
    if key == "status":
        values["status"] = _status(name, least=400)
    return make(**values)


def _match(pattern: re.Pattern[str], text: str, *, hint: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise _ProblemError(f"cannot read {text!a}; write it as in {hint}")
    return found


def _number(text: str) -> int:
    return int(_match(_SEED, text, hint="2")[0])


def _seconds(text: str) -> float:
    found = _match(_TIME, text, hint="50ms, 2s or 1m")
    return float(found[1]) * _SECONDS[found[2]]


def _size(text: str) -> int:
    found = _match(_SIZE, text, hint="512, 64KB or 100MB")
    size = int(found[1]) * _BYTES[found[2]]
    if not size:
        raise _ProblemError("a size is at least 1")
    return size


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise _ProblemError(f"{text!a} is neither true nor false")
    return text == "true"


def _redirect_status(text: str) -> int:
    if text not in {"301", "302", "303", "307", "308"}:
        raise _ProblemError(f"{text} is not a redirect; write 301, 302, 303, 307 or 308")
    return int(text)


def _status(text: str, *, least: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= 599):  # noqa: PLR2004 - the last HTTP status
        raise _ProblemError(f"{text!a} is not a status from {least} to 599")
    return int(text)


_Reader = tuple[str, "Callable[[str], object]"]
_Maker = tuple["Callable[..., Fault]", "Mapping[str, _Reader]"]


_FAULTS: dict[str, _Maker] = {
    **{how.value: (partial(BreakFault, how=how), {}) for how in Break},
    **{how.value: (partial(SpoilFault, how=how), {}) for how in Spoil},
    "stop-reason": (partial(SpoilFault, how=Spoil.STOP_REASON), {"value": ("value", str)}),
    "other-model": (partial(SpoilFault, how=Spoil.OTHER_MODEL), {"id": ("value", str)}),
    "refusal": (partial(SpoilFault, how=Spoil.REFUSAL), {"category": ("value", str)}),
    "status": (
        StatusFault,
        {
            "type": ("type", str),
            "error-code": ("code", str),
            "retry-after": ("retry_after", str),
            "should-retry": ("should_retry", _flag),
        },
    ),
    "html": (PageFault, {"status": ("status", partial(_status, least=200))}),
    "redirect": (RedirectFault, {"status": ("status", _redirect_status), "to": ("location", str)}),
    "error-event": (ErrorEventFault, {"type": ("type", str)}),
    "drip": (DripFault, {"bytes": ("size", _size), "every": ("every_s", _seconds)}),
    "huge": (HugeFault, {"size": ("size", _size), "gzip": ("gzip", _flag)}),
}
_NAMES = sorted(_FAULTS.keys() - {"status"})

_SETTINGS: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "cache-delay": ("cache_delay_s", _seconds),
    "cache-miss": ("cache_miss", partial(_chance, hint="40%")),
    "batch-delay": ("batch_delay_s", _seconds),
    "batch-error": ("batch_error", partial(_chance, hint="10%")),
    "batch-expiry": ("batch_expiry", partial(_chance, hint="5%")),
    "batch-lost": ("batch_lost", _number),
}
"""Items that set a number of the script: the name of its field, and how it is read."""

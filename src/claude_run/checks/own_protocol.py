"""What crosses between claude-run and the process of own checks: JSON, a line for each message."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_run.checks.custom import CheckDescription, faults
from claude_run.checks.kind import EVERYWHERE, Finding
from claude_run.checks.subject import Subject
from claude_run.conversation.results import Status
from claude_run.conversation.usage import Usage
from claude_run.text.strict_json import plain_json, read_json

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """The process begins to load something; whatever ends it before the next message, this was it."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What was to be loaded cannot be used."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """All is loaded: these checks may be asked for."""

    checks: tuple[CheckDescription, ...]


def write_question(name: str, value: Json, subject: Subject) -> bytes:
    """Return the line that asks a check about a subject."""
    about = {
        "text": subject.text,
        "stop_reason": subject.stop_reason,
        "latency_s": subject.latency_s,
        "cost_usd": None if subject.cost_usd is None else str(subject.cost_usd),
        "usage": asdict(subject.usage),
        "content": subject.content,
        "name": subject.name,
    }
    return _line({"check": name, "value": value, "subject": about})


def read_question(line: bytes) -> tuple[str, Any, Subject]:
    """Return the name of the check that is asked, its value, and the subject: copies, for it to do with."""
    question = read_json(line, deepest=None)
    about = question["subject"]
    cost = about["cost_usd"]
    subject = Subject(
        **{
            **about,
            "cost_usd": None if cost is None else Decimal(cost),
            "usage": Usage(**about["usage"]),
            "content": tuple(about["content"]),
        }
    )
    return question["check"], question["value"], subject


def write_finding(finding: Finding) -> bytes:
    """Return the line that says what a check found."""
    return _line(asdict(finding))


def read_finding(line: bytes) -> Finding:
    """Read what a check found; ValueError for anything else, for code of others has written it."""
    value = read_json(line, unique_keys=True)
    if not isinstance(value, dict) or set(value) != {"status", "message", "expected", "actual"}:
        raise ValueError("this is not a finding")
    if not isinstance(value["message"], str):
        raise ValueError("its message is not text")  # noqa: TRY004 - one error for every line that is none
    return Finding(**{**value, "status": Status(value["status"])})


def write_progress(message: Loading | Refused | Loaded) -> bytes:
    """Return the line that says how far loading has come."""
    match message:
        case Loading():
            return _line({"loading": message.what})
        case Refused():
            return _line({"refused": message.reason})
        case Loaded():
            described = ({**asdict(one), "scopes": sorted(one.scopes)} for one in message.checks)
            return _line({"checks": list(described)})


def read_progress(line: bytes) -> Loading | Refused | Loaded:
    """Read how far loading has come; ValueError for a line that says something else."""
    match read_json(line, unique_keys=True):
        case {"loading": str(what)}:
            return Loading(what=what)
        case {"refused": str(reason)}:
            return Refused(reason=reason)
        case {"checks": list(checks)}:
            return Loaded(checks=tuple(map(_description, checks)))
        case _:
            raise ValueError("this does not say how far loading has come")


def _description(value: Any) -> CheckDescription:  # noqa: ANN401 - JSON of any shape
    try:
        described = CheckDescription(**{**value, "scopes": EVERYWHERE & set(value["scopes"])})
    except (KeyError, TypeError) as error:
        raise ValueError("this does not describe a check") from error
    for fault in faults(described):
        raise ValueError(fault)
    return described


def _line(value: object) -> bytes:
    return plain_json(value).encode() + b"\n"

"""What is known of a run before anything is sent, and what was planned: the content of `run.json`."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from claude_run.conversation.identity import PARTS, Identity
from claude_run.conversation.lazy import LazySequence
from claude_run.errors import StorageError
from claude_run.record.codec import checked_types
from claude_run.text.strict_json import plain_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.scenario.json_values import JsonObject

SCHEMA_VERSION = 1
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,40})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Scenarios were changed: of these conversations the first `lines` of the journal count no longer."""

    lines: int
    superseded: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOf:
    """Which of the `count` parts of a whole plan a run plays: `index`, from 1.

    Of the whole: `conversations` is how many it has, `plan_sha256` stands for all of them in their order, and
    `files` maps each scenario's path to the SHA-256 of all that it reads.
    """

    index: int
    count: int
    conversations: int
    plan_sha256: str
    files: Mapping[str, str]

    @classmethod
    def of(cls, shard: tuple[int, int], identities: Sequence[Identity], files: Mapping[str, str]) -> ShardOf:
        """Return what a shard says of the plan that all shards together play."""
        index, count = shard
        return cls(
            index=index,
            count=count,
            conversations=len(identities),
            plan_sha256=plan_digest(identities),
            files=files,
        )

    @property
    def name(self) -> str:
        """As `--shard` has it."""
        return f"{self.index}/{self.count}"

    def to_json(self) -> JsonObject:
        return {
            "index": self.index,
            "count": self.count,
            "conversations": self.conversations,
            "plan_sha256": self.plan_sha256,
            "files": dict(self.files),
        }


def plan_digest(identities: Iterable[Identity]) -> str:
    """Return the SHA-256, in hex, that stands for conversations, in their order, with all of their parts."""
    digest = hashlib.sha256()
    for each in identities:
        digest.update(plain_json({"id": each.id, **each.parts()}).encode() + b"\n")
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What counts against the caps of a run besides its own requests: earlier rounds of the same session."""

    usd: Decimal = Decimal(0)
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it was asked for.

    `run_id` stands in the header of its journal too; None in runs of versions that had none.
    `options` are the command-line options that shape it, `files` maps each scenario's path to the SHA-256
    of all that it reads, `own_checks` each file of own checks to that of its bytes, and `pass_rates` each
    scenario to the share of repeats that must pass. `changes` are in the order in which they were made.
    `spent_before` is what a session had spent before this round of it, of which its caps hold too.
    `labels` is the file of labelled replies that a judge is held against, `baseline_sha256` stands for what
    the run is, or the whole of which it is a shard. `shard` is None for a run that is no part of another.
    """

    run_id: str | None = None
    name: str
    claude_run: str
    created_at: str
    paths: tuple[str, ...]
    options: JsonObject
    files: Mapping[str, str]
    own_checks: Mapping[str, str] = field(default_factory=dict)
    pass_rates: Mapping[str, float]
    prices: str
    simulated: bool
    conversations: Sequence[Identity]
    changes: tuple[Change, ...] = ()
    labels: str | None = None
    baseline_sha256: str | None = None
    shard: ShardOf | None = None
    spent_before: Spent = field(default_factory=Spent)

    @property
    def gates_later(self) -> bool:
        """Whether it is held against its baseline only once it is merged with the other shards."""
        return self.shard is not None and self.options.get("baseline") is not None

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(planned.model for planned in self.conversations))

    @property
    def allowed_models(self) -> Mapping[str, frozenset[str]]:
        """The names under which each model may answer besides its own."""
        return _allowed(self.options)

    def to_json(self) -> JsonObject:
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "name": self.name,
            "claude_run": self.claude_run,
            "created_at": self.created_at,
            "paths": list(self.paths),
            "labels": self.labels,
            "options": self.options,
            "files": dict(self.files),
            "own_checks": dict(self.own_checks),
            "pass_rates": dict(self.pass_rates),
            "baseline_sha256": self.baseline_sha256,
            # Where it is no shard nothing says so: a run folder of an earlier version is as it was.
            **({} if self.shard is None else {"shard": self.shard.to_json()}),
            **({} if self.spent_before == Spent() else {"spent_before": _spent_json(self.spent_before)}),
            "prices": self.prices,
            "simulated": self.simulated,
            "models": list(self.models),
            "conversations": LazySequence.over(
                self.conversations, lambda planned: {"id": planned.id, **planned.parts()}
            ),
            "changes": [
                {"journal_lines": change.lines, "superseded": list(change.superseded)}
                for change in self.changes
            ],
        }

    @classmethod
    def from_json(cls, value: object, *, path: str) -> Run:
        """Read `run.json` back; StorageError names what does not fit."""
        if not isinstance(value, Mapping):
            raise StorageError(f"{path} holds no JSON object: it was not written by claude-run")
        if value.get("schema_version") != SCHEMA_VERSION:
            found = value.get("schema_version")
            raise StorageError(
                f"{path} has schema_version {found!r}; this version of claude-run reads {SCHEMA_VERSION}"
            )
        # The version fits. What may still be wrong is a field that is absent or of another type.
        data = cast("Mapping[str, Any]", value)
        try:
            run = cls(
                run_id=data.get("run_id"),
                name=data["name"],
                claude_run=data["claude_run"],
                created_at=data["created_at"],
                paths=tuple(_listed(data["paths"])),
                labels=data.get("labels"),
                baseline_sha256=data.get("baseline_sha256"),
                shard=_shard(data["shard"]) if data.get("shard") is not None else None,
                spent_before=_spent(data.get("spent_before", {})),
                options=data["options"],
                files=data["files"],
                own_checks=data.get("own_checks", {}),
                pass_rates=data["pass_rates"],
                prices=data["prices"],
                simulated=data["simulated"],
                changes=tuple(map(_change, _listed(data.get("changes", [])))),
                conversations=tuple(map(_planned, _listed(data["conversations"]))),
            )
            return _consistent(checked_types(run))
        except (KeyError, TypeError) as error:
            raise StorageError(
                f"{path} is incomplete ({error}): it was changed by hand or cut off; restore it from a backup"
            ) from error


def planned_or_other(value: dict[str, Any]) -> object:
    """Return who a conversation is for what may be one of `run.json`, while that is read; else the value."""
    return Identity.from_parts(value, name=value["id"]) if value.keys() >= _CONVERSATION else value


_CONVERSATION = frozenset({"id", *PARTS})


def _planned(item: Mapping[str, Any] | Identity) -> Identity:
    return checked_types(item if isinstance(item, Identity) else Identity.from_parts(item, name=item["id"]))


def _change(item: Mapping[str, Any]) -> Change:
    return checked_types(Change(lines=item["journal_lines"], superseded=tuple(_listed(item["superseded"]))))


def _shard(item: Mapping[str, Any]) -> ShardOf:
    shard = checked_types(ShardOf(**{each.name: item[each.name] for each in fields(ShardOf)}))
    if not 1 <= shard.index <= shard.count:
        raise TypeError(f"there is no shard {shard.name}")
    return shard


def _spent_json(spent: Spent) -> JsonObject:
    return {"usd": f"{spent.usd:f}", "attempts": spent.attempts}


def _spent(item: Mapping[str, Any]) -> Spent:
    if not item:
        return Spent()
    attempts = item["attempts"]
    if not isinstance(item["usd"], str) or not _AMOUNT.fullmatch(item["usd"]) or attempts < 0:
        raise TypeError(f"{dict(item)!r:.60} is not what a session has spent")
    return checked_types(Spent(usd=Decimal(item["usd"]), attempts=attempts))


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is not a list")
    return value


def _consistent(run: Run) -> Run:
    """Return a run that can have been planned; TypeError where one of its parts says that it was not."""
    name, times = next(iter(Counter(each.id for each in run.conversations).most_common(1)), ("", 0))
    if times > 1:
        raise TypeError(f"{name} is planned {times} times")
    if any(rate > 1 for rate in run.pass_rates.values()):
        raise TypeError("a pass rate is above 1")
    _allowed(run.options)
    return run


def _allowed(options: JsonObject) -> Mapping[str, frozenset[str]]:
    saved = options.get("allowed_models", {})
    if not isinstance(saved, Mapping):
        raise TypeError(f"allowed_models must be an object, which {saved!r:.40} is not")
    return {asked: frozenset(_listed(served)) for asked, served in saved.items()}

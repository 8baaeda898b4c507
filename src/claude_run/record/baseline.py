"""Baselines: accepted results, slim and diffable, committed beside the scenarios that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_run.conversation.identity import Identity
from claude_run.conversation.sample import Sample
from claude_run.errors import InputError
from claude_run.record.codec import checked_types, money
from claude_run.record.disk import read_file, replace_file
from claude_run.text.strict_json import read_json, readable_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from claude_run.record.disk import Disk
    from claude_run.scenario.model import JsonObject

SCHEMA_VERSION = 1
_PUBLIC_MODE = 0o644
_MOST_DIGITS = 15  # no count has more, and all of them can be compared as floats
_NUMBERS = ("latency_s", "input_tokens", "output_tokens", "output_chars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What was accepted of one scenario, and from which run. Samples hold their replies, unless left out."""

    scenario: str
    path: str
    accepted_at: str
    simulated: bool
    samples: tuple[Sample, ...]


def read_baseline(path: Path, *, scenario_path: str) -> Baseline:
    """Read a baseline; InputError where there is none, or it does not fit."""
    try:
        value = read_json(read_file(path), unique_keys=True, most_digits=_MOST_DIGITS)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}; `claude-run accept` writes baselines"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}; restore it from git") from error
    if not isinstance(value, Mapping) or value.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path} is not a baseline of version {SCHEMA_VERSION}: accept a run anew")
    try:
        return _from_json(value, scenario_path)
    except (KeyError, TypeError, ArithmeticError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged ({error!r}): restore it from git, or accept a run anew"
        ) from error


def write_baseline(disk: Disk, path: Path, baseline: Baseline) -> None:
    """Write a baseline for git: sorted, one value a line, readable like any source file."""
    replace_file(disk, path, [readable_json(_to_json(baseline)).encode() + b"\n"])
    path.chmod(_PUBLIC_MODE)


def _to_json(baseline: Baseline) -> JsonObject:
    by_name: dict[str, list[Sample]] = {}
    for sample in baseline.samples:
        by_name.setdefault(sample.identity.name_in_scenario, []).append(sample)
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": baseline.scenario,
        "accepted_at": baseline.accepted_at,
        "simulated": baseline.simulated,
        "conversations": {name: _conversation(by_name[name]) for name in sorted(by_name)},
    }


def _conversation(samples: Sequence[Sample]) -> JsonObject:
    # All of one case; the replies are kept of one repeat only, to be read beside those of a later run.
    identity = samples[0].identity
    shown = next((sample for sample in samples if sample.passed), samples[0])
    return {
        "case": identity.case,
        "variant": identity.variant,
        "model": identity.model,
        "model_label": identity.model_label,
        **({} if identity.case_digest is None else {"case_digest": identity.case_digest}),
        "attempts": [
            {
                "repeat": sample.identity.repeat,
                "passed": sample.passed,
                "cost_usd": money(sample.cost_usd),
                **{name: getattr(sample, name) for name in _NUMBERS},
                "failures": list(sample.failures),
            }
            for sample in samples
        ],
        "replies": [reply.split("\n") for reply in shown.replies],
    }


def _from_json(value: Mapping[str, Any], scenario_path: str) -> Baseline:
    samples = (
        sample
        for conversation in value["conversations"].values()
        for sample in _samples(value["scenario"], scenario_path, conversation)
    )
    baseline = Baseline(
        scenario=value["scenario"],
        path=scenario_path,
        accepted_at=value["accepted_at"],
        simulated=value["simulated"],
        samples=tuple(samples),
    )
    return checked_types(baseline)


def _samples(scenario: str, path: str, conversation: Mapping[str, Any]) -> Iterable[Sample]:
    # A reply is kept line by line, and one for all repeats; who they are stands once, above their rows.
    replies = tuple("\n".join(lines) for lines in conversation["replies"])
    for row in conversation["attempts"]:
        cost = row["cost_usd"]
        identity = Identity.of(
            scenario=scenario,
            path=path,
            case=conversation["case"],
            variant=conversation["variant"],
            model=conversation["model"],
            model_label=conversation["model_label"],
            repeat=row["repeat"],
            case_digest=conversation.get("case_digest"),
        )
        sample = Sample(
            identity=checked_types(identity),
            passed=row["passed"],
            cost_usd=None if cost is None else Decimal(str(cost)),
            replies=replies,
            failures=tuple(row["failures"]),
            **{name: row[name] for name in _NUMBERS},
        )
        yield checked_types(sample)

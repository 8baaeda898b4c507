"""The options of `run` as one value, and the readers of those that are more than a string."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.checks.arguments import parse_duration
from claude_run.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.scenario.model import JsonObject
    from claude_run.verdict.basics import GateRules

_SET = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)

_SHAPING = {
    "models": "-m",
    "repeat": "-n",
    "expression": "-k",
    "tags": "--tag",
    "overrides": "--set",
    "shard": "--shard",
    "file_root": "--file-root",
    "out": "-o",
    "simulate": "--simulate",
    "faults": "--faults",
    "replay": "--replay",
    "reuse": "--reuse",
    "baseline": "--baseline",
    "until_sure": "--until-sure",
    "judge_models": "--judge-model",
    "own_checks": "--checks",
}
"""Fields that decide what a run is, and cannot change when it goes on."""


BESIDE = Path("beside-the-scenarios")
"""What `--baseline` without a path stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """How a comparison is judged, as the flags say."""

    alpha: float = 0.05
    margin: float = 0.1
    min_drop: float = 0.0
    on_inconclusive: str = "warn"

    def rules(self, *, looks: int = 1) -> GateRules:
        """Return the rules of the gate; InputError for a number out of its range."""
        from claude_run.verdict.basics import GateRules  # noqa: PLC0415 - only a comparison needs it

        try:
            return GateRules(alpha=self.alpha, margin=self.margin, min_drop=self.min_drop, looks=looks)
        except ValueError as error:
            raise InputError(f"--{str(error).replace('_', '-', 1)}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the user asked of `run`, `check` or `--list`; times are in seconds."""

    paths: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    repeat: int | None = None
    expression: str | None = None
    tags: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    shard: str | None = None
    file_root: str | None = None
    out: Path | None = None
    simulate: bool = False
    faults: str | None = None
    replay: Path | None = None
    reuse: Path | None = None
    resume: Path | None = None
    resume_changed: bool = False
    retry_errors: bool = False
    last_failed: bool = False
    concurrency: int = 20
    max_cost: Decimal | None = None
    max_time_s: float | None = None
    max_requests: int | None = None
    max_failures: int | None = None
    attempt_s: float = 600.0
    grace_s: float = 10.0
    baseline: Path | None = None
    until_sure: bool = False
    gate: GateOptions = field(default_factory=GateOptions)
    judge_models: tuple[str, ...] = ()
    own_checks: tuple[Path, ...] = ()
    junit: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    color: str = "auto"

    @property
    def goes_on(self) -> bool:
        """Tell whether an earlier run is continued rather than a new one begun."""
        return self.resume is not None or self.resume_changed or self.retry_errors

    def to_json(self) -> JsonObject:
        """Return the options that shape a run, as `run.json` keeps them."""
        return {
            "models": list(self.models),
            "repeat": self.repeat,
            "expression": self.expression,
            "tags": list(self.tags),
            "overrides": dict(self.overrides),
            "shard": self.shard,
            "last_failed": self.last_failed,
            "file_root": self.file_root,
            "simulate": self.simulate,
            "faults": self.faults,
            "replay": None if self.replay is None else str(self.replay),
            "reuse": None if self.reuse is None else str(self.reuse),
            "baseline": None if self.baseline is None else str(self.baseline),
            "until_sure": self.until_sure,
            "gate": {
                "alpha": self.gate.alpha,
                "margin": self.gate.margin,
                "min_drop": self.gate.min_drop,
                "on_inconclusive": self.gate.on_inconclusive,
            },
            "judge_models": list(self.judge_models),
            "own_checks": [str(path) for path in self.own_checks],
            "max_cost": None if self.max_cost is None else str(self.max_cost),
        }

    def without_json(self) -> RunOptions:
        """Return the same options for a command that prints JSON of its own."""
        return replace(self, json=False)

    def restored(self, paths: Sequence[str], saved: Mapping[str, Any]) -> RunOptions:
        """Return these options with all that shapes the run taken from where it was saved."""
        return replace(
            self,
            paths=tuple(paths),
            models=tuple(saved["models"]),
            repeat=saved["repeat"],
            expression=saved["expression"],
            tags=tuple(saved["tags"]),
            overrides=saved["overrides"],
            shard=saved["shard"],
            file_root=saved["file_root"],
            simulate=saved["simulate"],
            faults=saved["faults"],
            replay=None if saved["replay"] is None else Path(saved["replay"]),
            reuse=None if saved["reuse"] is None else Path(saved["reuse"]),
            baseline=None if saved["baseline"] is None else Path(saved["baseline"]),
            until_sure=saved["until_sure"],
            gate=GateOptions(**saved["gate"]),
            judge_models=tuple(saved["judge_models"]),
            own_checks=tuple(map(Path, saved["own_checks"])),
            max_cost=read_money(saved["max_cost"]) if self.max_cost is None else self.max_cost,
        )

    def shaping_flags(self) -> tuple[str, ...]:
        """Return the flags given that decide what a run is, as the user writes them."""
        given = (item for item in fields(self) if item.name in _SHAPING)
        flags = [_SHAPING[item.name] for item in given if getattr(self, item.name)]
        return ("PATH", *flags) if self.paths else tuple(flags)


def check_combination(options: RunOptions) -> None:
    """Raise InputError for options that contradict each other, or say too little."""
    if not options.paths and not options.goes_on:
        raise InputError("no PATH: name a scenario file or a folder of them, such as scenarios/")
    if options.out is not None and str(options.out) in {"", "."}:
        raise InputError("-o names no folder: is the variable in your command empty? write -o outputs/my-run")
    if options.faults is not None and not options.simulate and not options.goes_on:
        raise InputError("--faults is for the simulator: add --simulate")
    if options.replay is not None and (options.reuse is not None or options.simulate):
        other = "--simulate" if options.simulate else "--reuse"
        raise InputError(f"--replay sends nothing, so {other} cannot go with it: leave one of them out")
    if options.last_failed and options.goes_on:
        raise InputError(
            "--last-failed begins a new run and --resume goes on with one: leave one of them out"
        )


def read_overrides(values: Iterable[str]) -> Mapping[str, str]:
    """Read `--set name=value` options; InputError for anything else, and for a name that is set twice."""
    overrides: dict[str, str] = {}
    for value in values:
        found = _SET.fullmatch(value)
        if found is None:
            raise InputError(f"--set {value}: write --set name=value, the name as it stands under `vars`")
        name, text = found.groups()
        if name in overrides:
            raise InputError(f"--set {name}: the variable is set twice; keep one of them")
        overrides[name] = text
    return overrides


def read_money(text: str | None) -> Decimal | None:
    """Read an amount of US dollars above zero; InputError for anything else."""
    if text is None:
        return None
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise InputError(f"--max-cost {text}: write an amount of US dollars above 0, such as 2.50")
    return amount


def read_duration(flag: str, text: str) -> float:
    """Read a length of time above zero, in seconds; InputError for anything else."""
    try:
        seconds = parse_duration(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except ValueError as error:
        raise InputError(f"{flag} {text}: {error}; write 90s, 10m or 1h") from error
    if seconds <= 0:
        raise InputError(f"{flag} {text}: the time must be longer than 0; write 90s, 10m or 1h")
    return seconds

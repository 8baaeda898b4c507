"""What a user asks of a run, as plain values. Each option of the command line is declared here, once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.errors import InputError
from claude_run.plan.providers import ANTHROPIC, PROVIDER_NAMES, PROVIDERS, provider
from claude_run.scenario.at_line import picks_lines
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.json_values import EMPTY
from claude_run.session.option_kinds import (
    ASSIGNMENTS,
    DURATION,
    ENGINE,
    FRACTION,
    MONEY,
    NAMES,
    NUMBER,
    PATH,
    PATHS,
    PATIENCE,
    SWITCH,
    TEXT,
    TEXTS,
    choice,
)
from claude_run.session.options import option, options_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from claude_run.verdict.basics import ComparisonRules
    from claude_run.verdict.gate import GateRules

IMPORTED = ("promptfoo", "pipecat", "messages", "mt-bench")
"""The formats that are imported, as `imports.formats` has them."""

BESIDE = Path("beside-the-scenarios")
"""What `--baseline` without a path stands for."""

WHAT, HOW, RECORDED, GATE, LIMITS, JUDGED = "What", "How", "Recorded", "Gate", "Limits", "Judged"
"""The panels of the help; output options have one of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRequest:
    """How a run is held against its baseline."""

    alpha: float = option(
        "--alpha",
        kind=FRACTION,
        shown="0.05",
        project=True,
        project_only=True,
        panel=GATE,
        shapes=True,
        help="In how many runs without a change the gate may be red.",
    )
    max_cost_increase: float | None = option(
        "--max-cost-increase",
        kind=FRACTION,
        metavar="RATE",
        project=True,
        project_only=True,
        panel=GATE,
        shapes=True,
        help="How much more the replies may cost than the accepted ones.",
    )
    confirm: int = option(
        "--confirm",
        kind=NUMBER,
        shown="10",
        least=0,
        most=10,
        project=True,
        panel=GATE,
        shapes=True,
        help="Fresh attempts at most of a case that looks broken.",
    )
    no_confirm: bool = option(
        "--no-confirm",
        kind=SWITCH,
        default=False,
        panel=GATE,
        shapes=True,
        help="Play none: such a case is unclear then.",
    )
    on_unclear: str = option(
        "--on-unclear",
        kind=choice("fail", "warn"),
        shown="fail",
        project=True,
        panel=GATE,
        shapes=True,
        help="fail or warn, where nobody can tell.",
    )

    def rules(self, *, most_fresh: int | None = None) -> GateRules:
        """Return the rules of the gate; InputError for a number out of its range.

        `most_fresh` stands in place of what was asked for, where no more can be had.
        """
        from claude_run.verdict.gate import GateRules  # noqa: PLC0415 - only a gate needs it

        asked = 0 if self.no_confirm else self.confirm
        try:
            return GateRules(alpha=self.alpha, most_fresh=asked if most_fresh is None else most_fresh)
        except ValueError as error:
            raise InputError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """How a comparison is judged: fixed before it is looked at, on the command line alone."""

    alpha: float = option(
        "--alpha",
        kind=FRACTION,
        shown="0.05",
        panel=JUDGED,
        help="How often a false alarm of a regression is accepted.",
    )
    margin: float = option(
        "--margin",
        kind=FRACTION,
        shown="0.1",
        panel=JUDGED,
        help="Drop of the pass rate that `not worse` must exclude.",
    )
    on_inconclusive: str = option(
        "--on-inconclusive",
        kind=choice("fail", "warn"),
        shown="warn",
        panel=JUDGED,
        help="fail or warn, where nobody can tell.",
    )

    def rules(self) -> ComparisonRules:
        """Return the rules of the comparison; InputError for a number out of its range."""
        from claude_run.verdict.basics import ComparisonRules  # noqa: PLC0415 - only a comparison needs it

        try:
            return ComparisonRules(alpha=self.alpha, margin=self.margin)
        except ValueError as error:
            raise InputError(f"--{error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is to be played, how, and within which limits; times are in seconds.

    The order of the saved options is their order in `run.json`.
    """

    paths: tuple[str, ...] = option(
        kind=TEXTS,
        metavar="PATH...",
        default=(),
        saved=False,
        shapes=True,
        help="Scenario files, folders or globs; foo.yaml:12 for the case at that line.",
    )
    models: tuple[str, ...] = option(
        "-m",
        "--model",
        kind=TEXTS,
        metavar="MODEL",
        default=(),
        panel=WHAT,
        shapes=True,
        selects=True,
        help="Model to play, instead of the scenario's; repeatable; name=ID labels it.",
    )
    repeat: int | None = option(
        "-n",
        "--repeat",
        kind=NUMBER,
        least=1,
        project=True,
        panel=WHAT,
        shapes=True,
        help="Play each conversation so many times.",
    )
    expression: str | None = option(
        "-k",
        kind=TEXT,
        metavar="EXPR",
        panel=WHAT,
        shapes=True,
        selects=True,
        help="Only conversations whose id, tags or model match: 'refund and not sofa'.",
    )
    tags: tuple[str, ...] = option(
        "--tag",
        kind=TEXTS,
        metavar="TAG",
        default=(),
        panel=WHAT,
        shapes=True,
        selects=True,
        help="Only scenarios with this tag; repeatable.",
    )
    overrides: Mapping[str, str] = option(
        "--set",
        kind=ASSIGNMENTS,
        default=EMPTY,
        panel=WHAT,
        shapes=True,
        help="Set a variable; repeatable.",
    )
    shard: str | None = option(
        "--shard",
        kind=TEXT,
        metavar="I/N",
        panel=WHAT,
        shapes=True,
        selects=True,
        help="Only the I-th of N parts of about equal weight; `merge` joins them.",
    )
    last_failed: bool = option(
        "--lf",
        "--last-failed",
        kind=SWITCH,
        default=False,
        panel=WHAT,
        shapes=True,
        selects=True,
        help="Only cases that did not pass when they were last played.",
    )
    file_root: str | None = option(
        "--file-root",
        kind=TEXT,
        metavar="DIR",
        panel=WHAT,
        shapes=True,
        help="Files named in scenarios may lie anywhere in this folder.",
    )
    concurrency: int = option(
        "-j",
        "--concurrency",
        kind=NUMBER,
        shown="20",
        least=1,
        most=100_000,
        project=True,
        panel=HOW,
        help="At most so many requests under way.",
    )
    simulate: bool = option(
        "--simulate",
        kind=SWITCH,
        default=False,
        panel=HOW,
        shapes=True,
        help="Let a local simulator answer; nothing leaves this machine.",
    )
    faults: str | None = option(
        "--faults",
        kind=TEXT,
        metavar="SCRIPT",
        panel=HOW,
        shapes=True,
        help="What the simulator gets wrong: '429@3 529:10% cut@5 latency=50ms..200ms'.",
    )
    provider: str = option(
        "--provider",
        kind=choice(*PROVIDER_NAMES),
        metavar="NAME",
        shown=ANTHROPIC.name,
        project=True,
        panel=HOW,
        shapes=True,
        help=f"Who serves Claude: {', '.join(PROVIDER_NAMES)}. Settings are the SDK's variables.",
    )
    env_file: Path | None = option(
        "--env-file",
        kind=PATH,
        metavar="FILE",
        panel=HOW,
        help="Set the variables of a .env file that are not set; without it none is read.",
    )
    attempt_s: float = option(
        "--timeout",
        kind=DURATION,
        shown="10m",
        project=True,
        panel=HOW,
        help="How long one attempt at a reply may take.",
    )
    patience_s: float = option(
        "--patience",
        kind=PATIENCE,
        shown="5m",
        metavar="TIME",
        project=True,
        panel=HOW,
        help="How long failures that pass are waited out; 0s for one try.",
    )
    allowed_models: Mapping[str, frozenset[str]] = option(
        "--allow-model",
        kind=NAMES,
        default=EMPTY,
        project=True,
        panel=HOW,
        help="Another name under which a model may answer, as a gateway has it; repeatable.",
    )
    engine: str = option(
        "--engine",
        kind=ENGINE,
        shown="local",
        panel=HOW,
        help="Who plays: this process, or players on Ray: ray, ray://HOST:PORT.",
    )
    batch: bool = option(
        "--batch",
        kind=SWITCH,
        default=False,
        panel=HOW,
        help="Send each wave of turns as Message Batches, at half price.",
    )
    batch_then_live_s: float | None = option(
        "--batch-then-live",
        kind=DURATION,
        panel=HOW,
        help="Cancel the batches after this time; finish what is left live.",
    )
    no_model_rules: bool = option(
        "--no-model-rules",
        kind=SWITCH,
        default=False,
        panel=HOW,
        help="Send too what the model is known to refuse; warn of it.",
    )
    no_cache: bool = option(
        "--no-cache",
        kind=SWITCH,
        default=False,
        panel=HOW,
        shapes=True,
        help="Set no cache breakpoints, as `cache: off` does.",
    )
    replay: Path | None = option(
        "--replay",
        kind=PATH,
        panel=RECORDED,
        shapes=True,
        help="Answer from a recorded run only; send nothing.",
    )
    reuse: Path | None = option(
        "--reuse",
        kind=PATH,
        panel=RECORDED,
        shapes=True,
        help="Take recorded replies, and send the rest.",
    )
    baseline: Path | None = option(
        "--baseline",
        kind=PATH,
        metavar="[PATH]",
        implied=str(BESIDE),
        panel=GATE,
        shapes=True,
        help="Gate against the accepted baseline, or another run.",
    )
    gate: GateRequest = field(default_factory=GateRequest)
    judge_models: tuple[str, ...] = option(
        "--judge-model",
        kind=TEXTS,
        metavar="MODEL",
        default=(),
        project=True,
        panel=HOW,
        shapes=True,
        help="Model that judges, instead of the scenario's; repeatable.",
    )
    own_checks: tuple[Path, ...] = option(
        "--checks",
        kind=PATHS,
        default=(),
        metavar="FILE",
        project=True,
        panel=HOW,
        help="Python file with checks of your own; repeatable.",
    )
    check_limit_s: float = option(
        "--check-timeout",
        kind=DURATION,
        shown="10s",
        project=True,
        panel=HOW,
        help="How long a check of your own may take.",
    )
    max_cost: Decimal | None = option(
        "--max-cost",
        kind=MONEY,
        project=True,
        panel=LIMITS,
        help="Send nothing that could cost more in all.",
    )
    max_time_s: float | None = option(
        "--max-time", kind=DURATION, project=True, panel=LIMITS, help="Stop after 90s, 10m or 1h."
    )
    max_requests: int | None = option(
        "--max-requests",
        kind=NUMBER,
        least=1,
        project=True,
        panel=LIMITS,
        help="Stop after so many requests, resumes included.",
    )
    fail_fast: bool = option(
        "-x",
        "--fail-fast",
        kind=SWITCH,
        default=False,
        panel=LIMITS,
        help="Stop at the first conversation that does not pass.",
    )
    max_failures: int | None = option(
        "--max-failures", kind=NUMBER, least=1, panel=LIMITS, help="Stop when so many did not pass."
    )
    grace_s: float = option(
        "--grace",
        kind=DURATION,
        shown="10s",
        panel=LIMITS,
        help="How long replies under way may take after a stop.",
    )
    out: Path | None = option(
        "-o",
        "--out",
        kind=PATH,
        metavar="DIR",
        panel="Output",
        saved=False,
        shapes=True,
        help="The run folder itself, new or empty.",
    )

    @property
    def failures_allowed(self) -> int | None:
        """How many conversations may fail before the run is stopped; None for any number."""
        return 1 if self.fail_fast else self.max_failures


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """What is played besides the unsent turns when a run is gone on with."""

    changed: bool = option(
        "--changed",
        kind=SWITCH,
        default=False,
        help="Go on though scenarios are new, changed or gone: play them as they are now.",
    )
    retry_errors: bool = option(
        "--retry-errors",
        kind=SWITCH,
        default=False,
        help="Try again what could not be measured.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Which files of other tools are imported, and where to."""

    sources: tuple[str, ...] = option(
        kind=TEXTS,
        metavar="SOURCE...",
        default=(),
        help="Files of other tools, or a folder with a promptfoo configuration.",
    )
    out: Path = option(
        "-o",
        "--out",
        kind=PATH,
        metavar="DIR|FILE",
        shown="scenarios",
        help="Write the scenarios there; nothing is overwritten.",
    )
    source_format: str | None = option(
        "--from",
        kind=choice(*IMPORTED),
        help="The format, where the file does not tell it.",
    )
    replies: str = option(
        "--replies",
        kind=choice("example", "history"),
        shown="example",
        help="What a recorded reply becomes: the example of its turn, or history before the last turn.",
    )
    strict: bool = option(
        "--strict",
        kind=SWITCH,
        default=False,
        help="Write nothing where anything is lost, and exit with 2.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is asked of a chat besides what it takes of a run; `patience_s` is that of a person who waits."""

    paths: tuple[str, ...] = option(
        kind=TEXTS, metavar="[SCENARIO]", default=(), help="A scenario whose turns are played first."
    )
    system: str | None = option(
        "--system", kind=TEXT, panel=WHAT, help="System prompt, word for word, instead of the scenario's."
    )
    max_tokens: int | None = option(
        "--max-tokens",
        kind=NUMBER,
        least=1,
        panel=WHAT,
        help="Tokens at most in a reply, instead of the scenario's.",
    )
    patience_s: float = option(
        "--patience",
        kind=PATIENCE,
        shown="30s",
        panel=HOW,
        help="How long failures that pass are waited out; 0s for one try.",
    )
    save: Path | None = option(
        "--save",
        kind=PATH,
        metavar="FILE",
        panel="Output",
        help="Write the talk as a scenario, after every reply; overwrites nothing.",
    )


def selects(options: Mapping[str, object], paths: Iterable[str], files: Mapping[str, object]) -> bool:
    """Return whether a run leaves conversations of its scenarios out: by saved options, or by a line.

    `paths` are what it was given, and `files` those that it played.
    """
    return picks_lines(paths, files) or any(
        options.get(each.name) for each in options_of(RunRequest) if each.selects
    )


def fitting(defaults: Mapping[str, object], given: Mapping[str, object]) -> Mapping[str, object]:
    """Return the defaults of a project that do not contradict what was given: a simulator has no provider."""
    return {name: value for name, value in defaults.items() if name != "provider" or "simulate" not in given}


def refuse_slip(word: str, commands: Iterable[str]) -> None:
    """Raise InputError for what is no file or option, and nearly the name of a command."""
    if word.startswith("-"):
        return
    if not os.path.lexists(word) and (close := did_you_mean(word, commands)):
        raise InputError(f"{word} is neither a command nor a scenario: did you mean `claude-run {close}`?")


def check_combination(request: RunRequest) -> None:
    """Raise InputError for options that contradict each other, or say too little."""
    if not request.paths:
        raise InputError("no PATH: name a scenario file or a folder of them, such as scenarios/")
    refuse_contradictions(request)


def refuse_contradictions(request: RunRequest) -> None:
    """Raise InputError for options of which one cannot hold beside another."""
    if request.faults is not None and not request.simulate:
        raise InputError("--faults is for the simulator: add --simulate")
    if request.replay is not None and (request.reuse is not None or request.simulate):
        other = "--simulate" if request.simulate else "--reuse"
        raise InputError(f"--replay sends nothing, so {other} cannot go with it: leave one of them out")
    if request.simulate and request.provider != ANTHROPIC.name:
        raise InputError(
            f"--simulate answers in place of any provider, so --provider {request.provider} cannot go with"
            " it: leave one of them out"
        )
    if request.batch_then_live_s is not None and not request.batch:
        raise InputError("--batch-then-live is for a run in batches: add --batch")
    if request.batch and request.replay is None and not provider(request.provider).batches:
        those = ", ".join(each.name for each in PROVIDERS if each.batches)
        raise InputError(
            f"--provider {request.provider} has no Message Batches: leave --batch out, or choose one that has"
            f" them: {those}"
        )
    if request.engine != "local" and request.batch:
        raise InputError(
            "--batch leaves the pace to the API, so --engine ray cannot go with it: leave one of them out"
        )
    if request.gate.no_confirm and request.baseline is None:
        raise InputError("--no-confirm is for a gate: add --baseline")
    request.gate.rules()

"""The options that several commands share, as Typer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[list[str], typer.Argument(metavar="PATH...", help="Scenario files, folders or globs.")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "-m", "--model", help="Model to play, instead of the scenario's; repeatable; name=ID labels it."
    ),
]
Repeat = Annotated[
    int | None, typer.Option("-n", "--repeat", min=1, help="Play each conversation so many times.")
]
Expression = Annotated[
    str | None,
    typer.Option(
        "-k", metavar="EXPR", help="Only conversations whose id, tags or model match: 'refund and not sofa'."
    ),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only scenarios with this tag; repeatable.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a variable; repeatable.")
]
Shard = Annotated[str | None, typer.Option("--shard", metavar="I/N", help="Only the I-th of N equal parts.")]
FileRoot = Annotated[
    str | None,
    typer.Option(
        "--file-root", metavar="DIR", help="Files named in scenarios may lie anywhere in this folder."
    ),
]
Color = Annotated[str, typer.Option("--color", help="auto, always or never.")]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, help="Show the replies that failed; -vv in full.")
]
Faults = Annotated[
    str | None,
    typer.Option(
        "--faults",
        metavar="SCRIPT",
        help="What the simulator gets wrong: '429@3 529:10% cut@5 latency=50ms..200ms'.",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say no more than how it ended.")]
Alpha = Annotated[float, typer.Option("--alpha", help="How often a false alarm of a regression is accepted.")]
Margin = Annotated[
    float, typer.Option("--margin", help="Drop of the pass rate that `unchanged` must exclude.")
]
MinDrop = Annotated[
    float, typer.Option("--min-drop", help="Least drop of the pass rate that is called a regression.")
]
OnInconclusive = Annotated[
    str, typer.Option("--on-inconclusive", help="fail or warn, where nobody can tell.")
]
JudgeModels = Annotated[
    list[str] | None,
    typer.Option("--judge-model", help="Model that judges, instead of the scenario's; repeatable."),
]
OwnChecks = Annotated[
    list[Path] | None,
    typer.Option("--checks", metavar="FILE", help="Python file with checks of your own; repeatable."),
]
Run = Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run folder; without it the latest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Junit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML too.")
]
Concurrency = Annotated[
    int, typer.Option("-j", "--concurrency", min=1, max=1000, help="At most so many requests under way.")
]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="DIR", help="The run folder itself, without a run yet."),
]
Simulate = Annotated[
    bool, typer.Option("--simulate", help="Let a local simulator answer; nothing leaves this machine.")
]
MaxCost = Annotated[
    str | None,
    typer.Option("--max-cost", metavar="USD", help="Send nothing that could cost more in all."),
]
Replay = Annotated[
    Path | None,
    typer.Option("--replay", metavar="PATH", help="Answer from a recorded run only; send nothing."),
]
Reuse = Annotated[
    Path | None, typer.Option("--reuse", metavar="PATH", help="Take recorded replies, and send the rest.")
]

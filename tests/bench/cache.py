"""What a run with a shared system prompt costs beside the best possible, however late its cache is.

50 cases of 4 turns with a system prompt of 2,000 tokens, played by the command against its simulator, whose
own accounting is the measure. Its replies come at once, so that a turn follows the one before within
milliseconds: where the cache is late no conversation can read what it has just said, whoever plays it. So
each cost stands beside two bounds: the best with a cache that can be read at once, and the best that the
cache in question allows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.plan.caching import PromptUse, best_use
from claude_run.plan.model_rules import min_cache_tokens
from claude_run.plan.prices import list_prices
from claude_run.simulator.tokens import block_tokens
from tests.bench.results import Figure, keep

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMAND = str(Path(sys.executable).with_name("claude-run"))
MODEL = "claude-haiku-5-5"
CASES = 50
RULE = "Quote the 30-day rule, ask for the order number, stay friendly, and never promise more than that. "
SYSTEM = (RULE * 90)[:7988]
TURNS = (
    ("I bought {{ item }} last week and I am not happy with it. Can I give it back, and how?", "return"),
    ("I do not have the receipt any more. Is the confirmation that came by mail good enough?", "mail"),
    ("The box is open already, and one of the small parts is missing. Is that a problem?", "box"),
    ("Thank you. How long will it take until the money is on my account again?", "money"),
)
REPLY = (
    "Thank you for writing to us about the {}. You can return it within 30 days of the purchase, as long as"
    " you have the number of your order. Please pack it well, put the form into the box, and hand it in at"
    " any of our shops; we send you a message as soon as it has come in."
)
DELAYS = (
    ("at once", "", 1.05),
    ("after 0.5 s", "cache-delay=500ms", 1.1),
    ("after 2 s", "cache-delay=2s", 1.1),
)
MISSES = ("never for 40 % of the requests", "cache-miss=40%", 1.1)
WHY = "this cache cannot do better for turns that follow at once: see the best that it allows"
MOST_OF_UNCACHED, MOST_WALL_S = 0.4, 3.0


def bench() -> str:
    """Return the table of costs, each number beside its target."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        for when, faults, most in (*DELAYS, MISSES):
            played, without = (play(Path(name), faults, cache=mode) for mode in ("auto", "off"))
            allowed = played.best_of_late if "delay" in faults else played.best
            if faults == MISSES[1]:
                allowed = played.best_of_missed
            figures += [
                Figure(f"readable {when}: cost / best", played.ratio(played.best), "", most, WHY),
                Figure(f"readable {when}: prompts / best", played.cost_ratio(played.best)),
                Figure(
                    f"readable {when}: cost / best that this cache allows", played.ratio(allowed), most=most
                ),
                Figure(f"readable {when}: prompts / best that this cache allows", played.cost_ratio(allowed)),
                Figure(
                    f"readable {when}: cost / cost without a cache",
                    played.ratio(played.uncached),
                    most=MOST_OF_UNCACHED,
                    why="no request can read what the cache does not give it",
                ),
                Figure(f"readable {when}: added wall", played.wall_s - without.wall_s, "s", most=MOST_WALL_S),
            ]
    return keep("cache", figures)


def scenario(*, cases: int = CASES, cache: str = "auto", model: str = MODEL) -> dict[str, Any]:
    """Return the scenario that is played."""
    return {
        "model": model,
        "max_tokens": 1024,
        "cache": cache,
        "system": SYSTEM,
        "cases": [
            {"id": f"case-{number:02}", "vars": {"item": f"item {number:02}"}} for number in range(cases)
        ],
        "turns": [{"user": asked, "example": REPLY.format(subject)} for asked, subject in TURNS],
    }


def play(folder: Path, faults: str, *, cache: str = "auto", options: Sequence[str] = ()) -> Played:
    """Play it once and return what its replies used and how long their requests took, from first to last."""
    file = folder / "returns.yaml"
    file.write_text(json.dumps(scenario(cache=cache)))
    out = folder / f"run-{time.monotonic_ns()}"
    command = [COMMAND, str(file), "--simulate", "-o", str(out), "-q", *options]
    done = subprocess.run(
        [*command, *(["--faults", faults] if faults else [])], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command}: code {done.returncode}: {done.stderr[-2000:]}")
    lines = (out / "transcripts.jsonl").read_text().splitlines()
    summary = json.loads((out / "summary.json").read_text())
    return Played(
        [
            [turn["usage"] for turn in json.loads(line)["turns"] if turn["usage"] is not None]
            for line in lines
        ],
        wall_s=summary["duration_s"],
    )


class Played:
    """The usage of the replies of a run, conversation by conversation, and its wall time."""

    def __init__(self, usages: Sequence[Sequence[dict[str, int]]], *, wall_s: float) -> None:
        self.usages = usages
        self.wall_s = wall_s

    @property
    def cost(self) -> Decimal:
        """What the prompts cost."""
        return price(
            PromptUse(
                fresh=used["input_tokens"],
                written=used["cache_creation_input_tokens"] or 0,
                read=used["cache_read_input_tokens"] or 0,
            )
            for usages in self.usages
            for used in usages
        )

    @property
    def best(self) -> Decimal:
        """What they would cost where the cache can be read at once, and everybody knew who comes next."""
        return price(
            use
            for number, usages in enumerate(self.usages)
            for use in best_use(
                [_prompt(used) for used in usages],
                shared=block_tokens({"type": "text", "text": SYSTEM}),
                leads=number == 0,
                least=min_cache_tokens(MODEL),
            )
        )

    @property
    def best_of_late(self) -> Decimal:
        """The same where no conversation can read what it has just said: then nobody writes it."""
        shared = block_tokens({"type": "text", "text": SYSTEM})
        first = (0, 0)
        return price(
            PromptUse(fresh=_prompt(used) - shared, written=shared, read=0)
            if (number, turn) == first
            else PromptUse(fresh=_prompt(used) - shared, written=0, read=shared)
            for number, usages in enumerate(self.usages)
            for turn, used in enumerate(usages)
        )

    @property
    def best_of_missed(self) -> Decimal:
        """The same where the cache gave nothing to the requests that read nothing.

        None of them could know that: what it would have read is written, but for what nobody reads later.
        """
        shared = block_tokens({"type": "text", "text": SYSTEM})
        uses: list[PromptUse] = []
        for number, usages in enumerate(self.usages):
            prompts = [_prompt(used) for used in usages]
            planned = best_use(prompts, shared=shared, leads=number == 0, least=min_cache_tokens(MODEL))
            for used, use in zip(usages, planned, strict=True):
                denied = use.read > 0 and not used["cache_read_input_tokens"]
                uses.append(
                    PromptUse(fresh=use.fresh, written=use.written + use.read, read=0) if denied else use
                )
        return price(uses)

    def ratio(self, bound: Decimal) -> float:
        """Return the cost of the run, replies included, beside that of prompts at a bound."""
        return float((self.cost + self.replies) / (bound + self.replies))

    def cost_ratio(self, bound: Decimal) -> float:
        """Return the cost of the prompts alone beside a bound."""
        return float(self.cost / bound)

    @property
    def replies(self) -> Decimal:
        """What the replies cost, which is the same however the prompts are paid for."""
        output = list_prices(MODEL)[0].output
        assert output is not None
        return sum(used["output_tokens"] for usages in self.usages for used in usages) * output / 1_000_000

    @property
    def uncached(self) -> Decimal:
        """What they would cost without a cache."""
        return price(
            PromptUse(fresh=_prompt(used), written=0, read=0) for usages in self.usages for used in usages
        )


def price(uses: Iterable[PromptUse], model: str = MODEL) -> Decimal:
    """Return what prompts cost in USD; writing for five minutes costs 1.25 times."""
    tier = list_prices(model)[0]
    assert tier.input is not None
    assert tier.cache_read is not None
    total = sum(uses, PromptUse(fresh=0, written=0, read=0))
    paid = (
        total.fresh * tier.input + total.written * tier.input * Decimal("1.25") + total.read * tier.cache_read
    )
    return paid / 1_000_000


def _prompt(used: dict[str, int]) -> int:
    written, read = used["cache_creation_input_tokens"], used["cache_read_input_tokens"]
    return used["input_tokens"] + (written or 0) + (read or 0)

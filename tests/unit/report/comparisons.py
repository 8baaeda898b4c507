"""Comparisons built by hand for the tests of report: two runs in short, and one of each verdict."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_run.conversation.identity import PARTS, Identity
from claude_run.conversation.sample import Sample, Setup
from claude_run.verdict.basics import ComparisonRules
from claude_run.verdict.comparison import Arm, Comparison, compare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.scenario.json_values import JsonObject

_RESULTS = {"1": True, "0": False, "?": None}
GOOD = "You can return it within 30 days of delivery.\nWhat is the order number?"
BAD = "You can return it within 14 days of delivery, I guarantee it.\nWhat is the order number?"


def sample(case: str, *, passed: bool | None = True, repeat: int | None = None, **fields: Any) -> Sample:
    """Build a sample; what passed says 30 days, what failed promises more."""
    number = repeat or 1
    defaults: dict[str, Any] = {
        "cost_usd": Decimal("0.00084") + Decimal(number + len(case)) / 100_000,
        "latency_s": 0.8 + 0.1 * (number + len(case) % 3) + (0.0 if passed else 0.4),
        "input_tokens": 204 + len(case),
        "output_tokens": 31 + number,
        "output_chars": 80 + number,
        "replies": ("Hello. How can I help?", GOOD if passed else BAD),
        "asked": ("Hello.", "I want my money back.\nWhat do I do?"),
        "failures": () if passed else ("turn 2: the reply does not contain '30 days'",),
    }
    parts = {name: fields.pop(name) for name in PARTS if name in fields}
    identity = Identity.of(
        **{
            "scenario": "refund",
            "path": "scenarios/refund.yaml",
            "case": case,
            "model": "claude-haiku-5-5",
            "model_label": "claude-haiku-5-5",
            "repeat": repeat,
            **parts,
        }
    )
    return Sample(identity=identity, passed=passed, **{**defaults, **fields})


def arm(name: str, marks: Mapping[str, str], **fields: Any) -> Arm:
    """Read `{"phone": "110?"}`: passed, passed, failed, not measured; one mark is not a repeat."""
    samples = [
        sample(case, passed=_RESULTS[mark], repeat=place if len(results) > 1 else None, **fields)
        for case, results in marks.items()
        for place, mark in enumerate(results, start=1)
    ]
    return Arm(name=name, samples=tuple(samples))


def numbered(marks: str, *, prefix: str = "case") -> dict[str, str]:
    """Name groups of marks, apart by spaces, by their place: `case-01`, `case-02`."""
    return {f"{prefix}-{place:02}": group for place, group in enumerate(marks.split(), start=1)}


def regressed() -> Comparison:
    """18 of 20 cases became 11 of 20, one sample each, and the new prompt costs more."""
    before = numbered("1 " * 18 + "0 0")
    after = numbered("1 " * 10 + "0 " * 8 + "1 0")
    dear = {"cost_usd": Decimal("0.0021"), "output_tokens": 64}
    return compare(arm("main", before), [arm("v2", after, **dear)], ComparisonRules())


def improved() -> Comparison:
    """Three repeats of 16 cases; six that failed now pass, one case is flaky on both sides."""
    before = numbered("111 " * 9 + "101 " + "000 " * 5 + "100")
    after = numbered("111 " * 9 + "110 " + "111 " * 5 + "111")
    return compare(arm("2026-11-20 run", before), [arm("2026-11-23 run", after)], ComparisonRules())


def unchanged() -> Comparison:
    """40 cases that pass on both sides."""
    return compare(arm("main", numbered("1 " * 40)), [arm("v2", numbered("1 " * 40))], ComparisonRules())


def inconclusive() -> Comparison:
    """Too few cases to tell, and some without a partner on either side, or without a result."""
    before = {**numbered("110 111 101"), "lost": "??", "old": "111"}
    after = {**numbered("100 110 101"), "lost": "11", "new": "111", "newer": "110"}
    return compare(arm("main", before), [arm("v2", after)], ComparisonRules())


def nothing() -> Comparison:
    """Two runs without a case in common."""
    return compare(arm("main", {"a": "1"}), [arm("v2", {"b": "1"})], ComparisonRules())


def many() -> Comparison:
    """Three models against the first: one worse, one better, one of which nobody can tell."""
    before = numbered("1 " * 12 + "0 " * 8)
    arms = {
        "claude-opus-5-5": numbered("1 " * 20),
        "claude-mini": numbered("0 " * 10 + "1 1 " + "0 " * 8),
        "claude-odd": numbered("1 " * 11 + "0 1 " + "0 " * 7),
    }
    return compare(
        arm("claude-haiku-5-5", before),
        [arm(name, marks, model=name, model_label=name) for name, marks in arms.items()],
        ComparisonRules(),
    )


def unlike() -> Comparison:
    """Two models of which one was given more room, and in one case a temperature."""
    small: dict[str, JsonObject] = {case: {"max_tokens": 512} for case in "abc"}
    large: dict[str, JsonObject] = {case: {"max_tokens": 2048} for case in "ab"}
    large["c"] = {"max_tokens": 2048, "temperature": 0.2}
    rows = [
        Arm(
            name=name,
            samples=tuple(
                sample(case, model=name, model_label=name, setup=Setup.of(params, "Be kind.", []))
                for case, params in by_case.items()
            ),
        )
        for name, by_case in (("haiku", small), ("opus", large))
    ]
    return compare(rows[0], rows[1:], ComparisonRules())


def hostile(text: str) -> Comparison:
    """Build two changed cases with the text wherever others can write: names, cases, replies, failures."""
    fields: dict[str, Any] = {"failures": (text,), "scenario": text, "asked": (text, text)}
    setups = [Setup.of({f"p{text}": f"{text}{side}"}, text, []) for side in (0, 1)]
    before = [
        *(
            sample(case, replies=(text,), setup=setups[0], **fields)
            for case in (f"{text}", f"{text}2", f"{text}3")
        ),
        sample(f"{text}old", **fields),
    ]
    after = [
        sample(f"{text}", passed=False, replies=(f"{text} {text}", text), setup=setups[1], **fields),
        sample(f"{text}2", passed=False, replies=(f"not\n{text}",), **fields),
        sample(f"{text}3", replies=(text,), **fields),
        sample(f"{text}new", **fields),
    ]
    return compare(
        Arm(name=text, samples=tuple(before)), [Arm(name=text, samples=tuple(after))], ComparisonRules()
    )

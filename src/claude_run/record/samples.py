"""The samples of a run, read the short way: from `transcripts.jsonl` where it is as new as the journal."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_run.conversation.identity import Identity
from claude_run.conversation.results import Outcome, Status
from claude_run.conversation.sample import Sample
from claude_run.record.derive import read_played
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from claude_run.record.folder import RunFolder


def read_samples(folder: RunFolder) -> tuple[Sample, ...]:
    """Return the samples of a run in the order of its plan; conversations never started are left out.

    The derived file says the same as the journal and is read several times as fast. It is trusted only where
    it was written after the journal's last line and has a line for each planned conversation.
    """
    planned = len(folder.read_run().conversations)
    if _is_fresh(folder.transcripts, folder.journal):
        try:
            lines = [read_json(line) for line in folder.transcripts.read_bytes().split(b"\n") if line]
            if len(lines) == planned:
                return tuple(_sample(line) for line in lines if line["outcome"] != Outcome.SKIPPED)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            pass  # changed by hand: the journal below is the truth
    transcripts = (record.transcript for record in read_played(folder).records)
    played = (each for each in transcripts if each is not None and each.outcome is not Outcome.SKIPPED)
    return tuple(map(Sample.of, played))


def _is_fresh(derived: Path, journal: Path) -> bool:
    try:
        return derived.stat().st_mtime_ns >= journal.stat().st_mtime_ns
    except OSError:
        return False


def _sample(line: Mapping[str, Any]) -> Sample:
    answered = [turn for turn in line["turns"] if turn["reply"] is not None]
    usage, outcome = line["usage"], line["outcome"]
    prompt = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return Sample(
        identity=Identity.from_parts(line, name=line["conversation_id"]),
        passed={Outcome.PASSED: True, Outcome.FAILED: False}.get(outcome),
        cost_usd=None if line["cost_usd"] is None else Decimal(str(line["cost_usd"])),
        latency_s=sum(turn["latency_s"] for turn in answered) if answered else None,
        input_tokens=sum(usage[name] or 0 for name in prompt),
        output_tokens=usage["output_tokens"],
        output_chars=sum(len(turn["reply"]["text"]) for turn in answered),
        replies=tuple(turn["reply"]["text"] for turn in answered),
        failures=tuple(_failures(line)),
    )


def _failures(line: Mapping[str, Any]) -> Iterator[str]:
    for turn in line["turns"]:
        yield from (f"turn {turn['index']}: {message}" for message in _failed(turn["checks"]))
    yield from _failed(line["checks"])


def _failed(checks: list[dict[str, Any]]) -> Iterator[str]:
    return (check["message"] for check in checks if check["status"] == Status.FAILED)

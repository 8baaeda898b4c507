"""A run as one page for a browser: `report.html`, which needs nothing beside itself and loads nothing.

The page holds an index of all conversations and, packed in chunks, what was said in them: JSON, gzipped, in
base64, read when it is looked at. A script of this package (`report/page/`) makes all that is seen of it, as
text only. Its policy (Content-Security-Policy) allows that script and its style by their hashes, and denies
all that loads.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from functools import cache
from importlib import resources
from statistics import median
from typing import TYPE_CHECKING, Any

from claude_run.conversation.results import Outcome, Status
from claude_run.report.run.formats import PAGE
from claude_run.report.run.gate import gate_report
from claude_run.report.run.reasons import check_rows, reasons, turn_state
from claude_run.report.text.blocks import content_parts, one_text, truncate, value_text
from claude_run.report.text.numbers import seconds
from claude_run.report.text.safe import html_text
from claude_run.verdict.intervals import wilson_of_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from claude_run.conversation.exchange import Exchange
    from claude_run.conversation.identity import Identity
    from claude_run.conversation.results import CheckResult
    from claude_run.conversation.transcript import Transcript, TurnRecord
    from claude_run.record.derive import Played
    from claude_run.record.records import Record
    from claude_run.record.summary import RunSummary
    from claude_run.report.run.facts import RunFacts
    from claude_run.scenario.json_values import Json

    Row = dict[str, Any]

_CHUNK = 100
"""How many conversations are packed together: one that is looked at brings that many along."""

_LONG = 2_000
"""Characters from which on a text stands apart, once for all conversations that hold it."""

_QUESTION = 200
_REDACTED = " data-redacted"
_REASON = 300
_SCRIPTS = ("vendor/ui.js", "reading.js", "words.js", "charts.js", "matrix.js", "talk.js", "page.js")
_NO_NEWS = frozenset({"same", "unmeasured"})
_GRAVEST = ("broke", "worse", "unclear", "flaky", "edited", "new", "better")
"""What became of a case since it was accepted: a row shows the gravest of its models and variants."""

_ONE_ATTEMPT = "95 % intervals are Wilson's, over conversations."
_REPEATED = "95 % intervals are Wilson's, over cases: the repeats of a case count as one."


def run_html(played: Played, facts: RunFacts, *, redacted: bool = False) -> Iterator[bytes]:
    """Yield the page piece by piece, in UTF-8; where it is `redacted` without a word of what was said."""
    style, script = _style(), _script()
    yield _HEAD.format(
        mark=_REDACTED if redacted else "",
        title=html_text(f"{facts.verdict}: {played.summary.run.name}"),
        style_hash=_digest(style),
        script_hash=_digest(script),
        style=style,
    ).encode()

    # What was said, chunk by chunk; its index comes last, and with it the script that reads both. A long text
    # stands in the chunk of the first conversation that holds it: conversations share their system prompts.
    rows: list[Row] = []
    places: dict[bytes, tuple[int, int]] = {}
    pieces = played.pieces(PAGE, lambda record: conversation_piece(record, redacted=redacted))
    for number, chunk in enumerate(_chunks(pieces)):
        talks: list[bytes] = []
        texts: list[bytes] = []
        for piece in chunk:
            row, talk, *found = piece.split(b"\n")
            rows.append(json.loads(row))
            named = []
            for text in found:
                digest = hashlib.sha256(text).digest()
                if digest not in places:
                    places[digest] = (number, len(texts))
                    texts.append(text)
                named.append(places[digest])
            talks.append(b'{"long":%s,%s' % (_json(named), talk[1:]))
        packed = b'{"texts":[%s],"talks":[%s]}' % (b",".join(texts), b",".join(talks))
        yield _block(f"talks-{number}", packed)
    accepted = {} if redacted else _accepted(played)
    yield _block("accepted", _json(accepted))
    yield _block("index", _json(_index(played, facts, rows, accepted=accepted, redacted=redacted)))
    yield f"<script>{script}</script>\n</body>\n</html>\n".encode()


def page_draft(*, redacted: bool) -> bytes:
    """Return what stands in the place of the page while the run is played."""
    return f"""<!DOCTYPE html>
<html lang="en"{_REDACTED if redacted else ""}>
<head><meta charset="utf-8"><title>A run that is played</title></head>
<body><p>This run is not over, or was cut off: <code>claude-run open</code> makes its page.</p></body>
</html>
""".encode()


def is_redacted(head: bytes) -> bool:
    """Return whether a page that begins so was made without what was said."""
    return _REDACTED.encode() in head


def conversation_piece(record: Record, *, redacted: bool = False) -> bytes:
    """Return what the page holds of a conversation: a line for its index, and a line of what was said.

    Each of its long texts is a line more, and is named in what was said by its number.
    """
    transcript, texts = record.transcript, _Texts()
    planned = record.planned
    row: Row = {
        "id": planned.id,
        "cell": planned.case_name,
        "fresh": planned.confirm is not None,
        "scenario": planned.scenario,
        "case": planned.case,
        "variant": planned.variant,
        "model": planned.model_label,
        "attempt": _attempt(planned),
        "outcome": str(record.outcome),
        "cost": _number(record.figures.cost_usd) if record.figures else None,
        "latency": _latency(transcript),
        "tags": [] if transcript is None else list(transcript.started.tags),
        "question": "" if transcript is None or redacted else _question(transcript),
        "reason": None if transcript is None else _reason(transcript, redacted=redacted),
    }
    talk: Row = {"turns": [], "error": None}
    if transcript is not None:
        talk = _talk(transcript, texts, redacted=redacted)
    return b"\n".join([_json(row), _json(talk), *texts.lines])


class _Texts:
    """The long texts of one conversation, as lines of JSON."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def shorten(self, body: str) -> Json:
        """Return a text as it is, or the number of a long one."""
        if len(body) < _LONG:
            return body
        self.lines.append(_json(body))
        return len(self.lines) - 1


def _latency(transcript: Transcript | None) -> float | None:
    if transcript is None or not transcript.exchanges:
        return None
    return sum(each.latency_s for each in transcript.exchanges)


def _index(
    played: Played, facts: RunFacts, rows: Sequence[Row], *, accepted: Mapping[str, Json], redacted: bool
) -> Row:
    """Return what the page shows at once: the run, its models and variants, and a line per conversation."""
    gate = played.summary.gate
    changed = {
        case.name: case.standing for case in (gate.cases if gate else ()) if case.standing not in _NO_NEWS
    }
    arms: dict[tuple[str | None, str], list[Row]] = {}
    cases: dict[tuple[str, str | None], Row] = {}
    for row in rows:
        arms.setdefault((row["variant"], row["model"]), []).append(row)
        case = cases.setdefault(
            (row["scenario"], row["case"]),
            {
                "scenario": row["scenario"],
                "name": row["scenario"] if row["case"] is None else row["case"],
                "tags": row["tags"],
                "question": row["question"],
                "changed": None,
            },
        )
        case["tags"] = case["tags"] or row["tags"]
        case["question"] = case["question"] or row["question"]
        standings = [each for each in (case["changed"], changed.get(row["cell"])) if each is not None]
        case["changed"] = min(standings, key=_gravity, default=None)
    arm_places = {key: place for place, key in enumerate(arms)}
    case_places = {key: place for place, key in enumerate(cases)}
    return {
        "chunk": _CHUNK,
        "run": _run(played, facts, rows, redacted=redacted),
        "arms": [_arm(name, arms[key]) for key, name in _arm_names(arms).items()],
        "scenarios": list(dict.fromkeys(row["scenario"] for row in rows)),
        "cases": list(cases.values()),
        "accepted": list(accepted),
        "conversations": [
            {
                "id": row["id"],
                "cell": row["cell"],
                "case": case_places[row["scenario"], row["case"]],
                "arm": arm_places[row["variant"], row["model"]],
                "attempt": row["attempt"],
                "outcome": row["outcome"],
                "cost": row["cost"],
                "latency": row["latency"],
                "reason": row["reason"],
                "changed": changed.get(row["cell"]),
            }
            for row in rows
        ],
    }


def _gravity(standing: str) -> int:
    return _GRAVEST.index(standing) if standing in _GRAVEST else len(_GRAVEST)


def _run(played: Played, facts: RunFacts, rows: Iterable[Row], *, redacted: bool) -> Row:
    summary, gate = played.summary, gate_report(played)
    word, _, _ = facts.verdict.partition(" (")
    passed = int(summary.exit_code) == 0
    return {
        "name": summary.run.name,
        "version": summary.run.claude_run,
        "redacted": redacted,
        "state": "passed" if passed else "failed" if int(summary.exit_code) == 1 else "errored",
        "word": gate.word if gate else word,
        "headline": gate.headline if gate else summary.exit_reason,
        "advice": gate.advice if gate else None,
        "notices": list(facts.notices()),
        "facts": [("Started", _started(summary)), *facts.lines()],
        "gate": [] if gate is None else [*gate.lines, *gate.numbers],
        "compared": summary.gate is not None,
        "interval": _REPEATED if any(row["attempt"] for row in rows) else _ONE_ATTEMPT,
    }


def _started(summary: RunSummary) -> str:
    at = summary.run.created_at.partition(".")[0].rstrip("Z").replace("T", " ")
    return f"{at} UTC, took {seconds(summary.duration_s)}"


def _arm_names(arms: Iterable[tuple[str | None, str]]) -> Mapping[tuple[str | None, str], str]:
    """Return what each model and variant is called: by what differs between them."""
    keys = list(arms)
    several_models = len({model for _, model in keys}) > 1
    several_variants = len({variant for variant, _ in keys}) > 1
    names = {}
    for variant, model in keys:
        parts = [model if several_models or not several_variants else None]
        parts.append(variant if several_variants else None)
        names[variant, model] = " · ".join(part for part in parts if part is not None) or model
    return names


def _arm(name: str, rows: Sequence[Row]) -> Row:
    """Add up what a model or variant did. Its pass rate is the mean over cases of the share that passed.

    Fresh attempts, which a gate has made of cases that looked broken, count in what all of it cost alone.
    """
    begun = [row for row in rows if row["outcome"] != Outcome.SKIPPED or row["cost"] is not None]
    total = None if any(row["cost"] is None for row in begun) else sum(row["cost"] for row in begun)
    rows = [row for row in rows if not row["fresh"]]
    measured: dict[tuple[str, str | None], list[bool]] = {}
    for row in rows:
        if row["outcome"] in {Outcome.PASSED, Outcome.FAILED}:
            key = (row["scenario"], row["case"])
            measured.setdefault(key, []).append(row["outcome"] == Outcome.PASSED)
    rate = low = high = None
    if measured:
        rate = sum(sum(each) / len(each) for each in measured.values()) / len(measured)
        interval = wilson_of_share(rate, len(measured))
        low, high = interval.lower, interval.upper
    costs = [row["cost"] for row in rows if row["outcome"] != Outcome.SKIPPED]
    known = bool(costs) and None not in costs
    times = [row["latency"] for row in rows if row["latency"] is not None]
    return {
        "name": name,
        "passed": sum(map(sum, measured.values())),
        "measured": sum(map(len, measured.values())),
        "cases": len(measured),
        "rate": rate,
        "low": low,
        "high": high,
        "cost": sum(costs) / len(costs) if known else None,
        "total": total,
        "latency": median(times) if times else None,
    }


def _accepted(played: Played) -> dict[str, Json]:
    gate = played.summary.gate
    return {case.name: list(case.before) for case in (gate.cases if gate else ()) if case.before}


def _attempt(planned: Identity) -> str | None:
    if planned.confirm is not None:
        return f"confirm #{planned.confirm}"
    return None if planned.repeat is None else f"#{planned.repeat}"


def _question(transcript: Transcript) -> str:
    asked = next((turn for turn in transcript.turns if turn.role == "user"), None)
    text = "" if asked is None else one_text(asked.content, transcript.started.files)
    return " ".join(text[: 2 * _QUESTION].split())[:_QUESTION]


def _reason(transcript: Transcript, *, redacted: bool) -> str | None:
    found = reasons(transcript)
    if not found:
        return None
    where = _kind(found[0].check) if redacted and found[0].check else found[0].where
    return where if redacted else truncate(f"{where}: {found[0].message}", _REASON)


def _kind(check: CheckResult) -> str:
    return check.kind + (" (must)" if check.must else "")


def _talk(transcript: Transcript, texts: _Texts, *, redacted: bool) -> Row:
    started = transcript.started
    notes = [name for name in ("simulated", "replayed") if getattr(transcript, name)]
    return {
        "model": started.identity.model,
        "started": started.at,
        "notes": notes,
        "error": None if redacted else transcript.error,
        "wrong": []
        if redacted
        else [f"{each.where}: {each.message} ({each.place})" for each in reasons(transcript)],
        "warnings": [] if redacted else list(transcript.warnings),
        "given": [] if redacted else list(_given(transcript)),
        "system": [] if redacted or not started.system else _parts(started.system, texts),
        "turns": [_turn(transcript, turn, texts, redacted=redacted) for turn in transcript.turns],
        "checks": _checks(transcript.checks, redacted=redacted),
    }


def _given(transcript: Transcript) -> Iterator[tuple[str, str]]:
    started = transcript.started
    yield "scenario file", started.identity.path
    if started.tags:
        yield "tags", ", ".join(started.tags)
    for name, value in started.vars.items():
        yield name, value_text(value)
    for name, value in started.params.items():
        yield name, truncate(value_text(value), 2_000)


def _turn(transcript: Transcript, turn: TurnRecord, texts: _Texts, *, redacted: bool) -> Row:
    state = turn_state(transcript.turns, turn)
    unsent = state in {"skipped", "left out"}
    return {
        "number": turn.number,
        "role": turn.role,
        "note": "" if state == "answered" else state,
        "said": [] if redacted or unsent else _parts(turn.content, texts, transcript.started.files),
        "rounds": [_round(transcript, each, texts, redacted=redacted) for each in turn.exchanges],
        "text": "" if redacted else texts.shorten(turn.text),
        "checks": _checks(turn.checks, redacted=redacted),
    }


def _round(transcript: Transcript, exchange: Exchange, texts: _Texts, *, redacted: bool) -> Row:
    reply, files = exchange.reply, transcript.started.files
    usage = reply.usage
    return {
        "results": []
        if redacted or not exchange.tool_results
        else _parts(exchange.tool_results, texts, files),
        "parts": [] if redacted else _parts(reply.content, texts),
        "model": reply.model,
        "stop": reply.stop_reason,
        "input": usage.input_total,
        "read": usage.cache_read_input_tokens,
        "written": usage.cache_creation_input_tokens,
        "output": usage.output_tokens,
        "cost": _number(exchange.cost_usd),
        "latency": exchange.latency_s,
        "attempts": exchange.attempts,
        "request": exchange.request_id,
    }


def _parts(content: Json, texts: _Texts, files: Mapping[str, str] | None = None) -> list[Json]:
    return [
        {"kind": part.kind, "title": part.title, "body": texts.shorten(part.body), "fold": part.fold}
        for part in content_parts(content, files)
    ]


def _checks(checks: Iterable[CheckResult], *, redacted: bool) -> list[Json]:
    return [
        {
            "depth": row.depth,
            "status": str(row.check.status),
            "title": _kind(row.check) if redacted else row.title,
            "message": "" if redacted else row.check.message,
            "expected": None if redacted else _value(row.check.expected, row.check.status),
            "actual": None if redacted else _value(row.check.actual, row.check.status),
            "place": row.place,
        }
        for row in check_rows(checks)
    ]


def _value(value: Json, status: Status) -> str | None:
    return None if value is None or status is Status.PASSED else truncate(value_text(value), 2_000)


def _number(amount: Any) -> float | None:  # noqa: ANN401 - a Decimal, or nothing
    return None if amount is None else float(amount)


def _chunks(pieces: Iterator[bytes]) -> Iterator[Sequence[bytes]]:
    chunk: list[bytes] = []
    for piece in pieces:
        chunk.append(piece)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _json(value: object) -> bytes:
    # ASCII: a lone surrogate stays what it is, and JSON of one line stays one.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _block(name: str, data: bytes) -> bytes:
    """Return data that a script of the page reads; base64 has no sign that ends a block."""
    packed = base64.b64encode(gzip.compress(data, 6, mtime=0))
    return b'<script type="application/gzip" id="%s">%s</script>\n' % (name.encode(), packed)


@cache
def _script() -> str:
    parts = (_source(name) for name in _SCRIPTS)
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"


@cache
def _style() -> str:
    return _source("page.css")


def _source(name: str) -> str:
    return resources.files("claude_run.report").joinpath("page", *name.split("/")).read_text("utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_HEAD = """<!DOCTYPE html>
<html lang="en"{mark}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{style_hash}'; \
script-src 'sha256-{script_hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="page"><main><p>Reading the run. Without JavaScript read <code>summary.md</code> and \
<code>transcripts.md</code> beside this file.</p></main></div>
"""

"""JUnit XML, as GitLab, Jenkins and GitHub's reporters read it: a suite per scenario file, a test per conversation.

A conversation that failed and is tolerated, by its pass rate or by the gate, is `skipped` as an expected
failure is in pytest, so that the report and the exit code say the same.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from claude_run.conversation.results import Outcome, Status
from claude_run.conversation.transcript import total_cost
from claude_run.conversation.usage import Usage, total
from claude_run.record.codec import money
from claude_run.report import wording
from claude_run.report.blocks import excerpt, words
from claude_run.report.reasons import check_rows, reasons
from claude_run.report.tolerance import Tolerance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.record.transcripts import Record
    from claude_run.report.reasons import Reason
    from claude_run.scenario.model import Position

_REPLY = 2000
_NOT_MEASURED = "not measured"
# What XML 1.0 forbids (C0 but tab and line feed, surrogates, U+FFFE and U+FFFF), a carriage return, which every
# reader turns into a line feed, and what it allows and nobody can see: C1, direction marks, zero width.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe-\uffff\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def junit_xml(played: Played) -> bytes:
    """Return the run as JUnit XML in UTF-8.

    A failed check is a `failure`, what could not be measured an `error`, what was never played `skipped`.
    Details stand in the text of an element too, because GitLab shows that and not `message`. Usage, cost and
    whether replies were simulated are `properties` of the suites.
    """
    suites: dict[str, list[Record]] = {}
    for record in played.records:
        suites.setdefault(record.planned.path, []).append(record)
    writer = _Writer(played)
    root = ET.Element("testsuites", _clean(_root_attributes(played)))
    for path, records in suites.items():
        root.append(writer.suite(path, records))
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def xml_text(text: str) -> str:
    """Return the text with everything that XML 1.0 forbids, and what cannot be seen, as `#x1B`."""
    return _UNSEEN.sub(lambda match: f"#x{ord(match.group()):02X}", text)


class _Writer:
    """Makes the elements of one run; it knows which names it has given, because GitLab drops the second."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._tolerance = Tolerance(played)
        self._names: set[tuple[str, str]] = set()

    def suite(self, path: str, records: Sequence[Record]) -> ET.Element:
        transcripts = [record.transcript for record in records if record.transcript]
        cases = [self._case(record) for record in records]
        attributes = {
            "name": path,
            "tests": str(len(cases)),
            **_counts(cases),
            "time": _time(sum(transcript.duration_s or 0 for transcript in transcripts)),
            "timestamp": min((transcript.started.at for transcript in transcripts), default=""),
        }
        suite = ET.Element("testsuite", _clean(attributes))
        properties = ET.SubElement(suite, "properties")
        for name, value in self._facts(transcripts):
            ET.SubElement(properties, "property", _clean({"name": name, "value": value}))
        suite.extend(cases)
        return suite

    def _case(self, record: Record) -> ET.Element:
        planned, transcript = record.planned, record.transcript
        classname = re.sub(r"\.ya?ml$", "", planned.path)
        attributes = {
            "classname": classname,
            "name": self._name(classname, _name(record)),
            "time": _time(transcript.duration_s if transcript else None),
            "file": planned.path,
            **_line(transcript),
        }
        case = ET.Element("testcase", _clean(attributes))
        case.extend(self._results(record))
        return case

    def _name(self, classname: str, name: str) -> str:
        """Return a name that no other test has; two may be the same once they are made safe."""
        unique, number = xml_text(name), 1
        while (xml_text(classname), unique) in self._names:
            number += 1
            unique = f"{xml_text(name)} ({number})"
        self._names.add((xml_text(classname), unique))
        return unique

    def _results(self, record: Record) -> Iterator[ET.Element]:
        transcript, tolerated = record.transcript, self._tolerance.reason(record)
        if transcript is None or record.outcome is Outcome.SKIPPED:
            said = transcript.error if transcript else None
            reason = said or f"never started: {self._played.summary.exit_reason}"
            yield ET.Element("skipped", _clean({"message": excerpt(reason)}))
        elif tolerated is not None:
            message = f"failed, and is tolerated: {tolerated}"
            yield _detailed("skipped", transcript, _clean({"message": excerpt(message)}))
        elif record.outcome is not Outcome.PASSED:
            yield _wrong(transcript)

    def _facts(self, transcripts: Sequence[Transcript]) -> Iterator[tuple[str, str]]:
        run = self._played.summary.run
        yield "claude_run", run.claude_run
        yield "models", ", ".join(dict.fromkeys(transcript.started.model for transcript in transcripts))
        usage = total(transcript.usage for transcript in transcripts)
        for field in fields(Usage):
            tokens = getattr(usage, field.name)
            if tokens is not None:
                yield field.name, str(tokens)
        yield "cost_usd", _usd(transcripts, "cost_usd")
        if any(transcript.judgements for transcript in transcripts):
            yield "judge_cost_usd", _usd(transcripts, "judge_cost_usd")
        yield "uncertain_cost_usd", _usd(transcripts, "uncertain_usd")
        yield "simulated", _yes(any(transcript.simulated for transcript in transcripts))
        yield "replayed", _yes(any(transcript.replayed for transcript in transcripts))


def _root_attributes(played: Played) -> dict[str, str]:
    summary = played.summary
    cases = summary.totals.conversations
    said = [text for text in (wording.simulated(played), wording.replayed(played)) if text]
    name = " ".join([summary.run.name, *(f"({text})" for text in said)])
    return {"name": name, "tests": str(cases), "time": _time(summary.duration_s)}


def _counts(cases: Sequence[ET.Element]) -> dict[str, str]:
    names = (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    return {name: str(sum(case.find(tag) is not None for case in cases)) for name, tag in names}


def _wrong(transcript: Transcript) -> ET.Element:
    found = reasons(transcript)
    is_error = transcript.outcome is Outcome.ERRORED
    first = _deciding(found) if found else None
    tag = "error" if is_error else "failure"
    kind = first.check.kind if first and first.check else _NOT_MEASURED
    message = f"{first.where}: {first.message}" if first else str(transcript.outcome)
    return _detailed(tag, transcript, _clean({"message": excerpt(message), "type": kind}))


def _detailed(tag: str, transcript: Transcript, attributes: dict[str, str]) -> ET.Element:
    element = ET.Element(tag, attributes)
    element.text = xml_text("\n".join(_details(transcript)))
    return element


def _details(transcript: Transcript) -> Iterator[str]:
    for reason in reasons(transcript):
        yield f"{reason.where}: {excerpt(reason.message, _REPLY)}"
        yield f"  at {reason.place}"
        if reason.check is None:
            continue
        for name, value in (("expected", reason.check.expected), ("actual", reason.check.actual)):
            if value is not None:
                yield f"  {name} {excerpt(words(value))}"
        for row in check_rows(reason.check.children, 1):
            yield f"{'  ' * row.depth}- {row.check.status} {row.title}: {excerpt(row.check.message)}"
    wrong = {reason.turn for reason in reasons(transcript)}
    for turn in transcript.turns:
        if turn.exchanges and (turn.index in wrong or None in wrong):
            yield f"reply {turn.index}: {excerpt(turn.text, _REPLY) or '(no text)'}"


def _deciding(found: Sequence[Reason]) -> Reason:
    """Return what made the outcome: not measured outweighs failed."""
    return next((reason for reason in found if reason.status is Status.ERRORED), found[0])


def _line(transcript: Transcript | None) -> dict[str, str]:
    """Return the line of the expectation that decided, or of the first one; nothing where there is none."""
    position = _position(transcript) if transcript else None
    return {} if position is None else {"line": str(position.line)}


def _position(transcript: Transcript) -> Position | None:
    wrong = [reason.check for reason in reasons(transcript) if reason.check]
    first = [check for turn in transcript.turns for check in turn.checks]
    return next((check.position for check in (*wrong, *first, *transcript.checks)), None)


def _name(record: Record) -> str:
    planned = record.planned
    parts = "/".join(part for part in (planned.scenario, planned.case, planned.variant) if part)
    repeat = "" if planned.repeat is None else f" #{planned.repeat}"
    return f"{parts} [{planned.model_label}]{repeat}"


def _usd(transcripts: Sequence[Transcript], name: str) -> str:
    return money(total_cost(getattr(transcript, name) for transcript in transcripts)) or "unpriced"


def _clean(attributes: dict[str, str]) -> dict[str, str]:
    return {name: xml_text(value) for name, value in attributes.items()}


def _time(seconds: float | None) -> str:
    return f"{seconds or 0:.3f}"


def _yes(value: bool) -> str:  # noqa: FBT001 - the value itself is what is spelt
    return "true" if value else "false"

"""JUnit XML for GitLab, Jenkins and others: a suite per scenario file, a test per conversation.

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
from claude_run.report.run.reasons import check_rows, reasons
from claude_run.report.text.blocks import MAX_EXCERPT, truncate, value_text
from claude_run.report.text.safe import xml_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.conversation.results import CheckResult
    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.record.transcripts import Record
    from claude_run.report.run.facts import RunFacts
    from claude_run.report.run.reasons import Reason

_REPLY = 2000
_NOT_MEASURED = "not measured"


def junit_xml(played: Played, facts: RunFacts) -> Iterator[bytes]:
    """Yield the run as JUnit XML in UTF-8.

    A failed check is a `failure`, what could not be measured an `error`, what was never played `skipped`.
    Details stand in the text of an element too, because GitLab shows that and not `message`. Usage, cost and
    whether replies were simulated are `properties` of the suites.
    """
    suites: dict[str, list[Record]] = {}
    for record in played.records:
        suites.setdefault(record.planned.path, []).append(record)
    writer = _Writer(played, facts)
    found = [writer.suite(path, records) for path, records in suites.items()]
    cases = [case for suite in found for case in suite.iter("testcase")]
    root = ET.Element("testsuites", _clean(_root_attributes(played, facts, cases=cases)))
    root.extend(found)
    ET.indent(root)
    whole: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    yield whole + b"\n"


class _Writer:
    """Makes the elements of one run; it knows which names it has given, because GitLab drops the second."""

    def __init__(self, played: Played, facts: RunFacts) -> None:
        self._played = played
        self._tolerance = facts.tolerance
        self._names: set[tuple[str, str]] = set()

    def suite(self, path: str, records: Sequence[Record]) -> ET.Element:
        transcripts = [record.transcript for record in records if record.transcript]
        cases = [self._case(record) for record in records]
        attributes = {
            "name": path,
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
        transcript, tolerated = record.transcript, self._tolerance.get(record.planned.id)
        if transcript is None or record.outcome is Outcome.SKIPPED:
            said = transcript.error if transcript else None
            reason = said or f"never started: {self._played.summary.exit_reason}"
            yield ET.Element("skipped", _clean({"message": _one_line(reason)}))
        elif tolerated is not None:
            message = f"failed, and is tolerated: {tolerated}"
            yield _detailed("skipped", transcript, {"message": _one_line(message)})
        elif record.outcome is not Outcome.PASSED:
            yield _wrong(transcript)

    def _facts(self, transcripts: Sequence[Transcript]) -> Iterator[tuple[str, str]]:
        run = self._played.summary.run
        yield "claude_run", run.claude_run
        yield (
            "models",
            ", ".join(dict.fromkeys(transcript.started.identity.model for transcript in transcripts)),
        )
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


def _root_attributes(played: Played, facts: RunFacts, *, cases: Sequence[ET.Element]) -> dict[str, str]:
    summary = played.summary
    name = " ".join([summary.run.name, *(f"({text})" for _, text in facts.notices())])
    return {"name": name, **_counts(cases), "time": _time(summary.duration_s)}


def _counts(cases: Sequence[ET.Element]) -> dict[str, str]:
    names = (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    counts = {name: sum(case.find(tag) is not None for case in cases) for name, tag in names}
    return {name: str(number) for name, number in {"tests": len(cases), **counts}.items()}


def _wrong(transcript: Transcript) -> ET.Element:
    first = _deciding(transcript)
    tag = "error" if transcript.outcome is Outcome.ERRORED else "failure"
    kind = first.check.kind if first and first.check else _NOT_MEASURED
    message = f"{first.where}: {first.message}" if first else str(transcript.outcome)
    return _detailed(tag, transcript, {"message": _one_line(message), "type": kind})


def _detailed(tag: str, transcript: Transcript, attributes: dict[str, str]) -> ET.Element:
    element = ET.Element(tag, _clean(attributes))
    element.text = xml_text("\n".join(_details(transcript)))
    return element


def _details(transcript: Transcript) -> Iterator[str]:
    found = reasons(transcript)
    for reason in found:
        yield _one_line(f"{reason.where}: {reason.message}", _REPLY)
        yield _one_line(f"  at {reason.place}", _REPLY)
        if reason.check is not None:
            yield from _inside(reason.check)
    wrong = {reason.turn for reason in found}
    for turn in transcript.turns:
        if turn.exchanges and (turn.index in wrong or None in wrong):
            yield from _block(f"reply {turn.number}", truncate(turn.text, _REPLY) or "(no text)")


def _inside(check: CheckResult) -> Iterator[str]:
    for name, value in (("expected", check.expected), ("actual", check.actual)):
        if value is not None:
            yield from _block(f"  {name}", truncate(value_text(value)))
    for row in check_rows(check.children, 1):
        yield "  " * row.depth + _one_line(f"- {row.check.status} {row.title}: {row.check.message}")


def _block(name: str, text: str) -> Iterator[str]:
    """Yield the lines of a text that may hold several, marked as such: nobody's text can pose as ours."""
    first, *rest = text.split("\n")
    yield f"{name} | {first}"
    yield from (f"{'':<{len(name)}} | {line}" for line in rest)


def _one_line(text: str, limit: int = MAX_EXCERPT) -> str:
    return truncate(text.replace("\n", " "), limit)


def _deciding(transcript: Transcript) -> Reason | None:
    """Return the first reason of the kind that made the outcome, or else the first one."""
    found = reasons(transcript)
    status = Status.ERRORED if transcript.outcome is Outcome.ERRORED else Status.FAILED
    return next((reason for reason in found if reason.status is status), next(iter(found), None))


def _line(transcript: Transcript | None) -> dict[str, str]:
    """Return the line of the expectation that decided, or of the first one; nothing where there is none."""
    if transcript is None:
        return {}
    decided = _deciding(transcript)
    turns = [check for turn in transcript.turns for check in turn.checks]
    checks = [decided.check if decided else None, *turns, *transcript.checks]
    return next(({"line": str(check.position.line)} for check in checks if check), {})


def _name(record: Record) -> str:
    planned = record.planned
    repeat = "" if planned.repeat is None else f" #{planned.repeat}"
    return f"{planned.question_name} [{planned.model_label}]{repeat}"


def _usd(transcripts: Sequence[Transcript], name: str) -> str:
    amount = total_cost(getattr(transcript, name) for transcript in transcripts)
    return "unpriced" if amount is None else f"{amount:f}"


def _clean(attributes: dict[str, str]) -> dict[str, str]:
    return {name: xml_text(value) for name, value in attributes.items()}


def _time(seconds: float | None) -> str:
    return f"{seconds or 0:.3f}"


def _yes(value: bool) -> str:
    return "true" if value else "false"

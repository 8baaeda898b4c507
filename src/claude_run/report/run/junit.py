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
from claude_run.report.run.reasons import check_rows, expected_and_actual, reasons, turns_that_went_wrong
from claude_run.report.text.blocks import MAX_EXCERPT, truncate
from claude_run.report.text.numbers import UNKNOWN
from claude_run.report.text.safe import xml_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.record.records import Record
    from claude_run.report.run.facts import RunFacts
    from claude_run.report.run.reasons import Reason

_REPLY = 2000


def junit_xml(played: Played, facts: RunFacts) -> Iterator[bytes]:
    """Yield the run as JUnit XML in UTF-8.

    A failed check is a `failure`, what could not be measured an `error`, what was never played `skipped`.
    Details are in the text of an element too, because GitLab shows that and not `message`. Usage, cost and
    whether replies were simulated are `properties` of the suites.
    """
    files: dict[str, list[Record]] = {}
    for record in played.records:
        files.setdefault(record.planned.path, []).append(record)
    writer = _Writer(played, facts)
    suites = [writer.suite(path, records) for path, records in files.items()]

    # The root counts all tests, and its name says first what a reader must know of the replies.
    cases = [case for suite in suites for case in suite.iter("testcase")]
    name = " ".join([played.summary.run.name, *(f"({text})" for _, text in facts.notices())])
    root = _element("testsuites", name=name, **_counts(cases), time=f"{played.summary.duration_s or 0:.3f}")
    root.extend(suites)
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
        """Return the suite of a scenario file, with what all of its conversations used and cost."""
        cases: list[ET.Element] = []
        time_s, began = 0.0, list[str]()
        for record in records:
            transcript = record.transcript
            cases.append(self._case(record, transcript))
            if transcript is not None:
                time_s += transcript.duration_s or 0
                began = [min([*began, transcript.started.at])]
        suite = _element(
            "testsuite",
            name=path,
            **_counts(cases),
            time=f"{time_s:.3f}",
            timestamp="".join(began),
        )
        properties = ET.SubElement(suite, "properties")
        for name, value in self._properties(records):
            properties.append(_element("property", name=name, value=value))
        suite.extend(cases)
        return suite

    def _case(self, record: Record, transcript: Transcript | None) -> ET.Element:
        planned = record.planned

        # The name tells conversations apart; two names may be the same once they are made safe.
        classname = xml_text(re.sub(r"\.ya?ml$", "", planned.path))
        unique, number = xml_text(planned.title), 1
        while (classname, unique) in self._names:
            number += 1
            unique = f"{xml_text(planned.title)} ({number})"
        self._names.add((classname, unique))

        # A click in CI leads to the expectation that decided, or to the first one; to the file without any.
        attributes: dict[str, str] = {}
        if transcript is not None:
            decided = _deciding(transcript)
            checks = [check for turn in transcript.turns for check in turn.checks]
            places = [decided.check if decided else None, *checks, *transcript.checks]
            attributes = next(({"line": str(check.position.line)} for check in places if check), {})

        case = _element(
            "testcase",
            classname=classname,
            name=unique,
            time=f"{(transcript.duration_s if transcript else None) or 0:.3f}",
            file=planned.path,
            **attributes,
        )
        case.extend(self._results(record, transcript))
        return case

    def _results(self, record: Record, transcript: Transcript | None) -> Iterator[ET.Element]:
        tolerated = self._tolerance.get(record.planned.id)
        if transcript is None or record.outcome is Outcome.SKIPPED:
            said = transcript.error if transcript else None
            message = said or f"never started: {self._played.summary.exit_reason}"
            yield _element("skipped", message=_one_line(message))
            return
        if record.outcome is Outcome.PASSED:
            return
        if tolerated is not None:
            element = _element("skipped", message=_one_line(f"failed, and is tolerated: {tolerated}"))
        else:
            first = _deciding(transcript)
            element = _element(
                "error" if transcript.outcome is Outcome.ERRORED else "failure",
                message=_one_line(f"{first.where}: {first.message}" if first else str(transcript.outcome)),
                type=first.check.kind if first and first.check else "not measured",
            )
        element.text = xml_text("\n".join(_details(transcript)))
        yield element

    def _properties(self, records: Sequence[Record]) -> Iterator[tuple[str, str]]:
        yield "claude_run", self._played.summary.run.claude_run
        yield "models", ", ".join(dict.fromkeys(each.planned.model for each in records if each.figures))
        figures = [each.figures for each in records if each.figures]
        usage = total(each.usage for each in figures)
        for field in fields(Usage):
            tokens = getattr(usage, field.name)
            if tokens is not None:
                yield field.name, str(tokens)
            elif field.name in {"input_tokens", "output_tokens"}:
                yield field.name, UNKNOWN

        # What judges cost is not part of the cost of the replies.
        costs = {"cost_usd": total_cost(each.cost_usd for each in figures)}
        if any(each.judge_replies for each in figures):
            costs["judge_cost_usd"] = total_cost(each.judge_cost_usd for each in figures)
        costs["uncertain_cost_usd"] = total_cost(each.uncertain_usd for each in figures)
        for name, amount in costs.items():
            yield name, "unpriced" if amount is None else f"{amount:f}"

        yield "simulated", "true" if any(each.simulated for each in figures) else "false"
        yield "replayed", "true" if any(each.replayed for each in figures) else "false"


def _element(tag: str, **attributes: str) -> ET.Element:
    return ET.Element(tag, {name: xml_text(value) for name, value in attributes.items()})


def _counts(cases: Sequence[ET.Element]) -> dict[str, str]:
    names = (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    counts = {name: sum(case.find(tag) is not None for case in cases) for name, tag in names}
    return {name: str(number) for name, number in {"tests": len(cases), **counts}.items()}


def _deciding(transcript: Transcript) -> Reason | None:
    """Return the first reason of the kind that made the outcome, or else the first one."""
    found = reasons(transcript)
    status = Status.ERRORED if transcript.outcome is Outcome.ERRORED else Status.FAILED
    return next((reason for reason in found if reason.status is status), next(iter(found), None))


def _details(transcript: Transcript) -> Iterator[str]:
    """Yield the lines that explain what went wrong: the reasons, and the replies of their turns."""
    for reason in reasons(transcript):
        yield _one_line(f"{reason.where}: {reason.message}", _REPLY)
        yield _one_line(f"  at {reason.place}", _REPLY)
        if reason.check is not None:
            for name, text in expected_and_actual(reason.check):
                yield from _block(f"  {name}", text)
            for row in check_rows(reason.check.children, 1):
                yield "  " * row.depth + _one_line(f"- {row.check.status} {row.title}: {row.check.message}")
    for turn in turns_that_went_wrong(transcript):
        yield from _block(f"reply {turn.number}", truncate(turn.text, _REPLY) or "(no text)")


def _block(name: str, text: str) -> Iterator[str]:
    """Yield the lines of a text that may hold several, marked as such: nobody's text can pose as ours."""
    first, *rest = text.split("\n")
    yield f"{name} | {first}"
    yield from (f"{'':<{len(name)}} | {line}" for line in rest)


def _one_line(text: str, limit: int = MAX_EXCERPT) -> str:
    return truncate(text.replace("\n", " "), limit)

"""`judge-eval`: how well a judge agrees with people, measured on labelled replies."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from claude_run.cli.commands import observer
from claude_run.cli.output import print_error, print_json, print_line
from claude_run.cli.write_reports import finish
from claude_run.session.grade import grade, grades_of, prepare_grading
from claude_run.text.visible import count

if TYPE_CHECKING:
    from claude_run.cli.options import OutputOptions
    from claude_run.session.grade import Grades
    from claude_run.session.play import RunResult
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World


def judge_eval(
    labels: str, request: RunRequest, output: OutputOptions, world: World, *, as_json: bool
) -> int:
    """Print how often the judge agrees; 0 if it graded all replies."""
    prepared, labelled = prepare_grading(labels, request)
    result = asyncio.run(grade(prepared, labelled, observer(output), world))
    return finish_run(result, replace(output, json=as_json))


def finish_run(result: RunResult, output: OutputOptions) -> int:
    """Finish a run of any kind; of one that held a judge against people print how often it agrees."""
    grades = grades_of(result)
    if grades is None:
        return finish(result, output)
    code = finish(result, replace(output, json=False), aside=True)
    if grades.missing:
        missing = count(grades.missing, "reply", plural="replies")
        print_error(f"{missing} could not be graded: see the transcripts")
    (_print_json if output.json else _print)(grades)
    return code


def _print(grades: Grades) -> None:
    found = grades.agreement
    if found is None:
        return
    rate, interval = found.rate, found.rate_interval
    print_line(f"agreement {rate.passed} of {rate.total}, 95 % {interval.lower:.2f} to {interval.upper:.2f}")
    print_line(_kappa_words(grades))
    for label, opposite, error in (
        ("failed", "passed", found.wrongly_passed),
        ("passed", "failed", found.wrongly_failed),
    ):
        told = f"unknown, for people {label} none of these replies"
        if error is not None:
            # The end of the interval that matters, or both.
            lower, upper = (f"{100 * end:.0f}" for end in (error.interval.lower, error.interval.upper))
            reach = f"{lower} to" if error.rate.passed else "at most"
            told = f"{error.rate.passed:,} of {error.rate.total:,}, {reach} {upper} %"
        print_line(f"judge {opposite} what people {label}: {told}")
    if grades.missing:
        print_line(f"not graded: {grades.missing}")


def _kappa_words(grades: Grades) -> str:
    found = grades.agreement
    if found is None or found.kappa is None:
        return "Cohen's kappa is not defined: all labels are the same"
    kappa = f"Cohen's kappa {found.kappa:.2f}"
    if found.kappa_interval is not None:
        low, high = found.kappa_interval
        return f"{kappa}, 95 % {low:.2f} to {high:.2f}"
    if found.rate.passed == found.rate.total:
        return f"{kappa}: they agree on every reply; how often the judge may still be wrong stands below"
    if found.rate.passed == 0:
        return f"{kappa}: they agree on no reply"
    return f"{kappa}, without an interval: one of them gave every reply the same label"


def _print_json(grades: Grades) -> None:
    found = grades.agreement
    if found is None:
        return
    rates = {
        name: None
        if error is None
        else {
            "wrong": error.rate.passed,
            "graded": error.rate.total,
            "interval": [error.interval.lower, error.interval.upper],
        }
        for name, error in (
            ("judge_passed_human_failed_rate", found.wrongly_passed),
            ("judge_failed_human_passed_rate", found.wrongly_failed),
        )
    }
    print_json(
        {
            "schema_version": 1,
            "agreement": {
                "agreed": found.rate.passed,
                "graded": found.rate.total,
                "interval": [float(found.rate_interval.lower), float(found.rate_interval.upper)],
            },
            "kappa": found.kappa,
            "kappa_interval": None if found.kappa_interval is None else list(found.kappa_interval),
            "judge_passed_human_failed": found.counts[False, True],
            "judge_failed_human_passed": found.counts[True, False],
            **rates,
            "not_graded": grades.missing,
        }
    )

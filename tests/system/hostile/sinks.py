"""Every place where text that others wrote is shown or kept, by name: hostile text goes through them all.

A public function or class of the watched modules, or a template, must be registered here, or with a reason in
`no_sinks.py`, or a test fails.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from claude_run.cli import output
from claude_run.conversation.events import Failed, Replied
from claude_run.conversation.exchange import Failure, Reply, SentMessage
from claude_run.errors import ExitCode, MeasureError
from claude_run.plan.model_news import Difference, ModelNews
from claude_run.pytest_plugin.talk import first_reason, talk
from claude_run.record import transcripts
from claude_run.record.baseline import Baseline, accepted_cases, write_baseline
from claude_run.record.derive import Played, write_derived
from claude_run.record.disk import LocalDisk
from claude_run.record.folder import RunFolder, slug
from claude_run.record.journal import Journal
from claude_run.record.summary import Ending
from claude_run.report.chat import ChatView
from claude_run.report.compare.html import comparison_html
from claude_run.report.compare.json import comparison_json
from claude_run.report.compare.markdown import comparison_markdown
from claude_run.report.compare.terminal import print_comparison
from claude_run.report.export.literals import (
    PYTHON,
    TYPESCRIPT,
    comment,
    python_text,
    typescript_text,
    value,
)
from claude_run.report.models.json import news_json
from claude_run.report.models.text import news_lines
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.github import (
    error_annotations,
    failure_annotations,
    failure_comment,
    pull_request_comment,
    step_summary,
    warning_annotations,
)
from claude_run.report.run.html import run_html
from claude_run.report.run.junit import junit_xml
from claude_run.report.run.live import LiveProgress
from claude_run.report.run.markdown import (
    conversation_markdown,
    gate_part,
    question_and_reply,
    said,
    said_in_short,
    summary_markdown,
    transcripts_markdown,
)
from claude_run.report.run.progress import (
    LineProgress,
    outcome_line,
    print_finished,
    reason_line,
)
from claude_run.report.run.show import print_conversation
from claude_run.report.run.terminal_summary import print_summary
from claude_run.report.text import safe
from claude_run.report.text.console import open_console
from claude_run.report.text.diff import condense, diff_words, markdown_diff, print_pieces, print_reply_diff
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError, Problems, Window, render
from claude_run.scenario.model import Position
from claude_run.text.strict_json import json_pieces, plain_json, readable_json, readable_json_line
from claude_run.text.visible import visible, visible_character
from tests.unit.play.fakes import conversation
from tests.unit.report import comparisons
from tests.unit.report.builders import (
    Spent,
    Tty,
    as_text,
    exchange,
    gated,
    hostile,
    never_started,
    play,
    record,
    transcript,
    turn,
)
from tests.unit.report.export.hostile_conversation import exported_everywhere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from claude_run.conversation.transcript import Transcript
    from tests.unit.report.safe_output import Medium

LONG = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """How a text is shown, and by which rules the result is safe."""

    medium: Medium
    show: Callable[[str], str]


def _run(text: str) -> Played:
    """Put a text wherever others can write; a very long one into a reply and an error, to save time."""
    if len(text) > LONG:
        return play([record(_failed(text))], ending=Ending(stop=ExitCode.CAPPED, reason=text))
    ending = Ending(stop=ExitCode.CAPPED, reason=text or "none", at=text)
    rows = [record(_failed(text)), record(replace(_failed(text), error=None)), never_started(text)]
    return play(rows, name=text, ending=ending)


@cache
def _gated(text: str) -> Played:
    """Return a run that a gate has decided, with the text wherever others can write."""
    rows = [record(_failed(text))]
    name = rows[0].planned.case_name
    gate = replace(
        gated(name=name, scenario=text, model=text, before=(text,)), reason=text, against=text, gone=(text,)
    )
    flaky = replace(gate.cases[0], name=text, standing="flaky")
    gate = replace(gate, cases=(*gate.cases, flaky), verdict="regressed")
    return play(rows, name=text, ending=Ending(gate=gate, at=text))


def _failed(text: str) -> Transcript:
    return (
        hostile(text) if len(text) <= LONG else transcript(turn(1, exchanges=(exchange(text),)), error=text)
    )


@cache
def _transcripts(text: str) -> str:
    return as_text(transcripts_markdown, _run(text))


def _conversations(text: str) -> str:
    return b"".join(conversation_markdown(record, text) for record in _run(text).records).decode()


def _summary(text: str) -> str:
    return as_text(summary_markdown, _run(text)) + "\n" + as_text(summary_markdown, _gated(text))


def _quotes(text: str) -> str:
    """Quote a text as it is, in code that somebody fenced, behind that, and as code."""
    fenced = (f"```{text}\n{text}\n```\n{text}", f"  ~~~\n  {text}", f"{text}\n```\n{text}")
    quotes = (*map(safe.md_quote, (text, *fenced)), safe.md_quote(text, "json"))
    return "\n>\n".join(quotes)


def _lines(text: str) -> str:
    stream = io.StringIO()
    progress = LineProgress(stream, clock=lambda: 0.0)
    progress.begin({text: 1}, Spent())
    progress.waiting(text, 1.0, text)
    progress.outage(text, 1.0, text)
    progress.resumed(text)
    progress.notify(text)
    progress.finished(_failed(text))
    progress.finished(replace(_failed(text), error=None))
    progress.end()
    return stream.getvalue()


def _chat(text: str) -> str:
    """Show a reply that comes in pieces, after others that were cut off, and what is said beside it."""
    shown: list[str] = []
    view = ChatView(
        write=shown.append,
        tell=lambda *lines: shown.append(_said(output.print_error, *lines)),
        shows_thinking=True,
    )
    view.asked([SentMessage(turn=0, role="user", content=text)], {})
    for size in (1, 7, len(text) + 1):
        view.began()
        view.thinking()
        for at in range(0, min(len(text), LONG), size):
            view.said(text[at : at + size])
    view.waiting(text, 1.0, text)
    view.replied(exchange(text))
    view.said(text)
    view.give_up()
    return "".join(shown)


def _live(text: str) -> str:
    """Show all that the display has lines for, as it is and shortened."""
    hands = iter(range(1000))
    progress = LiveProgress(io.StringIO(), clock=lambda: 10.0 * next(hands))
    progress.waiting(text, 1e9, text)
    progress.outage(text, 1.0, text)
    progress.outage("haiku", 1.0, text)
    progress.asking(conversation(text), 0)
    progress.finished(_failed(text))
    progress.finished(_failed("other"))
    shown = [progress.display(width=width, height=60).plain for width in (9, 20, 80, 100_000)]
    return "\n".join(map(str, shown))


def _finished(text: str) -> str:
    stream = io.StringIO()
    print_finished(open_console(stream, colour=False), _failed(text))
    return stream.getvalue()


def _closing(text: str) -> str:
    stream = io.StringIO()
    folder = Path(text.replace("/", "-")[:LONG] or "x")
    for played in (_run(text), _gated(text)):
        print_summary(played, RunFacts.of(played), folder=folder, stream=stream, verbose=2)
    return stream.getvalue()


def _talk(text: str) -> str:
    """Show each conversation of a run in a file, and on a terminal, which wraps it."""
    stream, terminal = io.StringIO(), Tty()
    for shown in _run(text).records:
        print_conversation(shown, stream=stream, exit_reason=text)
        print_conversation(shown, stream=terminal, exit_reason=text)
    return stream.getvalue() + terminal.getvalue()


def _annotations(text: str) -> str:
    played = _run(text)
    return "\n".join(error_annotations(played, RunFacts.of(played)))


def _element(text: str) -> str:
    element = ET.Element("x", y=safe.xml_text(text))
    element.text = safe.xml_text(text)
    return ET.tostring(element, encoding="unicode")


@contextlib.contextmanager
def _folder() -> Iterator[RunFolder]:
    with tempfile.TemporaryDirectory() as name:
        yield RunFolder(Path(name))


def _journal(text: str) -> str:
    common = {"conversation_id": text, "turn": 0, "key": text, "n": 1, "at": text}
    body = exchange(text).reply.body
    reply = {"request_id": text, "latency_s": 0.1, "cost_usd": None, "simulated": False, "replayed": False}
    failure = Failure(kind="status", message=text, type=text, code=text, request_id=text)
    with _folder() as folder:
        journal = Journal(folder.journal)
        journal.append(Replied(**common, reply=Reply.from_body(body), **reply))  # type: ignore[arg-type] # the fields by name
        journal.append(Failed(**common, failure=failure))  # type: ignore[arg-type] # same
        journal.append_run("ended", reason=text)
        journal.close()
        return folder.journal.read_bytes().decode()


def _run_json(text: str) -> str:
    with _folder() as folder:
        folder.write_json("run.json", _run(text).summary.run.to_json())
        return folder.run_json.read_bytes().decode()


def _summary_json(text: str) -> str:
    with _folder() as folder:
        write_derived(folder, _run(text))
        return (folder.path / "summary.json").read_bytes().decode()


def _transcripts_jsonl(text: str) -> str:
    return b"".join(map(transcripts.line, _run(text).records)).decode()


def _tests(text: str, show: Callable[[Mapping[str, Any]], str] = talk) -> str:
    records = _run(text).records
    return "\n".join(show(transcripts.to_json(each.planned, each.transcript)) for each in records)


def _baseline(text: str) -> str:
    samples = comparisons.hostile(text).baseline.samples
    odd = (replace(sample, vars={text: text}, expectations=text, models=(text,)) for sample in samples)
    accepted = Baseline(scenario=text, path=text, simulated=False, reason=text, cases=accepted_cases(odd))
    with _folder() as folder:
        path = folder.path / "a.baseline.json"
        write_baseline(LocalDisk(), path, accepted)
        return path.read_bytes().decode()


def _problem(text: str) -> Diagnostic:
    place = Position(path=text, line=3, column=1 + len(text) // 2)
    return Diagnostic(
        position=place, message=text, hint=text, window=Window.around(text, 0, length=len(text))
    )


def _said(say: Callable[..., None], *values: object) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        say(*values)
    return out.getvalue() + err.getvalue()


def _comparison(text: str) -> str:
    stream = io.StringIO()
    print_comparison(comparisons.hostile(text), stream=stream, verbose=2)
    return stream.getvalue()


@cache
def _comment(text: str) -> str:
    return comparison_markdown(comparisons.hostile(text))


@cache
def _page(text: str) -> str:
    return comparison_html(comparisons.hostile(text))


def _run_page(text: str) -> str:
    return as_text(run_html, _run(text)) + as_text(run_html, _gated(text))


def _reply_diff(text: str) -> str:
    stream = io.StringIO()
    print_reply_diff(f"{text}\n{text}", f"{text} {text}", stream=stream)
    return stream.getvalue()


def _diff_pieces(text: str) -> str:
    stream = io.StringIO()
    pieces = condense(diff_words(f"{text} {text}", text), context=LONG, most=LONG)
    print_pieces(pieces, console=open_console(stream, colour=False), colour=False)
    return stream.getvalue()


def _news(text: str) -> ModelNews:
    """Return what an API says of its models, with the text wherever it writes."""
    found = [
        Difference(model=text, subject="new", live={"thinking": [text], "retires": text}),
        Difference(model=text, subject="gone"),
        Difference(model=text, subject="retired", live=text),
        Difference(model=text, subject="retires", known="2026-11-30", live=text),
        Difference(model=text, subject="effort", known=["low"], live=[text]),
    ]
    return ModelNews(checked=date(2026, 11, 28), listed=5, differences=tuple(found))


@cache
def _program(text: str) -> str:
    return exported_everywhere(text)


SINKS: dict[str, Sink] = {
    "report.text.safe.safe_terminal": Sink(medium="terminal", show=safe.safe_terminal),
    "report.text.safe.safe_line": Sink(medium="line", show=safe.safe_line),
    "report.text.safe.safe_block": Sink(medium="terminal", show=lambda text: safe.safe_block(text, "| ")),
    "report.text.safe.fence": Sink(medium="fence", show=safe.fence),
    "report.text.safe.md_quote": Sink(medium="quote", show=_quotes),
    "report.text.safe.md_inline": Sink(medium="inline", show=safe.md_inline),
    "report.text.safe.md_cell": Sink(medium="cell", show=safe.md_cell),
    "report.text.safe.md_code": Sink(medium="inline", show=safe.md_code),
    "report.text.safe.xml_text": Sink(medium="xml", show=_element),
    "report.text.safe.md_code_cell": Sink(medium="cell", show=safe.md_code_cell),
    "template.transcripts.md.j2": Sink(medium="folded", show=_transcripts),
    "template.conversation.md.j2": Sink(medium="folded", show=_transcripts),
    "template.turns.md.j2": Sink(medium="folded", show=_transcripts),
    "template.part.md.j2": Sink(medium="folded", show=_transcripts),
    "template.checks.md.j2": Sink(medium="folded", show=_transcripts),
    "template.notices.md.j2": Sink(medium="folded", show=_transcripts),
    "template.summary.md.j2": Sink(medium="folded", show=_summary),
    "report.run.markdown.transcripts_markdown": Sink(medium="folded", show=_transcripts),
    "report.run.markdown.conversation_markdown": Sink(medium="folded", show=_conversations),
    "report.run.markdown.summary_markdown": Sink(medium="folded", show=_summary),
    "report.run.markdown.gate_part": Sink(medium="folded", show=lambda text: gate_part(_gated(text)).text),
    # What it packs is shown by its script, in a browser: tests/system/page.
    "report.run.html.run_html": Sink(medium="page", show=_run_page),
    "report.run.markdown.said": Sink(medium="quote", show=said),
    "report.run.markdown.said_in_short": Sink(
        medium="quote", show=lambda text: said_in_short(text, characters=800, lines=12)
    ),
    "report.run.markdown.question_and_reply": Sink(
        medium="quote", show=lambda text: question_and_reply(turn(1, text, exchanges=(exchange(text),)))[0]
    ),
    "report.run.junit.junit_xml": Sink(medium="xml", show=lambda text: as_text(junit_xml, _run(text))),
    "pytest_plugin.talk.talk": Sink(medium="terminal", show=_tests),
    "pytest_plugin.talk.first_reason": Sink(medium="terminal", show=lambda text: _tests(text, first_reason)),
    "report.run.github.step_summary": Sink(
        medium="folded",
        show=lambda text: as_text(step_summary, _run(text)) + "\n" + as_text(step_summary, _gated(text)),
    ),
    "report.run.github.pull_request_comment": Sink(
        medium="folded",
        show=lambda text: (
            as_text(pull_request_comment, _run(text)) + "\n" + as_text(pull_request_comment, _gated(text))
        ),
    ),
    "report.run.github.failure_comment": Sink(
        medium="document", show=lambda text: failure_comment(ExitCode.USAGE, [text])
    ),
    "report.run.github.error_annotations": Sink(medium="commands", show=_annotations),
    "report.run.github.failure_annotations": Sink(
        medium="commands",
        show=lambda text: "\n".join(
            [
                *failure_annotations(InvalidScenarioError([_problem(text)])),
                *failure_annotations(MeasureError(text)),
            ]
        ),
    ),
    "report.run.github.warning_annotations": Sink(
        medium="commands", show=lambda text: "\n".join(warning_annotations(Problems([_problem(text)])))
    ),
    "report.chat.ChatView": Sink(medium="log", show=_chat),
    "report.run.progress.LineProgress": Sink(medium="log", show=_lines),
    "report.run.live.LiveProgress": Sink(medium="log", show=_live),
    "report.run.progress.print_finished": Sink(medium="log", show=_finished),
    "report.run.show.print_conversation": Sink(medium="log", show=_talk),
    "report.run.terminal_summary.print_summary": Sink(medium="log", show=_closing),
    "report.text.safe.html_text": Sink(
        medium="html", show=lambda text: f"<!DOCTYPE html><p>{safe.html_text(text)}</p>"
    ),
    "report.text.diff.markdown_diff": Sink(
        medium="fence", show=lambda text: markdown_diff(diff_words(text, f"{text} {text}"))
    ),
    "report.text.diff.print_pieces": Sink(medium="log", show=_diff_pieces),
    "report.text.diff.print_reply_diff": Sink(medium="log", show=_reply_diff),
    **{
        name: Sink(medium="terminal", show=_program)
        for name in (
            "report.export.formats.exported",
            "report.export.python.python_program",
            "report.export.typescript.typescript_program",
            "report.export.shell.shell_program",
            "template.program.py.j2",
            "template.program.ts.j2",
            "template.program.sh.j2",
        )
    },
    "report.export.json.export_json": Sink(medium="terminal", show=_program),
    "report.export.literals.python_text": Sink(medium="terminal", show=python_text),
    "report.export.literals.typescript_text": Sink(medium="terminal", show=typescript_text),
    "report.export.literals.value": Sink(
        medium="terminal", show=lambda text: value({text: [text]}, PYTHON) + value({text: text}, TYPESCRIPT)
    ),
    "report.export.literals.comment": Sink(medium="line", show=lambda text: f"# {comment(text)}"),
    "report.compare.terminal.print_comparison": Sink(medium="log", show=_comparison),
    "report.compare.markdown.comparison_markdown": Sink(medium="comment", show=_comment),
    "report.compare.html.comparison_html": Sink(medium="html", show=_page),
    "report.compare.json.comparison_json": Sink(
        medium="json", show=lambda text: "".join(json_pieces(comparison_json(comparisons.hostile(text))))
    ),
    "template.comparison.md.j2": Sink(medium="comment", show=_comment),
    "template.comparison.candidate.md.j2": Sink(medium="comment", show=_comment),
    "template.comparison.html.j2": Sink(medium="html", show=_page),
    "template.comparison.candidate.html.j2": Sink(medium="html", show=_page),
    "template.comparison.css.j2": Sink(medium="html", show=_page),
    "report.models.text.news_lines": Sink(
        medium="log", show=lambda text: "".join(f"{line}\n" for line in news_lines(_news(text)))
    ),
    "report.models.json.news_json": Sink(
        medium="jsonl", show=lambda text: plain_json(news_json(_news(text))) + "\n"
    ),
    "report.run.progress.outcome_line": Sink(medium="line", show=lambda text: outcome_line(_failed(text))),
    "report.run.progress.reason_line": Sink(
        medium="line", show=lambda text: reason_line(_failed(text)) or ""
    ),
    "text.visible.visible": Sink(medium="visible", show=visible),
    "text.visible.visible_character": Sink(
        medium="visible", show=lambda text: "".join(map(visible_character, text[:LONG]))
    ),
    "scenario.diagnostics.Diagnostic": Sink(medium="shown", show=lambda text: str(_problem(text))),
    "scenario.diagnostics.InvalidScenarioError": Sink(
        medium="shown", show=lambda text: "\n".join(InvalidScenarioError([_problem(text)]).lines)
    ),
    "scenario.diagnostics.render": Sink(
        medium="shown", show=lambda text: render(Problems([_problem(text)]), severity="warning")
    ),
    "text.strict_json.plain_json": Sink(medium="jsonl", show=lambda text: plain_json({text: [text]}) + "\n"),
    "text.strict_json.json_pieces": Sink(
        medium="json", show=lambda text: "".join(json_pieces({text: [text, {text: text}, [[text]]]}))
    ),
    "text.strict_json.readable_json_line": Sink(
        medium="review", show=lambda text: readable_json_line({text: [text]}) + "\n"
    ),
    "text.strict_json.readable_json": Sink(
        medium="review", show=lambda text: readable_json({text: [text]}) + "\n"
    ),
    "record.baseline.write_baseline": Sink(medium="review", show=_baseline),
    "record.transcripts.line": Sink(medium="jsonl", show=_transcripts_jsonl),
    "record.journal.Journal": Sink(medium="jsonl", show=_journal),
    "record.folder.RunFolder": Sink(medium="json", show=_run_json),
    "record.folder.slug": Sink(medium="name", show=slug),
    "record.derive.write_derived": Sink(medium="json", show=_summary_json),
    "cli.output.print_error": Sink(
        medium="log", show=lambda text: _said(output.print_error, text, f"  {text}")
    ),
    "cli.output.print_line": Sink(medium="log", show=lambda text: _said(output.print_line, text)),
    "cli.output.print_lines": Sink(medium="log", show=lambda text: _said(output.print_lines, [text, text])),
    "cli.output.print_next": Sink(medium="log", show=lambda text: _said(output.print_next, text)),
    "cli.output.print_json": Sink(medium="json", show=lambda text: _said(output.print_json, {text: text})),
}

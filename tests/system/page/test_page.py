"""The page of a run in a real browser: read, filtered, opened, laid side by side, and harmless."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.record.gated import Score
from claude_run.record.summary import Ending
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.html import run_html
from tests.support import browser as browsers
from tests.support.browser import looked_at
from tests.support.hostile_corpus import CORPUS
from tests.unit.report.builders import (
    AT,
    HAIKU,
    MYSTERY,
    check,
    errored,
    exchange,
    failed,
    gated,
    hostile,
    never_started,
    passed,
    play,
    record,
    refused,
    transcript,
    turn,
    unpriced,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played

OPUS = "claude-opus-5-5"
LONGEST = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of this file that a process runs."""
    with browsers.started() as started:
        yield started


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Played], Path]:
    """Write the page of a run."""

    def write(played: Played, *, redacted: bool = False) -> Path:
        path = tmp_path / "report.html"
        path.write_bytes(b"".join(run_html(played, RunFacts.of(played), redacted=redacted)))
        return path

    return write


def answered(case: str, model: str, reply: str, *, good: bool = True, **fields: object) -> Transcript:
    """Build a conversation of one turn."""
    told = check() if good else check("failed", "the reply does not contain '30 days'", expected="30 days")
    return transcript(
        turn(1, f"May I return {case}?", exchanges=(exchange(reply, model=model),), checks=(told,)),
        conversation_id=f"refund/{case}/{model}",
        case=case,
        model=model,
        model_label=model,
        outcome=Outcome.PASSED if good else Outcome.FAILED,
        **fields,
    )


def two_models() -> Played:
    """Return a run of two cases by two models, of which one fails one case."""
    rows = [
        answered("phone", HAIKU, "You can return it within 30 days of the purchase."),
        answered("phone", OPUS, "You may return it within 30 days after the purchase."),
        answered("sofa", HAIKU, "Never, my friend.", good=False),
        answered("sofa", OPUS, "You can return it within 30 days."),
    ]
    ending = Ending(stop=None, at=AT, duration_s=65.2)
    return play([record(each) for each in rows], ending=ending)


def of_everything() -> Played:
    """Return a run with every kind of conversation."""
    rows = [passed(), failed(), errored(), refused(), unpriced()]
    return play([*map(record, rows), never_started("refund/never")], simulated=True)


def told(page: Page) -> str:
    """Return what the page says of how many cases are shown."""
    return page.locator(".count").inner_text()


def test_says_how_the_run_ended(browser: Browser, written: Callable[[Played], Path]) -> None:
    """The verdict, the notices, the numbers, and a row for each case, the worst first."""
    with looked_at(browser, written(of_everything())) as looked:
        page = looked.page
        assert page.title().startswith("NOT MEASURED (exit code 3)")
        assert page.locator("h1").inner_text().startswith("NOT MEASURED")
        rows = page.locator("tr[data-row]")
        assert rows.count() == 5
        assert "errored" in (page.locator("button.cell").first.get_attribute("class") or "")
        assert "529 overloaded_error" in rows.nth(0).inner_text()


def test_filters_by_outcome_and_by_what_was_said(browser: Browser, written: Callable[[Played], Path]) -> None:
    """What is searched for is found in replies too; the address brings the filters back."""
    with looked_at(browser, written(two_models())) as looked:
        page = looked.page
        assert told(page) == "2 cases"
        page.get_by_role("button", name="failed 1").click()
        assert told(page) == "1 of 2 cases"
        page.get_by_role("button", name="failed 1").click()
        page.keyboard.press("/")
        page.keyboard.type("MY friend")
        page.get_by_text("1 of 2 cases").wait_for()
        assert page.locator("tr[data-row] .name").all_inner_texts() == ["sofa"]
        address = page.evaluate("location.hash")
    with looked_at(browser, written(two_models()), at=address) as looked:
        looked.page.get_by_text("1 of 2 cases").wait_for()
        looked.page.get_by_role("searchbox").fill("nobody said this")
        looked.page.get_by_role("button", name="Show all").click()
        assert told(looked.page) == "2 cases"


def test_shows_a_conversation_as_a_talk(browser: Browser, written: Callable[[Played], Path]) -> None:
    """Questions, replies, tool calls, files by name, checks with what was expected, and the request id."""
    with looked_at(browser, written(of_everything())) as looked:
        page = looked.page
        page.get_by_role("button", name=f"phone, {HAIKU}: passed").click()
        talk = page.locator("article.talk")
        talk.wait_for()
        for said in ("See the photo.", "tool_use: get_order", "It is damaged.", "image, image/png"):
            assert said in talk.inner_text()
        page.get_by_text("1,216 in, 31 out").first.click()
        assert "req_1" in talk.inner_text()
        page.keyboard.press("j")
        page.get_by_role("heading", name=f"refund/phone/{MYSTERY}").wait_for()
        assert "reply 2 of 2" in talk.inner_text()
        page.keyboard.press("k")
        page.get_by_role("heading", name=f"refund/phone/{HAIKU}").wait_for()
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")
        page.locator("button.cell:focus").wait_for()


def test_shows_what_was_expected_of_a_reply(browser: Browser, written: Callable[[Played], Path]) -> None:
    """At its turn, with what came instead."""
    with looked_at(browser, written(of_everything())) as looked:
        page = looked.page
        page.get_by_role("button", name=f"sofa, {HAIKU}: failed").click()
        checks = page.locator("section.turn ul.checks")
        checks.wait_for()
        assert checks.inner_text().count("expected") == 3
        assert page.locator("ul.checks dd").all_inner_texts()[:2] == ["30 days", "No.…"]


def test_lays_models_side_by_side(browser: Browser, written: Callable[[Played], Path]) -> None:
    """The words that differ are marked, also where both passed."""
    with looked_at(browser, written(two_models())) as looked:
        page = looked.page
        page.get_by_role("button", name=f"phone, {HAIKU}: passed").click()
        page.get_by_role("button", name="Side by side").click()
        page.locator(".sides table").wait_for()
        assert page.locator(".sides del").all_inner_texts() == ["can", "of"]
        assert page.locator(".sides ins").all_inner_texts() == ["may", "after"]
        assert "May I return phone?" in page.locator(".sides").inner_text()


def test_lays_the_accepted_replies_beside_the_new_ones(
    browser: Browser, written: Callable[[Played], Path]
) -> None:
    """For a case that stands as it was, too."""
    gate = gated(
        code=ExitCode.PASSED,
        name=f"refund/phone/{HAIKU}",
        standing="same",
        now=Score(passed=1, measured=1),
        before=("You can return it within 20 days.",),
    )
    rows = [record(answered("phone", HAIKU, "You can return it within 30 days."))]
    rows = [replace(row, planned=replace(row.planned, id=f"refund/phone/{HAIKU}")) for row in rows]
    with looked_at(browser, written(play(rows, ending=Ending(gate=gate, at=AT)))) as looked:
        page = looked.page
        page.locator("button.cell").click()
        page.get_by_role("button", name="Side by side").click()
        page.locator(".sides table").wait_for()
        assert page.locator(".sides thead th").first.inner_text() == "baseline"
        assert page.locator(".sides del").all_inner_texts() == ["20"]
        assert page.locator(".sides ins").all_inner_texts() == ["30"]


def test_lays_the_same_turn_beside_itself(browser: Browser, written: Callable[[Played], Path]) -> None:
    """Also where one side has left a turn out, and where the turns were asked in other words."""
    whole = answered("phone", HAIKU, "First.")
    less = answered("phone", OPUS, "First.")
    middle = turn(2, "And then?", exchanges=(exchange("Second."),))
    last = [turn(3, words, exchanges=(exchange("Last."),)) for words in ("Thanks!", "Thank you!")]
    whole = replace(whole, turns=(*whole.turns, middle, last[0]))
    out = replace(middle, exchanges=(), sent=False, left_out=True, content=None)
    less = replace(less, turns=(*less.turns, out, last[1]))
    with looked_at(browser, written(play([record(whole), record(less)]))) as looked:
        page = looked.page
        page.locator("button.cell").first.click()
        page.keyboard.press("s")
        table = page.locator(".sides table")
        table.wait_for()
        rows = [row.split("\n") for row in table.inner_text().split("user turn ")[1:]]
        assert [row[0].strip() for row in rows] == ["1", "2", "3"]
        assert "left out" in "".join(rows[1])
        assert page.locator(".sides del, .sides ins").count() == 0
        assert page.locator(".sides .asked td .text").all_inner_texts()[-2:] == ["Thanks!", "Thank you!"]


def test_every_conversation_is_reached_by_keys(browser: Browser, written: Callable[[Played], Path]) -> None:
    """Also where no model has played all cases."""
    rows = [record(answered("phone", HAIKU, "30 days.")), record(answered("sofa", OPUS, "No.", good=False))]
    with looked_at(browser, written(play(rows))) as looked:
        page = looked.page
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.locator("button.cell:focus").count():
                break
        page.locator("button.cell:focus").wait_for()
        for key in ("ArrowLeft", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowDown"):
            page.keyboard.press(key)
            page.locator("button.cell:focus").wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=f"refund/phone/{HAIKU}").wait_for()
        page.go_back()
        page.locator("dialog").wait_for(state="detached")
        page.evaluate(f"location.hash = 'id=refund%2Fsofa%2F{OPUS}'")
        page.get_by_role("heading", name=f"refund/sofa/{OPUS}").wait_for()


def test_names_can_be_read_beside_many_models(browser: Browser, written: Callable[[Played], Path]) -> None:
    """The column of the cases keeps its width, and its place."""
    rows = [record(answered("phone", f"model-{number}", "30 days.")) for number in range(40)]
    for size in ((1280, 800), (360, 740)):
        with looked_at(browser, written(play(rows)), size=size) as looked:
            looked.page.locator("button.cell").last.scroll_into_view_if_needed()
            box = looked.page.locator("tbody th").first.bounding_box()
            assert box is not None
            assert box["width"] > 100
            assert 0 <= box["x"] < 40


def test_only_the_rows_in_view_exist(browser: Browser, written: Callable[[Played], Path]) -> None:
    """However many there are; the keyboard gets to those that are not there yet."""
    rows = [record(answered(f"case-{number:04}", HAIKU, "Within 30 days.")) for number in range(3_000)]
    with looked_at(browser, written(play(rows))) as looked:
        page = looked.page
        assert page.locator("tr[data-row]").count() < 60
        page.locator("button.cell").first.focus()
        for _ in range(60):
            page.keyboard.press("ArrowDown")
        page.locator('[data-cell="60-0"]:focus').wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="refund/case-0060").wait_for()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
def test_everybody_can_read_it(
    browser: Browser, written: Callable[[Played], Path], size: tuple[int, int], *, dark: bool
) -> None:
    """axe-core finds nothing in the table, a talk and a comparison; nothing is wider than the window."""
    attempts = [answered("phone", HAIKU, "30 days.", good=number > 1) for number in range(3)]
    named = [replace(each.started.identity, id=f"a/{at}", repeat=at + 1) for at, each in enumerate(attempts)]
    repeated = play(
        [
            record(replace(each, started=replace(each.started, identity=who)))
            for each, who in zip(attempts, named, strict=True)
        ]
    )
    for played in (of_everything(), two_models(), repeated):
        with looked_at(browser, written(played), size=size, dark=dark) as looked:
            page = looked.page
            page.emulate_media(reduced_motion="reduce")
            assert looked.violations() == []
            page.locator("button.cell").first.click()
            page.locator("article.talk").wait_for()
            assert looked.violations() == []
            page.keyboard.press("s")
            page.locator(".sides table").wait_for()
            assert looked.violations() == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_hostile_text_is_only_read(browser: Browser, written: Callable[[Played], Path]) -> None:
    """Every text of the corpus wherever others can write: no element of theirs, no request, no message."""
    texts = [text for text in CORPUS if len(text) <= LONGEST]
    rows = []
    for number, text in enumerate(texts):
        talk = hostile(text)
        identity = replace(talk.started.identity, id=f"{number} {text}", case=f"{number} {text}")
        rows.append(record(replace(talk, started=replace(talk.started, identity=identity))))
    last = texts[-1]
    with looked_at(browser, written(play(rows, name=last, ending=Ending(at=last)))) as looked:
        page = looked.page
        page.locator("button.cell").first.click()
        for number in range(len(texts)):
            page.locator("article.talk").wait_for()
            if number % 10 == 0:
                page.keyboard.press("s")
                page.locator(".sides table").wait_for()
                page.keyboard.press("s")
            page.keyboard.press("j")
        strange = "img, iframe, object, embed, a, form, base, link, [onerror], [onload]"
        assert page.locator(strange).count() == 0
        running = "[...document.scripts].filter((each) => each.type !== 'application/gzip').length"
        assert page.evaluate(running) == 1


def test_a_redacted_page_says_so(browser: Browser, written: Callable[..., Path]) -> None:
    """It shows verdicts and numbers, and opens as any other."""
    with looked_at(browser, written(two_models(), redacted=True)) as looked:
        page = looked.page
        page.locator("button.cell").first.click()
        page.get_by_text("What was said is not in this report.").wait_for()
        assert "friend" not in page.content()

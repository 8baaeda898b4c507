"""Images, PDFs and requests that are too large, refused before anything is sent."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from claude_run.plan.model_checks import problems
from claude_run.scenario.model import ModelChoice
from tests.support.media import pdf, png
from tests.unit.scenario.loading import load_files

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2026, 11, 28)


def _found(folder: Path, text: str, *models: str, by_force: bool = False, **files: bytes) -> list[str]:
    named = {name.replace("_", "."): data for name, data in files.items()}
    (scenario,) = load_files(folder, {"a.yaml": text, **named})
    chosen = [ModelChoice(id=model, label=model) for model in models or ("claude-haiku-5-5",)]
    found = problems(scenario, chosen, today=DAY, by_force=by_force)
    return [
        f"{each.position.line}:{each.position.column} {each.message}"
        for each in (found.forced if by_force else found.errors)
    ]


def test_an_image_is_refused_at_its_block(tmp_path: Path) -> None:
    """In a turn and in what a tool returns; by force it is sent all the same."""
    text = """\
tools: [{name: look, input_schema: {type: object}}]
tool_results: {look: {return: [{image: a.png}]}}
turns:
  - user: [{text: Hi}, {image: a.png}]
"""
    message = "this image is 9,000 x 10 pixels; a side may have 8,000"
    assert _found(tmp_path, text, a_png=png(9000, 10)) == [f"2:40 {message}", f"4:32 {message}"]
    forced = _found(tmp_path, text, a_png=png(9000, 10), by_force=True)
    assert forced[0] == f"2:40 {message}; it is sent all the same, by --no-model-rules"


def test_images_and_pages_count_together_over_all_turns(tmp_path: Path) -> None:
    """A model of short context takes 100, others 600; the block that is one too many is named."""
    text = "turns:\n  - user: [{document: a.pdf}, {image: a.png}]\n  - user: [{image: a.png}]\n"
    assert _found(tmp_path, text, a_pdf=pdf(99), a_png=png()) == []
    models = ("claude-haiku-4-5", "claude-haiku-5-5")
    assert _found(tmp_path, text, *models, a_pdf=pdf(99), a_png=png()) == [
        "3:20 `claude-haiku-4-5` takes 100 images and pages of PDFs in a request; this makes 101"
    ]
    assert _found(tmp_path, text, a_pdf=pdf(None), a_png=png()) == []


def test_many_images_must_be_smaller(tmp_path: Path) -> None:
    """More than 20 of them in one conversation may have 2,000 pixels of a side."""
    twenty = "turns: [{user: [" + "{image: a.png}, " * 20 + "{text: Hi}]}]\n"
    assert _found(tmp_path, twenty, a_png=png(2001, 1)) == []
    many = twenty.replace("{text: Hi}", "{image: a.png}")
    found = _found(tmp_path, many, a_png=png(2001, 1))
    assert len(found) == 21
    assert found[0].endswith("in a request of more than 20 images a side may have 2,000")


def test_a_request_may_have_32_megabytes(tmp_path: Path) -> None:
    """All turns before it are part of it, as base64; the turn with which it is too large is named."""
    text = "turns:\n  - user: [{image: a.png}, {image: a.png}]\n  - user: [{image: a.png}, {image: a.png}]\n"
    found = _found(tmp_path, text, a_png=png(padding=7_000_000))
    assert found == ["3:5 with this turn a request has 35.6 MB or more; the API takes 32 MB"]


def test_limits_hold_for_the_files_of_every_case(tmp_path: Path) -> None:
    """What one case sends counts together, and what another sends does not."""
    text = """\
cases: [{id: a, vars: {n: x}}, {id: b, vars: {n: y}}, {id: c, vars: {n: z}}]
turns:
  - user: [{document: "{{ n }}.pdf"}, {image: "{{ n }}.png"}]
  - user: [{document: "{{ n }}.pdf"}, {text: Hi}]
"""
    found = _found(
        tmp_path,
        text,
        "claude-haiku-4-5",
        x_pdf=pdf(2),
        y_pdf=pdf(2),
        z_pdf=pdf(51),
        x_png=png(),
        y_png=png(9000, 1),
        z_png=png(),
    )
    many = "takes 100 images and pages of PDFs in a request; this makes 103, in case `c`"
    assert found == [
        "3:47 y.png: this image is 9,000 x 1 pixels; a side may have 8,000",
        f"4:23 `claude-haiku-4-5` {many}",
    ]
    large = pdf(1) + b" " * (13 << 20)
    found = _found(
        tmp_path, text, x_pdf=large, y_pdf=pdf(), z_pdf=pdf(), x_png=png(), y_png=png(), z_png=png()
    )
    assert found == ["4:5 with this turn a request has 34.7 MB or more; the API takes 32 MB, in case `a`"]

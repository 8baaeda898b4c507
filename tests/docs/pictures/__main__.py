"""`make pictures`: what the documentation shows of a run, taken of a real one with the simulator."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import MONOKAI as THEME
from rich.text import Text

from tests.docs.pages import ROOT
from tests.support import browser as browsers
from tests.support.browser import looked_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCENARIO = Path(__file__).parent / "returns.yaml"
PICTURES = ROOT / "docs" / "pictures"
SIZE = (1280, 800)
COLUMNS = 100
PAGE = """<!DOCTYPE html><meta charset="utf-8">
<style>body { margin: 0; padding: 28px; background: #14181d; width: fit-content; }
pre { margin: 0; font: 15px/1.45 "DejaVu Sans Mono", monospace; color: #e6e9ec; }</style><body>CODE</body>"""


def main() -> None:
    """Play the scenario, and write the pictures of its page and of its terminal."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, browsers.started() as browser:
        folder = Path(name)
        said = _play(folder)
        for dark in (False, True):
            shade = "dark" if dark else "light"
            with looked_at(browser, folder / "run" / "report.html", size=SIZE, dark=dark) as looked:
                _page(looked.page, shade)
        _terminal(browser, said, folder)


def _play(folder: Path) -> str:
    shutil.copy(SCENARIO, folder)
    command = [str(Path(sys.executable).with_name("claude-run")), SCENARIO.name, "--simulate", "--html"]
    ended = subprocess.run(
        [*command, "-o", "run", "--color", "always"], cwd=folder, capture_output=True, text=True, check=False
    )
    return f"$ claude-run {SCENARIO.name} --simulate --html -o run\n{ended.stdout}{ended.stderr}"


def _page(page: Page, shade: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.locator("table.matrix").wait_for()
    page.screenshot(path=PICTURES / f"report-{shade}.png")
    page.locator("button.cell").first.click()
    page.locator("article.talk").wait_for()
    page.screenshot(path=PICTURES / f"talk-{shade}.png")


def _terminal(browser: Browser, said: str, folder: Path) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(said), highlight=False)
    shown = folder / "terminal.html"
    shown.write_text(
        PAGE.replace(
            "CODE", console.export_html(theme=THEME, inline_styles=True, code_format="<pre>{code}</pre>")
        )
    )
    page = browser.new_page(viewport={"width": SIZE[0], "height": 100})
    page.goto(shown.as_uri())
    page.locator("body").screenshot(path=PICTURES / "terminal.png")


if __name__ == "__main__":
    main()

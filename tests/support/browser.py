"""Headless Chromium, as Debian packages it: what a page shows, asks for and complains about."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.node import NODE_MODULES, require_node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

_ARGUMENTS = (
    "--no-sandbox",  # it refuses to run as root with one
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def chromium() -> str:
    """Return the path of Chromium; skip the test where there is none, fail in CI."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    if os.environ.get("CI") == "true":
        pytest.fail("chromium is not here: .ci/run brings it")
    pytest.skip("chromium is not here: on Debian, apt-get install chromium")


@contextmanager
def started() -> Iterator[Browser]:
    """Start Chromium without a window."""
    path = chromium()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - most test processes look at no page

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Looked:
    """A page that is looked at, and everything it did that a page of ours never does."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note what it complains about, asks for and opens from now on."""
        self.page.on("console", lambda said: self.wrong.append(f"console {said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        self.page.on("popup", lambda popup: self.wrong.append(f"popup: {popup.url}"))
        self.page.on("request", self.asked)

    def asked(self, request: Any) -> None:
        """Note a request, unless it is for the page itself."""
        if not (request.url.startswith("file:") and request.is_navigation_request()):
            self.wrong.append(f"request: {request.url[:100]}")

    def violations(self) -> list[str]:
        """Return what axe-core finds wrong with what is shown now, an element a line."""
        require_node(packages=True)
        self.page.evaluate((NODE_MODULES / "axe-core" / "axe.min.js").read_text())
        found = self.page.evaluate("axe.run().then((found) => found.violations)")
        return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


@contextmanager
def looked_at(
    browser: Browser, path: Path, *, size: tuple[int, int] = (1280, 800), dark: bool = False, at: str = ""
) -> Iterator[Looked]:
    """Open a page, and fail in the end if it did anything that a page of ours never does."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    looked = Looked(context.new_page())
    looked.watch()
    looked.page.goto(f"{path.as_uri()}{at}")
    looked.page.wait_for_selector("h1")
    yield looked
    context.close()
    assert not looked.wrong

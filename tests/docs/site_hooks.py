"""What the site wants of Markdown and GitHub does not; run by MkDocs, in the environment of the site."""

from __future__ import annotations

import re

_NOTE = re.compile(r"\A<!--.*?-->\s*", re.DOTALL)
_FENCE = re.compile(r"^```(?P<language>[a-z]+)(?: (?P<name>\S+))?$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return the page from its title on, with names over files, and nothing to copy where output is shown."""
    return _FENCE.sub(_opened, _NOTE.sub("", markdown))


def _opened(fence: re.Match[str]) -> str:
    if fence["language"] == "console":
        return "``` { .console .no-copy }"
    return f'```{fence["language"]} title="{fence["name"]}"' if fence["name"] else fence[0]

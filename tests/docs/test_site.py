"""What the site makes of a page, and that it has a place for each; `make site` builds it strictly."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT
from tests.docs.site_hooks import on_page_markdown

PAGE = """\
<!-- Generated. -->

# Title

```yaml a/b.yaml
name: b
```

```console
$ ls
```

```sh
ls
```
"""


def test_blocks_are_named_and_what_was_printed_is_not_copied() -> None:
    """The name of a file stands over its block, a note to editors is left out, and all else stays."""
    made = PAGE.removeprefix("<!-- Generated. -->\n\n")
    made = made.replace("yaml a/b.yaml", 'yaml title="a/b.yaml"').replace("console", " { .console .no-copy }")

    assert on_page_markdown(PAGE, config=None) == made


def test_every_page_has_its_place() -> None:
    """No page is left out but single decisions, whose list is there, and none is there twice."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.md)$", text, re.MULTILINE)
    pages = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")}

    assert len(named) == len(set(named))
    assert pages - set(named) == {page for page in pages if re.match(r"docs/decisions/\d", page)}
    assert all((ROOT / page).is_file() for page in named)

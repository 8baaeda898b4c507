"""Write the generated pages and the schema, or check that they are fresh.

python -m tests.docs --check    exit code 1 when one of them is stale
python -m tests.docs --write
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.docs import pages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def main(arguments: Sequence[str], root: Path = pages.ROOT) -> int:
    """Do what the one argument says and return the exit code."""
    if arguments == ["--write"]:
        for name in pages.write(root):
            sys.stderr.write(f"wrote {name}\n")
        return 0
    if arguments != ["--check"]:
        sys.stderr.write("usage: python -m tests.docs --check|--write\n")
        return 2
    names = pages.stale(root)
    for name in names:
        sys.stderr.write(f"{name} is stale: run `make docs` and commit what it changes\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

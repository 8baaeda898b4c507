"""Whether the model that answered is the model that was asked for, by their names. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATE = re.compile(r"[-@](\d{8})$")
_LATEST = re.compile(r"-latest$")


def undated(name: str) -> str:
    """Return the name of a model without the date of a snapshot, such as `-20251001` or `@20251001`."""
    return _DATE.sub("", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedNames:
    """What models are called.

    `ids` maps the aliases of known models to their ids; `allowed` maps a model that is asked for to the other
    names under which it may answer, as a gateway has them.
    """

    ids: Mapping[str, str] = field(default_factory=dict)
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def problem(self, asked: str, served: str) -> str | None:
        """Return why the model that answered is not the one asked for; None where it is.

        A name without a date stands for each of its dated snapshots, and the other way round; two dates
        must be the same.
        """
        if asked == served or served in self.allowed.get(asked, ()):
            return None
        (name, date), (other, its_date) = self._parts(asked), self._parts(served)
        if name == other and (date is None or its_date is None or date == its_date):
            return None
        return (
            f"{asked} was asked for, and {served!r:.100} answered; where that is the same model, pass"
            f" --allow-model {asked}={served:.100}"
        )

    def _parts(self, name: str) -> tuple[str, str | None]:
        """Return the id of a model, and the date of its snapshot where the name says one."""
        date = _DATE.search(name)
        bare = _LATEST.sub("", undated(name))
        return self.ids.get(name) or self.ids.get(bare, bare), date[1] if date else None


BY_NAME = ServedNames()
"""Models answer under their own name alone, dated or not."""

"""Whether the model that answered is the model that was asked for, by their names. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATE = re.compile(r"[-@](\d{8})$")
_LATEST = re.compile(r"(?:-latest|@latest|@default)$")

# Amazon Bedrock's name of a model, with the region or the kind of inference before it and a version after
# it, or the ARN of one: "Supported foundation models" and "Inference profiles" in Bedrock's user guide.
_BEDROCK = re.compile(
    r"(?:arn:aws[a-z-]*:bedrock:[a-z0-9-]*:[0-9]*:(?:inference-profile|foundation-model)/)?"
    r"(?:[a-z]{2,6}(?:-gov)?\.)?anthropic\.(claude-[a-z0-9-]+?)(?:-v[0-9]+)?(?::[0-9a-z]+)*"
)


def undated(name: str) -> str:
    """Return the name of a model without the date of a snapshot, such as `-20251001` or `@20251001`."""
    return _DATE.sub("", name)


def is_bedrock_name(name: str) -> bool:
    """Return whether a model is called as Amazon Bedrock calls it, such as us.anthropic.claude-haiku-5-5."""
    return _BEDROCK.fullmatch(name) is not None


def plain_name(name: str) -> str:
    """Return the name that Anthropic's own API has for a model that a provider calls otherwise.

    Only what surely names a model is read: Amazon Bedrock's ids and ARNs, and `@` before a date, as Google
    has it. The name of a deployment or of an application's profile may stand for anything, and stays.
    """
    if found := _BEDROCK.fullmatch(name):
        return found[1]
    return re.sub(r"@([0-9]{8})$", r"-\1", _LATEST.sub("", name) if "@" in name else name)


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
        must be the same. What a provider puts around a name says nothing of the model.
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
        name = plain_name(name)
        date = _DATE.search(name)
        bare = _LATEST.sub("", undated(name))
        return self.ids.get(name) or self.ids.get(bare, bare), date[1] if date else None


BY_NAME = ServedNames()
"""Models answer under their own name alone, dated or not."""

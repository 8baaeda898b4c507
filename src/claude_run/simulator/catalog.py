"""The models that the simulator knows: limits, and what each refuses (messages-api reference, 3.1 and 3.2).

The table is the simulator's own on purpose: the client side has its rules in `plan/models.toml`, and a
mistake there must show against this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from claude_run.conversation.served import plain_name

if TYPE_CHECKING:
    from claude_run.scenario.json_values import JsonObject

Sampling = Literal["default", "haiku", "one", "free"]
EFFORTS = ("low", "medium", "high", "xhigh", "max")
THINKING = ("adaptive", "between_tools", "disabled", "enabled")
UNKNOWN_DATE = "1970-01-01"
"""The Models API gives the epoch where a release date is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model. Sizes are in tokens; `min_cache` is the shortest prefix that is cached.

    `sampling` under version 2023-06-01: `default` takes default values only, `haiku` one of two defaults,
    `one` refuses temperature together with top_p, `free` takes all. `off_efforts` are the effort levels
    that go with thinking switched off. `geography` says whether it takes `inference_geo`.
    """

    id: str
    min_cache: int
    thinking: frozenset[str]
    created: str = UNKNOWN_DATE
    alias: str | None = None
    sampling: Sampling = "default"
    context: int = 1_000_000
    max_output: int = 128_000
    forced_tools: bool = True
    prefill: bool = False
    system_turns: bool = False
    geography: bool = True
    efforts: tuple[str, ...] = EFFORTS
    off_efforts: tuple[str, ...] = EFFORTS
    deprecated: bool = False
    retires: str | None = None

    @property
    def line(self) -> str:
        return self.id.split("-")[1]

    @property
    def name(self) -> str:
        line, *version = (self.alias or self.id).split("-")[1:]
        return f"Claude {line.capitalize()} {'.'.join(version)}"

    def info(self) -> JsonObject:
        """Return the model as the Models API shows it, with what it can do."""
        effort = {level: _support(level in self.efforts) for level in EFFORTS}
        thinking = {kind: _support(kind in self.thinking) for kind in THINKING}
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.name,
            "created_at": f"{self.created}T00:00:00Z",
            "lifecycle": "deprecated" if self.deprecated else "active",
            "deprecated_at": None,
            "retires_at": f"{self.retires}T00:00:00Z" if self.retires else None,
            "line": self.line,
            "max_input_tokens": self.context,
            "max_tokens": self.max_output,
            # What the simulator itself does, whatever the model of the API could.
            "capabilities": {
                "batch": _support(yes=False),
                "citations": _support(yes=False),
                "code_execution": _support(yes=False),
                "context_management": _support(yes=False),
                "effort": {**_support(bool(self.efforts)), **effort},
                "image_input": _support(yes=True),
                "pdf_input": _support(yes=True),
                "server_tools": {
                    **_support(yes=False),
                    "web_search": _support(yes=False),
                    "code_execution": _support(yes=False),
                },
                "structured_outputs": _support(yes=True),
                "thinking": {**_support(yes=True), "types": thinking},
            },
        }


def find_model(name: str) -> Model | None:
    """Return the model with this id or alias, or a provider's name for it."""
    return _BY_NAME.get(name) or _BY_NAME.get(plain_name(name))


def _support(yes: bool) -> dict[str, bool]:
    return {"supported": yes}


_ADAPTIVE = frozenset({"adaptive"})
_MAY_BE_OFF = frozenset({"adaptive", "disabled"})
_UP_TO_HIGH = ("low", "medium", "high")

_FABLE = Model(
    id="claude-fable-5-2",
    created="2026-11-09",
    min_cache=512,
    thinking=_ADAPTIVE,
    forced_tools=False,
    system_turns=True,
)
_OPUS_48 = Model(id="claude-opus-4-8", min_cache=1024, thinking=_MAY_BE_OFF, system_turns=True)
_OPUS_46 = Model(
    id="claude-opus-4-6",
    min_cache=4096,
    thinking=frozenset({"adaptive", "enabled", "disabled"}),
    sampling="free",
)
_OPUS_45 = Model(
    id="claude-opus-4-5-20251101",
    alias="claude-opus-4-5",
    created="2025-11-01",
    min_cache=4096,
    thinking=frozenset({"enabled", "disabled"}),
    sampling="one",
    context=200_000,
    max_output=64_000,
    prefill=True,
    geography=False,
)

MODELS = (
    _FABLE,
    replace(_FABLE, id="claude-mythos-5-2"),
    Model(
        id="claude-haiku-5-5",
        created="2026-10-07",
        min_cache=512,
        thinking=_MAY_BE_OFF,
        sampling="haiku",
        off_efforts=_UP_TO_HIGH,
        system_turns=True,
    ),
    replace(_FABLE, id="claude-opus-5-5", created=UNKNOWN_DATE),
    replace(
        _FABLE,
        id="claude-sonnet-5-5",
        created=UNKNOWN_DATE,
        thinking=frozenset({"adaptive", "between_tools"}),
        off_efforts=_UP_TO_HIGH,
    ),
    replace(_FABLE, id="claude-fable-5-1", created=UNKNOWN_DATE),
    replace(_FABLE, id="claude-mythos-5-1", created=UNKNOWN_DATE),
    replace(_FABLE, id="claude-fable-5", created=UNKNOWN_DATE, forced_tools=True),
    replace(_FABLE, id="claude-mythos-5", created=UNKNOWN_DATE, forced_tools=True),
    replace(_OPUS_48, id="claude-opus-5", min_cache=512, off_efforts=_UP_TO_HIGH),
    replace(_OPUS_48, id="claude-sonnet-5", system_turns=False),
    _OPUS_48,
    replace(_OPUS_48, id="claude-opus-4-7", min_cache=2048, system_turns=False),
    _OPUS_46,
    replace(_OPUS_46, id="claude-sonnet-4-6", min_cache=1024),
    replace(_OPUS_45, deprecated=True, retires="2027-01-22"),
    replace(
        _OPUS_45,
        id="claude-haiku-4-5-20251001",
        alias="claude-haiku-4-5",
        created="2025-10-01",
        efforts=(),
    ),
    replace(
        _OPUS_45,
        id="claude-sonnet-4-5-20250929",
        alias="claude-sonnet-4-5",
        created="2025-09-29",
        min_cache=1024,
        efforts=(),
        deprecated=True,
        retires="2026-11-30",
    ),
)
"""Newest first, as the Models API lists them."""

_BY_NAME = {name: model for model in MODELS for name in (model.id, model.alias) if name}

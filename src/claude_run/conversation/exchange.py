"""What one API call sends and what comes back: Request, Reply, Exchange, Failure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from claude_run.conversation.usage import Usage
from claude_run.text.strict_json import join_text

if TYPE_CHECKING:
    from decimal import Decimal

    from claude_run.scenario.json_values import Json, JsonObject

FailureKind = Literal[
    "status",
    "connection",
    "timeout",
    "invalid_request",
    "invalid_reply",
    "truncated",
    "credentials",
    "deadline",
    "not_recorded",
    "other_model",
    "expired",
    "canceled",
]


STREAM_ABOVE = 16_000
"""`max_tokens` above which a reply is streamed: longer ones may outlast an idle connection."""

_SURROGATE = b"\\ud"
_canonical_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The JSON body of one `POST /v1/messages`, exactly as it is sent but for `stream`."""

    body: JsonObject
    _canonical: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def model(self) -> str:
        return cast("str", self.body["model"])

    @property
    def max_tokens(self) -> int:
        return cast("int", self.body["max_tokens"])

    @property
    def streamed(self) -> bool:
        """Whether the reply is asked for as a stream."""
        return self.max_tokens > STREAM_ABOVE

    def canonical(self) -> bytes:
        """Return the body as JSON with sorted keys and no spaces: equal requests give equal bytes."""
        if self._canonical is None:
            # Once: the history in it is as long as the conversation.
            object.__setattr__(self, "_canonical", _canonical_json(self.body).encode())
        return cast("bytes", self._canonical)

    def key(self, identity: Sequence[Json]) -> str:
        """Return the SHA-256 of the canonical body and of whose request it is, as hexadecimal digits."""
        digest = hashlib.sha256(json.dumps(identity, separators=(",", ":")).encode() + b"\n")
        digest.update(self.canonical())
        return digest.hexdigest()

    @property
    def problem(self) -> str | None:
        """Why it can never leave: a body that is no UTF-8, or what no header can carry; None for nothing."""
        for name in HEADER_PARAMS:
            value = header_value(self.body.get(name, ""))
            if not (value.isascii() and value.isprintable()):
                return f"{name} {value!r} cannot be sent: the API takes it as a header, which is plain ASCII"
        # All but surrogates can be sent, and in the canonical body those are escapes.
        if _SURROGATE not in self.canonical():
            return None
        try:
            json.dumps(self.body, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            return f"the request holds what UTF-8 cannot carry, probably from an earlier reply: {error}"
        return None


class InvalidReplyError(ValueError):
    """The body is not a whole message.

    `came` is what stands where the problem is, whole and as it came: whoever shows it redacts it first.
    """

    def __init__(self, problem: str, came: object = None) -> None:
        super().__init__(problem if came is None else f"{problem}: {came!r:.40}")
        self.problem = problem
        self.came = came


UNREAD_DELTAS = "unread_deltas"
"""The field of a message that holds the deltas of its stream that could not be put into their blocks."""

CUT_INPUT = "input_json_delta"
"""The type of the one among them that is a tool's input, as far as it came before the reply was cut off."""

CREDENTIAL_REPLACED = "credential_replaced"
"""The field of a message, true, that says that the credential in use stood in it and was taken out."""

HEADER_PARAMS: Mapping[str, str] = {
    "betas": "anthropic-beta",
    "user_profile_id": "anthropic-user-profile-id",
    "workspace_id": "anthropic-workspace-id",
}
"""Parameters of `messages.create` that the API takes as headers."""


def header_value(value: Json) -> str:
    """Return a parameter as its header says it: a list is joined by commas."""
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return ",".join(map(str, value)) if listed else str(value)  # type: ignore[arg-type] # a list, then


BLOCK_KINDS = frozenset(
    {
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
        "mcp_tool_use",
        "mcp_tool_result",
        "mcp_tool_listing",
        "advisor_tool_result",
        "compaction",
        "fallback",
    }
)
"""The types of the blocks that replies have in API version 2026-10-21 and in its betas."""

_TEXT, _OBJECT = (str, "a string"), (Mapping, "an object")
_FIELDS: Mapping[str, Mapping[str, tuple[type, str]]] = {
    "text": {"text": _TEXT},
    "thinking": {"thinking": _TEXT, "signature": _TEXT},
    "redacted_thinking": {"data": _TEXT},
    "tool_use": {"id": _TEXT, "name": _TEXT, "input": _OBJECT},
}
"""The fields of blocks that we or the API will read again, with the type and its noun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The raw JSON message of the API, kept verbatim, and the parts of it that decide what comes next."""

    body: JsonObject
    usage: Usage

    @classmethod
    def from_body(cls, body: object) -> Reply:
        """Accept a whole message only.

        It needs typed content blocks and a stop reason; anything less raises InvalidReplyError that names
        the missing part, or the one of another type than the API gives it. Unknown block types, fields and
        stop reasons are data, and pass; so does a reply without usable usage, which is paid for.
        """
        if not isinstance(body, Mapping) or body.get("type") != "message" or body.get("role") != "assistant":
            raise InvalidReplyError("the body is not an assistant message")
        content = body.get("content")
        if not isinstance(content, Sequence) or isinstance(content, str) or not all(map(_is_block, content)):
            raise InvalidReplyError("content is not a list of typed blocks")
        for number, block in enumerate(content):
            for name, (kind, noun) in _FIELDS.get(block["type"], {}).items():
                if block.get(name) is not None and not isinstance(block[name], kind):
                    raise InvalidReplyError(f"content[{number}].{name} is not {noun}", block[name])
        for name in ("id", "model", "stop_reason"):
            if body.get(name) is None:
                raise InvalidReplyError(f"{name} is missing")
            if not isinstance(body[name], str):
                raise InvalidReplyError(f"{name} is not a string", body[name])
        return cls(body=body, usage=Usage.from_api(body.get("usage")))

    @property
    def id(self) -> str:
        return cast("str", self.body["id"])

    @property
    def model(self) -> str:
        return cast("str", self.body["model"])

    @property
    def content(self) -> Sequence[JsonObject]:
        return cast("Sequence[JsonObject]", self.body["content"])

    @property
    def stop_reason(self) -> str:
        return cast("str", self.body["stop_reason"])

    @property
    def text(self) -> str:
        """The text blocks joined as they stand; thinking, tools and unknown blocks are left out."""
        return join_text(str(block.get("text") or "") for block in self.content if block["type"] == "text")

    @property
    def unknown_kinds(self) -> Sequence[str]:
        """The types of its blocks that we do not know, for whoever wants to be told."""
        return [kind for block in self.content if (kind := str(block["type"])) not in BLOCK_KINDS]

    @property
    def unread_deltas(self) -> Sequence[str]:
        """The types of what its stream said of a block in a way that we do not know."""
        unread = self.body.get(UNREAD_DELTAS)
        deltas = unread if isinstance(unread, Sequence) and not isinstance(unread, str) else ()
        return [str(delta.get("type")) for delta in deltas if isinstance(delta, Mapping)]

    @property
    def had_credential(self) -> bool:
        """Whether the credential in use stood in it, and was replaced where the reply came in."""
        return self.body.get(CREDENTIAL_REPLACED) is True

    @property
    def sendable(self) -> Sequence[JsonObject]:
        """The blocks as they are sent back: all but those of blank text, which the API refuses to take."""
        kept = [block for block in self.content if block["type"] != "text" or not is_blank(block)]
        return self.content if len(kept) == len(self.content) else kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One answered request of a conversation.

    `turn` is the index of the user turn in the script, from 0. `sent` are the messages that this request
    added to the history; `latency_s` is the wall time of the successful attempt; `cost_usd` is None where
    the model has no known price.
    """

    turn: int
    key: str
    sent: tuple[SentMessage, ...]
    reply: Reply
    attempts: int = 1
    latency_s: float = 0.0
    request_id: str | None = None
    cost_usd: Decimal | None = None
    simulated: bool = False
    replayed: bool = False
    received_at: str | None = None

    @property
    def tool_results(self) -> Sequence[Json] | None:
        """The results of tools that this request sent; None where it sent none."""
        content = self.sent[0].content if len(self.sent) == 1 else None
        if isinstance(content, str) or not isinstance(content, Sequence):
            return None
        kinds = {block.get("type") for block in content if isinstance(block, Mapping)}
        return content if kinds == {"tool_result"} else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message as it went out, with the index of the turn that it comes from."""

    turn: int
    role: str
    content: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request brought no reply. `paid` says whether the API may bill it all the same."""

    kind: FailureKind
    message: str
    status: int | None = None
    type: str | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    may_retry: bool = True
    paid: Literal["no", "maybe"] = "maybe"


def is_blank(block: JsonObject) -> bool:
    """Return whether a text block says nothing but white space."""
    return not str(block.get("text") or "").strip()


def _is_block(block: object) -> bool:
    return isinstance(block, Mapping) and isinstance(block.get("type"), str)

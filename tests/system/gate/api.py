"""A Messages API whose replies follow a rule, and the judges among its models."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.scripted_server import RawServer, error_answer, json_answer, message

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from tests.support.scripted_server import Answer, ReceivedRequest

JUDGE = "claude-opus-5-5"


def obeys(body: dict[str, Any], _nth: int) -> str | None:
    """Promise what the system prompt says, and only that."""
    return (
        "You can return it within 30 days." if "30 days" in system_of(body) else "You can return it any day."
    )


def judges(body: dict[str, Any], _nth: int) -> str | None:
    """Let a reply pass that says please."""
    return verdict("pass" if "please" in data_of(body)["reply"] else "fail")


@dataclass(kw_only=True, eq=False)
class Api:
    """A context manager that serves while it is entered; `bodies` are the requests in order of arrival.

    `reply` and `judge` return the text that answers a request, None for an error; they are told how many
    equal requests there were, this one included. Each reply is of so many `output_tokens`.
    """

    reply: Callable[[dict[str, Any], int], str | None] = obeys
    judge: Callable[[dict[str, Any], int], str | None] = judges
    output_tokens: int = 5
    bodies: list[dict[str, Any]] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)
    _server: RawServer | None = None

    def __enter__(self) -> Self:
        self._server = RawServer(respond=self._respond).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return self._server.base_url

    def reset(self) -> None:
        """Forget what came, and follow the usual rules again."""
        self.bodies.clear()
        self._seen.clear()
        self.reply, self.judge = obeys, judges
        self.output_tokens = 5

    def asked(self, model: str) -> int:
        """Return how many requests were for a model."""
        return sum(body["model"] == model for body in self.bodies)

    def _respond(self, request: ReceivedRequest) -> Answer:
        body = request.body
        self.bodies.append(body)
        self._seen[request.raw.decode()] += 1
        rule = self.judge if "output_config" in body else self.reply
        text = rule(body, self._seen[request.raw.decode()])
        if text is None:
            return error_answer("invalid_request_error", "refused by the test", status=400)
        usage = {"input_tokens": 10, "output_tokens": self.output_tokens}
        return json_answer(message({"type": "text", "text": text}, model=body["model"], usage=usage))


def verdict(word: str) -> str:
    """Return a judge's answer as it is asked for."""
    return json.dumps({"reason": f"it is a {word}", "verdict": word})


def system_of(body: dict[str, Any]) -> str:
    """Return the text of the system prompt."""
    return "".join(block["text"] for block in body.get("system", ()))


def said(body: dict[str, Any]) -> str:
    """Return the user's last message."""
    return str(body["messages"][-1]["content"])


def data_of(body: dict[str, Any]) -> Any:
    """Return what a judge is shown."""
    block: str = body["messages"][0]["content"][1]["text"]
    return json.loads(block.removeprefix("<data>").removesuffix("</data>"))

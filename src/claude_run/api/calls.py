"""Calls of the SDK's client whose response is read as it came: errors as failures, no credential in them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import anthropic

from claude_run.api.client import secrets_of
from claude_run.api.environment import route
from claude_run.api.errors import (
    TRANSPORT_ERRORS,
    from_broken_body,
    from_status_error,
    from_transport_error,
    request_id_of,
)
from claude_run.api.providers import credential_errors
from claude_run.conversation.exchange import Failure
from claude_run.play.ports import RequestFailedError
from claude_run.record.redact import bare_credential, is_searched_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx2
    from anthropic import AsyncAPIResponse

    from claude_run.api.providers import Client
    from claude_run.plan.providers import Provider
    from claude_run.record.redact import Redactor

_UNREAD = {"X-Stainless-Raw-Response": "stream"}
"""By this header the SDK's own `with_streaming_response` tells it to hand over a response unread."""

_CREDENTIAL_HEADERS = frozenset({b"x-api-key", b"authorization", b"x-amz-security-token"})


class Body(TypedDict, total=False):
    """A body in one of the forms that the SDK takes."""

    content: bytes
    body: dict[str, Any]


class Calls:
    """One client. `redactor` knows the credentials that it was seen to use."""

    def __init__(self, client: Client, redactor: Redactor, provider: Provider) -> None:
        self.redactor = redactor.knowing(secrets_of(client))
        self._client = client
        self._provider = provider
        self._refusals: tuple[type[Exception], ...] = (anthropic.AnthropicError, *credential_errors())
        self._route = route(str(client.base_url), provider.base_url)

    @asynccontextmanager
    async def response(
        self,
        path: str,
        *,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> AsyncIterator[AsyncAPIResponse[Any]]:
        """Yield the response to a POST of `body`, to a GET where there is none; its body is still to be read.

        RequestFailedError for an error status, for a request that brought no response, and for a body that
        breaks off while it is read.
        """
        try:
            response = await self._sent(path, body, headers=headers or {}, query=query or {})
            try:
                self._learn_credential(response.http_request)
                yield response
            except TRANSPORT_ERRORS as error:
                failure = from_broken_body(error, self.redact, request_id=request_id_of(response.headers))
                raise RequestFailedError(failure) from error
            finally:
                await response.close()
        except RequestFailedError as error:
            said = error.failure
            kind, code, request_id = map(self.clean, (said.type, said.code, said.request_id))
            cleaned = replace(said, type=kind, code=code, request_id=request_id)
            raise RequestFailedError(cleaned) from error

    def redact(self, text: str) -> str:
        """Return a text without the credential in use."""
        return self.redactor.text(text)

    def clean(self, text: str | None) -> str | None:
        """Return the same of what may be missing."""
        return None if text is None else self.redact(text)

    async def _sent(
        self, path: str, body: Body | None, *, headers: Mapping[str, str], query: Mapping[str, object]
    ) -> AsyncAPIResponse[Any]:
        cast_to = anthropic.AsyncAPIResponse[object]
        options: Any = {"headers": {**headers, **_UNREAD}}
        if query:
            options["params"] = query
        try:
            if body is None:
                return await self._client.get(path, cast_to=cast_to, options=options)
            return await self._client.post(path, cast_to=cast_to, **body, options=options)
        except anthropic.APIStatusError as error:
            self._learn_credential(error.request)
            failure = from_status_error(error, self.redact, variable=self._provider.base_url)
            raise RequestFailedError(failure) from error
        except (anthropic.APIConnectionError, *TRANSPORT_ERRORS) as error:
            failure = from_transport_error(error, self.redact, route=self._route)
            raise RequestFailedError(failure) from error
        except self._refusals as error:
            message = self.redact(str(error))
            failure = Failure(kind="credentials", message=message, may_retry=False, paid="no")
            raise RequestFailedError(failure) from error

    def _learn_credential(self, sent: httpx2.Request) -> None:
        """Know what the request went out with: a profile of the SDK gets a new token whenever it likes."""
        for name, raw in sent.headers.raw:
            if name.lower() not in _CREDENTIAL_HEADERS:
                continue
            value = raw.decode("latin-1")
            # A signature holds for one request: nobody could use it again.
            secret = "" if value.startswith("AWS4-") else bare_credential(value)
            if is_searched_for(secret) and not self.redactor.finds(secret):
                self.redactor = self.redactor.knowing([secret])

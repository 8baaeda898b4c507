"""Which models the API has, and what it says of each: `GET /v1/models`, page by page."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import anthropic

from claude_run.api.client import secrets_of
from claude_run.api.environment import route
from claude_run.api.errors import (
    TRANSPORT_ERRORS,
    from_broken_body,
    from_status_error,
    from_transport_error,
    quoted,
)
from claude_run.errors import CredentialsError, InputError, MeasureError
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from claude_run.api.providers import Client
    from claude_run.record.redact import Redactor
    from claude_run.scenario.json_values import JsonObject

_PAGE = 100
_MAX_PAGES = 100
_MAX_BODY = 4 * 1024 * 1024


async def list_models(client: Client, redactor: Redactor) -> tuple[JsonObject, ...]:
    """Return the models that the API lists, each as it came, with a text as its `id`.

    MeasureError where it cannot be asked, or where what it answers is no list of models; InputError for a
    client that has no Models API.
    """
    if not isinstance(client, anthropic.AsyncAnthropic):
        raise InputError("this provider has no Models API to ask")
    redactor = redactor.knowing(secrets_of(client))
    found: dict[str, JsonObject] = {}
    after: str | None = None
    for number in count(1):
        page = await _page(client, after, redactor)
        before = len(found)
        found.update({model["id"]: model for model in page["data"]})
        # A page that brings nothing new is the last one, whatever it says: the next would be the same.
        if page.get("has_more") is not True or len(found) == before:
            break
        if number == _MAX_PAGES:
            # A list that is cut off would make models look as if they were gone.
            raise MeasureError(f"invalid reply: the list of models goes on after {number} pages")
        after = page["data"][-1]["id"]
    cleaned: Any = redactor.json(list(found.values()))
    return tuple(cleaned)


async def _page(client: anthropic.AsyncAnthropic, after: str | None, redactor: Redactor) -> Any:  # noqa: ANN401 - JSON as it came
    cursor = {} if after is None else {"after_id": after}
    try:
        streaming = client.models.with_streaming_response
        async with streaming.list(limit=_PAGE, **cursor) as response:  # type: ignore[arg-type] # a text by name
            try:
                body = await _body(response)
            except TRANSPORT_ERRORS as error:
                raise MeasureError(from_broken_body(error, redactor.text).message) from error
    except anthropic.APIStatusError as error:
        raise MeasureError(from_status_error(error, redactor.text).message) from error
    except (anthropic.APIConnectionError, *TRANSPORT_ERRORS) as error:
        where = route(str(client.base_url))
        raise MeasureError(from_transport_error(error, redactor.text, route=where).message) from error
    except anthropic.AnthropicError as error:
        raise CredentialsError(redactor.text(str(error))) from error
    try:
        page = read_json(body)
    except ValueError:
        page = None
    models = page.get("data") if isinstance(page, dict) else None
    if not isinstance(models, list) or not all(map(_is_model, models)):
        raise MeasureError(f"invalid reply: the API lists no models, it says: {quoted(body, redactor.text)}")
    return page


async def _body(response: anthropic.AsyncAPIResponse[Any]) -> bytes:
    """Read the body up to a limit that no list of models comes near to."""
    body = bytearray()
    async for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _MAX_BODY:
            raise MeasureError(f"invalid reply: the list of models is longer than {_MAX_BODY} bytes")
    return bytes(body)


def _is_model(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str) and bool(value["id"])

"""The API's error bodies: status, type, message, code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario.model import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.scenario.model import JsonObject

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The error type that goes with a status (messages-api reference, section 6.1)."""


class ApiError(Exception):
    """What the API would refuse a request with; `headers` go out with the answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,  # noqa: A002 - the API's own name for the field
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type or error_type(status)
        self.code = code
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> JsonObject:
        """Return the JSON body of the answer."""
        details = {"details": {"error_code": self.code}} if self.code else EMPTY
        error = {"type": self.type, "message": self.message, **details}
        return {"type": "error", "error": error, "request_id": request_id}


def error_type(status: int) -> str:
    """Return the type of a status; one without a type of its own counts as its family's."""
    return ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")  # noqa: PLR2004 - the border of HTTP's families


def invalid(where: str, what: str) -> ApiError:
    """Return a 400 that names the place in the body as the API does: `messages.0.content: ...`."""
    return ApiError(400, f"{where}: {what}")


def refused(message: str) -> ApiError:
    """Return a 400 that is about the request as a whole."""
    return ApiError(400, message)

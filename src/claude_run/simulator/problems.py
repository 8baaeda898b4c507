"""What the API refuses a request with, and the checks of untrusted JSON that refuse in its own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from claude_run.scenario.json_values import EMPTY

if TYPE_CHECKING:
    from collections.abc import Collection

    from claude_run.scenario.json_values import JsonObject

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
    """What the API would refuse a request with."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,  # noqa: A002 - the API's own name for the field
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        # A status without a type of its own counts as its family's.
        family = "invalid_request_error" if status < 500 else "api_error"  # noqa: PLR2004 - the border of HTTP's families
        self.type = type or ERROR_TYPES.get(status, family)
        self.code = code

    def body(self, request_id: str) -> JsonObject:
        """Return the JSON body of the answer."""
        details = {"details": {"error_code": self.code}} if self.code else EMPTY
        error = {"type": self.type, "message": self.message, **details}
        return {"type": "error", "error": error, "request_id": request_id}


def invalid(where: str, what: str) -> ApiError:
    """Return a 400 that names the place in the body as the API does: `messages.0.content: ...`."""
    return ApiError(400, f"{where}: {what}")


def refused(message: str) -> ApiError:
    """Return a 400 that is about the request as a whole."""
    return ApiError(400, message)


def an_object(value: object, where: str) -> JsonObject:
    """Return the value as an object."""
    if not isinstance(value, Mapping):
        raise invalid(where, "Input should be a valid dictionary")
    return cast("JsonObject", value)


def a_list(value: object, where: str) -> Sequence[object]:
    """Return the value as a list."""
    if not isinstance(value, list):
        raise invalid(where, "Input should be a valid list")
    return value


def a_string(value: object, where: str) -> str:
    """Return the value as a string."""
    if not isinstance(value, str):
        raise invalid(where, "Input should be a valid string")
    return value


def a_boolean(value: object, where: str) -> bool:
    """Return the value as a boolean."""
    if not isinstance(value, bool):
        raise invalid(where, "Input should be a valid boolean")
    return value


def an_integer(value: object, where: str, *, least: int) -> int:
    """Return the value as a whole number that is not under `least`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(where, "Input should be a valid integer")
    if value < least:
        raise invalid(where, f"Input should be greater than or equal to {least}")
    return value


def a_choice(value: object, where: str, *, of: Sequence[str]) -> str:
    """Return the value as one of some words."""
    if not isinstance(value, str) or value not in of:
        quoted = [f"'{word}'" for word in of]
        raise invalid(
            where, f"Input should be {' or '.join(filter(None, [', '.join(quoted[:-1]), quoted[-1]]))}"
        )
    return value


def required(value: JsonObject, key: str, where: str) -> object:
    """Return a field that must be there."""
    if key not in value:
        raise invalid(join(where, key), "Field required")
    return value[key]


def only(value: JsonObject, keys: Collection[str], where: str) -> None:
    """Refuse fields that are not known."""
    for key in value:
        if key not in keys:
            raise invalid(join(where, key), "Extra inputs are not permitted")


def join(where: str, key: object) -> str:
    """Return the dotted place of a field or an index."""
    return f"{where}.{key}" if where else str(key)


def a_cache_control(value: object, where: str) -> None:
    """Check a cache marker; null is none."""
    if value is None:
        return
    control = an_object(value, where)
    a_choice(required(control, "type", where), join(where, "type"), of=("ephemeral",))
    only(control, {"type", "ttl"}, where)
    if "ttl" in control:
        a_choice(control["ttl"], join(where, "ttl"), of=("5m", "1h"))

"""The one table from an HTTP status to a RemoteError. Pure.

Source: RFC 9110, section 15; RFC 6585, section 4; RFC 8470, section 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shipit.errors import RemoteError
from shipit.http.messages import Answer
from shipit.http.retry import parse_retry_after


class Status(NamedTuple):
    """`is_temporary`: whether the same request may succeed later."""

    name: str
    is_temporary: bool = False


_TABLE = {
    301: Status("Moved Permanently"),
    302: Status("Found"),
    303: Status("See Other"),
    307: Status("Temporary Redirect"),
    308: Status("Permanent Redirect"),
    400: Status("Bad Request"),
    401: Status("Unauthorized"),
    402: Status("Payment Required"),
    403: Status("Forbidden"),
    404: Status("Not Found"),
    405: Status("Method Not Allowed"),
    408: Status("Request Timeout", is_temporary=True),
    409: Status("Conflict"),
    410: Status("Gone"),
    413: Status("Content Too Large"),
    415: Status("Unsupported Media Type"),
    416: Status("Range Not Satisfiable"),
    422: Status("Unprocessable Content"),
    425: Status("Too Early", is_temporary=True),
    429: Status("Too Many Requests", is_temporary=True),
    500: Status("Internal Server Error", is_temporary=True),
    501: Status("Not Implemented"),
    502: Status("Bad Gateway", is_temporary=True),
    503: Status("Service Unavailable", is_temporary=True),
    504: Status("Gateway Timeout", is_temporary=True),
}


def refusal(
    answer: Answer,
    message: str = "",
    *,
    what: str = "",
    hint: str = "",
    detail: Sequence[str] = (),
    pause_s: float | None = None,
) -> RemoteError:
    """The error for an answer with a status that its caller does not accept.

    `message` is what the server says about it. `what` replaces the whole text, which else names the status and the message.
    `pause_s` is how long to wait before the next attempt where the server has no Retry-After.
    """
    status = _TABLE.get(answer.status, Status(""))
    told_s = parse_retry_after(answer.header("Retry-After"))
    answered = f"answered {answer.status} {status.name}".rstrip()
    return RemoteError(
        what or (f"{answered}: {message}" if message else answered),
        where=answer.request.shown,
        hint=hint,
        retryable=status.is_temporary,
        detail=detail,
        status=answer.status,
        retry_after_s=(pause_s if told_s is None else told_s) if status.is_temporary else None,
    )

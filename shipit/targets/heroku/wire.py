"""One request to Heroku's Platform API: token, rate limit, and errors with Heroku's id, message and request id.

Source: devcenter.heroku.com/articles/platform-api-reference.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.events import Emit
from shipit.http.fields import Field
from shipit.http.messages import Answer
from shipit.http.statuses import refusal
from shipit.http.transport import Transport
from shipit.http.urls import shown
from shipit.targets.heroku.address import api_address, check_api
from shipit.targets.heroku.budget import RequestBudget
from shipit.targets.heroku.token import NO_TOKEN, Token

JSON = "application/vnd.heroku+json; version=3"
# The pause after a 429 without Retry-After: Heroku allows 75 more requests every minute.
RATE_LIMIT_PAUSE_S = 10.0
LARGEST_ERROR = 64 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9,_-]{1,400}", re.ASCII)
_NAME = re.compile(r"[a-z_]{1,64}", re.ASCII)


class Reply(NamedTuple):
    """The JSON that Heroku answered, and its warning."""

    body: Field
    warning: str


class HerokuWire:
    """Sends requests with one token, each once. Safe to use from several threads.

    `http` has the connections and certificates of the run; without it, the wire opens and closes its own.
    """

    def __init__(
        self,
        environment: ProcessEnvironment,
        token: Token | None,
        clock: Clock,
        emit: Emit,
        http: Transport | None = None,
    ) -> None:
        self.base, _ = api_address(environment)
        check_api(self.base)
        self.http = http or Transport(environment, Deadline(clock))
        self._is_http_own = http is None
        self.token = token
        self.clock = clock
        self.emit = emit
        self.budget = RequestBudget(clock, emit)

    def close(self) -> None:
        """Close connections, unless they are the run's."""
        if self._is_http_own:
            self.http.close()

    def send(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        accept: str = JSON,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Reply:
        """Send one request. Raises: RemoteError, DeadlinePassed, Interrupted."""
        url = f"{self.base}{path}"
        where, request_id = shown(method, url), str(uuid.uuid4())
        if not self.token:
            raise RemoteError("not logged in to Heroku", where=where, hint=NO_TOKEN, status=401)
        self.budget.wait(deadline, where)
        sent = {
            "Accept": accept,
            "Authorization": f"Bearer {self.token.value}",
            "Request-Id": request_id,
            **(headers or {}),
        }
        answer = self.http.send(method, url, headers=sent, json=body, deadline=deadline)
        self.budget.update(answer.header("RateLimit-Remaining"))
        if answer.status not in (200, 201, 202, 206):
            raise _error(answer, request_id, self.token)
        return Reply(_parsed(answer, where), answer.header("Warning-Message") or answer.header("X-Heroku-Warning"))

    def date(self, deadline: Deadline) -> str:
        """The `Date` header of an answer, for the clock; empty without one."""
        return self.http.send("GET", f"{self.base}/account", headers={"Accept": JSON}, deadline=deadline).header("Date")


def _parsed(answer: Answer, where: str) -> Field:
    try:
        return Field(answer.json(), where, hint=_CHANGED)
    except ValueError:
        kind = answer.header("Content-Type").partition(";")[0].strip()
        what = f"the answer should be JSON{f', not {kind}' if kind and 'json' not in kind else ''}"
        raise RemoteError(what, where=where, hint="is a proxy in between?", retryable=True) from None


_CHANGED = "is a proxy in between? If not, Heroku's API has changed: please report it"
_HINTS = {
    "not_found": "check app: in deploy.yml, and that this account may see it",
    "forbidden": "ask the app's owner for deploy rights",
    "delinquent": "the account has unpaid bills",
    "suspended": "the account or app is suspended",
    "two_factor": "use a token from heroku authorizations:create, which needs no second factor",
    "rate_limit": "wait a minute: Heroku allows 4500 requests an hour",
}
# Heroku's error ids for statuses that its router answers without an id.
_IDS = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limit"}


def _error(answer: Answer, request_id: str, token: Token) -> RemoteError:
    """The error for an answer, with Heroku's id, message and request id."""
    status = answer.status
    name, message = _named(answer)
    theirs = answer.header("Request-Id")
    hint = _HINTS.get(name or _IDS.get(status, ""), "")
    if status == 401:
        hint = f"the token from {token.origin} is wrong or expired: {NO_TOKEN}"
    return refusal(
        answer,
        what=f"{name}: {message}" if message else "",
        hint=hint,
        detail=[f"Request-Id {theirs if _REQUEST_ID.fullmatch(theirs) else request_id}"],
        pause_s=RATE_LIMIT_PAUSE_S if status == 429 else None,
    )


def _named(answer: Answer) -> tuple[str, str]:
    """The id and message of an error; empty when the body is not an error of Heroku's, or too long."""
    try:
        body = answer.json() if len(answer.content) <= LARGEST_ERROR else None
    except ValueError:
        return "", ""
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return "", ""
    name = body.get("id")
    known = name if isinstance(name, str) and _NAME.fullmatch(name) else "error"
    return known, body["message"].rstrip(".")

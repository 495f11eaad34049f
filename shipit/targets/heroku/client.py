"""The wire to Heroku's Platform API: every request it takes, as plain values.

Source: devcenter.heroku.com/articles/platform-api-reference; the docker-releases variant as the Heroku CLI sends it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.config.environment import Environment
from shipit.errors import RemoteError
from shipit.events import Emit
from shipit.http.exchange import LARGEST_WHOLE, Answer
from shipit.http.failures import TEMPORARY, shown
from shipit.http.proxy import is_loopback
from shipit.http.retry import parse_retry_after, retrying
from shipit.http.transport import Transport
from shipit.targets.heroku.token import Token

API = "https://api.heroku.com"
REGISTRY = "registry.heroku.com"
JSON = "application/vnd.heroku+json; version=3"
DOCKER = f"{JSON}.docker-releases"
SDK = f"{JSON}.sdk"
STREAM_READ_S = 5.0


def api_address(environment: Environment) -> tuple[str, str]:
    """The API's URL and the registry's host; SHIPIT_HEROKU_API and SHIPIT_HEROKU_REGISTRY name others, for a stand-in."""
    api = (environment.get("SHIPIT_HEROKU_API") or API).rstrip("/")
    return api, environment.get("SHIPIT_HEROKU_REGISTRY") or REGISTRY


class HerokuClient:
    """Speaks for one token. Reads are tried again; writes are sent once."""

    def __init__(self, environment: Environment, token: Token | None, clock: Clock, emit: Emit) -> None:
        self.base, _ = api_address(environment)
        self.http = Transport(environment, Deadline(clock))
        self.token = token
        self.clock = clock
        self.emit = emit
        host = self.base.split("://", 1)[-1].split("/")[0].rsplit(":", 1)[0]
        if self.base.startswith("http://") and not is_loopback(host):
            raise RemoteError(
                "a token is only sent over https",
                where=self.base,
                hint="SHIPIT_HEROKU_API may be plain http on a loopback address only",
            )

    def date(self) -> str | None:
        """Heroku's clock, as its `Date` header has it."""
        return self.http.send("GET", f"{self.base}/account", headers={"Accept": JSON}).header("Date") or None

    def account(self) -> Any:
        return self._get("/account")

    def app(self, app: str) -> Any:
        return self._get(f"/apps/{app}")

    def formation(self, app: str) -> Any:
        return self._get(f"/apps/{app}/formation", accept=DOCKER)

    def config_vars(self, app: str) -> Any:
        return self._get(f"/apps/{app}/config-vars")

    def dynos(self, app: str) -> Any:
        return self._get(f"/apps/{app}/dynos")

    def releases(self, app: str, count: int = 10) -> Any:
        """The newest releases, newest first."""
        return self._get(f"/apps/{app}/releases", headers={"Range": f"version ..; order=desc,max={count}"})

    def release(self, app: str, release_id: str) -> Any:
        return self._get(f"/apps/{app}/releases/{release_id}")

    def release_images(self, app: str, updates: Sequence[Mapping[str, Any]]) -> Any:
        """Release images to process types in one request; the answer is the formation."""
        return self._once("PATCH", f"/apps/{app}/formation", accept=DOCKER, json={"updates": list(updates)})

    def roll_back(self, app: str, release_id: str) -> Any:
        """Release again what a release released, its config vars included; the answer is the new release."""
        return self._once("POST", f"/apps/{app}/releases", accept=SDK, json={"release": release_id})

    def scale(self, app: str, updates: Sequence[Mapping[str, Any]]) -> Any:
        return self._once("PATCH", f"/apps/{app}/formation", json={"updates": list(updates)})

    def set_config(self, app: str, values: Mapping[str, str | None]) -> Any:
        """Set config vars in one request; None removes one."""
        return self._once("PATCH", f"/apps/{app}/config-vars", json=dict(values))

    def recent_logs(self, app: str, lines: int, dyno: str | None = None) -> list[str]:
        """The last lines of the app's log, or of one dyno's."""
        body = {"lines": lines, "tail": False, **({"dyno": dyno} if dyno else {})}
        session = self._once("POST", f"/apps/{app}/log-sessions", accept=SDK, json=body)
        headers = {"Accept": "text/event-stream, text/plain"}
        found = b""
        try:
            with self.http.send(
                "GET", session["logplex_url"], headers=headers, stream=True, read_s=STREAM_READ_S, least_rate=0
            ) as answer:
                if answer.status != 200:
                    return []
                is_events = answer.header("Content-Type").startswith("text/event-stream")
                for chunk in answer.pieces(most_bytes=LARGEST_WHOLE):
                    found += chunk
        except RemoteError:
            # Some sessions stay open after the last line: what came until then is what there is.
            if not found:
                return []
        return parse_log(found.decode("utf-8", "replace"), is_events=is_events)[-lines:]

    def output(self, url: str, offset: int) -> Iterator[bytes]:
        """Bytes of a release's output from an offset on, until the stream ends, breaks, or is silent for five seconds.

        The stream is not there in the first seconds: that is an empty stream. It is asked for without our token.
        """
        headers = {"Accept": "text/plain", **({"Range": f"bytes={offset}-"} if offset else {})}
        try:
            with self.http.send("GET", url, headers=headers, stream=True, read_s=STREAM_READ_S, least_rate=0) as answer:
                if answer.status not in (200, 206):
                    return
                skip = offset if answer.status == 200 else 0
                for chunk in answer.pieces():
                    yield chunk[skip:]
                    skip = max(0, skip - len(chunk))
        except RemoteError:
            return

    def _get(self, path: str, *, accept: str = JSON, headers: Mapping[str, str] | None = None) -> Any:
        return retrying(
            lambda: self._once("GET", path, accept=accept, headers=headers), clock=self.clock, emit=self.emit
        )

    def _once(
        self, method: str, path: str, *, accept: str = JSON, headers: Mapping[str, str] | None = None, json: Any = None
    ) -> Any:
        url = f"{self.base}{path}"
        if not self.token:
            raise RemoteError(
                "nobody is logged in to Heroku",
                where=shown(method, url),
                hint="set HEROKU_API_KEY, or run heroku login",
                status=401,
            )
        request_id = str(uuid.uuid4())
        merged = {
            "Accept": accept,
            "Authorization": f"Bearer {self.token.value}",
            "Request-Id": request_id,
            **(headers or {}),
        }
        answer = self.http.send(method, url, headers=merged, json=json)
        if answer.status not in (200, 201, 202, 206):
            error = _error(method, url, answer, request_id)
            if error.status == 401:
                error.hint = (
                    f"the token from {self.token.origin} is wrong or expired: set HEROKU_API_KEY, or run heroku login"
                )
            raise error
        try:
            return answer.json()
        except ValueError:
            raise RemoteError(
                "the answer should be JSON",
                where=shown(method, url),
                hint="is a proxy in between?",
                retryable=method == "GET",
            ) from None


def parse_log(text: str, *, is_events: bool) -> list[str]:
    """The lines of a log session, which come plain or as the `data:` of server-sent events."""
    lines = text.splitlines()
    if is_events:
        lines = [line.removeprefix("data:").removeprefix(" ") for line in lines if line.startswith("data:")]
    return [line for line in lines if line]


_HINTS = {
    "not_found": "check app: in deploy.yml, and that this account may see it",
    "forbidden": "ask the app's owner for deploy rights",
    "delinquent": "the account has unpaid bills",
    "suspended": "the account or app is suspended",
    "two_factor": "use a token from heroku authorizations:create, which needs no second factor",
    "rate_limit": "wait a minute: Heroku allows 4500 requests an hour",
}


def _error(method: str, url: str, answer: Answer, request_id: str) -> RemoteError:
    """The error for an answer, with Heroku's id, message and request id."""
    try:
        body = answer.json()
        name, message = str(body.get("id", "")), str(body.get("message", ""))
    except (ValueError, AttributeError):
        name, message = "", ""
    status = answer.status
    name = name or {401: "unauthorized", 404: "not_found", 403: "forbidden", 429: "rate_limit"}.get(status, "")
    said = f"{name}: {message.rstrip('.')}" if message else f"answered {status} {name}".rstrip()
    return RemoteError(
        said,
        where=shown(method, url),
        hint=_HINTS.get(name, ""),
        retryable=status in TEMPORARY,
        status=status,
        retry_after_s=parse_retry_after(answer.header("Retry-After")),
        detail=[f"Request-Id {answer.header('Request-Id') or request_id}"],
    )

"""Requests to Heroku's Platform API for one app: reads and writes, with plain values.

Source: devcenter.heroku.com/articles/platform-api-reference; the docker-releases variant as the Heroku CLI sends it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipit.clock import Deadline
from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.http.retry import ATTEMPTS, retrying
from shipit.targets.heroku.answers import (
    parse_app,
    parse_config,
    parse_dyno,
    parse_formation,
    parse_release,
    parse_releases,
)
from shipit.targets.heroku.observed import AppFacts, DynoFacts, ProcessFacts, ReleaseFacts
from shipit.targets.heroku.requests import config_call, images_call, scale_call
from shipit.targets.heroku.wire import JSON, HerokuWire, Reply

if TYPE_CHECKING:
    from shipit.targets.heroku.steps import DynoScale

DOCKER = f"{JSON}.docker-releases"
_DYNO = re.compile(r"[a-zA-Z0-9_.-]{1,128}", re.ASCII)
# A dyno of a process type. It is a part of a path.
_NUMBERED = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,127}[.][0-9]{1,9}")
SDK = f"{JSON}.sdk"


@dataclass(frozen=True)
class HerokuClient:
    """A client for one app. Reads are tried `attempts` times; writes are sent once. The deadline bounds every request.

    Every method raises RemoteError, DeadlinePassed and Interrupted.
    """

    wire: HerokuWire
    app: str
    deadline: Deadline
    attempts: int = ATTEMPTS

    def date(self) -> str:
        """The `Date` header of an answer, for the clock; empty without one."""
        return self.wire.date(self.deadline)

    def account(self) -> str:
        """The account of the token: its e-mail address, or its id."""
        body = self._get("/account")
        return body["email"].text() or body["id"].exact()

    def facts(self) -> AppFacts:
        return parse_app(self._get(f"/apps/{self.app}"))

    def formation(self) -> dict[str, ProcessFacts]:
        return parse_formation(self._get(f"/apps/{self.app}/formation", accept=DOCKER))

    def config_vars(self) -> dict[str, str]:
        return parse_config(self._get(f"/apps/{self.app}/config-vars"))

    def dynos(self) -> tuple[DynoFacts, ...]:
        return tuple(parse_dyno(item) for item in self._get(f"/apps/{self.app}/dynos").present().rows())

    def releases(self, count: int = 10) -> tuple[ReleaseFacts, ...]:
        """The newest releases, newest first."""
        headers = {"Range": f"version ..; order=desc,max={count}"}
        return parse_releases(self._get(f"/apps/{self.app}/releases", headers=headers))

    def release(self, release_id: str) -> ReleaseFacts:
        return parse_release(self._get(f"/apps/{self.app}/releases/{release_id}"))

    def release_config(self, version: int) -> dict[str, str]:
        """The config vars of a release.

        Source: Platform API reference, "Config vars: info for release".
        """
        return parse_config(self._get(f"/apps/{self.app}/releases/{version}/config-vars"))

    def release_images(self, images: Mapping[str, Digest]) -> Reply:
        """Release images, by process type, in one request; the answer is the formation."""
        return self._send(*images_call(self.app, images), accept=DOCKER)

    def remove(self, process: str) -> Reply:
        """Take a process type out, as `heroku container:rm` does."""
        path = f"/apps/{self.app}/formation/{process}"
        return self._send("PATCH", path, accept=DOCKER, body={"docker_image": None})

    def roll_back(self, release_id: str) -> Reply:
        """Roll back to a release; the answer is the new release."""
        return self._send("POST", f"/apps/{self.app}/releases", accept=SDK, body={"release": release_id})

    def scale(self, processes: Mapping[str, DynoScale]) -> Reply:
        return self._send(*scale_call(self.app, processes))

    def restart(self, process: str) -> Reply:
        """Replace the dynos of a process type. As the Heroku CLI it sends no body."""
        return self._send("DELETE", f"/apps/{self.app}/formations/{process}", body=None)

    def restart_dyno(self, name: str) -> Reply:
        """Source: Platform API reference, "Dyno: restart". Raises: RemoteError, also for what is no name of a dyno."""
        if not _NUMBERED.fullmatch(name):
            raise RemoteError(f"{name!r} should be the name of a dyno, such as web.1", where=f"the dynos of {self.app}")
        return self._send("DELETE", f"/apps/{self.app}/dynos/{name}", body=None)

    def delete_app(self) -> Reply:
        """Source: Heroku Platform API, App Delete."""
        return self._send("DELETE", f"/apps/{self.app}", body=None)

    def start_dyno(self, body: Mapping[str, Any]) -> tuple[str, str]:
        """Start a one-off dyno; its name, and the URL of its streams when `attach` is set.

        Source: Platform API reference, "Dyno: create"; the fields as the Heroku CLI sends them.
        """
        reply = self._send("POST", f"/apps/{self.app}/dynos", body=dict(body)).body
        return reply["name"].matching(_DYNO, "the name of a dyno"), reply["attach_url"].text()

    def stop_dyno(self, name: str) -> None:
        """Source: Platform API reference, "Dyno: stop"."""
        self._send("POST", f"/apps/{self.app}/dynos/{name}/actions/stop", body={})

    def set_config(self, values: Mapping[str, str | None]) -> Reply:
        """Set config vars in one request; None removes one."""
        return self._send(*config_call(self.app, values))

    def log_session(self, lines: int, dyno: str = "", *, tail: bool = False) -> str:
        """The URL of the last lines of the app's log, or of one dyno or process type; with `tail` it goes on."""
        body = {"lines": lines, "tail": tail, **({"dyno": dyno} if dyno else {})}
        reply = self._send("POST", f"/apps/{self.app}/log-sessions", accept=SDK, body=body)
        return reply.body["logplex_url"].exact()

    def _get(self, path: str, *, accept: str = JSON, headers: Mapping[str, str] | None = None) -> Field:
        wire = self.wire
        return retrying(
            lambda: wire.send("GET", path, self.deadline, accept=accept, headers=headers).body,
            deadline=self.deadline,
            emit=wire.emit,
            attempts=self.attempts,
        )

    def _send(self, method: str, path: str, body: Any, *, accept: str = JSON) -> Reply:
        return self.wire.send(method, path, self.deadline, accept=accept, body=body)

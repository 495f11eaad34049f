"""The questions that Heroku's Platform API is asked, and the changes, as plain values.

Source: devcenter.heroku.com/articles/platform-api-reference; the docker-releases variant as the Heroku CLI sends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipit.clock import Deadline
from shipit.http.fields import Field
from shipit.http.retry import ATTEMPTS, retrying
from shipit.targets.heroku.observed import (
    AppFacts,
    DynoFacts,
    ProcessFacts,
    ReleaseFacts,
    parse_app,
    parse_config,
    parse_dyno,
    parse_formation,
    parse_release,
    parse_releases,
)
from shipit.targets.heroku.wire import JSON, HerokuWire, Said

DOCKER = f"{JSON}.docker-releases"
SDK = f"{JSON}.sdk"


@dataclass(frozen=True)
class HerokuClient:
    """Asks for one app. Reads are tried `attempts` times; writes are sent once. Nothing outlasts the deadline.

    Every method raises RemoteError, DeadlinePassed and Interrupted.
    """

    wire: HerokuWire
    app: str
    deadline: Deadline
    attempts: int = ATTEMPTS

    def date(self) -> str:
        """Heroku's clock, as its `Date` header has it; empty where it has none."""
        return self.wire.date(self.deadline)

    def account(self) -> str:
        """Who the token is for: an e-mail address, or an id."""
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

    def release_images(self, updates: Sequence[Mapping[str, Any]]) -> Said:
        """Release images to process types in one request; the answer is the formation."""
        return self._send("PATCH", f"/apps/{self.app}/formation", accept=DOCKER, body={"updates": list(updates)})

    def remove(self, process: str) -> Said:
        """Take a process type out, as `heroku container:rm` does."""
        path = f"/apps/{self.app}/formation/{process}"
        return self._send("PATCH", path, accept=DOCKER, body={"docker_image": None})

    def roll_back(self, release_id: str) -> Said:
        """Release again what a release released, its config vars included; the answer is the new release."""
        return self._send("POST", f"/apps/{self.app}/releases", accept=SDK, body={"release": release_id})

    def scale(self, updates: Sequence[Mapping[str, Any]]) -> Said:
        return self._send("PATCH", f"/apps/{self.app}/formation", body={"updates": list(updates)})

    def set_config(self, values: Mapping[str, str | None]) -> Said:
        """Set config vars in one request; None removes one."""
        return self._send("PATCH", f"/apps/{self.app}/config-vars", body=dict(values))

    def log_session(self, lines: int, dyno: str = "") -> str:
        """The URL of the last lines of the app's log, or of one dyno's."""
        body = {"lines": lines, "tail": False, **({"dyno": dyno} if dyno else {})}
        said = self._send("POST", f"/apps/{self.app}/log-sessions", accept=SDK, body=body)
        return said.body["logplex_url"].exact()

    def _get(self, path: str, *, accept: str = JSON, headers: Mapping[str, str] | None = None) -> Field:
        wire = self.wire
        return retrying(
            lambda: wire.send("GET", path, self.deadline, accept=accept, headers=headers).body,
            deadline=self.deadline,
            emit=wire.emit,
            attempts=self.attempts,
        )

    def _send(self, method: str, path: str, *, accept: str = JSON, body: Any) -> Said:
        return self.wire.send(method, path, self.deadline, accept=accept, body=body)

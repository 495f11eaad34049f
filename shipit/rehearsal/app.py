"""An app of the Heroku stand-in, and its JSON."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shipit.rehearsal.dyno import Running
from shipit.rehearsal.server import Response

OWNER = "rehearsal@localhost"


@dataclass
class Dyno:
    name: str
    process: str
    version: int
    port: int
    state: str = "starting"
    running: Running | None = None
    since: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class App:
    """`formation`: type -> quantity, size and image (config digest) of what runs.

    `requested` has the image of each type by the last release, also one that failed or is pending: Heroku compares the next
    release with it. `user` is who makes the next release.
    """

    name: str
    stack: str = "container"
    generation: str = "cedar"
    formation: dict[str, dict[str, Any]] = field(default_factory=dict)
    requested: dict[str, str] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    releases: list[dict[str, Any]] = field(default_factory=list)
    dynos: list[Dyno] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    # Id of a release that succeeded -> its images and config vars, for a rollback.
    past: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)
    # Id of a release -> the config vars when it was made.
    release_configs: dict[str, dict[str, str]] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    user: str = OWNER
    maintenance: bool = False

    def write(self, source: str, line: str) -> None:
        """Add a line to the log; `source` is such as `app[web.1]`."""
        self.log.append(f"{log_time_text()} {source}: {line}")

    def images(self) -> dict[str, str]:
        """The running images: type -> config digest."""
        return {name: row["image"] for name, row in self.formation.items()}

    def take(self, images: Mapping[str, str | None]) -> None:
        """Run these images from now on; None removes a process type."""
        for name, image in images.items():
            if image is None:
                self.formation.pop(name, None)
                continue
            row = self.formation.setdefault(name, {"quantity": 1 if name == "web" else 0, "size": "Basic"})
            row["image"] = image

    def add_release(self, description: str, status: str = "succeeded") -> dict[str, Any]:
        """The next release."""
        release = {
            "id": str(uuid.uuid4()),
            "version": len(self.releases) + 1,
            "status": status,
            "description": description,
            "output_stream_url": None,
            "slug": None,
            "created_at": now_text(),
            "user": {"email": self.user},
            "eligible_for_rollback": False,
        }
        self.releases.append(release)
        self.release_configs[str(release["id"])] = dict(self.config)
        return release

    def keep(self, release: dict[str, Any]) -> None:
        """Store the images and config vars of a release that succeeded, for rollbacks."""
        if images := self.images():
            self.past[release["id"]] = (images, dict(self.config))
            release["eligible_for_rollback"] = True


def dyno_row(app: App, dyno: Dyno) -> dict[str, Any]:
    """A dyno as GET /dynos lists it."""
    size = app.formation[dyno.process]["size"]
    known = {
        "id": dyno.id,
        "name": dyno.name,
        "type": dyno.process,
        "state": dyno.state,
        "release": {"version": dyno.version},
    }
    return {**known, "size": size, "command": "", "created_at": dyno.since, "updated_at": dyno.since}


def now_text() -> str:
    """This moment as the API writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def log_time_text() -> str:
    """This moment as a line of a log has it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of the API, with a request id."""
    return Response(
        status,
        json.dumps(value).encode(),
        {"Content-Type": "application/json", "Request-Id": str(uuid.uuid4()), **(headers or {})},
    )


def failure(status: int, name: str, message: str, *, resource: str = "") -> Response:
    """An error of the API."""
    body = {"id": name, "message": message, **({"resource": resource} if resource else {})}
    return json_response(body, status=status)

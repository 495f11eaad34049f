"""A stand-in for Heroku: the Platform API for container releases, its registry, release commands, and dynos.

Strict: it refuses every route, header and body that Heroku would refuse. Its answers follow Heroku's documentation and CLI;
where both are silent, whoever starts it chooses.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable
from typing import Any, Self

from shipit.rehearsal.app import OWNER, App, dyno_row, failure, json_response
from shipit.rehearsal.dyno import ProcessRunner, Runner
from shipit.rehearsal.dynos import Dynos
from shipit.rehearsal.formation import Formation
from shipit.rehearsal.logs import LogSessions, output_stream
from shipit.rehearsal.one_offs import OneOffs
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.releases import Releases
from shipit.rehearsal.server import Handler, Request, Response, StrictServer

_APP = r"/apps/(?P<app>[a-z][a-z0-9-]*)"
_RANGES = re.compile(r"version \.\.; ?order=desc, ?max=(\d+)|version \.\.; ?max=(\d+), ?order=desc")
ALLOWED_REQUESTS = 4500


class HerokuStandIn(StrictServer):
    """The API on its own port, and `registry` on another. Both accept `token`.

    `formation` and `releases` have the options for behaviour that Heroku does not document.
    """

    # TLS of the server that has the streams of one-off dynos; without it, it listens without TLS, as the API does.
    rendezvous_tls: ssl.SSLContext | None = None

    def __init__(self, *, token: str, runner: Runner | None = None) -> None:
        super().__init__()
        self.token = token
        self.registry = EmbeddedRegistry(password=token, is_heroku=True)
        self.apps: dict[str, App] = {}
        self.remaining = ALLOWED_REQUESTS
        self._lock = threading.RLock()
        self.dynos = Dynos(self.registry, runner or ProcessRunner())
        self.releases = Releases(self.dynos, self._lock, lambda id: f"http://{self.host}/streams/{id}")
        self.formation = Formation(self.dynos, self.releases)
        self.sessions = LogSessions()
        for method, pattern, handler in (
            ("GET", _APP, self._of_app(self._get_app)),
            ("DELETE", _APP, self._of_app(self._delete_app)),
            ("GET", f"{_APP}/formation", self._of_app(self.formation.get)),
            ("PATCH", f"{_APP}/formation", self._of_app(self.formation.patch)),
            ("PATCH", rf"{_APP}/formation/(?P<type>[-\w]{{1,128}})", self._of_app(self.formation.patch_process)),
            ("DELETE", rf"{_APP}/formations/(?P<type>[-\w]{{1,128}})", self._of_app(self.formation.restart)),
            ("DELETE", f"{_APP}/dynos", self._of_app(self.formation.restart_all)),
            ("DELETE", rf"{_APP}/dynos/(?P<dyno>[a-z0-9.]+)", self._of_app(self.formation.restart_dyno)),
            ("GET", f"{_APP}/config-vars", self._of_app(self._get_config)),
            ("PATCH", f"{_APP}/config-vars", self._of_app(self._patch_config)),
            ("GET", f"{_APP}/releases", self._of_app(self._get_releases)),
            ("POST", f"{_APP}/releases", self._of_app(self._post_release)),
            ("GET", rf"{_APP}/releases/(?P<release>[0-9a-f-]+)", self._of_app(self._get_release)),
            ("GET", rf"{_APP}/releases/(?P<release>[0-9a-f-]+)/config-vars", self._of_app(self._get_release_config)),
            ("GET", f"{_APP}/dynos", self._of_app(self._get_dynos)),
            ("POST", f"{_APP}/dynos", self._of_app(lambda app, request: self.one_offs.create(app, request))),
            (
                "POST",
                rf"{_APP}/dynos/(?P<dyno>[a-z0-9.]+)/actions/stop",
                self._of_app(lambda app, request: self.one_offs.halt(app, request)),
            ),
            ("POST", f"{_APP}/log-sessions", self._post_log_session),
            ("GET", "/account", self._get_account),
            ("GET", r"/logs/(?P<id>[0-9a-f-]+)", self.sessions.read),
            ("GET", r"/streams/(?P<id>[0-9a-f-]+)", self._get_stream),
        ):
            self.route(method, pattern, handler)

    def start(self) -> Self:
        self.registry.start()
        self.one_offs = OneOffs(self.dynos, self.rendezvous_tls)
        return super().start()

    def stop(self) -> None:
        self.releases.stop()
        self.one_offs.stop()
        self.sessions.stop()
        for app in self.apps.values():
            self.dynos.stop(app, [dyno.process for dyno in app.dynos])
        self.registry.stop()
        super().stop()

    def create_app(self, name: str, *, stack: str = "container", generation: str = "cedar") -> App:
        """An app as `heroku create` leaves it: one release, no dynos."""
        app = self.apps[name] = App(name, stack, generation)
        app.add_release("Initial release")
        return app

    def variables(self) -> dict[str, str]:
        """The environment variables that make shipit use this stand-in."""
        return {
            "SHIPIT_HEROKU_API": f"http://{self.host}",
            "SHIPIT_HEROKU_REGISTRY": self.registry.host,
            "HEROKU_API_KEY": self.token,
        }

    def answer(self, request: Request) -> Response:
        is_open = request.path.startswith(("/streams/", "/logs/"))
        if is_open and "authorization" in request.headers:
            return failure(400, "bad_request", "a stream is requested without credentials")
        if is_open:
            return super().answer(request)
        if request.headers.get("authorization") != f"Bearer {self.token}":
            self.log.append((request.method, request.path))
            return failure(401, "unauthorized", "Invalid credentials provided.")
        if "application/vnd.heroku+json; version=3" not in request.headers.get("accept", ""):
            return failure(406, "not_acceptable", "The Accept header should be application/vnd.heroku+json; version=3.")
        with self._lock:
            return self._answer(request)

    def refuse(self, request: Request) -> Response:
        return failure(404, "not_found", "The requested API endpoint was not found.")

    def _answer(self, request: Request) -> Response:
        self.remaining -= 1
        name = re.match(r"/apps/([^/]+)", request.path)
        if name and name[1] not in self.apps:
            self.log.append((request.method, request.path))
            return failure(404, "not_found", "Couldn't find that app.", resource="app")
        answer = super().answer(request)
        return Response(answer.status, answer.body, {**answer.headers, "RateLimit-Remaining": str(self.remaining)})

    def _of_app(self, handler: Callable[[App, Request], Response]) -> Handler:
        return lambda request: handler(self.apps[request.groups["app"]], request)

    def _get_app(self, app: App, request: Request) -> Response:
        port = next((dyno.port for dyno in app.dynos if dyno.process == "web"), None)
        return json_response({
            "id": app.id,
            "name": app.name,
            "stack": {"name": app.stack},
            "build_stack": {"name": app.stack},
            "generation": {"name": app.generation},
            "maintenance": app.maintenance,
            "web_url": f"http://127.0.0.1:{port}/" if port else f"https://{app.name}.herokuapp.com/",
        })  # fmt: skip

    def _delete_app(self, app: App, request: Request) -> Response:
        self.dynos.stop(app, [dyno.process for dyno in app.dynos])
        del self.apps[app.name]
        return json_response({"id": app.id, "name": app.name})

    def _get_account(self, request: Request) -> Response:
        return json_response({"id": "account", "email": OWNER})

    def _post_release(self, app: App, request: Request) -> Response:
        body = json.loads(request.body or b"{}")
        wanted = next((row for row in app.releases if row["id"] == body.get("release")), None)
        if wanted is None:
            return _no_release()
        if wanted["status"] != "succeeded" or wanted["id"] not in app.past:
            return failure(422, "invalid_params", "Cannot roll back to that release.")
        return json_response(self.releases.rollback(app, wanted), status=201)

    def _get_config(self, app: App, request: Request) -> Response:
        return json_response(app.config)

    def _patch_config(self, app: App, request: Request) -> Response:
        values = json.loads(request.body)
        if not all(re.fullmatch(r"\w+", key) for key in values):
            return failure(422, "invalid_params", "config var names should be letters, digits and _")
        self.releases.config(app, {key: None if value is None else str(value) for key, value in values.items()})
        return json_response(app.config)

    def _get_releases(self, app: App, request: Request) -> Response:
        wanted = request.headers.get("range", "")
        match = _RANGES.fullmatch(wanted)
        if wanted and not match:
            return failure(416, "requested_range_not_satisfiable", "the Range is not understood")
        count = int(match[1] or match[2]) if match else 200
        rows = list(reversed(app.releases))[:count] if match else app.releases[:count]
        return json_response(rows, status=206 if match else 200)

    def _get_release(self, app: App, request: Request) -> Response:
        found = _find_release(app, request)
        return json_response(found) if found else _no_release()

    def _get_release_config(self, app: App, request: Request) -> Response:
        found = _find_release(app, request)
        return json_response(app.release_configs[found["id"]]) if found else _no_release()

    def _get_dynos(self, app: App, request: Request) -> Response:
        self.dynos.refresh(app)
        return json_response([*(dyno_row(app, dyno) for dyno in app.dynos), *self.one_offs.listed(app)])

    def _post_log_session(self, request: Request) -> Response:
        return self.sessions.open(self.host, self.apps[request.groups["app"]], request)

    def _get_stream(self, request: Request) -> Response:
        return output_stream(self.releases.outputs.get(request.groups["id"]), request)


def _find_release(app: App, request: Request) -> dict[str, Any] | None:
    """The release whose id or version the path has."""
    wanted = request.groups["release"]
    return next((row for row in app.releases if wanted in (row["id"], str(row["version"]))), None)


def _no_release() -> Response:
    return failure(404, "not_found", "Couldn't find that release.", resource="release")

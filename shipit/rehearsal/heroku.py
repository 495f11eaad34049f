"""A Heroku that runs here: the Platform API around container releases, a registry with its rules, a release phase, dynos.

Strict: a route, a header or a body that the real one would not take is refused. What the real one answers is known
from its documentation and from its CLI; see docs/heroku.md for what was never seen.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from typing import Any, Self

from shipit.rehearsal.app import App, Dyno, Output, dyno_row, failure, json_response, now_text
from shipit.rehearsal.dyno import ProcessRunner, Runner, free_port, listens
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response, StrictServer

_UNCHANGED = "The process type {} was not updated, because it is already running the specified docker image."
OWNER = "rehearsal@localhost"
_APP = r"/apps/(?P<app>[a-z][a-z0-9-]*)"


class HerokuStandIn(StrictServer):
    """The API on its own port, and `registry` beside it. `token` is the one that both accept.

    `rolls_config_back` is whether a rollback brings config vars back; which of both Heroku does is not known here.
    """

    rolls_config_back = True

    def __init__(self, *, token: str, runner: Runner | None = None) -> None:
        super().__init__()
        self.token = token
        self.runner = runner or ProcessRunner()
        self.registry = EmbeddedRegistry(password=token, is_heroku=True)
        self.apps: dict[str, App] = {}
        self.outputs: dict[str, Output] = {}
        self._lock = threading.RLock()
        for method, pattern, handler in (
            ("GET", _APP, self._get_app),
            ("GET", f"{_APP}/formation", self._get_formation),
            ("PATCH", f"{_APP}/formation", self._patch_formation),
            ("GET", f"{_APP}/config-vars", self._get_config),
            ("PATCH", f"{_APP}/config-vars", self._patch_config),
            ("GET", f"{_APP}/releases", self._get_releases),
            ("POST", f"{_APP}/releases", self._post_release),
            ("GET", rf"{_APP}/releases/(?P<release>[0-9a-f-]+)", self._get_release),
            ("GET", f"{_APP}/dynos", self._get_dynos),
            ("POST", f"{_APP}/log-sessions", self._post_log_session),
            ("GET", "/account", self._get_account),
            ("GET", r"/logs/(?P<app>[a-z0-9-]+)(?:/(?P<dyno>[a-z0-9.]+))?", self._get_log),
            ("GET", r"/streams/(?P<id>[0-9a-f-]+)", self._get_stream),
        ):
            self.route(method, pattern, handler)

    def start(self) -> Self:
        self.registry.start()
        return super().start()

    def stop(self) -> None:
        for app in self.apps.values():
            self._stop_dynos(app, [dyno.process for dyno in app.dynos])
        self.registry.stop()
        super().stop()

    def create_app(self, name: str, *, stack: str = "container", generation: str = "cedar") -> App:
        """An app as `heroku create` leaves it: one release, no dynos."""
        app = self.apps[name] = App(name, stack, generation)
        self._add_release(app, "Initial release", "succeeded")
        return app

    def variables(self) -> dict[str, str]:
        """What shipit's environment needs to reach this instead of the real one."""
        return {
            "SHIPIT_HEROKU_API": f"http://{self.host}",
            "SHIPIT_HEROKU_REGISTRY": self.registry.host,
            "HEROKU_API_KEY": self.token,
        }

    def answer(self, request: Request) -> Response:
        is_open = request.path.startswith(("/streams/", "/logs/"))
        if is_open and "authorization" in request.headers:
            return failure(400, "bad_request", "a stream is asked for without credentials")
        if not is_open and request.headers.get("authorization") != f"Bearer {self.token}":
            self.log.append((request.method, request.path))
            return failure(401, "unauthorized", "Invalid credentials provided.")
        if not is_open and "application/vnd.heroku+json; version=3" not in request.headers.get("accept", ""):
            return failure(406, "not_acceptable", "The Accept header should be application/vnd.heroku+json; version=3.")
        with self._lock:
            name = re.match(r"/apps/([^/]+)", request.path)
            if name and name[1] not in self.apps:
                self.log.append((request.method, request.path))
                return failure(404, "not_found", "Couldn't find that app.", resource="app")
            return super().answer(request)

    def refuse(self, request: Request) -> Response:
        return failure(404, "not_found", "The requested API endpoint was not found.")

    def _get_app(self, request: Request) -> Response:
        app = self.apps[request.groups["app"]]
        port = next((dyno.port for dyno in app.dynos if dyno.process == "web"), None)
        return json_response({
            "id": app.id,
            "name": app.name,
            "stack": {"name": app.stack},
            "build_stack": {"name": app.stack},
            "generation": {"name": app.generation},
            "maintenance": False,
            "web_url": f"http://127.0.0.1:{port}/" if port else f"https://{app.name}.herokuapp.com/",
        })  # fmt: skip

    def _get_account(self, request: Request) -> Response:
        return json_response({"id": "account", "email": OWNER})

    def _get_formation(self, request: Request) -> Response:
        return json_response(self._formation(self.apps[request.groups["app"]], _is_docker(request)))

    def _formation(self, app: App, with_images: bool) -> list[dict[str, Any]]:
        return [
            {
                "type": name,
                "quantity": row["quantity"],
                "size": row["size"],
                **({"docker_image": {"id": row["image"]}} if with_images else {}),
            }
            for name, row in sorted(app.formation.items())
        ]

    def _patch_formation(self, request: Request) -> Response:
        app, updates = self.apps[request.groups["app"]], json.loads(request.body).get("updates")
        if not isinstance(updates, list) or not all(isinstance(row, dict) and "type" in row for row in updates):
            return failure(422, "invalid_params", "updates should be a list of process types")
        images = {row["type"]: row["docker_image"] for row in updates if "docker_image" in row}
        if images and not _is_docker(request):
            return failure(422, "invalid_params", "docker_image needs the docker-releases variant")
        if images:
            return self._release_images(app, images)
        for row in updates:
            if row["type"] not in app.formation:
                return failure(404, "not_found", "Couldn't find that process type.")
            known = app.formation[row["type"]]
            known["quantity"] = int(row.get("quantity", known["quantity"]))
            size = row.get("dyno_size") or row.get("size") or known["size"]
            known["size"] = size["name"] if isinstance(size, dict) else size
        self._start_dynos(app, [row["type"] for row in updates])
        return json_response(self._formation(app, with_images=False))

    def _release_images(self, app: App, images: dict[str, str]) -> Response:
        for process, image in images.items():
            if self._manifest(app.name, process, image) is None:
                return failure(404, "not_found", f"Couldn't find the docker image {image}.", resource="docker_image")
        stale = {name: image for name, image in images.items() if app.formation.get(name, {}).get("image") != image}
        if not stale:
            warning = " ".join(_UNCHANGED.format(name) for name in images)
            return json_response(self._formation(app, with_images=True), headers={"Warning-Message": warning})
        names = ", ".join(f"{name} ({image.removeprefix('sha256:')[:12]})" for name, image in sorted(stale.items()))
        command = images.get("release") or app.formation.get("release", {}).get("image")
        release = self._add_release(app, f"Deployed {names}", "pending" if command else "succeeded")
        planned = self._formation_with(app, images)
        if command:
            self._run_release_phase(app, release, command, planned)
        else:
            app.formation = planned
            self._start_dynos(app, list(app.formation))
            _keep(app, release)
        return json_response(self._formation(app, with_images=True))

    def _formation_with(self, app: App, images: dict[str, str]) -> dict[str, dict[str, Any]]:
        planned = {name: dict(row) for name, row in app.formation.items()}
        for name, image in images.items():
            row = planned.setdefault(name, {"quantity": 1 if name == "web" else 0, "size": "Basic"})
            row["image"] = image
        return planned

    def _run_release_phase(
        self, app: App, release: dict[str, Any], image: str, planned: dict[str, dict[str, Any]]
    ) -> None:
        output = self.outputs[release["id"]] = Output()
        release["output_stream_url"] = f"http://{self.host}/streams/{release['id']}"

        def work() -> None:
            manifest = self._manifest(app.name, "release", image)
            assert manifest is not None
            running = self.runner.start(
                self.registry, f"{app.name}/release", manifest, app.config, free_port(), output.add
            )
            while (code := running.exit_code()) is None:
                time.sleep(0.05)
            running.stop()
            with self._lock:
                output.close()
                release["status"] = "failed" if code else "succeeded"
                if not code:
                    app.formation = planned
                    self._start_dynos(app, list(app.formation))
                    _keep(app, release)

        threading.Thread(target=work, daemon=True).start()

    def _manifest(self, app: str, process: str, config_digest: str) -> str | None:
        """The manifest in the registry whose config is the image released; tags play no part."""
        for (name, digest), (_, data) in self.registry.manifests.items():
            if name == f"{app}/{process}" and json.loads(data)["config"]["digest"] == config_digest:
                return digest
        return None

    def _add_release(self, app: App, description: str, status: str) -> dict[str, Any]:
        release = {
            "id": str(uuid.uuid4()),
            "version": len(app.releases) + 1,
            "status": status,
            "description": description,
            "output_stream_url": None,
            "slug": None,
            "created_at": now_text(),
            "user": {"email": OWNER},
            "eligible_for_rollback": False,
        }
        app.releases.append(release)
        return release

    def _post_release(self, request: Request) -> Response:
        """A rollback: images and config vars of a release that succeeded, as they were when it was the newest."""
        app, body = self.apps[request.groups["app"]], json.loads(request.body or b"{}")
        wanted = next((row for row in app.releases if row["id"] == body.get("release")), None)
        if wanted is None:
            return failure(404, "not_found", "Couldn't find that release.", resource="release")
        if wanted["status"] != "succeeded" or wanted["id"] not in app.past:
            return failure(422, "invalid_params", "Cannot roll back to that release.")
        images, config = app.past[wanted["id"]]
        if self.rolls_config_back:
            app.config = dict(config)
        app.formation = {name: row for name, row in self._formation_with(app, images).items() if name in images}
        release = self._add_release(app, f"Rollback to v{wanted['version']}", "succeeded")
        self._start_dynos(app, list(app.formation))
        _keep(app, release)
        return json_response(release, status=201)

    def _get_config(self, request: Request) -> Response:
        return json_response(self.apps[request.groups["app"]].config)

    def _patch_config(self, request: Request) -> Response:
        app, values = self.apps[request.groups["app"]], json.loads(request.body)
        if not all(re.fullmatch(r"\w+", key) for key in values):
            return failure(422, "invalid_params", "config var names should be letters, digits and _")
        changed = {key: value for key, value in values.items() if app.config.get(key) != value}
        for key, value in changed.items():
            if value is None:
                app.config.pop(key, None)
            else:
                app.config[key] = str(value)
        if changed:
            release = self._add_release(app, f"Set {', '.join(sorted(changed))} config vars", "succeeded")
            command = app.formation.get("release", {}).get("image")
            if command:
                release["status"] = "pending"
                self._run_release_phase(app, release, command, app.formation)
            else:
                self._start_dynos(app, list(app.formation))
                _keep(app, release)
        return json_response(app.config)

    def _get_releases(self, request: Request) -> Response:
        app, wanted = self.apps[request.groups["app"]], request.headers.get("range", "")
        match = re.fullmatch(r"version \.\.; ?order=desc, ?max=(\d+)|version \.\.; ?max=(\d+), ?order=desc", wanted)
        if wanted and not match:
            return failure(416, "requested_range_not_satisfiable", "the Range is not understood")
        count = int(match[1] or match[2]) if match else 200
        rows = list(reversed(app.releases))[:count] if match else app.releases[:count]
        return json_response(rows, status=206 if match else 200)

    def _get_release(self, request: Request) -> Response:
        app, wanted = self.apps[request.groups["app"]], request.groups["release"]
        found = next((row for row in app.releases if wanted in (row["id"], str(row["version"]))), None)
        return (
            json_response(found)
            if found
            else failure(404, "not_found", "Couldn't find that release.", resource="release")
        )

    def _get_dynos(self, request: Request) -> Response:
        app = self.apps[request.groups["app"]]
        for dyno in app.dynos:
            self._look(app, dyno)
        return json_response([dyno_row(app, dyno) for dyno in app.dynos])

    def _look(self, app: App, dyno: Dyno) -> None:
        code = dyno.running.exit_code() if dyno.running else 1
        if code is not None:
            if dyno.state != "crashed":
                app.log.append(f"heroku[{dyno.name}]: Process exited with status {code}")
            dyno.state = "crashed"
        elif dyno.process != "web" or listens(dyno.port):
            dyno.state = "up"

    def _start_dynos(self, app: App, processes: list[str]) -> None:
        self._stop_dynos(app, processes)
        version = app.releases[-1]["version"]
        for process in processes:
            row = app.formation[process]
            manifest = self._manifest(app.name, process, row["image"])
            for index in range(row["quantity"] if process != "release" and manifest else 0):
                dyno = Dyno(f"{process}.{index + 1}", process, version, free_port(), since=now_text())
                app.dynos.append(dyno)
                self._start_dyno(app, dyno, str(manifest))

    def _start_dyno(self, app: App, dyno: Dyno, manifest: str) -> None:
        def line(text: str) -> None:
            app.log.append(f"app[{dyno.name}]: {text}")

        try:
            dyno.running = self.runner.start(
                self.registry, f"{app.name}/{dyno.process}", manifest, app.config, dyno.port, line
            )
        except Exception as error:
            # Whatever the engine says of it: for the app it is a dyno that did not start.
            line(f"can't be started: {error}")

    def _stop_dynos(self, app: App, processes: list[str]) -> None:
        for dyno in [dyno for dyno in app.dynos if dyno.process in processes]:
            if dyno.running:
                dyno.running.stop()
            app.dynos.remove(dyno)

    def _post_log_session(self, request: Request) -> Response:
        body = json.loads(request.body or b"{}")
        dyno = f"/{body['dyno']}" if body.get("dyno") else ""
        return json_response(
            {"id": "log", "logplex_url": f"http://{self.host}/logs/{request.groups['app']}{dyno}"}, status=201
        )

    def _get_log(self, request: Request) -> Response:
        app, dyno = self.apps[request.groups["app"]], request.groups["dyno"]
        lines = [line for line in app.log if not dyno or f"[{dyno}]" in line]
        if "text/event-stream" not in request.headers.get("accept", ""):
            return failure(406, "not_acceptable", "a log session is a text/event-stream")
        body = "".join(f"id: {number}\ndata: {line}\n\n" for number, line in enumerate(lines))
        return Response(200, body.encode(), {"Content-Type": "text/event-stream"})

    def _get_stream(self, request: Request) -> Response:
        output = self.outputs.get(request.groups["id"])
        if output is None:
            return Response(404, b"Channel is not registered.")
        match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        start = int(match[1]) if match else 0
        return Response(206 if match else 200, output.follow(start), {"Content-Type": "text/plain"})


def _keep(app: App, release: dict[str, Any]) -> None:
    """Remember what a release that succeeded released, so that it can be rolled back to."""
    images = {name: row["image"] for name, row in app.formation.items()}
    if images:
        app.past[release["id"]] = (images, dict(app.config))
        release["eligible_for_rollback"] = True


def _is_docker(request: Request) -> bool:
    return "docker-releases" in request.headers.get("accept", "")

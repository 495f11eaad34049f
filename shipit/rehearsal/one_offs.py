"""One-off dynos of the stand-in's apps: made by POST /dynos, listed beside the others, and stopped."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from shipit.rehearsal.app import App, failure, json_response, now_text
from shipit.rehearsal.dyno import ProcessRunner
from shipit.rehearsal.dynos import Dynos
from shipit.rehearsal.rendezvous import OneOff, Rendezvous, Started, hang_up
from shipit.rehearsal.server import Request, Response

_FIELDS = {"attach", "command", "env", "force_no_tty", "size", "time_to_live", "type"}


@dataclass
class OneOffs:
    """Needs a runner of local processes. `rendezvous` has their streams; `rows` are those that run, as the API lists them."""

    dynos: Dynos
    context: ssl.SSLContext | None = None
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    started: dict[tuple[str, str], Started] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1001))

    def __post_init__(self) -> None:
        self.rendezvous = Rendezvous(self.context)

    def stop(self) -> None:
        self.rendezvous.stop()
        for started in tuple(self.started.values()):
            hang_up(started.process)
        for thread in self.threads:
            thread.join(5)

    def create(self, app: App, request: Request) -> Response:
        body = json.loads(request.body or b"{}")
        if unknown := sorted(set(body) - _FIELDS):
            return failure(422, "invalid_params", f"Unknown parameters: {', '.join(unknown)}")
        process = body.get("type") or "web"
        image = app.formation.get(process, {}).get("image")
        manifest = self.dynos.manifest(app.name, process, image) if image else None
        runner = self.dynos.runner
        if not body.get("command") or manifest is None or not isinstance(runner, ProcessRunner):
            return failure(422, "invalid_params", f"A one-off dyno needs a command and a released image of {process}.")
        name = f"run.{next(self.numbers)}"
        env = {**app.config, **{key: str(value) for key, value in (body.get("env") or {}).items()}}
        env |= {"DYNO": name}
        registry, repository = self.dynos.registry, f"{app.name}/{process}"
        run = partial(runner.run_shell, registry, repository, manifest, env, body["command"])
        row = _row(app, name, body)
        self.rows[app.name, name] = row
        if body.get("attach"):
            has_terminal = not body.get("force_no_tty")
            one_off = OneOff(env, has_terminal, run, partial(self._began, app, name), partial(self._ended, app, name))
            row["attach_url"] = self.rendezvous.expect(one_off)
        else:
            self._detached(app, name, run)
        return json_response(row, status=201)

    def halt(self, app: App, request: Request) -> Response:
        """POST /dynos/NAME/actions/stop."""
        key = app.name, request.groups["dyno"]
        if key not in self.rows:
            return failure(404, "not_found", "Couldn't find that dyno.", resource="dyno")
        if started := self.started.get(key):
            hang_up(started.process)
        self.rows.pop(key, None)
        return json_response({}, status=202)

    def listed(self, app: App) -> list[dict[str, Any]]:
        return [{**row, "attach_url": None} for (name, _), row in self.rows.items() if name == app.name]

    def _began(self, app: App, name: str, started: Started) -> None:
        self.started[app.name, name] = started

    def _ended(self, app: App, name: str) -> None:
        self.rows.pop((app.name, name), None)
        if started := self.started.pop((app.name, name), None):
            shutil.rmtree(started.root, ignore_errors=True)

    def _detached(self, app: App, name: str, run: Any) -> None:
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        started = run(null, writer)
        os.close(null)
        os.close(writer)
        self._began(app, name, started)

        def follow() -> None:
            with open(reader, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    app.write(f"app[{name}]", line.rstrip())
            app.write(f"heroku[{name}]", f"Process exited with status {started.process.wait()}")
            self._ended(app, name)

        thread = threading.Thread(target=follow, daemon=True, name=name)
        self.threads.append(thread)
        thread.start()


def _row(app: App, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "name": name,
        "type": "run",
        "state": "starting",
        "command": body["command"],
        "size": body.get("size") or "Basic",
        "attach_url": None,
        "release": {"version": app.releases[-1]["version"]},
        "app": {"name": app.name, "id": app.id},
        "created_at": now_text(),
        "updated_at": now_text(),
    }

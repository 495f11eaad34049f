"""The workload web in a namespace of the real cluster, whose answer is its version, and runs of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipit.clock import Clock
from shipit.events import Event, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import Preparation, prepare
from shipit.pipeline.run import Run
from shipit.release import Release, Step
from shipit.testing.fresh_process import Outcome, apply_in_fresh_process
from tests import runs
from tests.servers.cluster import Cluster

TEXT = """\
app: shop
image: HOST/NAMESPACE
targets:
  k8s:
    namespace: NAMESPACE
    settle: 0s
    timeout: 5m
    workloads: {web: {port: 8000, health: /, grace: 1s, MORE}}
"""
DOCKERFILE = 'FROM python:3.12-alpine\nCOPY app.py /\nCMD ["python", "-u", "/app.py"]\n'
SERVER = """\
import http.server, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = VERSION.encode()
        self.send_response(STATUS.get(self.path, 200))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
STATUS = {}
VERSION = "v1"
ENDS_AFTER_S = None
CHANGE
if ENDS_AFTER_S is not None:
    import os
    threading.Timer(ENDS_AFTER_S, lambda: (print("out of coffee"), os._exit(3))).start()
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""


@dataclass
class WebPlace:
    """`change` of a run is Python that the app of this version begins with. `kubeconfig` is that of the cluster when absent."""

    folder: Path
    cluster: Cluster
    host: str
    namespace: str
    mirror: str
    kubeconfig: Path | None = None

    def run(
        self, change: str, more: str, *, meddle: Callable[[Event], None] = lambda event: None, text: str = TEXT
    ) -> tuple[Run, list[Event]]:
        """A run with more keys of the workload. `meddle` is called after each event."""
        self.folder.mkdir(exist_ok=True)
        written = text.replace("HOST", self.host).replace("NAMESPACE", self.namespace).replace("MORE", more)
        environment = runs.environment(self.folder, **self.variables())
        project = runs.project(self.folder, written, environment)
        for name, content in (("app.py", SERVER.replace("CHANGE", change)), ("Dockerfile", DOCKERFILE)):
            (self.folder / name).write_text(content)
        events: list[Event] = []
        run = runs.run(project, environment, events, clock=Clock())
        runs.react(run, meddle)
        return run, events

    def deploy(
        self, change: str, more: str, *, meddle: Callable[[Event], None] = lambda event: None, text: str = TEXT
    ) -> tuple[int, TargetFinished, list[Event]]:
        run, events = self.run(change, more, meddle=meddle, text=text)
        code = deploy(run)
        return code, next(event for event in events if isinstance(event, TargetFinished)), events

    def plan(self, change: str, more: str, *, text: str = TEXT) -> Preparation:
        return prepare(self.run(change, more, text=text)[0])

    def apply_elsewhere(self, step: Step, release: Release) -> Outcome:
        """Apply a step from its JSON in a fresh process."""
        variables = runs.environment(self.folder, **self.variables()).variables
        return apply_in_fresh_process(self.folder, variables, "k8s", [step], release)

    def variables(self) -> dict[str, str]:
        return {
            "KUBECONFIG": str(self.kubeconfig or self.cluster.kubeconfig),
            "SHIPIT_MIRRORS": f"docker.io={self.mirror}",
        }

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def get(self, thing: str) -> Any:
        return json.loads(self.kubectl("get", thing, "-o", "json"))

    def deployments(self) -> list[str]:
        return self.kubectl("get", "deployments", "-o", "jsonpath={.items[*].metadata.name}").split()

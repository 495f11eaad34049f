"""Failed requests at 200 a second through ten deploys behind the proxy, beside ten times `docker rm -f` and `docker run`, and ten times `docker compose up -d`.

    python -m benchmarks.downtime [DEPLOYS]

Each request has a connection of its own. Debian's `hey` sends them where it is installed; threads of Python need so much of the
processors that they do not reach the rate beside an engine. Beside them, one upload of 2 MB after the other and connections that are upgraded
as WebSockets are, each of which sends a line ten times a second for two seconds. On Debian's Docker engine of the tests
(CONTRIBUTING.md), with Caddy and the registry of the tests. A request fails without an answer of status 200 from the app;
`dropped_requests` were closed without an answer, and answered when they were sent again once; `hey` sends none again, so
such a request fails. Writes downtime.json.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.test_docker_hosts import Host
from tests.e2e.test_docker_proxy import SERVER, Line, Load, Proxied, Upload
from tests.servers.engine import DockerEngine, install_compose
from tests.servers.hub import DockerHub
from tests.servers.registry import RegistryServer

RATE, WORKERS, UPLOAD_BYTES, LINES = 200.0, 16, 2_000_000, 20


class Hey:
    """Requests at a steady rate by Debian's hey, each over a connection of its own, until `stop`."""

    def __init__(self, program: str, host: str, port: int) -> None:
        self._process = subprocess.Popen(
            [program, "-z", "1h", "-c", str(WORKERS), "-q", str(RATE / WORKERS), "-t", "60", "-disable-keepalive"]
            + ["-disable-redirects", "-host", host, f"http://127.0.0.1:{port}/"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> dict[str, Any]:
        self._process.send_signal(signal.SIGINT)
        shown = self._process.communicate(timeout=120)[0]
        answers = {int(status): int(count) for status, count in re.findall(r"\[(\d{3})\]\s+(\d+) responses", shown)}
        failures = [
            (int(count), text) for count, text in re.findall(r"^ +\[(\d+)\]\s+(\w.*: .*)$", shown, re.MULTILINE)
        ]
        if not answers and not failures:
            raise RuntimeError(f"hey sent no request: {shown[-200:]}")
        failed = sum(count for status, count in answers.items() if status != 200) + sum(count for count, _ in failures)
        return {
            "sent_by": "hey",
            "requests": sum(answers.values()) + sum(count for count, _ in failures),
            "dropped_requests": 0,
            "failed_requests": failed,
            "failures": [*(f"status {status}" for status in answers if status != 200), *(text for _, text in failures)],
        }


class Threads:
    """The same by threads of this process."""

    def __init__(self, proxied: Proxied, host: str, port: int) -> None:
        self._load = Load(lambda: proxied.request(host, port=port), RATE, threads=WORKERS)

    def stop(self) -> dict[str, Any]:
        self._load.stop()
        return {
            "sent_by": "Python",
            "requests": len(self._load.answers) + len(self._load.failed),
            "dropped_requests": self._load.dropped,
            "failed_requests": len(self._load.failed),
            "failures": self._load.failed,
        }


class Traffic:
    """Everything that is sent while `deploys` run."""

    def __init__(self, proxied: Proxied, host: str, port: int) -> None:
        hey = shutil.which("hey")
        self.load = Hey(hey, host, port) if hey else Threads(proxied, host, port)
        self.failed: list[str] = []
        self.uploads = self.lines = 0
        self._host, self._port = host, port
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in (self._upload, self._talk)]
        for thread in self._threads:
            thread.start()

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self._is_over.wait(0.2):
            try:
                work()
            except (OSError, ValueError, AssertionError) as error:
                self.failed.append(repr(error))

    def _upload(self) -> None:
        upload = Upload(self._port, self._host, UPLOAD_BYTES)
        time.sleep(0.5)
        answer = upload.complete()
        if not answer.text.endswith(f" {UPLOAD_BYTES}"):
            self.failed.append(str(answer))
        self.uploads += 1

    def _talk(self) -> None:
        line = Line(self._port, self._host)
        try:
            for number in range(LINES):
                if not line.say(f"{number}").endswith(f" {number}"):
                    self.failed.append("a connection ended")
                    return
                self.lines += 1
                time.sleep(0.1)
        finally:
            line.close()

    def stop(self) -> dict[str, Any]:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        found = self.load.stop()
        return {
            **found,
            "uploads": self.uploads,
            "lines": self.lines,
            "failed_uploads_and_connections": len(self.failed),
            "failures": sorted({text[:120] for text in (*found["failures"], *self.failed)})[:5],
        }


def behind_the_proxy(proxied: Proxied, app: Host, deploys: int) -> dict[str, Any]:
    took = []
    traffic = Traffic(proxied, "bench.test", proxied.port)
    began = time.perf_counter()
    try:
        for number in range(deploys):
            app.write(f"n{number}", SERVER)
            start = time.perf_counter()
            done = app.shipit.run("deploy")
            took.append(round(time.perf_counter() - start, 2))
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        found = traffic.stop()
    return {**_rated(found, time.perf_counter() - began), "deploys_s": took}


def stop_and_start(proxied: Proxied, app: Host, deploys: int) -> dict[str, Any]:
    """The same images, as `docker run` publishes them."""

    def replace(image: str) -> None:
        if "plain" in app.docker("ps", "--all", "--format", "{{.Names}}").split():
            app.docker("rm", "--force", "plain")
        words = ["run", "--detach", "--name", "plain", "--publish", f"127.0.0.1:{app.port}:3000", "--env", "PORT=3000"]
        app.docker(*words, image)

    return _replaced(proxied, app, deploys, replace, lambda: app.docker("rm", "--force", "plain"))


def compose_up(proxied: Proxied, app: Host, deploys: int, folder: Path) -> dict[str, Any]:
    """The same images, as a service of a compose file with a published port."""
    install_compose(folder)
    file = folder / "compose.yaml"
    words = ["--config", str(folder), "compose", "--file", str(file), "--project-name", "plain"]

    def replace(image: str) -> None:
        keys = f"image: '{image}', ports: ['127.0.0.1:{app.port}:3000'], environment: {{PORT: '3000'}}"
        file.write_text(f"services: {{web: {{{keys}}}}}\n")
        app.docker(*words, "up", "--detach")

    return _replaced(proxied, app, deploys, replace, lambda: app.docker(*words, "down", "--timeout", "0"))


def _replaced(
    proxied: Proxied, app: Host, deploys: int, replace: Callable[[str], object], remove: Callable[[], object]
) -> dict[str, Any]:
    images = [app.inspect(name)["Config"]["Image"] for name in app.names()]
    port = app.port
    replace(images[0])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not _answers(proxied, port):
        time.sleep(0.1)
    traffic = Traffic(proxied, "plain.test", port)
    began = time.perf_counter()
    try:
        for number in range(deploys):
            time.sleep(1.0)
            replace(images[(number + 1) % len(images)])
        time.sleep(1.0)
    finally:
        found = traffic.stop()
        remove()
    return _rated(found, time.perf_counter() - began)


def _rated(found: dict[str, Any], seconds: float) -> dict[str, Any]:
    return {**found, "seconds": round(seconds, 1), "requests_a_second": round(found["requests"] / seconds)}


def _answers(proxied: Proxied, port: int) -> bool:
    try:
        return proxied.request("plain.test", port=port).status == 200
    except OSError:
        return False


def main(deploys: int = 10) -> None:
    folder = Path(tempfile.mkdtemp(prefix="shipit-bench-"))
    engine = DockerEngine(folder / "engine", beside=True)
    registry = RegistryServer(folder / "registry")
    hub = DockerHub(registry.host, folder / "hub")
    figures: dict[str, Any] = {
        "python": platform.python_version(), "date": time.strftime("%Y-%m-%d"), "deploys": deploys,
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    try:
        proxied = Proxied(
            engine, registry.host, f"{hub.having('caddy:2', 'python:3.12-alpine')}/library/caddy:2", folder
        )
        proxied.variables = {"SHIPIT_MIRRORS": f"docker.io={registry.host}"}
        keys = f"tls: off, http: {proxied.port}, drain: 30s"
        app = proxied.app("bench", "host: bench.test, health: /healthz", keys)
        assert app.shipit.run("deploy").returncode == 0
        figures["behind the proxy"] = behind_the_proxy(proxied, app, deploys)
        figures["docker rm and run"] = stop_and_start(proxied, app, deploys)
        figures["docker compose up"] = compose_up(proxied, app, deploys, folder / "docker-config")
        proxied.clean()
    finally:
        registry.stop()
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)
    Path(__file__).with_name("downtime.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))

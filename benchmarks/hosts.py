"""Deploys to Docker hosts: a changed file until it is healthy, nothing changed, and a layer that is sent without a registry.

    python -m benchmarks.hosts [PAIRS]

Whole processes on Debian's Docker engines of the tests (CONTRIBUTING.md), without a registry. A changed file: `shipit deploy`
of one service with a health path, with the default `settle` of 2 s and without any, in pairs with `docker compose up -d --build
--wait` (Debian 13's) of the same app, which checks its health every second. Nothing changed: one host, and two. A layer: one of
0.5 MB in an image of 215 MB; `send_step_s` is the part of the whole process in which it is sent. Writes hosts.json.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.push import ROOT
from tests.e2e.test_docker_proxy import SERVER
from tests.servers.engine import DockerEngine, install_compose
from tests.servers.hub import DockerHub
from tests.servers.install import find
from tests.servers.registry import RegistryServer

MIB = 1024 * 1024
LAYERS, LAYER_BYTES, CHANGED_BYTES = 5, 43 * MIB, MIB // 2
CHECK = "test: wget -qO- http://localhost:3000/healthz, interval: 1s"
COMPOSE = f"services: {{web: {{build: ., environment: {{PORT: '3000', TOKEN: x}}, stop_grace_period: 1s, healthcheck: {{{CHECK}}}}}}}\n"
_SENT = re.compile(r"sent (\d+) of (\d+) layers?, (\S+ \S+) to")


class App:
    """A folder with a Dockerfile, and the environment of whole processes there."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        (folder / "home").mkdir(parents=True)
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(folder / "home"), "SHIPIT_CACHE_DIR": str(folder / "cache"),
            "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "TOKEN": "x", **variables,
        }  # fmt: skip

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)

    def run(self, *command: str) -> tuple[float, str]:
        """Seconds of a whole process, and what it wrote on standard output."""
        began = time.perf_counter()
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
        assert done.returncode == 0, done.stdout + done.stderr
        return took, done.stdout

    def deploy(self) -> tuple[float, list[dict[str, Any]]]:
        took, shown = self.run(sys.executable, "-m", "shipit", "deploy", "--yes", "--output", "json")
        return took, [json.loads(line) for line in shown.splitlines()]


def served_app(folder: Path, name: str, hosts: list[str], base: str, keys: str, docker_config: Path) -> App:
    """The app that answers /healthz: a deploy.yml for `hosts`, and a compose file for the first of them."""
    app = App(folder, {"DOCKER_HOST": hosts[0], "DOCKER_CONFIG": str(docker_config)})
    service = "services: {web: {port: 3000, health: /healthz, grace: 1s}}"
    app.write(
        Dockerfile=f'FROM {base}\nCOPY app.py /\nCMD ["python", "/app.py"]\n',
        compose__yaml=COMPOSE,
        deploy__yml=f"app: {name}\nimage: {{build: .}}\nsecrets: {{TOKEN: {{env: TOKEN}}}}\n"
        f"targets: {{docker: {{hosts: {json.dumps(hosts)}, {keys}{service}}}}}\n",
    )
    return app


def changed(engine: DockerEngine, base: str, folder: Path, pairs: int) -> dict[str, Any]:
    """One changed file until it is healthy."""
    docker_config = folder / "docker-config"
    install_compose(docker_config)
    apps = {
        key: served_app(folder / key, key, [engine.host], base, keys, docker_config)
        for key, keys in (("settle-2s", ""), ("settle-0s", "settle: 0s, "), ("compose", ""))
    }
    up = (find("docker"), "compose", "--project-name", "beside", "up", "--detach", "--build", "--wait")
    times: dict[str, list[float]] = {key: [] for key in apps}
    for number in range(pairs + 1):
        for key, app in apps.items():
            app.write(app__py=f"VERSION = {f'n{number}'!r}\n{SERVER}")
            took = app.run(*up)[0] if key == "compose" else app.deploy()[0]
            # The first one makes everything.
            times[key] += [took] if number else []
    ratios = [own / other for own, other in zip(times["settle-0s"], times["compose"], strict=True)]
    return {
        **{f"{key}_s": round(statistics.median(own), 2) for key, own in times.items()},
        "ratio_of_the_pairs_without_settle": round(statistics.median(ratios), 2),
        **{f"{key}_all_s": [round(took, 2) for took in own] for key, own in times.items()},
    }


def unchanged(engines: list[DockerEngine], base: str, folder: Path, pairs: int) -> dict[str, Any]:
    hosts = [engine.host for engine in engines]
    app = served_app(folder, f"same-{len(hosts)}", hosts, base, "", folder)
    app.write(app__py=f"VERSION = 'same'\n{SERVER}")
    app.deploy()
    times = []
    for _ in range(pairs):
        took, rows = app.deploy()
        assert not [row for row in rows if row["event"] == "step_done" and row["step"]["action"] == "apply"], rows
        times.append(took)
    return {"median_s": round(statistics.median(times), 2), "all_s": [round(took, 2) for took in times]}


def layer(engine: DockerEngine, folder: Path, pairs: int) -> dict[str, Any]:
    """A layer of 0.5 MB in a large image, which the engine has but for this layer."""
    app = App(folder, {})
    shutil.copy(find("busybox"), folder / "busybox")
    lines = ["FROM scratch", "COPY busybox /bin/", *(f"COPY big{number} /" for number in range(LAYERS))]
    app.write(
        Dockerfile="\n".join([*lines, "COPY changed /", 'CMD ["/bin/busybox", "sleep", "9999"]']) + "\n",
        deploy__yml=f"app: layer\nimage: {{build: .}}\ntargets: {{docker: {{hosts: ['{engine.host}'], keep: 1, services: {{job: {{grace: 0s}}}}}}}}\n",
    )
    for number in range(LAYERS):
        (folder / f"big{number}").write_bytes(os.urandom(LAYER_BYTES))
    whole, steps, said = [], [], set()
    for number in range(pairs + 1):
        (folder / "changed").write_bytes(os.urandom(CHANGED_BYTES))
        took, rows = app.deploy()
        if number:
            whole.append(took)
            steps += [row["elapsed_s"] for row in rows if row["event"] == "step_done" and "send" in row["summary"]]
            lines = [found[0] for row in rows if (found := _SENT.search(row.get("line", "")))]
            said |= set(lines)
    return {
        "send_step_s": round(statistics.median(steps), 2),
        "whole_deploy_s": round(statistics.median(whole), 2),
        "sent": sorted(said),
        "all_send_steps_s": [round(took, 2) for took in steps],
    }


def main(pairs: int = 5) -> None:
    folder = Path(tempfile.mkdtemp(prefix="shipit-bench-"))
    first, second = (DockerEngine(folder / name, beside=True) for name in ("engine", "engine-too"))
    registry = RegistryServer(folder / "registry")
    figures: dict[str, Any] = {
        "python": platform.python_version(), "date": time.strftime("%Y-%m-%d"), "pairs": pairs,
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    try:
        base = f"{DockerHub(registry.host, folder / 'hub').having('python:3.12-alpine')}/library/python:3.12-alpine"
        figures["one file changed"] = changed(first, base, folder / "changed", pairs)
        figures["nothing changed, one host"] = unchanged([first], base, folder / "one", pairs)
        figures["nothing changed, two hosts"] = unchanged([first, second], base, folder / "two", pairs)
        figures["a layer of 0.5 MB, 20.10"] = layer(first, folder / "layer", pairs)
        modern = DockerEngine(folder / "modern", modern=True)
        try:
            figures["a layer of 0.5 MB, containerd's store"] = layer(modern, folder / "layer-modern", pairs)
        finally:
            modern.stop()
    finally:
        registry.stop()
        first.stop()
        second.stop()
        shutil.rmtree(folder, ignore_errors=True)
    Path(__file__).with_name("hosts.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))

"""The kind docker on a real engine, looked at from outside with the docker command and over HTTP."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from shipit.rehearsal.dyno import free_port
from tests.e2e.followed import TICKS, Followed, numbers_in
from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]
# Of the commands of a test, those with other options are measured, too.
SECOND, THIRD = ("--yes",), ("--timeout", "10m")

SERVER = """import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ("/", "/healthz") else 404)
        self.end_headers()
        self.wfile.write(f"{VERSION} {os.environ['TOKEN']}".encode())
print("serving", VERSION, flush=True)
http.server.HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
DOCKERFILE = 'FROM python:3.12-alpine\nCOPY app.py /\nCMD ["python", "/app.py"]\n'
SECRET = "canary-secret-4711"


class Host:
    """An engine, and an app that shipit deploys there."""

    def __init__(
        self, shipit: Shipit, engine: DockerEngine, registry: str, name: str, target: str, *hosts: str
    ) -> None:
        self.shipit, self.engine, self.name = shipit, engine, name
        # In `target`, $PORT is a port of the host that nothing has. Without a registry the image is sent to the hosts.
        self.port = free_port()
        shipit.write(
            Dockerfile=DOCKERFILE,
            deploy__yml=(
                f"app: {name}\nimage: {f'{registry}/{name}' if registry else '{build: .}'}\nsecrets: {{TOKEN: {{env: TOKEN}}}}\n"
                f"targets: {{docker: {{hosts: {json.dumps(hosts or [engine.host])}, settle: 1s, pending: 3m, {target.replace('$PORT', str(self.port))}}}}}\n"
            ),
        )
        self.write("v1")

    def write(self, version: str, code: str = SERVER) -> None:
        self.shipit.write(app__py=f"VERSION = {version!r}\n{code}")

    def docker(self, *words: str) -> str:
        command = [find("docker"), "--host", self.engine.host, *words]
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=120).stdout.strip()

    def names(self, *filters: str) -> list[str]:
        words = [word for one in (f"label=dev.shipit.app={self.name}", *filters) for word in ("--filter", one)]
        return self.docker("ps", "--all", *words, "--format", "{{.Names}}").split()

    @property
    def running(self) -> list[str]:
        return sorted(self.names("status=running"))

    def inspect(self, name: str) -> Any:
        return json.loads(self.docker("inspect", name))[0]

    def get(self, name: str, port: int = 3000, path: str = "/") -> str:
        """The answer of a container at its own address, when it listens."""
        networks = self.inspect(name)["NetworkSettings"]["Networks"]
        [address] = [network["IPAddress"] for network in networks.values()]
        return serves(f"http://{address}:{port}{path}")

    def clean(self) -> None:
        label = f"label=dev.shipit.app={self.name}"
        if names := self.names():
            self.docker("rm", "--force", *names)
        for kind in ("volume", "network"):
            if found := self.docker(kind, "ls", "--quiet", "--filter", label).split():
                self.docker(kind, "rm", *found)


def fetch(url: str) -> str:
    with urlopen(url, timeout=30) as answer:
        return bytes(answer.read()).decode()


def serves(url: str) -> str:
    """The answer of a container that was started just now, when it listens."""
    deadline_s = time.monotonic() + 120
    while True:
        try:
            return fetch(url)
        except OSError:
            assert time.monotonic() < deadline_s, f"{url} does not answer"
            time.sleep(0.1)


@pytest.fixture
def host(
    request: pytest.FixtureRequest,
    shipit: Shipit,
    engine: DockerEngine,
    registry_server: RegistryServer,
    python_base: str,
) -> Iterator[Host]:
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "TOKEN": SECRET}
    name, target = request.param
    found = Host(shipit, engine, registry_server.host, name, target)
    yield found
    found.clean()


WEB = "services: {web: {port: 3000, health: /healthz, volumes: ['hosts-data:/data'], memory: 64Mi, grace: 5s}}"


@pytest.mark.parametrize("host", [("hosts", WEB)], indirect=True)
def test_a_service_from_its_first_deploy_until_it_is_destroyed(host: Host) -> None:
    shipit = host.shipit
    host.write("v1", TICKS + SERVER)
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stderr
    assert "GET /healthz answers 200" in done.stdout
    [first] = host.running
    assert first.startswith("hosts-production-web-1-")
    assert host.get(first) == f"v1 {SECRET}"
    found = host.inspect(first)
    assert "@sha256:" in found["Config"]["Image"] and found["HostConfig"]["Memory"] == 64 * 1024 * 1024
    assert found["Mounts"][0]["Name"] == "hosts-data"
    labels = found["Config"]["Labels"]
    assert labels["dev.shipit.release"] in json.dumps(shipit.events("history")[1]) and labels["dev.shipit.by"]

    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout
    assert host.running == [first] and host.inspect(first)["State"]["StartedAt"] == found["State"]["StartedAt"]

    host.write("v2", TICKS + SERVER)
    with Followed(shipit, "docker/web") as followed:
        followed.await_ticks("v1")
        assert shipit.run("deploy", *SECOND).returncode == 0
        followed.await_ticks("v2")
        # Its last lines may come after the first ones of the new one.
        whole = [numbers_in(host.docker("logs", first), "v1")]
        wait_until("all is followed", lambda: list(followed.of("v1").values()), lambda found: found == whole)
    [second] = host.running
    [new] = followed.of("v2").values()
    assert new == list(range(len(new)))
    assert second != first and host.get(second) == f"v2 {SECRET}"
    assert host.inspect(first)["State"]["Status"] == "exited", "the old one is kept"

    host.write("v3", 'import sys\nsys.exit("no database for " + VERSION)\n')
    failed = shipit.run("deploy", *THIRD)
    assert failed.returncode == 1
    assert "exited with 1" in failed.stdout and f"{second} serves on" in failed.stdout
    assert "no database for v3" in failed.stdout, failed.stdout
    assert host.running == [second] and host.get(second) == f"v2 {SECRET}"
    assert sorted(host.names()) == sorted([first, second]), "what crashed is removed"

    # An image that the registry does not have.
    repository = found["Config"]["Image"].partition("@")[0]
    missing = shipit.run("deploy", "--image", f"hosts={repository}@sha256:{'0' * 64}")
    assert missing.returncode == 1 and "0000000" in missing.stdout + missing.stderr, missing.stdout + missing.stderr
    assert host.running == [second] and host.get(second) == f"v2 {SECRET}"

    # Another machine knows nothing of these runs, and has other keys for its hashes.
    shipit.env["SHIPIT_CACHE_DIR"] += "-of-another-machine"
    shutil.rmtree(shipit.folder / ".shipit")
    history = shipit.run("history")
    assert history.returncode == 0 and SECRET not in history.stdout
    back = shipit.run("rollback")
    assert back.returncode == 0, back.stderr
    assert host.running == [first] and host.get(first) == f"v1 {SECRET}"
    host.write("v1", TICKS + SERVER)
    started = host.inspect(first)["State"]["StartedAt"]
    assert shipit.run("deploy").returncode == 0
    assert host.running == [first] and host.inspect(first)["State"]["StartedAt"] == started
    assert "hosts-production-web-1" in shipit.run("status").stdout
    assert "serving v1" in shipit.run("logs", "docker/web", "--since", "1h").stdout

    gone = shipit.run("destroy", "-e", "production", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert "hosts-data" in gone.stdout + gone.stderr
    assert host.names() == []
    label = f"label=dev.shipit.app={host.name}"
    assert host.docker("volume", "ls", "--quiet", "--filter", label) == "hosts-data"
    assert host.docker("network", "ls", "--quiet", "--filter", label) == ""


PUBLISHED = "port: 3000, publish: ['127.0.0.1:$PORT:3000'], health: /healthz, grace: 5s"


@pytest.mark.parametrize("host", [("published", PUBLISHED)], indirect=True)
def test_a_published_port_is_replaced_with_an_announced_outage_and_comes_back_after_a_crash(host: Host) -> None:
    done = host.shipit.run("deploy")
    assert done.returncode == 0, done.stderr
    url = f"http://127.0.0.1:{host.port}/"
    [first] = host.running
    assert fetch(url) == f"v1 {SECRET}"
    host.write("v2", "import sys\nsys.exit(7)\n")
    plan = host.shipit.run("plan", "--full")
    assert "stop-first" in plan.stdout and "down" in plan.stdout, plan.stdout
    failed = host.shipit.run("deploy", *SECOND)
    assert failed.returncode == 1
    assert "exited with 7" in failed.stdout and f"{first} was started again" in failed.stdout
    assert host.running == [first] and serves(url) == f"v1 {SECRET}"
    host.write("v3")
    # A program has the new port: no container of another one is in the way, and only the engine says it.
    file = host.shipit.folder / "deploy.yml"
    usual = file.read_text()
    with socket.create_server(("127.0.0.1", 0)) as server:
        file.write_text(usual.replace(str(host.port), str(server.getsockname()[1])))
        refused = host.shipit.run("deploy", "--timeout", "5m")
    assert refused.returncode == 1 and "address already in use" in refused.stdout, refused.stdout
    assert f"{first} was started again" in refused.stdout, refused.stdout
    assert host.running == [first] and serves(url) == f"v1 {SECRET}"
    file.write_text(usual)
    assert host.shipit.run("deploy", *THIRD).returncode == 0
    assert fetch(url) == f"v3 {SECRET}"
    # Somebody else's container has the port: it is named, and never touched.
    [own] = host.running
    config = host.inspect(own)["Config"]["Image"]
    host.docker("rm", "--force", own)
    host.docker("run", "--detach", "--name", "rival", "--publish", f"127.0.0.1:{host.port}:9", config, "sleep", "600")
    try:
        assert "is taken by the container rival" in host.shipit.run("plan", "--full").stdout
        refused = host.shipit.run("deploy")
        assert refused.returncode == 1 and "is taken by the container rival" in refused.stderr, refused.stdout
        doctor = host.shipit.run("doctor")
        assert doctor.returncode == 1 and "is taken by the container rival" in doctor.stdout, doctor.stdout
        assert "are free in" in doctor.stdout
        assert host.inspect("rival")["State"]["Running"]
        with pytest.raises(OSError):
            fetch(url)
    finally:
        host.docker("rm", "--force", "rival")


TWO = "services: {web: {port: 3000, health: /healthz, replicas: 2, grace: 5s}, worker: {command: [sleep, '600'], grace: 0s}}"


@pytest.mark.parametrize("host", [("several", TWO)], indirect=True)
def test_services_find_each_other_by_name_and_one_that_leaves_the_file_is_stopped(host: Host) -> None:
    done = host.shipit.run("deploy")
    assert done.returncode == 0, done.stderr
    assert [name.rpartition("-")[0] for name in host.running] == [
        "several-production-web-1",
        "several-production-web-2",
        "several-production-worker-1",
    ]
    worker = host.running[2]
    assert host.docker("exec", worker, "wget", "-qO-", "http://web:3000/") == f"v1 {SECRET}"
    scaled = host.shipit.run("scale", "docker/web=3")
    assert scaled.returncode == 0, scaled.stderr
    assert len(host.running) == 4
    restarted = host.shipit.run("restart", "docker/worker")
    assert restarted.returncode == 0, restarted.stderr
    file = host.shipit.folder / "deploy.yml"
    running = host.running
    failing = "release: [sh, -c, 'echo $TOKEN | wc -c; echo no migration; exit 4']\n"
    file.write_text(f"{failing}{file.read_text()}")
    host.write("v2")
    failed = host.shipit.run("deploy", *SECOND)
    assert failed.returncode == 1 and "the release command exited with 4" in failed.stdout, failed.stdout
    assert "no migration" in failed.stdout and str(len(SECRET) + 1) in failed.stdout
    assert host.running == running and host.names("status=exited") == []
    file.write_text(file.read_text().replace("exit 4", "exit 0"))
    file.write_text(file.read_text().replace(", worker: {command: [sleep, '600'], grace: 0s}", ""))
    done = host.shipit.run("deploy", *THIRD)
    assert done.returncode == 0, done.stderr
    assert [name.rpartition("-")[0] for name in host.running] == [
        "several-production-web-1",
        "several-production-web-2",
    ]


@pytest.mark.parametrize("host", [("unused", WEB)], indirect=True)
def test_two_hosts_one_of_them_behind_ssh_run_the_same_release(
    host: Host,
    ssh: tuple[int, Path],
    engine: DockerEngine,
    modern_engine: DockerEngine,
    registry_server: RegistryServer,
) -> None:
    port, folder = ssh
    host.shipit.env["PATH"] = f"{folder / 'bin'}:{host.shipit.env['PATH']}"
    hosts = (f"ssh://root@127.0.0.1:{port}", modern_engine.host)
    behind_ssh = Host(host.shipit, engine, registry_server.host, "two", WEB, *hosts)
    beside = Host(host.shipit, modern_engine, registry_server.host, "two", WEB, *hosts)
    try:
        done = host.shipit.run("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "web: 2 running on" in done.stdout and "GET /healthz answers 200" in done.stdout
        for one in (behind_ssh, beside):
            [name] = one.running
            assert one.get(name) == f"v1 {SECRET}"
        again = host.shipit.run("deploy")
        assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout
        # Another host that does not answer is named, and nothing is changed.
        file = host.shipit.folder / "deploy.yml"
        file.write_text(file.read_text().replace(modern_engine.host, "unix:///nowhere/docker.sock"))
        down = host.shipit.run("status")
        assert down.returncode != 0 and "unix:///nowhere/docker.sock" in down.stdout + down.stderr
    finally:
        behind_ssh.clean()
        beside.clean()


@pytest.mark.parametrize("host", [("broken", PUBLISHED)], indirect=True)
def test_a_deploy_that_is_killed_while_a_service_is_down_is_completed_by_the_next(host: Host) -> None:
    assert host.shipit.run("deploy").returncode == 0
    [first] = host.running
    host.write("v2", SERVER.replace('"/healthz"', '"/never"'))
    process = host.shipit.start("deploy")
    try:
        running, code = wait_until(
            "the old container is replaced",
            lambda: (host.running, process.poll()),
            lambda now: now[1] is not None or (now[0] and first not in now[0]),
            within_s=180,
        )
    finally:
        process.kill()
        said = process.communicate()
    assert code is None, said
    [second] = running
    host.write("v3")
    done = host.shipit.run("deploy", "--wait", "1m")
    assert done.returncode == 0, done.stdout + done.stderr
    [third] = host.running
    assert third not in (first, second)
    assert serves(f"http://127.0.0.1:{host.port}/") == f"v3 {SECRET}"

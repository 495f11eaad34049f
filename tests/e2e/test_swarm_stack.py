"""A stack file deployed into a real swarm, looked at from outside with the docker command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.test_docker_hosts import SECRET
from tests.e2e.test_swarm import SECOND, THIRD, Swarm
from tests.servers.engine import DockerEngine
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]
READER = """\
import http.server, os

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        said = [VERSION, os.environ["TOKEN"], open("/run/secrets/key").read(), open("/etc/motd").read(), os.environ["LEVEL"]]
        self.wfile.write(" ".join(said).encode())

    def log_message(self, *args):
        pass

print("serving", VERSION, flush=True)
http.server.HTTPServer(("", 3000), Answer).serve_forever()
"""
STACK = """\
version: "3.8"
services:
  web:
    build: .
    environment: [TOKEN, "LEVEL=${LEVEL:-info}"]
    networks: {front: {aliases: [shop]}}
    secrets: [key]
    configs: [{source: motd, target: /etc/motd}]
    volumes: ["data:/data"]
    stop_grace_period: 0s
    depends_on: [worker]
    deploy:
      replicas: 2
      endpoint_mode: dnsrr
      labels: {of: service}
      update_config: {order: start-first, parallelism: 2, monitor: 1s, failure_action: rollback}
      resources: {limits: {memory: 128M, pids: 50}}
  worker:
    build: .
    command: sleep 600
    stop_grace_period: 0s
    networks: [front]
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
networks: {front: {attachable: true}}
volumes: {data: }
secrets: {key: {file: key.txt}}
configs: {motd: {file: motd}}
"""
KEY = "canary-of-a-file-9137"


@pytest.fixture
def place(shipit: Shipit, swarm: DockerEngine, registry_server: RegistryServer, python_base: str) -> Iterator[Swarm]:
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "TOKEN": SECRET}
    shipit.write(stack__yml=STACK, motd="hello")
    (shipit.folder / "key.txt").write_text(KEY)
    found = Swarm(shipit, swarm, registry_server.host, "stacked", "file: stack.yml")
    found.write("v1", READER)
    yield found
    found.clean()


def test_a_stack_file_from_its_first_deploy_until_it_is_destroyed(place: Swarm) -> None:
    shipit = place.shipit
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.ask("web") == [f"v1 {SECRET} {KEY} hello info"] * 2
    assert KEY not in done.stdout + done.stderr + str(place.spec("web"))
    assert place.spec("web")["Spec"]["Labels"]["of"] == "service"
    listed = place.docker("stack", "services", "--format", "{{.Name}} {{.Replicas}}", "stacked-production")
    assert sorted(listed.splitlines()) == ["stacked-production-web 2/2", "stacked-production-worker 1/1"]
    assert "stacked-production_data" in place.docker("volume", "ls", "--quiet")
    first = place.tasks("web")

    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout
    assert place.tasks("web") == first

    # Another content of a file, and a key of the service.
    (shipit.folder / "key.txt").write_text("rotated-canary-1")
    stack = shipit.folder / "stack.yml"
    stack.write_text(stack.read_text().replace(":-info}", ":-debug}"))
    done = shipit.run("deploy", *SECOND)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.ask("web") == [f"v1 {SECRET} rotated-canary-1 hello debug"] * 2

    # Swarm rolls one service back, and the other one goes back with it.
    place.edit("settle: 0s", "settle: 0s, on_failure: rollback")
    stack.write_text(stack.read_text().replace("sleep 600", "sleep 700").replace(":-debug}", ":-bad}"))
    place.write("v2", f'import os, sys\nif os.environ.get("LEVEL") == "bad": sys.exit("no good level")\n{READER}')
    failed = shipit.run("deploy", *THIRD)
    assert failed.returncode == 1 and "no good level" in failed.stdout, failed.stdout
    assert place.ask("web") == [f"v1 {SECRET} rotated-canary-1 hello debug"] * 2
    assert place.spec("worker")["Spec"]["TaskTemplate"]["ContainerSpec"]["Args"] == ["sleep", "600"]

    gone = shipit.run("destroy", "-e", "production", "--yes", "--include", "volume/stacked-production_data")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert [place.ids(kind) for kind in ("service", "config", "secret", "network")] == [[], [], [], []]
    assert "stacked-production_data" not in place.docker("volume", "ls", "--quiet")

"""A stack file deployed into a real swarm, looked at from outside with the docker command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.test_docker_hosts import SECRET
from tests.e2e.test_swarm import SECOND, THIRD, Swarm
from tests.sampled import only_deep
from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import wait_until

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
    logging: {driver: json-file, options: {max-size: 1m}}
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}, rollback_config: {parallelism: 0, monitor: 1s}}
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
    worker = place.spec("worker")["Spec"]
    assert worker["TaskTemplate"]["LogDriver"] == {"Name": "json-file", "Options": {"max-size": "1m"}}
    assert (worker["RollbackConfig"]["Parallelism"], worker["UpdateConfig"]["Parallelism"]) == (0, 1)
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


BY_HAND = """\
version: "3.8"
services:
  web: {image: BASE, command: [sleep, "600"], volumes: ["data:/data"], stop_grace_period: 0s, deploy: {endpoint_mode: dnsrr}}
  worker: {image: BASE, command: [sleep, "601"], stop_grace_period: 0s, deploy: {endpoint_mode: dnsrr}}
  old: {image: BASE, command: [sleep, "602"], stop_grace_period: 0s, deploy: {endpoint_mode: dnsrr}}
volumes: {data: }
"""
TAKEN = """\
version: "3.8"
services:
  web:
    build: .
    environment: [TOKEN]
    volumes: ["data:/data"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, update_config: {order: start-first, monitor: 1s, failure_action: rollback}}
  worker: {build: ., command: sleep 700, stop_grace_period: 0s, deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}}
volumes: {data: }
"""


class DockerStack(Swarm):
    """A stack that `docker stack deploy` made, with the names that it gives."""

    def spec(self, service: str) -> Any:
        return json.loads(self.docker("service", "inspect", f"taken_{service}"))[0]

    def services(self) -> dict[str, str]:
        """Name -> id of all services of the swarm whose names begin like the stack, or like what shipit would make."""
        rows = self.docker("service", "ls", "--format", "{{.Name}} {{.ID}}").splitlines()
        return {row.split()[0]: row.split()[1] for row in rows if row.startswith("taken")}

    def container(self, service: str) -> str:
        """The only running container of a service, when Swarm has started it."""
        words = ("ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name=taken_{service}")
        return wait_until(f"one task of {service}", lambda: self.docker(*words).split(), lambda found: len(found) == 1)[
            0
        ]

    def clean(self) -> None:
        super().clean()
        self.docker("stack", "rm", "taken")


@pytest.fixture
def made_by_docker(
    shipit: Shipit, swarm: DockerEngine, registry_server: RegistryServer, python_base: str
) -> Iterator[DockerStack]:
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "TOKEN": SECRET}
    shipit.write(by_hand__yml=BY_HAND.replace("BASE", f"{python_base}/library/python:3.12-alpine"), stack__yml=TAKEN)
    found = DockerStack(
        shipit, swarm, registry_server.host, "taken", "file: stack.yml, stack: taken, on_failure: rollback"
    )
    command = [find("docker"), "--host", swarm.host, "stack", "deploy", "--compose-file", "by_hand.yml", "taken"]
    subprocess.run(command, cwd=shipit.folder, check=True, capture_output=True, timeout=120)
    yield found
    found.clean()


@pytest.mark.sampled
@only_deep
def test_a_stack_that_docker_made_is_taken_over_in_place(made_by_docker: DockerStack) -> None:
    place, shipit = made_by_docker, made_by_docker.shipit
    place.docker("exec", place.container("web"), "sh", "-c", "echo kept > /data/file")
    before, old, first = place.services(), place.container("old"), place.spec("web")["Spec"]
    refused = shipit.run("deploy", "--yes")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1 and "the stack taken was made by docker stack deploy" in said, said
    assert "take_over: true" in said and place.services() == before

    place.edit("on_failure: rollback", "on_failure: rollback, take_over: true")
    plan = shipit.run("plan", "--full")
    assert "take over the service taken_web, which docker stack deploy made" in plan.stdout, plan.stdout
    assert "takes over taken_web, taken_worker of the stack taken" in plan.stdout, plan.stdout
    assert "not taken over: taken_old" in plan.stdout, plan.stdout

    # A version that fails: what docker made runs again, as it was.
    place.write("v0", "import sys\nsys.exit('no good start')\n")
    failed = shipit.run("deploy", *SECOND)
    assert failed.returncode == 1 and "no good start" in failed.stdout, failed.stdout
    again = place.spec("web")["Spec"]
    assert again["Labels"] == first["Labels"] and again["TaskTemplate"]["ContainerSpec"]["Args"] == ["sleep", "600"]
    assert place.services() == before, failed.stdout

    place.write("v1", 'import time\nprint("serving", VERSION, flush=True)\ntime.sleep(9999)\n')
    done = shipit.run("deploy", *SECOND)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.services() == before and place.container("old") == old
    web = place.container("web")
    assert place.docker("exec", web, "sh", "-c", "cat /data/file; echo $TOKEN").split() == ["kept", SECRET]
    labels = place.spec("web")["Spec"]["Labels"]
    assert labels["com.docker.stack.namespace"] == "taken" and labels["dev.shipit.app"] == "taken"
    [row] = json.loads(place.docker("inspect", web))
    assert row["Config"]["Labels"]["dev.shipit.release"] == labels["dev.shipit.release"] != ""
    assert row["Config"]["Labels"]["dev.shipit.by"] == labels["dev.shipit.by"] != ""

    # From now on it is a target as any other one.
    place.edit(", take_over: true", "")
    version = place.spec("web")["Version"]
    again_too = shipit.run("deploy")
    assert again_too.returncode == 0 and "nothing changed" in again_too.stdout, again_too.stdout
    assert place.spec("web")["Version"] == version
    ran = shipit.run("exec", "swarm/web", "--", "cat", "/data/file")
    assert ran.stdout.strip() == "kept", ran.stdout + ran.stderr
    scaled = shipit.run("scale", "swarm/worker=2")
    assert scaled.returncode == 0, scaled.stdout + scaled.stderr

    gone = shipit.run("destroy", "-e", "production", "--yes")
    said = gone.stdout + gone.stderr
    assert gone.returncode == 0 and "the volume taken_data stays with its data: docker stack deploy made it" in said, (
        said
    )
    assert "the network taken_default stays" in said, said
    assert place.services() == {"taken_old": before["taken_old"]} and place.container("old") == old
    assert "taken_data" in place.docker("volume", "ls", "--quiet")

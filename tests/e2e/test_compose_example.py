"""Nginx before three Node services, MongoDB and Redis: the life of a compose file with the kind compose, on a real engine.

Nginx, Node and Redis are Debian's and this machine's own programs in images; a program of a few lines, which answers one
message, stands in for MongoDB. The file has an override, an include, an env_file and a profile. Traefik, which knows
nothing of shipit, leads to one of the services by its labels.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from shipit.rehearsal.dyno import free_port
from tests.conftest import started
from tests.e2e.test_docker_proxy import Answer, Load
from tests.servers.engine import DockerEngine, install_compose
from tests.servers.hub import DockerHub
from tests.servers.install import find
from tests.servers.traefik import Traefik
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]

SERVICES = ("api", "shop", "admin")
COMPOSE = """
include: [data/compose.yaml]
services:
  nginx:
    image: ${HUB}/library/nginx:alpine
    volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf:ro"]
    stop_grace_period: 1s
    depends_on:
      api: &started {condition: service_started}
      shop: *started
      admin: *started
      # Of a profile that is not used.
      shell: {<<: *started, required: false}
  api: &node
    build: ./api
    env_file: [node.env]
    environment: {TOKEN: "${TOKEN:?is not set}", MODE: "${MODE-}"}
    stop_grace_period: 1s
    depends_on:
      redis: {condition: service_healthy}
      mongo: {condition: service_started}
      migrate: {condition: service_completed_successfully}
  shop:
    <<: *node
    build: ./shop
    labels:
      traefik.enable: "true"
      traefik.http.routers.shop.rule: PathPrefix(`/shop`)
      traefik.http.services.shop.loadbalancer.server.port: "3000"
    # Traefik leads to no container that is unhealthy: an old one gets no request any more before it is stopped.
    healthcheck: {test: "test ! -e /draining && wget -qO- http://localhost:3000/", interval: 500ms, retries: 1, start_period: 2m}
  admin: {<<: *node, build: ./admin}
"""
# Merged over it by `file:` of the target.
OVERRIDE = """
x-node: &node {environment: {STAGE: override}}
services:
  nginx: {ports: ["127.0.0.1:${WEB_PORT}:80"]}
  api: *node
  shop: *node
  admin: *node
"""
# In a folder of its own, from which its paths count.
DATA = """
services:
  migrate:
    profiles: [jobs]
    image: ${HUB}/library/node:alpine
    command: [node, -e, "console.log('migrated')"]
  redis:
    image: ${HUB}/library/redis:alpine
    volumes: ["data:/data"]
    stop_grace_period: 1s
    healthcheck: {test: [CMD, redis-cli, ping], interval: 500ms, retries: 240}
  mongo:
    image: ${HUB}/library/node:alpine
    command: [node, /mongo.js]
    volumes: ["./mongo.js:/mongo.js:ro"]
    init: true
    stop_grace_period: 1s
  shell:
    image: ${HUB}/library/node:alpine
    profiles: [debug]
volumes: {data: {}}
"""
NGINX = """
server {
  listen 80;
  resolver 127.0.0.11 valid=1s;
  proxy_connect_timeout 1s;
  location ~ ^/(api|shop|admin)$ { set $to $1; proxy_pass http://$to:3000; }
}
"""
# Answers any message of MongoDB's protocol (OP_MSG) with {ok: 1.0}.
MONGO = """
require('net').createServer(socket => socket.on('data', data => {
  const body = Buffer.from('11000000016f6b00000000000000f03f00', 'hex');
  const head = Buffer.alloc(21);
  head.writeInt32LE(21 + body.length, 0); head.writeInt32LE(data.readInt32LE(4), 8); head.writeInt32LE(2013, 12);
  socket.write(Buffer.concat([head, body]));
})).listen(27017);
"""
# GET asks Redis for a counter of its own and MongoDB for its state.
SERVER = """
const net = require('net');
const ask = (host, port, sent, seen) => new Promise((resolve, reject) => {
  const socket = net.connect(port, host, () => socket.write(sent));
  socket.on('data', data => { socket.destroy(); resolve(seen(data)); }).on('error', reject);
});
const query = Buffer.concat([Buffer.from('1068656c6c6f0001000000', 'hex'), Buffer.from('\\u0002$db\\0\\u0006\\0\\0\\0admin\\0')]);
const body = Buffer.concat([Buffer.from([query.length + 5, 0, 0, 0]), query, Buffer.from([0])]);
const head = Buffer.alloc(21);
head.writeInt32LE(21 + body.length, 0); head.writeInt32LE(2013, 12);
process.on('SIGTERM', () => process.exit(0));
require('http').createServer(async (_, answer) => {
  try {
    const hits = await ask('redis', 6379, `INCR ${name}\\r\\n`, data => data.toString().trim());
    const mongo = await ask('mongo', 27017, Buffer.concat([head, body]), data => data.readDoubleLE(29));
    answer.end(`${name} ${version} redis${hits} mongo=${mongo} ${process.env.TOKEN.length} ${process.env.ORIGIN} ${process.env.STAGE}`);
  } catch (error) { answer.statusCode = 503; answer.end(String(error)); }
}).listen(3000);
"""
SECRET = "canary-secret-4711"


class Example:
    """The project in a folder, its engine, and what is seen from outside."""

    def __init__(self, shipit: Shipit, engine: DockerEngine, hub: DockerHub, folder: Path) -> None:
        host = hub.having("node:alpine", "nginx:alpine", "redis:alpine")
        self.shipit, self.engine, self.hub, self.port = shipit, engine, host, free_port()
        install_compose(folder)
        shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={host}", "DOCKER_CONFIG": str(folder), "TOKEN": SECRET}
        images = ", ".join(f"{name}: {{build: ./{name}}}" for name in SERVICES)
        rolled = dict.fromkeys(SERVICES, "rollout: start-first, drain: 2s")
        rolled["shop"] = "rollout: start-first, drain: 4s, before_stop: [touch, /draining]"
        services = ", ".join(f"{name}: {{{keys}}}" for name, keys in rolled.items())
        (shipit.folder / "data").mkdir()
        (shipit.folder / "data" / "compose.yaml").write_text(DATA)
        (shipit.folder / "data" / "mongo.js").write_text(MONGO)
        shipit.write(
            compose__yaml=COMPOSE,
            compose__prod__yaml=OVERRIDE,
            node__env="ORIGIN=file\nSTAGE=file\n",
            nginx__conf=NGINX,
            deploy__yml=(
                f"app: example\nimages: {{{images}}}\nenv: {{HUB: '{host}', WEB_PORT: '{self.port}'}}\n"
                f"secrets: {{TOKEN: {{env: TOKEN}}}}\n"
                f"targets: {{stack: {{kind: compose, file: [compose.yaml, compose.prod.yaml], profiles: jobs, host: '{engine.host}', settle: 1s, pending: 5m, keep: 2, services: {{{services}}}}}}}\n"
            ),
        )
        for name in SERVICES:
            (shipit.folder / name).mkdir()
            self.write(name, "v1")

    def write(self, name: str, version: str, server: str = SERVER) -> None:
        folder = self.shipit.folder / name
        (folder / "Dockerfile").write_text('FROM node:alpine\nCOPY server.js /\nCMD ["node", "/server.js"]\n')
        (folder / "server.js").write_text(f"const name = '{name}', version = '{version}';{server}")

    def docker(self, *words: str) -> str:
        command = [find("docker"), "--host", self.engine.host, *words]
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=120).stdout.strip()

    def names(self, *words: str) -> set[str]:
        filters = ("--filter", "label=com.docker.compose.project=example-production")
        return set(self.docker("ps", *words, *filters, "--format", "{{.Names}}").split())

    def started(self) -> dict[str, str]:
        """Container -> when it was started."""
        found = json.loads(self.docker("inspect", *sorted(self.names())))
        return {row["Name"]: row["State"]["StartedAt"] for row in found}

    def read(self, name: str) -> str:
        """The answer of a service through nginx; empty where there is none."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=10) as answer:
                return str(answer.read().decode())
        except (URLError, OSError):
            return ""

    def ask(self, name: str, port: int = 0) -> Answer:
        with urlopen(f"http://127.0.0.1:{port or self.port}/{name}", timeout=60) as answer:
            return Answer(answer.status, answer.read().decode())

    def await_versions(self, **versions: str) -> None:
        """Service -> its version: each answers through nginx, has asked Redis and MongoDB, and has the variables of both files."""
        for name in SERVICES:
            begin, end = f"{name} {versions.get(name, 'v1')} redis:", f"mongo=1 {len(SECRET)} file override"
            wait_until(begin, partial(self.read, name), partial(_is_between, begin, end))

    def clean(self) -> None:
        if names := self.names("--all"):
            self.docker("rm", "--force", "--volumes", *names)
        for kind in ("volume", "network"):
            for label in ("com.docker.compose.project=example-production", "dev.shipit.app=example"):
                if found := self.docker(kind, "ls", "--quiet", "--filter", f"label={label}").split():
                    self.docker(kind, "rm", *found)


def _status(port: int) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}/shop", timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0


def _is_between(begin: str, end: str, text: str) -> bool:
    return text.startswith(begin) and text.endswith(end)


@pytest.fixture
def example(shipit: Shipit, engine: DockerEngine, docker_hub: DockerHub, tmp_path: Path) -> Iterator[Example]:
    example = Example(shipit, engine, docker_hub, tmp_path / "docker-config")
    yield example
    example.clean()


@pytest.fixture
def traefik(engine: DockerEngine, tmp_path: Path) -> Iterator[Traefik]:
    server = started(lambda: Traefik(tmp_path, engine.host))
    yield server
    server.stop()


def _change_under_load(example: Example, before: Mapping[str, str]) -> None:
    """Change one service, break it, and roll back: nothing else is touched."""
    shipit = example.shipit
    example.write("shop", "v2")
    plan = shipit.run("plan", "--full")
    assert "replace shop, new containers first" in plan.stdout, plan.stdout
    assert "shop  start-first: image localhost/example/production/shop:" in plan.stdout
    done = shipit.run("deploy", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name for name, at in example.started().items() if before.get(name) != at} == {"/example-production-shop-2"}
    assert "nothing changed" in shipit.run("deploy").stdout

    # One more container serves before the only one is removed: what `before_stop` leaves in it ends with it.
    released = example.started()
    restarted = shipit.run("restart", "stack/shop")
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert "one more container serves before each is removed" in restarted.stdout + restarted.stderr, restarted.stdout
    second = example.started()
    assert second.items() - released.items() == {("/example-production-shop-3", second["/example-production-shop-3"])}
    assert released.keys() - second.keys() == {"/example-production-shop-2"}, restarted.stdout
    example.write("shop", "v3", "console.error('no database'); process.exit(3)")
    failed = shipit.run("deploy", "--yes")
    said = failed.stdout + failed.stderr
    assert failed.returncode == 1, said
    assert "example-production-shop-4 exited with 3; example-production-shop-3 serves on" in said, said
    assert "no database" in said and example.started() == second, said

    back = shipit.run("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    example.await_versions(shop="v1")


def test_nginx_before_three_node_services_is_deployed_changed_rolled_back_and_removed(
    example: Example, traefik: Traefik
) -> None:
    shipit = example.shipit
    plan = shipit.run("plan", "--full")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "start admin, api, migrate, mongo, nginx, redis, shop of the project example-production" in plan.stdout
    built = shipit.run("build", "shop")
    assert built.returncode == 0 and "shop" in built.stdout and "admin" not in built.stdout, built.stdout + built.stderr
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert len(example.names()) == 6 and len(example.names("--all")) == 7, "the migration has ended"
    example.await_versions()
    before = example.started()
    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout + again.stderr
    assert example.started() == before

    wait_until("Traefik leads to shop", partial(_status, traefik.port), (200).__eq__)
    loads = [Load(partial(example.ask, "shop", port)) for port in (example.port, traefik.port)]
    try:
        _change_under_load(example, before)
    finally:
        for load in loads:
            load.stop()
    assert [(load.failed, load.dropped) for load in loads] == [([], 0)] * 2
    for load in loads:
        assert {answer.text.split()[1] for answer in load.answers} == {"v1", "v2"}

    # The tag of Redis names another image on the engine: Compose makes a new container of it, too.
    before, redis = example.started(), f"{example.hub}/library/redis:alpine"
    example.docker("commit", "example-production-redis-1", redis)
    example.write("shop", "v4")
    plan = shipit.run("plan", "--full")
    assert "update redis, migrate of the project example-production" in plan.stdout, plan.stdout
    assert f"redis  recreate: {redis} names another image on the engine now" in plan.stdout
    done = shipit.run("deploy", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    example.await_versions(shop="v4")
    assert {name for name, at in example.started().items() if before.get(name) != at} == {
        "/example-production-redis-1",
        "/example-production-shop-5",
    }
    assert "nothing changed" in shipit.run("deploy").stdout

    logs = shipit.run("logs", "stack/migrate")
    assert "migrated" in logs.stdout
    status = shipit.run("status")
    assert "example-production-shop-5" in status.stdout and f"http://localhost:{example.port}" in status.stdout

    gone = shipit.run("destroy", "-e", "production", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert example.names("--all") == set()
    assert "volume/example-production_data" in gone.stdout + gone.stderr
    assert example.docker("volume", "ls", "--quiet", "--filter", "label=dev.shipit.app=example") == ""

"""Services of Docker hosts behind Caddy, on a real engine: seen from outside, over HTTP, while they are replaced."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from shipit.rehearsal.dyno import free_port
from tests.e2e.test_docker_hosts import SECRET, Host
from tests.sampled import only_deep
from tests.servers.engine import DockerEngine
from tests.servers.hub import DockerHub
from tests.servers.killing import HeldEngine
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]
# Of the commands of a test, those with other options are measured, too.
SECOND, THIRD, FOURTH = ("--yes",), ("--timeout", "10m"), ("--wait", "3m")

SERVER = """import http.server, os, signal, sys, threading
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, text, status=200):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/socket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            while line := self.rfile.readline():
                self.wfile.write(VERSION.encode() + b" " + line)
            self.close_connection = True
            return
        self.answer(VERSION, 200 if self.path in ("/", "/healthz") else 404)
    def do_POST(self):
        size = len(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(f"{VERSION} {size}")
    def log_message(self, *_):
        pass
print("serving", VERSION, flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
ONCE = """import os, sys
if os.path.exists("/begun"):
    sys.exit("no second start")
open("/begun", "w").close()
"""
BROKEN = SERVER.replace('"/healthz"', '"/never"')


class Answer(NamedTuple):
    status: int
    text: str


def ask(address: str, port: int, host: str, path: str = "/") -> Answer:
    """The answer to GET, for a host name that the proxy at an address serves."""
    connection = http.client.HTTPConnection(address, port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read().decode())
    finally:
        connection.close()


class Proxied:
    """The proxy of an engine, and the apps behind it."""

    def __init__(self, engine: DockerEngine, registry: str, image: str, folder: Path) -> None:
        self.engine, self.registry, self.image, self.folder = engine, registry, image, folder
        self.port, self.tls_port = free_port(), free_port()
        self.apps: list[Host] = []

    def app(self, name: str, service: str, proxy: str = "", host: str = "") -> Host:
        """An app with the service `web`, which nothing has deployed yet."""
        folder = self.folder / name
        folder.mkdir()
        keys = proxy or f"tls: off, http: {self.port}, drain: 1s"
        target = f"proxy: {{image: '{self.image}', {keys}}}, services: {{web: {{port: 3000, grace: 5s, {service}}}}}"
        shipit = Shipit(folder, self.folder / f"{name}-home")
        shipit.env |= {"TOKEN": SECRET, **self.variables}
        found = Host(shipit, self.engine, self.registry, name, target, *([host] if host else []))
        found.write("v1", SERVER)
        self.apps.append(found)
        return found

    variables: dict[str, str] = {}

    def request(self, host: str, path: str = "/", port: int = 0) -> Answer:
        return ask("127.0.0.1", port or self.port, host, path)

    def clean(self) -> None:
        for app in self.apps:
            app.docker("rm", "--force", "shipit-proxy", "shipit-proxy-old")
            app.clean()
        for kind in ("volume", "network"):
            for name in self.apps[0].docker(kind, "ls", "--quiet", "--filter", "label=dev.shipit.proxy").split():
                self.apps[0].docker(kind, "rm", name)


@pytest.fixture
def proxied(
    engine: DockerEngine, registry_server: RegistryServer, docker_hub: DockerHub, python_base: str, tmp_path: Path
) -> Iterator[Proxied]:
    image = f"{docker_hub.having('caddy:2')}/library/caddy:2"
    found = Proxied(engine, registry_server.host, image, tmp_path)
    found.variables = {"SHIPIT_MIRRORS": f"docker.io={python_base}"}
    yield found
    found.clean()


class Load:
    """Requests at a steady rate, each over a connection of its own, until `stop`.

    One that is closed without an answer is sent again once, as browsers do: Caddy closes connections that have not sent
    their request yet when its configuration changes. `dropped` counts those.
    """

    def __init__(self, ask: Callable[[], Answer], rate: float = 40.0, threads: int = 2) -> None:
        self._ask, self._pause_s = ask, 1 / rate
        self.answers: list[Answer] = []
        self.failed: list[str] = []
        self.dropped = 0
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._is_over.wait(self._pause_s * len(self._threads)):
            try:
                answer = self._asked()
                self.answers.append(answer)
                if answer.status != 200:
                    self.failed.append(str(answer))
            except OSError as error:
                self.failed.append(repr(error))

    def _asked(self) -> Answer:
        try:
            return self._ask()
        except http.client.RemoteDisconnected:
            self.dropped += 1
            return self._ask()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


class Line:
    """A connection that was upgraded, as a WebSocket is: each line is answered with the version and the line."""

    def __init__(self, port: int, host: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        head = f"GET /socket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        self._socket.sendall(head.encode())
        self._reader = self._socket.makefile("rb")
        assert b"101" in self._reader.readline()
        while self._reader.readline().strip():
            pass

    def say(self, text: str) -> str:
        self._socket.sendall(f"{text}\n".encode())
        return self._reader.readline().decode().strip()

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


class Upload:
    """A request whose body is sent in two parts."""

    def __init__(self, port: int, host: str, size: int) -> None:
        self._size = size
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._connection.putrequest("POST", "/upload", skip_host=True)
        self._connection.putheader("Host", host)
        self._connection.putheader("Content-Length", str(size))
        self._connection.endheaders()
        self._connection.send(b"x" * (size // 2))

    def complete(self) -> Answer:
        self._connection.send(b"x" * (self._size - self._size // 2))
        answer = self._connection.getresponse()
        found = Answer(answer.status, answer.read().decode())
        self._connection.close()
        return found


def over_tls(port: int, host: str) -> str:
    """The body of an answer over TLS, whatever the certificate's authority; empty without one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            secured.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return secured.makefile("rb").read().decode().rpartition("\n")[2]
    except OSError:
        return ""


def test_what_stands_in_the_way_is_named_and_certificates_replicas_and_a_restart_of_caddy_work(
    proxied: Proxied,
) -> None:
    ports = f"http: {proxied.port}, https: {proxied.tls_port}, drain: 1s"
    app = proxied.app("way", "host: way.localhost, health: /healthz, replicas: 2", ports)
    file = app.shipit.folder / "deploy.yml"
    with socket.create_server(("0.0.0.0", proxied.port)):
        doctor = app.shipit.run("doctor")
        taken = app.shipit.run("deploy", *SECOND)
    said = f"the port {proxied.port}/tcp of {app.engine.host} is taken by a program there"
    assert doctor.returncode == 1 and said in doctor.stdout, doctor.stdout
    assert taken.returncode == 1 and "can't be started" in taken.stdout, taken.stdout
    assert app.running == [] and app.docker("ps", "--all", "--quiet", "--filter", "label=dev.shipit.proxy") == ""
    usual = file.read_text()
    file.write_text(usual.replace("caddy:2", "caddy:none"))
    missing = app.shipit.run("deploy", *THIRD)
    assert missing.returncode == 1 and "can't pull" in missing.stdout, missing.stdout
    file.write_text(usual)
    done = app.shipit.run("deploy", *FOURTH)
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until("there is a certificate", lambda: over_tls(proxied.tls_port, "way.localhost"), lambda text: text == "v1")
    assert proxied.request("way.localhost").status == 308
    assert f"https://way.localhost:{proxied.tls_port}" in app.shipit.run("status").stdout
    scaled = app.shipit.run("scale", "docker/web=1")
    assert scaled.returncode == 0, scaled.stderr
    assert len(app.running) == 1 and over_tls(proxied.tls_port, "way.localhost") == "v1"
    app.docker("restart", "--time", "1", "shipit-proxy")
    wait_until("Caddy resumes", lambda: over_tls(proxied.tls_port, "way.localhost"), lambda text: text == "v1")
    rival = proxied.app("rival", "host: way.localhost", ports)
    refused = rival.shipit.run("deploy", *SECOND)
    assert refused.returncode == 1 and "is served by the route shipit:way:production:docker:web" in refused.stdout
    assert rival.running == [] and over_tls(proxied.tls_port, "way.localhost") == "v1"
    other = free_port()
    moved = usual.replace(f"http: {proxied.port}", f"http: {other}").replace("replicas: 2", "replicas: 1")
    file.write_text(moved)
    with socket.create_server(("0.0.0.0", other)):
        kept = app.shipit.run("deploy", *THIRD)
    assert kept.returncode == 1 and "can't be started" in kept.stdout, kept.stdout
    wait_until("the old proxy is back", lambda: over_tls(proxied.tls_port, "way.localhost"), lambda text: text == "v1")
    replaced = app.shipit.run("deploy", *FOURTH)
    assert replaced.returncode == 0 and "replace the proxy" in replaced.stderr, replaced.stdout + replaced.stderr
    assert proxied.request("way.localhost", port=other).status == 308
    wait_until("it serves", lambda: over_tls(proxied.tls_port, "way.localhost"), lambda text: text == "v1")
    names = app.docker("ps", "--all", "--filter", "label=dev.shipit.proxy", "--format", "{{.Names}}")
    assert names == "shipit-proxy"
    file.write_text(moved.replace("host: way.localhost, ", ""))
    hidden = app.shipit.run("deploy", *SECOND)
    assert hidden.returncode == 0 and "stop serving way.localhost" in hidden.stderr, hidden.stdout + hidden.stderr
    assert over_tls(proxied.tls_port, "way.localhost") == "" and len(app.running) == 1


def test_no_request_fails_through_deploys_and_a_failed_one_and_destroy_leaves_the_proxy_to_others(
    proxied: Proxied,
) -> None:
    shop, other = (proxied.app(name, f"host: {name}.test, health: /healthz") for name in ("shop", "other"))
    file = shop.shipit.folder / "deploy.yml"
    file.write_text(file.read_text().replace("drain: 1s", "drain: 60s"))
    first = shop.shipit.run("deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "start the proxy shipit-proxy" in first.stderr, first.stderr
    assert other.shipit.run("deploy").returncode == 0
    again = shop.shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout
    assert proxied.request("nobody.test").status == 404
    [kept] = other.running

    loads = [Load(lambda: proxied.request("shop.test")), Load(lambda: proxied.request("other.test"), 10)]
    line, upload = Line(proxied.port, "shop.test"), Upload(proxied.port, "shop.test", 2_000_000)
    foreign = Line(proxied.port, "other.test")
    try:
        shop.write("v2", SERVER)
        process = shop.shipit.start("deploy", *SECOND)
        wait_until("the new one serves", lambda: proxied.request("shop.test").text, lambda text: text == "v2")
        assert len(shop.running) == 2, "the old one answers what it has"
        assert line.say("hello") == "v1 hello"
        assert upload.complete() == Answer(200, "v1 2000000")
        line.close()
        output, _ = process.communicate(timeout=180)
        assert process.returncode == 0, output
        [second] = shop.running
        shop.write("v3", BROKEN)
        patient = file.read_text()
        file.write_text(patient.replace("pending: 3m", "pending: 6s"))
        failed = shop.shipit.run("deploy", *FOURTH)
        assert failed.returncode == 1 and f"{second} serves on" in failed.stdout, failed.stdout
        assert "GET /healthz" in failed.stdout and "serving v3" in failed.stdout, failed.stdout
        file.write_text(patient)
        assert shop.running == [second]
        shop.write("v4", SERVER)
        done = shop.shipit.run("deploy", *THIRD)
        assert done.returncode == 0, done.stdout
        assert foreign.say("hello") == "v1 hello", "a WebSocket of another app lives on"
        [fourth] = shop.running
        restarted = shop.shipit.run("restart")
        assert restarted.returncode == 0 and shop.running == [fourth], restarted.stdout + restarted.stderr
    finally:
        for load in loads:
            load.stop()
        line.close()
        foreign.close()
    assert [(load.failed, load.dropped) for load in loads] == [([], 0), ([], 0)], "the configuration does not change"
    assert {answer.text for answer in loads[0].answers} == {"v1", "v2", "v4"}
    assert {answer.text for answer in loads[1].answers} == {"v1"} and other.running == [kept]

    file.write_text(patient.replace("drain: 60s", "drain: 1s"))
    back = shop.shipit.run("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert shop.running == [second] and proxied.request("shop.test").text == "v2"
    # What can't be started a second time is stopped, and the container beside it serves on.
    shop.write("v5", ONCE + SERVER)
    assert shop.shipit.run("deploy", *SECOND).returncode == 0
    [once] = shop.running
    failed = shop.shipit.run("restart")
    assert failed.returncode == 1 and f"{once}-beside-1 serves on" in failed.stdout, failed.stdout + failed.stderr
    assert "no second start" in failed.stdout and proxied.request("shop.test").text == "v5"
    assert shop.running == [f"{once}-beside-1"]
    left = shop.shipit.run("deploy")
    assert left.returncode == 0 and "nothing changed" in left.stdout, left.stdout
    status = shop.shipit.run("status")
    assert f"http://shop.test:{proxied.port}" in status.stdout, status.stdout
    gone = shop.shipit.run("destroy", "-e", "production", *SECOND)
    assert gone.returncode == 0, gone.stderr
    assert proxied.request("shop.test").status == 404 and proxied.request("other.test").text == "v1"
    assert other.shipit.run("destroy", "-e", "production", "--yes").returncode == 0
    proxies = other.docker("ps", "--all", "--quiet", "--filter", "label=dev.shipit.proxy")
    assert proxies == "", "nobody uses it any more"
    assert other.docker("volume", "ls", "--quiet", "--filter", "label=dev.shipit.proxy") == "shipit-proxy-data"


# The arguments of HeldEngine.hold.
Point = tuple[bytes, int] | tuple[bytes, int, bytes]
CONTAINER = rb"POST /v[0-9.]+/containers/"
# What the engine or Caddy has done when the deploy is killed, before it knows.
FIRST: list[Point] = [
    (CONTAINER + rb"create\?name=shipit-proxy", 1),
    (CONTAINER + rb"[^/]+/start", 1),
    (CONTAINER + rb"create\?name=killed", 1),
    (CONTAINER + rb"[^/]+/start", 1),
    (rb"POST /v[0-9.]+/exec/", 1, b"mkdir -p"),
    (rb"(POST|PUT) /config/", 1),
]
LATER: list[Point] = [
    # The script that writes the addresses runs: that is the switch.
    (rb"POST /v[0-9.]+/exec/", 1, b"mkdir -p"),
    (CONTAINER + rb"create\?name=killed", 1),
    (CONTAINER + rb"[^/]+/start", 1),
    (CONTAINER + rb"[^/]+/stop", 1),
]


@pytest.fixture
def held(engine: DockerEngine) -> Iterator[HeldEngine]:
    found = HeldEngine(engine.host)
    yield found
    found.stop()


def kill_at(held: HeldEngine, app: Host, point: Point) -> None:
    done = held.hold(*point)
    process = app.shipit.start("deploy", "--wait", "1m")
    try:
        wait_until(f"the deploy sends {point[0]!r}", done.is_set, within_s=120)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.sampled
@only_deep
def test_a_deploy_that_is_killed_after_any_change_is_completed_by_the_next(proxied: Proxied, held: HeldEngine) -> None:
    app = proxied.app("killed", "host: killed.test, health: /healthz", host=held.host)
    for point in FIRST:
        kill_at(held, app, point)
    first = app.shipit.run("deploy", "--wait", "1m")
    assert first.returncode == 0, first.stdout + first.stderr
    load = Load(lambda: proxied.request("killed.test"), 20)
    try:
        for number, point in enumerate(LATER, 2):
            app.write(f"v{number}", SERVER)
            kill_at(held, app, point)
            app.write(f"w{number}", SERVER)
            done = app.shipit.run("deploy", "--wait", "1m")
            assert done.returncode == 0, done.stdout + done.stderr
            assert len(app.running) == 1 and proxied.request("killed.test").text == f"w{number}"
    finally:
        load.stop()
    assert load.failed == []

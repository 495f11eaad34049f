"""A Docker host behind tcp:// with certificates of both sides: a front with TLS before the real engine."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_docker_hosts import SECRET, Host
from tests.servers.certificates import Authority, server_context
from tests.servers.engine import DockerEngine
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

SIDE = "services: {side: {command: [sleep, '600'], grace: 0s}}"


class Front:
    """Takes TLS connections with a certificate of the authority, and passes their bytes on to the engine's socket.

    The end of what a client sends ends that direction only, as it does at an engine.
    """

    def __init__(self, context: ssl.SSLContext, engine: str) -> None:
        self._context, self._path = context, engine.removeprefix("unix://")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_over = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        self._listener.settimeout(0.1)
        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError):
                plain, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(plain,)))
                self._threads[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(60)
        with contextlib.suppress(OSError), plain, socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self._path)
            with self._context.wrap_socket(plain, server_side=True) as client:
                self._relay(client, engine)

    def _relay(self, client: ssl.SSLSocket, engine: socket.socket) -> None:
        """In one thread: a TLS connection is not for two."""
        has_input = True
        while not self._is_over.is_set():
            reading = [engine, *([client] if has_input else [])]
            ready = [client] if has_input and client.pending() else select.select(reading, [], [], 0.1)[0]
            if client in ready:
                client.settimeout(0.0)
                try:
                    data = client.recv(65536)
                except ssl.SSLWantReadError:
                    data = None
                client.settimeout(60)
                if data:
                    engine.sendall(data)
                elif data == b"":
                    has_input = False
                    engine.shutdown(socket.SHUT_WR)
            if engine in ready:
                if not (data := engine.recv(65536)):
                    return
                client.sendall(data)

    def close(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()


@pytest.fixture
def host(shipit: Shipit, engine: DockerEngine, python_base: str, tmp_path: Path) -> Iterator[Host]:
    authority = Authority(tmp_path / "pki")
    authority.issue("server", "engine", names=("127.0.0.1",))
    authority.issue("client", "deployer")
    certs = tmp_path / "certs"
    certs.mkdir()
    for name, file in (("ca.pem", "ca.crt"), ("cert.pem", "client.crt"), ("key.pem", "client.key")):
        (certs / name).write_bytes((authority.folder / file).read_bytes())
    context = server_context(authority.folder)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.folder / "ca.crt")
    front = Front(context, engine.host)
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "TOKEN": SECRET}
    shipit.env |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certs)}
    found = Host(shipit, engine, "", "tls", SIDE, f"tcp://127.0.0.1:{front.port}")
    yield found
    found.clean()
    front.close()


def test_an_engine_with_certificates_gets_an_image_and_runs_commands(host: Host) -> None:
    done = host.shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    [name] = host.running
    said = host.shipit.run("exec", "docker/side", "--", "sh", "-c", "echo hello; exit 4")
    assert (said.returncode, said.stdout) == (4, "hello\n"), said.stderr
    data = "input\n" * 10_000
    given = host.shipit.run("exec", "docker/side", "--", "cat", input_text=data)
    assert (given.returncode, given.stdout) == (0, data), given.stderr
    del host.shipit.env["DOCKER_CERT_PATH"], host.shipit.env["DOCKER_TLS_VERIFY"]
    alone = host.shipit.run("status")
    assert alone.returncode == 1 and "tcp://127.0.0.1" in alone.stdout + alone.stderr
    assert host.running == [name]

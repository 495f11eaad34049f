"""A Docker host behind tcp:// with certificates of both sides: a front with TLS before the real engine."""

from __future__ import annotations

import asyncio
import contextlib
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
    """Takes TLS connections with a certificate of the authority, and passes their bytes on to the engine's socket."""

    def __init__(self, context: ssl.SSLContext, engine: str) -> None:
        self._context, self._path = context, engine.removeprefix("unix://")
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._is_up.wait(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context))
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own_reader, own_writer = await asyncio.open_unix_connection(self._path)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.wait(
                [
                    asyncio.ensure_future(_pass_on(reader, own_writer)),
                    asyncio.ensure_future(_pass_on(own_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        writer.close()
        own_writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


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
    refused = host.shipit.run("exec", "docker/side", "--", "cat", input_text="x" * 100)
    assert refused.returncode == 125 and "can't be passed on over TLS" in refused.stderr, refused.stderr
    del host.shipit.env["DOCKER_CERT_PATH"], host.shipit.env["DOCKER_TLS_VERIFY"]
    alone = host.shipit.run("status")
    assert alone.returncode == 1 and "tcp://127.0.0.1" in alone.stdout + alone.stderr
    assert host.running == [name]

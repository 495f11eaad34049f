"""Ctrl-C and SIGTERM while a promotion copies from one real registry to another."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.conftest import started
from tests.servers.cut_proxy import CutProxy
from tests.servers.registry import RegistryServer
from tests.shipit import INTERRUPTED, PYTHON_DOCKERFILE, SERVING_APP, Shipit
from tests.waits import SOON_S

pytestmark = pytest.mark.registry

TEXT = """\
app: shop
state: {state}
image: {{repository: {staging}/staging/shop, tags: [v1]}}
targets:
  hub: {{settle: 0s}}
  heroku: {{app: shop-prod, settle: 0s}}
environments:
  staging: {{targets: {{heroku: {{app: shop-staging}}, hub: {{}}}}}}
  production: {{image: {{repository: {production}/production/shop}}, inherit: true}}
"""


class Holding(CutProxy):
    """While it `holds`, no blob reaches the registry: `reached` says that one was sent."""

    def __init__(self, upstream: str) -> None:
        self.holds, self.reached = False, threading.Event()
        super().__init__(upstream)

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        if not self.holds:
            super()._serve(client, server)
            return
        with client, server:
            answers = threading.Thread(target=_answers, args=(server, client), daemon=True)
            answers.start()
            # An interrupted promotion closes its connections with answers unread, which resets them.
            with contextlib.suppress(ConnectionResetError):
                while data := client.recv(65536):
                    if re.search(rb"^(PATCH|PUT) /v2/.*/blobs/uploads/", data):
                        self.reached.set()
                    elif not self.reached.is_set():
                        server.sendall(data)


def _answers(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(65536):
            client.sendall(data)


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Holding]:
    server = started(lambda: RegistryServer(tmp_path / "production"))
    proxy = Holding(server.host)
    yield proxy
    proxy.stop()
    server.stop()


def test_a_copy_is_stopped_and_the_next_promotion_completes_it(
    shipit: Shipit, registry_server: RegistryServer, production: Holding, heroku: HerokuStandIn
) -> None:
    heroku.create_app("shop-staging")
    state = shipit.folder.parent / "state"
    text = TEXT.format(state=state, staging=registry_server.host, production=production.host)
    shipit.write(deploy__yml=text, Dockerfile=PYTHON_DOCKERFILE, app__py=SERVING_APP)
    done = shipit.run("deploy", "-e", "staging")
    assert done.returncode == 0, done.stdout + done.stderr
    for number in (signal.SIGINT, signal.SIGTERM):
        production.holds = True
        production.reached.clear()
        process = shipit.start("promote", "--from", "staging")
        assert production.reached.wait(SOON_S)
        process.send_signal(number)
        out, err = process.communicate(timeout=SOON_S)
        assert (process.returncode, "Traceback" in err) == (130, False), out + err
        assert err.endswith(INTERRUPTED) and "healthy" not in out, out + err
        assert len(heroku.apps["shop-prod"].releases) == 1
    production.holds = False
    done = shipit.run("promote", "--from", "staging")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "waits" not in done.stderr and "lock" not in done.stderr, "the locks were free"
    images = [heroku.apps[app].formation["web"]["image"] for app in ("shop-prod", "shop-staging")]
    assert images[0] == images[1]

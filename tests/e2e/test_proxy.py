"""Real host names through a proxy, with a certificate authority of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.e2e.test_heroku import SERVER
from tests.servers.proxy import TlsProxy
from tests.shipit import PYTHON_DOCKERFILE, Shipit

TOKEN = "token-of-heroku"


@pytest.fixture
def proxy(tmp_path: Path, shipit: Shipit) -> Iterator[TlsProxy]:
    with HerokuStandIn(token=TOKEN) as heroku, EmbeddedRegistry() as hub:
        heroku.create_app("shop-prod")
        routes = {
            "api.heroku.com": heroku.host,
            "registry.heroku.com": heroku.registry.host,
            "registry-1.docker.io": hub.host,
        }
        server = TlsProxy(tmp_path / "pki", routes)
        shipit.env |= {"HEROKU_API_KEY": TOKEN, "HTTPS_PROXY": server.url}
        shipit.write(
            Dockerfile=PYTHON_DOCKERFILE,
            app__py=SERVER,
            deploy__yml="app: shop\nimage: user/shop\ntargets: {hub: , heroku: {app: shop-prod, settle: 0s}}\n",
        )
        yield server
        server.stop()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_everything_goes_through_the_proxy(shipit: Shipit, proxy: TlsProxy, variable: str) -> None:
    shipit.env[variable] = str(proxy.ca_file)
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(proxy.connected) == {"api.heroku.com", "registry.heroku.com", "registry-1.docker.io"}
    assert proxy.refused == []


def test_a_certificate_that_is_not_trusted(shipit: Shipit, proxy: TlsProxy) -> None:
    done = shipit.run("plan", "heroku")
    assert done.returncode == 1
    assert "the certificate of api.heroku.com can't be trusted" in done.stderr
    assert "hint: for a private certificate authority set SSL_CERT_FILE to its file" in done.stderr


def test_names_in_no_proxy_are_asked_directly(shipit: Shipit, proxy: TlsProxy) -> None:
    shipit.env |= {"SSL_CERT_FILE": str(proxy.ca_file), "NO_PROXY": "heroku.com"}
    done = shipit.run("plan", "heroku")
    assert done.returncode == 1
    assert proxy.connected == []
    assert "api.heroku.com" in done.stderr

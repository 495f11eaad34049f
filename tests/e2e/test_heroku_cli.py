"""The real Heroku CLI, with a real engine, drives the stand-in; then shipit does the same, and both are compared."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from tests.conftest import started
from tests.e2e.test_heroku import SERVER
from tests.servers.engine import DockerEngine, install_buildx
from tests.servers.install import heroku_cli
from tests.servers.proxy import TlsProxy
from tests.shipit import PYTHON_DOCKERFILE, Shipit

pytestmark = pytest.mark.engine

TOKEN = "HRKU-token-of-the-cli"


class Recording(HerokuStandIn):
    """Keeps what was asked: method, path, Accept and JSON body."""

    def __init__(self) -> None:
        super().__init__(token=TOKEN)
        self.asked: list[tuple[str, str, str, Any]] = []

    def answer(self, request: Request) -> Response:
        body = json.loads(request.body) if request.body else None
        self.asked.append((request.method, request.path, request.headers.get("accept", ""), body))
        return super().answer(request)

    def patches(self) -> list[tuple[str, str, Any]]:
        """Changes of a formation: path, Accept, and the updates without the image, which differs."""
        return [
            (path, accept, [{**row, "docker_image": row["docker_image"][:7]} for row in body["updates"]])
            for method, path, accept, body in self.asked
            if method == "PATCH" and path.endswith("/formation") and body and "docker_image" in str(body)
        ]


@pytest.fixture
def heroku(tmp_path: Path) -> Iterator[tuple[Recording, TlsProxy]]:
    with Recording() as stand_in:
        stand_in.create_app("shop-prod")
        routes = {"api.heroku.com": stand_in.host, "registry.heroku.com": stand_in.registry.host}
        proxy = TlsProxy(tmp_path / "pki", routes)
        yield stand_in, proxy
        proxy.stop()


@pytest.fixture
def engine_behind_proxy(tmp_path: Path, heroku: tuple[Recording, TlsProxy]) -> Iterator[DockerEngine]:
    """An engine that reaches Heroku's names through the proxy, and trusts its authority."""
    _, proxy = heroku
    variables = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(proxy.ca_file)}
    server = started(lambda: DockerEngine(tmp_path / "docker", beside=True, variables=variables))
    yield server
    server.stop()


def cli_environment(shipit: Shipit, proxy: TlsProxy, engine: DockerEngine) -> dict[str, str]:
    home = Path(shipit.env["HOME"])
    install_buildx(home / ".docker")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache-of-cli"),
        "XDG_DATA_HOME": str(home / "data-of-cli"),
        "XDG_CONFIG_HOME": str(home / "config-of-cli"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "DOCKER_HOST": engine.host,
        "HEROKU_API_KEY": TOKEN,
        "HTTPS_PROXY": proxy.url,
        "SSL_CERT_FILE": str(proxy.ca_file),
        "HEROKU_PARTICLEBOARD_URL": proxy.url,
        "DISABLE_TELEMETRY": "true",
        "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
        "IS_HEROKU_TEST_ENV": "true",
        "NO_COLOR": "1",
    }


def heroku_command(variables: Mapping[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [started(heroku_cli), *words]
    done = subprocess.run(
        command, cwd=folder, env=dict(variables), capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done


def pushed(stand_in: Recording) -> dict[str, Any]:
    """What the registry keeps of the web image: the manifest's and its layers' types, and the image's id."""
    media_type, data = stand_in.registry.manifests["shop-prod/web", stand_in.registry.tags["shop-prod/web", "latest"]]
    manifest = json.loads(data)
    return {
        "manifest": media_type,
        "config": manifest["config"]["mediaType"],
        "layers": {row["mediaType"] for row in manifest["layers"]},
        "released": stand_in.apps["shop-prod"].formation["web"]["image"] == manifest["config"]["digest"],
    }


def test_the_cli_and_shipit_do_the_same_to_heroku(
    shipit: Shipit, heroku: tuple[Recording, TlsProxy], engine_behind_proxy: DockerEngine
) -> None:
    stand_in, proxy = heroku
    shipit.write(
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVER,
        deploy__yml="app: shop\nimage: {build: .}\ntargets: {heroku: {app: shop-prod, settle: 0s}}\n",
    )
    variables = cli_environment(shipit, proxy, engine_behind_proxy)
    assert heroku_command(variables, shipit.folder, "auth:token").stdout.strip() == TOKEN
    heroku_command(variables, shipit.folder, "container:login")
    heroku_command(variables, shipit.folder, "container:push", "web", "-a", "shop-prod")
    heroku_command(variables, shipit.folder, "container:release", "web", "-a", "shop-prod")
    # `auth:token` looks whether the token is about to expire, and does without an answer.
    assert set(stand_in.unknown) <= {("GET", "/oauth/authorizations")}
    assert stand_in.registry.unknown == []
    by_cli, cli_patches = pushed(stand_in), stand_in.patches()
    assert by_cli["released"] and len(cli_patches) == 1
    releases = len(stand_in.apps["shop-prod"].releases)

    # The same app, changed, by shipit: through the same proxy, under the same names, with the login that the CLI made.
    stand_in.asked.clear()
    shipit.write(app__py=SERVER + "# changed\n")
    shipit.env |= {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(proxy.ca_file), "HEROKU_API_KEY": TOKEN}
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert pushed(stand_in) == by_cli
    assert stand_in.patches() == cli_patches
    assert len(stand_in.apps["shop-prod"].releases) == releases + 1

    # And the CLI understands what shipit left there.
    shown = heroku_command(variables, shipit.folder, "ps", "-a", "shop-prod")
    assert "web.1: up" in shown.stdout
    again = heroku_command(variables, shipit.folder, "container:release", "web", "-a", "shop-prod")
    assert "was not updated" in again.stdout + again.stderr
    checked = shipit.run("login", "heroku")
    assert checked.stdout == "heroku takes the token of rehearsal@localhost, from HEROKU_API_KEY\n", checked.stderr

"""What only Docker Hub has: descriptions and retention, under its real host names."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Response
from tests.servers.hub_api import HubApi
from tests.servers.proxy import TlsProxy
from tests.shipit import Shipit

OLD = {f"v{number}": f"2026-01-{number:02}T00:00:00Z" for number in range(1, 6)}


@pytest.fixture
def hub(tmp_path: Path, shipit: Shipit) -> Iterator[HubApi]:
    with EmbeddedRegistry() as registry, HubApi("user", "secret-of-the-hub") as api:
        proxy = TlsProxy(tmp_path / "pki", {"registry-1.docker.io": registry.host, "hub.docker.com": api.host})
        auth = base64.b64encode(b"user:secret-of-the-hub").decode()
        auths = {"https://index.docker.io/v1/": {"auth": auth}}
        shipit.env |= {
            "HTTPS_PROXY": proxy.url,
            "SSL_CERT_FILE": str(proxy.ca_file),
            "DOCKER_AUTH_CONFIG": json.dumps({"auths": auths}),
        }
        shipit.write(
            Dockerfile="FROM scratch\nCOPY README.md /\n",
            README__md="# shop\n",
            deploy__yml="app: shop\nimage: {repository: user/shop, tags: [v6, latest]}\n"
            "targets: {hub: {readme: README.md, keep_tags: 4}}\n",
        )
        api.repositories["user/shop"] = ""
        api.tags["user/shop"] = {
            **OLD,
            "latest": "2026-01-05T00:00:00Z",
            "buildcache": "2025-01-01T00:00:00Z",
            "odd": None,
        }
        yield api
        proxy.stop()


def test_description_and_retention(shipit: Shipit, hub: HubApi) -> None:
    plan = shipit.run("plan")
    assert plan.returncode == 0, plan.stderr
    assert "write the description of docker.io/user/shop" in plan.stdout
    assert "delete 4 old tags of docker.io/user/shop" in plan.stdout
    assert "older than the 4 newest: v4, v3, v2, v1" in plan.stdout
    assert hub.tags["user/shop"].keys() > OLD.keys(), "a plan deletes nothing"
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert hub.repositories["user/shop"] == "# shop\n"
    assert set(hub.tags["user/shop"]) == {"v5", "latest", "buildcache", "odd"}
    writes = [entry for entry in hub.log if entry[0] in ("PATCH", "DELETE")]
    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout + again.stderr
    assert [entry for entry in hub.log if entry[0] in ("PATCH", "DELETE")] == writes
    assert hub.unknown == []


def test_a_token_that_dies_is_fetched_anew(shipit: Shipit, hub: HubApi) -> None:
    hub.uses = 3
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert hub.tokens > 2 and hub.repositories["user/shop"] == "# shop\n"


def test_a_login_that_the_hub_does_not_take(shipit: Shipit, hub: HubApi) -> None:
    hub.password = "another"
    done = shipit.run("plan")
    assert done.returncode == 1
    assert (
        "POST hub.docker.com/v2/auth/token: answered 401 Unauthorized: incorrect authentication credentials"
        in done.stderr
    )
    assert "hint: docker login, with a personal access token that may read, write and delete" in done.stderr
    assert "secret-of-the-hub" not in done.stdout + done.stderr


@pytest.mark.parametrize("number", range(8))
def test_a_request_that_breaks_after_it_was_done_is_asked_for_again(shipit: Shipit, hub: HubApi, number: int) -> None:
    hub.broken = {number: Response(429, b"{}", {"Retry-After": "0"}), number + 1: Response(503, b"oops")}
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert hub.repositories["user/shop"] == "# shop\n"
    assert set(hub.tags["user/shop"]) == {"v5", "latest", "buildcache", "odd"}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_an_answer_that_is_no_json(shipit: Shipit, hub: HubApi, body: bytes) -> None:
    hub.broken = {1: Response(200, body)}
    done = shipit.run("plan")
    assert "internal error" not in done.stderr
    assert done.returncode == (0 if not body else 1), done.stderr
    if body:
        assert "GET hub.docker.com/v2/namespaces/user/repositories/shop: the answer should be JSON" in done.stderr

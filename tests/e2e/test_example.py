"""The tour in deploy.example.yml, planned as it stands: its registry, its Heroku app, its cluster."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.servers.cluster import Cluster
from tests.servers.proxy import TlsProxy
from tests.shipit import ROOT, Shipit

pytestmark = pytest.mark.cluster

TOKEN = "token-of-heroku"


@pytest.fixture
def world(shipit: Shipit, cluster: Cluster, tmp_path: Path) -> Iterator[HerokuStandIn]:
    """Docker Hub, Heroku and the contexts of the example, under their real names."""
    with EmbeddedRegistry() as hub, HerokuStandIn(token=TOKEN) as heroku:
        heroku.create_app("bonobos-prod")
        routes = {
            "registry-1.docker.io": hub.host,
            "api.heroku.com": heroku.host,
            "registry.heroku.com": heroku.registry.host,
        }
        proxy = TlsProxy(tmp_path / "pki", routes)
        home = Path(shipit.env["HOME"])
        (home / ".docker").mkdir()
        auth = base64.b64encode(b"marcwright:password").decode()
        (home / ".docker/config.json").write_text(
            json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": auth}}})
        )
        config = json.loads(cluster.kubeconfig.read_text())
        config["contexts"][0]["name"] = "prod-eu"
        (home / "kubeconfig").write_text(json.dumps({**config, "current-context": ""}))
        (home / "bin").mkdir()
        (home / "bin/op").write_text("#!/bin/sh\necho postgres://canary-4711\n")
        (home / "bin/op").chmod(0o755)
        shipit.env |= {
            "HEROKU_API_KEY": TOKEN,
            "HTTPS_PROXY": proxy.url,
            "SSL_CERT_FILE": str(proxy.ca_file),
            "KUBECONFIG": str(home / "kubeconfig"),
            "PATH": f"{home}/bin:{shipit.env['PATH']}",
            "SECRET_KEY": "canary-0815",
        }
        yield heroku
        proxy.stop()


def test_the_example_is_planned(shipit: Shipit, world: HerokuStandIn, cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "bonobos")
    shipit.write(
        deploy__yml="app: redis\nimage: {repository: docker.io/library/redis, tags: ['8']}\ntargets: {hub: }\n",
        Dockerfile='FROM scratch\nCOPY Dockerfile /\nCMD ["redis"]\n',
    )
    assert shipit.run("push").returncode == 0
    shipit.write(
        deploy__yml=(ROOT / "deploy.example.yml").read_text(),
        Dockerfile='FROM scratch\nARG NODE_ENV\nENV NODE_ENV=$NODE_ENV\nCOPY Dockerfile /\nCMD ["node", "web.js"]\n',
        Dockerfile__worker='FROM scratch\nCOPY Dockerfile.worker /\nCMD ["node", "worker.js"]\n',
    )
    (shipit.folder / ".secrets").mkdir()
    (shipit.folder / ".secrets/token").write_text("canary-2342\n")
    done = shipit.run("plan")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [re.sub("-env-[0-9a-f]{16}", "-env-HASH", line.strip()) for line in done.stdout.splitlines()]
    assert lines[0] == "bonobos -> production"
    assert f"k8s  context prod-eu, server {cluster.server}, namespace bonobos" in lines
    assert "heroku  app bonobos-prod at api.heroku.com" in lines
    for expected in (
        "~ set API_VERSION, DATABASE_URL, LOG_LEVEL, NODE_ENV, SECRET_KEY",
        "API_VERSION=1.10",
        "DATABASE_URL (secret)",
        "+ release release, web, worker",
        "~ scale web",
        "+ create Secret/bonobos-env-HASH",
        "~ write Secret/bonobos-pull",
        "~ run npm run migrate",
        "+ create Ingress/web",
        "+ create HorizontalPodAutoscaler/web",
        "+ create Deployment/cache",
    ):
        assert expected in lines, done.stdout
    assert "canary" not in done.stdout + done.stderr
    assert [row for row in world.log if row[0] not in ("GET", "HEAD")] == []

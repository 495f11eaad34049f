"""Promotion on real places: from Heroku's stand-in and from a namespace to another namespace, by the digest that kubectl shows."""

from __future__ import annotations

import shutil

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.registry, pytest.mark.cluster]

DOCKERFILE = 'FROM python:3.12-alpine\nCOPY app.py /\nCMD ["python", "/app.py"]\n'
SERVES = """\
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.HTTPServer(("", int(os.environ.get("PORT", "8000"))), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
TEXT = """\
app: shop
image: {{repository: {host}/promote-staging}}
env: {{MODE: staging}}
targets:
  k8s: {{namespace: promote-staging, settle: 0s, timeout: 170s, workloads: {{web: {{port: 8000, grace: 1s}}}}}}
environments:
  staging: {{inherit: true, targets: {{heroku: {{app: shop-staging, settle: 0s}}}}}}
  production:
    image: {{repository: {host}/promote-production}}
    env: {{MODE: production}}
    targets: {{k8s: {{namespace: promote-production, workloads: {{web: {{replicas: 2}}}}}}}}
"""


@pytest.fixture
def shop(shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str) -> Shipit:
    for namespace in ("promote-staging", "promote-production"):
        cluster.kubectl("create", "namespace", namespace)
    shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    shipit.write(deploy__yml=TEXT.format(host=registry_server.host), Dockerfile=DOCKERFILE, app__py=SERVES)
    return shipit


def test_what_staging_runs_is_released_in_production(shop: Shipit, cluster: Cluster) -> None:
    with HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app("shop-staging")
        shop.env |= heroku.variables()
        done = shop.run("deploy", "-e", "staging")
        assert done.returncode == 0, done.stdout + done.stderr
        shop.write(app__py="raise SystemExit('not promoted')\n")
        code, events = shop.events("promote", "k8s", "--from", "staging/heroku", "--to", "production")
        assert code == 0, events
        [ended] = [event for event in events if event["event"] == "target_finished"]
        assert ended["images"][0]["config_digest"] == heroku.apps["shop-staging"].formation["web"]["image"]
    assert _digest(cluster, "promote-production") == _digest(cluster, "promote-staging")
    assert "/promote-production@" in _images(cluster, "promote-production")
    for pod in cluster.kubectl("-n", "promote-production", "get", "pods", "-o", "jsonpath={..imageID}").split():
        assert pod.endswith(_digest(cluster, "promote-staging"))
    assert _mode(cluster, "promote-production") == "production 2"
    code, events = shop.events("promote", "k8s", "--from", "staging")
    assert code == 0, events
    assert [event["state"] for event in events if event["event"] == "target_finished"] == ["unchanged"]
    [begun] = [event for event in events if event["event"] == "run_started"]
    assert begun["promoted_from"].startswith("staging/k8s ")
    # The cluster tells it to a machine without a journal.
    shutil.rmtree(shop.folder / ".shipit")
    [past] = [run for event in shop.events("history", "k8s")[1] for run in event.get("runs", ())]
    assert (past["command"], past["promoted_from"][:15]) == ("promote", "staging/heroku ")
    cluster.kubectl("-n", "promote-staging", "set", "env", "deployment/web", "MODE=by-hand")
    done = shop.run("promote", "k8s", "--from", "staging")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "staging is not healthy" in done.stderr and "kubectl" in done.stderr


def _images(cluster: Cluster, namespace: str) -> str:
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    return cluster.kubectl("-n", namespace, "get", "deployment/web", "-o", path)


def _digest(cluster: Cluster, namespace: str) -> str:
    return _images(cluster, namespace).partition("@")[2]


def _mode(cluster: Cluster, namespace: str) -> str:
    mode = "{.spec.template.spec.containers[0].env[?(@.name=='MODE')].value} {.spec.replicas}"
    return cluster.kubectl("-n", namespace, "get", "deployment/web", "-o", f"jsonpath={mode}")

"""`shipit render`: all that a deploy sends to a target, in whole, and no value of a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.targets.kubernetes.go_yaml import read_documents
from tests.servers.kube_api import KubeApi
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit

GOLDEN = Path(__file__).parent / "rendered"
SECRET = "canary-secret-4711"
DEPLOY_YML = """\
app: shop
image: {repository: HOST/shop, tags: [v1, latest]}
env: {MODE: test, VERSION: "1.10", ANSWER: "no", EXPONENT: 1e3}
secrets: {TOKEN: {env: TOKEN}}
release: {command: python migrate.py}
targets:
  k8s: {settle: 0s, manifests: [own.yml], workloads: {web: {port: 3000, replicas: 2}}}
  heroku: {app: shop-prod, settle: 0s, processes: {web: {quantity: 2, size: basic}}}
  hub: {}
"""
OWN = """\
apiVersion: v1
kind: Secret
metadata: {name: own}
stringData: {password: canary-own-4711}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: own}
data: {text: "two\\nlines", date: "2026-01-31", octal: "0755"}
"""


@pytest.fixture
def shipit(in_process: Shipit) -> Shipit:
    """Called, not started: what is tested is what commands say."""
    return in_process


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi() as server:
        yield server


@pytest.fixture
def app(shipit: Shipit, api: KubeApi, heroku: HerokuStandIn) -> Iterator[Shipit]:
    with EmbeddedRegistry() as registry:
        shipit.env |= {"TOKEN": SECRET, "KUBECONFIG": api.kubeconfig(shipit.folder.parent / "kube")}
        shipit.write(
            deploy__yml=DEPLOY_YML.replace("HOST", registry.host),
            Dockerfile=PYTHON_DOCKERFILE,
            app__py=SERVING_APP,
            own__yml=OWN,
        )
        yield shipit


def masked(text: str) -> str:
    """A text without what differs from run to run: ports, and hashes of the secret's place."""
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
    text = re.sub(r"(shipit\.dev/(?:secrets|applied): )\"?[0-9a-f]+\"?", r"\1HASH", text)
    text = re.sub(r"shop-env-[0-9a-f]{16}", "shop-env-HASH", text)
    return re.sub(r"shop-release-[0-9a-f]+", "shop-release-HASH", re.sub(r"[0-9a-f]{64}", "DIGEST", text))


@pytest.mark.parametrize("target", ["k8s", "heroku", "hub"])
def test_what_is_sent_to_each_kind(app: Shipit, api: KubeApi, heroku: HerokuStandIn, target: str) -> None:
    before = [method for method, _ in (*api.log, *heroku.log) if method not in ("GET", "HEAD")]
    done = app.run("render", target)
    assert done.returncode == 0, done.stderr
    assert masked(done.stdout) == (GOLDEN / f"{target}.txt").read_text()
    assert SECRET not in done.stdout + done.stderr and "canary-own-4711" not in done.stdout + done.stderr
    after = [method for method, _ in (*api.log, *heroku.log) if method not in ("GET", "HEAD")]
    assert after == before, "nothing was written"


def test_the_manifests_are_those_that_a_deploy_applies(app: Shipit, api: KubeApi) -> None:
    rendered = app.run("render", "k8s").stdout
    documents = [document.value for document in read_documents(rendered)]
    deployed = app.run("deploy", "k8s")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    live = {(item["kind"], item["metadata"]["name"]): item for item in api.objects.values() if "kind" in item}
    assert {item["kind"] for item in documents} == {"ConfigMap", "Job", "Deployment", "Service"}
    for item in documents:
        now = live[item["kind"], item["metadata"]["name"]]
        assert item["metadata"]["annotations"].items() <= now["metadata"]["annotations"].items()
        assert {key: now.get(key) for key in ("data", "spec") if key in item} == {
            key: item[key] for key in ("data", "spec") if key in item
        }
    again = app.run("render", "k8s").stdout
    assert again == rendered, "what is there already is rendered, too"


def test_a_secret_is_a_comment_so_that_applying_it_can_not_empty_it(app: Shipit) -> None:
    lines = app.run("render", "k8s").stdout.splitlines()
    [at] = [at for at, line in enumerate(lines) if re.fullmatch(r"# Secret/shop-env-[0-9a-f]{16}: .*", line)]
    assert lines[at].endswith(": shipit deploy fills in the values")
    assert lines[at - 1] == "---" and lines[at + 1] == "# apiVersion: v1"
    assert '#   TOKEN: ""' in lines


def test_the_calls_are_data(app: Shipit) -> None:
    code, events = app.events("render", "heroku")
    assert code == 0
    [event] = [event for event in events if event["event"] == "release_rendered"]
    config, images, scale = event["rendered"]["parts"]
    assert config["name"] == "PATCH /apps/shop-prod/config-vars" and config["left_out"] == ["TOKEN"]
    assert config["body"]["TOKEN"] == "<secret TOKEN>" and config["body"]["VERSION"] == "1.10"
    assert {update["type"] for update in images["body"]["updates"]} == {"web", "release"}
    assert scale["body"] == {"updates": [{"type": "web", "quantity": 2, "dyno_size": {"name": "basic"}}]}


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["render"], "render shows one target", "name one: k8s, heroku, hub"),
        (["render", "nowhere"], "no target 'nowhere'", ""),
        (["template"], "unknown command 'template'", "use shipit render"),
    ],
)
def test_what_can_not_be_rendered_is_one_error(app: Shipit, words: list[str], error: str, hint: str) -> None:
    done = app.run(*words)
    assert done.returncode == 2 and error in done.stderr and hint in done.stderr, done.stderr

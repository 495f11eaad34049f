"""Releases of the real cluster: recorded, listed and returned to from another machine, with the secrets of then."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sampled import only_deep
from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import SOON_S, wait_until

pytestmark = [pytest.mark.registry, pytest.mark.cluster, pytest.mark.program]

DOCKERFILE = 'FROM python:3.12-alpine\nCOPY app.py /\nCMD ["python", "/app.py"]\n'
SERVES = "import http.server\nhttp.server.HTTPServer(('', 8000), http.server.BaseHTTPRequestHandler).serve_forever()\n"
# No such program: the container never starts, also where the node is slow.
BROKEN = ', command: [/nowhere, "NUMBER"]'
# What the tree of another machine has: the target, and nothing of a release.
BARE = """\
app: shop
image: {{repository: {host}/{name}, build: .}}
secrets: {{TOKEN: {{env: TOKEN}}}}
targets: {{k8s: {{namespace: {name}, settle: 0s, timeout: 170s, workloads: {{web: {{port: 8000, grace: 1s}}}}}}}}
"""
TEXT = """\
app: shop
image: {{repository: {host}/{name}, build: .}}
env: {{MODE: {mode}}}
secrets: {{TOKEN: {{env: TOKEN}}}}
targets:
  k8s:
    namespace: {name}
    settle: 0s
    timeout: 170s
    on_failure: {on_failure}
    manifests: [own.yml]
    workloads: {{web: {{port: 8000, grace: 1s, replicas: {replicas}, files: {{/etc/shop/greeting: {{text: "{mode}"}}}}{more}}}}}
"""
OWN = """\
apiVersion: v1
kind: Secret
metadata: {{name: own}}
stringData: {{password: canary-own-{mode}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: only-{mode}}}
data: {{a: "1"}}
"""


class Shop:
    """A project in a namespace of its own, and other machines that know the cluster only."""

    def __init__(self, folder: Path, cluster: Cluster, registry: RegistryServer, base: str, name: str) -> None:
        self.folder, self.cluster, self.name, self.host = folder, cluster, name, registry.host
        self.variables = {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={base}"}
        cluster.kubectl("create", "namespace", name)
        self.shipit = self.machine("first")
        self.shipit.write(Dockerfile=DOCKERFILE)

    def machine(self, name: str) -> Shipit:
        """A machine with an empty home and a deploy.yml that has only the place."""
        (self.folder / name).mkdir()
        made = Shipit(self.folder / name, self.folder / f"{name}-home")
        made.env |= self.variables
        made.write(deploy__yml=BARE.format(host=self.host, name=self.name))
        return made

    def deploy(self, mode: str, replicas: int = 1, more: str = "", on_failure: str = "stop") -> Any:
        """`more` are further keys of the workload."""
        text = TEXT.format(
            host=self.host, name=self.name, mode=mode, replicas=replicas, more=more, on_failure=on_failure
        )
        self.shipit.write(deploy__yml=text, own__yml=OWN.format(mode=mode), app__py=SERVES)
        self.shipit.env["TOKEN"] = f"canary-token-{mode}"
        return self.shipit.run("deploy", "--yes")

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments)

    def settings(self) -> tuple[str, str, str, str]:
        """What the container that runs has: MODE, TOKEN, its file; and the Secret of the manifests."""
        said = self.kubectl("exec", "deployment/web", "--", "sh", "-c", "echo $MODE $TOKEN $(cat /etc/shop/greeting)")
        mode, token, greeting = said.split()
        password = self.kubectl("get", "secret", "own", "-o", "jsonpath={.data.password}")
        return mode, token, greeting, base64.b64decode(password).decode()

    def origin(self) -> dict[str, str]:
        """The annotations of the Deployment that say where it comes from."""
        found = json.loads(self.kubectl("get", "deployment/web", "-o", "jsonpath={.metadata.annotations}"))
        return {name: found.get(name, "") for name in ("shipit.dev/run", "shipit.dev/commit", "shipit.dev/by")}

    def config_maps(self) -> set[str]:
        names = self.kubectl("get", "configmaps", "-o", "name").split()
        return {name.rpartition("/")[2] for name in names if "/only-" in name}

    def records(self) -> list[dict[str, Any]]:
        found = json.loads(self.kubectl("get", "secrets", "--field-selector=type=shipit.dev/release", "-o", "json"))
        return list(found["items"])


def of(mode: str) -> tuple[str, str, str, str]:
    return mode, f"canary-token-{mode}", mode, f"canary-own-{mode}"


@pytest.fixture
def make(tmp_path: Path, cluster: Cluster, registry_server: RegistryServer, python_base: str) -> Callable[[str], Shop]:
    return lambda name: Shop(tmp_path, cluster, registry_server, python_base, name)


def test_good_changed_bad_bad_returns_to_what_was_healthy_and_further_from_another_machine(
    make: Callable[[str], Shop],
) -> None:
    shop = make("history-return")
    assert shop.deploy("one").returncode == 0
    done = shop.deploy("two", replicas=2)
    assert done.returncode == 0, done.stdout + done.stderr
    for number in ("3", "4"):
        assert shop.deploy(f"bad{number}", more=BROKEN.replace("NUMBER", number)).returncode == 1
    other = shop.machine("second")
    code, events = other.events("history", "k8s")
    assert code == 0, events
    done = other.run("rollback", "k8s", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.settings() == of("two")
    assert shop.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}") == "2"
    # The run that wrote it last; the one of before is in the record.
    assert shop.origin()["shipit.dev/run"] not in ("", _run_of(shop, "two"))
    assert shop.config_maps() == {"only-two"}, "what the bad release brought is gone"
    assert shop.deploy("bad5", more=BROKEN.replace("NUMBER", "5")).returncode == 1
    done = shop.deploy("bad6", more=BROKEN.replace("NUMBER", "6"), on_failure="rollback")
    assert done.returncode == 1 and "rolled back to the last healthy release" in done.stdout, done.stdout + done.stderr
    assert shop.settings() == of("two"), "not to what ran before, which is bad5"
    assert shop.config_maps() == {"only-two"}
    done = other.run("rollback", "k8s", "--yes", "--to", _run_of(shop, "one"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.settings() == of("one")
    assert shop.config_maps() == {"only-one"}
    assert "canary" not in json.dumps([_unpacked(item) for item in shop.records()])
    written = len(shop.records())
    done = shop.machine("third").run("rollback", "k8s", "--yes", "--to", _run_of(shop, "one"))
    assert done.returncode == 0 and "nothing changed" in done.stdout + done.stderr, done.stdout + done.stderr
    assert len(shop.records()) == written
    done = shop.deploy("five")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.settings() == of("five")
    assert shop.shipit.run("destroy", "-e", "production", "--yes").returncode == 0
    assert shop.records() == []


def _unpacked(item: dict[str, Any]) -> Any:
    import gzip

    return json.loads(gzip.decompress(base64.b64decode(item["data"]["record"])))


def _run_of(shop: Shop, mode: str) -> str:
    """The first run that released a mode."""
    found = [_unpacked(item) for item in shop.records()]
    own = [row["past"] for row in found if f'"name": "only-{mode}"' in json.dumps(row["objects"])]
    return str(min(own, key=lambda past: past["released_at"])["run"])


def test_objects_say_run_commit_and_author_and_another_commit_alone_changes_nothing(
    make: Callable[[str], Shop],
) -> None:
    shop = make("history-origin")
    commits = []
    for number in range(2):
        shop.shipit.write(notes__txt=f"{number}", __dockerignore="notes.txt\n.git\n")
        _git(shop, "init", "-q")
        _git(shop, "add", "notes.txt")
        _git(shop, "commit", "-q", "-m", "a")
        commits.append(_git(shop, "rev-parse", "HEAD"))
        done = shop.deploy("one")
        assert done.returncode == 0, done.stdout + done.stderr
        if number == 0:
            first, pods = shop.origin(), shop.kubectl("get", "pods", "-o", "name")
    assert first["shipit.dev/commit"] == commits[0] and "@" in first["shipit.dev/by"]
    assert first["shipit.dev/run"] == _run_of(shop, "one")
    assert (shop.origin(), shop.kubectl("get", "pods", "-o", "name")) == (first, pods)


def _git(shop: Shop, *words: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    command = ["git", "-C", str(shop.shipit.folder), *author, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.sampled
@only_deep
def test_a_rollback_that_is_killed_midway_is_completed_by_the_next_one(make: Callable[[str], Shop]) -> None:
    shop = make("history-killed")
    assert shop.deploy("one").returncode == 0
    assert shop.deploy("two").returncode == 0
    hold = '{"metadata": {"finalizers": ["example.com/hold"]}}'
    shop.kubectl("patch", "configmap", "only-two", "--type=merge", "-p", hold)
    # It can't end while the ConfigMap, which the release did not have, is held.
    with shop.machine("second").start("rollback", "k8s", "--yes", "--output", "json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "step_done":
                break
        process.kill()
    shop.kubectl("patch", "configmap", "only-two", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    third = shop.machine("third")
    done = wait_until(
        "the lock of the run that was killed is free",
        lambda: third.run("rollback", "k8s", "--yes"),
        lambda done: "it is locked by rollback" not in done.stderr,
        SOON_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.settings() == of("one")
    assert shop.config_maps() == {"only-one"}


def test_without_the_right_to_write_secrets_a_deploy_is_done_with_a_warning(
    make: Callable[[str], Shop], tmp_path: Path
) -> None:
    shop = make("history-rights")
    kinds = "configmaps,services,deployments.apps"
    shop.kubectl("create", "serviceaccount", "deployer")
    shop.kubectl("create", "role", "deployer", "--verb=get,list,watch,create,patch,delete", f"--resource={kinds}")
    shop.kubectl(
        "create", "role", "looker", "--verb=get,list,watch", "--resource=pods,events,replicasets.apps,pods/log"
    )
    for role in ("deployer", "looker"):
        shop.kubectl("create", "rolebinding", role, f"--role={role}", f"--serviceaccount={shop.name}:deployer")
    token = shop.kubectl("create", "token", "deployer").strip()
    config = json.loads(shop.cluster.kubectl("config", "view", "--raw", "-o", "json"))
    config["users"] = [{"name": row["name"], "user": {"token": token}} for row in config["users"]]
    (tmp_path / "restricted").write_text(json.dumps(config))
    text = f"app: shop\nimage: {{repository: {shop.host}/{shop.name}, build: .}}\n"
    text += f"targets: {{k8s: {{namespace: {shop.name}, settle: 0s, timeout: 170s, port: 8000, grace: 1s}}}}\n"
    shop.shipit.write(deploy__yml=text, app__py=SERVES)
    shop.shipit.env["KUBECONFIG"] = str(tmp_path / "restricted")
    done = shop.shipit.run("deploy", "--yes")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert said.count("no record of this release is kept in namespace history-rights") == 1, said
    assert shop.records() == []
    assert shop.shipit.run("deploy", "--yes").returncode == 0, "an unchanged one needs no right to it"
    refused = shop.shipit.run("rollback", "k8s", "--yes")
    assert refused.returncode != 0 and "secrets" in refused.stdout + refused.stderr


def test_twelve_releases_leave_ten_records(make: Callable[[str], Shop]) -> None:
    shop = make("history-bound")
    shop.cluster.kubectl("get", "namespace", shop.name)
    config_map = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only}\ndata: {a: "NUMBER"}\n'
    text = f"app: shop\ntargets: {{k8s: {{namespace: {shop.name}, settle: 0s, timeout: 170s, manifests: [own.yml]}}}}\n"
    shop.shipit.write(deploy__yml=text)
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {password: canary-NUMBER}\n"
    for number in range(12):
        shop.shipit.write(own__yml=(config_map + secret).replace("NUMBER", str(number)))
        done = shop.shipit.run("deploy", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(shop.records()) == 10
    copies = shop.kubectl("get", "secrets", "-l", "shipit.dev/version-of=own", "-o", "name").split()
    assert 10 <= len(copies) <= 11, "those that only removed releases need go with the next one"
    started = time.monotonic()
    assert shop.machine("second").run("history", "k8s").returncode == 0
    assert time.monotonic() - started < 120

"""The lock of a deploy on the real cluster: a Lease that two processes take in turn, whatever happens to the first."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.events import Warned
from shipit.pipeline.flow import deploy
from shipit.rehearsal.heroku import HerokuStandIn
from tests.e2e.test_cluster_changes import Shop, config_map
from tests.e2e.test_cluster_removal import RULES, as_robot
from tests.sampled import only_deep
from tests.servers.cluster import Cluster
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit
from tests.waits import wait_until

pytestmark = pytest.mark.cluster
TEXT = """\
app: locked
targets:
  first: {kind: kubernetes, namespace: NAMESPACE-a, settle: SETTLE, manifests: [objects.json]}
  second: {kind: kubernetes, namespace: NAMESPACE-b, settle: 0s, needs: [first], manifests: [objects.json]}
"""
# A cluster on a port where nobody listens.
CLOSED = """\
apiVersion: v1
kind: Config
current-context: closed
contexts: [{name: closed, context: {cluster: closed, user: closed}}]
clusters: [{name: closed, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: closed, user: {token: token-of-nobody}}]
"""


class Two:
    """Two folders of one app, as two machines have them. A run of the first goes on for long."""

    def __init__(self, folder: Path, home: Path, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        for part in "ab":
            cluster.kubectl("create", "namespace", f"{namespace}-{part}")
        self.slow, self.quick = (self._machine(folder / name, home / name, name) for name in ("slow", "quick"))
        self.started: list[subprocess.Popen[str]] = []

    def _machine(self, folder: Path, home: Path, name: str) -> Shipit:
        folder.mkdir(parents=True)
        home.parent.mkdir(exist_ok=True)
        shipit = Shipit(folder, home)
        shipit.env["KUBECONFIG"] = str(self.cluster.kubeconfig)
        settle = "40s" if name == "slow" else "0s"
        shipit.write(
            deploy__yml=TEXT.replace("NAMESPACE", self.namespace).replace("SETTLE", settle),
            objects__json=json.dumps(config_map(name)),
        )
        return shipit

    def begin(self) -> subprocess.Popen[str]:
        """The slow deploy, when it has both locks and waits for its first target."""
        process = self.slow.start("deploy", "--output", "json")
        self.started.append(process)
        wait_until("both leases", lambda: self.lease("a") and self.lease("b"), within_s=120)
        wait_until("the first target to be changed", lambda: self.value("a") == "slow", within_s=120)
        return process

    def lease(self, part: str) -> Any:
        found = self.cluster.kubectl("-n", f"{self.namespace}-{part}", "get", "leases", "-o", "json")
        return next(iter(json.loads(found)["items"]), None)

    def value(self, part: str) -> str:
        found = self.cluster.kubectl("-n", f"{self.namespace}-{part}", "get", "configmaps", "-o", "json")
        return next((item["data"]["a"] for item in json.loads(found)["items"] if "a" in item.get("data", {})), "")

    def stop(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()


@pytest.fixture
def two(tmp_path: Path, cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Two]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[-50:].strip("-")
    made = Two(tmp_path, tmp_path / "homes", cluster, name)
    yield made
    made.stop()


def test_a_second_deploy_fails_at_once_and_waits_for_one_that_was_killed(two: Two) -> None:
    first = two.begin()
    lease = two.lease("a")
    assert lease["spec"]["leaseDurationSeconds"] == 15
    held = two.quick.run("deploy")
    assert held.returncode == 1, held.stdout + held.stderr
    assert f"first: it is locked by deploy {lease['spec']['holderIdentity']}, by " in held.stderr
    assert two.value("a") == "slow" and two.value("b") == ""
    first.send_signal(signal.SIGKILL)
    first.wait()
    killed_s = time.monotonic()
    done = two.quick.run("deploy", "--wait", "5m")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first: waiting: it is locked by deploy" in done.stderr or time.monotonic() - killed_s > 15
    assert two.value("a") == two.value("b") == "quick"
    assert time.monotonic() - killed_s < 120, "free 15 s after a kill, on a machine of any load"
    assert two.lease("a") is None and two.lease("b") is None, "nothing is left behind"
    assert two.quick.run("deploy").returncode == 0


def test_an_app_on_heroku_is_locked_by_the_lease_of_the_cluster(two: Two) -> None:
    text = TEXT.replace("NAMESPACE", two.namespace).replace("SETTLE", "0s")
    with HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app("shop-prod")
        for shipit, settle in ((two.slow, "10m"), (two.quick, "0s")):
            shipit.env |= heroku.variables()
            app = f"  heroku: {{app: shop-prod, settle: {settle}, timeout: 20m}}\n"
            shipit.write(deploy__yml=f"{text}{app}image: {{build: .}}\n", Dockerfile=PYTHON_DOCKERFILE)
            shipit.write(app__py=f"{SERVING_APP}# {settle}\n")
        process = two.slow.start("deploy", "heroku", "--output", "json")
        two.started.append(process)
        wait_until("the lease", lambda: two.lease("a"), within_s=120)
        run = two.lease("a")["spec"]["holderIdentity"]
        held = two.quick.run("deploy", "heroku")
        assert held.returncode == 1 and f"heroku: it is locked by deploy {run}, by " in held.stderr, held.stderr
        doctor = two.quick.run("doctor", "heroku").stdout
        assert (
            f"Lease shipit.locked.production.first-lock in namespace {two.namespace}-a, of the target first" in doctor
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
        assert two.lease("a") is None
        two.quick.env["KUBECONFIG"] = str(two.quick.folder / "none.yml")
        two.quick.write(none__yml=CLOSED)
        done = two.quick.run("deploy", "heroku")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "heroku: warning: its lock is that of first, which can't be reached: " in done.stderr
        assert "another machine may deploy at the same time" in done.stderr


def test_a_holder_that_slept_past_its_lease_changes_nothing_more(two: Two) -> None:
    first = two.begin()
    first.send_signal(signal.SIGSTOP)
    other = two.quick.run("deploy", "second", "--wait", "5m")
    assert other.returncode == 0, other.stdout + other.stderr
    assert two.value("b") == "quick"
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=300)
    assert first.returncode == 1, out + err
    ended = {row["target"]: row for row in map(json.loads, out.splitlines()) if row["event"] == "target_finished"}
    assert ended["first"]["state"] == "healthy"
    assert ended["second"]["verdict"]["reason"].startswith("the lock was lost: ")
    assert two.value("b") == "quick"


@pytest.mark.sampled
@only_deep
def test_a_lock_is_broken_by_hand_and_the_run_stops(two: Two) -> None:
    first = two.begin()
    run = two.lease("b")["spec"]["holderIdentity"]
    asked = two.quick.run("unlock", "second")
    assert asked.returncode == 2 and f"second is locked by deploy {run}" in asked.stderr
    broken = two.quick.run("unlock", "second", "--yes")
    assert broken.returncode == 0 and f"second is unlocked; it was locked by deploy {run}" in broken.stdout
    assert two.lease("b") is None and two.lease("a") is not None
    out, err = first.communicate(timeout=300)
    assert first.returncode == 1, out + err
    assert "somebody broke it" in out and two.value("b") == ""
    none = two.quick.run("unlock")
    assert none.returncode == 0 and none.stdout == "no target is locked\n"


def test_without_the_right_to_leases_a_deploy_warns_and_goes_on(
    tmp_path: Path, cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    shop = Shop(tmp_path, cluster, "without-leases")
    run, events = as_robot(shop, RULES, config_map("1"))
    assert deploy(run) == 0
    said = "\n".join(event.message for event in events if isinstance(event, Warned))
    assert "this user may not write Leases in the namespace without-leases: another machine may deploy at the same time; " in said  # fmt: skip

"""A canary on the real cluster: the new version beside the one that runs, watched, then rolled out or removed."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from shipit.delivery.publish_stage import publish_all
from shipit.errors import Interrupted
from shipit.events import Event, StepStarted, TargetFinished, Waiting
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.record import from_json, to_json
from shipit.release import Step
from shipit.targets.base import examines
from shipit.targets.kubernetes.steps import ApplyObject, EndCanary, RunCanary
from tests.e2e.web_place import TEXT, WebPlace
from tests.sampled import only_deep

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.cluster, pytest.mark.registry]
DEEP = (pytest.mark.sampled, only_deep)
CANARY = "replicas: 4, canary: {steps: [10, 50], pause: 4s, check: /}"
V1, V2, V3 = ('VERSION = "v1"', 'VERSION = "v2"', 'VERSION = "v3"')


def test_a_canary_goes_through_its_steps_and_then_all_pods_get_the_new_version(web: WebPlace) -> None:
    first = web.plan(V1, CANARY).plan.targets[0]
    assert not any(isinstance(step, RunCanary) for step in first.steps)
    assert "web: no canary, because no earlier version runs" in first.notes
    succeed(web.deploy(V1, CANARY))
    plan = web.plan(V2, CANARY).plan.targets[0]
    assert [(type(step), step.summary) for step in plan.steps] == [
        (RunCanary, "canary 10 %: 1 of 4 pods of web beside the earlier version, 20 % of all"),
        (RunCanary, "canary 50 %: 2 of 4 pods of web beside the earlier version, 33 % of all"),
        (ApplyObject, "change Deployment/web"),
        (EndCanary, "remove Deployment/web-canary"),
    ]
    counts: list[str] = []

    def look(event: Event) -> None:
        """The pods of both Deployments when a canary is watched."""
        if isinstance(event, Waiting) and "watched for" in event.reason:
            path = "jsonpath={.items[*].status.readyReplicas}"
            counts.append(web.kubectl("get", "deployments", "-o", path))

    code, finished, _ = web.deploy(V2, CANARY, meddle=look)
    assert code == 0, finished.reason
    assert counts == ["4 1", "4 2"]
    assert web.deployments() == ["web"]
    code, finished, _ = web.deploy(V2, CANARY)
    assert (code, finished.state) == (0, "unchanged")
    assert web.plan(V2, CANARY.replace("4,", "5,", 1)).plan.targets[0].steps[0].summary == "change Deployment/web", (
        "another count needs no canary"
    )


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ("ENDS_AFTER_S = 0", "exited with 3"),
        pytest.param("ENDS_AFTER_S = 3", "exited with 3", marks=DEEP),
        pytest.param('STATUS = {"/": 500}', "no progress for", marks=DEEP),
        ('STATUS = {"/check": 500}', r"web-canary-\S+: GET /check answered 500"),
    ],
    ids=["crashes at once", "crashes while it is watched", "never ready", "fails the check"],
)
def test_a_canary_that_fails_is_removed_and_the_earlier_version_stays(web: WebPlace, change: str, cause: str) -> None:
    more = f"replicas: 2, canary: {{steps: [50], pause: 60s, check: {'/' if 'ENDS' in change else '/check'}}}"
    succeed(web.deploy(V1, more))
    before = web.get("deployment/web")
    # Without a crash it is known after `pending`.
    text = web_text("settle: 0s\n    pending: 8s") if '"/": 500' in change else TEXT
    code, finished, _ = web.deploy(f'VERSION = "bad"\n{change}', more, text=text)
    assert code == 1
    assert finished.reason.startswith("the canary at 50 % failed: "), finished.reason
    assert re.search(cause, finished.reason), finished.reason
    assert finished.reason.endswith("it is removed; this run did not change Deployment/web")
    if "ENDS" in change:
        assert "out of coffee" in finished.detail
    assert web.deployments() == ["web"]
    assert web.get("deployment/web")["spec"] == before["spec"]
    code, finished, _ = web.deploy(V1, more)
    assert (code, finished.state) == (0, "unchanged")


def test_a_url_is_asked_all_the_time_and_one_bad_answer_ends_the_canary(web: WebPlace) -> None:
    with answering([200, 200, 503]) as url:
        more = f"replicas: 2, canary: {{steps: [50], pause: 60s, check: '{url}/well'}}"
        succeed(web.deploy(V1, more))
        code, finished, _ = web.deploy(V2, more)
    assert code == 1
    assert finished.reason == (
        f"the canary at 50 % failed: {url}/well answered 503; it is removed; this run did not change Deployment/web"
    )
    assert web.deployments() == ["web"]


@pytest.mark.sampled
@only_deep
def test_every_step_applies_from_its_json_in_a_fresh_process_and_again(web: WebPlace) -> None:
    more = "replicas: 2, canary: {steps: [50, 100], pause: 0s, check: /}"
    succeed(web.deploy(V1, more))
    run, _ = web.run(V2, more)
    preparation = prepare(run)
    publish_all(run.delivery, preparation.uses.values())
    steps, release = preparation.plan.targets[0].steps, preparation.releases["k8s"]
    assert [type(step) for step in steps] == [RunCanary, RunCanary, ApplyObject, EndCanary]
    for step in steps:
        assert from_json(Step, json.loads(json.dumps(to_json(step)))) == step
        for _ in range(2):
            assert web.apply_elsewhere(step, release).error == ""
    assert web.deployments() == ["web"]
    assert web.deploy(V2, more)[1].state == "unchanged"


@pytest.mark.sampled
@only_deep
def test_a_canary_that_a_killed_deploy_left_is_taken_on_or_removed(web: WebPlace) -> None:
    more = "replicas: 2, canary: {steps: [50], pause: 0s}"
    succeed(web.deploy(V1, more))

    def leave() -> None:
        """The state after a deploy of the second version that was killed in its canary."""
        run, _ = web.run(V2, more)
        preparation = prepare(run)
        publish_all(run.delivery, preparation.uses.values())
        step = preparation.plan.targets[0].steps[0]
        assert web.apply_elsewhere(step, preparation.releases["k8s"]).error == ""
        assert web.deployments() == ["web", "web-canary"]

    leave()
    [step] = web.plan(V1, more).plan.targets[0].steps
    assert step.summary == "remove Deployment/web-canary, which an earlier deploy left"
    succeed(web.deploy(V1, more))
    assert web.deployments() == ["web"]
    leave()
    code, finished, _ = web.deploy(V3, more)
    assert code == 0, finished.reason
    assert web.deployments() == ["web"]
    assert web.deploy(V3, more)[1].state == "unchanged"
    leave()
    # Also where deploy.yml has no canary any more, and removes nothing else.
    succeed(web.deploy(V3, "replicas: 2", text=web_text("settle: 0s\n    prune: false")))
    assert web.deployments() == ["web"]


def test_an_interrupted_canary_is_removed(web: WebPlace) -> None:
    more = "replicas: 2, canary: {steps: [50], pause: 2m}"
    succeed(web.deploy(V1, more))

    run, _ = web.run(V2, more, meddle=lambda event: stop(event))

    def stop(event: Event) -> None:
        if isinstance(event, Waiting) and "watched for" in event.reason:
            run.clock.cancel.set()

    with pytest.raises(Interrupted):
        deploy(run)
    web.kubectl("wait", "--for=delete", "deployment/web-canary", "--timeout=60s")
    assert web.deployments() == ["web"]


def test_a_deployment_of_that_name_that_shipit_did_not_make_stays(web: WebPlace) -> None:
    more = "replicas: 1, canary: {steps: [50], pause: 0s}"
    succeed(web.deploy(V1, more))
    web.kubectl("create", "deployment", "web-canary", "--image=registry.example.com/theirs", "--replicas=0")
    code, finished, _ = web.deploy(V2, more)
    assert code == 1
    assert finished.reason == "Deployment/web-canary exists, and is no canary that shipit made"
    assert web.deployments() == ["web", "web-canary"]


def test_a_stable_version_that_does_not_start_is_rolled_back_with_its_canary(web: WebPlace) -> None:
    more = "replicas: 1, canary: {steps: [50], pause: 0s}"
    text = web_text("settle: 0s\n    on_failure: rollback")
    succeed(web.deploy(V1, more, text=text))

    def break_it(event: Event) -> None:
        """Somebody scales the Deployment when it is rolled out: that is a failure of this deploy."""
        if isinstance(event, StepStarted) and event.summary == "change Deployment/web":
            web.kubectl("create", "quota", "none", "--hard=pods=2")

    code, finished, _ = web.deploy(V2, more, text=text, meddle=break_it)
    web.kubectl("delete", "quota", "none")
    assert code == 1, finished
    assert finished.is_rolled_back, finished.reason
    assert web.deployments() == ["web"]
    assert web.deploy(V1, more, text=text)[1].state == "unchanged"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("canary: {steps: [50], pause: 0s, check: /}", marks=DEEP),
        "blue_green: {keep: 0s, check: /}",
    ],
)
def test_the_role_of_the_docs_is_enough_for_a_new_version_with_a_check(web: WebPlace, more: str) -> None:
    role = yaml.safe_load((ROOT / "docs/kubernetes-role.yml").read_text())
    web.cluster.kubectl("-n", web.namespace, "apply", "-f", "-", data=json.dumps(role))
    web.kubectl("create", "serviceaccount", "robot")
    web.kubectl("create", "rolebinding", "robot", "--role=shipit", f"--serviceaccount={web.namespace}:robot")
    config = json.loads(web.cluster.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": web.kubectl("create", "token", "robot")}}]
    web.kubeconfig = web.folder.parent / "kubeconfig"
    web.kubeconfig.write_text(json.dumps(config))
    succeed(web.deploy(V1, more))
    succeed(web.deploy(V2, more))
    assert web.deployments() == (["web"] if "canary" in more else ["web-green"])
    run, _ = web.run(V2, more)
    [target] = run.targets
    assert examines(target)
    assert "every permission that a deploy needs" in " ".join(
        found.what for found in target.examine(run.session(target))
    )
    role["rules"] = [rule for rule in role["rules"] if rule["resources"] != ["pods/proxy"]]
    web.cluster.kubectl("-n", web.namespace, "apply", "-f", "-", data=json.dumps(role))
    run, _ = web.run(V2, more)
    [target] = run.targets
    assert examines(target)
    assert "may not get pods/proxy" in " ".join(found.what for found in target.examine(run.session(target)))
    code, finished, _ = web.deploy(V3, more)
    assert code == 1
    assert "this user may not get pods/proxy, which asks" in finished.reason, finished.reason


def succeed(found: tuple[int, TargetFinished, list[Event]]) -> None:
    code, finished, _ = found
    assert code == 0, "\n".join((finished.reason, *finished.detail))


def web_text(settle: str) -> str:
    return TEXT.replace("settle: 0s", settle)


@contextmanager
def answering(statuses: list[int]) -> Iterator[str]:
    """The URL of a server that answers with each status in turn, and with the last one from then on."""
    left = list(statuses)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

"""Blue and green on the real cluster: the Service changes to the new version when it is ready, and back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from shipit.delivery.publish_stage import publish_all
from shipit.events import Event, TargetFinished
from shipit.pipeline.prepare import prepare
from shipit.record import from_json, to_json
from shipit.release import Step
from shipit.targets.kubernetes.steps import ApplyObject, AwaitPods
from tests.e2e.web_place import TEXT, WebPlace
from tests.sampled import only_deep
from tests.waits import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.registry]
MORE = "replicas: 2, blue_green: {keep: 1h, check: /}"
V1, V2 = 'VERSION = "v1"', 'VERSION = "v2"'


def test_no_request_fails_at_the_switch_nor_on_the_way_back(web: WebPlace) -> None:
    succeed(web.deploy(V1, MORE))
    with asking(web) as answers:
        wait_until("the first version answers", lambda: list(answers), lambda found: (200, "v1") in found)
        succeed(web.deploy(V2, MORE))
        wait_until("the second version answers", lambda: answers[-1], lambda found: found == (200, "v2"))
        assert web.deployments() == ["web-blue", "web-green"]
        pods = web.get("pods")["items"]
        plan = web.plan(V1, MORE).plan.targets[0]
        assert [type(step) for step in plan.steps] == [AwaitPods, ApplyObject]
        succeed(web.deploy(V1, MORE))
        wait_until("the first version answers again", lambda: answers[-1], lambda found: found == (200, "v1"))
    assert {status for status, _ in answers} == {200}, [found for found in answers if found[0] != 200]
    names = {pod["metadata"]["name"] for pod in pods}
    assert names == {pod["metadata"]["name"] for pod in web.get("pods")["items"]}, "no pod is replaced on the way back"
    assert web.deploy(V1, MORE)[1].state == "unchanged"


def test_a_deployment_becomes_two_and_one_again_and_no_request_fails(web: WebPlace) -> None:
    plain = "replicas: 2"
    succeed(web.deploy(V1, plain))
    with asking(web) as answers:
        wait_until("the first version answers", lambda: list(answers), lambda found: (200, "v1") in found)
        succeed(web.deploy(V2, MORE))
        assert web.deployments() == ["web-blue"]
        succeed(web.deploy(V1, plain))
        assert web.deployments() == ["web"]
        wait_until("the first version answers again", lambda: answers[-1], lambda found: found == (200, "v1"))
    # Pods that are deleted end a request that is under way: these are the API server's own words for it.
    wrong = [found for found in answers if found[0] != 200 and "error trying to reach service" not in found[1]]
    assert wrong == []


@pytest.mark.parametrize(
    ("change", "cause"),
    [("ENDS_AFTER_S = 0", "exited with 3"), ('STATUS = {"/check": 500}', "GET /check answered 500")],
    ids=["crashes", "fails the check"],
)
def test_a_version_that_fails_is_removed_before_the_switch(web: WebPlace, change: str, cause: str) -> None:
    more = "replicas: 1, blue_green: {check: /check}"
    succeed(web.deploy(V1, more))
    code, finished, _ = web.deploy(f"{V2}\n{change}", more)
    assert code == 1
    assert finished.reason.startswith("Deployment/web-green failed before the switch: "), finished.reason
    assert cause in finished.reason
    assert finished.reason.endswith("; it is removed, and Service/web did not select it")
    assert web.deployments() == ["web-blue"]
    assert web.deploy(V1, more)[1].state == "unchanged"


@pytest.mark.sampled
@only_deep
def test_every_step_applies_from_its_json_in_a_fresh_process_and_again(web: WebPlace) -> None:
    more = MORE.replace("1h", "0s")
    succeed(web.deploy(V1, more))
    run, _ = web.run(V2, more)
    preparation = prepare(run)
    publish_all(run.delivery, preparation.uses.values())
    steps, release = preparation.plan.targets[0].steps, preparation.releases["k8s"]
    assert [step.id for step in steps] == [
        "apply Deployment/web-green",
        "await Deployment/web-green",
        "apply Service/web",
        "remove Deployment/web-blue",
    ]
    for step in steps:
        assert from_json(Step, json.loads(json.dumps(to_json(step)))) == step
        for _ in range(2):
            assert web.apply_elsewhere(step, release).error == ""
    wait_until("the earlier version is gone", web.deployments, lambda found: found == ["web-green"])
    assert web.deploy(V2, more)[1].state == "unchanged"


@pytest.mark.sampled
@only_deep
def test_a_deploy_that_was_killed_before_the_switch_goes_on(web: WebPlace) -> None:
    succeed(web.deploy(V1, MORE))
    run, _ = web.run(V2, MORE)
    preparation = prepare(run)
    publish_all(run.delivery, preparation.uses.values())
    first = preparation.plan.targets[0].steps[0]
    assert web.apply_elsewhere(first, preparation.releases["k8s"]).error == ""
    again = web.plan(V2, MORE).plan.targets[0]
    assert [step.id for step in again.steps] == ["await Deployment/web-green", "apply Service/web"]
    succeed(web.deploy(V2, MORE))
    assert web.get("service/web")["spec"]["selector"]["app.kubernetes.io/name"] == "web-green"


def test_a_rollback_is_the_selector_of_before(web: WebPlace) -> None:
    text = TEXT.replace("settle: 0s", "settle: 15s\n    on_failure: rollback")
    succeed(web.deploy(V1, MORE, text=TEXT))
    code, finished, _ = web.deploy(f"{V2}\nENDS_AFTER_S = 8", MORE, text=text)
    assert code == 1, finished
    assert finished.is_rolled_back or "failed before the switch" in finished.reason, finished.reason
    assert web.deployments() == ["web-blue"]
    assert web.deploy(V1, MORE, text=TEXT)[1].state == "unchanged"


def succeed(found: tuple[int, TargetFinished, list[Event]]) -> None:
    code, finished, _ = found
    assert code == 0, "\n".join((finished.reason, *finished.detail))


@contextmanager
def asking(web: WebPlace) -> Iterator[list[tuple[int, str]]]:
    """The status and text of requests to the Service, one after the other while the context lasts."""
    answers: list[tuple[int, str]] = []
    is_over = threading.Event()
    pki = web.cluster.pki
    url = f"{web.cluster.server}/api/v1/namespaces/{web.namespace}/services/web:8000/proxy/"

    def ask() -> None:
        with requests.Session() as session:
            session.cert, session.verify = (str(pki / "admin.crt"), str(pki / "admin.key")), str(pki / "ca.crt")
            session.trust_env = False
            while not is_over.wait(0.02):
                answer = session.get(url, timeout=60)
                answers.append((answer.status_code, answer.text))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        thread.join()

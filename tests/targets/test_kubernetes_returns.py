"""The return to a recorded release: its plan, what it leaves alone, and one that ends after any of its writes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shipit.events import PlanMade
from shipit.pipeline.return_to_release import rollback
from shipit.record import from_json, to_json
from shipit.release import Step
from tests.targets.kube_place import KubePlace, kube_place
from tests.targets.test_kubernetes_killed import Ending

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {password: canary-own-VALUE}\n"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only-VALUE}\ndata: {a: VALUE}\n"
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: "other:VALUE"}]}}}
"""


def own(value: str, *more: str) -> str:
    return "---\n".join((SECRET, MAP, *more)).replace("VALUE", value)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    with kube_place(tmp_path / "shop", own("one")) as found:
        yield found


def release(place: KubePlace, value: str, *more: str) -> None:
    place.own, place.token, place.mode = own(value, *more), f"canary-token-{value}", value
    code, finished, _ = place.deploy(meddle=lambda event: end_jobs(place))
    assert code == 0, finished.reason


def end_jobs(place: KubePlace) -> None:
    """As the controller of Jobs does."""
    with place.api.lock:
        for (kind, _), item in place.api.objects.items():
            if kind == "jobs":
                item["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}


def running(place: KubePlace) -> dict[str, Any]:
    """What runs: MODE and TOKEN of the pods, the Secret of the manifests, and the ConfigMaps."""
    [container] = place.api.objects["deployments", "web"]["spec"]["template"]["spec"]["containers"]
    mode = {row["name"]: row.get("value") for row in container["env"]}["MODE"]
    values = [place.data(place.env_secret)["TOKEN"], place.data("own")["password"]]
    maps = {name for kind, name in place.api.objects if kind == "configmaps" and name.startswith("only-")}
    return {"mode": mode, "values": [base64.b64decode(value).decode() for value in values], "maps": maps}


def of(value: str) -> dict[str, Any]:
    return {"mode": value, "values": [f"canary-token-{value}", f"canary-own-{value}"], "maps": {f"only-{value}"}}


def returned(place: KubePlace, wanted: str = "") -> tuple[int, tuple[Step, ...], tuple[str, ...]]:
    """A rollback from a tree that has nothing of a release: its exit code, its steps and its notes."""
    place.own, place.token, place.mode = "", "canary-token-of-nobody", "nothing"
    run, events = place.run()
    code = rollback(run, wanted, is_selected=True)
    [own] = [event.plan.targets[0] for event in events if isinstance(event, PlanMade)]
    return code, own.steps, own.notes


@pytest.mark.slow
def test_a_return_restores_settings_and_secrets_and_removes_what_the_release_did_not_have(place: KubePlace) -> None:
    release(place, "one")
    release(place, "two")
    assert running(place) == of("two")
    code, steps, _ = returned(place)
    assert code == 0
    assert running(place) == of("one")
    summaries = [step.summary for step in steps]
    assert any(line.startswith("remove ConfigMap/only-two, which ") for line in summaries), summaries
    text = json.dumps(to_json(steps))
    assert "canary" not in text and [from_json(Step, row) for row in json.loads(text)] == list(steps)
    writes = [row for row in place.api.log if row[0] in ("PATCH", "DELETE")]
    code, steps, _ = returned(place, wanted=_version(place))
    assert (code, steps) == (0, ())
    assert [row for row in place.api.log if row[0] in ("PATCH", "DELETE")] == writes, "nothing is written again"


def _version(place: KubePlace) -> str:
    from shipit.targets.kubernetes.history.packed import unpack

    found = [unpack(place.data(name)).past for name in place.records]
    return max(found, key=lambda past: past.released_at).version


@pytest.mark.slow
def test_no_job_is_run_again_and_the_plan_says_so(place: KubePlace) -> None:
    release(place, "one", JOB)
    release(place, "two", JOB)
    before = place.api.objects["jobs", "once"]["metadata"]["uid"]
    code, steps, notes = returned(place)
    assert code == 0
    assert "Job/once is not run again" in notes
    assert not any("Job/once" in step.summary for step in steps)
    assert place.api.objects["jobs", "once"]["metadata"]["uid"] == before


@pytest.mark.slow
def test_the_number_of_pods_is_that_of_the_record_unless_an_autoscaler_sets_it(place: KubePlace) -> None:
    release(place, "one")
    release(place, "two")
    place.api.update("deployments", "web", "kubectl-scale", {"spec": {"replicas": 3}})
    assert returned(place)[0] == 0
    assert place.api.objects["deployments", "web"]["spec"]["replicas"] == 1


@pytest.mark.slow
def test_a_return_that_ended_after_any_write_is_completed_by_the_next(tmp_path: Path) -> None:
    ended, number = True, 0
    while ended:
        with kube_place(tmp_path / str(number), own("one"), Ending) as place:
            api = place.api
            assert isinstance(api, Ending)
            release(place, "one")
            release(place, "two")
            api.left = number
            ended = returned(place)[0] != 0
            api.left = 10**6
            if ended:
                assert returned(place)[0] == 0, number
            assert running(place) == of("one"), number
        number += 1
    assert number > 4, "the Secret, the ConfigMap, the workload and what is removed are writes of their own"


@pytest.mark.slow
def test_a_fresh_target_plans_the_same(place: KubePlace) -> None:
    from shipit.targets.history import returns

    release(place, "one")
    release(place, "two")
    run, _ = place.run()
    [target] = run.targets
    assert returns(target)
    session = run.session(target, is_planning=False)
    past = target.past_releases(10, session)[1]
    recalled = target.recall(past, session)
    assert from_json(type(recalled), json.loads(json.dumps(to_json(recalled)))) == recalled
    plan = partial(target.plan_return, recalled, target.observe(run.session(target, recalled=recalled)))
    other = place.run()[0].targets[0]
    assert returns(other)
    assert plan() == plan() == other.plan_return(*plan.args)

"""Steps of a namespace that go to JSON and are applied in another process: deploys, rollbacks, Secrets killed half-way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.pipeline.prepare import observe_target
from shipit.record import from_json, to_json
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.base import reverts
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.steps import ApplySecret, DeleteObject, RestoreSecret
from tests.targets.kube_place import KubePlace, kube_place

# Each applies its steps in another process.
pytestmark = pytest.mark.program

OWN = """\
apiVersion: v1
kind: Secret
metadata: {name: own, annotations: {kubectl.kubernetes.io/last-applied-configuration: 'canary-copy'}}
data: {CERT: CERT_VALUE}
stringData: {password: PASSWORD}
"""
VALUES = (
    "canary-first-4711",
    "canary-second-4712",
    "canary-cert-1",
    "canary-cert-2",
    "canary-pass-1",
    "canary-pass-2",
    "canary-copy",
)


def own(number: int) -> str:
    cert = base64.b64encode(f"canary-cert-{number}".encode()).decode()
    return OWN.replace("CERT_VALUE", cert).replace("PASSWORD", f"canary-pass-{number}")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    with kube_place(tmp_path / "shop", own(1)) as made:
        code, finished, _ = made.deploy("one")
        assert code == 0, finished.reason
        yield made


def change(place: KubePlace) -> None:
    """What the second deploy wants."""
    place.own, place.token, place.mode = own(2), "canary-second-4712", "new"


def assert_no_value(text: str) -> None:
    for value in VALUES:
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text


def test_a_deploy_is_applied_in_a_fresh_process_and_nothing_is_left_to_do(place: KubePlace) -> None:
    change(place)
    _, release, steps = place.steps("two")
    assert {step.summary.split()[0] for step in steps} == {"change", "create"}
    assert [step.summary[:22] for step in steps if step.effect == "create"] == ["create Secret/shop-env"]
    text = json.dumps(to_json(steps))
    assert from_json(tuple[Step, ...], json.loads(text)) == steps
    assert_no_value(text)
    outcome = place.apply_elsewhere(steps, release)
    assert outcome.error == ""
    assert outcome.events.count("StepApplied") == len(steps)
    assert place.steps("two")[2] == ()
    assert base64.b64decode(place.data("own")["password"]) == b"canary-pass-2"
    assert base64.b64decode(place.data(place.env_secret)["TOKEN"]) == b"canary-second-4712"


def test_an_observation_holds_no_value_of_a_secret_and_comes_back_equal(place: KubePlace) -> None:
    run, _ = place.run("one")
    observed = observe_target(run, run.targets[0])
    text = json.dumps(to_json(observed))
    assert_no_value(text)
    assert from_json(KubernetesObserved, json.loads(text)) == observed
    assert "Secret/own" in observed.objects and set(observed.wanted_marks["Secret/own"]) == {"CERT", "password"}


def test_a_rollback_restores_every_secret_in_a_fresh_process(place: KubePlace) -> None:
    run, _ = place.run("one")
    before = from_json(KubernetesObserved, json.loads(json.dumps(to_json(observe_target(run, run.targets[0])))))
    env = place.env_secret
    secrets = {name: dict(place.data(name)) for name in ("own", env)}
    spec = json.dumps(place.api.objects["deployments", "web"]["spec"])
    change(place)
    place.own += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: new}\nstringData: {a: canary-pass-2}\n"
    run, release, _ = place.steps("two")
    assert place.deploy("two")[0] == 0
    assert place.data("own-previous") == secrets["own"] and place.env_secret != env
    target = run.targets[0]
    assert reverts(target)
    steps = target.plan_rollback(release, before, observe_target(run, target), {})
    assert {type(step) for step in steps} >= {RestoreSecret, DeleteObject}
    assert_no_value(json.dumps(to_json(steps)))
    for step in steps:
        assert place.apply_elsewhere([step], release).error == ""
    assert {name: place.data(name) for name in secrets} == secrets
    assert json.dumps(place.api.objects["deployments", "web"]["spec"]) == spec
    assert ("secrets", "new") not in place.api.objects
    assert place.apply_elsewhere(steps[:1], release).error == "", "a step is safe to repeat"


def test_what_a_rollback_leaves_of_a_deploy_is_a_failure(place: KubePlace) -> None:
    run, _ = place.run("one")
    before = observe_target(run, run.targets[0])
    place.own += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: new}\nstringData: {a: canary-pass-2}\n"
    run, release, _ = place.steps("two")
    assert place.deploy("two")[0] == 0
    target = run.targets[0]
    assert reverts(target)
    verdict = target.judge_rollback(release, before, observe_target(run, target), Seen(0, 0, 0, None, before))
    assert verdict == Verdict(State.FAILED, "what was not there before stays: Secret/new")


def test_a_secret_step_killed_between_its_two_writes_is_done_by_the_next_one(place: KubePlace) -> None:
    before = dict(place.data("own"))
    change(place)
    _, release, steps = place.steps("two")
    step = next(step for step in steps if isinstance(step, ApplySecret) and step.file)
    place.api.refuse_applies = 1
    place.api.refused_after = "own-previous"
    assert "the disk is full" in place.apply_elsewhere([step], release).error
    assert place.data("own-previous") == before == place.data("own")
    assert place.apply_elsewhere([step], release).error == ""
    assert place.data("own-previous") == before != place.data("own")
    assert place.apply_elsewhere([step], release).error == ""
    assert place.data("own-previous") == before, "a repeated step keeps the values of before"


def test_a_secret_of_a_manifest_that_changed_since_the_plan_is_not_written(place: KubePlace) -> None:
    change(place)
    _, release, steps = place.steps("two")
    step = next(step for step in steps if isinstance(step, ApplySecret) and step.file)
    assert step.file == "own.yml"
    (place.folder / "own.yml").write_text(own(3))
    assert place.apply_elsewhere([step], release).error.startswith(
        "k8s: Secret/own of own.yml is not the one of the plan"
    )
    assert base64.b64decode(place.data("own")["password"]) == b"canary-pass-1"


def test_a_secret_that_changed_since_the_plan_is_not_written(place: KubePlace) -> None:
    change(place)
    _, release, steps = place.steps("two")
    step = next(step for step in steps if isinstance(step, ApplySecret) and not step.file)
    before = {key for key in place.api.objects if key[0] == "secrets"}
    place.token = "canary-third-4713"
    error = place.apply_elsewhere([step], release).error
    assert error.startswith("k8s: TOKEN has another value than when the plan was made")
    assert {key for key in place.api.objects if key[0] == "secrets"} == before


def test_a_copy_never_overwrites_a_secret_of_somebody_else(place: KubePlace) -> None:
    place.api.update_or_create(
        "secrets",
        "own-previous",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own-previous"}, "data": {"x": "eA=="}},
    )
    change(place)
    code, finished, _ = place.deploy("two")
    assert code == 1
    assert finished.reason == "Secret/own-previous exists, and shipit needs this name for a copy of Secret/own"
    assert place.data("own-previous") == {"x": "eA=="}


def test_a_rollback_without_the_copy_says_so(place: KubePlace) -> None:
    run, _ = place.run("one")
    before = observe_target(run, run.targets[0])
    change(place)
    run, release, _ = place.steps("two")
    assert place.deploy("two")[0] == 0
    del place.api.objects["secrets", "own-previous"]
    target = run.targets[0]
    assert reverts(target)
    steps = target.plan_rollback(release, before, observe_target(run, target), {})
    step = next(step for step in steps if isinstance(step, RestoreSecret) and step.previous == "own-previous")
    error = place.apply_elsewhere([step], release).error
    assert error.startswith("k8s: Secret/own-previous does not have the values that Secret/own had")

"""Steps from a file that somebody changed: each is refused before any request is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import ConfigErrors, DeployFailed, RemoteError
from shipit.record import from_json
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Release, Step
from shipit.targets.kinds import load_steps
from shipit.targets.registry.observed import HubTag
from shipit.targets.registry.plan import plan_retention
from tests import runs
from tests.targets.heroku_place import heroku_place
from tests.targets.kube_place import KubePlace, kube_place

load_steps()
HEAD = {"id": "x", "summary": "y"}
OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: b}\n"
RELEASE = Release("shop", "production")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubePlace]:
    with kube_place(tmp_path_factory.mktemp("kube") / "shop", OWN) as made:
        yield made


def manifest(api: Any, kind: Any, name: Any, **more: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **more}}


APPLY: dict[str, Any] = {**HEAD, "type": "kubernetes.apply"}
SECRET: dict[str, Any] = {**HEAD, "type": "kubernetes.secret"}
DELETE: dict[str, Any] = {**HEAD, "type": "kubernetes.delete", "uid": "u"}
JOB: dict[str, Any] = {**HEAD, "type": "kubernetes.release_job"}
END_CANARY: dict[str, Any] = {**HEAD, "type": "kubernetes.end_canary"}
CANARY: dict[str, Any] = {
    **HEAD, "type": "kubernetes.canary", "stable": "Deployment/web", "percent": 10, "pause_s": 0.0, "check": "http://evil.example/"
}  # fmt: skip
AWAIT: dict[str, Any] = {**HEAD, "type": "kubernetes.await_pods", "service": "web", "check": "/admin"}
ELSEWHERE = "is for an object that deploy.yml does not have"
OWN_JOB = manifest("batch/v1", "Job", "shop-release-1")


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({**APPLY, "manifest": {}}, "has an object without metadata"),
        ({**APPLY, "manifest": {"metadata": ["own"]}}, "has an object without metadata"),
        ({**APPLY, "manifest": manifest("v1", "ConfigMap", "other")}, ELSEWHERE),
        ({**APPLY, "manifest": manifest("v1", "ConfigMap", "own", namespace="kube-system")}, ELSEWHERE),
        ({**APPLY, "manifest": manifest("v1", "ConfigMap", "own", namespace=["prod"])}, ELSEWHERE),
        ({**APPLY, "manifest": manifest("v1", "ConfigMap", "../own")}, ELSEWHERE),
        ({**APPLY, "manifest": manifest("v1", "ConfigMap", ["own"])}, ELSEWHERE),
        ({**APPLY, "manifest": manifest("../v1", "ConfigMap", "own")}, ELSEWHERE),
        ({**APPLY, "manifest": manifest("v1", "ConfigMap", "own"), "replicas": 2}, "has replicas and no spec"),
        ({**DELETE, "manifest": manifest("v1", "Namespace", "prod")}, ELSEWHERE),
        ({**DELETE, "manifest": manifest("v1", "ConfigMap", "..")}, ELSEWHERE),
        ({**DELETE, "manifest": manifest("v1", "ConfigMap", "own"), "uid": ""}, "has no uid of the object to delete"),
        ({**SECRET, "manifest": manifest("v1", "Secret", "shop-env"), "previous": "other"}, "Secret/shop-env-previous"),
        (
            {**SECRET, "manifest": {**manifest("v1", "Secret", "shop-env"), "data": ["TOKEN"]}, "previous": "shop-env-previous"},
            "has data that is no map of keys",
        ),
        ({**SECRET, "manifest": manifest("v1", "Secret", "shop-env", namespace="x"), "previous": "p"}, ELSEWHERE),
        ({**JOB, "manifest": manifest("batch/v1", "Job", "other")}, "should be for Jobs named shop-release-..."),
        ({**JOB, "manifest": OWN_JOB, "forget": ["backup"]}, "should be for Jobs named shop-release-..."),
        ({**JOB, "manifest": manifest("batch/v1", "Job", "shop-release-1", namespace="x")}, "in the namespace"),
        ({**JOB, "manifest": manifest("v1", "Pod", "shop-release-1")}, "should run a Job"),
        ({**END_CANARY, "manifest": manifest("apps/v1", "Deployment", "web")}, "is for a canary of no workload"),
        ({**END_CANARY, "manifest": manifest("apps/v1", "Deployment", "web-canary", namespace="x")}, "is for a canary of no"),
        ({**AWAIT, "manifest": manifest("apps/v1", "Deployment", "web")}, "should have the check that deploy.yml has"),
        ({**AWAIT, "check": "", "manifest": manifest("apps/v1", "Deployment", "other")}, ELSEWHERE),
        ({**CANARY, "manifest": manifest("apps/v1", "Deployment", "web-canary")}, "should have the check that deploy.yml has"),
        ({**HEAD, "type": "heroku.scale", "app": "a", "processes": {}}, "is of the type heroku.scale, which Kubernetes"),
    ],
    ids=str,
)  # fmt: skip
def test_kubernetes_refuses_a_step_for_another_object_and_sends_nothing(
    place: KubePlace, step: Mapping[str, Any], what: str
) -> None:
    run, _ = place.run()
    target = run.targets[0]
    asked = len(place.api.log)
    with run, pytest.raises(DeployFailed) as caught:
        run.read_secrets()
        list(target.apply(from_json(Step, json.loads(json.dumps(step))), run.session(target, RELEASE)))
    assert what in caught.value.what and caught.value.hint == "make a new plan"
    assert len(place.api.log) == asked


@pytest.mark.parametrize("name", ["..", "."])
def test_a_name_that_would_lead_to_another_path_is_refused(place: KubePlace, name: str) -> None:
    place_of_name = KubePlace(place.folder, place.api, place.registry, OWN.replace("own", f'"{name}"'))
    run, _ = place_of_name.run()
    target = run.targets[0]
    with run, pytest.raises(RemoteError, match="is no name of an object"):
        run.read_secrets()
        target.observe(run.session(target))


def test_an_empty_name_is_refused_in_the_file(place: KubePlace) -> None:
    place_of_name = KubePlace(place.folder, place.api, place.registry, OWN.replace("own", '""'))
    with pytest.raises(ConfigErrors, match="lacks metadata\\.name"):
        place_of_name.run()


HUB: dict[str, Any] = {**HEAD, "type": "registry.delete_tags"}


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({**HUB, "repository": "evil.example/me/shop", "tags": ["v1"]}, "a repository that deploy.yml does not have"),
        ({**HUB, "repository": "docker.io/me/other", "tags": ["v1"]}, "a repository that deploy.yml does not have"),
        ({**HUB, "repository": "OWN", "tags": ["v1", "../../other/tags/v1"]}, "has a name that is no tag"),
        ({**HUB, "repository": "OWN", "tags": ["v1?x"]}, "has a name that is no tag"),
        ({**HEAD, "type": "kubernetes.delete", "uid": "u", "manifest": {}}, "is of the type kubernetes.delete"),
    ],
    ids=str,
)
def test_a_registry_refuses_a_step_for_another_repository(tmp_path: Path, step: Mapping[str, Any], what: str) -> None:
    with EmbeddedRegistry() as registry:
        text = f"app: shop\nimage: {registry.host}/shop\ntargets: {{hub: {{settle: 0s}}}}\n"
        (tmp_path / "hello.txt").write_text("hello\n")
        process_environment = runs.environment(tmp_path)
        run = runs.run(runs.project(tmp_path, text, process_environment), process_environment, [])
        target = run.targets[0]
        own = target.images()[0].repository
        data = json.loads(json.dumps(step).replace("OWN", own))
        with run, pytest.raises(DeployFailed) as caught:
            list(target.apply(from_json(Step, data), run.session(target, RELEASE)))
    assert what in caught.value.what


def test_a_name_of_docker_hub_that_is_no_tag_is_not_deleted() -> None:
    tags = (HubTag("v2", "2026-01-02"), HubTag("../../x", "2026-01-01"), HubTag("v1", "2026-01-01"))
    step = plan_retention("docker.io/me/shop", 1, (), tags)
    assert step is not None and step.tags == ("v1",)


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({**HEAD, "type": "heroku.scale", "app": "another", "processes": {"web": {"quantity": 9}}}, "another app's"),
        ({**HEAD, "type": "kubernetes.delete", "uid": "u", "manifest": {}}, "is of the type kubernetes.delete"),
    ],
    ids=str,
)
def test_heroku_refuses_a_step_for_another_app(tmp_path: Path, step: Mapping[str, Any], what: str) -> None:
    with heroku_place(tmp_path / "project") as made:
        run, _ = made.run("one")
        target = run.targets[0]
        with run, pytest.raises((DeployFailed, RemoteError)) as caught:
            list(target.apply(from_json(Step, json.loads(json.dumps(step))), run.session(target, RELEASE)))
        assert what in caught.value.what
        assert made.writes == []


CONFIG: dict[str, Any] = {
    **HEAD, "type": "heroku.set_config", "app": "APP", "baseline": 99, "images": {}, "variables": {}, "secrets": {}, "removed": [], "owned": None,
}  # fmt: skip
RESTORE: dict[str, Any] = {
    **HEAD, "type": "heroku.restore_config", "app": "APP", "baseline": 99, "images": {}, "version": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({**CONFIG, "removed": ["DATABASE_URL"]}, "is for DATABASE_URL, which shipit has not set"),
        ({**CONFIG, "removed": ["SHIPIT_VARIABLES"]}, "is for SHIPIT_VARIABLES, which shipit has not set"),
        ({**CONFIG, "removed": ["MODE"]}, "removes MODE, which deploy.yml has"),
        ({**CONFIG, "owned": ["DATABASE_URL", "MODE"]}, "is for DATABASE_URL, which shipit has not set"),
        ({**CONFIG, "owned": ["MODE,DATABASE_URL"]}, "is for DATABASE_URL, which shipit has not set"),
        ({**CONFIG, "variables": {"DATABASE_URL": "x"}}, "DATABASE_URL has another value"),
        ({**RESTORE, "marks": {"DATABASE_URL": None}}, "is for DATABASE_URL, which shipit has not set"),
        ({**RESTORE, "marks": {"DATABASE_URL": "x"}}, "Heroku's value of DATABASE_URL at v1"),
    ],
    ids=str,
)  # fmt: skip
def test_heroku_refuses_a_step_for_a_config_var_that_is_not_shipits(
    tmp_path: Path, step: Mapping[str, Any], what: str
) -> None:
    with heroku_place(tmp_path / "project") as made:
        assert made.deploy("one", more="env: {MODE: old-mode}").code == 0
        made.app.config["DATABASE_URL"] = "postgres://shop"
        run, _ = made.run("one", more="env: {MODE: old-mode}")
        target, writes = run.targets[0], list(made.writes)
        data = json.loads(json.dumps(step).replace('"APP"', json.dumps(made.app.id)))
        with run, pytest.raises(DeployFailed) as caught:
            list(target.apply(from_json(Step, data), run.session(target, RELEASE)))
        assert what in caught.value.what
        assert made.writes == writes

"""Objects that change between the plan and the step: status, fields of others, fields of ours, the same deploy, another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.events import Event, PlanMade
from shipit.rehearsal.server import Request, Response
from tests.servers.kube_api import KubeApi
from tests.targets.kube_place import KubePlace, kube_place

OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: VALUE}\n"
AT = "at 2026-01-31T12:00:00Z"
Meddle = Callable[[KubePlace], None]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    with kube_place(tmp_path / "shop", OWN.replace("VALUE", "'1'")) as made:
        yield made


SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {a: VALUE}\n"


def between(place: KubePlace, meddle: Meddle) -> Callable[[Event], None]:
    """Calls `meddle` when the plan is made."""

    def tell(event: Event) -> None:
        if isinstance(event, PlanMade):
            meddle(place)

    return tell


def changed(place: KubePlace) -> None:
    """What the second deploy wants."""
    place.own, place.mode, place.token = OWN.replace("VALUE", "'2'"), "new", "canary-second-4712"


def edit(plural: str, name: str, change: dict[str, Any], manager: str = "kubectl-edit") -> Meddle:
    return lambda place: place.api.update(plural, name, manager, change)


def deployment(**container: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", **container}]}}}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "meddle",
    [
        edit("deployments", "web", {"status": {"observedGeneration": 7}}, "kube-controller-manager"),
        edit("deployments", "web", {"metadata": {"annotations": {"note": "theirs"}}}),
        edit("configmaps", "own", {"data": {"b": "theirs"}}),
        edit("services", "web", {"metadata": {"labels": {"team": "shop"}}}),
        lambda place: place.api.objects.pop(("configmaps", "own")),
    ],
    ids=["status", "annotation of others", "key of others", "label of others", "deleted"],
)
def test_a_change_of_what_is_not_ours_does_not_stop_a_deploy(place: KubePlace, meddle: Meddle) -> None:
    assert place.deploy("one")[0] == 0
    changed(place)
    code, finished, _ = place.deploy("two", meddle=between(place, meddle))
    assert code == 0, finished.reason
    assert place.api.objects["configmaps", "own"]["data"]["a"] == "2"
    assert place.steps("two")[2] == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("meddle", "said", "kept"),
    [
        (edit("deployments", "web", {"spec": {"replicas": 7}}), f"Deployment/web changed since the plan, by kubectl-edit {AT}: replicas is 7, not 1",
         lambda api: api.objects["deployments", "web"]["spec"]["replicas"] == 7),
        (edit("deployments", "web", deployment(env=[{"name": "MODE", "value": "debug"}]), "kubectl-set"),
         f"Deployment/web changed since the plan, by kubectl-set {AT}: containers[web].env[MODE].value is debug, not new",
         lambda api: "debug" in str(api.objects["deployments", "web"])),
        (edit("configmaps", "own", {"data": {"a": "3"}}), f"ConfigMap/own changed since the plan, by kubectl-edit {AT}: data.a is 3, not 2",
         lambda api: api.objects["configmaps", "own"]["data"] == {"a": "3"}),
        (edit("secrets", "own", {"data": {"a": "Y2FuYXJ5LXJpdmFs"}}), f"Secret/own changed since the plan, by kubectl-edit {AT}: data.a has another value",
         lambda api: api.objects["secrets", "own"]["data"] == {"a": "Y2FuYXJ5LXJpdmFs"}),
    ],
    ids=["replicas", "env", "config map", "secret"],
)  # fmt: skip
def test_a_field_of_ours_that_somebody_changed_since_the_plan_stops_the_deploy(
    place: KubePlace, meddle: Meddle, said: str, kept: Callable[[KubeApi], bool]
) -> None:
    place.own += SECRET.replace("VALUE", "canary-1")
    assert place.deploy("one")[0] == 0
    changed(place)
    place.own += SECRET.replace("VALUE", "canary-2")
    code, finished, events = place.deploy("two", meddle=between(place, meddle))
    assert code == 1
    assert (finished.reason, finished.hint) == (said, "deploy again")
    assert kept(place.api), "what somebody else set is not overwritten"
    assert "canary" not in repr(events) and "Y2FuYXJ5LXJpdmFs" not in repr(events)
    code, finished, _ = place.deploy("two")
    assert code == 0, finished.reason
    assert place.steps("two")[2] == ()


@pytest.mark.slow
def test_the_same_deploy_between_plan_and_step_leaves_nothing_to_write(place: KubePlace) -> None:
    assert place.deploy("one")[0] == 0
    changed(place)
    versions: list[dict[Any, str]] = []

    def other(place: KubePlace) -> None:
        assert place.deploy("two")[0] == 0
        versions.append(_versions(place))

    code, finished, _ = place.deploy("two", meddle=between(place, other))
    assert code == 0, finished.reason
    assert versions == [_versions(place)], "no object was written again"


@pytest.mark.slow
@pytest.mark.parametrize("is_first", [True, False])
def test_another_deploy_between_plan_and_step_stops_this_one(place: KubePlace, is_first: bool) -> None:
    if not is_first:
        assert place.deploy("one")[0] == 0
    place.own, place.mode = OWN.replace("VALUE", "'2'"), "new"

    def other(place: KubePlace) -> None:
        place.own, place.mode = OWN.replace("VALUE", "'3'"), "other"
        assert place.deploy("three")[0] == 0

    code, finished, _ = place.deploy("two", meddle=between(place, other))
    assert code == 1
    verb = "was created" if is_first else "changed"
    assert finished.reason == f"ConfigMap/own {verb} since the plan, by another deploy {AT}: data.a is 3, not 2"
    assert place.api.objects["configmaps", "own"]["data"] == {"a": "3"}


def test_an_object_that_somebody_creates_since_the_plan_is_not_overwritten(place: KubePlace) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"a": "theirs"}}
    meddle = between(place, lambda place: place.api.update_or_create("configmaps", "own", theirs))
    code, finished, _ = place.deploy("one", meddle=meddle)
    assert code == 1
    assert (
        finished.reason == f"ConfigMap/own was created since the plan, by kubectl-create {AT}: data.a is theirs, not 1"
    )
    assert place.api.objects["configmaps", "own"]["data"] == {"a": "theirs"}
    assert place.deploy("one")[0] == 0


def test_the_same_object_that_somebody_creates_since_the_plan_is_taken_over(place: KubePlace) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"a": "1"}}
    meddle = between(place, lambda place: place.api.update_or_create("configmaps", "own", theirs))
    code, finished, _ = place.deploy("one", meddle=meddle)
    assert code == 0, finished.reason
    assert place.steps("one")[2] == ()


class Restless(KubeApi):
    """The status of the Deployment changes before each write to it, `left` times."""

    left = 0

    def answer(self, request: Request) -> Response:
        if request.method == "PATCH" and request.path.endswith("/deployments/web") and self.left:
            self.left -= 1
            self.update("deployments", "web", "kube-controller-manager", {"status": {"note": self.left}})
        return super().answer(request)


@pytest.mark.parametrize(("times", "code"), [(5, 0), (1000, 1)])
def test_a_status_that_keeps_changing_is_retried_a_few_times(tmp_path: Path, times: int, code: int) -> None:
    with kube_place(tmp_path / "shop", OWN.replace("VALUE", "'1'"), Restless) as place:
        assert place.deploy("one")[0] == 0
        changed(place)
        assert isinstance(place.api, Restless)
        place.api.left = times
        found, finished, _ = place.deploy("two")
        assert found == code, finished.reason
        assert (finished.hint == "someone changed it at the same time: deploy again") == bool(code)


def _versions(place: KubePlace) -> dict[Any, str]:
    """Of each object, without the records of releases, which every deploy writes that has steps."""
    found = {key: item for key, item in place.api.objects.items() if key[1] not in place.records}
    return {key: item["metadata"]["resourceVersion"] for key, item in found.items()}


@pytest.mark.slow
def test_an_unchanged_namespace_is_read_with_one_request_for_each_kind(place: KubePlace) -> None:
    """Of Secrets the members of the set are listed: the values of others are not read. The env's Secret is read by name."""
    place.keeps_journal = True
    place.own = "---\n".join(OWN.replace("own", f"own-{number}").replace("VALUE", "'1'") for number in range(30))
    place.own += "".join(
        f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s-{number}}}\ndata: {{}}\n" for number in range(4)
    )
    assert place.deploy("one")[0] == 0
    place.api.log.clear()
    code, finished, _ = place.deploy("one")
    assert (code, finished.state) == (0, "unchanged")
    asked = [path.removeprefix("/api/v1/namespaces/prod") for _, path in place.api.log if "/namespaces/prod/" in path]
    parent = "/configmaps/shipit.shop.production.k8s"
    assert sorted(path for path in asked if "configmaps" in path) == ["/configmaps", parent]
    assert sorted(path for path in asked if "secrets" in path) == ["/secrets", f"/secrets/{place.env_secret}"]
    assert len(asked) == 11, asked
    others = [path for method, path in place.api.log if method == "GET" and "/namespaces/prod/" not in path]
    assert sorted(others) == ["/api/v1", "/api/v1/namespaces/prod", "/apis/apps/v1"], "no kind is looked up twice"


def test_without_permission_to_list_objects_are_read_by_name(tmp_path: Path) -> None:
    class Strict(KubeApi):
        def answer(self, request: Request) -> Response:
            if request.method == "GET" and request.path.endswith("/configmaps"):
                return Response(403, b'{"kind": "Status", "reason": "Forbidden"}')
            return super().answer(request)

    own = "---\n".join(OWN.replace("own", f"own-{number}").replace("VALUE", "'1'") for number in range(5))
    with kube_place(tmp_path / "shop", own, Strict) as place:
        assert place.deploy("one")[0] == 0
        assert place.steps("one")[2] == ()

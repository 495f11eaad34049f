"""A dry run against an API server in memory: what is asked, what fails the plan, and what a server may not answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import ConfigErrors, RemoteError, ShipitError
from shipit.parallel import Failures
from shipit.pipeline.flow import deploy, plan, push
from shipit.pipeline.prepare import prepare
from shipit.record import to_json
from shipit.rehearsal.server import Request, Response
from shipit.targets.kubernetes.live import LAST_APPLIED
from shipit.targets.kubernetes.observed import Preview
from shipit.targets.kubernetes.steps import ReplaceObject
from tests import runs
from tests.servers.kube_api import KubeApi, Object
from tests.targets.kube_place import KubePlace, kube_place

OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: VALUE}\n"
SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: pin}\nstringData: {pin: '12'}\n"


def status(code: int, message: str, reason: str = "", *causes: Object) -> Response:
    body = {"kind": "Status", "message": message, "reason": reason, "details": {"causes": causes}}
    return Response(code, json.dumps(body).encode(), {"Content-Type": "application/json"})


class Strict(KubeApi):
    """Answers dry runs by name of the object: `updates` those that apply, `creations` those that create."""

    def __init__(self) -> None:
        super().__init__()
        self.updates: dict[str, Response] = {}
        self.creations: dict[str, Response] = {}

    def refusal(self, request: Request, body: Object) -> Response | None:
        if request.method == "PATCH":
            return self.updates.get(body["metadata"]["name"])
        name = body["metadata"]["name"].removesuffix("-x")
        return self.creations.get("shop-release" if name.startswith("shop-release-") else name)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    with kube_place(tmp_path / "shop", OWN.replace("VALUE", "'1'"), Strict) as made:
        yield made


@pytest.fixture
def api(place: KubePlace) -> Strict:
    assert isinstance(place.api, Strict)
    return place.api


def failure(place: KubePlace, command: Callable[[Any], object] = prepare) -> ShipitError:
    with pytest.raises(ShipitError) as caught:
        command(place.run()[0])
    assert place.api.objects == {} and place.registry.tags == {}
    return caught.value


def test_refusals_of_all_objects_fail_the_deploy_before_the_first_write(place: KubePlace, api: Strict) -> None:
    cause = {"field": "data.a", "reason": "FieldValueInvalid", "message": "Invalid value: should be other"}
    api.updates = {
        "own": status(422, "is invalid", "Invalid", cause),
        "web": status(403, "exceeded quota: few", "Forbidden"),
    }
    api.creations = {"own": status(422, "is invalid", "Invalid", cause)}
    error = failure(place, deploy)
    assert isinstance(error, Failures)
    mistakes, *denied = error.errors
    assert isinstance(mistakes, ConfigErrors)
    assert mistakes.render() == (
        "own.yml:4:8: ConfigMap/own is refused by the API server: data.a: Invalid value: should be other\n"
        "  4 | data: {a: '1'}\n"
        "    |        ^\n"
        "hint: correct the manifest"
    )
    assert {(item.what, item.exit_code) for item in denied} == {
        ("Deployment/web is refused by the API server: exceeded quota: few", 1),
        ("Service/web is refused by the API server: exceeded quota: few", 1),
    }
    assert all(item.where == "deploy.yml:6:69" for item in denied), [item.where for item in denied]
    assert error.exit_code == 2


def test_plan_asks_and_push_does_not(place: KubePlace, api: Strict) -> None:
    api.updates = {"web": status(403, "the image is not in its registry", "Forbidden")}
    with pytest.raises(ShipitError) as caught:
        plan(place.run()[0])
    assert "if it looks images up in their registry, run shipit push first" in repr(
        [error.hint for error in getattr(caught.value, "errors", (caught.value,))]
    )
    api.dry_runs.clear()
    push(place.run()[0])
    assert api.dry_runs == [] and place.registry.tags != {}


def test_a_field_that_the_schema_does_not_have_is_asked_for_once(place: KubePlace, api: Strict) -> None:
    """Server-side apply answers 500; only the decoder of a new object names the field with a status of its own."""
    api.updates = {
        "own": status(
            500, "failed to create typed patch object (/own; v1, Kind=ConfigMap): .dat: field not declared in schema"
        )
    }
    api.creations = {"own": status(400, 'strict decoding error: unknown field "dat"', "BadRequest")}
    error = failure(place)
    assert [problem.what for problem in getattr(error, "problems", ())] == [
        "ConfigMap/own is refused by the API server: dat: unknown field"
    ]
    assert [name for method, name in api.dry_runs if name == "own"] == ["own"]


@pytest.mark.slow
def test_what_the_server_takes_only_as_a_new_object_is_immutable(place: KubePlace, api: Strict) -> None:
    assert place.deploy("one")[0] == 0
    cause = {
        "field": "data",
        "reason": "FieldValueForbidden",
        "message": "Forbidden: field is immutable when `immutable` is set",
    }
    api.updates = {"own": status(422, "is invalid", "Invalid", cause)}
    place.own = OWN.replace("VALUE", "'2'")
    with pytest.raises(ConfigErrors) as caught:
        prepare(place.run("one")[0])
    [problem] = caught.value.problems
    assert problem.where == "own.yml:4:1"
    assert problem.hint == (
        "this field can't be changed: give the object another name, "
        'or let shipit replace it: annotation shipit.dev/replace: "true"'
    )
    place.own = place.own.replace("{name: own}", "{name: own, annotations: {shipit.dev/replace: 'true'}}")
    [step] = prepare(place.run("one")[0]).plan.targets[0].steps
    assert isinstance(step, ReplaceObject)
    assert (step.summary, step.detail, step.destroys) == ("replace ConfigMap/own", ("data.a  1 -> 2",), True)
    before = place.api.objects["configmaps", "own"]["metadata"]["uid"]
    assert place.deploy("one")[0] == 0
    assert place.api.objects["configmaps", "own"]["metadata"]["uid"] != before
    assert place.api.objects["configmaps", "own"]["data"] == {"a": "2"}


def test_an_immutable_field_of_a_workload_can_be_deleted_by_hand(place: KubePlace, api: Strict) -> None:
    assert place.deploy("one")[0] == 0
    place.mode = "other"
    cause = {
        "field": "spec.selector",
        "reason": "FieldValueInvalid",
        "message": "Invalid value: {}: field is immutable",
    }
    api.updates = {"web": status(422, "is invalid", "Invalid", cause)}
    with pytest.raises(ConfigErrors) as caught:
        prepare(place.run("one")[0])
    [problem] = caught.value.problems
    assert problem.where.startswith("deploy.yml:6:")
    assert problem.what == "Deployment/web is refused by the API server: spec.selector: field is immutable"
    assert problem.hint.endswith("give the object another name, or delete it: kubectl -n prod delete deployment web")


@pytest.mark.parametrize("code", [400, 403, 422, 500])
def test_the_refusal_of_a_secret_shows_no_value(place: KubePlace, api: Strict, code: int) -> None:
    """Also a short one, which is not searched for in text."""
    place.own += SECRET
    cause = {"field": "data.pin", "reason": "FieldValueInvalid", "message": 'Invalid value: "12": is MTI= too short'}
    said = 'data.pin: "12" MTI= is wrong; unknown field "data.12"'
    api.updates = {"pin": status(code, said, "" if code == 500 else "Invalid", *([cause] if code == 422 else []))}
    api.creations = {} if code == 422 else {"pin": status(400, said, "BadRequest")}
    error = failure(place)
    text = error.render() + repr(error)
    assert "Secret/pin is refused by the API server" in text
    assert "own.yml:5:1" in text or "own.yml:6:1" in text
    assert "12" not in text and "MTI=" not in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "Secret"}, "should be ConfigMap/own, and is another object"),
        ({"metadata": {"name": "other"}}, "should be ConfigMap/own, and is another object"),
        ({"metadata": {"name": "own", "namespace": "other"}}, "should be ConfigMap/own, and is another object"),
        ({"metadata": "text"}, "metadata should be a map, not text"),
    ],
)
def test_an_answer_for_another_object_is_refused(place: KubePlace, api: Strict, change: Object, said: str) -> None:
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own", "namespace": "prod"}, **change}
    api.updates = {"own": Response(200, json.dumps(value).encode(), {"Content-Type": "application/json"})}
    error = failure(place)
    assert isinstance(error, RemoteError) and error.what.endswith(said), error.what


class Meddled(KubeApi):
    """Somebody edits the ConfigMap before the first dry run of it."""

    is_meddled = True

    def answer(self, request: Request) -> Response:
        if request.query.get("dryRun") and request.path.endswith("/own") and not self.is_meddled:
            self.is_meddled = True
            self.update("configmaps", "own", "kubectl-edit", {"data": {"a": "3"}})
        return super().answer(request)


@pytest.mark.slow
@pytest.mark.parametrize(
    "answered",
    [
        status(403, "nobody may create", "Forbidden"),
        status(500, "failed calling webhook", "InternalError"),
        Response(
            201,
            json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own-x"}, "data": 1}).encode(),
        ),
    ],
    ids=["forbidden", "no answer", "odd"],
)
def test_an_adoption_is_planned_where_the_server_tells_nothing_of_new_objects(
    place: KubePlace, api: Strict, answered: Response
) -> None:
    fields = {"f:data": {"f:a": {}, "f:b": {}}, "f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}}
    row = {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1", "fieldsV1": fields}
    metadata = {"name": "own", "namespace": "prod", "uid": "u", "resourceVersion": "7", "managedFields": [row]}
    head = {"apiVersion": "v1", "kind": "ConfigMap"}
    api.objects["configmaps", "own"] = {**head, "metadata": metadata, "data": {"a": "1", "b": "2"}}
    api.creations["own"] = answered
    [step] = [
        step
        for step in prepare(place.run()[0]).plan.targets[0].steps
        if "ConfigMap/own" in step.id and "apply" in step.id
    ]
    assert step.detail == ("- data.b",)


def test_an_object_that_changes_after_it_was_read_is_read_again(tmp_path: Path) -> None:
    with kube_place(tmp_path / "shop", OWN.replace("VALUE", "'1'"), Meddled) as place:
        assert place.deploy("one")[0] == 0
        assert isinstance(place.api, Meddled)
        place.api.is_meddled = False
        place.own = OWN.replace("VALUE", "'2'")
        _, _, [step] = place.steps("one")
        assert step.detail == ("data.a  3 -> 2, set by kubectl-edit at 2026-01-31T12:00:00Z",)
        assert place.deploy("one")[0] == 0


def test_a_release_job_that_the_server_refuses_fails_the_plan(place: KubePlace, api: Strict) -> None:
    run, _ = place.run()
    deploy_yml = place.folder / "deploy.yml"
    loaded = runs.project(
        place.folder, deploy_yml.read_text() + "release: migrate\n", runs.environment(place.folder, **place.variables())
    )
    api.creations = {"shop-release": status(403, "violates PodSecurity", "Forbidden")}
    run = runs.run(loaded, runs.environment(place.folder, **place.variables()), [])
    with pytest.raises(RemoteError) as caught:
        prepare(run)
    assert "/shop-release-" in caught.value.what and caught.value.what.endswith(
        "is refused by the API server: violates PodSecurity"
    )
    assert caught.value.where.startswith("deploy.yml:6:")


def test_a_missing_right_is_an_error_for_a_deploy_only(place: KubePlace, api: Strict) -> None:
    secret = next(step.id for step in place.steps()[2] if step.id.startswith("apply Secret/")).rpartition("/")[2]
    api.updates = dict.fromkeys(("own", "web", secret), status(403, "User me cannot patch", "Forbidden"))
    api.allows = False
    preparation = prepare(place.run()[0])
    details = {step.id: step.detail[-1] for step in preparation.plan.targets[0].steps}
    assert details["apply ConfigMap/own"] == (
        "not checked by the API server yet: this user may not create, patch configmaps in namespace prod"
    )
    unchecked = [key for key, line in details.items() if line.startswith("not checked by the API server yet")]
    assert len(unchecked) == 4
    error = failure(place, deploy)
    found = {item.what for item in getattr(error, "errors", ())}
    assert "this user may not create, patch deployments.apps in namespace prod" in found


def test_a_secret_is_sent_with_its_values_and_shown_without(place: KubePlace, api: Strict) -> None:
    assert place.deploy("one")[0] == 0
    place.token = "canary-second-4712"
    run, events = place.run("one")
    preparation = prepare(run)
    step = next(step for step in preparation.plan.targets[0].steps if step.id.startswith("apply Secret/shop-env-"))
    assert (step.effect, step.detail) == ("create", ("TOKEN (secret)",))
    observed = preparation.observed["k8s"]
    assert observed.previews[step.id.removeprefix("apply ")] == Preview(), "the server takes it"
    text = json.dumps(to_json(observed)) + json.dumps(to_json(preparation.plan)) + repr(events)
    assert "canary" not in text and "Y2FuYXJ5" not in text


DEFINED = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cars.example.com}
spec:
  group: example.com
  names: {kind: Car, plural: cars}
  versions: [{name: v1, served: false}, {name: v2, served: true}]
---
kind: Car
apiVersion: example.com/v1
metadata: {name: own}
"""


def test_an_object_of_a_version_that_its_definition_does_not_serve_fails_before_any_request(
    place: KubePlace, api: Strict
) -> None:
    place.own += DEFINED
    error = failure(place)
    assert isinstance(error, ConfigErrors)
    [problem] = error.problems
    assert (problem.where, problem.what, problem.hint) == (
        "own.yml:15:1",
        "Car.example.com/own: CustomResourceDefinition/cars.example.com does not serve v1",
        "write apiVersion with v2",
    )
    assert api.log == []

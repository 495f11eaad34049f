"""A deploy against an API server in memory: what is asked, who meddles, what is odd, slow, endless or broken."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.errors import ConfigErrors, ShipitError
from shipit.events import Event, Log, StepDone, StepId, StepStarted, TargetFinished, Warned
from shipit.pipeline.flow import deploy, render
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from shipit.targets.kubernetes.steps import RunReleaseJob
from tests import runs
from tests.runs import SkippingClock
from tests.sampled import sampled
from tests.servers.install import find
from tests.servers.kube_api import KubeApi
from tests.targets.kube_place import env_secret_of
from tests.waits import SOON_S, wait_until

TEXT = """\
app: shop
image: HOST/shop
env: {MODE: live}
secrets: {TOKEN: {env: TOKEN}}
RELEASE
targets:
  k8s: {settle: 0s, timeout: TIMEOUT, workloads: {web: {port: 3000, health: /up}}}
"""


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi() as server:
        yield server


Make = Callable[..., Run]


@pytest.fixture
def make(tmp_path: Path, registry: EmbeddedRegistry, api: KubeApi) -> Make:
    """A run of the shop against the API server; its events are in `run.events`."""

    def made(
        note: str = "",
        *,
        release: str = "",
        server: KubeApi = api,
        timeout: str = "120s",
        token: str = "canary-4711",
        text: str = TEXT,
        clock: Clock | None = None,
    ) -> Run:
        folder = tmp_path / "shop"
        process_environment = runs.environment(
            folder, KUBECONFIG=server.kubeconfig(tmp_path / server.host.rpartition(":")[2]), TOKEN=token
        )
        whole = text.replace("HOST", registry.host).replace("RELEASE", release).replace("TIMEOUT", timeout)
        loaded = runs.project(folder, whole, process_environment)
        (folder / "hello.txt").write_text(f"hello {note}\n")
        events: list[Event] = []
        run = runs.run(loaded, process_environment, events, clock=clock or Clock())
        run.events = events  # type: ignore[attr-defined]
        return run

    return made


def finished(run: Run) -> TargetFinished:
    [found] = [event for event in run.events if isinstance(event, TargetFinished)]  # type: ignore[attr-defined]
    return found


def test_a_deploy_and_the_next_one(make: Make, api: KubeApi) -> None:
    run = make()
    assert deploy(run) == 0
    assert finished(run).reason == "Deployment/web 1/1 ready, Service/web /up answers 200"
    assert _writes(api) == ["PATCH"] * 6, "the parent of the set, three objects, and the record of the release, twice"
    asked = sorted(api.dry_runs)
    assert asked == [("PATCH", env_secret_of(api)), ("PATCH", "web"), ("PATCH", "web")]
    assert deploy(make()) == 0
    assert sorted(api.dry_runs) == asked, "what is unchanged is not asked for"
    assert _writes(api) == ["PATCH"] * 6, "an unchanged deploy writes nothing"
    assert api.unknown == []


def test_the_release_jobs_are_listed_for_the_plan_only(make: Make, api: KubeApi) -> None:
    assert deploy(make(release="release: migrate")) == 0
    ends = ("/jobs", "/deployments/web", "/deployments")
    listed = [path for method, path in api.log if method == "GET" and path.endswith(ends)]
    # One list of the release Jobs, and one by the label of the set. The Deployment is read for the plan, and listed to be
    # watched for the verdict.
    names = [path.rpartition("/")[2] for path in listed]
    assert (names.count("jobs"), names.count("web")) == (2, 1) and "deployments" in names


def _writes(api: KubeApi) -> list[str]:
    return [method for method, path in api.log if method != "GET" and "authorization.k8s.io" not in path]


READER = [{"verbs": ["get", "list"], "apiGroups": ["", "apps", "batch"], "resources": ["*"]}]
WRITER = [{"verbs": ["*"], "apiGroups": ["", "apps"], "resources": ["services", "deployments", "configmaps"]}]


@pytest.mark.parametrize(
    ("rules", "allows", "refused"),
    [
        (READER, False, "the user of mem may not patch services in namespace prod; patch deployments.apps in namespace prod; patch configmaps in namespace prod; create jobs.batch in namespace prod; patch secrets in namespace prod"),
        (READER + WRITER, False, "the user of mem may not create jobs.batch in namespace prod; patch secrets in namespace prod"),
        (READER, True, ""),
        ([], True, ""),
    ],
)  # fmt: skip
def test_missing_permissions_are_an_error_before_the_first_write(
    make: Make, api: KubeApi, registry: EmbeddedRegistry, rules: list[Any], allows: bool, refused: str
) -> None:
    api.rules, api.allows = rules, allows
    run = make(release="release: migrate")
    if not refused:
        assert deploy(run) == 0
        return
    with pytest.raises(ShipitError) as caught:
        deploy(run)
    assert (caught.value.what, caught.value.hint) == (refused, "ask for a Role with these verbs")
    assert _writes(api) == [] and registry.tags == {}
    with pytest.raises(ShipitError) as caught:
        deploy(make(release="release: migrate", text=TEXT.replace("  k8s: {", "  k8s: {impersonate: jane, ")))
    assert caught.value.what == refused.replace("the user of mem", "jane, as whom the user of mem acts,")
    assert prepare(make(release="release: migrate")).plan.changes, "a plan needs no right to write"


def _meddling(run: Run, when: Callable[[Event], bool], meddle: Callable[[], None]) -> Run:
    """The same run, in which somebody meddles at the first event that is meant."""
    done: list[Event] = []

    def both(event: Event) -> None:
        if when(event) and not done:
            done.append(event)
            meddle()

    runs.react(run, both)
    return run


def _is_applied(event: Event) -> bool:
    return isinstance(event, StepDone) and event.step == StepId("apply", "apply Deployment/web", "k8s")


OTHER = "other.example/x@sha256:" + "e" * 64


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plural", "name", "change", "said"),
    [
        ("deployments", "web", {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": OTHER}]}}}},
         "Deployment/web: superseded by kubectl-set at 2026-01-31T12:00:00Z: containers[web].image is other.example/x@eeeeeeeeeeee, not "),
        ("deployments", "web", {"spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "MODE", "value": "debug"}]}]}}}},
         "Deployment/web: superseded by kubectl-set at 2026-01-31T12:00:00Z: containers[web].env[MODE].value is debug, not live"),
        ("deployments", "web", {"spec": {"replicas": 7}}, "Deployment/web: superseded by kubectl-set at 2026-01-31T12:00:00Z: replicas is 7, not 1"),
        ("services", "web", {"spec": {"selector": {"app.kubernetes.io/name": "other"}}},
         "Service/web: superseded by kubectl-set at 2026-01-31T12:00:00Z: selector.app.kubernetes.io/name is other, not web"),
    ],
)  # fmt: skip
def test_deploy_fails_with_author_time_and_field_when_an_object_changes_while_waiting(
    make: Make, api: KubeApi, registry: EmbeddedRegistry, plural: str, name: str, change: dict[str, Any], said: str
) -> None:
    assert deploy(make("one")) == 0
    tags = dict(registry.tags)
    run = _meddling(make("two"), _is_applied, lambda: api.update(plural, name, "kubectl-set", change))
    assert deploy(run) == 1
    assert finished(run).reason.startswith(said), finished(run).reason
    assert "canary" not in repr(run.events) and "cml2YWwtNDcxMQ==" not in repr(run.events)  # type: ignore[attr-defined]
    assert registry.tags == tags, "tags stay where they were"
    assert deploy(make("two")) == 0, "the next deploy sets it back"
    assert registry.tags != tags


@pytest.mark.slow
def test_deploy_fails_when_somebody_deletes_the_secret_of_the_env_while_waiting(make: Make, api: KubeApi) -> None:
    assert deploy(make("one")) == 0
    name = env_secret_of(api)
    run = _meddling(make("two"), _is_applied, lambda: api.objects.__delitem__(("secrets", name)))
    assert deploy(run) == 1
    assert finished(run).reason == f"Secret/{name} is gone"
    assert deploy(make("two")) == 0
    assert ("secrets", name) in api.objects


class Mirroring(KubeApi):
    """An API server with an admission webhook that writes another registry into the image of a Deployment."""

    def _put(self, plural: str, body: Any, operation: str) -> Any:
        if plural == "deployments":
            for container in body["spec"]["template"]["spec"]["containers"]:
                container["image"] = container["image"].replace("127.0.0.1", "localhost")
        return super()._put(plural, body, operation)


@pytest.mark.slow
def test_a_rollback_follows_a_deploy_whose_objects_an_admission_webhook_changed(make: Make) -> None:
    text = TEXT.replace("settle: 0s", "settle: 0s, on_failure: rollback")
    with Mirroring() as api:
        assert deploy(make("one", server=api, text=text)) == 0
        spec = str(api.objects["deployments", "web"]["spec"])
        run = make("two", server=api, text=text, timeout="60s", clock=SkippingClock())
        api.starts = False

        def meddle(event: Event) -> None:
            if isinstance(event, StepStarted) and event.summary == "put Deployment/web back":
                api.starts = True

        runs.react(run, meddle)
        assert deploy(run) == 1
        assert "; rolled back to what ran before (Deployment/web 1/1 ready" in finished(run).reason
        assert str(api.objects["deployments", "web"]["spec"]) == spec


def test_deploy_fails_when_an_object_is_deleted_while_waiting(make: Make, api: KubeApi) -> None:
    def delete() -> None:
        del api.objects["deployments", "web"]

    run = _meddling(make(), _is_applied, delete)
    assert deploy(run) == 1
    assert finished(run).reason == "Deployment/web is gone"


@pytest.mark.slow
def test_another_deploy_that_overlaps_supersedes_the_first(
    make: Make, api: KubeApi, registry: EmbeddedRegistry
) -> None:
    # As where the user may not write Leases: nothing but the steps themselves keeps the two apart.
    api.keeps_locks = False
    assert deploy(make("one")) == 0
    second: list[int] = []
    run = _meddling(make("two"), _is_applied, lambda: second.append(deploy(make("three"))))
    assert deploy(run) == 1 and second == [0]
    assert finished(run).reason.startswith(
        "Deployment/web: superseded by another deploy at 2026-01-31T12:00:00Z: containers[web].image is "
    )
    latest = {digest for (_, tag), digest in registry.tags.items() if tag == "latest"}
    assert deploy(make("three")) == 0
    assert {digest for (_, tag), digest in registry.tags.items() if tag == "latest"} == latest, "latest is what runs"


@pytest.mark.slow
def test_the_same_deploy_twice_at_once_runs_the_release_command_once(make: Make, api: KubeApi) -> None:
    """Also where the Secret is new to both: its mark, and with it the Job's name, is the same for the same values."""
    # As where the user may not write Leases: nothing but the steps themselves keeps the two apart.
    api.keeps_locks = False
    api.job_state = ""
    codes: list[int] = []
    deploys = [make("one", release="release: migrate") for _ in range(2)]
    threads = [threading.Thread(target=lambda run=run: codes.append(deploy(run))) for run in deploys]
    for thread in threads:
        thread.start()
    wait_until("both want the Job", lambda: _writes(api).count("POST"), lambda count: count == 2)
    [job] = [item for (kind, _), item in api.objects.items() if kind == "jobs"]
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    for thread in threads:
        thread.join(60)
    assert codes == [0, 0]
    assert len([1 for kind, _ in api.objects if kind == "jobs"]) == 1
    said = [event.line for run in deploys for event in run.events if isinstance(event, Log)]  # type: ignore[attr-defined]
    assert said.count("migrated") == 2, "both pass on what it writes"
    assert sum("exists already: waiting for it" in line for line in said) == 1
    assert prepare(make("one", release="release: migrate")).plan.changes == 0


@pytest.mark.slow
def test_a_release_command_that_failed_is_run_again_once_by_two_deploys(make: Make, api: KubeApi) -> None:
    # As where the user may not write Leases: nothing but the steps themselves keeps the two apart.
    api.keeps_locks = False
    api.job_state = "Failed"
    run = make("one", release="release: migrate")
    assert deploy(run) == 1
    assert finished(run).reason.endswith("the release command failed")
    assert finished(run).detail == ("migrating", "migrated")
    assert ("deployments", "web") not in api.objects
    first = _uid(api)
    api.job_state = ""
    codes: list[int] = []
    two = [make("one", release="release: migrate") for _ in range(2)]
    threads = [threading.Thread(target=lambda run=run: codes.append(deploy(run))) for run in two]
    for thread in threads:
        thread.start()
    wait_until("both want the Job", lambda: _writes(api).count("POST"), lambda count: count == 3)
    wait_until("it is there", lambda: [kind for kind, _ in list(api.objects)].count("jobs"), lambda count: count == 1)
    second = _uid(api)
    time.sleep(0.3)
    assert _uid(api) == second != first
    [job] = [item for (kind, _), item in api.objects.items() if kind == "jobs"]
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    for thread in threads:
        thread.join(60)
    assert codes == [0, 0]


def _uid(api: KubeApi) -> str:
    [job] = [item for (kind, _), item in api.objects.items() if kind == "jobs"]
    return str(job["metadata"]["uid"])


@pytest.mark.slow
def test_a_job_that_runs_for_another_deploy_is_not_forgotten(make: Make, api: KubeApi) -> None:
    assert deploy(make("one", release="release: first")) == 0
    [(kind, name)] = [key for key in api.objects if key[0] == "jobs"]
    api.objects[kind, name].pop("status")
    assert deploy(make("two", release="release: second")) == 0
    assert (kind, name) in api.objects, "it may be running"
    api.objects[kind, name]["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    assert deploy(make("three", release="release: third")) == 0
    assert (kind, name) not in api.objects


@pytest.mark.slow
def test_a_release_command_that_does_not_end_fails_at_its_own_time(make: Make, api: KubeApi) -> None:
    api.job_state = ""
    run = make("one", release="release: {command: migrate, timeout: 60s}", clock=SkippingClock())
    started = time.monotonic()
    assert deploy(run) == 1
    assert time.monotonic() - started < SOON_S
    assert finished(run).reason.endswith("the release command did not end in time")
    assert finished(run).detail == ("migrating", "migrated")


@pytest.mark.slow
def test_release_output_longer_than_one_read_is_forwarded_whole(make: Make, api: KubeApi) -> None:
    from shipit.targets.kubernetes.logs import LOG_BYTES

    whole = [f"line {number} {'x' * 90}" for number in range(12_000)]
    [job_name] = {
        step.manifest["metadata"]["name"]
        for step in _steps(make("one", release="release: m"))
        if isinstance(step, RunReleaseJob)
    }
    api.logs[f"{job_name}-x"] = whole
    run = make("one", release="release: m")
    assert deploy(run) == 0
    assert [event.line for event in run.events if isinstance(event, Log)] == whole  # type: ignore[attr-defined]
    assert len("\n".join(whole)) > 4 * LOG_BYTES


def _steps(run: Run) -> Any:
    return prepare(run).plan.targets[0].steps


TWO = TEXT.replace("workloads: {web:", "workloads: {lone: {kind: pod}, web:")


@pytest.mark.slow
def test_a_pod_with_a_finalizer_is_awaited_until_the_deadline(make: Make, api: KubeApi) -> None:
    assert deploy(make("one", text=TWO)) == 0
    api.objects["pods", "lone"]["metadata"]["finalizers"] = ["example.com/hold"]
    run = make("two", text=TWO, timeout="60s", clock=SkippingClock())
    started = time.monotonic()
    assert deploy(run) == 1
    assert time.monotonic() - started < SOON_S
    assert finished(run).reason == (
        "the deadline passed while waiting for Pod/lone to be deleted, which waits for example.com/hold"
    )
    assert "--timeout" in finished(run).hint
    del api.objects["pods", "lone"]
    assert deploy(make("two", text=TWO)) == 0


@pytest.mark.slow
def test_a_pod_that_another_deploy_has_replaced_is_not_replaced_again(make: Make, api: KubeApi) -> None:
    # As where the user may not write Leases: nothing but the steps themselves keeps the two apart.
    api.keeps_locks = False
    assert deploy(make("one", text=TWO)) == 0
    uids: list[str] = []

    def other() -> None:
        assert deploy(make("two", text=TWO)) == 0
        uids.append(api.objects["pods", "lone"]["metadata"]["uid"])

    run = _meddling(
        make("two", text=TWO),
        lambda event: isinstance(event, StepStarted) and event.step == StepId("apply", "apply Pod/lone", "k8s"),
        other,
    )
    assert deploy(run) == 0
    assert uids == [api.objects["pods", "lone"]["metadata"]["uid"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Response(500, b"oops"), "Service/web: GET /up answered 500"),
        (Response(503, b'{"message": "the app is away"}'), "Service/web: GET /up answered 503"),
        (Response(404), "Service/web: GET /up answered 404"),
        (Response(403, b'{"kind": "Other", "reason": "Forbidden"}'), "Service/web: GET /up answered 403"),
    ],
)
def test_deploy_fails_when_the_health_path_fails_through_the_service(
    make: Make, api: KubeApi, answer: Response, said: str
) -> None:
    api.health = answer
    run = make(timeout="60s", clock=SkippingClock())
    assert deploy(run) == 1
    assert finished(run).reason == f"{said} at the deadline"


@pytest.mark.parametrize(
    ("answer", "warned"),
    [
        (Response(403, b'{"kind": "Status", "reason": "Forbidden"}'), ()),
        (Response(503, b'{"kind": "Status", "reason": "ServiceUnavailable"}'),
         ("Service/web: health was judged by its endpoints alone: the API server's proxy can't reach it",)),
    ],
)  # fmt: skip
def test_without_permission_for_the_proxy_readiness_and_endpoints_are_judged(
    make: Make, api: KubeApi, answer: Response, warned: tuple[str, ...]
) -> None:
    api.health = answer
    run = make()
    assert deploy(run) == 0
    assert finished(run).reason == "Deployment/web 1/1 ready"
    assert tuple(event.message for event in run.events if isinstance(event, Warned)) == warned  # type: ignore[attr-defined]


def test_a_workload_scaled_to_zero_is_a_warning(make: Make) -> None:
    run = make(text=TEXT.replace("port: 3000", "port: 3000, replicas: 0"))
    assert deploy(run) == 0
    told = [event.message for event in run.events if isinstance(event, Warned)]  # type: ignore[attr-defined]
    assert told == ["Deployment/web has no pods: it is scaled to 0", "nothing serves: Service/web has no endpoints"]


def test_an_autoscaler_outside_deploy_yml_may_scale_while_waiting(make: Make, api: KubeApi) -> None:
    def scale() -> None:
        api.update("deployments", "web", "kube-controller-manager", {"spec": {"replicas": 4}})
        api.objects["deployments", "web"]["metadata"]["managedFields"][-1]["subresource"] = "scale"

    run = _meddling(make(), _is_applied, scale)
    assert deploy(run) == 0
    assert finished(run).reason.startswith("Deployment/web 4/4 ready")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("kind: ConfigMap\napiVersion: v1\nmetadata: {name: a, annotations: []}", "metadata.annotations should be a map of keys"),
        ("kind: ConfigMap\napiVersion: v1\nmetadata: {name: a, labels: x}", "metadata.labels should be a map of keys"),
        ("kind: ConfigMap\napiVersion: v1\nmetadata: {name: a, namespace: 5}", "metadata.namespace should be text"),
        ("kind: Deployment\napiVersion: apps/v1\nmetadata: {name: a}\nspec: []", "spec should be a map of keys"),
        ("kind: Service\napiVersion: v1\nmetadata: {name: web}", "Service/web is defined twice, first at own.yml:1:1"),
        ("kind: A\napiVersion: x/v1\nmetadata: {name: a}\n---\nkind: A\napiVersion: x/v1\nmetadata: {name: a, namespace: prod}", "A/a is defined twice, first at own.yml:1:1"),
    ],
)  # fmt: skip
def test_an_invalid_manifest_is_an_error_at_its_line(make: Make, tmp_path: Path, manifest: str, said: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/own.yml").write_text(manifest)
    with pytest.raises(ConfigErrors) as caught:
        make(text=TEXT.replace("workloads:", "manifests: [own.yml], workloads:"))
    assert caught.value.problems[0].what == said


KUSTOMIZED = {
    "prod/kustomization.yaml": "resources: [extra.yaml]\nnamePrefix: prod-\n",
    "prod/extra.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: extra}\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n"
    "    metadata: {labels: {a: b}}\n    spec: {containers: [{name: extra, image: 'HOST/shop:any'}]}\n"
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: run}\ndata: {image: 'HOST/shop'}\n",
}  # fmt: skip


@pytest.mark.tools
def test_a_kustomization_is_applied_with_its_images_pinned(
    make: Make, api: KubeApi, registry: EmbeddedRegistry, tmp_path: Path
) -> None:
    find("kubectl")
    for name, text in KUSTOMIZED.items():
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_text(text.replace("HOST", registry.host))
    keys = "kustomize: prod, images: [{kind: ConfigMap, path: data.image}], workloads:"
    text = TEXT.replace("workloads:", keys)
    parts: dict[str, Any] = {part.name: part.body for part in render(make(text=text)).parts}
    pinned = f"{registry.host}/shop@sha256:"
    assert parts["Deployment/prod-extra"]["spec"]["template"]["spec"]["containers"][0]["image"].startswith(pinned)
    assert parts["ConfigMap/prod-run"]["data"]["image"].startswith(pinned)
    (tmp_path / "shop/prod/extra.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n"
    )
    with pytest.raises(ConfigErrors) as caught:
        make(text=text)
    [problem] = caught.value.problems
    assert (
        problem.where == "kustomize prod:3:3" and problem.what == "data: the value of a should be text, and is a number"
    )
    (tmp_path / "shop/prod/kustomization.yaml").write_text("resources: [none.yaml]\n")
    with pytest.raises(ConfigErrors) as caught:
        make(text=text)
    said = str(caught.value)
    assert (
        "targets.k8s.kustomize: runs " in said
        and "kubectl, which ended with 1: " in said
        and "none.yaml: no such file" in said
    )


class Odd(KubeApi):
    """Answers the request of an index with something else; `body` may be endless, and slow."""

    def __init__(self) -> None:
        super().__init__()
        self.index, self.count = -1, 0
        self.odd: Callable[[Response], Response] = lambda answer: answer

    def answer(self, request: Request) -> Response:
        with self.lock:
            self.count += 1
            is_hit = self.count - 1 == self.index
        answer = super().answer(request)
        return self.odd(answer) if is_hit else answer


ODD_BODIES = [
    b"[]", b"1", b'"text"', b"true", b"1e999", b"NaN", b"{", b"", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"{}",
    b'{"items": {}}', b'{"items": [1]}', b'{"items": [null]}', b'{"items": [{}]}', b'{"items": "x"}', b'{"kind": 1, "metadata": []}',
    b'{"resources": {}}', b'{"resources": [{"name": 1}]}', b'{"resources": [{"name": "../x", "kind": "Deployment", "namespaced": true}]}',
    b'{"metadata": {"name": null}}', b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "other"}}',
    b'{"metadata": {"continue": 7}, "items": []}', b'{"kind": "\\ud800", "apiVersion": "\\ud800", "metadata": {"name": "\\ud800"}}',
]  # fmt: skip


ODD = [
    (200, b"null"),
    pytest.param(500, b"\xff", marks=pytest.mark.slow),
    *(pytest.param(200, body, marks=pytest.mark.slow) for body in ODD_BODIES),
    *(pytest.param(500, body, marks=pytest.mark.slow) for body in (b"[]", b'{"message": 7}')),
    *(pytest.param(418, body, marks=pytest.mark.slow) for body in (b"[]", b'{"message": 7}', b"\xff")),
]


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize(("status", "body"), sampled(ODD, 12, of="odd"), ids=lambda part: repr(part)[:50])
def test_every_odd_answer_is_overcome_or_an_error(make: Make, body: bytes, status: int) -> None:
    """Each odd answer to each kind of request: overcome, or an error that names the request."""
    with Odd() as clean:
        assert deploy(make("count", server=clean, release="release: migrate")) == 0
        shapes = [(method, re.sub(r"/(shop|web)[^/:]*", "/NAME", path)) for method, path in clean.log]
    indexes = [shapes.index(shape) for shape in dict.fromkeys(shapes)]
    for index in sampled(indexes, 6, of=f"{status} {body!r}"):
        with Odd() as odd:
            odd.index, odd.odd = index, lambda answer: Response(status, body)
            run = make("odd", server=odd, release="release: migrate", timeout="20s", clock=SkippingClock())
            try:
                code = deploy(run)
                told = [event.reason for event in run.events if isinstance(event, TargetFinished)]  # type: ignore[attr-defined]
                assert code == 0 or all(told), f"request {index}"
            except ShipitError as error:
                assert all(part.where for part in error.parts or (error,)), f"request {index}: {error.render()}"

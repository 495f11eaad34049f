"""What is read to explain a verdict: events where something is not ready, and the log of the run that crashed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError
from shipit.events import Event, Log, RunFinished, StepDone, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.rehearsal.server import Request, Response
from shipit.release import State, Verdict
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.diagnose import with_last_words
from shipit.targets.kubernetes.health.crashes import LAST_LINES
from shipit.targets.kubernetes.job import ReleaseJob
from shipit.targets.kubernetes.kubeconfig import read_context
from shipit.targets.kubernetes.server import ApiServer
from shipit.targets.kubernetes.steps import RunReleaseJob
from tests import runs
from tests.servers.kube_api import KubeApi
from tests.targets.kube_place import KubePlace, kube_place

OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n"
NOTE = b"unable to retrieve container logs for containerd://0123456789abcdef"
ENDED = {"terminated": {"exitCode": 3, "reason": "Error"}}
CRASHED = {"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ENDED}
FAILED = Verdict(State.FAILED, "web-1 exited with 3", subject="pod:prod/web-1/web")


class Kubelet(KubeApi):
    """Answers `notes` requests for a log with a note that it has none."""

    def __init__(self) -> None:
        super().__init__()
        self.notes, self.note = 0, NOTE
        self.asked: list[str] = []

    def _log(self, request: Request) -> Response:
        self.asked.append(request.query.get("previous", ""))
        if self.notes:
            self.notes -= 1
            return Response(200, self.note, {"Content-Type": "text/plain"})
        return super()._log(request)


class Blind(KubeApi):
    """A user without the right to read events."""

    def _list(self, request: Request) -> Response:
        if request.groups["plural"] == "events":
            body = b'{"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "may not list events"}'
            return Response(403, body, {"Content-Type": "application/json"})
        return super()._list(request)


@pytest.fixture
def kubelet() -> Iterator[Kubelet]:
    with Kubelet() as api:
        yield api


def _client(api: KubeApi, folder: Path) -> KubernetesClient:
    own = runs.environment(folder, KUBECONFIG=api.kubeconfig(folder))
    return KubernetesClient(
        ApiServer(read_context(own, None), own), Deadline(Clock()).within(30), lambda event: None, attempts=1
    )


def _pod(api: KubeApi, **status: Any) -> None:
    container = {"name": "web", "restartCount": 1, **status}
    api.objects["pods", "web-1"] = {
        "metadata": {"name": "web-1", "namespace": "prod", "uid": "new"},
        "spec": {"containers": [{"name": "web", "image": "a"}]},
        "status": {"containerStatuses": [container]},
    }


@pytest.mark.parametrize(
    ("state", "last", "previous"), [(ENDED, {}, "false"), (ENDED, ENDED, "false"), ({"running": {}}, ENDED, "true")]
)
def test_the_log_is_that_of_the_run_that_crashed(
    kubelet: Kubelet, tmp_path: Path, state: Any, last: Any, previous: str
) -> None:
    _pod(kubelet, state=state, lastState=last)
    kubelet.logs = {"web-1": ["of the current run"], "web-1 previous": ["of the run before"]}
    verdict = with_last_words(FAILED, _client(kubelet, tmp_path), "prod", "kubectl")
    assert verdict.detail == (("of the run before",) if previous == "true" else ("of the current run",))
    assert kubelet.asked == [previous]


def test_the_note_of_a_kubelet_is_not_taken_for_the_log(kubelet: Kubelet, tmp_path: Path) -> None:
    _pod(kubelet, state=ENDED)
    kubelet.notes, kubelet.logs = 2, {"web-1": ["2026 is no time", "boom"]}
    verdict = with_last_words(FAILED, _client(kubelet, tmp_path), "prod", "kubectl")
    assert (verdict.detail, len(kubelet.asked)) == (("2026 is no time", "boom"), 3)


def test_a_run_that_wrote_nothing_is_not_asked_for_again(kubelet: Kubelet, tmp_path: Path) -> None:
    _pod(kubelet, state=ENDED)
    assert with_last_words(FAILED, _client(kubelet, tmp_path), "prod", "kubectl").detail == ()
    assert len(kubelet.asked) == 1


@pytest.mark.parametrize(("written", "hint"), [(["boom"], LAST_LINES), ([], "kubectl -n prod describe pod web-1")])
def test_the_hint_names_the_last_lines_only_where_there_are_any(
    kubelet: Kubelet, tmp_path: Path, written: list[str], hint: str
) -> None:
    _pod(kubelet, state=ENDED)
    kubelet.logs["web-1"] = written
    verdict, client = FAILED._replace(hint=LAST_LINES), _client(kubelet, tmp_path)
    found = with_last_words(verdict, client, "prod", "kubectl")
    assert (list(found.detail), found.hint) == (written, hint)
    # The message of the container is its last line, too.
    told = with_last_words(verdict._replace(detail=("of its message",)), client, "prod", "kubectl")
    assert told.hint == LAST_LINES


def test_the_log_of_a_pod_that_is_gone_is_not_asked_for(kubelet: Kubelet, tmp_path: Path) -> None:
    assert with_last_words(FAILED, _client(kubelet, tmp_path), "prod", "kubectl").detail == ()
    assert kubelet.asked == []


def _warn(api: KubeApi, reason: str, uid: str, time: str) -> None:
    about = {"kind": "Pod", "name": "web-1", "namespace": "prod", "uid": uid}
    event = {"involvedObject": about, "type": "Warning", "reason": reason, "message": "m", "lastTimestamp": time}
    api.objects["events", reason] = {"metadata": {"name": reason, "namespace": "prod"}, **event}


def test_the_warnings_are_those_of_the_pod_and_not_of_one_before_it_with_its_name(
    kubelet: Kubelet, tmp_path: Path
) -> None:
    _pod(kubelet, state=ENDED)
    _warn(kubelet, "Repeats", "new", "2026-01-31T12:00:09Z")
    _warn(kubelet, "Once", "new", "2026-01-31T12:00:05Z")
    _warn(kubelet, "Before", "old", "2026-01-31T12:00:07Z")
    verdict = with_last_words(FAILED, _client(kubelet, tmp_path), "prod", "kubectl")
    assert verdict.detail == ("Once: m", "Repeats: m"), "the newest last"


@pytest.mark.parametrize(
    "note",
    [
        NOTE,
        b'failed to try resolving symlinks in path "/var/log/pods/prod_a_1/release/0.log": lstat /var/log/pods/prod_a_1: no such file or directory',
    ],
)
def test_the_whole_log_of_a_release_command_is_forwarded_when_the_kubelet_has_it_late(
    kubelet: Kubelet, tmp_path: Path, note: bytes
) -> None:
    kubelet.notes, kubelet.note = 2, note
    containers = [{"name": "release", "image": "a"}]
    spec = {"template": {"metadata": {"labels": {}}, "spec": {"containers": containers}}}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": spec}
    step = RunReleaseJob("run Job/migrate", "run migrate", manifest=manifest)
    events = list(ReleaseJob("k8s", "prod", "kubectl", _client(kubelet, tmp_path)).run(step))
    assert [event.line for event in events if isinstance(event, Log)] == ["migrating", "migrated"]


def _events(place: KubePlace) -> int:
    return sum(path.endswith("/events") for _, path in place.api.log)


@pytest.mark.slow
def test_events_are_read_only_while_something_is_not_ready(tmp_path: Path) -> None:
    with kube_place(tmp_path / "shop", OWN) as place:
        assert place.deploy("one")[0] == 0
        assert place.deploy("one")[0] == 0
        assert _events(place) == 0
        place.api.starts = False
        run, _ = place.run("two")
        run.timeout_s = 30
        run.clock = runs.SkippingClock()
        assert deploy(run) == 1
        assert _events(place) > 0


@pytest.mark.slow
def test_a_deploy_does_not_need_the_right_to_read_events(tmp_path: Path) -> None:
    with kube_place(tmp_path / "shop", OWN, Blind) as place:
        place.api.starts = False
        run, events = place.run("one")
        run.timeout_s = 30
        run.clock = runs.SkippingClock()
        assert deploy(run) == 1
        [finished] = [event for event in events if isinstance(event, TargetFinished)]
        assert "Deployment/web: 0 of 1 updated, 0 available" in finished.reason, finished.reason


class Hooked(KubeApi):
    """An API server with an admission webhook that nothing serves."""

    def refusal(self, request: Request, body: Any) -> Response:
        message = 'Internal error occurred: failed calling webhook "a.example.com": service "a" not found'
        status = {"kind": "Status", "status": "Failure", "reason": "InternalError", "message": message}
        return Response(500, json.dumps(status).encode(), {"Content-Type": "application/json"})


def test_a_webhook_that_gives_no_answer_has_a_hint(tmp_path: Path) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    with Hooked() as api, pytest.raises(RemoteError) as caught:
        _client(api, tmp_path).try_apply(manifest, "prod")
    assert 'failed calling webhook "a.example.com"' in caught.value.what
    assert caught.value.hint.startswith("an admission webhook gives no answer")


def test_a_deploy_that_leaves_no_ready_pod_says_down_and_how_to_return(tmp_path: Path) -> None:
    with kube_place(tmp_path, OWN) as place:

        def crash(event: Event) -> None:
            """The pods of the release exit as they start."""
            if isinstance(event, StepDone) and event.step.subject == "apply Deployment/web":
                with place.api.lock:
                    for key, item in place.api.objects.items():
                        if key[0] == "pods" and item["metadata"]["name"].startswith("web-"):
                            item["status"] |= {"conditions": [], "containerStatuses": [{"name": "web", **CRASHED}]}
                            place.api._changed(item)
                    deployment = place.api.objects["deployments", "web"]
                    deployment["status"] |= {"readyReplicas": 0, "availableReplicas": 0}
                    place.api._changed(deployment)

        code, finished, _ = place.deploy("one", meddle=crash)
        assert (code, finished.down) == (1, ""), "nothing ran before"
        assert place.deploy("two")[0] == 0
        code, finished, events = place.deploy("three", meddle=crash)
    assert code == 1
    assert finished.down == "Deployment/web is DOWN: no pod is ready"
    [end] = [event for event in events if isinstance(event, RunFinished)]
    assert (end.ends[0].state, end.next) == ("down", "shipit rollback k8s")

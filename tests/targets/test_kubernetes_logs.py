"""Logs of a workload from an API server in memory: who is asked for what, what breaks off, and what is hostile."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.errors import RemoteError, UsageError
from shipit.events import Event, LogLine, Retried, Warned
from shipit.rehearsal.server import Response
from shipit.targets.kubernetes import log_follow, workload_logs
from shipit.targets.log_lines import LONGEST_LINE
from shipit.targets.log_query import LogQuery
from shipit.targets.verbs import has_logs
from tests import runs
from tests.servers.kube_logs import ENDED, LogServer, at, owned, status, text

DEPLOY = "app: shop\nimage: registry.example/shop\ntargets: {k8s: {context: mem, workloads: {shop: {}}, manifests: [k8s.yml]}}\n"
CRON = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: cron}\n"


@pytest.fixture
def server() -> Iterator[LogServer]:
    with LogServer() as api:
        yield api


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods are looked at more often than users need."""
    monkeypatch.setattr(log_follow, "LOOK_S", 0.05)


def logs(
    server: LogServer, folder: Path, wanted: LogQuery, events: list[Event] | None = None, workload: str = "shop"
) -> Iterator[LogLine]:
    (folder / "k8s.yml").write_text(CRON)
    environment = runs.environment(folder, KUBECONFIG=server.kubeconfig(folder / "kube"))
    project = runs.project(folder, DEPLOY, environment)
    run = runs.run(project, environment, events if events is not None else [], clock=Clock())
    [target] = run.targets
    assert has_logs(target)
    return target.logs(workload, wanted, replace(run.session(target), deadline_s=float("inf")))


def test_containers_of_the_pods_that_the_deployment_owns_in_the_order_of_time(
    server: LogServer, tmp_path: Path
) -> None:
    server.add_pod("one", status("shop"), status("proxy"), init=[status("first", state=ENDED)])
    server.add_pod("two", status("shop"))
    server.add_pod("other", status("shop"), owner="")
    seconds = {"one/first": 1.5, "one/shop": 2, "one/proxy": 1, "two/shop": 3}
    server.answers = lambda pod, query: text(
        at(seconds[f"{pod}/{query['container']}"], "a"), at(seconds[f"{pod}/{query['container']}"] + 10, "b")
    )
    lines = list(logs(server, tmp_path, LogQuery(tail=7, since_s=0.5)))
    order = ["one/proxy", "one/first", "one/shop", "two/shop"]
    assert [(line.instance, line.line) for line in lines] == [(name, line) for line in "ab" for name in order]
    assert lines[0] == LogLine("k8s", "shop", "one/proxy", "2026-01-31T12:00:01.000000000Z", "a")
    assert {tuple(sorted(query)) for _, query in server.asked} == {("container", "sinceSeconds", "tailLines")}
    assert {query["sinceSeconds"] for _, query in server.asked} == {"1"}


def test_what_has_not_started_is_warned_of(server: LogServer, tmp_path: Path) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff"}}
    server.add_pod("one", status("shop", state=waiting))
    server.add_pod("two", status("shop", state={"waiting": {"reason": "CrashLoopBackOff"}}, last=ENDED, restarts=3))
    server.answers = lambda pod, query: text(at(1, pod))
    events: list[Event] = []
    assert [line.line for line in logs(server, tmp_path, LogQuery(), events)] == ["two"]
    assert events == [Warned("k8s", "one/shop has not started: ImagePullBackOff")]


def test_without_pods_there_is_a_warning(server: LogServer, tmp_path: Path) -> None:
    events: list[Event] = []
    assert list(logs(server, tmp_path, LogQuery(), events)) == []
    assert events == [Warned("k8s", "shop has no pods")]


def test_previous_is_of_the_containers_that_were_restarted(server: LogServer, tmp_path: Path) -> None:
    server.add_pod("one", status("shop"), status("proxy", 1, last=ENDED))
    server.answers = lambda pod, query: text(at(1, f"{query['container']} {query['previous']}"))
    assert [line.line for line in logs(server, tmp_path, LogQuery(previous=True))] == ["proxy true"]
    server.change("one", status("shop"))
    with pytest.raises(UsageError, match="no container of k8s/shop was restarted: there is no previous run"):
        list(logs(server, tmp_path, LogQuery(previous=True)))


NOTE = b"unable to retrieve container logs for containerd://7c2e08f8"


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_note_of_a_kubelet_without_a_log_is_no_line(server: LogServer, tmp_path: Path, end: bytes) -> None:
    server.add_pod("one", status("shop", 1, last=ENDED))
    server.answers = lambda pod, query: text(NOTE + end)
    events: list[Event] = []
    assert list(logs(server, tmp_path, LogQuery(previous=True), events)) == []
    assert events == [Warned("k8s", "one/shop: the node has no log of this run")]


def test_what_an_app_writes_is_never_taken_for_a_note_of_the_kubelet(server: LogServer, tmp_path: Path) -> None:
    server.add_pod("one", status())
    server.answers = lambda pod, query: text(at(1, NOTE.decode()), NOTE + b"\n")
    assert [line.line for line in logs(server, tmp_path, LogQuery())] == [NOTE.decode()] * 2


def test_following_tells_when_the_log_of_an_earlier_run_is_gone(server: LogServer, tmp_path: Path, quick: None) -> None:
    server.add_pod("one", status())
    is_restarted = threading.Event()

    def answer(pod: str, query: dict[str, str]) -> Response:
        if query.get("previous") == "true":
            return text(NOTE)
        if is_restarted.is_set():
            return text(at(9, "run 1"))
        server.change("one", status(restarts=1, last=ENDED))
        is_restarted.set()
        return text(at(1, "run 0"))

    server.answers = answer
    events: list[Event] = []
    following = logs(server, tmp_path, LogQuery(follow=True), events)
    assert [next(following).line for _ in range(2)] == ["run 0", "run 1"]
    following.close()  # type: ignore[attr-defined]
    assert Warned("k8s", "one/shop: the node has no log of the run that ended") in events


def test_more_containers_than_are_read_at_once_come_one_after_the_other(
    server: LogServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_logs, "MOST_STREAMS", 2)
    for name in "abc":
        server.add_pod(name, status())
    server.answers = lambda pod, query: text(at(1, f"{pod} 1"), at(2, f"{pod} 2"))
    lines = [line.line for line in logs(server, tmp_path, LogQuery())]
    assert lines == [f"{pod} {number}" for pod in "abc" for number in (1, 2)]


@pytest.mark.parametrize("follow", [False, True])
def test_who_may_not_read_logs_is_told(server: LogServer, tmp_path: Path, follow: bool) -> None:
    server.add_pod("one", status())
    server.answers = lambda pod, query: text(b'{"kind": "Status", "message": "pods/log is forbidden"}', status=403)
    with pytest.raises(RemoteError, match="pods/log is forbidden") as caught:
        list(logs(server, tmp_path, LogQuery(follow)))
    assert "ask for the right to GET there" in caught.value.hint


@pytest.mark.parametrize("follow", [False, True])
def test_a_workload_that_is_not_deployed(server: LogServer, tmp_path: Path, follow: bool) -> None:
    del server.objects["deployments", "shop"]
    with pytest.raises(RemoteError, match="Deployment/shop is not in the namespace prod"):
        list(logs(server, tmp_path, LogQuery(follow)))


def test_hostile_lines_are_bounded_and_a_line_without_a_time_has_that_of_the_one_before(
    server: LogServer, tmp_path: Path
) -> None:
    server.add_pod("one", status())
    stamp = at(1, "")[:-1]
    server.answers = lambda pod, query: text(
        b"failed to open the log\n" + at(1, "\x1b[2J"),
        b"unable to go on\n",
        stamp + b"\xff\xfe\n",
        stamp,
        *[b"x" * 65536] * 32,
    )
    lines = list(logs(server, tmp_path, LogQuery()))
    assert [(line.written_at[-15:], line.line[:9], line.cut_bytes) for line in lines] == [
        ("", "failed to", 0),
        ("00:01.000000000Z"[-15:], "\x1b[2J", 0),
        ("00:01.000000000Z"[-15:], "unable to", 0),
        ("00:01.000000000Z"[-15:], "\ufffd\ufffd", 0),
        ("00:01.000000000Z"[-15:], "x" * 9, len(stamp) + 32 * 65536 - LONGEST_LINE),
    ]


def test_a_stream_that_breaks_off_is_read_on_from_before_its_last_line(
    server: LogServer, tmp_path: Path, quick: None
) -> None:
    server.add_pod("one", status())
    log = [at(1 + number / 10, str(number)) for number in range(100)]
    breaks = itertools.chain([20, 45, 45, 80], itertools.repeat(100))
    first = itertools.count()

    def answer(pod: str, query: dict[str, str]) -> Response:
        since = query.get("sinceTime", "").removesuffix("Z").encode()
        # The first request is for the last two lines of the ten that are there.
        start = 8 if next(first) == 0 else 0
        return text(b"".join(line for line in log[start : next(breaks)] if line >= since))

    server.answers = answer
    following = logs(server, tmp_path, LogQuery(follow=True, tail=2))
    assert [next(following).line for _ in range(92)] == [str(number) for number in range(8, 100)]
    following.close()  # type: ignore[attr-defined]
    assert server.asked[0][1] == {"container": "shop", "follow": "true", "tailLines": "2"}
    assert server.asked[1][1] == {"container": "shop", "follow": "true", "sinceTime": "2026-01-31T12:00:01Z"}


def test_a_restart_after_a_broken_stream_gives_the_rest_of_the_earlier_run_first(
    server: LogServer, tmp_path: Path, quick: None
) -> None:
    server.add_pod("one", status())
    earlier = b"".join(at(second, f"run 0 line {second}") for second in range(1, 6))
    is_restarted = threading.Event()

    def answer(pod: str, query: dict[str, str]) -> Response:
        if query.get("previous") == "true":
            return text(earlier)
        if is_restarted.is_set():
            return text(at(9, "run 1"))
        # It breaks off, and while nobody reads it, the container ends and is started again.
        server.change("one", status(restarts=1, last=ENDED))
        is_restarted.set()
        return text(earlier[: len(at(1, "run 0 line 1")) * 2])

    server.answers = answer
    following = logs(server, tmp_path, LogQuery(follow=True))
    assert [next(following).line for _ in range(6)] == [*(f"run 0 line {second}" for second in range(1, 6)), "run 1"]
    following.close()  # type: ignore[attr-defined]


def test_new_pods_are_found_and_all_of_their_lines_given(server: LogServer, tmp_path: Path, quick: None) -> None:
    server.add_pod("one", status())
    server.answers = lambda pod, query: text(*(at(number, f"{pod} {number}") for number in range(1, 4)))
    following = logs(server, tmp_path, LogQuery(follow=True, tail=3))
    assert [next(following).line for _ in range(3)] == ["one 1", "one 2", "one 3"]
    server.add_replica_set("shop-2")
    server.add_pod("two", status("shop", state={"waiting": {"reason": "ContainerCreating"}}), owner="shop-2")
    server.refused_lists = 2
    server.change("two", status())
    assert [next(following).line for _ in range(3)] == ["two 1", "two 2", "two 3"]
    following.close()  # type: ignore[attr-defined]
    assert "tailLines" not in next(query for pod, query in server.asked if pod == "two")


def test_a_cluster_that_fails_for_a_while_is_asked_again_and_that_is_told(
    server: LogServer, tmp_path: Path, quick: None
) -> None:
    server.add_pod("one", status())
    server.answers = lambda pod, query: text(at(1, pod))
    events: list[Event] = []
    following = logs(server, tmp_path, LogQuery(follow=True), events)
    assert next(following).line == "one"
    server.refused_lists = 2
    server.add_pod("two", status())
    assert next(following).line == "two"
    following.close()  # type: ignore[attr-defined]
    assert sum(isinstance(event, Retried) for event in events) >= 2


def test_a_container_that_has_ended_is_read_to_its_end_once(server: LogServer, tmp_path: Path, quick: None) -> None:
    server.add_pod("one", status(state=ENDED))
    server.answers = lambda pod, query: text(at(1, "last words"))
    following = logs(server, tmp_path, LogQuery(follow=True))
    assert next(following).line == "last words"
    server.add_pod("two", status(state=ENDED))
    assert next(following).instance == "two/shop"
    server.add_pod("three", status(state=ENDED))
    assert next(following).instance == "three/shop"
    following.close()  # type: ignore[attr-defined]
    assert [pod for pod, _ in server.asked] == ["one", "two", "three"]


def test_nothing_wanted_of_before_is_read_on_from_when_it_was_asked(
    server: LogServer, tmp_path: Path, quick: None
) -> None:
    server.add_pod("one", status())
    count = itertools.count()
    server.answers = lambda pod, query: text(b"" if next(count) == 0 else at(1, "new"))
    following = logs(server, tmp_path, LogQuery(follow=True, tail=0))
    assert next(following).line == "new"
    following.close()  # type: ignore[attr-defined]
    assert server.asked[0][1]["tailLines"] == "0"
    assert set(server.asked[1][1]) == {"container", "follow", "sinceTime"}


def test_a_replica_set_that_comes_between_two_lists_is_not_taken_for_somebody_elses(
    server: LogServer, tmp_path: Path, quick: None
) -> None:
    server.add_pod("one", status())
    server.add_pod("other", status(), owner="")
    server.answers = lambda pod, query: text(at(1, pod))
    following = logs(server, tmp_path, LogQuery(follow=True))
    assert next(following).line == "one"

    def meddle() -> None:
        """A rollout goes on while the pods are listed."""
        server.after_pods = lambda: None
        server.add_replica_set("shop-2")
        server.add_pod("two", status(), owner="shop-2")

    server.after_pods = meddle
    assert next(following).line == "two"
    following.close()  # type: ignore[attr-defined]
    assert {pod for pod, _ in server.asked} == {"one", "two"}


def test_pods_of_a_new_job_of_a_cron_job_are_found(server: LogServer, tmp_path: Path, quick: None) -> None:
    server.update_or_create("cronjobs", "cron", owned("CronJob", "cron"))

    def add_job(name: str) -> None:
        uid = server.objects["cronjobs", "cron"]["metadata"]["uid"]
        server.update_or_create("jobs", name, owned("Job", name, owners=[uid]))
        server.add_pod(f"{name}-x", status(state=ENDED), owner=name, of="jobs", labels={"job-name": name})

    add_job("first")
    server.add_pod("neighbour", status(state=ENDED), owner="", labels={"job-name": "first"})
    server.answers = lambda pod, query: text(at(1, pod))
    following = logs(server, tmp_path, LogQuery(follow=True), workload="cron")
    assert next(following).line == "first-x"
    add_job("second")
    assert next(following).line == "second-x"
    following.close()  # type: ignore[attr-defined]
    assert {pod for pod, _ in server.asked} == {"first-x", "second-x"}

"""One-off commands and ports of a swarm on an engine that gives prepared answers: what ended, what is old, and whose it is."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.targets.engine.owner import RUN, SERVICE
from shipit.targets.remote import Command, Size
from shipit.targets.swarm.look import Reader
from shipit.targets.swarm.one_off import JobRun, job_body, remove_job, remove_old_runs, with_terminal
from shipit.targets.swarm.ports import TaskPorts
from shipit.targets.swarm.terminal import run_at_terminal
from tests.targets.test_swarm_engine import IMAGE, NOW_S, OWNER, SPEC, answering, folder, session, setting
from tests.waits import wait_until

__all__ = ["folder"]
LABELS = {**OWNER.labels, RUN: "web"}
OLD, NEW = "2026-01-01T12:00:00.5Z", "2027-01-15T07:59:00Z"


def run_row(identity: str, name: str, created: str, **labels: str) -> dict[str, Any]:
    return {"ID": identity, "CreatedAt": created, "Spec": {"Name": name, "Labels": {**LABELS, **labels}}}


def task(service: str, state: str, **status: Any) -> dict[str, Any]:
    container = {"ContainerStatus": {"ContainerID": "c", "ExitCode": status.pop("code", 0)}}
    return {
        "ID": f"t-{service}", "ServiceID": service, "NodeID": "n", "Slot": 1, "DesiredState": "running",
        "Status": {"State": state, **container, **status},
    }  # fmt: skip


def test_only_jobs_of_this_target_that_ended_a_day_ago_are_removed(folder: Path) -> None:
    rows = [
        run_row("old", "shop-production-web-run-0001", OLD),
        run_row("runs", "shop-production-web-run-0002", OLD),
        run_row("new", "shop-production-web-run-0003", NEW),
        run_row("copied", "shop-of-a-neighbour", OLD),
        run_row("other", "shop-production-web-run-0004", OLD, **{"dev.shipit.target": "other"}),
        run_row("timeless", "shop-production-web-run-0005", "soon"),
        {
            "ID": "service",
            "CreatedAt": OLD,
            "Spec": {"Name": "shop-production-web", "Labels": {**OWNER.labels, SERVICE: "web"}},
        },
    ]
    seen: list[tuple[str, dict[str, str]]] = []
    tasks = [task(one, "running" if one == "runs" else "complete") for one in ("old", "runs", "new")]
    with answering(folder, {"/services": rows, "/tasks": tasks}, seen) as client:
        remove_old_runs(client, OWNER, NOW_S)
    assert [request for request, _ in seen if request.startswith("DELETE")] == ["DELETE /v1.41/services/old"]


def frame(stream: int, text: str) -> bytes:
    data = text.encode()
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


LOG = frame(1, "2026-01-31T12:00:00.000000001Z one\n") + frame(2, "2026-01-31T12:00:00.000000002Z two")


@pytest.mark.parametrize(("found", "code"), [(task("job", "complete"), 0), (task("job", "failed", code=3), 3)])
def test_the_output_of_a_job_comes_once_with_its_streams_and_its_exit_code(
    folder: Path, found: dict[str, Any], code: int
) -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    answers = {"/tasks": [found], "/tasks/t-job/logs": LOG.decode()}
    with answering(folder, answers, seen) as client:
        made = ExitStack()
        made.callback(remove_job, client, "job")
        job = JobRun(client, "job", "shop-production-web-run-0001", {}, made)
        output: list[tuple[int, bytes]] = []

        def is_over() -> bool:
            output.extend(job.receive())
            return job.is_over

        wait_until("its output has ended", is_over, bool)
        assert output == [(1, b"one\n"), (2, b"two")]
        assert job.result() == code
        job.close()
    assert seen[-1][0] == "DELETE /v1.41/services/job"


@pytest.mark.parametrize(
    ("tasks", "what"),
    [
        ([task("job", "rejected", Err="No such image")], "the command did not run: run.1 on n rejected: No such image"),
        ([task("job", "shutdown")], "the command did not run"),
        ([], "somebody removed the job"),
    ],
)
def test_a_job_without_an_exit_code_is_an_error_that_says_why(folder: Path, tasks: list[Any], what: str) -> None:
    with answering(folder, {"/tasks": tasks}) as client:
        job = JobRun(client, "job", "shop-production-web-run-0001", {}, ExitStack())
        try:
            with pytest.raises(RemoteError, match=what):
                job.result()
            with pytest.raises(RemoteError, match="takes no input"):
                job.give(b"x")
            job.give(b"")
        finally:
            job.close()


def test_a_job_with_a_terminal_runs_on_one_node_and_waits_for_a_line() -> None:
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": "x", "TTY": False}, "Placement": {"Constraints": ["a==b"]}}}
    body = job_body(spec, OWNER, "web", "name", Command(("top", "-d 1"), Size(80, 24)))
    task = with_terminal(body, "n1")["TaskTemplate"]
    assert task["Placement"]["Constraints"] == ["a==b", "node.id==n1"]
    container = task["ContainerSpec"]
    assert (container["TTY"], container["OpenStdin"], container["Command"][3:]) == (
        True,
        True,
        ["shipit", "top", "-d 1"],
    )
    assert container["Command"][:2] == ["/bin/sh", "-c"] and "read" in container["Command"][2]
    bare = with_terminal(
        job_body({"TaskTemplate": {"ContainerSpec": {}}}, OWNER, "web", "name", Command(("sh",))), "n1"
    )
    assert bare["TaskTemplate"]["Placement"] == {"Constraints": ["node.id==n1"]}


@pytest.mark.parametrize(
    ("tasks", "what", "hint"),
    [
        ([task("job", "failed", Err='exec: "/bin/sh": stat /bin/sh: no such file')], "run.1 on n failed", "--no-tty needs none"),
        ([task("job", "rejected", Err="No such image: shop")], "rejected: No such image: shop", ""),
        # The container ended while it was connected to.
        ([task("job", "running")], "No such image", ""),
    ],
)  # fmt: skip
def test_a_command_with_a_terminal_that_can_not_run_leaves_no_job(
    tmp_path: Path, folder: Path, tasks: list[Any], what: str, hint: str
) -> None:
    answers = {
        "/tasks": tasks,
        "/info": {"Swarm": {"NodeID": "n"}},
        "/services/shop-production-web": {
            "ID": "x",
            "Spec": {**SPEC, "TaskTemplate": {"ContainerSpec": {"Image": IMAGE}}},
        },
        "POST /services/create": {"ID": "job"},
    }
    seen: list[tuple[str, dict[str, str]]] = []
    with answering(folder, answers, seen) as client:
        own = setting(client, OWNER, session(tmp_path))
        with pytest.raises(RemoteError, match=what) as raised:
            run_at_terminal("web", Command(("sh",), Size(80, 24), has_input=True), own, lambda name: None)
        assert hint in raised.value.hint
    assert seen[-1][0] == "DELETE /v1.41/services/job"


def test_a_port_that_can_not_be_reached_is_an_error_that_names_the_nodes(tmp_path: Path, folder: Path) -> None:
    answers = {
        "/tasks": [task("x", "running")],
        "/nodes": [{"ID": "n", "Description": {"Hostname": "worker2"}, "Status": {"State": "ready"}}],
        "/services/shop-production-web": {"ID": "x", "Spec": SPEC},
        "/networks/docker_gwbridge": {"Containers": {"other": {"IPv4Address": "172.18.0.3/16"}}},
    }
    with answering(folder, answers) as client:
        reader = Reader(client, OWNER, (), session(tmp_path))
        with pytest.raises(RemoteError, match=r"the port 3000 can't be reached through this engine: web\.1 on worker2"):
            TaskPorts(reader, "web").check(3000)
        with pytest.raises(RemoteError, match="no task of other runs"):
            TaskPorts(reader, "other").check(3000)

"""Runs the release command of a release as a job of the swarm, and waits for its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import DeployFailed
from shipit.events import Event, Log
from shipit.http.fields import Field
from shipit.targets.engine.owner import SERVICE, SPEC
from shipit.targets.swarm.change import ensure_networks, own_row, resolved
from shipit.targets.swarm.observed import TaskFacts
from shipit.targets.swarm.parse import parse_task
from shipit.targets.swarm.render import service_body
from shipit.targets.swarm.setting import Setting
from shipit.targets.swarm.spec import JOB, service_name
from shipit.targets.swarm.steps import RunReleaseCommand

_POLL_S = 0.3
_WHAT = "the release command"
# Of a job: which values it got.
_VALUES = "dev.shipit.values"


def run_command(step: RunReleaseCommand, setting: Setting) -> Iterator[Event]:
    """One that still runs, as a killed deploy leaves it, is waited for. Raises: DeployFailed with its last lines."""
    body = _body(step, setting)
    row = own_row(JOB, setting)
    if row is not None and not _is_same(row, body):
        setting.client.remove_service(row["ID"].required())
        row = None
    if row is None:
        ensure_networks(setting, step.spec)
        setting.client.create_service(resolved(body, None, setting), setting.login(step.spec.image))
        row = own_row(JOB, setting)
    if row is None:
        raise DeployFailed(f"{_WHAT} was removed by someone else", where=setting.target, hint="deploy again")
    job = row["ID"].required()
    ended = _await(step, job, setting)
    lines = setting.client.within(15.0).task_lines(ended.id)
    setting.client.remove_service(job)
    if ended.state != "complete":
        # Also one that was shut down, as on a node that is drained.
        raise DeployFailed(f"{_WHAT} failed: {ended.ended}", where=setting.target, detail=lines)
    yield from (Log(setting.target, "release", line) for line in lines)


def _body(step: RunReleaseCommand, setting: Setting) -> dict[str, Any]:
    values = setting.session.planned_values(step.marks, setting.target)
    body = service_body(setting.owner, step.spec, values, {}, None)
    labels = {**body["Labels"], SERVICE: "", _VALUES: setting.session.mark(repr(sorted(values.items())))}
    job = {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}
    kept = {key: value for key, value in body.items() if key not in ("UpdateConfig", "RollbackConfig")}
    return {**kept, "Name": service_name(setting.owner, JOB), "Labels": labels, "Mode": job}


def _is_same(row: Field, body: Mapping[str, Any]) -> bool:
    """True for the job of the same image, command and values."""
    labels = row["Spec"]["Labels"].texts()
    image = row["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"].text()
    wanted = body["TaskTemplate"]["ContainerSpec"]["Image"]
    return image == wanted and all(labels.get(name) == body["Labels"][name] for name in (SPEC, _VALUES))


def _await(step: RunReleaseCommand, job: str, setting: Setting) -> TaskFacts:
    """The task when it has ended. A job that takes too long is removed."""
    deadline = setting.session.deadline.within(step.timeout_s)
    nodes = setting.client.nodes()
    last: TaskFacts | None = None
    while True:
        tasks = [parse_task(row, JOB, nodes) for row in setting.client.tasks([job])]
        last = max(tasks, key=lambda one: one.since, default=None)
        if last is not None and last.has_ended:
            return last
        if not deadline.remaining_s():
            own = setting.client.within(30.0)
            lines = own.task_lines(last.id) if last else ()
            own.remove_service(job)
            said = f": {last.said}" if last and last.said else ""
            what = f"{_WHAT} did not end within {step.timeout_s:.0f} s{said}"
            raise DeployFailed(what, where=setting.target, detail=lines)
        if last is None and setting.client.service(job) is None:
            raise DeployFailed(f"{_WHAT} was removed by someone else", where=setting.target, hint="deploy again")
        setting.session.clock.sleep(_POLL_S)

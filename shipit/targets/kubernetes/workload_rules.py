"""What the workloads of a target may be called, and what they share: names, hosts and time. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from shipit.config.units import Misplaced, render_duration
from shipit.targets.kubernetes.concise.blue_green import slot_names
from shipit.targets.kubernetes.concise.canary import canary_name
from shipit.targets.kubernetes.concise.kinds import (
    LONGEST_NAMES,
    LONGEST_WITH_CANARY,
    LONGEST_WITH_SLOTS,
    made_kinds,
)
from shipit.targets.kubernetes.concise.workload import WorkloadConfig

Workloads = Mapping[str, WorkloadConfig]


def check_workloads(workloads: Workloads, timeout_s: float) -> None:
    """Check the workloads of a target by their names. Raises: Misplaced."""
    _check_services(workloads)
    for name, workload in workloads.items():
        _check_length(name, workload)
        if workload.has_slots:
            _check_slots(name, workloads)
    _check_canaries(workloads, timeout_s)
    _check_hosts(workloads)


def _check_services(workloads: Workloads) -> None:
    """The name of a Service begins with a letter (RFC 1035)."""
    for name, workload in workloads.items():
        if "Service" in made_kinds(workload) and name[:1].isdigit():
            key = "kind: statefulset" if workload.kind == "statefulset" else "port:"
            what = f"should begin with a letter, since {key} makes a Service of this name"
            raise Misplaced(what, "workloads", name, hint=f"rename it, or leave out {key}")


def _check_length(name: str, workload: WorkloadConfig) -> None:
    """Kubernetes or shipit make longer names from some: the headless Service, the Jobs of a CronJob, two Deployments."""
    most = LONGEST_NAMES.get(workload.kind, 63)
    if len(name) > most:
        what = f"should be at most {most} characters for kind: {workload.kind}, which makes longer names from it"
        raise Misplaced(what, "workloads", name, hint="rename it")
    if workload.canary and len(name) > LONGEST_WITH_CANARY:
        what = f"should be at most {LONGEST_WITH_CANARY} characters with canary:, which makes NAME-canary"
        raise Misplaced(what, "workloads", name, hint="rename it")
    if workload.has_slots and len(name) > LONGEST_WITH_SLOTS:
        what = f"should be at most {LONGEST_WITH_SLOTS} characters with blue_green:, which makes NAME-green"
        raise Misplaced(what, "workloads", name, hint="rename it")


def _check_slots(name: str, workloads: Workloads) -> None:
    """The names of the two Deployments of a workload are free."""
    for slot in slot_names(name):
        if slot in workloads:
            raise Misplaced(f"is a Deployment of {name}, which is blue_green", "workloads", slot, hint="rename it")


def _check_canaries(workloads: Workloads, timeout_s: float) -> None:
    """The names of canaries are free, and their pauses fit into the time limit of the target."""
    takes_s = 0.0
    for name, workload in workloads.items():
        if workload.canary is None:
            continue
        takes_s += workload.canary.takes_s
        if (own := canary_name(name)) in workloads:
            raise Misplaced(f"is the name of the canary of {name}", "workloads", own, hint="rename it")
        if takes_s >= timeout_s:
            what = f"pauses for {render_duration(takes_s)} in all, and timeout: is {render_duration(timeout_s)}"
            hint = f"write timeout: {render_duration(takes_s + timeout_s)} on the target"
            raise Misplaced(what, "workloads", name, "canary", hint=hint)


def _check_hosts(workloads: Workloads) -> None:
    owners: dict[str, str] = {}
    for name, workload in workloads.items():
        for host in workload.all_hosts:
            if owners.setdefault(host, name) != name:
                key = ("host",) if host == workload.host else ("hosts", workload.hosts.index(host))
                raise Misplaced(f"is the host of {owners[host]} too: {host}", "workloads", name, *key)

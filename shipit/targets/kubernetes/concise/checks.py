"""Mistakes across the keys of a workload. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.config.units import Misplaced
from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.ports import check_ports
from shipit.targets.kubernetes.concise.probes import PROBES, ProbeConfig

NEEDS_PORT, BARE_POD = "needs a port", "a bare pod can't have several replicas"
_ADD_PORT = "add port:, which makes a Service"


def check_workload(keys: WorkloadKeys) -> Iterator[Misplaced]:
    """The mistakes, at the keys where each is."""
    yield from _check_words(keys)
    yield from check_ports(keys.port, keys.ports)
    yield from _check_probes(keys)
    if keys.host and keys.port is None:
        yield Misplaced(NEEDS_PORT, "host", hint=_ADD_PORT)
    many = "replicas" if keys.replicas is not None else "scale" if keys.scale else ""
    if keys.kind == "pod" and many:
        yield Misplaced(BARE_POD, many, hint="remove it, or kind: pod")


def _check_words(keys: WorkloadKeys) -> Iterator[Misplaced]:
    if keys.args is not None and keys.is_shell:
        what = "can't be combined with a command that is text, which a shell runs"
        yield Misplaced(what, "args", hint="write command: as a list of words, or all of it as text")


def _check_probes(keys: WorkloadKeys) -> Iterator[Misplaced]:
    health = keys.health
    if health and health.path is not None and health.port is None and keys.port is None:
        yield Misplaced(NEEDS_PORT, "health", hint=_ADD_PORT)
    for kind in PROBES:
        probe: ProbeConfig | None = getattr(keys, kind)
        if probe is None:
            continue
        if probe.path is not None and probe.port is None and keys.port is None:
            yield Misplaced(NEEDS_PORT, kind, hint=_ADD_PORT)
        if probe.enabled and not probe.handlers and health is None:
            hint = "add path:, command:, tcp: or grpc: to it, or health: to the workload"
            yield Misplaced("should say what is asked", kind, hint=hint)

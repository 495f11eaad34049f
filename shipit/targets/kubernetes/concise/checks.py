"""Mistakes across the keys of a workload. Pure."""

from collections.abc import Iterator

from shipit.config.position import Keys
from shipit.config.units import Misplaced
from shipit.targets.kubernetes.concise.container import ContainerConfig
from shipit.targets.kubernetes.concise.keys import ProbedContainer, WorkloadKeys
from shipit.targets.kubernetes.concise.kinds import check_kind, made_kinds
from shipit.targets.kubernetes.concise.ports import PortConfig, check_ports
from shipit.targets.kubernetes.concise.probes import PROBES, HealthConfig, ProbeConfig

NEEDS_PORT = "needs a port"
_ADD_PORT = "add port:, which makes a Service"
_OWN_LABELS = frozenset({"app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"})
_OWN_PREFIXES = ("shipit.dev/", "applyset.kubernetes.io/")
# What a user tells shipit of an object.
_USERS_ANNOTATIONS = frozenset({"shipit.dev/replace", "shipit.dev/keep", "shipit.dev/roll"})


def check_workload(keys: WorkloadKeys) -> Iterator[Misplaced]:
    """The mistakes, at the keys where each is."""
    yield from _check_words(keys)
    yield from check_ports(keys.port, _ports(keys))
    yield from _check_probes(keys, (), keys.port, keys.health)
    yield from _check_hosts(keys)
    yield from check_kind(keys)
    yield from _check_containers(keys)
    yield from _check_paths(keys)
    yield from _check_marks(keys)
    yield from _check_patch(keys)
    yield from _check_versions(keys)


def _check_words(container: ContainerConfig, *above: str) -> Iterator[Misplaced]:
    if container.args is not None and container.is_shell:
        what = "can't be combined with a command that is text, which a shell runs"
        yield Misplaced(what, *above, "args", hint="write command: as a list of words, or all of it as text")


def _check_probes(
    container: ProbedContainer, above: tuple[str, ...], port: int | None, health: HealthConfig | None
) -> Iterator[Misplaced]:
    if health and health.path is not None and health.port is None and port is None:
        yield Misplaced(NEEDS_PORT, "health", hint=_ADD_PORT)
    for kind in PROBES:
        probe: ProbeConfig | None = getattr(container, kind)
        if probe is None:
            continue
        if probe.path is not None and probe.port is None and port is None:
            hint = "write {path: ..., port: ...}" if above else _ADD_PORT
            yield Misplaced(NEEDS_PORT, *above, kind, hint=hint)
        if probe.enabled and not probe.handlers and health is None:
            hint = "add path:, command:, tcp: or grpc: to it" + ("" if above else ", or health: to the workload")
            yield Misplaced("should say what is asked", *above, kind, hint=hint)


def _check_hosts(keys: WorkloadKeys) -> Iterator[Misplaced]:
    for key in ("host", "hosts"):
        if getattr(keys, key) and keys.port is None:
            yield Misplaced(NEEDS_PORT, key, hint=_ADD_PORT)
    for index, host in enumerate(keys.hosts):
        if host == keys.host or host in keys.hosts[:index]:
            yield Misplaced("is there twice", "hosts", index, hint="keep one of them")
    for key in ("tls", "gateway"):
        if getattr(keys, key) and not keys.all_hosts:
            yield Misplaced("needs host:", key, hint="add host: NAME, or hosts: [NAME, ...]")
    if keys.tls and keys.gateway:
        what = "can't be combined with gateway:, whose listener has the certificate"
        yield Misplaced(what, "tls", hint="keep one of them")


def _check_containers(keys: WorkloadKeys) -> Iterator[Misplaced]:
    for name, first in keys.init.items():
        yield from _check_words(first, "init", name)
        if name in keys.sidecars:
            yield Misplaced("is the name of one under init: too", "sidecars", name, hint="give it another name")
    for name, beside in keys.sidecars.items():
        yield from _check_words(beside, "sidecars", name)
        yield from _check_probes(beside, ("sidecars", name), None, None)


def _ports(keys: WorkloadKeys) -> Iterator[tuple[Keys, PortConfig]]:
    """The ports of all containers, which share them, with their places."""
    yield from ((("ports", index), port) for index, port in enumerate(keys.ports))
    for name, beside in keys.sidecars.items():
        yield from ((("sidecars", name, "ports", index), port) for index, port in enumerate(beside.ports))


def _check_paths(keys: WorkloadKeys) -> Iterator[Misplaced]:
    for path in keys.files:
        if path in keys.volumes:
            yield Misplaced("is the path of a volume too", "files", path, hint="use another path")
    many = keys.scale.max if keys.scale else keys.replicas or 1
    for path, volume in keys.volumes.items():
        if volume.size and volume.access != "many-nodes" and keys.kind == "deployment" and many > 1:
            hint = (
                "write kind: statefulset for a volume for each pod, or access: many-nodes where the storage can do that"
            )
            yield Misplaced(f"is one volume for {many} pods", "volumes", path, hint=hint)


def _check_marks(keys: WorkloadKeys) -> Iterator[Misplaced]:
    for group, keys_of_users in (("labels", frozenset()), ("annotations", _USERS_ANNOTATIONS)):
        for key in getattr(keys, group):
            if key in _OWN_LABELS or (key.startswith(_OWN_PREFIXES) and key not in keys_of_users):
                yield Misplaced("is set by shipit", group, key, hint="remove it, or use another key")


def _check_patch(keys: WorkloadKeys) -> Iterator[Misplaced]:
    made = made_kinds(keys)
    for kind in keys.patch:
        if kind not in made:
            hint = f"kinds here: {', '.join(made)}"
            yield Misplaced("is no kind that this workload makes", "patch", kind, hint=hint)


def _check_versions(keys: WorkloadKeys) -> Iterator[Misplaced]:
    """Two versions run beside each other, so neither may need that the other has ended."""
    if keys.canary:
        yield from _check_both_run(keys, "canary")
    if keys.has_slots:
        yield from _check_both_run(keys, "blue_green")
    if keys.canary and keys.canary.check and keys.canary.check.startswith("/") and keys.port is None:
        yield Misplaced(NEEDS_PORT, "canary", "check", hint=_ADD_PORT)
    if keys.has_slots and keys.port is None:
        yield Misplaced(NEEDS_PORT, "blue_green", hint=_ADD_PORT)
    if keys.has_slots and keys.canary:
        yield Misplaced("can't be combined with canary:", "blue_green", hint="keep one of them")


def _check_both_run(keys: WorkloadKeys, key: str) -> Iterator[Misplaced]:
    if keys.strategy and keys.strategy.way == "recreate":
        what = "can't be combined with strategy: recreate, which ends all pods before new ones start"
        yield Misplaced(what, key, hint="keep one of them")
    for path, volume in keys.volumes.items():
        if volume.size and volume.access != "many-nodes":
            what = f"can't be combined with the volume {path}, which only the pods of one node can have"
            yield Misplaced(what, key, hint="write access: many-nodes where the storage can do that")

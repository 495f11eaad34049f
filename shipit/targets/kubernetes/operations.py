"""What can be done with a namespace beside a deploy: scale, restart, logs, commands, ports, render, destroy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shipit.errors import DeployFailed, UsageError
from shipit.events import LogLine
from shipit.release import Destruction, Leftover, Release, Rendered, Seen, Step, Verdict
from shipit.targets.kubernetes.applyset import ObservedSet
from shipit.targets.kubernetes.cluster_place import ClusterPlace
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.session import Session

if TYPE_CHECKING:
    from shipit.targets.kubernetes.lease import Lease
    from shipit.targets.kubernetes.named_workloads import NamedWorkloads
    from shipit.targets.kubernetes.run_job import OneOff
    from shipit.targets.locks import Holder, LockState
    from shipit.targets.log_query import LogQuery
    from shipit.targets.orders import RestartOrder, ScaleOrder
    from shipit.targets.remote import Command, Ports, Remote, Started


class Operations(ClusterPlace):
    """The protocols of targets/verbs.py."""

    def inventory(self, session: Session) -> ObservedSet:
        from shipit.targets.kubernetes.history.store import with_records
        from shipit.targets.kubernetes.members import SetReader

        desired = self._desired
        reader = SetReader(self._client(session), desired.set_name, desired.namespace, session.clock)
        found = reader.read(desired.members())
        return with_records(found, self._client(session), desired.set_id, desired.namespace)

    def plan_destroy(self, inventory: ObservedSet, wanted: Destruction) -> tuple[Step, ...]:
        from shipit.targets.kubernetes.destroy import plan_destroy

        return plan_destroy(self._desired, inventory, wanted)

    def leftovers(self, inventory: ObservedSet, wanted: Destruction) -> Sequence[Leftover]:
        from shipit.targets.kubernetes.destroy import leftovers

        return tuple(leftovers(self._desired, inventory, wanted))

    def lock_name(self) -> str:
        return f"Lease {self._desired.lock_name} in namespace {self.namespace}"

    def read_lock(self, session: Session) -> LockState:
        return self._lease(session).read()

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        return self._lease(session).swap(before, holder)

    def _lease(self, session: Session) -> Lease:
        from shipit.targets.kubernetes.lease import Lease

        return Lease(self._desired.lock_name, self.namespace, self._client(session), session.clock)

    def workloads(self) -> Sequence[str]:
        return self._workloads.names()

    def declared_scale(self) -> Mapping[str, int | None]:
        return self._workloads.declared_scale()

    def plan_scale(self, order: ScaleOrder, observed: KubernetesObserved) -> tuple[Step, ...]:
        from shipit.targets.kubernetes import verbs
        from shipit.targets.kubernetes.wanted import autoscaled

        own = autoscaled(self._desired.identities(), self.namespace)
        return verbs.plan_scale(self._scaled(order), observed, own, self.name)

    def judge_scale(self, order: ScaleOrder, observed: KubernetesObserved, seen: Seen) -> Verdict:
        from shipit.targets.kubernetes import verbs

        return verbs.judge_scale(self._scaled(order), observed, seen, self._limits)

    def plan_restart(self, order: RestartOrder, observed: KubernetesObserved) -> tuple[Step, ...]:
        from shipit.targets.kubernetes import verbs

        return verbs.plan_restart(self._restarted(order), order.at, observed, self.name)

    def judge_restart(self, order: RestartOrder, observed: KubernetesObserved, seen: Seen) -> Verdict:
        from shipit.targets.kubernetes import verbs

        return verbs.judge_restart(self._restarted(order), order.at, observed, seen, self._limits)

    def execute(self, workload: str, command: Command, session: Session) -> Remote:
        from shipit.targets.kubernetes.exec import execute

        manifest = self._workloads.with_pods(workload)
        return execute(self._client(session), manifest, self.namespace, command)

    def pinned(self, workload: str) -> dict[str, Any] | None:
        from shipit.targets.kubernetes.reopen import pinned_of

        config = self.config
        if config.has_manifests or config.impersonate:
            return None
        manifest = self._workloads.with_pods(workload)
        return pinned_of(manifest, config.context, config.server, config.namespace.name, config.timeout)

    def pinned_logs(self, workloads: Sequence[str]) -> dict[str, Any] | None:
        from shipit.targets.kubernetes.reopen_logs import pinned_of

        config, own = self.config, self._workloads
        if config.has_manifests or config.impersonate:
            return None
        owners = {name: own.owners(name) for name in workloads}
        if any(one.namespace != self.namespace for found in owners.values() for one in found):
            return None
        return pinned_of(self.name, owners, config.context, config.server, config.namespace.name)

    def run_once(self, workload: str, command: Command, session: Session, size: str) -> Remote:
        return self._one_off(workload, session, size).run(command)

    def start_once(self, workload: str, command: Command, session: Session, size: str) -> Started:
        return self._one_off(workload, session, size).start(command)

    def ports(self, workload: str, session: Session) -> Ports:
        # Connections are opened for as long as somebody forwards.
        from shipit.targets.kubernetes.ports import PodPorts

        client = self._client(replace(session, deadline_s=float("inf")))
        return PodPorts(client, self._workloads.with_pods(workload), self.namespace)

    def logs(self, workload: str, wanted: LogQuery, session: Session) -> Iterator[LogLine]:
        from shipit.targets.kubernetes.workload_logs import read_logs

        return read_logs(self._client(session), self.name, workload, self._workloads.owners(workload), wanted)

    def images_in_use(self, observed: KubernetesObserved) -> Collection[str]:
        from shipit.targets.kubernetes.images_in_use import images_in_use

        return images_in_use(observed, self.name)

    def render(self, release: Release, observed: KubernetesObserved) -> Rendered:
        from shipit.targets.kubernetes.rendered import render_release

        parts = render_release(self._desired, release, observed)
        return Rendered(self.name, self.place, "manifests", parts)

    def _scaled(self, order: ScaleOrder) -> dict[str, int]:
        """Key of an object -> replicas."""
        from shipit.targets.kubernetes import verbs

        own = self._workloads
        return {own.key(name, verbs.SCALABLE, "be scaled"): count for name, count in order.quantities.items()}

    def _restarted(self, order: RestartOrder) -> list[str]:
        """The keys of the objects. Where several workloads are named, those that can't be restarted are left out."""
        from shipit.targets.kubernetes import verbs

        own, names = self._workloads, order.workloads
        if len(names) > 1:
            names = tuple(name for name in names if own.keys(name, verbs.RESTARTABLE))
        if not names:
            raise DeployFailed("no workload here can be restarted", where=self.name, hint="shipit deploy replaces pods")
        return [own.key(name, verbs.RESTARTABLE, "be restarted") for name in names]

    @property
    def _workloads(self) -> NamedWorkloads:
        from shipit.targets.kubernetes.named_workloads import NamedWorkloads

        return NamedWorkloads(self.name, self.namespace, self._desired.identities())

    def _one_off(self, workload: str, session: Session, size: str) -> OneOff:
        from shipit.targets.kubernetes.run_job import OneOff

        if size:
            hint = "it gets the cpu and memory of the workload in deploy.yml"
            raise UsageError(f"{self.name} has no sizes for --size", hint=hint)
        manifest = self._workloads.with_pods(workload)
        return OneOff(self._client(session), self.name, manifest, self.namespace, self._kubectl)

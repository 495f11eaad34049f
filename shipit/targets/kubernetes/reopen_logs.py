"""The logs of workloads, with what an earlier run found in deploy.yml. The kubeconfig and the cluster are read as always."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.log_pods import Owner
from shipit.targets.kubernetes.reopened_place import reopened_place
from shipit.targets.kubernetes.workload_logs import read_logs

if TYPE_CHECKING:
    from shipit.events import Emit, LogLine
    from shipit.targets.log_query import LogQuery


def pinned_of(
    target: str,
    owners: Mapping[str, Sequence[Owner]],
    context: str | None,
    server: str | None,
    namespace: str | None,
) -> dict[str, Any]:
    """The argument of `reopen_logs`, as JSON. `owners`: workload -> its objects.

    The namespace of an object is left out: it may be that of the context, which is read each time.
    """
    workloads = {name: [(own.kind, own.name) for own in found] for name, found in owners.items()}
    return {"target": target, "workloads": workloads, "context": context, "server": server, "namespace": namespace}


def reopen_logs(
    pinned: Mapping[str, Any], environment: ProcessEnvironment, clock: Clock, emit: Emit, wanted: LogQuery
) -> Sequence[Callable[[], Iterator[LogLine]]]:
    """A function for each workload that begins to read its log. Raises: RemoteError, KeyError, TypeError, ValueError."""
    server, namespace = reopened_place(pinned, environment)
    client = KubernetesClient(server, Deadline(clock), emit)
    return [
        partial(
            read_logs, client, pinned["target"], name, [Owner(kind, own, namespace) for kind, own in owners], wanted
        )
        for name, owners in pinned["workloads"].items()
    ]

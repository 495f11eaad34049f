"""A command in a workload, with what an earlier run found in deploy.yml. The kubeconfig and the cluster are read as always."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.exec import connect, find_container
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.reopened_place import reopened_place

if TYPE_CHECKING:
    from shipit.events import Event
    from shipit.targets.remote import Command, Remote


def pinned_of(
    manifest: Manifest, context: str | None, server: str | None, namespace: str | None, timeout_s: float
) -> dict[str, Any]:
    """The argument of `reopen`, as JSON: of the object its name and selector, and of the target what leads to the namespace.

    The namespace of the object is left out: it may be that of the context, which is read each time.
    """
    metadata, spec = {"name": manifest["metadata"]["name"]}, {"selector": manifest["spec"].get("selector")}
    head = {"kind": manifest["kind"], "metadata": metadata, "spec": spec}
    return {
        "manifest": head, "context": context, "server": server, "namespace": namespace, "timeout_s": timeout_s
    }  # fmt: skip


def reopen(pinned: Mapping[str, Any], environment: ProcessEnvironment, clock: Clock) -> Callable[[Command], Remote]:
    """A function that begins a command in the pod that is the best one now. Raises: RemoteError, KeyError, TypeError.

    A certificate that is not verified is an error here: the warning is told by the longer way.
    """
    server, namespace = reopened_place(pinned, environment)
    deadline = Deadline.after(clock, pinned["timeout_s"])
    client = KubernetesClient(server, deadline, _ignore, attempts=1)
    return partial(connect, client, "exec", *find_container(client, pinned["manifest"], namespace))


def _ignore(event: Event) -> None:
    """Nothing is tried again, so that there is nothing to tell."""

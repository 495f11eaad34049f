"""The kinds and versions that an API server serves.

Source: Kubernetes API concepts, "API discovery".
"""

from __future__ import annotations

from urllib.parse import quote

from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.definitions import defined_kinds
from shipit.targets.kubernetes.render import Manifest

_POLL_S = 0.3


def version_of(client: KubernetesClient, group: str, kind: str) -> str:
    """The apiVersion under which the server has a kind, the preferred one first; empty where it has none."""
    if not group:
        return "v1"
    found = client.find(f"/apis/{quote(group, safe='')}")
    if found is None:
        return ""
    versions = [found["preferredVersion"], *found["versions"].rows()]
    for version in dict.fromkeys(row["groupVersion"].text() for row in versions):
        if version and kind in client.kinds(f"/apis/{quote(version)}"):
            return version
    return ""


def await_kinds(client: KubernetesClient, definition: Manifest) -> None:
    """Wait until the API server serves the kind of a CustomResourceDefinition. Raises: RemoteError, DeadlinePassed."""
    group, kind, versions = defined_kinds(definition)
    for version in versions:
        prefix = f"/apis/{quote(group)}/{quote(version)}"
        while kind not in client.kinds(prefix, is_fresh=True):
            client.deadline.sleep(_POLL_S, f"the API server to serve {kind} in {group}/{version}")

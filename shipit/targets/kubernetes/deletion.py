"""Deleting an object, and waiting until it is gone.

Source: Kubernetes API concepts, "Preconditions"; "Finalizers".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shipit.errors import DeadlinePassed, RemoteError
from shipit.targets.kubernetes.client import CONFLICT, KubernetesClient

_POLL_S = 0.3


def delete_object(client: KubernetesClient, manifest: Mapping[str, Any], namespace: str, uid: str = "") -> None:
    """Delete an object, that of the uid where one is given, and wait until it is gone; one that is not there is fine.

    Raises: RemoteError; DeadlinePassed, which says what the object waits for.
    """
    path = client.path(manifest, namespace)
    uid = uid or _uid(client, path)
    if not uid:
        return
    options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
    try:
        client.write("DELETE", path, json.dumps(options))
    except RemoteError as error:
        # With 409 it is another object that has the name now.
        if error.status not in (404, CONFLICT):
            raise
    _await_gone(client, path, f"{manifest['kind']}/{manifest['metadata']['name']}", uid)


def _uid(client: KubernetesClient, path: str) -> str:
    found = client.find(path)
    return found["metadata"]["uid"].required() if found else ""


def _await_gone(client: KubernetesClient, path: str, key: str, uid: str) -> None:
    """Wait until an object is gone; one with another uid is another object."""
    waiting_for = f"{key} to be deleted"
    try:
        while (found := client.find(path)) is not None:
            metadata = found["metadata"]
            if metadata["uid"].text() != uid:
                return
            finalizers = [row.text() for row in metadata["finalizers"].rows()]
            waits = f", which waits for {', '.join(finalizers)}" if finalizers else ""
            waiting_for = f"{key} to be deleted{waits}"
            client.deadline.sleep(_POLL_S, waiting_for)
    except DeadlinePassed:
        raise DeadlinePassed(f"the deadline passed while waiting for {waiting_for}") from None

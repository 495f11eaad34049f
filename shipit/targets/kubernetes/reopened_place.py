"""The namespace of a target, with what an earlier run found in deploy.yml. The kubeconfig is read as always."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.targets.kubernetes.place import find_context
from shipit.targets.kubernetes.server import ApiServer


def reopened_place(pinned: Mapping[str, Any], environment: ProcessEnvironment) -> tuple[ApiServer, str]:
    """The server and the namespace. `pinned`: the context, server and namespace that deploy.yml names, None where it names none.

    A certificate that is not verified is an error here: the warning is told by the longer way. Raises: RemoteError, KeyError.
    """
    context = find_context(environment, pinned["context"])
    wanted = pinned["server"]
    if not context.is_verified or (wanted and wanted.rstrip("/") != context.server.rstrip("/")):
        raise RemoteError("the place is not the one of deploy.yml, or not verified", where=context.server)
    return ApiServer(context, environment), pinned["namespace"] or context.namespace or "default"

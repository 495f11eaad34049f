"""Stops containers that are kept, and starts them again.

An engine that starts itself again also starts a stopped container with the policy on-failure that ended with another code
than 0. Such a container has the policy in a label, and none while it is stopped.
"""

from __future__ import annotations

import re

from shipit.targets.engine.client import HostClient
from shipit.targets.engine.container_values import parse_restart
from shipit.targets.engine.owner import RESTART

_ON_FAILURE = re.compile(r"on-failure(:[1-9][0-9]{0,5})?")


def stop_container(client: HostClient, container: str) -> None:
    client.stop(container)
    if _policy(client, container):
        client.set_restart(container, parse_restart("no"))


def start_container(client: HostClient, container: str) -> None:
    if policy := _policy(client, container):
        client.set_restart(container, parse_restart(policy))
    client.start(container)


def _policy(client: HostClient, container: str) -> str:
    found = client.container(container)
    policy = found["Config"]["Labels"].texts().get(RESTART, "") if found else ""
    return policy if _ON_FAILURE.fullmatch(policy) else ""

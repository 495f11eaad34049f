"""Reads what `docker stack deploy` made for a stack beside its services: it has no labels of shipit, and stays when a target is destroyed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.spec import NAMESPACE


def made_by_docker(client: SwarmClient, owner: Owner, stack: str) -> Iterator[tuple[str, str]]:
    """Kind and name; volumes are those of the manager. Raises: RemoteError."""
    of_stack = json.dumps({"label": [f"{NAMESPACE}={stack}"]})
    own = set(client.networks(owner.filters).values()) | {one.name for one in client.volumes(owner.filters)}
    found = [("network", name) for name in client.networks(of_stack).values()]
    found += [("volume", one.name) for one in client.volumes(of_stack)]
    found += [("config", one.name) for one in client.configs(of_stack)]
    found += [("secret", one.name) for one in client.secrets(of_stack)]
    yield from sorted((kind, name) for kind, name in found if name not in own)

"""The specs of services that the swarm keeps as configs, and what they use: written before a change, expired after it.

A kept spec has the values of variables, as the service itself does: both are shown to everybody who may use a manager.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from shipit.errors import DeployFailed
from shipit.http.fields import Field
from shipit.targets.engine.owner import LOCK, Owner
from shipit.targets.engine.records import kept_records, read_records
from shipit.targets.session import Session
from shipit.targets.swarm.client import Stored, SwarmClient
from shipit.targets.swarm.compare import fingerprint_of, portable, settings_of
from shipit.targets.swarm.contents import LARGEST
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.parse import parse_kept, parse_spec
from shipit.targets.swarm.plan_back import Record
from shipit.targets.swarm.spec import CONTENT, IMAGE, KEEPS, KEPT, SECRET, USES, kept_name


def keep_new(client: SwarmClient, owner: Owner, service: str, body: dict[str, Any], session: Session) -> str:
    """Keep a spec that is about to be sent; the spec and its tasks get the label with the name of its config."""
    name = kept_name(owner, service, fingerprint_of(settings_of(body, {}), session.mark))
    body["Labels"][KEPT] = body["TaskTemplate"]["ContainerSpec"]["Labels"][KEPT] = name
    return _store(client, owner, service, name, body)


def keep_live(client: SwarmClient, owner: Owner, service: str, live: Field, session: Session) -> str:
    """Keep a live spec that differs from the one that shipit sent."""
    body = portable(live.map(), client.networks_of([live]))
    name = kept_name(owner, service, fingerprint_of(settings_of(body, {}), session.mark))
    return _store(client, owner, service, name, body)


def read_spec(client: SwarmClient, owner: Owner, name: str) -> Mapping[str, Any] | None:
    """A kept spec; None where the swarm does not keep it any more."""
    found = next((one for one in client.configs(owner.filters) if one.name == name), None)
    return parse_spec(found.data) if found else None


def used_by(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the secrets and configs of a spec."""
    container = body.get("TaskTemplate", {}).get("ContainerSpec", {})
    found = [row.get("SecretName", "") for row in container.get("Secrets") or ()]
    found += [row.get("ConfigName", "") for row in container.get("Configs") or ()]
    return tuple(sorted({str(name) for name in found if name}))


def _store(client: SwarmClient, owner: Owner, service: str, name: str, body: Mapping[str, Any]) -> str:
    """Raises: DeployFailed for a spec that is too long."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    if len(text) > LARGEST:
        what = f"the settings of {service} have {len(text)} bytes, and a swarm keeps {LARGEST}"
        raise DeployFailed(what, where=service, hint="shorten the values of its variables")
    container = body["TaskTemplate"]["ContainerSpec"]
    labels = {**owner.labels, KEEPS: service, IMAGE: str(container.get("Image", "")), USES: ",".join(used_by(body))}
    client.create_config(name, labels, text.encode())
    return name


class Expired(NamedTuple):
    """The configs and secrets that neither a service nor a kept release has."""

    configs: tuple[Stored, ...]
    secrets: tuple[Stored, ...]


def find_expired(client: SwarmClient, owner: Owner, keep: int, observed: SwarmObserved) -> Expired:
    records = kept_records(read_records(client, owner, Record), keep)
    names = {name for record in records for name in record.services.values()}
    names |= {found.kept for found in observed.services.values()}
    configs = client.configs(owner.filters)
    uses = {use for one in configs if one.name in names and (kept := parse_kept(one.labels)) for use in kept.uses}
    old = [one for one in configs if KEEPS in one.labels and one.name not in names]
    old += [one for one in configs if CONTENT in one.labels and one.name not in uses]
    secrets = (one for one in client.secrets(owner.filters) if SECRET in one.labels and one.name not in uses)
    return Expired(tuple(old), tuple(secrets))


def expire(client: SwarmClient, owner: Owner, keep: int, observed: SwarmObserved) -> None:
    """Remove the specs that neither a service nor a kept release has, and the secrets and configs that only they used."""
    found = find_expired(client, owner, keep, observed)
    for one in found.configs:
        client.remove_config(one.id)
    for secret in found.secrets:
        client.remove_secret(secret.id)


def remove_all_kept(client: SwarmClient, owner: Owner) -> None:
    """Remove every kept spec, config, secret and record of a target; not its lock."""
    for one in client.configs(owner.filters):
        if LOCK not in one.labels:
            client.remove_config(one.id)
    for secret in client.secrets(owner.filters):
        client.remove_secret(secret.id)

"""Whose a service of a swarm is: that of a target of shipit, or one that `docker stack deploy` made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shipit.http.fields import Field
from shipit.targets.engine.owner import APP, ENVIRONMENT, SERVICE, TARGET, Owner
from shipit.targets.swarm.spec import JOB, NAMESPACE, service_name, stack_service_name


def is_own(row: Field, owner: Owner) -> bool:
    """True for a service with the labels of the target and the name that belongs to them: labels may be copied."""
    labels = row["Spec"]["Labels"].texts()
    service = labels.get(SERVICE, "")
    names = {service_name(owner, service or JOB), _name_in_stack(labels, service)}
    return row["Spec"]["Name"].text() in names and owner.owns(labels)


def is_of_docker(row: Field) -> bool:
    """True for a service that `docker stack deploy` made, and that no target of shipit has."""
    labels = row["Spec"]["Labels"].texts()
    return APP not in labels and bool(service_in_stack(row["Spec"]["Name"].text(), labels))


def service_in_stack(name: str, labels: Mapping[str, str]) -> str:
    """The name that a service has in the file of its stack; empty for one of no stack."""
    prefix = _name_in_stack(labels, "")
    return name[len(prefix) :] if prefix and name.startswith(prefix) else ""


def is_name_of(body: Mapping[str, Any], owner: Owner, service: str) -> bool:
    """True where a kept spec has a name that a service of a target can have."""
    labels = {str(key): str(value) for key, value in body["Labels"].items()}
    return body.get("Name", "") in {service_name(owner, service), _name_in_stack(labels, service)} - {""}


def stacks_of_docker(rows: Iterable[Field]) -> dict[str, tuple[str, ...]]:
    """Name of a stack that docker made -> the names of its services."""
    return _by_stack((row, row["Spec"]["Name"].text()) for row in rows if is_of_docker(row))


def stacks_of_targets(rows: Iterable[Field]) -> dict[str, tuple[str, ...]]:
    """Name of a stack -> the targets of shipit that have services in it."""
    found = ((row, row["Spec"]["Labels"].texts()) for row in rows)
    return _by_stack(
        (row, "/".join(labels.get(key, "") for key in (APP, ENVIRONMENT, TARGET)))
        for row, labels in found
        if APP in labels
    )


def _by_stack(found: Iterable[tuple[Field, str]]) -> dict[str, tuple[str, ...]]:
    stacks: dict[str, tuple[str, ...]] = {}
    for row, text in found:
        if name := row["Spec"]["Labels"].texts().get(NAMESPACE):
            stacks[name] = tuple(dict.fromkeys((*stacks.get(name, ()), text)))
    return stacks


def _name_in_stack(labels: Mapping[str, str], service: str) -> str:
    stack = labels.get(NAMESPACE, "")
    return stack_service_name(stack, service) if stack else ""

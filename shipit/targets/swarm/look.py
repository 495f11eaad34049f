"""Reads the swarm of a target: its services with their tasks, and what it keeps of earlier releases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from shipit.http.fields import Field
from shipit.targets.engine.facts import variables_of
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.session import Session
from shipit.targets.swarm.client import Stored, SwarmClient
from shipit.targets.swarm.observed import NodeFacts, ServiceFacts, SwarmObserved
from shipit.targets.swarm.parse import Known, parse_kept, parse_service, parse_spec
from shipit.targets.swarm.secrets import matching_mark
from shipit.targets.swarm.spec import JOB, NAMESPACE, SECRET, service_name


class Reader(NamedTuple):
    """Reads services. `secrets` are names of variables whose values are told to the redactor, `files`: source -> value of secrets that are files."""

    client: SwarmClient
    owner: Owner
    secrets: Collection[str]
    session: Session
    files: Mapping[str, str] = {}

    def observe(self) -> SwarmObserved:
        """Raises: RemoteError."""
        rows = self.client.services()
        own = [row for row in rows if is_own(row, self.owner)]
        configs = self.client.configs(self.owner.filters)
        nodes = self.client.nodes()
        services = self._services([row for row in own if row["Spec"]["Labels"].texts().get(SERVICE)], configs, nodes)
        names = {row["ID"].text() for row in own}
        return SwarmObserved(
            {found.service: found for found in services},
            {one.name: kept for one in configs if (kept := parse_kept(one.labels))},
            frozenset(row["Spec"]["Name"].text() for row in rows if row["ID"].text() not in names),
            _stacks(row for row in rows if row["ID"].text() not in names),
            {source: self.session.mark(value) for source, value in self.files.items()},
            tuple(nodes.values()),
        )

    def service(self, service: str) -> ServiceFacts | None:
        """One service, as it is now; None where the swarm has none of its name, or somebody else's."""
        row = self.client.service(service_name(self.owner, service))
        if row is None or not is_own(row, self.owner):
            return None
        return self._services([row], self.client.configs(self.owner.filters), self.client.nodes())[0]

    def _services(self, rows: list[Field], configs: list[Stored], nodes: Mapping[str, NodeFacts]) -> list[ServiceFacts]:
        if not rows:
            return []
        known = Known(
            self.client.networks(),
            nodes,
            self._secret_marks({name for row in rows for name in _secret_names(row)}),
            {one.name: spec for one in configs if parse_kept(one.labels) and (spec := parse_spec(one.data))},
        )
        tasks: dict[str, list[Field]] = {}
        for task in self.client.tasks([row["ID"].required() for row in rows]):
            tasks.setdefault(task["ServiceID"].text(), []).append(task)
        for row in rows:
            values = variables_of(row["Spec"]["TaskTemplate"]["ContainerSpec"])
            self.session.environment.redactor.add(value for key, value in values.items() if key in self.secrets)
        return [parse_service(row, tasks.get(row["ID"].text(), ()), known, self.session.mark) for row in rows]

    def _secret_marks(self, used: Collection[str]) -> Mapping[str, str]:
        """Name of a used secret -> keyed hash of its value; empty where that is another one than ours."""
        values = {**self.session.env, **self.session.secrets, **self.files}
        return {
            one.name: matching_mark(one.labels, values, self.session.mark)
            for one in self.client.secrets(self.owner.filters)
            if SECRET in one.labels and one.name in used
        }


def _stacks(rows: Iterable[Field]) -> dict[str, tuple[str, ...]]:
    """Name of a stack of docker -> the names of its services."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if name := row["Spec"]["Labels"].texts().get(NAMESPACE):
            found[name] = (*found.get(name, ()), row["Spec"]["Name"].text())
    return found


def _secret_names(row: Field) -> Iterator[str]:
    return (one["SecretName"].text() for one in row["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"].rows())


def is_own(row: Field, owner: Owner) -> bool:
    """True for a service with the labels of the target and the name that belongs to them: labels may be copied."""
    labels = row["Spec"]["Labels"].texts()
    has_name = row["Spec"]["Name"].text() == service_name(owner, labels.get(SERVICE) or JOB)
    return has_name and all(labels.get(name) == value for name, value in owner.labels.items())

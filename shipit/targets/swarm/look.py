"""Reads the swarm of a target: its services with their tasks, and what it keeps of earlier releases."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.http.fields import Field
from shipit.targets.engine.facts import variables_of
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.session import Session
from shipit.targets.swarm.client import Stored, SwarmClient
from shipit.targets.swarm.observed import NodeFacts, ServiceFacts, SwarmObserved
from shipit.targets.swarm.owned import is_of_docker, is_own, stacks_of_docker, stacks_of_targets
from shipit.targets.swarm.parse import Known, parse_kept, parse_service, parse_spec, written_variables
from shipit.targets.swarm.secrets import matching_mark
from shipit.targets.swarm.spec import SECRET, service_name

# How many ids a message names.
_MOST_IDS = 5


class Reader(NamedTuple):
    """Reads services. `secrets` are names of variables whose values are told to the redactor, `files`: source -> value of secrets that are files.

    `adopts` are the names in the swarm of services that are read as well where `docker stack deploy` made them.
    """

    client: SwarmClient
    owner: Owner
    secrets: Collection[str]
    session: Session
    files: Mapping[str, str] = {}
    adopts: Collection[str] = ()

    def observe(self) -> SwarmObserved:
        """Raises: RemoteError."""
        rows = self.client.services()
        own = [row for row in rows if is_own(row, self.owner)]
        others = [row for row in rows if not is_own(row, self.owner)]
        adopted = [row for row in others if row["Spec"]["Name"].text() in self.adopts and is_of_docker(row)]
        configs = self.client.configs(self.owner.filters)
        nodes = self.client.nodes()
        of_files = [row for row in own if row["Spec"]["Labels"].texts().get(SERVICE)]
        services = self._services([*adopted, *of_files], configs, nodes)
        return SwarmObserved(
            # Of two with one name in the file, that of the target counts.
            {found.service: found for found in services},
            {one.name: kept for one in configs if (kept := parse_kept(one.labels))},
            frozenset(row["Spec"]["Name"].text() for row in others),
            stacks_of_docker(others),
            {source: self.session.mark(value) for source, value in self.files.items()},
            tuple(nodes.values()),
            stacks_of_targets(others),
        )

    def service(self, service: str) -> ServiceFacts | None:
        """One service, as it is now; None where the swarm has none of its name, or somebody else's."""
        row = find_row(self.client, self.owner, service)
        return None if row is None else self.facts(row)

    def facts(self, row: Field) -> ServiceFacts:
        return self._services([row], self.client.configs(self.owner.filters), self.client.nodes())[0]

    def _services(self, rows: list[Field], configs: list[Stored], nodes: Mapping[str, NodeFacts]) -> list[ServiceFacts]:
        if not rows:
            return []
        known = Known(
            self.client.networks_of(row["Spec"] for row in rows),
            nodes,
            self._secret_marks({name for row in rows for name in _secret_names(row)}),
            {one.name: spec for one in configs if parse_kept(one.labels) and (spec := parse_spec(one.data))},
        )
        tasks: dict[str, list[Field]] = {}
        for task in self.client.tasks([row["ID"].required() for row in rows]):
            tasks.setdefault(task["ServiceID"].text(), []).append(task)
        for row in rows:
            container = row["Spec"]["TaskTemplate"]["ContainerSpec"]
            # As they are sent, and as they were written.
            for values in (variables_of(container), written_variables(container, row["Spec"]["Labels"].texts())):
                self.session.environment.redactor.add(
                    value for key, value in values.items() if key in self.secrets and value
                )
        return [parse_service(row, tasks.get(row["ID"].text(), ()), known, self.session.mark) for row in rows]

    def _secret_marks(self, used: Collection[str]) -> Mapping[str, str]:
        """Name of a used secret -> keyed hash of its value; empty where that is another one than ours."""
        values = {**self.session.env, **self.session.secrets, **self.files}
        return {
            one.name: matching_mark(one.labels, values, self.session.mark)
            for one in self.client.secrets(self.owner.filters)
            if SECRET in one.labels and one.name in used
        }


def first_ids(rows: Sequence[Field], key: str) -> str:
    """The beginnings of the ids of the first rows, and how many more there are. `key` is that of the id in a row."""
    more = f" and {len(rows) - _MOST_IDS} more" if len(rows) > _MOST_IDS else ""
    return ", ".join(row[key].required()[:12] for row in rows[:_MOST_IDS]) + more


def find_row(client: SwarmClient, owner: Owner, service: str) -> Field | None:
    """The service of a target, which has its own name, or that of the stack that it was taken over from."""
    row = client.service(service_name(owner, service))
    if row is not None and is_own(row, owner):
        return row
    labels = {**owner.labels, SERVICE: service}
    found = (row for row in client.services(labels) if row["Spec"]["Labels"].texts().get(SERVICE) == service)
    return next((row for row in found if is_own(row, owner)), None)


def _secret_names(row: Field) -> Iterator[str]:
    return (one["SecretName"].text() for one in row["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"].rows())

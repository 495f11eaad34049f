"""One manager of a swarm: the requests for services, tasks, networks, configs, secrets and nodes, and their errors.

Source: Docker Engine API 1.41.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.printable import printable_line
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.frames import frames
from shipit.targets.engine.label_store import Labelled, config_labels
from shipit.targets.swarm.observed import NodeFacts
from shipit.targets.swarm.spec import NODE_NETWORKS

_TAIL = 20
_LONGEST_NODE = 100
# The content of a config without content: the engine takes none that is empty.
_NOTHING = base64.b64encode(b"-").decode()

_SWARM_SCOPE = json.dumps({"scope": ["swarm"]})


class Stored(NamedTuple):
    """A config or a secret. `data` is base64, and empty for a secret."""

    id: str
    name: str
    labels: Mapping[str, str]
    data: str = ""


class SwarmClient(HostClient):
    """Raises: RemoteError from every method, with the status of the engine and its message.

    Its store of labels has configs, which all managers share.
    """

    @classmethod
    def of(cls, client: HostClient) -> SwarmClient:
        return cls(client.engine, client.host, client.deadline)

    def within(self, seconds: float) -> SwarmClient:
        clock = Clock()
        return SwarmClient(self.engine, self.host, Deadline(clock, clock.now() + seconds))

    def without_deadline(self) -> SwarmClient:
        """The same for what lasts as long as its user wants."""
        return SwarmClient(self.engine, self.host, Deadline(self.deadline.clock))

    def network(self, name: str) -> Field | None:
        return self._found(f"/networks/{name}")

    def check_manager(self) -> Field:
        """The engine's information. Raises: RemoteError where it manages no swarm."""
        info = self.info()
        swarm = info["Swarm"]
        if swarm["ControlAvailable"].flag():
            return info
        if self.engine.is_podman:
            hint = "use a target of kind: docker for it, or name a manager of Docker in host:"
            raise RemoteError("is Podman, which has no swarm", where=self.host, hint=hint)
        state = swarm["LocalNodeState"].text()
        if state == "active":
            raise RemoteError(
                "is a worker of a swarm, not a manager", where=self.host, hint="name one of its managers in host:"
            )
        if state in ("locked", "error"):
            hint = f"docker --host {self.host} swarm unlock" if state == "locked" else f"docker --host {self.host} info"
            said = swarm["Error"].text()
            raise RemoteError(f"the swarm is {state}" + (f": {said}" if said else ""), where=self.host, hint=hint)
        raise RemoteError("is no manager of a swarm", where=self.host, hint=f"docker --host {self.host} swarm init")

    def services(self, labels: Mapping[str, str] | None = None) -> list[Field]:
        """All services, or those with these labels."""
        found = [f"{name}={value}" for name, value in (labels or {}).items()]
        filters = {"filters": json.dumps({"label": found})} if found else {}
        return list(self._json("GET", "/services", {"status": "true", **filters}).rows())

    def service(self, name: str) -> Field | None:
        """The service of a name or id; None where there is none."""
        return self._found(f"/services/{name}")

    def create_service(self, body: Mapping[str, Any], login: str) -> str:
        """The id of the new service; empty where the name is taken. `login` is the value of X-Registry-Auth."""
        answer = self._answer("POST", "/services/create", body=body, accepted=(200, 201, 409), headers=_headers(login))
        return "" if answer.status_code == 409 else self._parsed(answer, "POST /services/create")["ID"].required()

    def update_service(self, service: str, version: int, body: Mapping[str, Any], login: str = "") -> bool:
        """Change a service that has this version; False where it has another one meanwhile."""
        path = f"/services/{service}/update"
        try:
            self._answer("POST", path, {"version": str(version)}, body, headers=_headers(login))
        except RemoteError:
            found = self.service(service)
            if found is not None and found["Version"]["Index"].whole() != version:
                return False
            raise
        return True

    def remove_service(self, service: str) -> None:
        self._answer("DELETE", f"/services/{service}", accepted=(200, 204, 404))

    def tasks(self, services: Sequence[str]) -> list[Field]:
        """The tasks of some services by id, those that ended included, also of services that were just removed."""
        answer = self._answer(
            "GET", "/tasks", {"filters": json.dumps({"service": list(services)})}, accepted=(200, 404)
        )
        if answer.status_code == 404:
            # One of the services is gone, and the filter takes only those that are there.
            answer = self._answer("GET", "/tasks")
        rows = self._parsed(answer, "GET /tasks").rows()
        return [row for row in rows if row["ServiceID"].text() in services]

    def nodes(self) -> dict[str, NodeFacts]:
        """Id -> node. A node tells its own name: what a terminal would obey is escaped, and a long one cut."""
        rows = self._json("GET", "/nodes", {}).rows()
        return {row["ID"].required(): _node(row) for row in rows}

    def networks(self, filters: str = _SWARM_SCOPE) -> dict[str, str]:
        """Id -> name of networks: those of the swarm, unless other filters are given."""
        return self.network_ids(filters)

    def networks_of(self, specs: Iterable[Field]) -> dict[str, str]:
        """The same, with networks of these specs of services that the list does not have: those that every node has."""
        found = self.networks()
        targets = {row["Target"].text() for spec in specs for row in spec["TaskTemplate"]["Networks"].rows()}
        for target in sorted(targets - set(found)):
            network = self.network(target) if target else None
            if network is not None and network["Name"].text() in NODE_NETWORKS:
                found[target] = network["Name"].text()
        return found

    def create_overlay(self, name: str, labels: Mapping[str, str]) -> None:
        self.create_any_network({"Name": name, "Driver": "overlay", "Attachable": True, "Labels": dict(labels)})

    def create_any_network(self, body: Mapping[str, Any]) -> None:
        self._answer("POST", "/networks/create", body={**body, "CheckDuplicate": True}, accepted=(201, 409))

    def remove_overlay(self, network: str) -> bool:
        """False while something uses it."""
        answer = self._answer("DELETE", f"/networks/{network}", accepted=(204, 400, 403, 404, 409))
        return answer.status_code in (204, 404)

    def configs(self, filters: str = "") -> list[Stored]:
        return self._stored("/configs", filters)

    def create_config(self, name: str, labels: Mapping[str, str], data: bytes) -> None:
        """One of this name that exists already stays as it is."""
        body = {"Name": name, "Labels": dict(labels), "Data": base64.b64encode(data).decode() or _NOTHING}
        self._answer("POST", "/configs/create", body=body, accepted=(200, 201, 409))

    def remove_config(self, config: str) -> bool:
        """True when it was there. One that a service uses stays."""
        return self._answer("DELETE", f"/configs/{config}", accepted=(204, 400, 404, 409)).status_code == 204

    def config_labels(self, name: str) -> Mapping[str, str] | None:
        found = self._found(f"/configs/{name}")
        return found["Spec"]["Labels"].texts() if found else None

    def secrets(self, filters: str = "") -> list[Stored]:
        return self._stored("/secrets", filters)

    def create_secret(self, name: str, labels: Mapping[str, str], data: bytes) -> None:
        """One of this name that exists already stays as it is."""
        body = {"Name": name, "Labels": dict(labels), "Data": base64.b64encode(data).decode()}
        self._answer("POST", "/secrets/create", body=body, accepted=(200, 201, 409))

    def remove_secret(self, secret: str) -> bool:
        """True when it was there. One that a service uses stays."""
        return self._answer("DELETE", f"/secrets/{secret}", accepted=(204, 400, 404, 409)).status_code == 204

    def task_log(self, task: str, query: Mapping[str, str]) -> bytes:
        """The output of a task up to now, with times; empty where it is gone."""
        return b"".join(data for _, data in self.task_frames(task, query))

    def task_frames(self, task: str, query: Mapping[str, str]) -> Iterator[tuple[int, bytes]]:
        """Stream (1 is stdout, 2 is stderr) and bytes of the output of a task up to now."""
        wanted = {"stdout": "true", "stderr": "true", "timestamps": "true", **query}
        answer = self._answer("GET", f"/tasks/{task}/logs", wanted, accepted=(200, 404, 500))
        return frames([answer.content]) if answer.status_code == 200 else iter(())

    def task_lines(self, task: str, most: int = _TAIL) -> tuple[str, ...]:
        """The last lines that a task wrote; empty where they can't be read."""
        text = self.task_log(task, {"tail": str(most), "timestamps": "false"}).decode("utf-8", "replace")
        return tuple(text.splitlines()[-most:])

    def put(self, name: str, labels: Mapping[str, str]) -> None:
        self.create_config(name, labels, b"")

    def find_labels(self, name: str) -> Mapping[str, str] | None:
        return self.config_labels(name)

    def list_labelled(self, filters: str) -> Sequence[Labelled]:
        answer = self._answer("GET", "/configs", {"filters": filters})
        return config_labels(self._parsed(answer, "GET /configs"), answer.headers.get("Date", ""))

    def drop(self, name: str) -> bool:
        return self.remove_config(name)

    def _found(self, path: str) -> Field | None:
        answer = self._answer("GET", path, accepted=(200, 404))
        return None if answer.status_code == 404 else self._parsed(answer, f"GET {path}")

    def _stored(self, path: str, filters: str) -> list[Stored]:
        return [
            Stored(
                row["ID"].required(),
                row["Spec"]["Name"].required(),
                row["Spec"]["Labels"].texts(),
                row["Spec"]["Data"].text(),
            )
            for row in self._json("GET", path, {"filters": filters} if filters else {}).rows()
        ]


def _node(row: Field) -> NodeFacts:
    name = printable_line(row["Description"]["Hostname"].text()[:_LONGEST_NODE])
    return NodeFacts(name or row["ID"].text()[:12], row["Status"]["State"].text(), row["Spec"]["Availability"].text())


def _headers(login: str) -> dict[str, str]:
    return {"X-Registry-Auth": login} if login else {}

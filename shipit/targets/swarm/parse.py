"""The engine's answers about services, tasks and kept specs as facts. Pure.

Source: Docker Engine API 1.41: ServiceInspect, TaskList, ConfigList.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from shipit.http.fields import Field
from shipit.json_text import parse_json
from shipit.targets.engine.facts import variables_of
from shipit.targets.engine.made_by import made_by
from shipit.targets.engine.owner import SERVICE, SPEC, VARIABLES
from shipit.targets.swarm.compare import differences, fingerprint_of, mode_of, settings_of
from shipit.targets.swarm.observed import GONE, KeptFacts, NodeFacts, ServiceFacts, TaskFacts
from shipit.targets.swarm.owned import service_in_stack
from shipit.targets.swarm.spec import IMAGE, KEEPS, KEPT, RESTARTED, STACK_IMAGE, STOPPED, USES
from shipit.targets.swarm.templates import text_of

_LONGEST_SAID = 500
# The keys that name another object in a row of a spec.
_NAMES = ("Target", "SecretName", "ConfigName")


class Known(NamedTuple):
    """What the facts of a service need beside its own answer.

    `networks`: id -> name, `nodes`: id -> node. `secrets`: name of a secret -> keyed hash of its value, empty where it is not
    known. `kept`: name -> kept spec.
    """

    networks: Mapping[str, str]
    nodes: Mapping[str, NodeFacts]
    secrets: Mapping[str, str]
    kept: Mapping[str, Mapping[str, Any]]


def parse_service(answer: Field, tasks: Iterable[Field], known: Known, mark: Callable[[str], str]) -> ServiceFacts:
    """The answer of GET /services/{id}. Raises: RemoteError."""
    spec = answer["Spec"]
    labels = spec["Labels"].texts()
    task, update = spec["TaskTemplate"], answer["UpdateStatus"]
    live = settings_of(spec.map(), known.networks)
    kept = known.kept.get(labels.get(KEPT, ""))
    name = spec["Name"].required()
    service = labels.get(SERVICE) or service_in_stack(name, labels)
    drift = differences(settings_of(kept, {}), live) if kept is not None else (GONE,)
    wanted = answer["ServiceStatus"]["DesiredTasks"]
    return ServiceFacts(
        answer["ID"].required(),
        name,
        service,
        labels.get(SPEC, ""),
        task["ContainerSpec"]["Image"].text(),
        labels.get(KEPT, ""),
        fingerprint_of(live, mark),
        _marks(task["ContainerSpec"], labels, known.secrets, mark),
        drift,
        mode_of(spec.map()),
        spec["Mode"]["Replicated"]["Replicas"].whole(),
        -1 if wanted.is_missing else wanted.whole(),
        task["ForceUpdate"].whole(),
        labels.get(RESTARTED, ""),
        update["State"].text(),
        update["Message"].text()[:_LONGEST_SAID],
        answer["UpdatedAt"].text(),
        tuple(sorted((parse_task(row, service, known.nodes) for row in tasks), key=lambda one: (one.name, one.since))),
        stopped_count(answer["Spec"]),
        SERVICE in labels,
        # With another spec than the kept one, the last change was not that of a run.
        made_by({} if drift else labels, answer["UpdatedAt"].text()),
    )


def stopped_count(spec: Field) -> int:
    """The number of tasks of a service that shipit stopped; 0 for one that has tasks, or that others scaled down."""
    text = spec["Labels"].texts().get(STOPPED, "")
    is_number = text.isascii() and text.isdigit() and len(text) < 6
    return int(text) if is_number and not spec["Mode"]["Replicated"]["Replicas"].whole() else 0


def parse_task(row: Field, service: str, nodes: Mapping[str, NodeFacts]) -> TaskFacts:
    """A task of a list."""
    status, container = row["Status"], row["Spec"]["ContainerSpec"]
    node = row["NodeID"].text()
    node_name = nodes[node].name if node in nodes else node
    slot = row["Slot"].whole()
    said = status["Err"].text() or ("" if status["State"].text() == "running" else status["Message"].text())
    return TaskFacts(
        row["ID"].required(),
        f"{service}.{slot or node_name}",
        node_name,
        status["State"].text(),
        row["DesiredState"].text(),
        said[:_LONGEST_SAID],
        status["ContainerStatus"]["ExitCode"].whole(),
        status["ContainerStatus"]["ContainerID"].text(),
        container["Image"].text(),
        container["Labels"].texts().get(KEPT, ""),
        row["Spec"]["ForceUpdate"].whole(),
        row["CreatedAt"].text(),
    )


def written_variables(container: Field, labels: Mapping[str, str]) -> Mapping[str, str | None]:
    """Variables as they were written; None for what Swarm expands although deploy.yml means it as it is, as earlier versions sent it.

    `labels` are those of the service: one of a stack file has docker's templates.
    """
    values = variables_of(container)
    return values if STACK_IMAGE in labels else {name: text_of(value) for name, value in values.items()}


def _marks(
    container: Field, labels: Mapping[str, str], secrets: Mapping[str, str], mark: Callable[[str], str]
) -> dict[str, str]:
    values = written_variables(container, labels)
    files = {
        row["File"]["Name"].text(): secrets.get(row["SecretName"].text(), "") for row in container["Secrets"].rows()
    }
    names = labels.get(VARIABLES, "").split(",")
    found = {name: "" if values[name] is None else mark(str(values[name])) for name in names if name in values}
    return {**found, **{name: files[name] for name in names if name in files}}


def parse_kept(labels: Mapping[str, str]) -> KeptFacts | None:
    """A kept spec by the labels of its config; None for another config."""
    if KEEPS not in labels:
        return None
    uses = tuple(name for name in labels.get(USES, "").split(",") if name)
    return KeptFacts(labels[KEEPS], labels.get(IMAGE, ""), uses)


def parse_spec(data: str) -> Mapping[str, Any] | None:
    """The spec in the data of a config; None where it has none that can be sent."""
    try:
        found = parse_json(base64.b64decode(data, validate=True))
    except (ValueError, binascii.Error):
        return None
    return found if isinstance(found, dict) and _is_spec(found) else None


def _is_spec(found: Mapping[str, Any]) -> bool:
    task = found.get("TaskTemplate")
    container = task.get("ContainerSpec") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(container, dict) or not isinstance(found.get("Labels"), dict):
        return False
    mode, lists = found.get("Mode"), (task.get("Networks"), container.get("Secrets"), container.get("Configs"))
    return isinstance(mode, dict) and _are_maps(list(mode.values())) and all(_are_maps(rows or []) for rows in lists)


def _are_maps(rows: Any) -> bool:
    """True for a list of maps of which each value that is used as a name is text."""
    is_list = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    return is_list and all(isinstance(row.get(name, ""), str) for row in rows for name in _NAMES)

"""The engine's answers about containers and images as facts. Pure.

Source: Docker Engine API 1.41: ContainerInspect, ContainerList, ImageList.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from shipit.http.fields import Field
from shipit.targets.docker.observed import ContainerFacts, Foreign
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.facts import container_address, last_said, undecided_for_s, variables_of
from shipit.targets.engine.made_by import made_by
from shipit.targets.engine.owner import IMAGE, IMAGE_ID, NUMBER, SERVICE, SPEC, VARIABLES


def parse_container(answer: Field, mark: Callable[[str], str]) -> ContainerFacts:
    """The answer of GET /containers/{id}/json. Raises: RemoteError."""
    config, state = answer["Config"], answer["State"]
    labels = config["Labels"].texts()
    values = variables_of(config)
    health = state["Health"]
    number = labels.get(NUMBER, "")
    bindings = answer["HostConfig"]["PortBindings"]
    return ContainerFacts(
        answer["Id"].required(),
        answer["Name"].text().lstrip("/"),
        labels.get(SERVICE, ""),
        int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0,
        labels.get(SPEC, ""),
        _image(answer, labels),
        {name: mark(values[name]) for name in labels.get(VARIABLES, "").split(",") if name in values},
        state["Status"].text(),
        health["Status"].text() if health["Status"].text() != "none" else "",
        last_said(health),
        answer["RestartCount"].whole(),
        state["ExitCode"].whole(),
        state["Error"].text(),
        state["OOMKilled"].flag(),
        state["StartedAt"].text(),
        container_address(answer["NetworkSettings"]),
        is_fixed=any(row["HostPort"].text() not in ("", "0") for _, rows in bindings.items() for row in rows.rows()),
        finished_at=state["FinishedAt"].text(),
        made=made_by(labels, answer["Created"].text()),
        undecided_s=undecided_for_s(answer),
    )


def _image(answer: Field, labels: Mapping[str, str]) -> str:
    """The pinned image. One that runs by an id has it in a label, which counts only while the container has this id."""
    used = answer["Config"]["Image"].text()
    identity = labels.get(IMAGE_ID)
    return labels.get(IMAGE, used) if identity and identity in (used, answer["Image"].text()) else used


# Podman lists the ports of these, too, which nobody has meanwhile.
_AT_REST = ("created", "configured", "initialized", "exited", "stopped", "dead")


def parse_foreign(row: Field) -> Foreign:
    """A container of a list that is not of this target, with the ports that it has now."""
    names = [name.text().lstrip("/") for name in row["Names"].rows()]
    ports = [
        Publish(port["PrivatePort"].whole(), port["PublicPort"].whole(), port["IP"].text(), port["Type"].text("tcp"))
        for port in row["Ports"].rows()
        if port["PublicPort"].whole() and row["State"].text() not in _AT_REST
    ]
    return Foreign(names[0] if names else row["Id"].text()[:12], tuple(ports))


def image_ids(answer: Field) -> Iterator[str]:
    """The ids in the answer of GET /images/json."""
    return (row["Id"].text() for row in answer.rows())

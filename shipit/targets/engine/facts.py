"""Facts of containers and images in the answers of an engine. Pure.

Source: Docker Engine API 1.41: ContainerInspect, ImageList.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from shipit.errors import ShipitError
from shipit.http.fields import Field
from shipit.reference import parse_reference
from shipit.targets.engine.healthcheck import Healthcheck, undecided_s


def variables_of(config: Field) -> dict[str, str]:
    """Name -> value of the variables of a container, those of its image included."""
    pairs = (row.text().partition("=") for row in config["Env"].rows())
    return {name: value for name, equals, value in pairs if equals}


def pinned_images(answer: Field) -> Iterator[str]:
    """The pinned images in the answer of GET /images/json, with the names that shipit gives them."""
    for row in answer.rows():
        for name in row["RepoDigests"].rows():
            try:
                found = parse_reference(name.text())
            except ShipitError:
                continue
            if found.digest:
                yield f"{found.name}@{found.digest}"


def has_ended(row: Field) -> bool:
    """True for a row of GET /containers/json whose container does not run, and is not started again by the engine."""
    return row["State"].text() in ("exited", "created", "dead")


def last_said(health: Field) -> str:
    """The end of what the health check of a container said last."""
    said = [row["Output"].text().strip() for row in health["Log"].rows()]
    return said[-1][-200:] if said else ""


def undecided_for_s(answer: Field) -> float:
    """Seconds that the health check of a container may take until it decides; 0 where it has decided, or there is none."""
    check = answer["Config"]["Healthcheck"]
    if answer["State"]["Health"]["Status"].text() != "starting":
        return 0.0
    times = (max(0, check[name].whole()) for name in ("Interval", "Timeout", "Retries", "StartPeriod"))
    return undecided_s(Healthcheck((), *times))


def container_address(settings: Field) -> str:
    """The first IP address of the container; empty while it does not run, and for text that is no address."""
    found = (network["IPAddress"].text() for _, network in sorted(settings["Networks"].items()))
    return next((address for address in found if _is_address(address)), "")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def published_port(binding: Field) -> int:
    """The port of the host in a binding of a container; 0 for text that is no port."""
    text = binding["HostPort"].text()
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return port if port < 65536 else 0


def name_of(row: Field) -> str:
    """The first name in a row of GET /containers/json; the id of a container without one."""
    name = next((name.text() for name in row["Names"].rows()), "").lstrip("/")
    return name or row["Id"].required()

"""A compose file as `docker compose config --format json` gives it: merged, interpolated, with absolute paths. Pure.

Source: Compose specification, 05-services.md; docs.docker.com/reference/cli/docker/compose/config.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json
from shipit.targets.engine.own_images import BuildFacts

WHERE = "docker compose config"
GIVEN = ("secrets", "configs")
_MOST_SERVICES = 1000


class ServiceFacts(NamedTuple):
    """A service of the file. `quantity` is None where the file does not say it. `env` has the values of its variables.

    `restart` is empty where the file does not say it. `is_awaited` is whether another service starts when it has ended with 0.
    `needs` are the services that start before it, and `follows` those of them with which it is restarted. `awaits`: service that
    it can't do without -> the condition in which that has to be. `alone` is why there can be one container of it only; empty where
    there can be several. `volumes` are those, and folders of the host, that it writes to. `claims` are
    the name and the TCP ports of the host that only one container can have, as phrases of a message.
    `given` are the secrets and configs that it gets: `secrets` or `configs`, and a name.
    """

    name: str
    image: str = ""
    build: BuildFacts | None = None
    quantity: int | None = None
    restart: str = ""
    env: Mapping[str, str] = {}
    is_awaited: bool = False
    needs: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()
    awaits: Mapping[str, str] = {}
    alone: str = ""
    volumes: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()

    @property
    def may_end(self) -> bool:
        """True where a container that ended with 0 is healthy."""
        return self.is_awaited or self.restart == "no" or self.restart.startswith("on-failure")


class ComposeFile(NamedTuple):
    """`text` is the JSON as a value. It may hold secrets. `unset` are variables that the file names, and that have no value."""

    text: Mapping[str, Any]
    services: Mapping[str, ServiceFacts]
    unset: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """Name -> row of `secrets` or `configs`."""
        return self.text.get(kind) or {}


def parse_file(output: bytes) -> ComposeFile:
    """Raises: RemoteError for an output that is no compose file."""
    try:
        value = parse_json(output)
    except ValueError:
        raise RemoteError("the output is not JSON", where=WHERE, hint="update the Compose plugin of docker") from None
    found = Field(value, WHERE)
    rows = dict(found["services"].items())
    if len(rows) > _MOST_SERVICES:
        raise RemoteError(f"the file has more than {_MOST_SERVICES} services", where=WHERE)
    for kind in GIVEN:
        for _, row in found[kind].items():
            row.present().map()
            row["environment"].text()
            row["content"].text()
    awaited = {name for row in rows.values() for name in _awaited(row)}
    services = {name: _service(name, row, name in awaited, rows) for name, row in rows.items()}
    for name, other in _shared(rows):
        if name in services and not services[name].alone:
            services[name] = services[name]._replace(alone=f"{other} runs in its namespaces")
    return ComposeFile(found.map(), services)


def _awaited(row: Field) -> Iterator[str]:
    for name, wanted in row["depends_on"].items():
        if wanted["condition"].text() == "service_completed_successfully":
            yield name


def _shared(rows: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    """Service -> another that runs in its network, or in another namespace of it: both are replaced together."""
    for other, row in rows.items():
        for key in ("network_mode", "ipc", "pid"):
            kind, _, name = row[key].text().partition(":")
            if kind == "service":
                yield name, other


def _alone(row: Field) -> str:
    """Why there can't be two containers of a service; empty where there can be."""
    if name := row["container_name"].text():
        return f"it has container_name: {name}"
    if row["network_mode"].text() == "host":
        return "it has network_mode: host"
    if ports := list(_fixed_ports(row)):
        return f"it publishes the port {ports[0][0]} of the host"
    for name, network in row["networks"].items():
        if address := network["ipv4_address"].text() or network["ipv6_address"].text():
            return f"it has the address {address} in the network {name}"
    return ""


def _fixed_ports(row: Field) -> Iterator[tuple[str, str]]:
    """Port of the host, and protocol, where it is not one of a range."""
    for port in row["ports"].rows():
        if (published := _text_or_whole(port["published"])) and "-" not in published:
            yield published, port["protocol"].text("tcp")


def _claims(row: Field) -> Iterator[str]:
    if name := row["container_name"].text():
        yield f"the name {name}"
    yield from (f"the port {port}" for port, protocol in _fixed_ports(row) if protocol == "tcp")


def _text_or_whole(value: Field) -> str:
    """A port, which Compose writes as text, and its first releases as a number. 0 is any port."""
    text = value.text() if value.is_text or value.is_missing else str(value.whole())
    return "" if text == "0" else text


def _written_to(row: Field) -> Iterator[str]:
    """The volumes and folders of the host that a service writes to."""
    for one in row["volumes"].rows():
        if one["type"].text() in ("volume", "bind") and one["source"].text() and not one["read_only"].flag():
            yield plain(one["source"].text())


def _service(name: str, row: Field, is_awaited: bool, names: Collection[str]) -> ServiceFacts:
    build = None if row["build"].is_missing else _build(row["build"])
    replicas, scale = row["deploy"]["replicas"], row["scale"]
    quantity = (
        None
        if replicas.is_missing and scale.is_missing
        else (scale.whole() if replicas.is_missing else replicas.whole())
    )
    env = {key: plain(value.text()) for key, value in row["environment"].items() if not value.is_missing}
    # One that is not required may be of a profile that is not used.
    needs = tuple(other for other in sorted(row["depends_on"].map()) if other in names)
    follows = tuple(other for other in needs if row["depends_on"][other]["restart"].flag())
    given = tuple((kind, one["source"].required()) for kind in GIVEN for one in row[kind].rows())
    row["labels"].texts()
    image, restart = plain(row["image"].text()), _restart(row)
    found = ((other, wanted) for other, wanted in row["depends_on"].items() if _is_required(wanted))
    awaits = {other: wanted["condition"].text("service_started") for other, wanted in found}
    volumes = tuple(sorted(set(_written_to(row))))
    alone, claims = _alone(row), tuple(_claims(row))
    return ServiceFacts(
        name, image, build, quantity, restart, env, is_awaited, needs, follows, given, awaits, alone, volumes, claims
    )


def _restart(row: Field) -> str:
    """The policy that Compose gives the engine: that of `deploy:` comes first. Its condition is `any` when absent."""
    if row["deploy"]["restart_policy"].is_missing:
        return row["restart"].text()
    condition = row["deploy"]["restart_policy"]["condition"].text("any")
    return {"none": "no", "any": "always"}.get(condition, condition)


def _is_required(wanted: Field) -> bool:
    return wanted["required"].is_missing or wanted["required"].flag()


def _build(row: Field) -> BuildFacts:
    context = plain(row["context"].text())
    # A relative path is one of the context; an absolute one stays as it is.
    dockerfile = PurePath(context, plain(row["dockerfile"].text("Dockerfile")))
    return BuildFacts(context, str(dockerfile), row["target"].text())


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a value of the file."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from texts_of(item)


def plain(text: str) -> str:
    """A value of the file as a container gets it: `$` is written as `$$` there."""
    return text.replace("$$", "$")


def written(text: str) -> str:
    """A value as the file has to hold it."""
    return text.replace("$", "$$")

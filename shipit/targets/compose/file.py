"""A compose file as `docker compose config --format json` gives it: merged, interpolated, with absolute paths. Pure.

Source: Compose specification, 05-services.md; docs.docker.com/reference/cli/docker/compose/config.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json

WHERE = "docker compose config"
GIVEN = ("secrets", "configs")
_MOST_SERVICES = 1000


class BuildFacts(NamedTuple):
    """The `build` of a service: absolute paths, and the stage; empty for the last one."""

    context: str
    dockerfile: str
    stage: str = ""


class ServiceFacts(NamedTuple):
    """A service of the file. `quantity` is None where the file does not say it. `env` has the values of its variables.

    `restart` is empty where the file does not say it. `is_awaited` is whether another service starts when it has ended with 0.
    `needs` are the services that start before it, and `follows` those of them with which it is restarted.
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

    @property
    def may_end(self) -> bool:
        """True where a container that ended with 0 is healthy."""
        return self.is_awaited or self.restart == "no" or self.restart.startswith("on-failure")


class ComposeFile(NamedTuple):
    """`text` is the JSON as a value. It may hold secrets."""

    text: Mapping[str, Any]
    services: Mapping[str, ServiceFacts]

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
    return ComposeFile(found.map(), {name: _service(name, row, name in awaited) for name, row in rows.items()})


def _awaited(row: Field) -> Iterator[str]:
    for name, wanted in row["depends_on"].items():
        if wanted["condition"].text() == "service_completed_successfully":
            yield name


def _service(name: str, row: Field, is_awaited: bool) -> ServiceFacts:
    build = None if row["build"].is_missing else _build(row["build"])
    replicas, scale = row["deploy"]["replicas"], row["scale"]
    quantity = (
        None
        if replicas.is_missing and scale.is_missing
        else (scale.whole() if replicas.is_missing else replicas.whole())
    )
    env = {key: plain(value.text()) for key, value in row["environment"].items() if not value.is_missing}
    needs = tuple(sorted(row["depends_on"].map()))
    follows = tuple(other for other in needs if row["depends_on"][other]["restart"].flag())
    given = tuple((kind, one["source"].required()) for kind in GIVEN for one in row[kind].rows())
    row["labels"].texts()
    image, restart = plain(row["image"].text()), row["restart"].text()
    return ServiceFacts(name, image, build, quantity, restart, env, is_awaited, needs, follows, given)


def _build(row: Field) -> BuildFacts:
    context = plain(row["context"].text())
    # A relative path is one of the context; an absolute one stays as it is.
    dockerfile = PurePath(context, plain(row["dockerfile"].text("Dockerfile")))
    return BuildFacts(context, str(dockerfile), row["target"].text())


def plain(text: str) -> str:
    """A value of the file as a container gets it: `$` is written as `$$` there."""
    return text.replace("$$", "$")


def written(text: str) -> str:
    """A value as the file has to hold it."""
    return text.replace("$", "$$")

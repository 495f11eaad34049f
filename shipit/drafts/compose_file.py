"""A Compose file as the kinds that run it see it in `shipit init`: its services, and the variables that it takes from outside.

Source: Compose specification (05-services.md, deploy.md, 12-interpolation.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shipit.drafts.compose_services import read_services
from shipit.drafts.files import FileFacts
from shipit.drafts.kind import Folder
from shipit.drafts.reading import read_text, read_yaml_as_text
from shipit.drafts.values import as_list, as_map, as_text

_NAME = re.compile(r"(docker-)?compose[^/]*\.ya?ml")
_VARIABLE = re.compile(r"(?<!\$)(?:\$\$)*\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::?\?[^}]*)?\}|([A-Za-z_][A-Za-z0-9_]*))")
# The file that Compose takes variables from.
DOTENV = ".env"
_DOTENV_NAME = re.compile(r"(?m)^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")
# Keys of `deploy` that only a swarm follows.
_OF_A_SWARM = frozenset({"endpoint_mode", "mode", "placement", "rollback_config", "update_config"})
# In the TODO of `init` for a service with several ports.
ONE_PORT = "only port"
# The TODO of `init` for services of which it takes nothing.
_STAYS = ("which is not in this folder", "not read", "runs only with")


class ComposeFacts(NamedTuple):
    """`file` is empty where the project has no Compose file with a service that is built here, nor one whose services all run images of others.

    `services`: name -> its keys, with every scalar as text. `variables` are names of variables that the file takes from
    outside, without those of `.env`. `todo` is what its reader has to know whatever runs the services. `has_override` is whether
    there is a file that Compose merges over it, which `init` does not read.
    """

    file: str = ""
    services: Mapping[str, Mapping[str, Any]] = {}
    variables: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    has_override: bool = False

    @property
    def is_for_a_swarm(self) -> bool:
        return any(_OF_A_SWARM & set(as_map(service.get("deploy"))) for service in self.services.values())


def read_compose_facts(folder: Folder) -> ComposeFacts:
    """The Compose file that `init` has read in a project, if a service of it is built here."""
    found = next((file for file in folder.files if _NAME.fullmatch(file.file) and file.images), FileFacts())
    return _read(folder, found, _services(folder, found.file)) if found.file else ComposeFacts()


def read_foreign_facts(folder: Folder) -> ComposeFacts:
    """The Compose file that `init` has read in a project, if each of its services runs an image of others.

    A service that extends one outside of the project may be built: its TODO says so.
    """
    for found in folder.files:
        services = _services(folder, found.file) if _NAME.fullmatch(found.file) else {}
        if services and all("build" not in own and ("image" in own or "extends" in own) for own in services.values()):
            return _read(folder, found, services)
    return ComposeFacts()


def _services(folder: Folder, file: str) -> dict[str, dict[str, Any]]:
    return read_services(folder.root, file).services if file else {}


def _read(folder: Folder, found: FileFacts, services: Mapping[str, Mapping[str, Any]]) -> ComposeFacts:
    data = _without_builds(read_yaml_as_text(folder.root / found.file))
    known = dotenv_names(folder.root)
    variables = dict.fromkeys([*_interpolated(data), *(name for own in services.values() for name in _passed(own))])
    todo = tuple(text for text in found.todo if any(part in text for part in _STAYS))
    return ComposeFacts(found.file, services, tuple(name for name in variables if name not in known), todo)


def dotenv_names(root: Path) -> frozenset[str]:
    """The variables of the file that Compose takes variables from."""
    return frozenset(_DOTENV_NAME.findall(read_text(root / DOTENV)))


def with_defaults(text: str) -> str:
    """Text with `${NAME:-default}` and `${NAME-default}` replaced by the default."""
    return re.sub(r"\$\{[A-Za-z_][A-Za-z0-9_]*:?-([^${}]*)\}", r"\1", text)


def other_todo(todo: tuple[str, ...], facts: ComposeFacts) -> tuple[str, ...]:
    """The TODO lines of a project without those that tell what deploy.yml does not take from the Compose file."""
    prefix = f"{facts.file}: "
    own = tuple(f"{prefix}{text}" for text in facts.todo)
    return (*own, *(line for line in todo if not line.startswith(prefix)))


def _without_builds(data: Mapping[str, Any]) -> dict[str, Any]:
    """A file without `build` of its services: shipit builds their images, with the arguments of deploy.yml."""
    services = {
        name: {key: value for key, value in own.items() if key != "build"} if isinstance(own, dict) else own
        for name, own in as_map(data.get("services")).items()
    }
    return {**data, "services": services}


def _interpolated(value: Any) -> Iterator[str]:
    """The variables in the values of a file that have no default."""
    if isinstance(value, str):
        yield from (braced or bare for braced, bare in _VARIABLE.findall(value))
    for item in value.values() if isinstance(value, dict) else as_list(value):
        yield from _interpolated(item)


def _passed(service: Mapping[str, Any]) -> Iterator[str]:
    """The variables of `environment` that have no value in the file: they are those of whoever starts it."""
    listed = service.get("environment")
    for item in as_list(listed):
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", as_text(item)):
            yield item
    for name, value in as_map(listed).items():
        if value is None and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield name

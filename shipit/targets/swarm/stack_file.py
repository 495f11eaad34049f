"""Reads the stack file of a target: a compose file as `docker stack deploy` takes it, without any program."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from shipit.config.document import Mapping_, Value, parse_document
from shipit.config.position import Position
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.secret_names import is_secret_name
from shipit.config.source import Source, Texts
from shipit.errors import ConfigErrors, ShipitError
from shipit.targets.swarm.contents import LARGEST, content_of
from shipit.targets.swarm.stack_environment import read_environment
from shipit.targets.swarm.stack_node import Node, Report
from shipit.targets.swarm.stack_service import StackService, read_service
from shipit.targets.swarm.stack_top import Top, read_top
from shipit.targets.swarm.stack_variables import Variables, filled

_TOP = ("configs", "networks", "secrets", "services", "version", "volumes")
_MOST_SERVICES = 1000


class StackFile(NamedTuple):
    """`unused` are the keys in it without an effect in a swarm."""

    services: Mapping[str, StackService]
    unused: tuple[str, ...]


def read_stack(target: str, file: str, stack: str, project: Project, environment: ProcessEnvironment) -> StackFile:
    """`stack` is the beginning of the names of its networks and volumes. Raises: ConfigErrors with every mistake."""
    try:
        data = project.folder.read(file, max_bytes=1024 * 1024)
    except ShipitError as error:
        raise ConfigErrors([project.problem(("targets", target, "file"), f"{file} {error.what}")]) from None
    tree = parse_document(data, file)
    texts = Texts()
    texts[file] = data
    report = Report(Source(file, texts, tree))
    variables = Variables(project.env, project.variables, project.secrets_for(target))
    found = _read(filled(tree, variables, report.add), stack, report, project, variables)
    if report.problems:
        raise ConfigErrors(report.problems)
    for service in found.services.values():
        values = service.environment.values
        environment.redactor.add(value for name, value in values.items() if is_secret_name(name))
    return found


def _read(tree: Value, stack: str, report: Report, project: Project, variables: Variables) -> StackFile:
    at = tree.at if isinstance(tree, Mapping_) else Position(1, 1, 1, tree.at.file)
    keys = Node(tree, at, report).fields(_TOP, ("name",), {"include": "write its services here"})
    version = keys["version"].text("3")
    if not version.startswith("3"):
        keys["version"].wrong("should be 3, or 3.x", "docker stack deploy takes no other version")
    top = read_top(keys, stack)
    rows = keys["services"].items()
    if not rows or len(rows) > _MOST_SERVICES:
        keys["services"].wrong(f"should have services, at most {_MOST_SERVICES}")
    contents = _contents(keys["configs"], top, project)
    environment = partial(read_environment, variables=variables, read=partial(_env_file, project))
    services = {
        name: read_service(name, node, top, stack, contents, environment)
        for name, node in list(rows.items())[:_MOST_SERVICES]
    }
    return StackFile(services, tuple(sorted(set(report.unused))))


def _contents(node: Node, top: Top, project: Project) -> dict[str, str]:
    """Path of each file of a config -> the hash of its bytes."""
    found: dict[str, str] = {}
    for name, given in top.configs.items():
        place = node.items().get(name, node)
        if given.file and (data := _bytes(project, place, given.file)) is not None:
            found[given.file] = content_of(data)
            if not data:
                place.wrong(f"{given.file} is empty, and a swarm takes no empty config")
    return found


def _env_file(project: Project, node: Node, path: str) -> str:
    data = _bytes(project, node, path) or b""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        node.wrong(f"{path} is not UTF-8")
        return ""


def _bytes(project: Project, node: Node, path: str) -> bytes | None:
    try:
        return project.folder.read(path, max_bytes=LARGEST)
    except ShipitError as error:
        node.wrong(f"{path} {error.what}")
        return None

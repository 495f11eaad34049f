"""The Docker hosts of a new deploy.yml: the servers of Kamal's file, or the docker context of another machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import docker_folder, find_engine
from shipit.drafts.files import ProjectFacts
from shipit.drafts.kamal_file import read_kamal_file
from shipit.drafts.kind import NONE, Choice, Detection, Folder, KindDraft, Question, TargetDraft
from shipit.drafts.reading import read_json
from shipit.drafts.text import process_keys, yaml_name, yaml_text
from shipit.drafts.values import as_list, as_map, as_port, as_text, free_name

_HOST = re.compile(r"(unix|tcp|ssh)://[^\s,]+|context:[^\s,]+")
_SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_SSH_PORT = 22
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def detect(folder: Folder) -> Detection:
    """The servers of Kamal's file as one place; the engines of other machines that docker contexts name."""
    servers = kamal_hosts(read_kamal_file(folder.root))
    contexts = {name: f"context:{name}" for name in _remote_contexts(folder.environ)}
    if servers:
        joined = ", ".join(servers)
        return Detection(places={"config/deploy.yml": joined, **contexts}, current=joined, is_expected=True)
    address = find_engine(folder.environ.variables, folder.environ.home, lambda text: None)
    is_remote = address.host.startswith(("ssh://", "tcp://")) and address.origin == "DOCKER_HOST"
    return Detection(places=contexts, current=address.host if is_remote else "")


def kamal_hosts(data: dict[str, Any]) -> tuple[str, ...]:
    """The servers of Kamal's file as addresses of engines."""
    servers = data.get("servers")
    lists = servers.values() if isinstance(servers, dict) else [servers]
    names = [host for row in lists for host in as_list(as_map(row).get("hosts") if isinstance(row, dict) else row)]
    hosts = [str(next(iter(host), "")) if isinstance(host, dict) else as_text(host) for host in names]
    user = as_text(as_map(data.get("ssh")).get("user")) or "root"
    if not _USER.fullmatch(user):
        return ()
    port = as_port(as_text(as_map(data.get("ssh")).get("port")))
    suffix = f":{port}" if port and port != _SSH_PORT else ""
    return tuple(dict.fromkeys(f"ssh://{user}@{host}{suffix}" for host in hosts if _SERVER.fullmatch(host)))


def _remote_contexts(environ: ProcessEnvironment) -> Iterator[str]:
    """The docker contexts of other machines."""
    folder = docker_folder(environ.variables, environ.home) / "contexts/meta"
    files = sorted(folder.glob("*/meta.json")) if folder.is_dir() else []
    for file in files[:100]:
        meta = read_json(Path(file))
        name, host = as_text(meta.get("Name")), as_text(as_map(as_map(meta.get("Endpoints")).get("docker")).get("Host"))
        if host.startswith(("ssh://", "tcp://")) and _HOST.fullmatch(f"context:{name}"):
            yield name


def choose(project: ProjectFacts, found: Detection) -> Choice | None:
    """The servers of Kamal's file, or the engine of another machine that DOCKER_HOST names."""
    return Choice(found.current) if found.current else None


def question(project: ProjectFacts, found: Detection) -> Question | None:
    if not found.places and not found.current:
        return None
    text = f"Docker hosts, such as ssh://deploy@web1 ({NONE}: not to Docker hosts)"
    return Question(text, found.current or NONE, _check)


def _check(text: str) -> str:
    is_valid = all(_HOST.fullmatch(part.strip()) for part in text.split(","))
    return "" if is_valid else "should be ssh://USER@HOST or context:NAME, several with commas"


def render(project: ProjectFacts, found: Detection, choice: Choice) -> TargetDraft:
    """The target, with a service for each process."""
    hosts = f"hosts: [{', '.join(yaml_text(part.strip()) for part in choice.place.split(','))}]"
    if len(project.processes) <= 1:
        parts = [hosts, *(part for process in project.processes.values() for part in process_keys(process, fewest=1))]
        return TargetDraft((f"  docker: {{{', '.join(parts)}}}",))
    services: dict[str, str] = {}
    for name, process in project.processes.items():
        image = [f"image: {yaml_name(project.process_images[name])}"] if len(project.images) > 1 else []
        key = free_name(name, services, 36)
        services[key] = f"      {yaml_name(key)}: {{{', '.join([*image, *process_keys(process, fewest=1)])}}}"
    # Kamal runs a role on its own servers only.
    note = "    # each host runs every service" if "," in choice.place else ""
    return TargetDraft(("  docker:", f"    {hosts}{note}", "    services:", *services.values()))


DRAFT = KindDraft("docker", detect, choose, question, render, needs_repository=False)

"""Facts from fly.toml.

Source: fly.io/docs/reference/configuration.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shipit.drafts.files import Build, FileFacts, Process
from shipit.drafts.reading import has_dockerfile, read_toml, unreadable
from shipit.drafts.values import as_list, as_map, as_port, as_text, listed, not_taken, slug
from shipit.drafts.variables import invalid_names, sorted_variables

_TAKEN = frozenset({"app", "build", "env", "processes", "http_service", "services", "deploy", "vm"})
# Settings of the machine, which the new place has its own for.
_NOTHING_TO_SAY = frozenset({"primary_region", "kill_signal", "kill_timeout", "console_command"})
# Keys of maps that are taken, or have nothing to say.
_TAKEN_OF = {
    "http_service": frozenset({"internal_port", "processes", "checks", "protocol"}),
    "services": frozenset({"internal_port", "processes", "checks", "http_checks", "protocol", "ports"}),
    "deploy": frozenset({"release_command"}),
    "vm": frozenset({"processes"}),
}


def read_fly(root: Path) -> FileFacts:
    """The image, its variables, processes, port, health check and release command."""
    data = read_toml(root / "fly.toml")
    if not data:
        return unreadable("fly.toml", root / "fly.toml")
    build = _build(as_map(data.get("build")))
    images = (("web", build),) if build and has_dockerfile(root, build) else ()
    values = {
        str(name): str(value) for name, value in as_map(data.get("env")).items() if isinstance(value, str | int | float)
    }
    env, secrets, invalid = sorted_variables(values)
    port, health = _served(data)
    commands = {str(name): as_text(command).strip() for name, command in as_map(data.get("processes")).items()}
    serving = _serving(data, commands)
    processes = [
        Process(
            "web" if name == serving else slug(name),
            images[0][1] if images else None,
            command,
            port if name == serving else 0,
            health if name == serving else "",
        )
        for name, command in (commands or {"app": ""}).items()
    ]
    return FileFacts(
        file="fly.toml",
        app=as_text(data.get("app")),
        images=images,
        processes=tuple(processes),
        release=as_text(as_map(data.get("deploy")).get("release_command")).strip(),
        env=tuple((name, value) for name, value in env if name != "PORT"),
        secrets=secrets,
        todo=(*_todo(data), *invalid_names(invalid)),
    )


def _build(build: Mapping[str, Any]) -> Build | None:
    file = as_text(build.get("dockerfile")) or "Dockerfile"
    if build.get("image") or build.get("builder") or build.get("buildpacks"):
        return None
    args = tuple((str(key), str(value)) for key, value in as_map(build.get("args")).items())
    return Build(".", posixpath.normpath(file), as_text(build.get("build-target")), args)


def _served(data: Mapping[str, Any]) -> tuple[int, str]:
    """The port inside the container, and the path of an HTTP check."""
    services = [as_map(data.get("http_service")), *map(as_map, as_list(data.get("services")))]
    port = next((port for service in services if (port := as_port(service.get("internal_port")))), 0)
    checks = [
        as_map(check)
        for service in services
        for check in [*as_list(service.get("checks")), *as_list(service.get("http_checks"))]
    ] + [as_map(check) for check in as_map(data.get("checks")).values()]
    path = next((path for check in checks if (path := as_text(check.get("path"))).startswith("/")), "")
    return port, path if port else ""


def _serving(data: Mapping[str, Any], commands: Mapping[str, str]) -> str:
    """The process that serves requests."""
    named = [str(item) for item in as_list(as_map(data.get("http_service")).get("processes"))]
    return next((name for name in (*named, "web", "app") if name in commands), next(iter(commands), "app"))


def _todo(data: Mapping[str, Any]) -> Iterator[str]:
    build = as_map(data.get("build"))
    for key in ("image", "builder", "buildpacks"):
        if build.get(key):
            yield f"build.{key}: shipit builds from a Dockerfile, or takes an image by use:"
    left = [str(key) for key in data if key not in _TAKEN | _NOTHING_TO_SAY]
    if left:
        yield listed(left)
    for name, taken in _TAKEN_OF.items():
        parts = data.get(name)
        keys = dict.fromkeys(key for part in (parts if isinstance(parts, list) else [parts]) for key in as_map(part))
        yield from not_taken(name, keys, taken)
    yield "secrets that fly keeps are not in the file: name them under secrets"

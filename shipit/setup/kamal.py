"""Facts from Kamal's config/deploy.yml.

Source: kamal-deploy.org/docs/configuration.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shipit.drafts.files import Build, FileFacts, Process
from shipit.drafts.kamal_file import FILE, read_kamal_file
from shipit.drafts.reading import has_dockerfile, unreadable
from shipit.drafts.values import as_list, as_map, as_port, as_text, listed, not_taken, slug
from shipit.drafts.variables import invalid_names, sorted_variables

_TAKEN = frozenset({"service", "image", "servers", "registry", "env", "builder", "proxy", "accessories", "ssh"})
# Keys of maps that are taken, or have nothing to say.
_TAKEN_OF = {
    "builder": frozenset({"args", "context", "dockerfile", "target", "arch"}),
    "proxy": frozenset({"app_port", "host", "healthcheck", "ssl"}),
    "ssh": frozenset({"user", "port", "log_level"}),
    "env": frozenset({"clear", "secret"}),
}
_ARCHITECTURES = frozenset({"amd64", "arm64"})
_NOTHING_TO_SAY = frozenset(
    {
        "aliases",
        "sshkit",
        "minimum_version",
        "retain_containers",
        "primary_role",
        "asset_path",
    }
)


def read_kamal(root: Path) -> FileFacts:
    """The image and its repository, roles with their commands, variables, port and health check."""
    data = read_kamal_file(root)
    if not data:
        return unreadable(FILE, root / FILE)
    builder = as_map(data.get("builder"))
    build = _build(builder)
    is_there = has_dockerfile(root, build)
    repository = _repository(data)
    clear, secrets = _variables(as_map(data.get("env")))
    env, hidden, invalid = sorted_variables(clear)
    return FileFacts(
        file=FILE,
        app=as_text(data.get("service")),
        images=(("web", build),) if is_there else (),
        repositories=((build, repository),) if is_there and repository else (),
        processes=tuple(_processes(data, build if is_there else None)),
        env=env,
        secrets=tuple(dict.fromkeys((*hidden, *secrets))),
        todo=(*_todo(data, builder), *invalid_names(invalid)),
    )


def _build(builder: Mapping[str, Any]) -> Build:
    args = tuple((str(key), value) for key, value in as_map(builder.get("args")).items() if isinstance(value, str))
    context = posixpath.normpath(as_text(builder.get("context")) or ".")
    file = posixpath.normpath(as_text(builder.get("dockerfile")) or "Dockerfile")
    return Build(context, posixpath.relpath(file, context), as_text(builder.get("target")), args, _platforms(builder))


def _architectures(builder: Mapping[str, Any]) -> list[str]:
    arch = builder.get("arch")
    return [text for item in (arch if isinstance(arch, list) else [arch]) if (text := as_text(item))]


def _known_architectures(builder: Mapping[str, Any]) -> list[str]:
    """Those that deploy.yml has a platform for."""
    return [arch for arch in _architectures(builder) if arch in _ARCHITECTURES]


def _platforms(builder: Mapping[str, Any]) -> tuple[str, ...]:
    """One platform; empty for amd64, which is the default of deploy.yml, too."""
    known = _known_architectures(builder)
    return (f"linux/{known[0]}",) if known and "amd64" not in known else ()


def _repository(data: Mapping[str, Any]) -> str:
    image, server = as_text(data.get("image")), as_text(as_map(data.get("registry")).get("server"))
    if not image or "<%" in image + server:
        return ""
    return f"{server}/{image}" if server and not server.startswith(("localhost", "127.")) else image


def _processes(data: Mapping[str, Any], build: Build | None) -> Iterator[Process]:
    servers = data.get("servers")
    proxy = as_map(data.get("proxy"))
    for name, about in servers.items() if isinstance(servers, dict) else [("web", None)]:
        command = as_text(as_map(about).get("cmd")).strip()
        is_web = name == "web"
        yield Process(
            slug(name),
            build,
            "" if "<%" in command else command,
            (as_port(proxy.get("app_port")) or 80) if is_web else 0,
            as_text(as_map(proxy.get("healthcheck")).get("path")) or "/up" if is_web else "",
            as_text(proxy.get("host")) if is_web and "<%" not in as_text(proxy.get("host")) else "",
        )


def _variables(env: Mapping[str, Any]) -> tuple[dict[str, str | None], list[str]]:
    """Variables with their values, and the names of secrets; `NAME:OTHER` is NAME from the secret OTHER."""
    clear = as_map(env.get("clear")) if "clear" in env or "secret" in env else env
    names = [as_text(item).partition(":")[0] for item in as_list(env.get("secret")) if as_text(item)]
    return {
        str(key): value if value is not None and "<%" not in value else None
        for key, value in clear.items()
        if value is None or isinstance(value, str)
    }, names


def _todo(data: Mapping[str, Any], builder: Mapping[str, Any]) -> Iterator[str]:
    accessories = [
        f"{name} ({as_text(as_map(about).get('image'))})" for name, about in as_map(data.get("accessories")).items()
    ]
    if accessories:
        yield f"accessories are not deployed by shipit: {listed(accessories)}"
    left = [str(key) for key in data if key not in _TAKEN | _NOTHING_TO_SAY]
    if left:
        yield listed(left)
    if unknown := [arch for arch in _architectures(builder) if arch not in _ARCHITECTURES]:
        yield f"builder.arch: {listed(unknown)}: name it under platforms of the image's build"
    if len(known := _known_architectures(builder)) > 1:
        taken = (_platforms(builder) or ("linux/amd64",))[0]
        yield f"builder.arch: {listed(known)}: the image is built for {taken} only"
    yield from _parts_not_taken(data)
    if "password" in as_map(data.get("registry")):
        yield "registry.password: shipit uses the login of docker login, or of shipit login"
    if as_map(data.get("proxy")).get("ssl") not in (None, "false"):
        yield "proxy.ssl: on Docker hosts the proxy gets certificates for host: by itself; on Kubernetes write tls:"


def _parts_not_taken(data: Mapping[str, Any]) -> Iterator[str]:
    """A TODO for each map of which some keys have no equivalent."""
    for name, taken in _TAKEN_OF.items():
        part = as_map(data.get(name))
        # Without `clear` and `secret`, the keys of `env` are the variables.
        if name == "env" and not part.keys() & taken:
            continue
        yield from not_taken(name, part, taken)
    check = as_map(as_map(data.get("proxy")).get("healthcheck"))
    yield from not_taken("proxy.healthcheck", check, ("path",))
    for role, about in as_map(data.get("servers")).items():
        yield from not_taken(f"servers.{role}", as_map(about), ("hosts", "cmd"))

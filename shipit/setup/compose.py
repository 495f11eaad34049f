"""Facts from a Compose file: services with build: become images and processes.

Source: Compose specification (05-services.md, build.md).
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shipit.config.interpolate import referenced_names
from shipit.drafts.compose_file import DOTENV, ONE_PORT, dotenv_names, with_defaults
from shipit.drafts.compose_services import is_elsewhere, read_services
from shipit.drafts.files import Build, Command, FileFacts, Process
from shipit.drafts.reading import has_dockerfile, read_text, read_yaml_as_text, unreadable
from shipit.drafts.values import as_command, as_list, as_map, as_port, as_text, listed, slug
from shipit.drafts.variables import invalid_names, sorted_variables

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_TAKEN = frozenset(
    {"build", "image", "command", "entrypoint", "ports", "expose", "environment", "env_file", "profiles"}
)
# Keys without a meaning for a deploy.
_NOTHING_TO_SAY = frozenset(
    {
        "container_name",
        "depends_on",
        "init",
        "links",
        "logging",
        "platform",
        "pull_policy",
        "restart",
        "scale",
        "stdin_open",
        "tty",
        "develop",
    }
)
_QUANTITY = re.compile("[0-9]{1,4}")


def read_compose(root: Path) -> FileFacts:
    """The Compose file that Compose would use; else one for production."""
    others = sorted(
        path.name
        for pattern in ("compose*.y*ml", "docker-compose*.y*ml")
        for path in root.glob(pattern)
        if path.suffix in (".yml", ".yaml") and path.is_file()
    )
    names = [name for name in NAMES if name in others] + [name for name in others if re.search(r"[.-]prod", name)]
    name = next(iter(names), others[0] if len(others) == 1 else "")
    unread = [other for other in dict.fromkeys(others) if other != name]
    facts = _facts(root, name) if name else FileFacts()
    return facts._replace(todo=(*facts.todo, f"{listed(unread)}: not read")) if unread else facts


def _facts(root: Path, file: str) -> FileFacts:
    services, todo_of_files = read_services(root, file)
    if not (services or todo_of_files or "services" in read_yaml_as_text(root / file)):
        return unreadable(file, root / file)
    images: list[tuple[str, Build]] = []
    repositories: list[tuple[Build, str]] = []
    processes: list[Process] = []
    variables: dict[str, dict[str, str | None]] = {}
    dotenv: list[str] = []
    todo = list(todo_of_files)
    foreign = [
        f"{name} ({as_text(service['image'])})"
        for name, service in services.items()
        if "build" not in service and "image" in service
    ]
    for name, service in services.items():
        build = _build(service)
        if build is None:
            continue
        if service.get("profiles"):
            todo.append(f"{name} runs only with {_profiles(service)}")
            continue
        if missing_build := _not_there(root, service, build):
            todo.append(f"{name} is built from {missing_build}")
            continue
        images.append((slug(name), build))
        if repository := _repository(as_text(service.get("image"))):
            repositories.append((build, repository))
        processes.append(_process(name, service, build))
        own, files, missing = _variables(root, service)
        variables[processes[-1].name] = own
        dotenv += files
        todo += [*missing, *_not_taken(name, service), *_of_compose(name, service)]
    taken = {name for _, build in images for _, value in build.args for name in referenced_names(value)}
    if taken & dotenv_names(root):
        dotenv.append(DOTENV)
    every = {key: value for own in variables.values() for key, value in own.items()}
    env, secrets, invalid = sorted_variables(every, interpolates=True)
    common = {key: value for key, value in env if all(own.get(key, value) == value for own in variables.values())}
    processes = [
        process._replace(
            env=tuple(
                (key, _interpolated(value))
                for key, _ in env
                if key not in common and (value := variables[process.name].get(key)) is not None
            )
        )
        for process in processes
    ]
    todo += invalid_names(invalid)
    if foreign:
        todo.append(f"{listed(foreign)}: not built here, and not deployed by shipit; their URLs belong under secrets")
    return FileFacts(
        file=file,
        images=tuple(images),
        repositories=tuple(repositories),
        processes=tuple(processes),
        env=tuple((key, _interpolated(value)) for key, value in common.items()),
        secrets=secrets,
        dotenv=tuple(dict.fromkeys(dotenv)),
        todo=tuple(todo),
    )


def _build(service: Mapping[str, Any]) -> Build | None:
    build = service.get("build")
    if isinstance(build, str) or ("build" in service and build is None):
        return Build(posixpath.normpath(build or "."))
    if not isinstance(build, dict):
        return None
    context = as_text(build.get("context")) or "."
    args = build.get("args")
    listed_args = [as_text(item).partition("=") for item in as_list(args)]
    pairs = {name: value for name, equals, value in listed_args if equals} or as_map(args)
    return Build(
        posixpath.normpath(context),
        as_text(build.get("dockerfile")) or "Dockerfile",
        as_text(build.get("target")),
        tuple((key, _interpolated(value)) for key, value in pairs.items() if isinstance(value, str)),
    )


def _not_there(root: Path, service: Mapping[str, Any], build: Build) -> str:
    """The source of a build that can't be an image of deploy.yml, with the reason; empty for one that can."""
    own = as_map(service.get("build"))
    if "dockerfile_inline" in own:
        return "dockerfile_inline, which is not read: write it to a Dockerfile"
    context = as_text(service.get("build")) or as_text(own.get("context"))
    if is_elsewhere(context):
        return f"{context}, which is not in this folder"
    return "" if has_dockerfile(root, build) else f"{build.file}, which is not in this folder"


def _process(name: str, service: Mapping[str, Any], build: Build) -> Process:
    port = next(map(as_port, _ports(service)), 0)
    replicas = _replicas(service)
    return Process(
        name=slug(name),
        build=build,
        command=_command(service),
        port=port,
        health=_health(service) if port else "",
        quantity=int(replicas) if _QUANTITY.fullmatch(replicas) else None,
    )


def _replicas(service: Mapping[str, Any]) -> str:
    return with_defaults(as_text(as_map(service.get("deploy")).get("replicas")) or as_text(service.get("scale")))


def _ports(service: Mapping[str, Any]) -> list[str]:
    """The ports of the container, such as `3000` and `53/udp`, with the one that it serves requests on first."""
    items = [item for key in ("ports", "expose") for item in as_list(service.get(key))]
    found = dict.fromkeys(port for item in items for port in _split_range(_container_port(item)) if port)
    return sorted(found, key=lambda port: not as_port(port))


def _split_range(port: str) -> tuple[str, ...]:
    """`3000`, and the rest of the range `3000-3005`."""
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})(/\w+)?", port)
    if not match or int(match[2]) <= int(match[1]):
        return (port,)
    protocol = match[3] or ""
    rest = f"{int(match[1]) + 1}-{match[2]}" if int(match[2]) > int(match[1]) + 1 else match[2]
    return f"{match[1]}{protocol}", f"{rest}{protocol}"


def _container_port(item: Any) -> str:
    if isinstance(item, dict):
        port, protocol = with_defaults(as_text(item.get("target"))), as_text(item.get("protocol"))
    else:
        text = with_defaults(as_text(item))
        port, _, protocol = text.rpartition(":")[2].partition("/")
        port = port if re.match("[0-9]", port) else text
    return f"{port}/{protocol}" if protocol not in ("", "tcp", "http") else port


def _command(service: Mapping[str, Any]) -> Command:
    """Entrypoint and command as argv, with the defaults of variables. Compose splits text into words, and runs no shell."""
    words: list[str] = []
    for key in ("entrypoint", "command"):
        value = as_command(service.get(key))
        try:
            words += shlex.split(value) if isinstance(value, str) else value
        except ValueError:
            return value
    return tuple(with_defaults(word).replace("$$", "$") for word in words)


def _words(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [as_text(value)]


def _of_compose(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    """A TODO for the variables of a command that Compose replaces, and deploy.yml does not."""
    words = " ".join(as_text(word) for key in ("entrypoint", "command") for word in _words(service.get(key)))
    names = re.findall(r"(?<!\$)(?:\$\$)*\$(?:\{([A-Za-z_]\w*)[^}]*\}|([A-Za-z_]\w*))", with_defaults(words))
    if found := dict.fromkeys(braced or bare for braced, bare in names):
        yield f"services.{name}: Compose replaces {listed(found)} in its command, deploy.yml does not"


def _health(service: Mapping[str, Any]) -> str:
    """The path of an HTTP health check of the container itself."""
    test = as_map(service.get("healthcheck")).get("test")
    text = " ".join(map(as_text, test)) if isinstance(test, list) else as_text(test)
    match = re.search(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\d+)?(/[^\s\"'|;]*)", text)
    return match[1] if match else ""


def _variables(root: Path, service: Mapping[str, Any]) -> tuple[dict[str, str | None], list[str], list[str]]:
    """The variables of a service, their files, and a TODO for each missing file."""
    found: dict[str, str | None] = {}
    files: list[str] = []
    missing: list[str] = []
    listed_files = service.get("env_file")
    for item in listed_files if isinstance(listed_files, list) else [listed_files]:
        path = as_text(as_map(item).get("path")) or as_text(item)
        if not path:
            continue
        names = re.findall(r"(?m)^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:]", read_text(root / path))
        if names:
            files.append(posixpath.normpath(path))
            found |= dict.fromkeys(names)
        else:
            missing.append(f"env_file {path} is not here: name its variables under env or secrets")
    listed_env = service.get("environment")
    if isinstance(listed_env, list):
        for item in listed_env:
            name, equals, value = as_text(item).partition("=")
            found[name] = value if equals else None
    else:
        found |= {name: value if isinstance(value, str) else None for name, value in as_map(listed_env).items()}
    return found, files, missing


def _not_taken(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    """A TODO for the keys of a service that deploy.yml has no equivalent for."""
    taken = _TAKEN | _NOTHING_TO_SAY | ({"healthcheck"} if _health(service) else set())
    taken |= {"deploy"} if set(as_map(service.get("deploy"))) <= {"replicas"} else set()
    left = [key for key in service if key not in taken and not key.startswith("x-")]
    if left:
        yield f"services.{name}: {listed(left)}"
    if (replicas := _replicas(service)) and not _QUANTITY.fullmatch(replicas):
        yield f"services.{name}: replicas {replicas[:20]}: should be a number of at most four digits"
    ports = _ports(service)
    served = [port for port in ports[:1] if as_port(port)]
    if others := ports[len(served) :]:
        which = f"{served[0]} is taken" if served else "numbers of TCP are taken"
        yield f"services.{name}: {ONE_PORT} {which}, not {listed(others)}"
    own = as_map(service.get("build"))
    left = [key for key in own if key not in ("context", "dockerfile", "target", "args")]
    if left:
        yield f"services.{name}: build.{', build.'.join(left)}"


def _profiles(service: Mapping[str, Any]) -> str:
    profiles = [as_text(item) for item in as_list(service.get("profiles"))]
    return f"the profile {listed(profiles)}" if profiles else "a profile"


def _repository(image: str) -> str:
    """The repository of a service's image, when it has an owner; empty otherwise."""
    text = with_defaults(image).partition("@")[0]
    head, _, tail = text.rpartition(":")
    name = head if head and "/" not in tail else text
    return name if "/" in name and "$" not in name else ""


def _interpolated(value: str) -> str:
    """A value of Compose in the syntax of deploy.yml: `$NAME` becomes `${NAME}`, `$$` becomes `$`."""
    return re.sub(
        r"\$\$(?!\{)|(?<!\$)\$([A-Za-z_][A-Za-z0-9_]*)", lambda match: f"${{{match[1]}}}" if match[1] else "$", value
    )

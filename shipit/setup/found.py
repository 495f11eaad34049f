"""What lies in a project's folder: Dockerfiles, compose, Heroku's and Kubernetes' files, package files, remotes, contexts.

A file that can't be read is as if it were not there: this only makes suggestions.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from shipit.config.environment import Environment
from shipit.config.yaml_text import load_documents

Language = str
_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_MANIFEST_FOLDERS = ("k8s", "kubernetes", "manifests", "deploy")
MAX_BYTES = 1024 * 1024
# A process type that deploy.yml takes: a key that begins with x- is the user's own there.
_PROCESS = re.compile(r"(?!x-)[-A-Za-z0-9_]{1,128}")


class Remote(NamedTuple):
    name: str
    url: str


class Found(NamedTuple):
    """What was found. Names are as they may stand in deploy.yml; empty where there is nothing.

    `dockerfiles`: image -> its Dockerfile; `processes`: type -> command, None where the image's own; `ports`: image -> port;
    `secrets`: names of variables that hold one; `apps`: Heroku app by git remote.
    """

    app: str
    dockerfiles: Mapping[str, str]
    ports: Mapping[str, int]
    processes: Mapping[str, str | None]
    process_images: Mapping[str, str]
    release: str
    secrets: tuple[str, ...]
    owner: str
    apps: Mapping[str, str]
    contexts: tuple[str, ...]
    current_context: str
    manifests: tuple[str, ...]
    language: Language
    services: tuple[str, ...]
    has_lock: bool


def look(root: Path, environment: Environment) -> Found:
    """Read what is there; nothing is run and nothing is asked."""
    remotes = _remotes(root)
    compose = next((data for name in _COMPOSE if (data := _yaml(root / name))), {})
    heroku = _yaml(root / "heroku.yml")
    app_json = _json(root / "app.json")
    procfile = _procfile(root / "Procfile")
    app = _app_name(root, remotes, app_json)
    dockerfiles, process_images = _dockerfiles(root, app, compose, heroku)
    contexts, current = _contexts(environment)
    processes: dict[str, str | None] = {name: command for name, command in procfile.items() if name != "release"}
    processes = processes or dict.fromkeys(process_images)
    for name, command in _map(heroku.get("run")).items():
        processes[str(name)] = _commands(command if isinstance(command, str) else _map(command).get("command")) or None
    processes = {name: command for name, command in processes.items() if _PROCESS.fullmatch(name)}
    return Found(
        app=app,
        dockerfiles=dockerfiles,
        ports=_ports(root, dockerfiles, compose),
        processes=processes,
        process_images=process_images,
        release=procfile.get("release") or _commands(_map(heroku.get("release")).get("command")),
        secrets=_secrets(app_json),
        owner=_owner(remotes),
        apps=_heroku_apps(remotes),
        contexts=contexts,
        current_context=current,
        manifests=_manifests(root),
        language=_language(root),
        services=tuple(
            f"{name} ({service['image']})"
            for name, service in _map(compose.get("services")).items()
            if isinstance(service, dict) and isinstance(service.get("image"), str) and "build" not in service
        ),
        has_lock=any((root / name).is_file() for name in ("package-lock.json", "npm-shrinkwrap.json")),
    )


def slug(text: str) -> str:
    """Text as a name that deploy.yml takes: lower-case letters, digits and single `-`, beginning with a letter."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    # A key that begins with x- is nobody's name: it is the user's own.
    cleaned = re.sub(r"^x-+", "x", re.sub(r"^[^a-z]+", "", cleaned))[:50].strip("-")
    return cleaned or "app"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig") if path.is_file() and path.stat().st_size <= MAX_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _yaml(path: Path) -> dict[str, Any]:
    try:
        documents = load_documents(_read(path))
    except (yaml.YAMLError, ValueError):
        return {}
    return _map(documents[0]) if len(documents) == 1 else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        return _map(json.loads(_read(path) or "{}"))
    except (ValueError, RecursionError):
        return {}


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _app_name(root: Path, remotes: Iterable[Remote], app_json: Mapping[str, Any]) -> str:
    try:
        project = _map(tomllib.loads(_read(root / "pyproject.toml")).get("project"))
    except tomllib.TOMLDecodeError:
        project = {}
    origin = next((remote.url for remote in remotes if remote.name == "origin"), "")
    names = (
        _json(root / "package.json").get("name"),
        project.get("name"),
        app_json.get("name"),
        origin.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git"),
        root.resolve().name,
    )
    return slug(next(str(name).rsplit("/", 1)[-1] for name in names if isinstance(name, str) and name))


def _dockerfiles(
    root: Path, app: str, compose: Mapping[str, Any], heroku: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """Image -> Dockerfile, and process type -> image."""
    found: dict[str, str] = {}
    processes: dict[str, str] = {}
    for process, file in _map(_map(heroku.get("build")).get("docker")).items():
        if isinstance(file, str) and (root / file).is_file():
            image = next((name for name, known in found.items() if known == file), slug(str(process)))
            found[image] = file
            processes[str(process)] = image
    for name, service in _map(compose.get("services")).items():
        build = service.get("build") if isinstance(service, dict) else None
        context = build if isinstance(build, str) else _map(build).get("context", ".") if build else None
        file = _map(build).get("dockerfile", "Dockerfile")
        if context is None or not isinstance(context, str) or not isinstance(file, str):
            continue
        relative = (Path(context) / file).as_posix()
        if relative not in found.values() and (root / relative).is_file():
            found[slug(str(name))] = relative
    for path in sorted(root.glob("Dockerfile*")):
        suffix = path.name.removeprefix("Dockerfile").lstrip(".")
        if path.is_file() and path.name not in found.values() and not path.name.endswith(".dockerignore"):
            found[slug(suffix) if suffix else ("web" if "web" not in found and found else app)] = path.name
    return (found if len(found) != 1 else {app: next(iter(found.values()))}), (
        processes if len(found) != 1 else dict.fromkeys(processes, app)
    )


def _ports(root: Path, dockerfiles: Mapping[str, str], compose: Mapping[str, Any]) -> dict[str, int]:
    ports: dict[str, int] = {}
    for image, file in dockerfiles.items():
        exposed = re.findall(r"^\s*EXPOSE\s+(\d{1,5})\b", _read(root / file), re.MULTILINE | re.IGNORECASE)
        if exposed and 0 < int(exposed[-1]) < 65536:
            ports[image] = int(exposed[-1])
    for name, service in _map(compose.get("services")).items():
        listed = service.get("ports") if isinstance(service, dict) else None
        inside = re.search(r"(\d{1,5})(?:/tcp)?$", str(listed[0])) if isinstance(listed, list) and listed else None
        if slug(str(name)) in dockerfiles and inside and 0 < int(inside[1]) < 65536:
            ports.setdefault(slug(str(name)), int(inside[1]))
    return ports


def _procfile(path: Path) -> dict[str, str]:
    """Process type -> command.

    Source: devcenter.heroku.com/articles/procfile.
    """
    lines = (re.match(r"^([A-Za-z0-9_-]+):\s*(.+)$", line) for line in _read(path).splitlines())
    return {match[1]: match[2].strip() for match in lines if match}


def _commands(value: Any) -> str:
    """What heroku.yml runs, which may be a list of commands; empty for none."""
    if isinstance(value, list):
        return " && ".join(str(command) for command in value)
    return value if isinstance(value, str) else ""


def _secrets(app_json: Mapping[str, Any]) -> tuple[str, ...]:
    """Variables of app.json that are asked for, or made up as secrets."""
    names = []
    for name, about in _map(app_json.get("env")).items():
        is_asked = isinstance(about, dict) and "value" not in about and about.get("required", True) is not False
        if is_asked and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            names.append(str(name))
    return tuple(names)


def _remotes(root: Path) -> list[Remote]:
    """The remotes of the git repository, from its own file."""
    for folder in (root, *root.resolve().parents):
        if (folder / ".git").exists():
            text = _read(folder / ".git" / "config")
            sections = re.findall(r'^\[remote "([^"]+)"\]([^\[]*)', text, re.MULTILINE)
            urls = ((name, re.search(r"^\s*url\s*=\s*(\S+)", body, re.MULTILINE)) for name, body in sections)
            return [Remote(name, url[1]) for name, url in urls if url]
    return []


def _owner(remotes: Iterable[Remote]) -> str:
    """Who the repository belongs to on its host, as a Docker Hub user could be called."""
    for remote in sorted(remotes, key=lambda remote: remote.name != "origin"):
        match = re.search(r"[:/]([A-Za-z0-9_.-]+)/[^/]+?/?$", remote.url)
        if match and "heroku.com" not in remote.url:
            return re.sub(r"[^a-z0-9]", "", match[1].lower())
    return ""


def _heroku_apps(remotes: Iterable[Remote]) -> dict[str, str]:
    apps = {}
    for remote in remotes:
        match = re.search(r"(?:git\.heroku\.com/|git@heroku\.com:)([a-z][a-z0-9-]{1,28}[a-z0-9])\.git", remote.url)
        if match:
            apps[remote.name] = match[1]
    return apps


def _contexts(environment: Environment) -> tuple[tuple[str, ...], str]:
    names: list[str] = []
    current = ""
    paths = environment.get("KUBECONFIG") or str(environment.home / ".kube" / "config")
    for path in paths.split(":"):
        loaded = _yaml(Path(path))
        current = current or _text(loaded.get("current-context"))
        rows = loaded.get("contexts")
        names += [
            str(row["name"])
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, dict) and isinstance(row.get("name"), str)
        ]
    return tuple(dict.fromkeys(names)), current


def _manifests(root: Path) -> tuple[str, ...]:
    """Folders that hold Kubernetes objects and nothing else that is YAML."""
    found = []
    for name in _MANIFEST_FOLDERS:
        files = [file for file in sorted((root / name).rglob("*")) if file.suffix in (".yml", ".yaml")]
        if files and all(_is_manifest(file) for file in files[:50]):
            found.append(name)
    return tuple(found)


def _is_manifest(file: Path) -> bool:
    try:
        documents = [item for item in load_documents(_read(file)) if item is not None]
    except (yaml.YAMLError, ValueError):
        return False
    return bool(documents) and all(
        isinstance(item, dict)
        and item.get("apiVersion")
        and item.get("kind")
        and _map(item.get("metadata")).get("name")
        for item in documents
    )


def _language(root: Path) -> Language:
    """What a Dockerfile would be for: node, python, go, ruby, static, or nothing."""
    marks = (
        ("node", ("package.json",)),
        ("python", ("pyproject.toml", "requirements.txt", "setup.py")),
        ("go", ("go.mod",)),
        ("ruby", ("Gemfile",)),
        ("static", ("index.html", "public/index.html", "site/index.html")),
    )
    return next((name for name, files in marks if any((root / file).is_file() for file in files)), "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

"""What lies around the app: its name and language, git remotes, contexts of the kubeconfig, the Docker Hub login. Reads only."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.setup.reading import read_json, read_text, read_toml, read_yaml
from shipit.setup.said import as_list, as_map, as_text, slug

_HUB = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")


class Remote(NamedTuple):
    name: str
    url: str


class Runtime(NamedTuple):
    """The language of an app, empty where it is not known, and what a Dockerfile for it has to know.

    `version` is what the project asks for, empty where it does not say; `lock` is the lock file's name.
    """

    language: str = ""
    version: str = ""
    lock: str = ""


def read_remotes(root: Path) -> list[Remote]:
    """The remotes of the git repository, from its own file."""
    for folder in (root, *root.resolve().parents):
        if (folder / ".git").exists():
            text = read_text(folder / ".git" / "config")
            sections = re.findall(r'^\[remote "([^"]+)"\]([^\[]*)', text, re.MULTILINE)
            urls = ((name, re.search(r"^\s*url\s*=\s*(\S+)", body, re.MULTILINE)) for name, body in sections)
            return [Remote(name, url[1]) for name, url in urls if url]
    return []


def app_name(root: Path, remotes: Iterable[Remote], others: Iterable[str]) -> str:
    """The name of the app: of its package, of what other files call it, of its repository, of its folder."""
    project = as_map(read_toml(root / "pyproject.toml").get("project"))
    origin = next((remote.url for remote in remotes if remote.name == "origin"), "")
    names = (
        read_json(root / "package.json").get("name"),
        project.get("name"),
        *others,
        origin.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git"),
        root.resolve().name,
    )
    return slug(next(str(name).rsplit("/", 1)[-1] for name in names if isinstance(name, str) and name))


def owner_of(remotes: Iterable[Remote]) -> str:
    """Who the repository belongs to on its host, as a Docker Hub user could be called; empty where nobody says."""
    for remote in sorted(remotes, key=lambda remote: remote.name != "origin"):
        match = re.search(r"[:/]([A-Za-z0-9_.-]+)/[^/]+?/?$", remote.url)
        if match and "heroku.com" not in remote.url:
            return re.sub(r"[^a-z0-9]", "", match[1].lower())
    return ""


def heroku_apps(remotes: Iterable[Remote]) -> dict[str, str]:
    """Heroku app by the name of its git remote."""
    apps = {}
    for remote in remotes:
        match = re.search(r"(?:git\.heroku\.com/|git@heroku\.com:)([a-z][a-z0-9-]{1,28}[a-z0-9])\.git", remote.url)
        if match:
            apps[remote.name] = match[1]
    return apps


def read_contexts(environment: ProcessEnvironment) -> tuple[tuple[str, ...], str]:
    """The names of the kubeconfig's contexts, and the current one."""
    names: list[str] = []
    current = ""
    paths = environment.get("KUBECONFIG") or str(environment.home / ".kube" / "config")
    for path in paths.split(":"):
        loaded = read_yaml(Path(path))
        current = current or as_text(loaded.get("current-context"))
        names += [name for row in as_list(loaded.get("contexts")) if (name := as_text(as_map(row).get("name")))]
    return tuple(dict.fromkeys(names)), current


def docker_hub_user(environment: ProcessEnvironment) -> str:
    """The user of the Docker Hub login that Docker's config file holds itself; empty where it does not."""
    folder = environment.get("DOCKER_CONFIG")
    auths = as_map(read_json((Path(folder) if folder else environment.home / ".docker") / "config.json").get("auths"))
    for host in _HUB:
        try:
            user = base64.b64decode(as_text(as_map(auths.get(host)).get("auth"))).decode().partition(":")[0]
        except ValueError:
            continue
        if re.fullmatch(r"[a-z0-9]{4,30}", user):
            return user
    return ""


def runtime_of(root: Path) -> Runtime:
    """What a Dockerfile would be for: node, python, go, ruby or static."""
    marks = (
        ("node", ("package.json",)),
        ("python", ("pyproject.toml", "requirements.txt", "setup.py", "Pipfile")),
        ("go", ("go.mod",)),
        ("ruby", ("Gemfile",)),
        ("static", ("index.html", "public/index.html", "site/index.html")),
    )
    language = next((name for name, files in marks if any((root / file).is_file() for file in files)), "")
    locks = (
        "package-lock.json",
        "npm-shrinkwrap.json",
        "pnpm-lock.yaml",
        "yarn.lock",
        "uv.lock",
        "requirements.txt",
        "poetry.lock",
        "go.sum",
        "Gemfile.lock",
    )
    lock = next((name for name in locks if (root / name).is_file()), "")
    return Runtime(language, _version(root, language), lock)


def _version(root: Path, language: str) -> str:
    """The version of the language that the project asks for, as far as an image's tag takes it."""
    texts = {
        "go": re.findall(r"(?m)^go (\d+\.\d+)", read_text(root / "go.mod")),
        "node": re.findall(
            r"(\d+)",
            read_text(root / ".nvmrc") or as_text(as_map(read_json(root / "package.json").get("engines")).get("node")),
        ),
        "python": re.findall(
            r"(3\.\d+)",
            read_text(root / ".python-version")
            or as_text(as_map(read_toml(root / "pyproject.toml").get("project")).get("requires-python")),
        ),
        "ruby": re.findall(
            r"(\d+\.\d+)",
            read_text(root / ".ruby-version")
            or next(iter(re.findall(r"(?m)^ruby .*", read_text(root / "Gemfile"))), ""),
        ),
    }
    return next(iter(texts.get(language, [])), "")

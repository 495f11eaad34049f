"""The app of a project folder: its name, its language, and the remotes of its git repository. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from shipit.drafts.files import Runtime
from shipit.drafts.kind import Remote
from shipit.drafts.reading import read_json, read_text, read_toml
from shipit.drafts.values import as_map, as_text, slug
from shipit.setup.dockerfiles import VERSIONS
from shipit.setup.versions import version_for


def read_remotes(root: Path) -> list[Remote]:
    """The remotes of the git repository, from .git/config."""
    for folder in (root, *root.resolve().parents):
        if (folder / ".git").exists():
            text = read_text(folder / ".git" / "config")
            sections = re.findall(r'^\[remote "([^"]+)"\]([^\[]*)', text, re.MULTILINE)
            urls = ((name, re.search(r"^\s*url\s*=\s*(\S+)", body, re.MULTILINE)) for name, body in sections)
            return [Remote(name, url[1]) for name, url in urls if url]
    return []


def app_name(root: Path, remotes: Iterable[Remote], others: Iterable[str]) -> str:
    """The name of the app: the one of its package, else of other files, of its git repository, of its folder."""
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
    """The owner of the git repository on its host, in the characters of a Docker Hub user; empty without a remote."""
    for remote in sorted(remotes, key=lambda remote: remote.name != "origin"):
        match = re.search(r"[:/]([A-Za-z0-9_.-]+)/[^/]+?/?$", remote.url)
        if match and "heroku.com" not in remote.url:
            return re.sub(r"[^a-z0-9]", "", match[1].lower())
    return ""


# The most characters of a line of a Gemfile that are read.
_LONGEST_LINE = 200
# A language that no Dockerfile is drafted for.
_OTHER = "other"
_MARKS = (
    ("node", ("package.json",)),
    ("python", ("pyproject.toml", "requirements.txt", "setup.py", "Pipfile", "manage.py")),
    ("go", ("go.mod",)),
    ("ruby", ("Gemfile",)),
    (_OTHER, ("composer.json", "pom.xml", "build.gradle", "build.gradle.kts", "Cargo.toml", "mix.exs", "build.sbt")),
    ("static", ("index.html", "public/index.html", "site/index.html")),
)


def runtime_of(root: Path) -> Runtime:
    """The language of the app: node, python, go, ruby or static; empty when unknown.

    A package.json that starts nothing is often for the assets of an app in another language.
    """
    found = [name for name, files in _MARKS if any((root / file).is_file() for file in files)]
    package = read_json(root / "package.json")
    if "node" in found and not (as_map(package.get("scripts")).get("start") or package.get("main")):
        found.sort(key=("node", "static").__contains__)
    language = next(iter(found), "")
    language = "" if language == _OTHER else language
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
    file, asked = _asked_version(root, language)
    version = version_for(asked, VERSIONS[language]) if asked else ""
    return Runtime(language, version, lock, file if asked and not version else "")


def _asked_version(root: Path, language: str) -> tuple[str, str]:
    """The file that asks for a version of a language, and what it asks for; both empty where none does."""
    engines = as_map(read_json(root / "package.json").get("engines"))
    python = as_map(read_toml(root / "pyproject.toml").get("project"))
    in_files = {
        "go": [("go.mod", "".join(re.findall(r"(?m)^go (\d+\.\d+)", read_text(root / "go.mod"))[:1]))],
        "node": [(".nvmrc", _first_line(root / ".nvmrc")), ("package.json", as_text(engines.get("node")))],
        "python": [
            (".python-version", _first_line(root / ".python-version")),
            ("pyproject.toml", as_text(python.get("requires-python"))),
        ],
        "ruby": [
            (".ruby-version", _first_line(root / ".ruby-version").removeprefix("ruby-")),
            ("Gemfile", _of_gemfile(read_text(root / "Gemfile"))),
        ],
    }
    return next(((file, text) for file, text in in_files.get(language, []) if text.strip()), ("", ""))


def _first_line(path: Path) -> str:
    lines = (line.partition("#")[0].strip() for line in read_text(path).splitlines())
    return next((line for line in lines if line), "")


def _of_gemfile(text: str) -> str:
    """The versions of `ruby "~> 3.2", ">= 3.2.1"`, without options such as `engine:`."""
    line = next(iter(re.findall(r"(?m)^ruby[ (](.*)", text)), "")
    return ",".join(re.findall(r"""["']([^"']+)["']""", re.split(r"\w+:|:\w+ *=>", line[:_LONGEST_LINE])[0]))

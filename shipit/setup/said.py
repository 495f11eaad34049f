"""What one file of a project says about its images and processes. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# Text that a shell runs, or argv; empty for the image's own command.
Command = str | tuple[str, ...]
Pairs = tuple[tuple[str, str], ...]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(
    r"PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|(API|PRIVATE|ACCESS|SIGNING|MASTER|ENCRYPTION)_?KEY|KEY_BASE|CREDENTIAL|DSN|_SALT"
)
_LOGIN_IN_URL = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
# Names of stages and suffixes of Dockerfiles that are not what production runs.
NOT_PRODUCTION = frozenset(
    [
        "bak",
        "backup",
        "ci",
        "debug",
        "dev",
        "devcontainer",
        "develop",
        "development",
        "doc",
        "docs",
        "e2e",
        "example",
        "j2",
        "lint",
        "local",
        "old",
        "orig",
        "sample",
        "save",
        "swp",
        "template",
        "test",
        "testing",
        "tests",
        "tmp",
        "tmpl",
    ]
)


class Build(NamedTuple):
    """How an image is built. Paths are POSIX; `context` is relative to the project, `dockerfile` to the context."""

    context: str = "."
    dockerfile: str = "Dockerfile"
    stage: str = ""
    args: Pairs = ()

    @property
    def file(self) -> str:
        """The Dockerfile, relative to the project; it begins with `../` where it is outside of it."""
        return posixpath.normpath(posixpath.join(self.context, self.dockerfile))


class Process(NamedTuple):
    """One thing that runs. `build` is None for the image that serves requests; `port` is 0 where it is not known.

    `env` holds only what differs from the env of the other processes; `quantity` is None where nothing says it.
    """

    name: str
    build: Build | None = None
    command: Command = ""
    port: int = 0
    health: str = ""
    host: str = ""
    quantity: int | None = None
    size: str = ""
    env: Pairs = ()

    def under(self, other: Process) -> Process:
        """This process with what another file says about it; the other file wins."""
        said = {field: value for field, value in other._asdict().items() if value not in ("", 0, None, ())}
        return self._replace(**said)


class Said(NamedTuple):
    """What one file says. `file` is its name in messages; `todo` are its parts that a person has to take over.

    `images`: a suggested name and a build; `repositories`: a build and where it is pushed; `secrets`: names of
    variables whose values do not belong in deploy.yml; `dotenv`: files that hold variables.
    """

    file: str = ""
    app: str = ""
    images: tuple[tuple[str, Build], ...] = ()
    repositories: tuple[tuple[Build, str], ...] = ()
    processes: tuple[Process, ...] = ()
    release: Command = ""
    release_build: Build | None = None
    env: Pairs = ()
    secrets: tuple[str, ...] = ()
    dotenv: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()


def sorted_variables(
    variables: Mapping[str, str | None], *, interpolates: bool = False
) -> tuple[Pairs, tuple[str, ...], tuple[str, ...]]:
    """Variables as env, as names of secrets, and the invalid names.

    A secret is what has no value, what is named or looks like a credential, and, where the file interpolates `${...}`,
    what another variable gives. Values of env are as deploy.yml writes them: a literal `${` is `$${`.
    """
    env: list[tuple[str, str]] = []
    secrets: list[str] = []
    invalid: list[str] = []
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            invalid.append(name)
        elif value is None or is_secret(name, value) or (interpolates and _needs_variable(value)):
            secrets.append(name)
        else:
            env.append((name, value if interpolates else value.replace("${", "$${")))
    return tuple(env), tuple(secrets), tuple(invalid)


def is_secret(name: str, value: str) -> bool:
    """Whether a variable holds a credential, by its name or by a login in a URL."""
    return bool(_SECRET.search(name.upper()) or _LOGIN_IN_URL.search(value))


def _needs_variable(value: str) -> bool:
    """Whether a value can't be had without a variable that has no default."""
    return bool(re.search(r"(?<!\$)\$(\{[A-Za-z_][A-Za-z0-9_]*(:?\?[^}]*)?\}|[A-Za-z_])", value))


def slug(text: str) -> str:
    """Text as a name that deploy.yml takes: lower-case letters, digits and single `-`, beginning with a letter."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    # A key that begins with x- is ignored by deploy.yml: it is the user's own.
    cleaned = re.sub(r"^x-+", "x", re.sub(r"^[^a-z]+", "", cleaned))[:50].strip("-")
    return cleaned or "app"


def as_map(value: Any) -> dict[str, Any]:
    """A map, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """Text, or nothing for anything else."""
    return value if isinstance(value, str) else ""


def as_port(value: Any) -> int:
    """The port inside a container that `8080:80/tcp`, `80` or `3000-3005` names; 0 for anything else."""
    match = re.fullmatch(r"(?:.*:)?(\d{1,5})(?:-\d{1,5})?(?:/(?:tcp|http))?", str(value).strip())
    port = int(match[1]) if match else 0
    return port if 0 < port < 65536 else 0


def as_command(value: Any) -> Command:
    """A command: text for a shell, or argv. Empty for anything else."""
    if isinstance(value, list) and value and all(isinstance(word, str | int | float) for word in value):
        return tuple(str(word) for word in value)
    return value.strip() if isinstance(value, str) else ""


def listed(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last

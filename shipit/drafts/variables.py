"""Variables of other tools' files, sorted into env and secrets of deploy.yml. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from shipit.drafts.files import Pairs
from shipit.drafts.secret_names import is_named_secret
from shipit.drafts.secret_values import hide_values

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOGIN_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


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


def invalid_names(names: Iterable[str]) -> Iterator[str]:
    """A TODO for each invalid name."""
    return (f"env {name!r} is no name that a variable can have" for name in names)


def is_secret(name: str, value: str) -> bool:
    """True for a variable that holds a credential: by its name, by a login in a URL, or by a name within its value."""
    return bool(is_named_secret(name) or _LOGIN_IN_URL.search(value) or hide_values(value).names)


def _needs_variable(value: str) -> bool:
    """Whether a value needs a variable without a default."""
    return bool(re.search(r"(?<!\$)\$(\{[A-Za-z_][A-Za-z0-9_]*(:?\?[^}]*)?\}|[A-Za-z_])", value))

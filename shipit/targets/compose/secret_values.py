"""The values of a compose file, and of the variables around it, that the redactor is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from shipit.config.secret_names import is_secret_name
from shipit.targets.compose.file import ComposeFile, texts_of, written

# Names in which the words are written together, such as DBPASS.
_JOINED = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL", re.IGNORECASE)
_PARTS = re.compile(r"[A-Za-z]+")
# Variables of every shell that only look like a password or a login: paths.
_PATHS = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK"})
# Values of settings such as AUTH.
_NO_SECRETS = ("true", "false", "none", "null")
_LEAST, _WORD = 8, re.compile(r"[a-z]+")


def may_be_secret(name: str, value: str, folder: PurePath) -> bool:
    """True for a value that is a secret by the name of its variable. `folder` is that of the project.

    Where the last part of the name says so, as in MYSQL_PWD and API_KEY_2, every value is one, except words such as true.
    A name that says so further ahead may be that of a setting, as KEY_PREFIX is: there it is one of at least eight characters
    that is no lower-case word. Paths of a shell, the project folder, what is in it, and a part of its path are none.
    """
    if name in _PATHS or value.lower() in _NO_SECRETS or _is_of_folder(value, str(folder).rstrip("/")):
        return False
    parts: list[str] = _PARTS.findall(name)
    if parts and _is_named(parts[-1]):
        return True
    return _is_named(name) and len(value) >= _LEAST and not _WORD.fullmatch(value)


def secrets_within(file: ComposeFile, variables: Mapping[str, str], folder: PurePath) -> Iterator[str]:
    """The values of variables that are secrets, and that the file has somewhere, as they are and as the file writes them."""
    texts = tuple(texts_of(file.text))
    for name, value in variables.items():
        if value and may_be_secret(name, value, folder) and any(written(value) in text for text in texts):
            yield from (value, written(value))


def _is_named(name: str) -> bool:
    return is_secret_name(name) or bool(_JOINED.search(name))


def _is_of_folder(value: str, folder: str) -> bool:
    inner = value.strip("/")
    return bool(folder and inner) and (f"{value}/".startswith(f"{folder}/") or f"/{inner}/" in f"{folder}/")

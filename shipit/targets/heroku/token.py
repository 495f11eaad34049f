"""The Heroku token, from where the Heroku CLI keeps it.

Source: devcenter.heroku.com/articles/authentication; the credential manager of the CLI, version 11.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from shipit.config.process_environment import ProcessEnvironment
from shipit.files import Unreadable, read_file
from shipit.process import ProgramFailed, run_program
from shipit.targets.heroku.address import API, api_address, host_of_api
from shipit.targets.heroku.netrc import find_password

_KEYCHAIN_SERVICE = "heroku-cli"
_TIMEOUT_S = 15
NO_TOKEN = "set HEROKU_API_KEY, or run heroku login"


@dataclass(frozen=True)
class Token:
    """The token, and its source."""

    value: str = field(repr=False)
    origin: str


def find_token(environment: ProcessEnvironment) -> Token | None:
    """The token: HEROKU_API_KEY, else the system's keychain, else the netrc file, else what `heroku auth:token` prints.

    None when not logged in. With SHIPIT_HEROKU_API, a token that is stored for Heroku's own API is not used.
    """
    found = _looked_for(environment)
    environment.redactor.add((found.value,) if found else ())
    return found


def _looked_for(environment: ProcessEnvironment) -> Token | None:
    if key := (environment.get("HEROKU_API_KEY") or "").strip():
        return Token(key, "HEROKU_API_KEY")
    api, _ = api_address(environment)
    if api != API:
        return _from_netrc(environment, host_of_api(api))
    return _from_keychain(environment) or _from_netrc(environment, host_of_api(api)) or _from_cli(environment)


def _from_keychain(environment: ProcessEnvironment) -> Token | None:
    """From the keychain, under the account that the CLI writes to its data folder."""
    if environment.get("HEROKU_NETRC_WRITE") == "true":
        return None
    data = Path(environment.get("XDG_DATA_HOME") or environment.home / ".local/share")
    try:
        account = json.loads(_read(data / "heroku/login.json"))["account"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(account, str):
        return None
    command = ["secret-tool", "lookup", "service", _KEYCHAIN_SERVICE, "account", account]
    if sys.platform == "darwin":
        command = ["security", "find-generic-password", "-a", account, "-s", _KEYCHAIN_SERVICE, "-w"]
    value = _printed(command, environment)
    return Token(value, f"the keychain's {account}") if value else None


def _from_netrc(environment: ProcessEnvironment, host: str) -> Token | None:
    """From the netrc file; one that the CLI encrypted is decrypted by gpg, as the CLI does."""
    file = Path(environment.get("NETRC") or environment.home / ".netrc")
    encrypted = file.with_name(f"{file.name}.gpg")
    if encrypted.is_file():
        file, data = encrypted, _output(["gpg", "--batch", "--quiet", "--decrypt", str(encrypted)], environment)
    else:
        data = _read(file)
    value = find_password(data, host)
    return Token(value, str(file)) if value else None


def _read(file: Path) -> bytes:
    """The bytes of a regular file of at most 1 MiB; empty when it can't be read."""
    try:
        return read_file(file)
    except Unreadable:
        return b""


def _from_cli(environment: ProcessEnvironment) -> Token | None:
    value = _printed(["heroku", "auth:token"], environment)
    return Token(value, "heroku auth:token") if value and not value.isspace() else None


def _printed(command: list[str], environment: ProcessEnvironment) -> str:
    """The last line that a program prints; empty without output, or when it is not text."""
    try:
        lines = _output(command, environment).decode().strip().splitlines()
    except UnicodeDecodeError:
        return ""
    return lines[-1].strip() if lines else ""


def _output(command: list[str], environment: ProcessEnvironment) -> bytes:
    """The output of a program; empty when it is not installed or fails. It can't prompt."""
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        return b""
    try:
        done = run_program([program, *command[1:]], variables=environment.variables, timeout_s=_TIMEOUT_S)
    except ProgramFailed:
        return b""
    return done.output if done.code == 0 else b""

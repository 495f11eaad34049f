"""The Heroku token, from where the Heroku CLI keeps it.

Source: devcenter.heroku.com/articles/authentication; the credential manager of the CLI, version 11.
"""

from __future__ import annotations

import json
import netrc
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from shipit.config.environment import Environment
from shipit.files import Unreadable, read_file

API_HOST = "api.heroku.com"
_KEYCHAIN_SERVICE = "heroku-cli"
_TIMEOUT_S = 15


@dataclass(frozen=True)
class Token:
    """The token, and what had it."""

    value: str = field(repr=False)
    origin: str


def find_token(environment: Environment) -> Token | None:
    """The token: HEROKU_API_KEY, else the system's keychain, else the netrc file, else what `heroku auth:token` prints.

    None when nobody is logged in.
    """
    if key := (environment.get("HEROKU_API_KEY") or "").strip():
        return Token(key, "HEROKU_API_KEY")
    return _from_keychain(environment) or _from_netrc(environment) or _from_cli(environment)


def _from_keychain(environment: Environment) -> Token | None:
    """The keychain knows it by the account that the CLI notes beside its other data."""
    if environment.get("HEROKU_NETRC_WRITE") == "true":
        return None
    data = Path(environment.get("XDG_DATA_HOME") or environment.home / ".local/share")
    try:
        account = str(json.loads(read_file(data / "heroku/login.json"))["account"])
    except (Unreadable, ValueError, RecursionError, KeyError, TypeError):
        return None
    command = ["secret-tool", "lookup", "service", _KEYCHAIN_SERVICE, "account", account]
    if sys.platform == "darwin":
        command = ["security", "find-generic-password", "-a", account, "-s", _KEYCHAIN_SERVICE, "-w"]
    value = _printed(command, environment)
    return Token(value, f"the keychain's {account}") if value else None


def _from_netrc(environment: Environment) -> Token | None:
    file = Path(environment.get("NETRC") or environment.home / ".netrc")
    try:
        found = netrc.netrc(str(file)).authenticators(API_HOST)
    except (OSError, netrc.NetrcParseError):
        return None
    return Token(found[2], str(file)) if found and found[2] else None


def _from_cli(environment: Environment) -> Token | None:
    value = _printed(["heroku", "auth:token"], environment)
    return Token(value, "heroku auth:token") if value and not value.isspace() else None


def _printed(command: list[str], environment: Environment) -> str:
    """The last line that a program prints, where it is installed and ends well; it is never asked twice, and never asks."""
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env=dict(environment.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.strip().splitlines()
    return lines[-1].strip() if done.returncode == 0 and lines else ""

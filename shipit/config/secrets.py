"""Secrets: resolved late, once, and only those that the chosen targets need. Values never leave as plain events."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shipit.clock import Clock
from shipit.config.environment import Environment
from shipit.config.secret_source import KeyringConfig, SecretSource
from shipit.errors import ConfigError, ConfigErrors
from shipit.files import Unreadable, read_file
from shipit.process import ProgramFailed, run_program


def resolve_secrets(
    names: Iterable[str],
    sources: Mapping[str, SecretSource],
    root: Path,
    environment: Environment,
    path: str = "secrets",
    *,
    clock: Clock | None = None,
) -> dict[str, str]:
    """The values of the named secrets, read in parallel. `path` is where they stand in the file.

    Raises: ConfigErrors naming each secret that can't be had, and never a value; Interrupted once `clock` is cancelled.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    with ThreadPoolExecutor(max_workers=8) as pool:
        results = list(
            pool.map(lambda name: _resolve(f"{path}.{name}", sources[name], root, environment, clock), wanted)
        )
    environment.redactor.add(result for result in results if isinstance(result, str))
    mistakes = [result for result in results if isinstance(result, ConfigError)]
    if mistakes:
        raise ConfigErrors(mistakes)
    return {name: value for name, value in zip(wanted, results, strict=True) if isinstance(value, str)}


def _resolve(
    path: str, source: SecretSource, root: Path, environment: Environment, clock: Clock | None
) -> str | ConfigError:
    if source.env is not None:
        value = environment.variables.get(source.env)
        if not value:
            return ConfigError(f"the variable {source.env} is not set", path=path, hint=f"export {source.env}=...")
        return value
    if source.file is not None:
        try:
            return read_file(secret_file(source.file, root, environment)).decode().removesuffix("\n")
        except (Unreadable, UnicodeDecodeError) as error:
            reason = error.reason if isinstance(error, Unreadable) else "it is not text"
            return ConfigError(
                f"{source.file} can't be read: {reason}", path=path, hint="create it, or name another file"
            )
    if source.keyring is not None:
        return _from_keyring(path, source.keyring, source.timeout, environment, clock)
    command = source.command or ()
    program = command[-1] if command[:2] == ("/bin/sh", "-c") else command[0]
    return _printed(
        path, command, "its command", f"run it by hand: {program}", root, source.timeout, environment, clock
    )


def secret_file(text: str, root: Path, environment: Environment) -> Path:
    """The file of a secret, relative to the project unless it is absolute or begins with `~/`."""
    return environment.home / text.removeprefix("~/") if text.startswith("~/") else root / text


def _from_keyring(
    path: str, entry: KeyringConfig, timeout_s: float, environment: Environment, clock: Clock | None
) -> str | ConfigError:
    """Asked in a process of its own: a keyring may wait for a person, and can't be interrupted."""
    if importlib.util.find_spec("keyring") is None:
        return ConfigError(
            "the keyring can't be read without the package keyring", path=path, hint="pipx inject shipit keyring"
        )
    command = (sys.executable, "-m", "keyring", "get", entry.service, entry.username)
    hint = f"keep it there: keyring set {entry.service} {entry.username}"
    return _printed(path, command, "the keyring", hint, environment.cwd, timeout_s, environment, clock)


def _printed(
    path: str,
    command: tuple[str, ...],
    what: str,
    hint: str,
    root: Path,
    timeout_s: float,
    environment: Environment,
    clock: Clock | None,
) -> str | ConfigError:
    """What a command prints. What it said to stderr is not repeated: it may hold the value."""
    try:
        done = run_program(command, variables=environment.variables, timeout_s=timeout_s, folder=root, clock=clock)
        if done.code != 0:
            return ConfigError(f"{what} {done.how}", path=path, hint=hint)
        return done.output.decode().removesuffix("\n")
    except ProgramFailed as error:
        return ConfigError(f"{what} {error.reason}", path=path, hint=hint)
    except UnicodeDecodeError:
        return ConfigError(f"{what} printed what is not text", path=path, hint=hint)

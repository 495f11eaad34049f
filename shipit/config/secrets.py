"""Secrets: resolved late, once, and only those that the chosen targets need. Values never leave as plain events."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shipit.config.environment import Environment
from shipit.config.model import SecretSource
from shipit.errors import ConfigError, ConfigErrors

COMMAND_TIMEOUT_S = 30


def resolve_secrets(
    names: Iterable[str],
    sources: Mapping[str, SecretSource],
    root: Path,
    environment: Environment,
    path: str = "secrets",
) -> dict[str, str]:
    """The values of the named secrets, read in parallel. `path` is where they stand in the file.

    Raises: ConfigErrors naming each secret that can't be had, and never a value.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    with ThreadPoolExecutor(max_workers=8) as pool:
        results = list(pool.map(lambda name: _resolve(f"{path}.{name}", sources[name], root, environment), wanted))
    mistakes = [result for result in results if isinstance(result, ConfigError)]
    if mistakes:
        raise ConfigErrors(mistakes)
    return {name: value for name, value in zip(wanted, results, strict=True) if isinstance(value, str)}


def _resolve(path: str, source: SecretSource, root: Path, environment: Environment) -> str | ConfigError:
    if source.env is not None:
        value = environment.variables.get(source.env)
        if not value:
            return ConfigError(f"the variable {source.env} is not set", path=path, hint=f"export {source.env}=...")
        return value
    if source.file is not None:
        file = root / Path(
            source.file.replace("~", str(environment.home), 1) if source.file.startswith("~/") else source.file
        )
        try:
            return file.read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            return ConfigError(
                f"{source.file} can't be read: {reason}", path=path, hint="create it, or name another file"
            )
    return _from_command(path, source.command or (), root, environment)


def _from_command(path: str, command: tuple[str, ...], root: Path, environment: Environment) -> str | ConfigError:
    program = command[-1] if command[:2] == ("/bin/sh", "-c") else command[0]
    hint = f"run it by hand: {program}"
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=dict(environment.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ConfigError(f"its command gave nothing within {COMMAND_TIMEOUT_S} s", path=path, hint=hint)
    except (OSError, UnicodeDecodeError) as error:
        return ConfigError(f"its command can't be run: {error}", path=path, hint=hint)
    if done.returncode != 0:
        return ConfigError(f"its command ended with {done.returncode}", path=path, hint=hint)
    return done.stdout.removesuffix("\n")

"""Values of secrets, read once, when needed, and for the selected targets only."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shipit.clock import Clock
from shipit.config.folder import ProjectFolder
from shipit.config.local_command import LocalCommand, local_command
from shipit.config.names import Names
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.secret_source import KeyringConfig, SecretSource, shown_path
from shipit.errors import ConfigError, ConfigErrors
from shipit.files import Unreadable
from shipit.process import ProgramFailed, run_program


def resolve_secrets(
    names: Iterable[str],
    sources: Mapping[str, SecretSource],
    folder: ProjectFolder,
    environment: ProcessEnvironment,
    path: str = "secrets",
    *,
    known: Names,
    clock: Clock | None = None,
) -> dict[str, str]:
    """The values of the named secrets, read in parallel. `path` is their path in the file.

    `folder` is that of the file, and `known` are the names that it may use.
    Raises: ConfigErrors naming each secret that can't be had, and never a value; Interrupted once `clock` is cancelled.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    reader = _Reader(folder, environment, known, clock)
    with ThreadPoolExecutor(max_workers=8) as pool:
        results = list(pool.map(lambda name: reader.result(f"{path}.{name}", sources[name]), wanted))
    environment.redactor.add(result for result in results if isinstance(result, str))
    mistakes = [result for result in results if isinstance(result, ConfigError)]
    if mistakes:
        raise ConfigErrors(mistakes)
    return {name: value for name, value in zip(wanted, results, strict=True) if isinstance(value, str)}


def runs_program(source: SecretSource) -> bool:
    """Whether the value of a secret comes from a program, which an untrusted deploy.yml may not run."""
    return source.command is not None or source.keyring is not None


class _NotHad(Exception):
    """The reason why a secret can't be read, and a hint."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True)
class _Reader:
    folder: ProjectFolder
    environment: ProcessEnvironment
    known: Names
    clock: Clock | None

    def result(self, path: str, source: SecretSource) -> str | ConfigError:
        try:
            value = self._value(source)
            if "\0" in value:
                raise _NotHad("holds a null character, which no variable can", "keep it as text")
        except _NotHad as error:
            return ConfigError(str(error), path=path, hint=error.hint)
        return value

    def _value(self, source: SecretSource) -> str:
        if source.env is not None:
            value, what = self._from_variable(source.env), f"the variable {source.env} is empty"
        elif source.file is not None:
            value, what = self._from_file(source.file), f"{shown_path(source.file)} is empty"
        elif self.environment.is_untrusted:
            raise _NotHad(
                "is had from a program, and none is run with --untrusted", "give it as a variable here: {env: NAME}"
            )
        elif source.keyring is not None:
            value, what = self._from_keyring(source.keyring, source.timeout), "the keyring holds an empty value"
        else:
            value, what = self._from_command(source.command or (), source.timeout), "its command printed nothing"
        if not value.strip() and not source.allow_empty:
            raise _NotHad(what, "give it a value, or write allow_empty: true beside it")
        return value

    def _from_variable(self, name: str) -> str:
        if name not in self.known.variables:
            raise _NotHad(f"the variable {name} is not set", f"export {name}=...")
        return self.known.variables[name]

    def _from_file(self, text: str) -> str:
        try:
            return _without_newline(self.folder.read(text).decode("utf-8-sig"))
        except (Unreadable, UnicodeDecodeError) as error:
            reason = error.reason if isinstance(error, Unreadable) else "it is not text"
            hint = error.hint if isinstance(error, Unreadable) else ""
            raise _NotHad(
                f"{shown_path(text)} can't be read: {reason}", hint or "create it, or name another file"
            ) from None

    def _from_keyring(self, entry: KeyringConfig, timeout_s: float) -> str:
        """Run in a process of its own, since a keyring may wait for a person and can't be interrupted."""
        if importlib.util.find_spec("keyring") is None:
            raise _NotHad("the keyring can't be read without the package keyring", "pipx inject shipit keyring")
        words = python_command("keyring", "--", "get", entry.service, entry.username)
        hint = f"keep it there: keyring set {entry.service} {entry.username}"
        # With the variables of the process environment only, without those of .env files.
        command = LocalCommand(words, dict(self.environment.variables))
        return self._printed(command, Path("/"), timeout_s, "the keyring", hint)

    def _from_command(self, written: Sequence[str], timeout_s: float) -> str:
        command = local_command(written, self.known)
        variables = {**self.known.variables, **command.variables}
        shown = written[-1] if tuple(written[:2]) == ("/bin/sh", "-c") else written[0]
        where = self.folder.path
        return self._printed(
            LocalCommand(command.words, variables), where, timeout_s, "its command", f"run it by hand: {shown}"
        )

    def _printed(self, command: LocalCommand, where: Path, timeout_s: float, what: str, hint: str) -> str:
        """The output of a program. Its stderr is not shown, because it may contain the value."""
        try:
            done = run_program(
                command.words, variables=command.variables, timeout_s=timeout_s, folder=where, clock=self.clock
            )
            if done.code != 0:
                raise _NotHad(f"{what} {done.how}", hint)
            return _without_newline(done.output.decode())
        except ProgramFailed as error:
            raise _NotHad(f"{what} {error.reason}", hint) from None
        except UnicodeDecodeError:
            raise _NotHad(f"{what} printed what is not text", hint) from None


def python_command(module: str, *words: str) -> tuple[str, ...]:
    """The words that run a module with this Python, whatever lies in the working directory.

    Source: docs.python.org/3/using/cmdline.html, -P; the folder that it is run in should be another one, too.
    """
    return (sys.executable, "-P", "-m", module, *words)


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text

"""Calls one hook: runs its command, or sends its request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from shipit.clock import Deadline
from shipit.config.hooks import HookConfig
from shipit.config.local_command import local_command
from shipit.config.secret_source import SecretSource
from shipit.errors import DeadlinePassed, RemoteError
from shipit.events import Log
from shipit.http.messages import Request
from shipit.http.transport import Transport
from shipit.pipeline.hook_text import When
from shipit.process import OutputLines, ProgramFailed, run_program

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

# The exit code of a shell that finds no such program. Source: POSIX.1-2017, Shell Command Language, 2.8.2.
_NOT_FOUND = 127


class Hook(NamedTuple):
    """A hook with its place in deploy.yml: the target, empty for the run, when it runs, and its number from 0."""

    target: str
    when: When
    number: int
    config: HookConfig

    @property
    def path(self) -> str:
        """Its path of keys in deploy.yml."""
        own = f"hooks.{self.when}[{self.number}]"
        return f"targets.{self.target}.{own}" if self.target else own

    def sources(self) -> Iterator[tuple[str, SecretSource]]:
        """Name of a header, or `url` -> where its value is kept."""
        if isinstance(self.config.url, SecretSource):
            yield "url", self.config.url
        yield from ((name, value) for name, value in self.config.headers.items() if isinstance(value, SecretSource))


class Problem(NamedTuple):
    """Why a hook failed. `is_missing` is True where its program was not found."""

    reason: str
    is_missing: bool = False


def call_hook(run: Run, hook: Hook, secrets: Mapping[str, str], body: bytes) -> Problem | None:
    """Why a hook failed; None where it did not. `secrets` are the values of `Hook.sources`, by their names."""
    if hook.config.command is not None:
        return _run_command(run, hook, body)
    reason = _send(run, hook, secrets, body)
    return Problem(reason) if reason else None


def _run_command(run: Run, hook: Hook, body: bytes) -> Problem | None:
    """Why its command failed; None where it did not. Its output is forwarded, line by line."""
    command = local_command(hook.config.command or (), run.project.names)
    lines = OutputLines(lambda line: run.emit(Log(hook.target, f"hook {hook.when}", line)))
    variables = {**run.project.variables, **command.variables}
    call = partial(run_program, command.words, variables=variables, folder=run.project.root, given=body)
    try:
        done = call(timeout_s=hook.config.timeout, clock=run.clock, on_output=lines.take)
    except ProgramFailed as error:
        return Problem(error.reason, error.is_missing)
    finally:
        lines.flush()
    return Problem(done.how, done.code == _NOT_FOUND) if done.code else None


def _send(run: Run, hook: Hook, secrets: Mapping[str, str], body: bytes) -> str:
    """The reason why its request failed; empty where it did not. It is sent once, and follows no redirect."""
    url = hook.config.url
    headers = {name: value if isinstance(value, str) else secrets[name] for name, value in hook.config.headers.items()}
    transport = Transport(run.environment, Deadline(run.clock))
    request = Request(
        hook.config.request_method, url if isinstance(url, str) else secrets["url"],
        {"Content-Type": "application/json", **headers}, body,
        read_s=hook.config.timeout, deadline=Deadline.after(run.clock, hook.config.timeout),
    )  # fmt: skip
    try:
        status = transport.answer(request).status
    except DeadlinePassed:
        return f"gave no answer within {hook.config.timeout:g} s"
    except RemoteError as error:
        return f"failed: {error.what}"
    finally:
        transport.close()
    return "" if 200 <= status < 300 else f"answered {status}, not 2xx"

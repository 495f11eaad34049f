"""Hooks as text for people: their commands as written, their URLs without what may be a credential. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from shipit.config.hooks import HookConfig, HooksConfig
from shipit.config.secret_source import SOURCES, SecretSource
from shipit.config.units import is_shell_text
from shipit.http.urls import shown

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

When = Literal["before", "after", "on_failure"]


def describe_hook(hook: HookConfig) -> str:
    """What a hook does: its command, or its request."""
    if hook.command is not None:
        return hook.command[2] if is_shell_text(hook.command) else shlex.join(hook.command)
    assert hook.url is not None
    return (
        shown(hook.request_method, hook.url)
        if isinstance(hook.url, str)
        else f"{hook.request_method} to {_source(hook.url)}"
    )


def chosen_hooks(hooks: HooksConfig, command: str) -> Iterator[tuple[When, int, HookConfig]]:
    """The hooks that are for a command of shipit, each with when it runs and its number in deploy.yml, from 0."""
    moments: tuple[When, ...] = ("before", "after", "on_failure")
    for when in moments:
        own: tuple[HookConfig, ...] = getattr(hooks, when)
        yield from ((when, number, hook) for number, hook in enumerate(own) if command in hook.on)


def hook_lines(hooks: HooksConfig, command: str) -> Iterator[str]:
    """The hooks that a command of shipit runs when all goes well, and those for when it fails, one line each."""
    yield from (f"hook {when}: {describe_hook(hook)}" for when, _, hook in chosen_hooks(hooks, command))


def has_hooks(run: Run) -> bool:
    """True where the run or one of its targets has a hook for its command."""
    every = (run.project.hooks, *(target.config.hooks for target in run.targets))
    return any(True for hooks in every for _ in chosen_hooks(hooks, run.command))


def _source(secret: SecretSource) -> str:
    """Where a secret URL is kept, without what its command says."""
    if secret.env is not None:
        return f"the URL of the variable {secret.env}"
    [key] = [key for key in SOURCES if getattr(secret, key) is not None]
    return f"the URL of a {key}"

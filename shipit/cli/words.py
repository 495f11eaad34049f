"""What is said of a word that is no command."""

from __future__ import annotations

import difflib
from typing import Any

from typer.core import TyperGroup

# What other tools call what a command here does.
_CALLED = {
    "apply": "deploy", "release": "deploy", "ship": "deploy", "up": "deploy", "check": "validate", "verify": "validate",
    "diff": "plan", "preview": "plan", "publish": "push", "ps": "status", "new": "init", "create": "init", "diagnose": "doctor",
}  # fmt: skip
_REMOVES = frozenset({"delete", "destroy", "down", "remove", "rm", "teardown", "undeploy", "uninstall"})


def said_of(word: str, commands: list[str]) -> str:
    """What to do instead of a word that is none of the commands; empty where nothing is near. Nothing that changes a place is guessed for one that removes."""
    if word in _REMOVES:
        return "Nothing that runs is removed by a command: kubectl delete, or heroku apps:destroy, does"
    if _CALLED.get(word) in commands:
        return f"What it does is called {_CALLED[word]!r} here"
    near = difflib.get_close_matches(word, commands, n=1, cutoff=0.75)
    return f"Did you mean {near[0]!r}?" if near else "`shipit --help` lists the commands"


class Commands(TyperGroup):
    """The commands, and what is said of a word that is none."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0] if args else ""
        if word and not word.startswith("-") and word not in self.commands:
            ctx.fail(f"No such command {word!r}. {said_of(word, sorted(self.commands))}")
        return super().resolve_command(ctx, args)

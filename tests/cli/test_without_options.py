"""A command line without options is not read by typer: it means what typer says that it means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from shipit.cli.commands import SUMMARIES
from shipit.cli.option_groups import call_without_options, for_typer
from tests.shipit import Shipit

LINES: Sequence[tuple[str, ...]] = ((), ("one",), ("one", "two"), ("",), ("k8s/web=3", "é", " "))


def recorded(function: Callable[..., None], seen: list[dict[str, Any]]) -> Callable[..., None]:
    """A function with the parameters of a command that keeps what it is called with."""

    @wraps(function)
    def record(**values: Any) -> None:
        seen.append({name: vars(own) if hasattr(own, "__dict__") else own for name, own in values.items()})

    return record


def read_by_typer(function: Callable[..., None], words: Sequence[str]) -> bool:
    """Whether typer accepts the words."""
    app = typer.Typer(add_completion=False)
    app.command()(for_typer(function))
    return CliRunner().invoke(app, list(words)).exit_code == 0


@pytest.mark.parametrize("name", [name for name in SUMMARIES if name != "help"])
def test_words_have_the_same_meaning_with_and_without_typer(name: str) -> None:
    function = import_module(f"shipit.cli.commands.{name}").run
    for words in LINES:
        own: list[dict[str, Any]] = []
        call = call_without_options(recorded(function, own), words)
        if call is None:
            continue
        call()
        by_typer: list[dict[str, Any]] = []
        assert read_by_typer(recorded(function, by_typer), words), words
        assert own == by_typer, words


@pytest.mark.parametrize(
    "name", ["deploy", "plan", "push", "status", "build", "rollback", "logs", "restart", "doctor", "history"]
)
def test_the_commands_of_every_day_need_no_typer_for_it(name: str) -> None:
    assert call_without_options(import_module(f"shipit.cli.commands.{name}").run, ()) is not None


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("deploy", 2, "there are no targets"),
        ("start web another", 2, "there are no targets"),
        ("schema nonsense", 2, "nonsense"),
        ("exec", 2, "Missing argument"),
        ("render one two", 2, "unexpected extra argument"),
        ("promote", 2, "Missing option '--from'"),
    ],
)
def test_errors_are_the_same(shipit: Shipit, line: str, code: int, said: str) -> None:
    shipit.write(deploy__yml="app: shop\n")
    done = shipit.run(*line.split())
    assert done.returncode == code and said.lower() in done.stderr.lower(), done.stderr

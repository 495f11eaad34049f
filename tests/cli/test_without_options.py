"""A plain command line is not read by typer: it means what typer says that it means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from shipit.cli.commands import SUMMARIES
from shipit.cli.option_groups import call_without_typer, for_typer
from tests.shipit import Shipit

LINES: Sequence[tuple[str, ...]] = (
    (), ("one",), ("one", "two"), ("",), ("k8s/web=3", "é", " "),
    ("--yes", "--output", "json"), ("-y", "one", "--output=plain", "-e", "staging"), ("--output=a=b",), ("--output", "json", "--output", "plain"),
    ("--target", "a", "--target", "b", "c"), ("-t", "a", "--target=b"), ("-fx.yml",), ("-yv",), ("-f=x.yml",), ("--file", ""), ("--file=",), ("--file",),
    ("--limit", "3"), ("--limit", "0"), ("--limit", "³"), ("--limit", "+3"), ("--limit", " 3"), ("--jobs=2",), ("--tail", "0"), ("--tail", "-1"),
    ("--tty",), ("--no-tty",), ("--yes=1",), ("--ye",), ("--verbose", "--verbose"), ("--", "--yes"), ("one", "--", "two"), ("-",), ("-h",), ("--help",),
    ("--from", "staging", "--yes"), ("--file", "--yes"), ("--file", "-"), ("--wait", "5m", "--supersede"), ("--as", "me", "--as-group", "a", "--as-group", "b"),
)  # fmt: skip


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
        call = call_without_typer(recorded(function, own), words)
        if call is None:
            continue
        call()
        by_typer: list[dict[str, Any]] = []
        assert read_by_typer(recorded(function, by_typer), words), words
        assert own == by_typer, words


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("deploy", "--yes --output json hosts"),
        ("deploy", "-e staging -t k8s --jobs 2 --timeout=5m --wait 10m"),
        ("plan", "--exit-code --output=markdown"),
        ("status", "-f deploy.yml"),
        ("history", "-n 5 --local"),
        ("promote", "--from staging --yes"),
    ],
)
def test_the_options_of_every_day_need_no_typer_either(name: str, line: str) -> None:
    assert call_without_typer(import_module(f"shipit.cli.commands.{name}").run, line.split()) is not None


@pytest.mark.parametrize(
    "name", ["deploy", "plan", "push", "status", "build", "rollback", "logs", "restart", "doctor", "history"]
)
def test_the_commands_of_every_day_need_no_typer_for_it(name: str) -> None:
    assert call_without_typer(import_module(f"shipit.cli.commands.{name}").run, ()) is not None


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("deploy", 2, "there are no targets"),
        ("start web another", 2, "there are no targets"),
        ("schema nonsense", 2, "nonsense"),
        ("exec", 2, "Missing argument"),
        ("render one two", 2, "unexpected extra argument"),
        ("promote", 2, "Missing option '--from'"),
        ("deploy --output xml", 2, "should be one of auto"),
        ("deploy --wait", 2, "requires an argument"),
        ("deploy --fle x", 2, "did you mean --file"),
        ("deploy --wait nonsense", 2, "--wait"),
    ],
)
def test_errors_are_the_same(shipit: Shipit, line: str, code: int, said: str) -> None:
    shipit.write(deploy__yml="app: shop\n")
    done = shipit.run(*line.split())
    assert done.returncode == code and said.lower() in done.stderr.lower(), done.stderr

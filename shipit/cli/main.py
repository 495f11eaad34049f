"""The entry point of the `shipit` program."""

from __future__ import annotations

# The C part of the module signal, whose own import takes longer than everything before our first line.
import _signal  # type: ignore[import-not-found]
import atexit
import gc
import os
import sys


def _end(number: int, frame: object) -> None:
    """Handle a signal before anything has been started."""
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(130)


# Windows has no SIGHUP: `main` says there that shipit does not run on it.
for _number in () if sys.platform == "win32" else (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
    # nohup ignores SIGHUP: then it stays ignored.
    if _number != _signal.SIGHUP or _signal.getsignal(_number) != _signal.SIG_IGN:
        _signal.signal(_number, _end)


def main() -> None:
    if sys.platform == "win32":
        print(
            "shipit runs on Linux and macOS; on Windows use it inside WSL: https://learn.microsoft.com/windows/wsl",
            file=sys.stderr,
        )
        raise SystemExit(1)
    from shipit.cli.standard_streams import secure_streams

    secure_streams()
    # Imports create many objects that stay: collecting garbage among them wastes time.
    gc.set_threshold(500_000, 20, 20)
    if (code := _run_again(sys.argv[1:])) is not None:
        _leave(code)
    from shipit.config.process_environment import forbid_plugins

    forbid_plugins()
    try:
        if _run_without_typer(sys.argv[1:]):
            _leave(0)
        from shipit.cli.app import app

        app(prog_name="shipit")
    except SystemExit as end:
        _leave(end.code)


def _run_again(words: list[str]) -> int | None:
    """The exit code of a command line that was given before; None where it has to be run the usual way."""
    if words[:1] == ["exec"]:
        from shipit.cli.exec_again import exec_again

        return exec_again(words)
    if words[:1] == ["logs"]:
        from shipit.cli.logs_again import logs_again

        return logs_again(words)
    return None


def _run_without_typer(words: list[str]) -> bool:
    """Run a command line that is written plainly; False where typer has to read it."""
    from shipit.cli.commands import SUMMARIES

    if not words or words[0] not in SUMMARIES:
        return False
    from importlib import import_module

    from shipit.cli.option_groups import call_without_typer
    from shipit.errors import ShipitError

    call = call_without_typer(import_module(f"shipit.cli.commands.{words[0]}").run, words[1:])
    try:
        if call is not None:
            call()
    except ShipitError as error:
        from shipit.cli.exits import fail
        from shipit.cli.plain_words import wanted_output

        fail(error, wanted_output(words))
    return call is not None


def _leave(code: object) -> None:
    """End the process without tearing down modules and without waiting for threads: both take longer than the command."""
    atexit._run_exitfuncs()
    number = code if isinstance(code, int) else 0 if code is None else 1
    os._exit(number)

"""The entry point of the `shipit` program."""

from __future__ import annotations

# What the module signal is made of: to import that one takes longer than everything before the first line of ours.
import _signal  # type: ignore[import-not-found]
import atexit
import gc
import os
import sys


def _end(number: int, frame: object) -> None:
    """A signal before there is anything that could be left half done."""
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(130)


for _number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
    # What nohup starts goes on when its terminal is gone.
    if _number != _signal.SIGHUP or _signal.getsignal(_number) != _signal.SIG_IGN:
        _signal.signal(_number, _end)


def main() -> None:
    from shipit.cli.standard_streams import secure_streams

    secure_streams()
    if sys.platform == "win32":
        print(
            "shipit runs on Linux and macOS; on Windows use it inside WSL: https://learn.microsoft.com/windows/wsl",
            file=sys.stderr,
        )
        raise SystemExit(1)
    # Imports make many objects that stay: looking through them again and again for garbage is time lost.
    gc.set_threshold(500_000, 20, 20)
    from shipit.cli.app import app
    from shipit.config.process_environment import forbid_plugins

    forbid_plugins()
    try:
        app(prog_name="shipit")
    except SystemExit as end:
        _leave(end.code)


def _leave(code: object) -> None:
    """End the process at once.

    Taking every module and object apart first costs more than reading the file did, and threads that still wait on the
    network could only make it later.
    """
    atexit._run_exitfuncs()
    number = code if isinstance(code, int) else 0 if code is None else 1
    os._exit(number)

"""The entry point of the `shipit` program."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    if sys.platform == "win32":
        print(
            "shipit runs on Linux and macOS; on Windows use it inside WSL: https://learn.microsoft.com/windows/wsl",
            file=sys.stderr,
        )
        raise SystemExit(1)
    # Imports make many objects that stay: looking through them again and again for garbage is time lost.
    gc.set_threshold(100_000, 20, 20)
    from shipit.cli.app import app

    app()

"""The entry point of the `shipit` program."""

from __future__ import annotations

import sys


def main() -> None:
    if sys.platform == "win32":
        print(
            "shipit runs on Linux and macOS; on Windows use it inside WSL: https://learn.microsoft.com/windows/wsl",
            file=sys.stderr,
        )
        raise SystemExit(1)
    from shipit.cli.app import app

    app()

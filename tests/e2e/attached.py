"""What `exec` and `run` do with a terminal, with pipes and with exit codes: the same on every kind that has them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from tests.shipit import Shipit
from tests.terminal import Terminal
from tests.waits import wait_until

# 1 MiB of any bytes, with those that a terminal would take for itself, and the end of a line alone.
DATA = b"\n\r\n" + os.urandom(1024 * 1024) + b"\r\n\x04\x03\xff\x00"


def piped(app: Shipit, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The program with pipes, as bytes."""
    return app.pipe(*arguments, data=data)


def at_terminal(app: Shipit, *arguments: str) -> Terminal:
    return Terminal(arguments, app.folder, app.measured())


def check_bytes(app: Shipit, *words: str) -> None:
    """Input and output are passed on byte for byte, and the end of the input ends the command."""
    done = piped(app, *words, "--", "cat", data=DATA)
    assert done.returncode == 0, done.stderr
    assert done.stdout == DATA


def check_codes(app: Shipit, *words: str, codes: tuple[int, ...] = (0, 1, 137)) -> None:
    """The exit code of shipit is that of the command, and shipit itself writes nothing."""
    for code in codes:
        done = piped(app, *words, "--", "sh", "-c", f"exit {code}")
        assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def check_shell(app: Shipit, *words: str) -> None:
    """A shell at a terminal is told its size and each change of it, gets Ctrl-C as a key, and ends at Ctrl-D."""
    with at_terminal(app, *words, "--", "sh") as terminal:
        before = terminal.mode()
        terminal.wait_for("# ")
        assert terminal.mode() != before
        terminal.type("busybox stty size\n")
        terminal.wait_for("24 80")
        terminal.resize(120, 40)
        # The words that are shown as they are typed are not those that are waited for.
        terminal.type("until busybox stty size | grep -q '40 120'; do sleep 0.1; done; echo resi''zed\n")
        terminal.wait_for("resized\r\n")
        terminal.wait_for("# ")
        # One process from the first word on: a key between two of them would be lost.
        terminal.type("sh -c 'echo begun; exec sleep 100'\n")
        terminal.wait_for("begun\r\n")
        terminal.type("\x03")
        terminal.wait_for("# ")
        terminal.type("(exit 7)\n")
        terminal.wait_for("# ")
        terminal.type("\x04")
        assert terminal.wait() == 7
        assert terminal.mode() == before


def check_interrupted(app: Shipit, *words: str) -> None:
    """Ctrl-C without a terminal of its own ends shipit."""
    with at_terminal(app, *words, "--", "sh", "-c", "echo begun; sleep 1000") as terminal:
        terminal.wait_for("begun")
        terminal.type("\x03")
        assert terminal.wait() == 130


def check_killed(app: Shipit, left: Callable[[], object], *words: str) -> None:
    """SIGKILL of shipit ends the command and removes what it ran in, also where it reads no input and ignores signals."""
    before = left()
    for terminal in ("--no-tty", "--tty"):
        script = "trap '' HUP INT TERM; echo begun; while :; do sleep 1000; done"
        with at_terminal(app, "run", terminal, *words, "--", "sh", "-c", script) as shown:
            shown.wait_for("begun")
            assert left() != before
        wait_until(f"nothing is left of the command ({terminal})", left, lambda found: found == before)

"""What `exec` and `run` share: the exit code of a remote command, and its output as events."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from contextlib import closing

import pytest

from shipit.cli.attached import attach
from shipit.clock import Clock
from shipit.events import CommandEnded, Event
from shipit.rehearsal.memory.one_off import MemoryCommand
from shipit.targets.remote import Command


@pytest.mark.parametrize(("code", "exits"), [(0, 0), (42, 42), (255, 255), (256, 255), (512, 255), (3221225786, 255)])
def test_a_code_that_does_not_fit_is_never_a_success(code: int, exits: int) -> None:
    events: list[Event] = []
    command = Command(("exit", str(code)))
    with closing(MemoryCommand("web.run", command)) as remote:
        assert attach(remote, command, events.append, "k8s", Clock(), as_events=True) == exits
    [end] = [event for event in events if isinstance(event, CommandEnded)]
    assert end.exit_code == code


FLOOD = """
from shipit.cli.exits import cancelling, exit_on_error
from shipit.cli.raw_terminal import raw_terminal
from shipit.cli.relay import write_output
from shipit.clock import Clock
from shipit.targets.remote import Output

clock = Clock()
with exit_on_error(False), cancelling(clock), raw_terminal(0):
    while True:
        clock.check()
        write_output(Output(1, b"x" * 65536))
"""


@pytest.mark.program
def test_a_signal_ends_it_also_while_the_terminal_takes_no_output() -> None:
    """The mode of the terminal is restored without waiting for it, and nothing more is written to it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", FLOOD], stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        until = time.monotonic() + 60
        while _is_canonical(theirs):
            assert time.monotonic() < until, "it did not become raw"
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130
        assert _is_canonical(theirs)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def _is_canonical(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ICANON)

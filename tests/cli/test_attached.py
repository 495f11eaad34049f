"""What `exec` and `run` share: the exit code of a remote command, and its output as events."""

from __future__ import annotations

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

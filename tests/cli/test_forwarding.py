"""Ports as users write them, and the relay between two sides."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from shipit.cli.forwarding import PortPair, parse_pair, pass_on, serve
from shipit.cli.relay import Local, relay
from shipit.clock import Clock
from shipit.errors import Interrupted, UsageError
from shipit.rehearsal.memory.one_off import MemoryCommand
from shipit.targets.remote import Command, Output


@pytest.mark.parametrize(
    ("text", "pair"), [("8080:80", PortPair(8080, 80)), ("80", PortPair(80, 80)), ("0:80", PortPair(0, 80))]
)
def test_a_pair_of_ports(text: str, pair: PortPair) -> None:
    assert parse_pair(text) == pair


@pytest.mark.parametrize(
    "text", ["", ":", "0", "80:", ":80", "80:0", "65536", "80:99999", "a:80", "80:http", "1:2:3", "-1", "8０"]
)
def test_what_is_no_pair_of_ports(text: str) -> None:
    with pytest.raises(UsageError, match="should be LOCAL"):
        parse_pair(text)


def test_input_and_output_of_a_command_are_relayed_until_it_ends() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"given")
    os.close(writer)
    shown: list[Output] = []
    with closing(MemoryCommand("web.run", Command(("cat", "-"), has_input=True))) as remote:
        relay(remote, Local(reader, shown.append), Clock())
    os.close(reader)
    assert b"".join(output.data for output in shown) == b"cat -\ngiven"


def test_a_signal_ends_the_relay_of_a_command_that_waits() -> None:
    clock = Clock()
    with closing(MemoryCommand("web.run", Command(("sh",), has_input=True))) as remote:
        threading.Timer(0.1, clock.cancel.set).start()
        with pytest.raises(Interrupted):
            relay(remote, Local(None, lambda output: None), clock)


class Echo:
    """The other side of a forwarded port: sends back what it is given, and ends after `bye`."""

    def __init__(self) -> None:
        self.is_over = self.has_more = self.has_unsent = self.is_full = False
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)

    def fileno(self) -> int:
        return self._ours.fileno()

    def receive(self) -> Iterator[bytes]:
        try:
            data = self._ours.recv(65536)
        except BlockingIOError:
            return
        yield data
        self.is_over = data.endswith(b"bye")

    def flush(self) -> None:
        """Everything is sent at once."""

    def give(self, data: bytes) -> None:
        self._theirs.sendall(data)

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


def test_a_connection_is_relayed_until_the_other_side_ends() -> None:
    local, client = socket.socketpair()
    with closing(Echo()) as remote, local, client:
        client.sendall(b"hello bye")
        pass_on(local, remote, Clock())
        assert client.recv(100) == b"hello bye"


class Full(socket.socket):
    """A listener of a process that may open no more files."""

    accepted = 0
    asked = threading.Event()

    def accept(self) -> tuple[socket.socket, Any]:
        self.accepted += 1
        self.asked.set()
        raise OSError(errno.EMFILE, "Too many open files")


class NoPorts:
    def check(self, port: int) -> None:
        raise AssertionError

    def open(self, port: int) -> Echo:
        raise AssertionError


def test_a_process_that_may_open_no_more_files_waits_for_some_to_be_closed() -> None:
    clock = Clock()
    with Full() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())

        def end() -> None:
            listener.asked.wait(60)
            time.sleep(0.7)
            clock.cancel.set()

        threading.Thread(target=end).start()
        with pytest.raises(Interrupted):
            serve([(listener, PortPair(0, 80))], NoPorts(), clock, lambda error: None)
        assert 1 <= listener.accepted < 10

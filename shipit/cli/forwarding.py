"""Local ports that lead to ports of a workload: a listener for each, a thread for each connection."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from shipit.clock import SLICE_S, Clock
from shipit.errors import Interrupted, ShipitError, UsageError
from shipit.targets.remote import Connection, Ports

HOST = "127.0.0.1"
MOST_CONNECTIONS = 256
_PIECE = 64 * 1024
# How long the other side may take to answer after the local one has ended its sending.
_HALF_CLOSED_S = 30.0
_PORT = re.compile(r"([0-9]{1,5})(?::([0-9]{1,5}))?")


class PortPair(NamedTuple):
    """A local port, 0 for any that is free, and a port of the workload."""

    local: int
    remote: int


def parse_pair(text: str) -> PortPair:
    """`LOCAL[:REMOTE]`. Raises: UsageError."""
    match = _PORT.fullmatch(text)
    local = int(match[1]) if match else -1
    remote = int(match[2] or local) if match else 0
    if not 0 <= local <= 65535 or not 1 <= remote <= 65535:
        raise UsageError(f"{text!r} should be LOCAL[:REMOTE], two port numbers", hint="for example 8080:80, or 0:80")
    return PortPair(local, remote)


def listen(pair: PortPair) -> socket.socket:
    """A listener on this machine's loopback address. Raises: ShipitError when the port is taken."""
    try:
        return socket.create_server((HOST, pair.local), backlog=64)
    except OSError as error:
        what = f"can't listen there: {os.strerror(error.errno or 0).lower()}"
        raise ShipitError(what, where=f"{HOST}:{pair.local}", hint=f"0:{pair.remote} takes a free port") from None


def serve(
    listeners: Sequence[tuple[socket.socket, PortPair]],
    ports: Ports,
    clock: Clock,
    failed: Callable[[ShipitError], None],
) -> None:
    """Forward connections until the run is cancelled. `failed` is called with why one could not be. Raises: Interrupted."""
    remotes = {listener: pair.remote for listener, pair in listeners}
    free = threading.Semaphore(MOST_CONNECTIONS)
    while True:
        clock.check()
        for listener in select.select(list(remotes), [], [], SLICE_S)[0]:
            try:
                local, _ = listener.accept()
            except OSError:
                # It has gone, or no more files may be open: the latter may stay so for a while.
                clock.sleep(SLICE_S)
                continue
            if not free.acquire(blocking=False):
                local.close()
                failed(ShipitError(f"more than {MOST_CONNECTIONS} connections at once"))
                continue
            forward = _Forward(local, ports, remotes[listener], clock, failed, free)
            threading.Thread(target=forward.run, daemon=True, name="forward").start()


class _Forward(NamedTuple):
    """One connection."""

    local: socket.socket
    ports: Ports
    port: int
    clock: Clock
    failed: Callable[[ShipitError], None]
    free: threading.Semaphore

    def run(self) -> None:
        try:
            with self.local, contextlib.closing(self.ports.open(self.port)) as remote:
                pass_on(self.local, remote, self.clock)
        except Interrupted:
            return
        except ShipitError as error:
            self.failed(error)
        except OSError:
            # The local side has gone.
            return
        finally:
            self.free.release()


def pass_on(local: socket.socket, remote: Connection, clock: Clock) -> None:
    """Relay until one side has ended. Raises: RemoteError, OSError, Interrupted."""
    local.setblocking(False)
    unsent = bytearray()
    ended_s: float | None = None
    while True:
        clock.check()
        remote.flush()
        reading: list[Any] = [local] if ended_s is None and not remote.is_full else []
        # What the local side has not taken is not read from the other: the sender has to wait.
        taking = [remote] if len(unsent) < _PIECE and not remote.is_over else []
        writing: list[Any] = [*([local] if unsent else []), *([remote] if remote.has_unsent else [])]
        wait_s = 0.0 if remote.has_more and taking else SLICE_S
        ready, writable, _ = select.select([*reading, *taking], writing, [], wait_s)
        if taking:
            for data in remote.receive():
                unsent += data
                ended_s = ended_s and time.monotonic()
        if local in writable or unsent:
            with contextlib.suppress(BlockingIOError):
                del unsent[: local.send(unsent)]
        if local in ready:
            if data := local.recv(_PIECE):
                remote.give(data)
            else:
                ended_s = time.monotonic()
        if (remote.is_over and not unsent) or (ended_s and time.monotonic() - ended_s > _HALF_CLOSED_S):
            return

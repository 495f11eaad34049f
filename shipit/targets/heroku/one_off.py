"""One-off dynos: a command with the image and config vars of the app, connected through Heroku's rendezvous server.

Source: devcenter.heroku.com/articles/one-off-dynos; the Heroku CLI, packages/cli/src/lib/run/dyno.ts: TLS, the secret of
`attach_url` as the first line, a first line in answer when the dyno is there, then the bytes of both sides; Ctrl-D (4)
ends the input.
"""

from __future__ import annotations

import os
import secrets
import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError, ShipitError
from shipit.http.proxy import is_loopback
from shipit.http.upgraded import RawConnection
from shipit.targets.heroku.address import host_of_api, is_trusted_url
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.exit_marker import ExitMarker, with_marker
from shipit.targets.remote import Command, Output, Size, Started

_PORT = 5000
_END_OF_INPUT = b"\x04"
_PIECE, _TURN, _MOST_UNSENT, _LONGEST_GREETING = 64 * 1024, 16, 256 * 1024, 1024
_STOP_S = 5.0
# Heroku answers 409 for a moment after the first release of an app.
_ATTEMPTS, _CONFLICT = 3, 409


def run_dyno(client: HerokuClient, process: str, command: Command, size: str) -> Rendezvous:
    """A command in a one-off dyno of a process type's image, connected to. Raises: RemoteError."""
    token = secrets.token_hex(8)
    text = with_marker(shlex.join(command.words), token)
    name, url = _start(client, process, text, size, attach=True, terminal=command.terminal)
    try:
        client.wire.http.environment.redactor.add([urlsplit(url).path.lstrip("/")])
        return Rendezvous(client, name, _connect(client, url), command, token)
    except BaseException:
        _stop(client, name)
        raise


def start_dyno(client: HerokuClient, process: str, command: Command, size: str) -> Started:
    """A command in a one-off dyno that nobody waits for."""
    name, _ = _start(client, process, shlex.join(command.words), size, attach=False, terminal=None)
    return Started(name, f"heroku logs --tail -d {name} -a {client.app}")


def _start(
    client: HerokuClient, process: str, command: str, size: str, *, attach: bool, terminal: Size | None
) -> tuple[str, str]:
    body: dict[str, Any] = {"attach": attach, "command": command, "type": process}
    body |= {"force_no_tty": terminal is None} if attach else {}
    body |= {"size": size} if size else {}
    if terminal is not None:
        term = client.wire.http.environment.get("TERM") or "xterm"
        body["env"] = {"TERM": term, "COLUMNS": str(terminal.columns), "LINES": str(terminal.rows)}
    for attempt in range(_ATTEMPTS):
        try:
            return client.start_dyno(body)
        except RemoteError as error:
            if error.status != _CONFLICT or attempt == _ATTEMPTS - 1:
                raise
            client.deadline.sleep(1.0, "the app's first release")
    raise AssertionError


def _connect(client: HerokuClient, url: str) -> RawConnection:
    """A connection on which the secret has been sent. Raises: RemoteError."""
    base = client.wire.base
    if not is_trusted_url(url, base, schemes=("rendezvous",)):
        raise RemoteError("attach_url should be a rendezvous:// URL of a public host", where=client.app)
    parts: SplitResult = urlsplit(url)
    # The stand-in on this machine has no certificate, as its API has none.
    is_secure = not (base.startswith("http://") and is_loopback(host_of_api(base)))
    host, port = parts.hostname or "", parts.port or _PORT
    connection = client.wire.http.connect(host, port, client.deadline, is_secure=is_secure)
    # A new connection takes so few bytes at once.
    connection.send(f"{parts.path[1:]}{'?' if parts.query else ''}{parts.query}\r\n".encode())
    return connection


def _stop(client: HerokuClient, name: str) -> None:
    """Stop a dyno, also when the run is cancelled. Heroku stops it, too, when its connection ends."""
    own = replace(client, deadline=Deadline.after(Clock(), _STOP_S))
    with suppress(ShipitError):
        own.stop_dyno(name)


class Rendezvous:
    """A command in a one-off dyno, connected. Its one stream has stdout and stderr."""

    def __init__(
        self, client: HerokuClient, name: str, connection: RawConnection, command: Command, token: str
    ) -> None:
        self.where = name
        self.is_over = self.has_more = False
        self._client, self._connection = client, connection
        self._unsent = bytearray()
        self._marker = ExitMarker(token)
        # The first line is the server's; input is sent when it is there.
        self._greeting: bytes | None = b""
        self._began_s = time.monotonic()
        if not command.has_input:
            self.end_input()

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent) and self._greeting is None

    @property
    def is_full(self) -> bool:
        return len(self._unsent) >= _MOST_UNSENT

    def receive(self) -> Iterator[Output]:
        self.has_more = False
        for _ in range(_TURN):
            if self.is_over:
                return
            data = self._received()
            if data is None:
                return
            if not data:
                self.is_over = True
            shown = self._marker.output(self._without_greeting(data)) if data else self._marker.rest()
            if shown:
                yield Output(1, shown)
            # The shell has printed the code: nothing follows.
            self.is_over = self.is_over or self._marker.code is not None
        self.has_more = not self.is_over

    def flush(self) -> None:
        if self._greeting is not None:
            self._client.deadline.check(f"the dyno {self.where} to start")
            return
        while self._unsent and not self.is_over:
            try:
                sent = self._connection.send(memoryview(self._unsent)[:_PIECE].tobytes())
            except OSError as error:
                raise self._lost(error) from None
            if not sent:
                return
            del self._unsent[:sent]

    def give(self, data: bytes) -> None:
        self._unsent += data

    def end_input(self) -> None:
        self._unsent += _END_OF_INPUT

    def resize(self, size: Size) -> None:
        """Heroku takes the size of a terminal at its start only."""

    def result(self) -> int:
        if self._marker.code is not None:
            return self._marker.code
        what = "the connection ended before the command told its exit code"
        hint = "a command needs a shell: an ENTRYPOINT of the image that is none prevents it"
        raise RemoteError(what, where=self.where, hint=hint)

    def close(self) -> None:
        self._connection.close()
        if self._marker.code is None:
            _stop(self._client, self.where)

    def _received(self) -> bytes | None:
        try:
            return self._connection.receive(_PIECE)
        except OSError as error:
            raise self._lost(error) from None

    def _without_greeting(self, data: bytes) -> bytes:
        if self._greeting is None:
            return data
        self._greeting += data
        first, newline, rest = self._greeting.partition(b"\n")
        if newline:
            self._greeting = None
            return rest
        if len(first) > _LONGEST_GREETING:
            raise RemoteError("the server of the dyno's streams should begin with a line", where=self.where)
        return b""

    def _lost(self, error: OSError) -> RemoteError:
        what = f"the connection was lost: {os.strerror(error.errno or 0).lower()}"
        return RemoteError(what, where=self.where, hint="check the network", retryable=True)

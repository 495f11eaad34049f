"""One exchange of bytes with a program that the engine runs in a container: its input first, then its output until it ends.

Source: Docker Engine API 1.41: POST /containers/{id}/exec, POST /exec/{id}/start, "Hijacking" and "Stream format".
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from shipit.clock import Clock
from shipit.docker.answer import LARGEST_ANSWER, message_of
from shipit.docker.client import Engine
from shipit.docker.error_message import error_message
from shipit.errors import BuildError, RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json

_PIECE = 64 * 1024
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


def exchange(engine: Engine, container: str, command: Sequence[str], given: bytes, limit_s: float) -> bytes:
    """The framed output of a command that is given some bytes. Its input stays open until it ends.

    Raises: RemoteError when the engine refuses it, the connection is lost, nothing arrives for `limit_s`, or
    the output is not over after that time.
    """
    where = f"exec in {container} of {engine.address.host}"
    body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": False, "Cmd": list(command)}
    made = engine.call("POST", f"/containers/{container}/exec", body=body, timeout_s=limit_s)
    if made.status_code != 201:
        raise RemoteError(error_message(made.content, made.status_code), where=where, status=made.status_code)
    name = Field(parse_json(made.content), where)["Id"].required()
    try:
        return _exchange(engine, name, given, limit_s, where)
    except BuildError as error:
        raise RemoteError(error.what, where=where, hint=error.hint, retryable=error.retryable) from None
    except OSError as error:
        what = f"lost the connection: {(error.strerror or str(error)).lower()}"
        raise RemoteError(what, where=where, retryable=True) from None


def _exchange(engine: Engine, name: str, given: bytes, limit_s: float, where: str) -> bytes:
    start = {"Detach": False, "Tty": False}
    with ExitStack() as stack:
        streamed = engine.streamed("POST", f"/exec/{name}/start", limit_s, json=start, headers=_UPGRADE)
        answer = stack.enter_context(streamed)
        if answer.status_code not in (101, 200):
            raise RemoteError(message_of(answer), where=where)
        # The connection belongs to the program from here on.
        sock, reader = answer.take_stream()
        with suppress(OSError):
            # A program that ended at once has said why: its output is read.
            sock.sendall(given)
        return _read(reader, limit_s)


def _read(reader: Any, limit_s: float) -> bytes:
    clock = Clock()
    pieces, size, end = [], 0, clock.now() + limit_s
    while piece := reader.read1(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise BuildError(f"the program's output is longer than {LARGEST_ANSWER} bytes")
        if clock.now() > end:
            raise BuildError(f"the program's output has no end after {limit_s:g} s", retryable=True)
    return b"".join(pieces)

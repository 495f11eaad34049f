"""Asks a container for its health path, from where its host sees it.

A published port is asked at the host. Otherwise the address of the container is: directly where the engine runs on this
machine, and through ssh for a host behind ssh.
"""

from __future__ import annotations

import re
import socket
import time
from urllib.parse import urlsplit

from shipit.docker.client import Engine
from shipit.docker.tunnel import ssh_forward
from shipit.process import ProgramFailed, run_program
from shipit.targets.docker.observed import ProbeFacts
from shipit.targets.docker.spec import Health
from shipit.targets.session import Session

_PROBE_S = 5.0
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_STATUS_LINE = re.compile(rb"^" + _STATUS.pattern, re.MULTILINE)
_END, _PIECE, _MOST_BYTES = b"\r\n\r\n", 4096, 16 * 1024
_ANY = ("", "0.0.0.0", "::")


def probe(engine: Engine, health: Health, address: str, session: Session, limit_s: float = 0.0) -> ProbeFacts:
    """The answer to GET of the health path; follows no redirect. Until the deadline, unless there is a limit of its own."""
    parts = urlsplit(engine.address.host)
    limit_s = limit_s or max(0.1, session.deadline.within(_PROBE_S).remaining_s())
    if parts.scheme == "ssh":
        return _through_ssh(engine, health, address, session, limit_s)
    if health.publish is not None:
        host = parts.hostname if parts.scheme == "tcp" else "127.0.0.1"
        own = health.publish.ip
        return _direct((host or "") if own in _ANY else own, health.publish.host, health.path, limit_s)
    if parts.scheme == "tcp":
        return ProbeFacts(health.path, 0, "no port of the container can be reached through tcp://")
    return _direct(address, health.port, health.path, limit_s)


def _direct(host: str, port: int, path: str, limit_s: float) -> ProbeFacts:
    if not host:
        return ProbeFacts(path, 0, "the container has no address yet")
    until_s = time.monotonic() + limit_s
    try:
        with socket.create_connection((host, port), limit_s) as connection:
            connection.sendall(_request(host, port, path))
            return ProbeFacts(path, _read_status(connection, until_s))
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return ProbeFacts(path, 0, reason.lower())


def _request(host: str, port: int, path: str) -> bytes:
    name = f"[{host}]" if ":" in host else host
    return f"GET {path} HTTP/1.1\r\nHost: {name}:{port}\r\nUser-Agent: shipit\r\nConnection: close\r\n\r\n".encode()


def _read_status(connection: socket.socket, until_s: float) -> int:
    """The status of the answer; nothing behind its first line is read. Raises: OSError, also where it takes too long."""
    data = b""
    while True:
        match = _STATUS.match(data)
        if match and match[1][:1] != b"1":
            return int(match[1])
        if match and _END in data:
            # An answer before the answer, such as 103.
            data = data.partition(_END)[2]
            continue
        if len(data) > _MOST_BYTES:
            raise OSError(0, "no answer of HTTP")
        connection.settimeout(max(0.001, until_s - time.monotonic()))
        piece = connection.recv(_PIECE)
        if not piece:
            raise OSError(0, "no answer of HTTP")
        data += piece


def _through_ssh(engine: Engine, health: Health, address: str, session: Session, limit_s: float) -> ProbeFacts:
    """The request through `ssh -W`: the sshd of the host connects to the container."""
    if not address:
        return ProbeFacts(health.path, 0, "the container has no address yet")
    command = ssh_forward(engine.address.host, address, health.port)
    request = _request(address, health.port, health.path)
    kept = bytearray()

    def keep(data: bytes) -> None:
        kept.extend(data[: _MOST_BYTES - len(kept)])

    try:
        run_program(
            command,
            variables=engine.variables,
            timeout_s=limit_s,
            given=request,
            clock=session.clock,
            on_output=keep,
        )
    except ProgramFailed as error:
        # A server may keep the connection open behind its answer.
        found = parse_answer(health.path, bytes(kept))
        return found if found.status else ProbeFacts(health.path, 0, f"ssh {error.reason}")
    return parse_answer(health.path, bytes(kept))


def parse_answer(path: str, output: bytes) -> ProbeFacts:
    """The status in what ssh printed: an answer, and warnings and errors of its own."""
    if found := [int(status) for status in _STATUS_LINE.findall(output) if status[:1] != b"1"]:
        return ProbeFacts(path, found[0])
    last = output.decode("utf-8", "replace").strip().splitlines()
    return ProbeFacts(path, 0, last[-1] if last and not last[-1].startswith("SSH-") else "no answer of HTTP")

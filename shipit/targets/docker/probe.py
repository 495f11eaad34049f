"""Asks a container for its health path, from where its host sees it.

A published port is asked at the host. Otherwise the address of the container is: directly where the engine runs on this
machine, and through ssh for a host behind ssh.
"""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlsplit

from shipit.docker.client import Engine
from shipit.docker.tunnel import ssh_forward
from shipit.process import ProgramFailed, run_program
from shipit.targets.docker.observed import ProbeFacts
from shipit.targets.docker.spec import Health
from shipit.targets.session import Session

_PROBE_S = 5.0
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_ANY = ("", "0.0.0.0", "::")


def probe(engine: Engine, health: Health, address: str, session: Session) -> ProbeFacts:
    """The answer to GET of the health path; follows no redirect."""
    parts = urlsplit(engine.address.host)
    limit_s = max(0.1, session.deadline.within(_PROBE_S).remaining_s())
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
    connection = http.client.HTTPConnection(host, port, timeout=limit_s)
    try:
        connection.request("GET", path, headers={"Connection": "close", "User-Agent": "shipit"})
        return ProbeFacts(path, connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        return ProbeFacts(path, 0, reason.lower())
    finally:
        connection.close()


def _through_ssh(engine: Engine, health: Health, address: str, session: Session, limit_s: float) -> ProbeFacts:
    """The request through `ssh -W`: the sshd of the host connects to the container."""
    if not address:
        return ProbeFacts(health.path, 0, "the container has no address yet")
    command = ssh_forward(engine.address.host, address, health.port)
    request = f"GET {health.path} HTTP/1.0\r\nHost: {address}:{health.port}\r\nUser-Agent: shipit\r\n\r\n".encode()
    try:
        done = run_program(command, variables=engine.variables, timeout_s=limit_s, given=request, clock=session.clock)
    except ProgramFailed as error:
        return ProbeFacts(health.path, 0, f"ssh {error.reason}")
    return parse_answer(health.path, done.output, done.errors)


def parse_answer(path: str, output: bytes, errors: bytes) -> ProbeFacts:
    """The status in what ssh printed."""
    if match := _STATUS.match(output):
        return ProbeFacts(path, int(match[1]))
    last = errors.decode("utf-8", "replace").strip().splitlines()
    return ProbeFacts(path, 0, last[-1] if last else "no answer of HTTP")

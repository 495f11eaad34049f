"""Programs on the host of an engine behind ssh, which only read there."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from shipit.docker.client import Engine
from shipit.docker.tunnel import ssh_program
from shipit.process import ProgramFailed, run_program

_PROGRAM_S = 15.0


def is_here(engine: Engine) -> bool:
    """True where the socket of the engine is on this machine. The engine itself may be in a virtual machine."""
    return urlsplit(engine.address.host).scheme == "unix"


def host_output(engine: Engine, words: Sequence[str]) -> str | None:
    """What a program on the host of the engine prints; None where it can't be run there."""
    address = engine.address.host
    if urlsplit(address).scheme != "ssh":
        return None
    try:
        done = run_program(ssh_program(address, list(words)), variables=engine.variables, timeout_s=_PROGRAM_S)
    except ProgramFailed:
        return None
    # ssh itself ends with 255; cat ends with 1 where it lacks one of its files.
    return done.output.decode("utf-8", "replace") if done.code in (0, 1) else None

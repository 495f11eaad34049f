"""The head of every step of a Docker host. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shipit.release import Step


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class HostStep(Step):
    """A change on one host, by its address. Only its subclasses are created."""

    host: str

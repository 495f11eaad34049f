"""The client and the values with which a step is applied."""

from __future__ import annotations

from typing import NamedTuple

from shipit.targets.engine.owner import Owner
from shipit.targets.session import Session


class Setting(NamedTuple):
    """The target and the session of a step. `secrets` are names of variables. `pending_s` and `steady_s` are how long a container may take, and must run."""

    target: str
    owner: Owner
    session: Session
    secrets: frozenset[str]
    pending_s: float
    steady_s: float
    restarts: int = 0

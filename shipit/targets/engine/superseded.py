"""The verdict and the error of a run that finds what somebody else deployed meanwhile, for kinds on Docker engines. Pure."""

from __future__ import annotations

from shipit.errors import DeployFailed
from shipit.release import State, Verdict
from shipit.targets.engine.made_by import UNKNOWN, MadeBy

_HINT = "deploy again when they are done"
# What a container or service says of itself does not tell who started it.
_WHO = "someone else"


def superseded(what: str, made: MadeBy = UNKNOWN) -> Verdict:
    """`made` is who made the container or service that was found."""
    return Verdict(State.FAILED, _told(what, made), hint=_HINT, superseded_by=_WHO)


def superseded_error(what: str, target: str, made: MadeBy = UNKNOWN) -> DeployFailed:
    error = DeployFailed(_told(what, made), where=target, hint=_HINT)
    error.superseded_by = _WHO
    return error


def _told(what: str, made: MadeBy) -> str:
    return f"superseded by {_WHO}: {what}" + (f", {made.phrase}" if made.phrase else "")

"""The verdict and the error of a run that finds what somebody else deployed meanwhile, for kinds on Docker engines. Pure."""

from __future__ import annotations

from shipit.errors import DeployFailed
from shipit.release import State, Verdict
from shipit.targets.engine.made_by import UNKNOWN, MadeBy

_HINT = "deploy again when they are done"


def superseded(what: str, made: MadeBy = UNKNOWN) -> Verdict:
    """`made` is who made the container or service that was found."""
    return Verdict(State.FAILED, f"superseded by {made.phrase}: {what}", hint=_HINT, superseded_by=made.who)


def superseded_error(what: str, target: str, made: MadeBy = UNKNOWN) -> DeployFailed:
    error = DeployFailed(f"superseded by {made.phrase}: {what}", where=target, hint=_HINT)
    error.superseded_by = made.who
    return error

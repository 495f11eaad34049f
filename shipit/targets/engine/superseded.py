"""The verdict and the error of a run that finds what somebody else deployed meanwhile, for kinds on Docker engines. Pure."""

from __future__ import annotations

from shipit.errors import DeployFailed
from shipit.release import State, Verdict

_WHO, _HINT = "someone else", "deploy again when they are done"


def superseded(what: str) -> Verdict:
    return Verdict(State.FAILED, f"superseded by {_WHO}: {what}", hint=_HINT, superseded_by=_WHO)


def superseded_error(what: str, target: str) -> DeployFailed:
    error = DeployFailed(f"superseded by {_WHO}: {what}", where=target, hint=_HINT)
    error.superseded_by = _WHO
    return error

"""Notes of a plan about the lock of a target."""

from __future__ import annotations

from shipit.pipeline.run import Run
from shipit.pipeline.state import IN_REGISTRY
from shipit.targets.base import Target
from shipit.targets.locks import locks


def borrows(run: Run, target: Target) -> bool:
    """True where the lock of a target is that of another one, by deploy.yml: no request is sent."""
    has_state = run.project.state not in ("", IN_REGISTRY) and not run.environment.is_untrusted
    return run.lender is not None and not locks(target) and not has_state


def lock_notes(run: Run, target: Target) -> tuple[str, ...]:
    """The note on a lock at a place that the run has no other business with; empty for other locks."""
    if run.lender is None or not borrows(run, target) or any(chosen.name == run.lender.name for chosen in run.targets):
        return ()
    return (f"takes the lock of {run.lender.name}: its own place keeps none",)

"""What a plan says about the lock of a target."""

from __future__ import annotations

from shipit.pipeline.run import Run
from shipit.pipeline.state import IN_REGISTRY
from shipit.targets.base import Target
from shipit.targets.locks import locks


def lock_notes(run: Run, target: Target) -> tuple[str, ...]:
    """The note on a lock at a place that the run has no other business with; empty for other locks."""
    has_state = run.project.state not in ("", IN_REGISTRY) and not run.environment.is_untrusted
    if run.lender is None or locks(target) or has_state:
        return ()
    if any(chosen.name == run.lender.name for chosen in run.targets):
        return ()
    return (f"takes the lock of {run.lender.name}: its own place keeps none",)

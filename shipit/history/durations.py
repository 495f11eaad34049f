"""How long past runs took. Pure."""

from __future__ import annotations

from datetime import datetime

from shipit.past_run import PastRun


def run_seconds(run: PastRun) -> float | None:
    """From the start of a run to its end, in seconds; None where that is not known.

    Of a run that only the places know, it is the time of its slowest target.
    """
    if run.state in ("lost", "running"):
        return None
    if not run.ended_at:
        return max((own.elapsed_s for own in run.targets if own.elapsed_s is not None), default=None)
    try:
        return max(0.0, (datetime.fromisoformat(run.ended_at) - datetime.fromisoformat(run.started_at)).total_seconds())
    except (ValueError, TypeError):
        # The time of one has a zone, and that of the other has none.
        return None

"""Chooses the release that a rollback returns to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shipit.errors import UsageError
from shipit.past_release import NOTHING_RAN, PastRelease
from shipit.pipeline.left_rollback import LeftRollback

# The beginning of the note about a release that a deploy would bring back.
BRINGS_BACK = "this would bring back"
# The shortest beginning of a run's id that names it.
SHORTEST_NAME = 4
_SHOWN = 5
# The states of a release to return to, the best first: one that the place keeps, and one that it has lost.
_KEPT = _LOST = ("healthy", "unknown")


class Choice(NamedTuple):
    """A release to return to, and what the plan says about it. `is_left` is whether it completes an earlier rollback."""

    past: PastRelease
    notes: tuple[str, ...]
    is_left: bool = False


def choose_release(
    target: str,
    history: Sequence[PastRelease],
    wanted: str = "",
    *,
    takes_gone: bool = False,
    left: LeftRollback | None = None,
) -> Choice:
    """The release named by `wanted`, a version or a run; without it the newest healthy one before what runs now.

    `history` is newest first. Without a healthy one, it is the newest without a verdict, and a note says so. A rollback that
    failed or has no end is completed: `left` is what the runs know of it, for a place that does not say it by itself.
    With `takes_gone`, one that the place has lost is chosen where it is named, or no other is left.
    Raises: UsageError where there is none to return to, and where others have released since the rollback in `left`.
    """
    notes: tuple[str, ...] = ()
    if wanted:
        chosen = find_release(target, history, wanted)
    elif left:
        chosen = _completed(target, history, left)
        notes = (f"completes the rollback of the run {left.run}, which {left.how}",)
    else:
        chosen = _unfinished(history) or _before(target, history, takes_gone)
        notes = _passed_over(history, chosen)
    if chosen.gone and not takes_gone:
        raise UsageError(f"{target} can't return to {chosen.version}: {chosen.gone}", hint=_others(history, chosen))
    notes = (f"returns to {describe_past(chosen)}", *_doubts(chosen, history), *notes)
    return Choice(chosen, notes, is_left=bool(left and not left.is_verified and wanted in ("", left.version)))


def running_release(history: Sequence[PastRelease]) -> PastRelease | None:
    """The release that runs now: where the newest returned to an earlier one, that one. None without a history."""
    return history[_root(history)] if history else None


def current_release(history: Sequence[PastRelease]) -> PastRelease | None:
    """The newest release that runs: a return where the newest returned to an earlier one. None without a history."""
    return history[_current(history)] if history else None


def last_healthy(history: Sequence[PastRelease], but: PastRelease, *, takes_gone: bool = False) -> PastRelease | None:
    """The newest release before another one with a verdict of healthy; without any, the newest without a verdict.

    With `takes_gone`, a healthy one that the place has lost is given where no other is left.
    """
    at = next((at for at, past in enumerate(history) if past.version == but.version), -1)
    return _newest(history[at + 1 :], _KEPT, _LOST[:1] if takes_gone else ())


def rolled_back(history: Sequence[PastRelease]) -> tuple[PastRelease, ...]:
    """The releases that were made after the one that runs, and left by a return to it. `history` is newest first."""
    later = history[: _root(history)]
    if not any(past.returns_to for past in later):
        return ()
    return tuple(past for past in later if not past.returns_to or past.state == "failed")


def describe_past(past: PastRelease) -> str:
    """A release for people: version, run, time, commit and verdict, as far as they are known."""
    run = f"run {past.run}" if past.run and past.run != past.version else ""
    at = f"{past.released_at[:16].replace('T', ' ')} UTC" if past.released_at else ""
    commit = f"commit {past.commit[:7]}{f' on {past.branch}' if past.branch else ''}" if past.commit else ""
    state = "" if past.state == "unknown" else past.state
    known = ", ".join(part for part in (run, at, commit, state) if part)
    return f"{past.version} ({known})" if known else past.version


def find_release(target: str, history: Sequence[PastRelease], wanted: str) -> PastRelease:
    """The release with a version, or the last one of a run. Raises: UsageError."""
    exact = [past for past in history if wanted in (past.version, past.run)]
    begun = [past for past in history if len(wanted) >= SHORTEST_NAME and past.run.startswith(wanted)]
    found = exact or begun
    if not found:
        raise UsageError(f"{target} has no release {wanted!r}", hint=_known(history))
    if len({past.run or past.version for past in found}) > 1:
        names = ", ".join(past.run for past in found[:_SHOWN])
        raise UsageError(
            f"{wanted!r} is the beginning of {len(found)} runs of {target}", hint=f"say more of it: {names}"
        )
    # One run may make several releases, such as settings and then images: the last one has all of them. A return to an
    # earlier release after a failure has none of them.
    own = [past for past in found if not past.returns_to or wanted == past.version]
    return (own or found)[0]


def _completed(target: str, history: Sequence[PastRelease], left: LeftRollback) -> PastRelease:
    """Raises: UsageError."""
    if left.later:
        what = f"the rollback of {target} to {left.version} {left.how}, and others have released {', '.join(left.later)} since"
        raise UsageError(what, hint=f"say which release to return to, such as --to {left.version}")
    return find_release(target, history, left.version)


def _unfinished(history: Sequence[PastRelease]) -> PastRelease | None:
    """The release that the newest one was to return to, where that failed, or nothing says how it ended."""
    newest = next(iter(history), None)
    if newest is None or not newest.returns_to:
        return None
    has_failed = newest.command == "rollback" and newest.state == "failed"
    if not has_failed and newest.state not in ("begun", "unknown"):
        return None
    return next((past for past in history if past.version == newest.returns_to), None)


def _before(target: str, history: Sequence[PastRelease], takes_gone: bool) -> PastRelease:
    running = running_release(history)
    if running and running.returns_to and all(past.version != running.returns_to for past in history):
        what = f"{running.version} returned to {running.returns_to}, which is not in the history of {target} any more"
        raise UsageError(f"{what}: what was before it is not known", hint=f"say --to RELEASE; {_known(history)}")
    if found := _newest(history[_root(history) + 1 :], _KEPT, _LOST if takes_gone else ()):
        return found
    what = f"there is nothing to roll back to: {target} has no earlier healthy release"
    raise UsageError(what, hint=_known(history) if history else "shipit history lists the releases")


def _newest(history: Sequence[PastRelease], kept: Sequence[str], lost: Sequence[str]) -> PastRelease | None:
    """The newest release in the first of these states that one has: those that the place keeps, then those that it has lost."""
    for is_gone, states in ((False, kept), (True, lost)):
        for state in states:
            of_state = (past for past in history if past.state == state and past.gone != NOTHING_RAN)
            if found := next((past for past in of_state if bool(past.gone) == is_gone), None):
                return found
    return None


def _root(history: Sequence[PastRelease]) -> int:
    """The index of the release that runs now: after a return to an earlier one, of that one."""
    places = {past.version: at for at, past in reversed(list(enumerate(history)))}
    at = _current(history)
    while at < len(history) and places.get(history[at].returns_to, -1) > at:
        at = places[history[at].returns_to]
    return at


def _current(history: Sequence[PastRelease]) -> int:
    return next((at for at, past in enumerate(history) if past.is_current), 0)


def _passed_over(history: Sequence[PastRelease], chosen: PastRelease) -> tuple[str, ...]:
    """A note on the newest release without a verdict that a healthy one was preferred to."""
    if chosen.state != "healthy":
        return ()
    later = history[_root(history) + 1 : history.index(chosen)]
    found = next((past for past in later if past.state == "unknown" and not past.gone), None)
    if found is None:
        return ()
    return (f"{found.version} is newer and has no verdict: shipit rollback --to {found.version} returns to it",)


def _doubts(past: PastRelease, history: Sequence[PastRelease]) -> tuple[str, ...]:
    """What the plan says of a release that may not be healthy. Its newest verdict counts: that of a return to it, where there is one."""
    verdicts = (other.state for other in history if other.returns_to == past.version and _tells_return(other))
    if past.state == "healthy":
        return ()
    if next(verdicts, "") == "healthy":
        return (f"{past.version} was healthy after the last rollback to it",)
    if past.state == "unknown":
        return (f"{past.version} has no verdict, at the place or on this machine: it may not have been healthy",)
    return (f"{past.version} was not healthy: {past.reason or past.state}",)


def _tells_return(past: PastRelease) -> bool:
    """True for the verdict on a return: a deploy that failed and was rolled back has another one."""
    return past.state == "healthy" or (past.state == "failed" and past.command == "rollback")


def _known(history: Sequence[PastRelease]) -> str:
    names = [past.version for past in history[:_SHOWN] if not past.gone]
    if not names:
        return "shipit history lists the releases"
    which = f"its newest release is {names[0]}" if len(names) == 1 else f"its newest releases are {', '.join(names)}"
    return f"{which}; shipit history lists them"


def _others(history: Sequence[PastRelease], but: PastRelease) -> str:
    return _known([past for past in history if past.version != but.version])

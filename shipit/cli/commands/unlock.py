"""`shipit unlock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.cli.exits import can_ask, confirm, exit_on_error
from shipit.cli.options import ChangeOptions
from shipit.cli.printing import note, say
from shipit.cli.runs import targets_run
from shipit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipit.pipeline.run import Run
    from shipit.targets.base import Target
    from shipit.targets.locks import NoLock

HELP = """Says who holds the lock of each target, asks, and breaks it. A run that still goes on stops before its next change. A lock
that is not renewed any more needs no unlock: it is free after 15 seconds."""
EXAMPLES = ("shipit unlock", "shipit unlock k8s -e staging --yes")


def run(options: ChangeOptions) -> None:
    with exit_on_error(options.verbose, options.output):
        # Asked before a live view starts: older releases of rich replace stderr by something that is no terminal.
        asks = can_ask()
        with targets_run(options, timeout=options.timeout, is_live=False, for_deploy=False) as run:
            # With json, stdout has lines of JSON only.
            _unlock(run, note if options.output == "json" else say, is_sure=options.yes, asks=asks)


def _unlock(run: Run, tell: Callable[[str], None], *, is_sure: bool, asks: bool) -> None:
    from shipit.events import Warned
    from shipit.pipeline.lock_errors import described, of_lender
    from shipit.pipeline.lock_keepers import read_locks
    from shipit.pipeline.telling import tell_warnings
    from shipit.pipeline.unlock import break_lock

    tell_warnings(run.project, run.emit)

    def refused(target: Target, error: NoLock) -> None:
        if error.what:
            run.emit(Warned(target.name, f"{error.what}: locks of other machines are not known"))

    held = {name: holder for name, holder in read_locks(run, refused).items() if holder is not None}
    if not held:
        tell("no target is locked")
        return
    lent = {target.name: of_lender(run, target) for target in run.targets}
    told = "; ".join(f"{name} is locked by {described(holder)}{lent[name]}" for name, holder in held.items())
    if not is_sure and not (asks and confirm(run.redactor.text(f"{told}. Break the lock?"))):
        raise UsageError(f"not confirmed: {told}", hint="answer yes, or pass --yes where nobody can be asked")
    for target in run.targets:
        if (holder := held.get(target.name)) is not None:
            break_lock(run, target, holder)
            tell(f"{target.name} is unlocked; it was locked by {described(holder)}")

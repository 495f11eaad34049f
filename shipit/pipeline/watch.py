"""Looks at places again and again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from shipit.errors import ShipitError
from shipit.events import StatusRead, Warned
from shipit.parallel import settle
from shipit.pipeline.prepare import observe_target
from shipit.pipeline.telling import tell_warnings

if TYPE_CHECKING:
    from shipit.pipeline.run import Run
    from shipit.release import Status


def watch_status(run: Run, pause_s: float) -> Iterator[tuple[Status, ...]]:
    """Look every `pause_s` seconds, and give what runs whenever it has changed, without an end. Emits each, too.

    A place that can't be read is a warning, said once until it changes; what ran there stays as it was, and is given again
    when the place can be read again.
    Raises: Interrupted; ShipitError when a place can't be read at the first look.
    """
    last: dict[str, Status] = {}
    errors: dict[str, str] = {}
    looks = {target.name: partial(observe_target, run, target, is_planning=False) for target in run.targets}
    tell_warnings(run.project, run.emit)
    while True:
        read = settle(looks, run.clock)
        now, is_back = dict(last), False
        for target in run.targets:
            observed = read[target.name]
            if not isinstance(observed, Exception):
                now[target.name] = target.describe(observed)
                is_back = errors.pop(target.name, None) is not None or is_back
                continue
            if not isinstance(observed, ShipitError) or target.name not in last:
                raise observed
            if errors.get(target.name) != str(observed):
                errors[target.name] = str(observed)
                run.emit(Warned(target.name, str(observed)))
        if now != last or is_back:
            last = now
            found = tuple(now[target.name] for target in run.targets)
            run.emit(StatusRead(found))
            yield found
        run.clock.sleep(pause_s)
        run.clock.check()

"""The end of a run, of a command that has one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from shipit.cli import signals
from shipit.clock import Clock
from shipit.errors import ShipitError
from shipit.redact import Redactor

if TYPE_CHECKING:
    from shipit.envelope import Reporter
    from shipit.events import Event


class Closes(Protocol):
    """A run that tells events and is closed at its end."""

    @property
    def redactor(self) -> Redactor: ...

    def emit(self, event: Event, /) -> None: ...

    def close(self) -> None: ...


@contextmanager
def closing(run: Closes, clock: Clock, reporter: Reporter) -> Iterator[None]:
    """Close a run and its reporter at the end, and tell an error of the block. Signals cancel the clock."""
    with signals.on_signal(clock.cancel.set):
        try:
            yield
        except ShipitError as error:
            from shipit.report.problems import failure_of

            run.emit(failure_of(run.redactor.error(error)))
            error.is_told = True
            raise
        finally:
            run.close()
            reporter.close()

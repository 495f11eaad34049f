"""Run calls in parallel, and stop waiting for them when the run is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from shipit.clock import Clock
from shipit.errors import Interrupted, ShipitError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

GRACE_S = 0.5


class Failures(ShipitError):
    """Several failures of parallel calls, in the order of the calls."""

    def __init__(self, errors: tuple[ShipitError, ...]) -> None:
        super().__init__(f"{len(errors)} failures")
        self.errors = errors
        self.exit_code = max(error.exit_code for error in errors)

    @property
    def parts(self) -> tuple[ShipitError, ...]:
        return self.errors

    def render(self) -> str:
        return "\n".join(error.render() for error in self.errors)


def settle(calls: Mapping[K, Callable[[], V]], clock: Clock) -> dict[K, V | Exception]:
    """What each call returned or raised. After a cancellation, calls have half a second to end.

    Raises: Interrupted.
    """
    results: dict[K, V | Exception] = {}

    def one(key: K, call: Callable[[], V]) -> None:
        try:
            results[key] = call()
        except Exception as error:
            results[key] = error

    threads = [threading.Thread(target=one, args=item, daemon=True) for item in calls.items()]
    for thread in threads:
        thread.start()
    waited = 0.0
    for thread in threads:
        while thread.is_alive():
            thread.join(0.05)
            if clock.is_cancelled():
                waited += 0.05
                if waited > GRACE_S:
                    break
    clock.check()
    return {key: results[key] for key in calls}


def together(calls: Mapping[K, Callable[[], V]], clock: Clock) -> dict[K, V]:
    """What each call returned.

    Raises: the one error, Failures when there are several, Interrupted when the run was cancelled.
    """
    results = settle(calls, clock)
    errors = [result for result in results.values() if isinstance(result, Exception)]
    for error in errors:
        if isinstance(error, Interrupted) or not isinstance(error, ShipitError):
            raise error
    unique = tuple({(error.what, error.hint): error for error in errors if isinstance(error, ShipitError)}.values())
    if unique:
        raise unique[0] if len(unique) == 1 else Failures(unique)
    return {key: result for key, result in results.items() if not isinstance(result, Exception)}

"""Two runs that take a lock at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from shipit.pipeline.lock_errors import Locked
from shipit.pipeline.locks import RunLocks
from shipit.pipeline.run import Run


def check_one_gets_it(both: Sequence[Run]) -> None:
    """A hundred times, exactly one of two runs gets the locks of its targets."""
    for _ in range(100):
        start, got = threading.Barrier(2), list[RunLocks]()

        def take(run: Run, start: threading.Barrier = start, got: list[RunLocks] = got) -> None:
            held = RunLocks(run)
            start.wait()
            try:
                held.take(run.targets)
            except Locked:
                return
            got.append(held)

        threads = [threading.Thread(target=take, args=(run,)) for run in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        got[0].give_back()

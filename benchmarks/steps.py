"""The time that the pipeline adds to each step of a target: events, journal, checks of the lock, and redaction.

    python -m benchmarks.steps [ROUNDS]

One run of a target in memory with 1,000 steps that do nothing, in turn with one of a single step. Aim: 2 ms a step. Prints medians and
writes steps.json with the load of the machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.beside import save
from shipit.clock import Clock
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.envelope import Reporters
from shipit.events import Event
from shipit.history.journal import Journal
from shipit.pipeline.change import Change, change
from shipit.pipeline.run import Run
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.steps import SetQuantities
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.release import State, Step, Verdict
from shipit.report.plain import PlainReporter
from shipit.targets.kinds import KindModels
from shipit.targets.session import Session

STEPS, LIMIT_MS = 1000, 2.0


class Idle(MemoryTarget):
    """A target whose steps do nothing."""

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        return iter(())


def ran_s(folder: Path, steps: int) -> float:
    """A run of that many steps, with a journal and plain output, from its start to its end."""
    environment = ProcessEnvironment({"PATH": "/usr/bin:/bin"}, folder, folder)
    project = load_project(folder / "deploy.yml", environment, KindModels())
    target = Idle("one", InMemoryPlace(), (), MemoryConfig.model_validate({"settle": "0s"}))
    planned = tuple(SetQuantities(f"step {number}", f"set {number}", (), quantities={}) for number in range(steps))
    journal = Journal(folder)
    with Path("/dev/null").open("w") as output:
        reporter = Reporters(PlainReporter(output, output), journal)
        with Run(project, [target], environment, Clock(), reporter, journal=journal) as run:
            healthy = Verdict(State.HEALTHY, "runs")
            began_s = time.perf_counter()
            code = change(run, "scale", [Change(target, lambda seen: planned, lambda observed, seen: healthy)])
            took_s = time.perf_counter() - began_s
        journal.close()
    if code:
        raise SystemExit(f"the run ended with {code}")
    return took_s


def main(rounds: int) -> None:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "deploy.yml").write_text("app: shop\nimage: localhost/shop\n")
        ran_s(folder, 1)
        pairs = [(ran_s(folder, STEPS), ran_s(folder, 1)) for _ in range(rounds)]
    step_ms = statistics.median(1000 * (many - one) / (STEPS - 1) for many, one in pairs)
    print(f"{step_ms:.2f} ms a step, aim {LIMIT_MS:.0f} ms: {'met' if step_ms <= LIMIT_MS else 'not met'}")
    save("steps", load, {"step_ms": round(step_ms, 3), "steps": STEPS, "rounds": rounds})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)

"""Reading the runs of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.events import Log, RunFinished, StepDone, StepStarted, TargetFinished, Waiting
from shipit.history.fold import fold_run
from shipit.history.past import read_run, read_runs
from shipit.release import State, Verdict
from tests.history.test_journal import STARTED, STEP, Writer


@pytest.mark.parametrize("ends", [True, False])
def test_a_list_of_runs_says_the_same_as_all_events_of_each(tmp_path: Path, ends: bool) -> None:
    writer = Writer(tmp_path)
    writer.tell(STARTED)
    writer.journal.begin()
    for number in range(20):
        step = STEP._replace(subject=f"step {number}")
        writer.tell(StepStarted(step, "create"), Log("k8s", "web", '"event": "run_finished"'), Waiting("k8s", "slow"))
        if number != 7:
            writer.tell(StepDone(step, "create", 1.0))
    verdict = Verdict(State.HEALTHY, 'it has "event": "step_started" in its text')
    writer.tell(TargetFinished("k8s", "healthy", 1.0, verdict, version="v3"))
    if ends:
        writer.tell(RunFinished(0, "done", 2.0))
    writer.journal.close()
    [run], is_more = read_runs(tmp_path, 5)
    whole, events = read_run(tmp_path, writer.run)
    assert run == whole == fold_run(events, is_running=False) and not is_more
    assert bool(run.begun) != ends and run.targets[0].version == "v3"

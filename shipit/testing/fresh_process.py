"""Applies steps in a fresh process, from their JSON: it has deploy.yml and the environment, and nothing of the planner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shipit.clock import Clock
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import ShipitError
from shipit.events import Event
from shipit.past_release import PastRelease
from shipit.pipeline.run import Run
from shipit.record import from_json, to_json
from shipit.release import Release, Step
from shipit.targets.history import returns
from shipit.targets.kinds import KindModels, create_target, load_steps


class Outcome(NamedTuple):
    """The names of the events of all steps, and the error that ended them; empty when all were applied."""

    events: list[str]
    error: str


def apply_in_fresh_process(
    folder: Path,
    variables: Mapping[str, str],
    target: str,
    steps: Sequence[Step],
    release: Release,
    past: PastRelease | None = None,
) -> Outcome:
    """Apply the steps of a target, one after the other. `past` is the release that they return to, if any."""
    job = {
        "folder": str(folder),
        "variables": dict(variables),
        "target": target,
        "steps": to_json(steps),
        "release": to_json(release),
        "past": to_json(past),
    }
    done = subprocess.run(
        [sys.executable, "-m", "shipit.testing.fresh_process"],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Outcome(**json.loads(done.stdout))


def _apply(job: Mapping[str, Any]) -> Outcome:
    folder = Path(job["folder"])
    load_steps()
    environment = ProcessEnvironment(job["variables"], folder, folder)
    project = load_project(folder / "deploy.yml", environment, KindModels())
    target = create_target(job["target"], project.targets[job["target"]], project, environment)
    events: list[Event] = []
    with Run(project, [target], environment, Clock(), lambda envelope: events.append(envelope.event)) as run:
        run.read_secrets()
        session = run.session(target, from_json(Release, job["release"]))
        try:
            if job["past"] is not None:
                assert returns(target)
                recalled = target.recall(from_json(PastRelease, job["past"]), run.session(target, is_planning=False))
                session = run.session(target, is_planning=False, recalled=recalled)
            for step in job["steps"]:
                events.extend(target.apply(from_json(Step, step), session))
        except ShipitError as error:
            return Outcome([type(event).__name__ for event in events], error.render())
    return Outcome([type(event).__name__ for event in events], "")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_apply(json.load(sys.stdin))._asdict()))

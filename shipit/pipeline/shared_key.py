"""The key of several machines: keyed hashes of values that are made with it compare on all of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shipit.errors import Interrupted, ShipitError
from shipit.events import Warned
from shipit.history.state_key import read_state_key, state_key
from shipit.parallel import settle
from shipit.pipeline.state import IN_REGISTRY, open_store

if TYPE_CHECKING:
    from shipit.config.process_environment import ProcessEnvironment
    from shipit.config.project import Project
    from shipit.pipeline.run import Run


def shared_key(project: Project, environment: ProcessEnvironment, *, makes: bool = False) -> str | None:
    """The key of several machines: SHIPIT_PLAN_KEY, or the one in the state of deploy.yml; None where there is none.

    With `makes`, a state without a key gets one. `state: registry` keeps none: whoever may pull the image could read it.
    Raises: UsageError, StateError.
    """
    if key := environment.plan_key:
        return key
    if not project.state or project.state == IN_REGISTRY or environment.is_untrusted:
        return None
    store = open_store(project, environment)
    key = state_key(store) if makes else read_state_key(store)
    if key is not None:
        environment.redactor.add([key])
    return key


def make_key(run: Run) -> str | None:
    """The key of several machines for a plan that is saved, with which the keyed hashes of the run are made from now on.

    They compare on all of these machines then. Called before the plan is made. Raises: UsageError, StateError.
    """
    key = shared_key(run.project, run.environment, makes=True)
    if key is not None:
        run.share_marks(key)
    return key


def share_found_key(run: Run) -> None:
    """Make the keyed hashes of a run without a saved plan with the key in the state, as a run with one does, where a machine has made it.

    A release command that a killed run began is found by them. Where the key can't be read, a warning says so, and they are
    made with the key of this machine.
    """
    if run.environment.plan_key or run.project.state == IN_REGISTRY or run.state is None:
        return
    found = settle({"": partial(read_state_key, run.state)}, run.clock)[""]
    if isinstance(found, Exception):
        if isinstance(found, Interrupted) or not isinstance(found, ShipitError):
            raise found
        why = (
            "hashes of values are made with the key of this machine, so a release command of a killed run may run again"
        )
        run.emit(Warned("", f"{why}: {found}"))
    elif found:
        run.redactor.add([found])
        run.share_marks(found)

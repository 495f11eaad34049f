"""The restart of dynos one after the other, on an app that is a few lists."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import DeployFailed
from shipit.events import Log
from shipit.targets.heroku.changes import Changes
from shipit.targets.heroku.observed import DynoFacts
from shipit.targets.heroku.restart import restart
from shipit.targets.heroku.steps import Restart

OLD = tuple(DynoFacts(f"web.{number}", "web", "up", 1, f"old-{number}", "t1") for number in (1, 2))


def new(number: int, state: str = "up") -> DynoFacts:
    return DynoFacts(f"web.{number}", "web", state, 1, f"new-{number}", "t2")


class App:
    """`lists` are the dynos that looks at them find one after the other; the last one stays."""

    app = "shop-prod"

    def __init__(self, quantity: int, *lists: tuple[DynoFacts, ...]) -> None:
        self.quantity, self.lists = quantity, list(lists)
        self.restarted: list[str] = []
        self.deadline = Deadline(Clock())
        self.waits: list[str] = []

    def dynos(self) -> tuple[DynoFacts, ...]:
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]

    def formation(self) -> dict[str, Any]:
        return {"web": SimpleNamespace(quantity=self.quantity)}

    def restart_dyno(self, name: str) -> None:
        self.restarted.append(name)

    def run(self) -> list[str]:
        deadline = SimpleNamespace(sleep=lambda seconds, waiting_for: self.waits.append(waiting_for))
        session = SimpleNamespace(fence=lambda: None, deadline=deadline)
        read = lambda step, what: SimpleNamespace(dynos=OLD)  # noqa: E731
        changes = SimpleNamespace(client=self, session=session, name="heroku", read=read)
        events = restart(cast("Changes", changes), Restart("r", "r", app="id", processes=("web",)))
        return [event.line for event in events if isinstance(event, Log)]


def test_a_dyno_that_is_not_listed_for_a_while_is_waited_for() -> None:
    app = App(2, OLD[1:], (new(1, "starting"), OLD[1]), (new(1), OLD[1]), (new(1),), (new(1), new(2)))
    assert app.run() == ["restarted web.1", "restarted web.2"]
    assert app.restarted == ["web.1", "web.2"]
    assert app.waits == ["web.1 to be up again", "web.1 to be up again", "web.2 to be up again"]


def test_a_dyno_that_somebody_scaled_down_is_not_waited_for() -> None:
    assert App(1, (new(1),)).run() == ["restarted web.1"]


def test_dynos_after_one_that_crashes_are_not_restarted() -> None:
    app = App(2, (new(1, "crashed"), OLD[1]))
    with pytest.raises(DeployFailed, match=r"web\.1 crashed after the restart; the dynos after it were not restarted"):
        app.run()
    assert app.restarted == ["web.1"]

"""A fault at every single request to Heroku: overcome or explained, and never a release too many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shipit.errors import ShipitError
from shipit.events import Event
from shipit.parallel import Failures
from shipit.pipeline.flow import deploy
from shipit.pipeline.run import Run
from shipit.rehearsal.dyno import Line, Running
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from tests import runs
from tests.sampled import sampled

TEXT = """\
app: shop
image: {build: .}
env: {MODE: live}
targets: {heroku: {app: shop-prod, settle: 0s, processes: {clock: {quantity: 1}}}}
"""


class Idle:
    """A dyno that runs and does nothing."""

    kind = "nothing"

    def start(
        self, registry: EmbeddedRegistry, name: str, digest: str, env: Mapping[str, str], port: int, line: Line
    ) -> Running:
        return self

    def exit_code(self) -> int | None:
        return None

    def stop(self) -> None:
        """It never was."""


class Faulty(HerokuStandIn):
    """Breaks the API request of a given index; `after` does what was asked before it breaks."""

    def __init__(self) -> None:
        super().__init__(token="token", runner=Idle())
        self.index, self.count, self.after = -1, 0, False
        self.fault = Response(503)

    def answer(self, request: Request) -> Response:
        self.count += 1
        if self.count - 1 != self.index:
            return super().answer(request)
        if self.after:
            super().answer(request)
        return self.fault


FAULTS = {
    "401": (Response(401, b'{"id": "unauthorized", "message": "no."}'), False),
    "429": (Response(429, b'{"id": "rate_limit", "message": "slow."}', {"Retry-After": "1"}), False),
    "500": (Response(500, b"oops"), False),
    "503-after": (Response(503, b""), True),
    "cut-off-after": (Response(200, b"[", {"Content-Length": "900", "Connection": "close"}), True),
    "html": (Response(200, b"<html>"), False),
}


def make(folder: Path, heroku: HerokuStandIn, events: list[Event]) -> Run:
    process_environment = runs.environment(folder, **heroku.variables())
    return runs.run(runs.project(folder, TEXT, process_environment), process_environment, events)


@pytest.mark.sampled
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_at_every_request_is_overcome_or_explained(tmp_path: Path, name: str) -> None:
    with Faulty() as clean:
        clean.create_app("shop-prod")
        assert deploy(make(tmp_path / "count", clean, [])) == 0
        requests = clean.count
    for index in sampled(range(requests), 6, of=name):
        with Faulty() as heroku:
            heroku.create_app("shop-prod")
            heroku.index = index
            heroku.fault, heroku.after = FAULTS[name]
            events: list[Event] = []
            try:
                deploy(make(tmp_path / str(index), heroku, events))
            except ShipitError as error:
                assert error.where or isinstance(error, Failures), f"request {index}: {error.render()}"
            assert deploy(make(tmp_path / str(index), heroku, [])) == 0, f"request {index}: the next run converges"
            app = heroku.apps["shop-prod"]
            assert [row["description"].split(" ")[0] for row in app.releases] == ["Initial", "Set", "Deployed"], (
                f"request {index}"
            )
            assert app.config == {"MODE": "live", "SHIPIT_VARIABLES": "MODE"}
            assert app.formation["clock"]["quantity"] == 1

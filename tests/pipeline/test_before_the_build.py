"""What is told before anything is built: logins that are missing, and places that can't be read."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import ConfigErrors, RemoteError, ShipitError
from shipit.events import Event, StepStarted
from shipit.parallel import Failures
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.run import Run
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.memory.place import InMemoryPlace, MemoryObserved
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse
from shipit.targets.base import Target
from shipit.targets.kinds import create_target
from shipit.targets.session import Session
from tests import runs
from tests.waits import wait_until

WITH_RUN = 'FROM scratch\nRUN make\nCMD ["/hello"]\n'


class Engine:
    """Listens as a Docker engine would, and counts who comes."""

    def __init__(self) -> None:
        self.calls = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            client.close()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def engine() -> Iterator[Engine]:
    server = Engine()
    yield server
    server.stop()


def test_a_missing_heroku_login_is_told_before_the_build(tmp_path: Path, engine: Engine) -> None:
    with HerokuStandIn(token="token") as heroku:
        variables = {key: value for key, value in heroku.variables().items() if key != "HEROKU_API_KEY"}
        process_environment = runs.environment(tmp_path, DOCKER_HOST=engine.address, **variables)
        text = "app: shop\nimage: {build: .}\nsecrets: {A: {command: [touch, asked]}}\ntargets: {heroku: {app: shop-prod}}\n"
        events: list[Event] = []
        run = runs.run(
            runs.project(tmp_path, text, process_environment, dockerfile=WITH_RUN),
            process_environment,
            events,
            clock=Clock(),
        )
        with run, pytest.raises(RemoteError) as caught:
            deploy(run)
        assert caught.value.what == "not logged in to Heroku" and "HEROKU_API_KEY" in caught.value.hint
        assert not [event for event in events if isinstance(event, StepStarted)]
        assert engine.calls == 0 and heroku.log == [] and not (tmp_path / "asked").exists()


class Away(MemoryTarget):
    """Can't be read, after a while, or where an image is wrong, after that is known."""

    awaits_build = False

    def observe(self, session: Session) -> MemoryObserved:
        if self.awaits_build:
            wait_until("the build ends", lambda: "build" not in {thread.name for thread in threading.enumerate()})
        else:
            time.sleep(0.4)
        raise RemoteError("is out of reach", where=self.place.identity)


def _run(folder: Path, registry: EmbeddedRegistry, dockerfile: str, events: list[Event], **variables: str) -> Run:
    process_environment = runs.environment(folder, **variables)
    loaded = runs.project(folder, f"app: app\nimage: {registry.host}/app\n", process_environment, dockerfile=dockerfile)
    use = ImageUse("app", f"{registry.host}/app", "oci", "linux/amd64", None, ("latest",))
    return runs.run(
        loaded, process_environment, events, targets=lambda _: [Away("away", InMemoryPlace(), [use])], clock=Clock()
    )


def test_an_engine_is_asked_only_when_every_place_was_read(tmp_path: Path, engine: Engine) -> None:
    with EmbeddedRegistry() as registry:
        events: list[Event] = []
        run = _run(tmp_path, registry, WITH_RUN, events, DOCKER_HOST=engine.address)
        with run, pytest.raises(RemoteError, match="out of reach"):
            deploy(run)
        assert engine.calls == 0
        count = len(events)
        time.sleep(0.3)
        assert len(events) == count, "nothing is told any more"


def test_what_is_wrong_with_the_image_is_told_beside_a_place_that_cannot_be_read(tmp_path: Path) -> None:
    with EmbeddedRegistry() as registry:
        run = _run(tmp_path, registry, "FROM scratch\nCOPY nothing /\n", [])
        [away] = run.targets
        assert isinstance(away, Away)
        away.awaits_build = True
        with run, pytest.raises(ShipitError) as caught:
            deploy(run)
        assert isinstance(caught.value, Failures), caught.value
        assert caught.value.errors[0].what == "is out of reach" and "nothing" in caught.value.render()


def test_a_missing_registry_login_is_told_before_an_engine_builds(tmp_path: Path, engine: Engine) -> None:
    with EmbeddedRegistry(password="secret") as registry:
        process_environment = runs.environment(tmp_path, DOCKER_HOST=engine.address)
        loaded = runs.project(
            tmp_path,
            f"app: app\nimage: {registry.host}/app\ntargets: {{hub: }}\n",
            process_environment,
            dockerfile=WITH_RUN,
        )
        use = ImageUse("app", f"{registry.host}/app", "oci", "linux/amd64", None, ("latest",))
        run = runs.run(
            loaded,
            process_environment,
            [],
            targets=lambda _: [MemoryTarget("memory", InMemoryPlace(), [use])],
            clock=Clock(),
        )
        with run, pytest.raises(RemoteError) as caught:
            deploy(run)
        assert caught.value.render() == (
            f"{registry.host}/app: a push needs a login to {registry.host}, and there are no credentials for it\n"
            f"hint: shipit login {registry.host}, or docker login {registry.host}"
        )
        assert engine.calls == 0


@pytest.mark.parametrize("command", [plan, deploy])
def test_only_what_pushes_asks_whether_it_may_push(tmp_path: Path, command: Callable[[Run], object]) -> None:
    with EmbeddedRegistry() as registry:
        process_environment = runs.environment(tmp_path)
        loaded = runs.project(tmp_path, f"app: app\nimage: {registry.host}/app\n", process_environment)
        use = ImageUse("app", f"{registry.host}/app", "oci", "linux/amd64", None, ("latest",))
        with runs.run(
            loaded, process_environment, [], targets=lambda _: [MemoryTarget("memory", InMemoryPlace(), [use])]
        ) as run:
            command(run)
        # One of them looks for TLS.
        assert registry.log.count(("GET", "/v2/")) == (1 if command is plan else 2)


WITH_RELEASE = "app: shop\nimage: {build: .}\nrelease: migrate\ntargets: {heroku: {app: shop-prod}, compose: {images: {web: shop}}}\n"


def only(name: str, process_environment: ProcessEnvironment) -> Callable[[Project], Sequence[Target]]:
    return lambda project: [create_target(name, project.targets[name], project, process_environment)]


@pytest.mark.parametrize("command", [plan, deploy])
def test_a_release_command_that_a_target_of_the_run_cannot_run_is_told_before_the_build(
    tmp_path: Path, engine: Engine, command: Callable[[Run], object]
) -> None:
    (tmp_path / "compose.yaml").touch()
    process_environment = runs.environment(tmp_path, DOCKER_HOST=engine.address)
    project = runs.project(tmp_path, WITH_RELEASE, process_environment, dockerfile=WITH_RUN)
    with (
        runs.run(project, process_environment, [], targets=only("compose", process_environment)) as run,
        pytest.raises(ConfigErrors) as caught,
    ):
        command(run)
    [error] = caught.value.problems
    assert (error.path, error.what) == ("release", "can't be run by the target compose")
    assert error.where.endswith("deploy.yml:3:1") and "release: null" in error.hint
    assert engine.calls == 0


def test_a_deploy_that_is_refused_for_its_release_command_stops_no_other_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "compose.yaml").touch()
    process_environment = runs.environment(tmp_path, DOCKER_HOST="tcp://127.0.0.1:1")
    project = runs.project(tmp_path, WITH_RELEASE, process_environment)
    asked: list[Run] = []
    monkeypatch.setattr("shipit.pipeline.supersede.supersede", lambda run, within_s: asked.append(run))
    with (
        runs.run(project, process_environment, [], targets=only("compose", process_environment)) as run,
        pytest.raises(ConfigErrors),
    ):
        deploy(run, supersedes=True)
    assert asked == []


def test_a_target_that_runs_the_release_command_is_deployed_beside_one_that_does_not(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").touch()
    process_environment = runs.environment(tmp_path, DOCKER_HOST="tcp://127.0.0.1:1")
    project = runs.project(tmp_path, WITH_RELEASE, process_environment)
    with (
        runs.run(project, process_environment, [], targets=only("heroku", process_environment)) as run,
        pytest.raises(RemoteError) as caught,
    ):
        plan(run)
    assert caught.value.what == "not logged in to Heroku"

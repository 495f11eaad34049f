"""What every kind of target must do, told once and held by all: in memory, a registry, Heroku, a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from shipit.clock import Clock
from shipit.delivery.publish_stage import publish_all
from shipit.events import Event, StepDone, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from shipit.record import from_json, to_json
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.memory import InMemoryPlace, MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse, Release, Seen, State, Status, Step
from shipit.targets.base import reverts
from tests import runs
from tests.fresh_process import apply_in_fresh_process
from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer

SECRET = "canary-secret-4711"
APP = 'FROM scratch\nCOPY app.py /\nCMD ["python", "/app.py"]\n'
SERVE = "import http.server, os\nhttp.server.HTTPServer(('', int(os.environ['PORT'])), http.server.BaseHTTPRequestHandler).serve_forever()\n"


Make = Callable[..., Run]
# Applies steps in a process that did not plan them; the error that ended them, empty when all were applied.
Apply = Callable[[Sequence[Step], Release], str]


@dataclass
class Case:
    """One kind with a place for it. `make(note)` gives a fresh run on the same place, of an image that holds the note.

    `writes` counts the place's writes. `latest` is the digest of the tag latest. `replace` is somebody else who brings
    back the image of the very first deploy, whose name messages hold; `reset` one who changes a variable.
    `apply` applies steps in a fresh process, or in a fresh target where the place is in this process.
    """

    make: Make
    apply: Apply
    writes: Callable[[], int]
    latest: Callable[[], str]
    replace: Callable[[], None]
    reset: Callable[[], None] | None = None
    who: str = "someone else"
    has_steps: bool = True


def _make(folder: Path, text: str, variables: dict[str, str], dockerfile: str = APP) -> tuple[Make, Apply]:
    surroundings = runs.environment(folder, TOKEN=SECRET, **variables)

    def make(note: str = "") -> Run:
        loaded = runs.project(folder, text, surroundings, dockerfile=dockerfile)
        (folder / "app.py").write_text(f"{SERVE}# {note}\n")
        return runs.run(loaded, surroundings, [], clock=Clock())

    def apply(steps: Sequence[Step], release: Release) -> str:
        [name] = make().project.targets
        return apply_in_fresh_process(folder, surroundings.variables, name, steps, release).error

    return make, apply


SECRETS = "env: {MODE: test}\nsecrets: {TOKEN: {env: TOKEN}}\n"
_TYPES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")


class Tags:
    """The manifests of one repository, asked for and tagged over HTTP. `first` is what `latest` named at the first look."""

    def __init__(self, host: str, name: str) -> None:
        self._url = f"http://{host}/v2/{name}/manifests"
        self.first = ""

    def latest(self) -> str:
        answer = requests.head(f"{self._url}/latest", headers={"Accept": ", ".join(_TYPES)}, timeout=10)
        digest = answer.headers.get("Docker-Content-Digest", "") if answer.ok else ""
        self.first = self.first or digest
        return digest

    def move_back(self) -> None:
        found = requests.get(f"{self._url}/{self.first}", headers={"Accept": ", ".join(_TYPES)}, timeout=10)
        headers = {"Content-Type": found.headers["Content-Type"]}
        requests.put(f"{self._url}/latest", data=found.content, headers=headers, timeout=10).raise_for_status()


@pytest.fixture
def memory_case(tmp_path: Path) -> Iterator[Case]:
    world = InMemoryPlace()
    surroundings = runs.environment(tmp_path, TOKEN=SECRET)
    with EmbeddedRegistry() as registry:
        use = ImageUse("app", f"{registry.host}/app", "oci", "linux/amd64", None, ("latest",))

        def make(note: str = "") -> Run:
            loaded = runs.project(tmp_path, f"app: app\nimage: {registry.host}/app\n{SECRETS}", surroundings)
            (tmp_path / "hello.txt").write_text(f"hello {note}\n")
            return runs.run(
                loaded, surroundings, [], targets=lambda _: [MemoryTarget("memory", world, [use])], clock=Clock()
            )

        def replace() -> None:
            world.images, world.author = {"app": "sha256:" + "f" * 64}, "rival"

        def reset() -> None:
            world.marks["MODE"], world.author = "rival", "rival"

        def apply(steps: Sequence[Step], release: Release) -> str:
            run = make()
            run.read_secrets()
            for step in json.loads(json.dumps(to_json(steps))):
                list(run.targets[0].apply(from_json(Step, step), run.session(run.targets[0], release)))
            return ""

        yield Case(make, apply, lambda: len(world.writes), Tags(registry.host, "app").latest, replace, reset, "rival")


@pytest.fixture
def heroku_case(tmp_path: Path) -> Iterator[Case]:
    with HerokuStandIn(token="token-of-heroku") as heroku:
        app = heroku.create_app("app-prod")
        text = f"app: app\nimage: {{build: .}}\n{SECRETS}targets: {{heroku: {{app: app-prod, settle: 0s}}}}\n"

        seen: list[str] = []

        def latest() -> str:
            """Heroku runs what was released: no tag moves for it, and the first image is remembered."""
            seen.append(str(app.formation["web"]["image"]))
            return ""

        def patch(path: str, body: object) -> None:
            accept = "application/vnd.heroku+json; version=3.docker-releases"
            headers = {"Authorization": "Bearer token-of-heroku", "Accept": accept}
            url = f"http://{heroku.host}/apps/app-prod/{path}"
            requests.patch(url, json=body, headers=headers, timeout=10).raise_for_status()

        def replace() -> None:
            """A release of the image of the first deploy, through the API."""
            patch("formation", {"updates": [{"type": "web", "docker_image": seen[0]}]})

        def reset() -> None:
            patch("config-vars", {"MODE": "rival"})

        yield Case(
            *_make(tmp_path, text, heroku.variables()),
            lambda: sum(method not in ("GET", "HEAD") for method, _ in heroku.log),
            latest,
            replace,
            reset,
        )


@pytest.fixture
def registry_case(tmp_path: Path) -> Iterator[Case]:
    with EmbeddedRegistry() as registry:
        text = f"app: app\nimage: {registry.host}/app\n{SECRETS}targets: {{hub: {{settle: 0s}}}}\n"
        tags = Tags(registry.host, "app")
        yield Case(
            *_make(tmp_path, text, {}),
            lambda: sum(method not in ("GET", "HEAD") for method, _ in registry.log),
            tags.latest,
            tags.move_back,
            has_steps=False,
        )


@pytest.fixture
def real_registry_case(tmp_path: Path, registry_server: RegistryServer) -> Case:
    name = f"contract-{tmp_path.name.replace('_', '-').lower()}"
    text = f"app: app\nimage: {registry_server.host}/{name}\n{SECRETS}targets: {{hub: {{settle: 0s}}}}\n"
    tags = Tags(registry_server.host, name)
    return Case(*_make(tmp_path, text, {}), lambda: 0, tags.latest, tags.move_back, has_steps=False)


@pytest.fixture
def cluster_case(tmp_path: Path, cluster: Cluster, registry_server: RegistryServer, python_base: str) -> Case:
    name = f"contract-{tmp_path.name.replace('_', '-').strip('-')}"[:50].strip("-").lower()
    cluster.kubectl("create", "namespace", name)
    text = f"app: app\nimage: {registry_server.host}/{name}\n{SECRETS}targets: {{k8s: {{namespace: {name}, port: 8000, settle: 0s}}}}\n"
    variables = {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    tags = Tags(registry_server.host, name)

    def writes() -> int:
        path = "jsonpath={range .items[*]}{.metadata.resourceVersion} {end}"
        return hash(cluster.kubectl("-n", name, "get", "services,secrets", "-o", path))

    def replace() -> None:
        image = f"{registry_server.host}/{name}@{tags.first}"
        cluster.kubectl("-n", name, "set", "image", "deployment/app", f"app={image}")

    def reset() -> None:
        cluster.kubectl("-n", name, "set", "env", "deployment/app", "MODE=rival")

    make, apply = _make(tmp_path, text, variables, APP.replace("scratch", "python:3.12-alpine"))
    return Case(make, apply, writes, tags.latest, replace, reset, "kubectl-set")


_CLUSTER = pytest.param("cluster", marks=[pytest.mark.registry, pytest.mark.cluster])
KINDS = ["memory", "heroku", "registry", pytest.param("real_registry", marks=pytest.mark.registry), _CLUSTER]


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(f"{request.param}_case")
    return found


@pytest.fixture(params=["memory", "heroku", _CLUSTER])
def case_with_variables(request: pytest.FixtureRequest) -> Case:
    """The kinds that verify variables while they watch."""
    found: Case = request.getfixturevalue(f"{request.param}_case")
    return found


def test_a_place_that_never_saw_the_release_is_not_healthy(case: Case) -> None:
    run = case.make()
    target = run.targets[0]
    preparation = prepare(run)
    verdict = target.judge(preparation.releases[target.name], preparation.observed[target.name], Seen(0, 0, 0))
    assert verdict.state is not State.HEALTHY


def test_looking_and_planning_write_nothing(case: Case) -> None:
    run = case.make()
    before = case.writes()
    preparation = prepare(run)
    assert case.writes() == before
    assert preparation.plan.changes > 0


def test_plans_are_pure_json_and_hold_no_secret(case: Case) -> None:
    run = case.make()
    target = run.targets[0]
    preparation = prepare(run)
    release, observed = preparation.releases[target.name], preparation.observed[target.name]
    steps = target.plan(release, observed)
    assert steps == target.plan(release, observed)
    assert bool(steps) == case.has_steps
    assert len({step.id for step in steps}) == len(steps)
    for step in steps:
        text = json.dumps(to_json(step))
        assert from_json(Step, json.loads(text)) == step
        assert SECRET not in text


def test_after_a_deploy_the_plan_is_empty_and_stays_so(case: Case) -> None:
    assert deploy(case.make()) == 0
    after = case.writes()
    assert prepare(case.make()).plan.changes == 0
    assert deploy(case.make()) == 0
    assert case.writes() == after, "a deploy with nothing to do writes nothing"


def test_every_step_is_safe_to_repeat(case: Case) -> None:
    run = case.make()
    target = run.targets[0]
    preparation = prepare(run)
    publish_all(run.delivery, preparation.uses.values())
    for step in preparation.plan.targets[0].steps:
        first, second = (list(target.apply(step, run.session(target))) for _ in range(2))
        assert all(isinstance(event, Event) for event in [*first, *second])
    assert deploy(case.make()) == 0
    assert prepare(case.make()).plan.changes == 0


def test_every_step_applies_from_its_json_in_a_fresh_process(case: Case) -> None:
    run = case.make()
    preparation = prepare(run)
    publish_all(run.delivery, preparation.uses.values())
    [target] = run.targets
    release = preparation.releases[target.name]
    for step in preparation.plan.targets[0].steps:
        assert case.apply([step], release) == ""
    assert prepare(case.make()).plan.targets[0].steps == ()
    assert deploy(case.make()) == 0


def test_every_step_of_a_rollback_applies_from_its_json_in_a_fresh_process(case: Case) -> None:
    assert deploy(case.make("first")) == 0
    run = case.make("second")
    [target] = run.targets
    if not reverts(target):
        return
    preparation = prepare(run)
    release, before = preparation.releases[target.name], preparation.observed[target.name]
    assert deploy(case.make("second")) == 0
    later = case.make("second")
    steps = target.plan_rollback(release, before, target.observe(later.session(target)))
    assert steps
    assert SECRET not in json.dumps(to_json(steps))
    for step in steps:
        assert case.apply([step], release) == ""
    assert prepare(case.make("first")).plan.targets[0].steps == ()
    assert deploy(case.make("first")) == 0


def test_what_runs_can_be_described(case: Case) -> None:
    assert deploy(case.make()) == 0
    run = case.make()
    target = run.targets[0]
    status = target.describe(target.observe(run.session(target)))
    assert status.units
    text = json.dumps(to_json(status))
    assert from_json(Status, json.loads(text)) == status
    assert SECRET not in text


def _deploy_while(case: Case, note: str, meddle: Callable[[], None]) -> TargetFinished:
    """How a deploy of a changed image ends when somebody else meddles as soon as it has done its last step."""
    run = case.make(note)
    events: list[Event] = []
    action, target = ("apply", run.targets[0].name) if case.has_steps else ("push", "")
    is_done = False

    def note_and_meddle(event: Event) -> None:
        nonlocal is_done
        events.append(event)
        if isinstance(event, StepDone) and (event.step.action, event.step.target) == (action, target) and not is_done:
            is_done = True
            meddle()

    runs.react(run, note_and_meddle)
    assert deploy(run) == 1
    assert is_done
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    return finished


def test_what_somebody_else_replaces_while_we_watch_is_a_failure_and_tags_stay(case: Case) -> None:
    assert deploy(case.make("first")) == 0
    first = case.latest()
    assert deploy(case.make("second")) == 0
    second = case.latest()
    finished = _deploy_while(case, "third", case.replace)
    assert finished.state == "failed"
    assert case.who in finished.reason, finished.reason
    assert case.latest() == (second if case.has_steps else first), "a tag never names what failed"
    assert deploy(case.make("third")) == 0, "the next run converges"
    assert prepare(case.make("third")).plan.changes == 0


def test_a_variable_that_somebody_else_changes_while_we_watch_is_a_failure(case_with_variables: Case) -> None:
    case = case_with_variables
    assert case.reset is not None
    assert deploy(case.make("first")) == 0
    before = case.latest()
    finished = _deploy_while(case, "second", case.reset)
    assert finished.state == "failed"
    assert case.who in finished.reason, finished.reason
    assert case.latest() == before
    assert deploy(case.make("second")) == 0, "the next run converges"

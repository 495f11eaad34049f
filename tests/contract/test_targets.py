"""What every kind of target must do, told once and held by all: in memory, a registry, Heroku, a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.events import Event
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.pipeline.publish import publish_all
from shipit.pipeline.run import Run
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.memory import MemoryTarget, World
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse, Seen, State
from tests import runs
from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer

SECRET = "canary-secret-4711"
APP = 'FROM scratch\nCOPY app.py /\nCMD ["python", "/app.py"]\n'
SERVE = "import http.server, os\nhttp.server.HTTPServer(('', int(os.environ['PORT'])), http.server.BaseHTTPRequestHandler).serve_forever()\n"


@dataclass
class Case:
    """One kind with a place for it. `make` gives a fresh run on the same place; `writes` counts the place's writes."""

    make: Callable[[], Run]
    writes: Callable[[], int]
    has_steps: bool = True


def _make(folder: Path, text: str, variables: dict[str, str], dockerfile: str = APP) -> Callable[[], Run]:
    surroundings = runs.environment(folder, TOKEN=SECRET, **variables)

    def make() -> Run:
        loaded = runs.project(folder, text, surroundings, dockerfile=dockerfile)
        (folder / "app.py").write_text(SERVE)
        return runs.run(loaded, surroundings, [], clock=Clock())

    return make


SECRETS = "env: {MODE: test}\nsecrets: {TOKEN: {env: TOKEN}}\n"


@pytest.fixture
def memory_case(tmp_path: Path) -> Iterator[Case]:
    world = World()
    surroundings = runs.environment(tmp_path, TOKEN=SECRET)
    with EmbeddedRegistry() as registry:
        use = ImageUse("app", f"{registry.host}/app", "oci", "linux/amd64", None, ("latest",))

        def make() -> Run:
            loaded = runs.project(tmp_path, f"app: app\nimage: {registry.host}/app\n{SECRETS}", surroundings)
            return runs.run(
                loaded, surroundings, [], targets=lambda _: [MemoryTarget("memory", world, [use])], clock=Clock()
            )

        yield Case(make, lambda: len(world.writes))


@pytest.fixture
def heroku_case(tmp_path: Path) -> Iterator[Case]:
    with HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app("app-prod")
        text = f"app: app\nimage: {{build: .}}\n{SECRETS}targets: {{heroku: {{app: app-prod, settle: 0s}}}}\n"
        yield Case(
            _make(tmp_path, text, heroku.variables()),
            lambda: sum(method not in ("GET", "HEAD") for method, _ in heroku.log),
        )


@pytest.fixture
def registry_case(tmp_path: Path) -> Iterator[Case]:
    with EmbeddedRegistry() as registry:
        text = f"app: app\nimage: {registry.host}/app\n{SECRETS}targets: {{hub: {{settle: 0s}}}}\n"
        make = _make(tmp_path, text, {})
        yield Case(make, lambda: sum(method not in ("GET", "HEAD") for method, _ in registry.log), has_steps=False)


@pytest.fixture
def real_registry_case(tmp_path: Path, registry_server: RegistryServer) -> Case:
    text = f"app: app\nimage: {registry_server.host}/contract-{tmp_path.name.replace('_', '-').lower()}\n{SECRETS}targets: {{hub: {{settle: 0s}}}}\n"
    return Case(_make(tmp_path, text, {}), lambda: 0, has_steps=False)


@pytest.fixture
def cluster_case(tmp_path: Path, cluster: Cluster, registry_server: RegistryServer, python_base: str) -> Case:
    name = f"contract-{tmp_path.name.replace('_', '-').strip('-')}"[:50].strip("-").lower()
    cluster.kubectl("create", "namespace", name)
    text = f"app: app\nimage: {registry_server.host}/{name}\n{SECRETS}targets: {{k8s: {{namespace: {name}, port: 8000, settle: 0s}}}}\n"
    variables = {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}

    def writes() -> int:
        path = "jsonpath={range .items[*]}{.metadata.resourceVersion} {end}"
        return hash(cluster.kubectl("-n", name, "get", "services,secrets", "-o", path))

    return Case(_make(tmp_path, text, variables, APP.replace("scratch", "python:3.12-alpine")), writes)


@pytest.fixture(
    params=[
        "memory",
        "heroku",
        "registry",
        pytest.param("real_registry", marks=pytest.mark.registry),
        pytest.param("cluster", marks=[pytest.mark.registry, pytest.mark.cluster]),
    ]
)
def case(request: pytest.FixtureRequest) -> Case:
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
        assert json.loads(json.dumps(step.payload)) == json.loads(json.dumps(step.payload))
        assert SECRET not in json.dumps([step.payload, step.summary, step.detail])


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
    publish_all(run, preparation.uses.values())
    for step in preparation.plan.targets[0].steps:
        first, second = (list(target.apply(step, run.context(target))) for _ in range(2))
        assert all(isinstance(event, Event) for event in [*first, *second])
    assert deploy(case.make()) == 0
    assert prepare(case.make()).plan.changes == 0


def test_what_runs_can_be_described(case: Case) -> None:
    assert deploy(case.make()) == 0
    run = case.make()
    target = run.targets[0]
    lines = target.describe(target.observe(run.context(target)))
    assert lines
    assert SECRET not in "\n".join(lines)

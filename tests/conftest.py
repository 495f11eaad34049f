"""Servers as fixtures, started once at their first use. A missing server fails its tests in CI and skips them elsewhere."""

from __future__ import annotations

import gc
import ipaddress
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from coverage import Coverage
from hypothesis import settings

from shipit.config.schema import render_schema
from shipit.rehearsal.dyno import free_port
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.targets.kinds import KindModels
from tests import runs
from tests.http.scripted import ScriptedServer, Start
from tests.in_process import InProcess
from tests.leaks import Known, left_behind
from tests.servers.buildkit import BuildKit
from tests.servers.cluster import Cluster
from tests.servers.engine import DockerEngine
from tests.servers.hub import DockerHub
from tests.servers.install import requested_programs
from tests.servers.kube_yaml import KubeYaml
from tests.servers.language_server import LanguageServer
from tests.servers.moby import Moby
from tests.servers.object_store import ObjectStoreServer
from tests.servers.process import Unavailable
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit, interpreter
from tests.warm import WarmProgram

T = TypeVar("T")
KNOWN = Known()
# The cluster while it runs.
_CLUSTER = pytest.StashKey[Cluster]()

# A shell's background job ignores SIGINT, and nohup SIGHUP; programs that tests start and signal would inherit that.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
# No test is timed: an example may take long on a busy machine.
settings.register_profile("default", deadline=None)
settings.register_profile("fast", max_examples=20, deadline=None)
settings.register_profile("deep", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Its assertions show values, as those of test modules do.
pytest.register_assert_rewrite("shipit.testing.contract")


# Fixture -> the marker of the tests that use it.
_MARKERS = {
    "engine": "engine",
    "modern_engine": "engine",
    "swarm": "engine",
    "buildkit": "engine",
    "registry_server": "registry",
    "docker_hub": "registry",
    "python_base": "registry",
    "cluster": "cluster",
    "moby": "tools",
    "kube_yaml": "tools",
    "language_server": "tools",
    "object_store": "tools",
    "web_server": "tools",
    "shipit": "program",
}


_SERVER_MARKERS = {"engine", "registry", "cluster", "tools"}
# Of a table, coverage measures that many cases.
MEASURED_CASES = 60
_cases: Counter[str] = Counter()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they start, so that bin/test and bin/test-fast can choose."""
    for item in items:
        for fixture, marker in _MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
        # The stand-in of Heroku runs dynos, which are programs that take their time to start.
        if any(
            name in vars(getattr(item, "module", item)) for name in ("HerokuStandIn", "heroku_place", "HerokuPlace")
        ):
            item.add_marker("program")


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of garbage collections, each of which takes 0.2 s with it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Servers that several tests share are known from when they are there."""
    made = yield
    if fixturedef.scope != "function":
        KNOWN.add()
    return made


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails the test that leaves a thread or a socket. Runs that a test began are closed first."""
    KNOWN.add()
    yield
    runs.close_all()
    if found := left_behind(KNOWN):
        KNOWN.add()
        pytest.fail("left behind: " + "\n".join(found), pytrace=False)


@pytest.fixture(autouse=True, scope="module")
def namespaces_of_a_module_are_removed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Removes what its tests shared."""
    yield
    if cluster := request.config.stash.get(_CLUSTER, None):
        cluster.remove_namespaces(cluster.namespaces())


@pytest.fixture(autouse=True)
def namespaces_are_removed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Removes what a test made in the cluster."""
    cluster = request.getfixturevalue("cluster") if "cluster" in request.fixturenames else None
    before = cluster.namespaces() if cluster else set()
    yield
    if cluster:
        cluster.remove_namespaces(cluster.namespaces() - before)


@pytest.fixture(autouse=True)
def only_cheap_tests_are_measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """Pauses coverage where a test takes up to three times as long with it, and adds little to what others run.

    That is in fuzz targets, tests of large inputs, and all but the first cases of a table.
    """
    coverage = Coverage.current()
    if coverage is None:
        yield
        return
    function = request.node.nodeid.partition("[")[0]
    _cases[function] += 1
    is_fuzzed = request.node.path.parent.name == "fuzz"
    is_large = request.node.get_closest_marker("large") is not None
    if not (is_fuzzed or is_large or _cases[function] > MEASURED_CASES):
        yield
        return
    coverage.stop()
    yield
    coverage.start()


@pytest.fixture(autouse=True)
def installed_programs_need_a_marker(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test that uses a program of tests/servers/install.py and has no marker that says so."""
    requested_programs.clear()
    yield
    markers = {marker.name for marker in request.node.iter_markers()}
    if requested_programs and not markers & _SERVER_MARKERS:
        pytest.fail(f"uses {', '.join(requested_programs)}: mark it as one of {sorted(_SERVER_MARKERS)}", pytrace=False)


def started(make: Callable[[], T]) -> T:
    """The server; skips the test when it is unavailable, and fails it in CI."""
    try:
        return make()
    except Unavailable as reason:
        if os.environ.get("CI", "false") not in ("false", "0", ""):
            pytest.fail(f"in CI every server has to be there: {reason}", pytrace=False)
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def engine(server_folder: Path) -> Iterator[DockerEngine]:
    """An engine with a bridge of its own: tests in another process start one as well."""
    server = started(lambda: DockerEngine(server_folder, beside=True))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def modern_engine(server_folder: Path) -> Iterator[DockerEngine]:
    """An engine whose images are in containerd."""
    server = started(lambda: DockerEngine(server_folder, modern=True))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def buildkit(server_folder: Path) -> Iterator[BuildKit]:
    """BuildKit of the version that the native builder follows."""
    server = started(lambda: BuildKit(server_folder / "buildkit"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def moby() -> Iterator[Moby]:
    """moby's code, called through a small Go program."""
    server = started(Moby)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kube_yaml() -> Iterator[KubeYaml]:
    """kubectl's reader of manifests, called through a small Go program."""
    server = started(KubeYaml)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def language_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """The language server of YAML that editors use, with the schema of deploy.yml beside its documents."""
    folder = tmp_path_factory.mktemp("editor")
    (folder / "deploy.schema.json").write_text(json.dumps(render_schema(KindModels())))
    server = started(lambda: LanguageServer(folder))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreServer]:
    """moto's S3."""
    server = started(lambda: ObjectStoreServer(tmp_path_factory.mktemp("objects")))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def registry_server(server_folder: Path) -> Iterator[RegistryServer]:
    server = started(lambda: RegistryServer(server_folder / "registry"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cluster(server_folder: Path, registry_server: RegistryServer, pytestconfig: pytest.Config) -> Iterator[Cluster]:
    server = started(lambda: Cluster(server_folder, registry_server.host))
    pytestconfig.stash[_CLUSTER] = server
    yield server
    del pytestconfig.stash[_CLUSTER]
    server.stop()


@pytest.fixture(scope="session")
def python_base(docker_hub: DockerHub) -> str:
    """The registry host that serves docker.io/library/python:3.12-alpine as a mirror."""
    return docker_hub.having("python:3.12-alpine")


@pytest.fixture(scope="session")
def docker_hub(registry_server: RegistryServer, tmp_path_factory: pytest.TempPathFactory) -> DockerHub:
    """The images of Docker Hub that tests use, made of what is installed here; see tests/servers/images.py."""
    return DockerHub(registry_server.host, tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="session", autouse=True)
def program_is_run_again_without_its_start() -> Iterator[None]:
    """Sets `Shipit.warm`, on Linux only."""
    if sys.platform != "linux":
        yield
        return
    Shipit.warm = WarmProgram(interpreter())
    yield
    Shipit.warm.close()


@pytest.fixture
def shipit(tmp_path: Path) -> Shipit:
    """The program, in a folder and a home of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Shipit(folder, tmp_path / "home")


@pytest.fixture
def in_process(tmp_path: Path) -> InProcess:
    """As `shipit`, with commands that are called instead of started: for tables of many cases."""
    folder = tmp_path / "project"
    folder.mkdir()
    return InProcess(folder, tmp_path / "home")


@pytest.fixture
def heroku_kind() -> type[HerokuStandIn]:
    """The stand-in that `heroku` starts; a module that needs one of its own overrides this."""
    return HerokuStandIn


@pytest.fixture
def heroku(shipit: Shipit, heroku_kind: type[HerokuStandIn]) -> Iterator[HerokuStandIn]:
    """Heroku's stand-in with the app shop-prod, which the program is pointed at."""
    with heroku_kind(token="token-of-heroku") as stand_in:
        stand_in.create_app("shop-prod")
        shipit.env |= stand_in.variables()
        yield stand_in


@pytest.fixture
def serve() -> Iterator[Start]:
    servers: list[ScriptedServer] = []

    def start(*scripts: object, **more: object) -> ScriptedServer:
        servers.append(ScriptedServer(*scripts, **more))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def own_address() -> str:
    """An address of this machine that is no loopback address, as a host outside would have."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        address = probe.getsockname()[0]
    if ipaddress.ip_address(address).is_loopback:
        pytest.skip("this machine has no network")
    return str(address)


@pytest.fixture(scope="session")
def swarm(engine: DockerEngine) -> Iterator[DockerEngine]:
    """The engine as the only manager of a swarm, which other swarms of this machine do not disturb.

    It has an address of its own, because its gossip has a fixed port: an engine that can't listen there starts no task
    after a while. It has its own port for overlay networks, and its own bridge for what leaves them.
    """
    number = os.getpid()
    address = f"127.{1 + number % 250}.{number // 250 % 250}.{1 + number // 62500 % 250}"
    bridge = {"name": f"sdg{number}", "enable_icc": "false", "enable_ip_masquerade": "true"}
    options = [word for key, value in bridge.items() for word in ("--opt", f"com.docker.network.bridge.{key}={value}")]
    engine.docker("network", "create", *options, "docker_gwbridge")
    words = ["--advertise-addr", address, "--listen-addr", f"{address}:{free_port()}"]
    started(lambda: engine.docker("swarm", "init", *words, "--data-path-port", str(20_000 + number % 12_000)))
    yield engine
    engine.docker("swarm", "leave", "--force")
    # Its bridge would stay on this machine, and the next engine would find its address taken.
    engine.docker("network", "rm", "docker_gwbridge")

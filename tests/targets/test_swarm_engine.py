"""The manager of a swarm: the lock and the records on a real one, a process that is killed between two writes, answers of any shape."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine, WholeAnswer
from shipit.errors import DeployFailed, RemoteError
from shipit.http.fields import Field
from shipit.past_release import PastRelease
from shipit.registry.credentials import Credentials
from shipit.targets.engine.container_spec import ContainerSpec
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.engine.owner import SPEC as SPEC_HASH
from shipit.targets.engine.records import MOST_RECORDS, read_records, remove_records, write_record
from shipit.targets.locks import Holder, LockState
from shipit.targets.session import Clients, Session
from shipit.targets.swarm.apply import apply_step
from shipit.targets.swarm.change import resolved
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.contents import content_of
from shipit.targets.swarm.kept import expire
from shipit.targets.swarm.look import Reader
from shipit.targets.swarm.plan_back import Record
from shipit.targets.swarm.running import find_running
from shipit.targets.swarm.secrets import content_hash, ensure_secret
from shipit.targets.swarm.setting import Setting
from shipit.targets.swarm.spec import HASH, SALT, SECRET, ConfigFile, Placement, SwarmSpec, network_name, secret_name
from shipit.targets.swarm.steps import RemoveAll, RestoreService, RunReleaseCommand, ScaleService, UpdateService
from shipit.targets.swarm.wanted import WantedService
from tests.docker.answering_engine import Server
from tests.servers.engine import DockerEngine

NOW_S = 1_800_000_000.0
# No node takes its tasks, so that none fails and Swarm rolls nothing back: what is tested is what is written, not what runs.
NOWHERE = Placement(("node.labels.none==there",))
IMAGE = f"127.0.0.1:1/none@sha256:{'0' * 64}"


class Killed(Exception):
    """The process is gone."""


class DyingClient(SwarmClient):
    """Ends the process before or after one of its writes."""

    writes_left = 1_000
    after = False

    def _answer(self, method: str, *rest: Any, **more: Any) -> WholeAnswer:
        if method == "GET":
            return super()._answer(method, *rest, **more)
        self.writes_left -= 1
        if self.writes_left < 0 and not self.after:
            raise Killed
        answer = super()._answer(method, *rest, **more)
        if self.writes_left < 0:
            raise Killed
        return answer


@pytest.fixture
def client(swarm: DockerEngine) -> Iterator[SwarmClient]:
    connected = Engine(EngineAddress(swarm.host), {})
    assert connected.is_reachable()
    yield SwarmClient(connected, swarm.host, Deadline(Clock()))
    connected.close()


def session(tmp_path: Path, token: str = "one") -> Session:
    clock = Clock()
    environment = ProcessEnvironment({}, tmp_path, tmp_path)
    clients = Clients(clock)
    return Session(
        environment, clock, lambda event: None, lambda value: f"{hash(value):x}", clock.now() + 120, clients,
        secrets={"TOKEN": token, "KEY": token},
    )  # fmt: skip


def setting(client: SwarmClient, owner: Owner, own: Session) -> Setting:
    return Setting("swarm", owner, client, own, frozenset(["TOKEN"]), lambda path: b"content")


def update(own: Session, known: str = "", **more: Any) -> UpdateService:
    container = ContainerSpec("web", IMAGE, more.pop("command", None))
    files = (ConfigFile("/etc/motd", "motd", content_of(b"content")),)
    spec = SwarmSpec(container, endpoint_mode="dnsrr", placement=NOWHERE, secret_files=("KEY",), configs=files, **more)
    marks = {name: own.mark(value) for name, value in own.secrets.items()}
    return UpdateService("web", "update", service="web", spec=spec, marks=marks, known=known)


def remove(client: SwarmClient, owner: Owner, own: Session) -> None:
    list(apply_step(RemoveAll("remove", "remove", services=()), setting(client, owner, own)))
    assert not client.configs(owner.filters) and not client.secrets(owner.filters)


def test_a_lock_is_a_config_that_one_of_many_gets(client: SwarmClient) -> None:
    owner, ana = Owner("lock", "production", "swarm"), Holder("ana")
    taken = swap_lock(client, owner, LockState(), ana, NOW_S)
    assert taken is not None and read_lock(client, owner).holder == ana
    assert swap_lock(client, owner, LockState(), Holder("ben"), NOW_S + 5) is None
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda run: swap_lock(client, owner, taken, Holder(str(run)), NOW_S), range(8)))
    [own] = [state for state in won if state is not None]
    found = read_lock(client, owner)
    assert (found.holder, found.version) == (own.holder, own.version) and found.idle_s < 120
    assert swap_lock(client, owner, own, None, NOW_S) == LockState()
    assert client.configs(owner.filters) == []


def test_records_are_configs_and_the_oldest_are_removed(client: SwarmClient) -> None:
    owner = Owner("a-name-that-is-long-enough-to-be-shortened-in-a-swarm", "production", "swarm")
    for number in range(MOST_RECORDS + 2):
        write_record(client, owner, Record(PastRelease(f"r{number}", "begun"), {"web": f"kept-{number}"}))
    write_record(client, owner, Record(PastRelease("r21", "healthy"), {"web": "kept"}))
    found = read_records(client, owner, Record)
    assert (found[0].past, found[0].services) == (PastRelease("r21", "healthy"), {"web": "kept"})
    assert MOST_RECORDS <= len(found) <= MOST_RECORDS + 1
    remove_records(client, owner)
    assert client.configs(owner.filters) == []


@pytest.mark.parametrize("after", [False, True])
def test_a_destroy_that_is_killed_at_any_write_leaves_nothing_that_the_next_one_does_not_see(
    client: SwarmClient, tmp_path: Path, after: bool
) -> None:
    owner, own = Owner(f"destroyed{after:d}", "production", "swarm"), session(tmp_path)
    list(apply_step(update(own), setting(client, owner, own)))
    everything = RemoveAll("remove", "remove", services=())
    for count in range(20):
        dying = DyingClient(client.engine, client.host, client.deadline)
        dying.writes_left, dying.after = count, after
        try:
            list(apply_step(everything, setting(dying, owner, own)))
            break
        except Killed:
            seen = client.configs(owner.filters) or client.secrets(owner.filters)
            assert seen or not client.networks(owner.app_filters)
    assert not client.configs(owner.filters) and not client.secrets(owner.filters)
    assert not client.networks(owner.app_filters) and Reader(client, owner, (), own).service("web") is None


def test_a_network_of_others_stays(client: SwarmClient, tmp_path: Path) -> None:
    owner = Owner("neighbour", "production", "swarm")
    client.create_overlay(network_name(owner), {})
    remove(client, owner, session(tmp_path))
    [found] = [network for network, name in client.networks().items() if name == network_name(owner)]
    assert client.remove_overlay(found)


@pytest.mark.parametrize("after", [False, True])
def test_a_deploy_that_is_killed_at_any_write_is_completed_by_the_next(
    client: SwarmClient, tmp_path: Path, after: bool
) -> None:
    owner, own = Owner(f"killed{after:d}", "production", "swarm"), session(tmp_path)
    reader, known = Reader(client, owner, (), own), ""
    for command in (("first",), ("second",)):
        step = update(own, known, command=command)
        for count in range(20):
            dying = DyingClient(client.engine, client.host, client.deadline)
            dying.writes_left, dying.after = count, after
            try:
                list(apply_step(step, setting(dying, owner, own)))
                break
            except Killed:
                found = reader.service("web")
                assert found is None or not found.drift, "a service is never without its kept spec"
        found = reader.service("web")
        assert found is not None and WantedService(step.spec, step.marks).is_met_by(found)
        known = found.fingerprint
    assert len(client.secrets(owner.filters)) == 1
    [service] = [row for row in client.services() if row["Spec"]["Name"].text() == f"killed{after:d}-production-web"]
    assert [row.text() for row in service["Spec"]["TaskTemplate"]["ContainerSpec"]["Args"].rows()] == ["second"]
    remove(client, owner, own)


def test_what_no_kept_release_uses_is_removed_and_the_rest_can_be_returned_to(
    client: SwarmClient, tmp_path: Path
) -> None:
    owner = Owner("expire", "production", "swarm")
    kept, known = [], ""
    for number in range(3):
        own = session(tmp_path, f"token-{number}")
        list(apply_step(update(own, known), setting(client, owner, own)))
        found = Reader(client, owner, (), own).service("web")
        assert found is not None and not found.drift
        known = found.fingerprint
        kept.append(found.kept)
        write_record(client, owner, Record(PastRelease(f"r{number}", "healthy"), {"web": found.kept}))
    assert len(client.secrets(owner.filters)) == 3
    observed = Reader(client, owner, (), own).observe()
    expire(client, owner, 1, observed)
    observed = Reader(client, owner, (), own).observe()
    assert set(observed.kept) == set(kept[1:]) and len(client.secrets(owner.filters)) == 2
    back = RestoreService("web", "back", service="web", kept=kept[1], known=known)
    list(apply_step(back, setting(client, owner, own)))
    found = Reader(client, owner, (), own).service("web")
    assert found is not None and (found.kept, found.drift) == (kept[1], ())
    list(apply_step(ScaleService("scale", "scale", service="web", replicas=0), setting(client, owner, own)))
    list(apply_step(update(own, found.fingerprint, command=("other",)), setting(client, owner, own)))
    found = Reader(client, owner, (), own).service("web")
    assert found is not None and found.replicas == 0, "an update leaves the number of tasks as it is"
    gone = RestoreService("web", "back", service="web", kept=kept[0], known=found.fingerprint)
    with pytest.raises(DeployFailed, match="does not keep the spec"):
        list(apply_step(gone, setting(client, owner, own)))
    with pytest.raises(DeployFailed, match=r"superseded by someone else: the service .+, from .+Z"):
        list(apply_step(update(own, "another"), setting(client, owner, own)))
    remove(client, owner, own)


def test_another_mode_is_another_service_and_the_old_one_stays_until_all_is_there(
    client: SwarmClient, tmp_path: Path
) -> None:
    owner, own = Owner("mode", "production", "swarm"), session(tmp_path)
    reader, place = Reader(client, owner, (), own), setting(client, owner, own)
    list(apply_step(update(own), place))
    first = reader.service("web")
    assert first is not None
    step = update(own, first.fingerprint, mode="global")
    spec = step.spec._replace(container=step.spec.container._replace(networks=("nowhere",)))
    with pytest.raises(DeployFailed, match="the swarm has no overlay network nowhere"):
        list(apply_step(replace(step, spec=spec), place))
    still = reader.service("web")
    assert still is not None and (still.id, still.fingerprint) == (first.id, first.fingerprint)
    list(apply_step(step, place))
    second = reader.service("web")
    assert second is not None and (second.mode, second.drift) == ("global", ()) and second.id != first.id
    with pytest.raises(DeployFailed, match="runs on every node"):
        list(apply_step(ScaleService("scale", "scale", service="web", replicas=2), place))
    list(apply_step(RestoreService("web", "back", service="web", kept=first.kept, known=second.fingerprint), place))
    third = reader.service("web")
    assert third is not None and (third.mode, third.kept, third.replicas) == ("replicated", first.kept, 1)
    remove(client, owner, own)


OWNER = Owner("shop", "production", "swarm")
SPEC = {
    "Name": "shop-production-web",
    "Labels": OWNER.labels | {"dev.shipit.service": "web"},
}
ANSWERS: list[tuple[str, Any]] = [
    ("/services", "no JSON"),
    ("/services", {}),
    ("/services", [3]),
    ("/services", [{"ID": "x", "Spec": {**SPEC, "TaskTemplate": []}}]),
    ("/services", [{"ID": "x", "Spec": {**SPEC, "Mode": {"Replicated": {"Replicas": "many"}}}}]),
    ("/services", [{"ID": "x", "Spec": {**SPEC, "TaskTemplate": {"ContainerSpec": {"Env": [1]}}}}]),
    ("/tasks", [{"ServiceID": "x"}]),
    ("/tasks", [{"ID": "t", "ServiceID": "x", "Status": "bad"}]),
    ("/tasks", None),
    ("/networks", [{"Name": "n"}]),
    ("/nodes", {"message": "no"}),
    ("/configs", [{"ID": "c", "Spec": {"Name": 3}}]),
    ("/secrets", [{"ID": "s", "Spec": {"Name": "n", "Labels": []}}]),
]


@contextmanager
def answering(
    folder: Path, answers: dict[str, Any], seen: list[tuple[str, dict[str, str]]] | None = None
) -> Iterator[SwarmClient]:
    """The client of an engine with one service of ours, and the given answers to other requests, those of GET without the word.

    `seen` gets the requests.
    """
    good: dict[str, Any] = {f"/{name}": [] for name in ("tasks", "networks", "nodes", "configs", "secrets")}
    good["/services"] = [{"ID": "x", "Spec": SPEC}]
    with Server(folder / "docker.sock") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name, body in {**good, **answers}.items():
            text = body if isinstance(body, str) else json.dumps(body)
            server.answers[name if " " in name else f"GET {name}"] = (200, text.encode())
        engine = Engine(EngineAddress(f"unix://{server.server_address!s}"), {})
        try:
            assert engine.is_reachable()
            yield SwarmClient(engine, "engine", Deadline(Clock()))
        finally:
            engine.close()
            server.shutdown()
            thread.join()
            if seen is not None:
                seen += server.requests


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a socket has at most 107 bytes."""
    return tmp_path_factory.mktemp("engine")


@pytest.mark.parametrize(("path", "answer"), ANSWERS)
def test_an_answer_of_another_shape_is_an_error_that_names_the_request(
    tmp_path: Path, folder: Path, path: str, answer: Any
) -> None:
    with answering(folder, {path: answer}) as client:
        reader = Reader(client, OWNER, (), session(tmp_path))
        if answer is None:
            assert reader.observe().services["web"].tasks == ()
            return
        with pytest.raises(RemoteError) as raised:
            reader.observe()
        assert path in raised.value.where or "answer" in raised.value.what


def test_a_command_in_a_task_of_another_node_is_an_error_that_names_the_node(tmp_path: Path, folder: Path) -> None:
    task = {
        "ID": "t", "ServiceID": "x", "NodeID": "n2", "Slot": 1, "DesiredState": "running",
        "Status": {"State": "running", "ContainerStatus": {"ContainerID": "c" * 64}},
    }  # fmt: skip
    nodes = [{"ID": "n2", "Description": {"Hostname": "worker2"}}]
    service = {"ID": "x", "Spec": SPEC}
    answers = {"/tasks": [task], "/nodes": nodes, "/services/shop-production-web": service}
    with answering(folder, answers) as client:
        reader = Reader(client, OWNER, (), session(tmp_path))
        with pytest.raises(RemoteError, match=r"runs none of its tasks: web\.1 on worker2") as raised:
            find_running(reader, "web", lambda node: None)
        assert raised.value.hint.startswith(f"on worker2: docker exec -it {'c' * 12} COMMAND")
        with pytest.raises(RemoteError, match="no task of other runs"):
            find_running(reader, "other", lambda node: None)


def test_a_command_in_a_task_of_another_node_runs_there_where_deploy_yml_says_how_to_reach_it(
    tmp_path: Path, folder: Path
) -> None:
    container = "c" * 64
    task = {
        "ID": "t", "ServiceID": "x", "NodeID": "n2", "Slot": 1, "DesiredState": "running",
        "Status": {"State": "running", "ContainerStatus": {"ContainerID": container}},
    }  # fmt: skip
    nodes = [{"ID": "n2", "Description": {"Hostname": "worker2"}, "Status": {"State": "ready"}}]
    service = {"ID": "x", "Spec": SPEC}
    answers = {"/tasks": [task], "/nodes": nodes, "/services/shop-production-web": service}
    (tmp_path / "other").mkdir()
    with (
        answering(folder, answers) as client,
        answering(tmp_path / "other", {f"/containers/{container}/json": {}}) as other,
    ):
        reader = Reader(client, OWNER, (), session(tmp_path))
        found = find_running(reader, "web", {"worker2": other}.get)
        assert (found.client, found.id) == (other, container)


def test_a_name_of_a_node_is_no_command_for_a_terminal(tmp_path: Path, folder: Path) -> None:
    nodes = [
        {"ID": "n1", "Description": {"Hostname": "a\x1b[2Jb" + "c" * 9000}, "Status": {"State": "down"}},
        {
            "ID": "n2",
            "Description": {"Hostname": ""},
            "Status": {"State": "\x1b[2J"},
            "Spec": {"Availability": "drain"},
        },
    ]
    with answering(folder, {"/nodes": nodes}) as client:
        first, second = client.nodes().values()
        assert first.name.startswith("a\\x1b[2Jb") and len(first.name) < 120
        assert (second.name, second.trouble) == ("n2", "the node n2 is drained")


def test_a_network_that_every_node_has_is_known_by_its_name(folder: Path) -> None:
    """The engine finds host by its name, answers its id, and lists it as none of the swarm."""
    networks = [{"Target": "listed"}, {"Target": "id of host"}, {"Target": "gone"}]
    spec = Field({"TaskTemplate": {"Networks": networks}}, "GET")
    answers = {"/networks": [{"Id": "listed", "Name": "proxy"}], "/networks/id%20of%20host": {"Name": "host"}}
    seen: list[tuple[str, dict[str, str]]] = []
    with answering(folder, answers, seen) as client:
        found = client.networks_of([spec])
        assert client.networks_of([]) == {"listed": "proxy"}
        asked = Setting("swarm", OWNER, client, SimpleNamespace(), frozenset(), lambda path: b"")  # type: ignore[arg-type]
        body = {
            "Mode": {},
            "TaskTemplate": {"ContainerSpec": {}, "Networks": [{"Target": "host"}, {"Target": "proxy"}]},
        }
        sent = resolved(body, None, asked)
    assert found == {"listed": "proxy", "id of host": "host"}
    assert sent["TaskTemplate"]["Networks"] == [{"Target": "host"}, {"Target": "listed"}]
    assert not [path for path, _ in seen if path.endswith("/networks/listed")]


def test_a_service_with_copied_labels_is_somebody_elses(tmp_path: Path, folder: Path) -> None:
    rows = [{"ID": "x", "Spec": SPEC}, {"ID": "y", "Spec": {**SPEC, "Name": "shop-of-a-neighbour"}}]
    with answering(folder, {"/services": rows}) as client:
        observed = Reader(client, OWNER, (), session(tmp_path)).observe()
    assert [found.id for found in observed.services.values()] == ["x"]
    assert observed.foreign == {"shop-of-a-neighbour"}


@pytest.mark.parametrize("is_copy", [False, True])
def test_a_secret_with_copied_labels_is_not_taken_for_the_one_they_belong_to(folder: Path, is_copy: bool) -> None:
    content = content_hash("value", "salt")
    name = "copy" if is_copy else secret_name(OWNER, "KEY", content)
    labels = {**OWNER.labels, SECRET: "KEY", SALT: "salt", HASH: content}
    seen: list[tuple[str, dict[str, str]]] = []
    with answering(folder, {"/secrets": [{"ID": "s", "Spec": {"Name": name, "Labels": labels}}]}, seen) as client:
        if not is_copy:
            assert ensure_secret(client, OWNER, "KEY", "value") == name
            return
        with pytest.raises(RemoteError):
            ensure_secret(client, OWNER, "KEY", "value")
    assert any("/secrets/create" in request for request, _ in seen)


COMMAND = SwarmSpec(ContainerSpec("release", IMAGE, ("migrate",), restart="no"))


def run_command(
    own: Session, folder: Path, task: dict[str, Any] | None, timeout_s: float = 60.0, spec: str = ""
) -> str:
    """How the release command ends whose job is there, with a task in a state; `spec` is the hash of another command."""
    labels = {**OWNER.labels, SERVICE: "", SPEC_HASH: spec or COMMAND.hash, "dev.shipit.values": own.mark("[]")}
    task_spec = {"ContainerSpec": {"Image": IMAGE}}
    job = {"ID": "j", "Spec": {"Name": "shop-production-release-command", "Labels": labels, "TaskTemplate": task_spec}}
    tasks = [{"ID": "t", "ServiceID": "j", "NodeID": "n", "Status": task}] if task else []
    nodes = [{"ID": "n", "Description": {"Hostname": "node1"}}]
    answers = {"/services/shop-production-release-command": job, "/tasks": tasks, "/nodes": nodes}
    step = RunReleaseCommand("release command", "run", spec=COMMAND, marks={}, timeout_s=timeout_s)
    seen: list[tuple[str, dict[str, str]]] = []
    with answering(folder, answers, seen) as client:
        try:
            assert list(apply_step(step, setting(client, OWNER, own))) == []
        except (DeployFailed, RemoteError) as error:
            return str(error)
    assert any(request.startswith("DELETE") and request.endswith("/services/j") for request, _ in seen)
    return ""


@pytest.mark.parametrize(
    ("task", "timeout_s", "said"),
    [
        ({"State": "complete"}, 60.0, ""),
        ({"State": "shutdown", "Err": "drained"}, 60.0, "failed: release-command.node1 on node1 shutdown: drained"),
        ({"State": "remove"}, 60.0, "failed: release-command.node1 on node1 remove"),
        ({"State": "starting", "Message": "pulling"}, 0.0, "did not end within 0 s: pulling"),
        (None, 0.0, "did not end within 0 s"),
        (None, 60.0, "was removed by someone else"),
    ],
)
def test_a_release_command_has_succeeded_only_when_its_task_is_complete(
    tmp_path: Path, folder: Path, task: dict[str, Any] | None, timeout_s: float, said: str
) -> None:
    ended = run_command(session(tmp_path), folder, task, timeout_s)
    assert ended.endswith(f"the release command {said}") if said else not ended, ended


def test_a_job_that_an_earlier_release_left_is_replaced(tmp_path: Path, folder: Path) -> None:
    ended = run_command(session(tmp_path), folder, {"State": "complete"}, spec="other")
    assert "/networks/create" in ended, "its result is not taken for that of this release"


@pytest.mark.parametrize(
    ("swarm_facts", "what", "hint"),
    [
        ({"LocalNodeState": "inactive"}, "is no manager of a swarm", "docker --host engine swarm init"),
        ({"LocalNodeState": "active"}, "is a worker of a swarm", "name one of its managers in host:"),
        ({"LocalNodeState": "locked"}, "the swarm is locked", "docker --host engine swarm unlock"),
        ({"LocalNodeState": "error", "Error": "raft"}, "the swarm is error: raft", "docker --host engine info"),
    ],
)
def test_an_engine_that_manages_no_swarm_is_told_from_one_that_is_locked_or_a_worker(
    folder: Path, swarm_facts: dict[str, str], what: str, hint: str
) -> None:
    with answering(folder, {"/info": {"Swarm": swarm_facts}}) as client:
        with pytest.raises(RemoteError, match=what) as raised:
            client.check_manager()
        assert raised.value.hint == hint


def test_credentials_are_sent_with_the_requests_that_need_them(tmp_path: Path, folder: Path) -> None:
    registries: Any = SimpleNamespace(credentials=lambda ref: Credentials("ana", f"password of {ref.registry}"))
    own = replace(session(tmp_path), shared=SimpleNamespace(registries=registries, inventory=None))
    seen: list[tuple[str, dict[str, str]]] = []
    with answering(folder, {"/services/x": {"ID": "x", "Version": {"Index": 3}}}, seen) as client:
        login = setting(client, OWNER, own).login(IMAGE)
        assert setting(client, OWNER, session(tmp_path)).login(IMAGE) == ""
        for send in (
            lambda: client.create_service({"Name": "web"}, login),
            lambda: client.update_service("x", 3, {"Name": "web"}, login),
        ):
            with pytest.raises(RemoteError):
                send()
    sent = [headers.get("X-Registry-Auth") for request, headers in seen if request.startswith("POST")]
    assert sent == [login, login]
    assert json.loads(base64.urlsafe_b64decode(login)) == {
        "username": "ana",
        "password": "password of 127.0.0.1:1",
        "serveraddress": "127.0.0.1:1",
    }

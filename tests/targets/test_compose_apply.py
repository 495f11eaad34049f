"""The steps of a Compose project, applied to an engine that gives set answers, with a script as the docker command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import DeployFailed, RemoteError
from shipit.events import Log
from shipit.past_release import PastRelease
from shipit.record import to_json
from shipit.release import Release, Step
from shipit.targets.compose.apply import apply_step, remove_one_offs
from shipit.targets.compose.content import LONGEST_LABEL, Content, pack
from shipit.targets.compose.history import Record
from shipit.targets.compose.judge import Limits
from shipit.targets.compose.kept import FILE, FILE_ID
from shipit.targets.compose.look import observe
from shipit.targets.compose.program import ComposeProgram
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.steps import (
    ComposeUp,
    PullImage,
    RemoveProject,
    RemoveService,
    RestartContainers,
    ScaleServices,
    StartContainers,
    StopContainers,
)
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import ATTACHED, BY, COMMIT, IMAGES, RECORD, RELEASE, RUN, SPEC, Owner
from shipit.targets.remote import Command
from shipit.targets.session import Clients, Session
from tests.targets.answering_host import answering_host
from tests.targets.test_compose_config import answering, load, services

OWNER = Owner("shop", "production", "compose")
PROJECT = {"com.docker.compose.project": "shop-production"}
CONTENT = Content(json.dumps({"services": {"web": {"image": "a"}}}), {"web": "h1"}, {}, {})
SENT = "localhost/shop/production/web:1"
UP = ComposeUp("up", "start web", file="f1", images={}, platforms={}, services=("web",), quantities={"web": 2})


def row(name: str, labels: Mapping[str, str] | None = None, *, is_own: bool = True) -> dict[str, Any]:
    owner = OWNER.labels if is_own else {}
    service = {"com.docker.compose.service": name.split("-")[0], "com.docker.compose.config-hash": "h1"}
    return {
        "Id": name,
        "Names": [f"/{name}"],
        "State": "running",
        "Labels": {**PROJECT, **owner, **service, **(labels or {})},
    }


def inspected(found: Mapping[str, Any], **state: Any) -> dict[str, Any]:
    return {
        "Id": found["Id"], "Name": found["Names"][0], "Config": {"Image": "a", "Labels": found["Labels"]},
        "State": {"Status": "running", "StartedAt": "2026-01-31T12:00:09Z", **state}, "RestartCount": state.get("restarts", 0),
    }  # fmt: skip


def kept(file_id: str, content: Content = CONTENT, images: str = "") -> dict[str, Any]:
    return {"Name": f"v-{file_id}", "Labels": {**OWNER.labels, FILE: pack(content), FILE_ID: file_id, IMAGES: images}}


class Applied(NamedTuple):
    events: list[Any]
    requests: list[str]
    said: list[str]


class Place(NamedTuple):
    """An engine with containers and volumes, and a docker command that ends with a code."""

    folder: Path
    answers: dict[str, Any]

    @contextmanager
    def client(self) -> Iterator[tuple[HostClient, Callable[[], list[str]]]]:
        with answering_host(self.folder, self.answers) as (client, server):
            yield client, lambda: [path.replace("/v1.41", "") for path, _ in server.requests]

    def apply(self, step: Step, content: Content = CONTENT, *, code: int = 0, errors: str = "") -> Applied:
        script = f'echo "$*" >> {self.folder}/said; cat >> {self.folder}/said; echo "{errors}" >&2; exit {code}'
        answering(self.folder, f'case "$*" in *version*) echo 2.26;; *) {script};; esac')
        clock = Clock()
        deadline = Deadline(clock, clock.now() + 600)
        environment = ProcessEnvironment({}, self.folder, self.folder)
        session = Session(
            environment,
            clock,
            lambda event: None,
            lambda text: text if len(text) < 20 else "f1",
            deadline.at_s,
            Clients(clock),
        )
        variables = {"PATH": f"{self.folder}/bin:/usr/bin:/bin"}
        program = ComposeProgram(variables, "shop-production", self.folder, clock, deadline)
        setting = Setting(
            "compose",
            "shop-production",
            OWNER,
            session,
            frozenset(),
            lambda *_: content,
            lambda _: program,
            Limits(5.0),
        )
        with self.client() as (client, requests):
            events = list(apply_step(step, client, setting))
            said = self.folder / "said"
            return Applied(events, requests(), said.read_text().splitlines() if said.exists() else [])


def place(folder: Path, *rows: dict[str, Any], volumes: tuple[Any, ...] = (), **states: dict[str, Any]) -> Place:
    answers: dict[str, Any] = {
        "GET /containers/json": list(rows),
        "GET /volumes": {"Volumes": list(volumes)},
        "POST /volumes/create": {},
        "GET /networks": [{"Id": "n1", "Name": "shop-production_default"}],
        "GET /images/json": [],
        "DELETE /networks/shop-production_default": None,
    }
    for found in rows:
        name = found["Names"][0].lstrip("/")
        state = states.get(name.replace("-", "_"), {})
        path = f"/containers/{found['Id']}"
        answers |= {f"GET {path}/json": inspected(found, **state), f"DELETE {path}": None}
        answers |= {f"POST {path}/{verb}": None for verb in ("start", "stop", "restart")}
        answers[f"GET {path}/logs"] = b"\1\0\0\0\0\0\0\x0cno database\n"
    for volume in volumes:
        answers[f"DELETE /volumes/{volume['Name']}"] = None
    answers[f"DELETE /images/{SENT}"] = []
    return Place(folder, answers)


def services_of(done: Applied) -> dict[str, dict[str, str]]:
    """Service of the file that Compose was given -> its image and labels, without the author."""
    rows = json.loads(done.said[1])["services"]
    return {
        name: {"image": row["image"], **{key: value for key, value in row["labels"].items() if key != BY}}
        for name, row in rows.items()
    }


def test_up_keeps_the_file_and_starts_compose(tmp_path: Path) -> None:
    done = place(tmp_path).apply(UP)
    assert [request for request in done.requests if not request.startswith("GET")] == ["POST /volumes/create"]
    assert done.said[0].endswith("--file - up --detach --no-build --quiet-pull --scale web=2 -- web")
    assert services_of(done) == {"web": {"image": "a", SPEC: "h1"}} and done.events == []


def test_compose_recreates_a_container_that_lies_about_its_settings_with_its_anonymous_volumes(tmp_path: Path) -> None:
    stale = row("web-1", {"com.docker.compose.config-hash": "h0"})
    earlier = row("web-2", {RELEASE: "run1"})
    done = place(tmp_path, stale, earlier).apply(
        ComposeUp(**{**UP.__dict__, "stale": ("web-1",), "known": ("web-1", "web-2")})
    )
    assert services_of(done) == {"web": {"image": "a", SPEC: "h1"}}, "all are made by this run"
    assert [request for request in done.requests if not request.startswith("GET")] == ["POST /volumes/create"]
    assert done.said[0].endswith("--quiet-pull --force-recreate --scale web=2 -- web")


def test_up_stops_where_somebody_else_started_a_container(tmp_path: Path) -> None:
    other = row("web-1", {"com.docker.compose.config-hash": "h0"}, is_own=False)
    with pytest.raises(DeployFailed, match="superseded by someone else: web-1 was created") as raised:
        place(tmp_path, other).apply(UP)
    assert raised.value.superseded_by == "someone else" and not (tmp_path / "said").exists()


def test_up_refuses_a_file_that_is_not_the_planned_one(tmp_path: Path) -> None:
    step = ComposeUp(**{**UP.__dict__, "file": "other"})
    with pytest.raises(DeployFailed, match="is not the one that the plan was made with"):
        place(tmp_path).apply(step)
    with pytest.raises(DeployFailed, match="does not have the compose file of that release"):
        place(tmp_path, volumes=(kept("f0"),)).apply(ComposeUp(**{**UP.__dict__, "is_kept": True}))


def test_up_starts_a_kept_file_as_it_was(tmp_path: Path) -> None:
    old = CONTENT._replace(text=json.dumps({"services": {"web": {"image": "old"}}}), commit="abc")
    done = place(tmp_path, volumes=(kept("f1", old),)).apply(ComposeUp(**{**UP.__dict__, "is_kept": True}))
    assert services_of(done) == {"web": {"image": "old", SPEC: "h1", COMMIT: "abc"}}


def test_a_file_that_is_too_large_to_be_kept_is_told(tmp_path: Path) -> None:
    text = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(LONGEST_LABEL))
    content = CONTENT._replace(text=json.dumps({"services": {"web": {"image": "a"}}, "x-note": text}))
    done = place(tmp_path).apply(UP, content)
    assert done.events == [
        Log("compose", "compose", "the compose file is too large to be kept: no rollback can return to it")
    ]
    assert "POST /volumes/create" not in done.requests


def test_a_failure_of_compose_does_not_count_where_every_container_runs(tmp_path: Path) -> None:
    done = place(tmp_path, row("web-1")).apply(UP, code=1, errors="odd")
    assert done.events == [Log("compose", "compose", "docker compose up ended with 1, and every container runs: odd")]


@pytest.mark.parametrize(
    ("state", "what", "detail"),
    [
        ({"Status": "exited", "ExitCode": 3}, "web-1 exited with 3: docker compose up says odd", ("no database",)),
        ({"Health": {"Status": "unhealthy"}}, "web-1 is unhealthy: docker compose up says odd", ("no database",)),
        (
            {"Health": {"Status": "unhealthy", "Log": [{"Output": "no luck\n"}]}},
            "web-1 is unhealthy (no luck): docker compose up says odd",
            ("no database",),
        ),
        ({"Status": "created"}, "docker compose up ended with 1: odd", ()),
    ],
)
def test_a_failure_of_compose_names_the_container(
    tmp_path: Path, state: dict[str, Any], what: str, detail: tuple[str, ...]
) -> None:
    with pytest.raises(DeployFailed) as raised:
        place(tmp_path, row("web-1"), web_1=state).apply(UP, code=1, errors="odd")
    assert (raised.value.what, raised.value.detail) == (what, detail)


def test_scaling_starts_the_kept_file_with_other_numbers(tmp_path: Path) -> None:
    step = ScaleServices("scale", "scale web", file="f1", quantities={"web": 3})
    found = place(tmp_path, volumes=(kept("f1"),))
    created, started = (line for line in found.apply(step).said if "--scale" in line)
    # Created with `depends_on`, which Compose 2.26 counts as a setting, and started without what that names.
    assert created.endswith("--quiet-pull --no-start --no-recreate --scale web=3 -- web")
    assert started.endswith("--quiet-pull --no-recreate --no-deps --scale web=3 -- web")
    with pytest.raises(DeployFailed, match="the compose file has no service 'gone'"):
        found.apply(ScaleServices("scale", "scale gone", file="f1", quantities={"gone": 1}))


def test_only_containers_of_the_project_are_stopped_started_and_restarted(tmp_path: Path) -> None:
    found, names = (
        place(tmp_path, row("web-1"), row("once-1", {"com.docker.compose.oneoff": "True"})),
        ("web-1", "once-1", "alien"),
    )
    steps = (
        StopContainers("stop", "stop", names=names),
        StartContainers("start", "start", names=names),
        RestartContainers("restart", "restart", service="web", names=names, at=""),
    )
    writes = [request for step in steps for request in found.apply(step).requests if request.startswith("POST")]
    assert writes == ["POST /containers/web-1/stop", "POST /containers/web-1/start", "POST /containers/web-1/restart"]


def test_removing_leaves_what_is_not_of_the_target(tmp_path: Path) -> None:
    record = {"Name": "r", "Labels": {**OWNER.labels, RECORD: "{}"}}
    once = {**row("once"), "Labels": {**OWNER.labels, RUN: "web"}}
    found = place(tmp_path, row("web-1"), once, volumes=(kept("f1", images=SENT), record))
    done = found.apply(RemoveService("remove", "remove", names=("web-1", "alien")))
    assert [one for one in done.requests if one.startswith("DELETE")] == ["DELETE /containers/web-1?force=true"]
    step = RemoveProject(
        "remove", "remove", containers=("web-1",), networks=("shop-production_default", "alien"), volumes=("alien",)
    )
    deleted = [one.partition("?")[0] for one in found.apply(step).requests if one.startswith("DELETE")]
    assert deleted == [
        "DELETE /containers/web-1", "DELETE /containers/once", "DELETE /networks/shop-production_default",
        "DELETE /volumes/v-f1", "DELETE /volumes/r",
    ]  # fmt: skip


def test_an_image_that_is_there_is_not_pulled_and_an_unknown_step_is_an_error(tmp_path: Path) -> None:
    found = place(tmp_path)
    image = "a@sha256:" + "1" * 64
    found.answers[f"GET /images/{image.replace('@', '%40')}/json"] = {}
    assert [
        one for one in found.apply(PullImage("pull", "pull", image=image, platform="")).requests if "POST" in one
    ] == []
    with pytest.raises(DeployFailed, match="which a Compose project does not have"):
        found.apply(Step("odd", "odd"))


def test_one_off_containers_are_removed_when_they_ended_a_day_ago(tmp_path: Path) -> None:
    def once(name: str, created_s: int, state: str = "exited", **labels: str) -> dict[str, Any]:
        return {**row(name), "Created": created_s, "State": state, "Labels": {**OWNER.labels, **labels}}

    rows = (
        once("old", 0, **{RUN: "web"}),
        once("runs", 0, "running", **{RUN: "web"}),
        once("new", 99_000, **{RUN: "web"}),
        once("web", 0),
    )
    with place(tmp_path, *rows).client() as (client, requests):
        remove_one_offs(client, OWNER, 100_000)
        assert [one.partition("?")[0] for one in requests() if "DELETE" in one] == ["DELETE /containers/old"]


@pytest.mark.parametrize(
    ("status", "finished", "removed"),
    [
        ("exited", "1970-01-02T03:36:39.5Z", ["DELETE /containers/left"]),
        ("exited", "1970-01-02T03:36:41Z", []),
        ("exited", "soon", []),
        ("created", "0001-01-01T00:00:00Z", []),
    ],
)
def test_a_one_off_container_whose_shipit_was_killed_is_removed_ten_minutes_after_its_end(
    tmp_path: Path, status: str, finished: str, removed: list[str]
) -> None:
    left = {**row("left"), "Created": 99_000, "State": status, "Labels": {**OWNER.labels, RUN: "web", ATTACHED: "true"}}
    with place(tmp_path, left, left={"Status": status, "FinishedAt": finished}).client() as (client, requests):
        remove_one_offs(client, OWNER, 100_000)
        assert [one.partition("?")[0] for one in requests() if "DELETE" in one] == removed


def record(version: str, file: str, sequence: int) -> dict[str, Any]:
    past = PastRelease(version, "healthy")
    return {"Name": version, "Labels": {**OWNER.labels, RECORD: json.dumps(to_json(Record(past, file, sequence)))}}


def test_a_release_without_its_file_or_its_sent_image_can_not_be_returned_to(tmp_path: Path) -> None:
    content = CONTENT._replace(images={"web": SENT})
    volumes = (kept("f2"), kept("f1", content), record("r3", "f2", 3), record("r2", "f1", 2), record("r1", "gone", 1))
    found = place(tmp_path, row("web-1"), volumes=volumes)
    target = load(tmp_path, f"{{host: 'unix://{tmp_path}/docker.sock'}}")
    clock = Clock()
    session = Session(target.source.environment, clock, lambda event: None, str, clock.now() + 600, Clients(clock))
    with found.client():
        past = target.past_releases(10, session)
        assert [(one.version, one.is_current, one.gone) for one in past] == [
            ("r3", True, ""),
            ("r2", False, f"the engine does not have its image {SENT} any more"),
            ("r1", False, "the engine does not have its compose file any more"),
        ]
        recalled = target.recall(PastRelease("r3"), session)
        assert (recalled.record.file, recalled.wanted.is_kept) == ("f2", True)
        for version, what in (("r2", "its image"), ("r1", "its compose file"), ("r0", "no record of the release r0")):
            with pytest.raises(RemoteError, match=what):
                target.recall(PastRelease(version), session)
        inventory = target.inventory(session)
        assert inventory.records == 5 and inventory.networks == ("shop-production_default",)
        assert target.read_lock(session).holder is None
        # After a rollback that changed nothing, the release has the file of the one that it returned to.
        observed = inventory.observed
        target.record_release(
            PastRelease("r4", "failed", returns_to="r2", command="rollback"),
            Release("shop", "production"),
            observed,
            session,
        )
        session.clients.close()


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [([{"HostIp": "0.0.0.0", "HostPort": "x"}], "can't be reached"), ([{"HostIp": "127.0.0.1", "HostPort": "1"}], "")],
)
def test_a_port_that_can_not_be_reached_is_an_error(
    tmp_path: Path, bindings: list[dict[str, str]], expected: str
) -> None:
    found = place(tmp_path, row("web-1"))
    found.answers["GET /containers/web-1/json"] |= {"NetworkSettings": {"Ports": {"80/tcp": bindings}}}
    target = load(tmp_path, f"{{host: 'unix://{tmp_path}/docker.sock'}}")
    services(tmp_path, web={})
    clock = Clock()
    session = Session(target.source.environment, clock, lambda event: None, str, clock.now() + 600, Clients(clock))
    with found.client():
        ports = target.ports("web", session)
        if expected:
            with pytest.raises(RemoteError, match=expected):
                ports.check(80)
        else:
            ports.check(80)
            with pytest.raises(RemoteError, match="web-1:80: connection refused"):
                ports.open(80)
        with pytest.raises(RemoteError, match="exec"):
            target.execute("web", Command(("true",)), session)
        session.clients.close()


def session_of(folder: Path) -> Session:
    clock = Clock()
    environment = ProcessEnvironment({}, folder, folder)
    return Session(environment, clock, lambda event: None, str, clock.now() + 600, Clients(clock))


def test_the_project_of_another_target_is_an_error(tmp_path: Path) -> None:
    found = place(tmp_path, row("web-1", {"dev.shipit.app": "rival"}))
    with found.client() as (client, _), pytest.raises(RemoteError, match="that of another target: rival/production/"):
        observe(client, "shop-production", OWNER, frozenset(), None, session_of(tmp_path))


def test_a_container_that_runs_again_has_the_exit_code_of_before_and_odd_files_are_left_out(tmp_path: Path) -> None:
    odd = CONTENT._replace(text='{"services": {"web": 3}}')
    found = place(tmp_path, row("web-1"), volumes=(kept("odd", odd), kept("f1")), web_1={"restarts": 2})
    found.answers["GET /events"] = {"Actor": {"Attributes": {"exitCode": "3"}}}
    with found.client() as (client, _):
        seen = observe(client, "shop-production", OWNER, frozenset(), None, session_of(tmp_path))
    assert [(one.name, one.restarts, one.ended) for one in seen.containers] == [("web-1", 2, "exited with 3")]
    assert [file.file for file in seen.files] == ["f1"]

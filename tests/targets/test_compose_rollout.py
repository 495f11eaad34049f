"""`rollout: start-first` of services of a compose file: which can have it, the order of a plan, and its step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import ConfigErrors, DeployFailed
from shipit.http.fields import Field
from shipit.record import from_json, to_json
from shipit.release import Step
from shipit.targets.compose.config import Rollout
from shipit.targets.compose.file import parse_file
from shipit.targets.compose.observed import ComposeObserved, ContainerFacts, Wanted, WantedService
from shipit.targets.compose.parse import parse_container
from shipit.targets.compose.plan import notes_on, plan_compose
from shipit.targets.compose.program import ComposeProgram, unset_variables
from shipit.targets.compose.rollout import check_rollouts, rollout_notes
from shipit.targets.compose.steps import ComposeUp, RemoveFirst, RollService
from tests.targets.test_compose_apply import OWNER, inspected, row
from tests.targets.test_compose_config import answering, load, services

ROLLED = {"web": Rollout(5.0, ("touch", "/drain"))}
COMPLETED, HEALTHY, STARTED = "service_completed_successfully", "service_healthy", "service_started"


def facts(**web: Any) -> str:
    """Why there can be one container of the service only."""
    text = {"services": {"web": {"image": "a", **web}, "other": {"image": "b"}}}
    return parse_file(json.dumps(text).encode()).services["web"].alone


@pytest.mark.parametrize(
    ("web", "why"),
    [
        ({}, ""),
        ({"container_name": "shop"}, "it has container_name: shop"),
        ({"network_mode": "host"}, "it has network_mode: host"),
        ({"ports": [{"target": 80, "published": "8080"}]}, "it publishes the port 8080 of the host"),
        ({"ports": [{"target": 80, "published": 8080}]}, "it publishes the port 8080 of the host"),
        ({"ports": [{"target": 80}, {"target": 81, "published": "0"}, {"target": 82, "published": "80-90"}]}, ""),
        (
            {"networks": {"front": None, "back": {"ipv4_address": "10.0.0.9"}}},
            "it has the address 10.0.0.9 in the network back",
        ),
        ({"networks": {"back": {"ipv6_address": "fd00::9"}}}, "it has the address fd00::9 in the network back"),
    ],
)
def test_a_service_that_can_have_one_container_only(web: dict[str, Any], why: str) -> None:
    assert facts(**web) == why


@pytest.mark.parametrize("key", ["network_mode", "ipc", "pid"])
def test_a_service_in_whose_namespaces_another_runs_can_have_one_container_only(key: str) -> None:
    text = {"services": {"web": {"image": "a"}, "side": {"image": "b", key: "service:web"}}}
    found = parse_file(json.dumps(text).encode()).services
    assert (found["web"].alone, found["side"].alone) == ("side runs in its namespaces", "")


def test_conditions_and_volumes_of_a_service() -> None:
    web = {
        "image": "a",
        "depends_on": {
            "db": {"condition": HEALTHY, "required": True},
            "cache": {"condition": STARTED, "required": False},
            "job": {"condition": COMPLETED},
        },
        "volumes": [
            {"type": "volume", "source": "data", "target": "/data"},
            {"type": "volume", "target": "/anonymous"},
            {"type": "bind", "source": "/srv/a$$b", "target": "/b"},
            {"type": "bind", "source": "/conf", "target": "/c", "read_only": True},
            {"type": "tmpfs", "target": "/d"},
        ],
    }  # fmt: skip
    found = parse_file(json.dumps({"services": {"web": web}}).encode()).services["web"]
    assert found.awaits == {"db": HEALTHY, "job": COMPLETED}
    assert found.volumes == ("/srv/a$b", "data")


def test_a_rollout_that_the_compose_file_can_not_have_is_refused_before_the_build(tmp_path: Path) -> None:
    target = load(tmp_path, "{services: {web: {rollout: start-first}}}")
    services(tmp_path, web={"container_name": "shop"})
    with pytest.raises(DeployFailed) as raised:
        target.images()
    what = "web can't have rollout: start-first: it has container_name: shop, so two containers of it can't run at the same time"
    assert raised.value.what == what
    with pytest.raises(DeployFailed) as raised:
        check_rollouts("compose", ["gone"], [], {})
    assert raised.value.what == "the compose file has no service 'gone', which services: names"


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("{rollout: blue}", "services.web.rollout: should be 'start-first' or 'stop-first'"),
        ("{drain: 5s}", "services.web.drain: needs rollout: start-first"),
        ("{rollout: stop-first, before_stop: x}", "services.web.before_stop: needs rollout: start-first"),
        ("{rollout: start-first, drain: 5}", "services.web.drain: should be"),
    ],
)
def test_mistakes_of_a_rollout_are_told_at_their_keys(tmp_path: Path, keys: str, what: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, f"{{services: {{web: {keys}}}}}")
    assert what in str(raised.value)


def test_rollouts_of_the_file(tmp_path: Path) -> None:
    found = load(
        tmp_path, "{services: {web: {rollout: start-first, before_stop: touch /x}, api: {rollout: stop-first}}}"
    )
    assert found.config.rollouts == {"web": Rollout(10.0, ("/bin/sh", "-c", "touch /x"))}


def container(service: str, version: str = "1", number: int = 1, **fields: Any) -> ContainerFacts:
    name = f"{service}-{number}"
    return ContainerFacts(
        name, name, service, number, version, f"{service}:{version}", **{"state": "running", **fields}
    )


def service(name: str, version: str = "2", *needs: str, **fields: Any) -> WantedService:
    awaits = {need: COMPLETED if need == "job" else STARTED for need in needs}
    return WantedService(f"{name}:{version}", version, **{"needs": needs, "awaits": awaits, **fields})


def plan(
    wanted: dict[str, WantedService], *found: ContainerFacts, rolled: tuple[str, ...] = ("web",)
) -> tuple[Step, ...]:
    rollouts = dict.fromkeys(rolled, ROLLED["web"])
    return plan_compose("shop", Wanted("f2", wanted), ComposeObserved(found), {}, rollouts)


def told(steps: tuple[Step, ...]) -> list[tuple[str, ...]]:
    return [
        (step.id, *step.services) if isinstance(step, ComposeUp) else (step.id, str(step.quantity))
        for step in steps
        if isinstance(step, ComposeUp | RollService)
    ]


def test_the_step_of_a_rolled_service() -> None:
    [step] = plan({"web": service("web")}, container("web"))
    assert isinstance(step, RollService)
    assert (step.id, step.summary) == ("roll web", "replace web, new containers first")
    assert step.detail == (
        "web  start-first: image web:1 -> web:2",
        "web  when the new containers are ready, the old ones run on for 5 s, and are removed",
    )
    assert from_json(Step, json.loads(json.dumps(to_json(step)))) == step
    assert (step.quantity, step.drain_s, step.before_stop, step.known) == (1, 5.0, ("touch", "/drain"), ("web-1",))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], [("up", "web")]),
        # None of them serves: there is nothing to keep.
        ([container("web", state="exited")], [("up", "web")]),
        ([container("web"), container("web", number=2, state="exited")], [("roll web", "2")]),
        ([container("web", "2", is_outdated=True)], [("roll web", "1")]),
        # Killed after the new one was created, after some of the old ones were removed, and at the end.
        ([container("web"), container("web", "2", 2, state="created")], [("roll web", "1")]),
        ([container("web"), container("web", number=2), container("web", "2", 3)], [("roll web", "2")]),
        ([container("web", number=2), container("web", "2", 3), container("web", "2", 4)], [("roll web", "2")]),
        ([container("web", "2", 3), container("web", "2", 4)], []),
        # Two releases that were interrupted.
        ([container("web", "0"), container("web", "1", 2)], [("roll web", "1")]),
    ],
)
def test_the_number_of_containers_of_a_rolled_service(
    found: list[ContainerFacts], expected: list[tuple[str, ...]]
) -> None:
    assert told(plan({"web": service("web")}, *found)) == expected


def test_a_rolled_service_comes_after_what_it_needs_and_before_what_needs_it() -> None:
    wanted = {
        "nginx": service("nginx", "2", "web", "docs"),
        "web": service("web", "2", "api", "db"),
        "api": service("api", "2", "db"),
        "docs": service("docs"),
        "db": service("db"),
    }  # fmt: skip
    found = [container(name) for name in wanted]
    steps = plan(wanted, *found, rolled=("web", "api"))
    assert told(steps) == [("up", "docs", "db"), ("roll api", "1"), ("roll web", "1"), ("up 2", "nginx")]
    again = plan({**wanted, "nginx": service("nginx", "1", "web", "docs")}, *found, rolled=("web", "api"))
    assert told(again) == [("up", "docs", "db"), ("roll api", "1"), ("roll web", "1")], "what needs it stays"


def test_a_job_runs_once_before_a_rolled_service_and_what_needs_it() -> None:
    wanted = {
        "nginx": service("nginx", "2", "web"),
        "web": service("web", "2", "job"),
        "job": service("job", "1", may_end=True),
    }
    found = (container("nginx"), container("web"), container("job", state="exited"))
    first, roll, last = plan(wanted, *found)
    assert isinstance(first, ComposeUp) and isinstance(roll, RollService) and isinstance(last, ComposeUp)
    assert (first.services, first.detail, first.is_alone) == (("job",), ("job  runs again",), False)
    assert roll.awaits == {"job": COMPLETED}
    assert (last.services, last.is_alone, last.awaits) == (("nginx",), True, {"web": STARTED})


def test_services_that_need_each_other_are_planned() -> None:
    wanted = {"web": service("web", "2", "api"), "api": service("api", "2", "web")}
    assert told(plan(wanted, container("web"), container("api"))) == [("roll web", "1"), ("up", "api")]


def test_an_earlier_release_that_can_not_be_rolled_is_brought_back_stop_first() -> None:
    wanted = {"web": service("web", alone="it has container_name: shop")}
    [step] = plan(wanted, container("web"))
    assert isinstance(step, ComposeUp)
    assert step.detail == ("web  recreate: image web:1 -> web:2", "web  stop-first, as it has container_name: shop")


def test_what_old_and_new_containers_share_is_told() -> None:
    answer = inspected(row("web-1")) | {
        "Mounts": [
            {"Type": "volume", "Name": "f" * 64, "Destination": "/cache"},
            {"Type": "volume", "Name": "data", "Destination": "/data"},
            {"Type": "bind", "Source": "/srv", "Destination": "/srv"},
        ]
    }
    found = parse_container(Field(answer, "GET"), OWNER, str)
    assert found.anonymous == ("/cache",)
    wanted = Wanted("f", {"web": service("web", volumes=("data",)), "api": service("api")})
    assert list(rollout_notes({"web", "api"}, wanted, ComposeObserved((found, container("api"))))) == [
        "the old and the new containers of web write to data at the same time",
        "new containers of web start with an empty /cache: its volume has no name in the compose file",
    ]


def test_a_renamed_service_gives_its_port_to_the_new_one() -> None:
    old = container("web", ports=(8080,), is_own=True)
    wanted = {"app": service("app", claims=("the port 8080",)), "db": service("db", "1")}
    steps = plan(wanted, old, container("left"), container("db"), rolled=())
    assert [step.id for step in steps] == ["remove web", "up", "remove left"]
    first, _, last = steps
    assert isinstance(first, RemoveFirst) and not first.after_healthy and last.after_healthy
    assert first.detail == ("web-1", "app needs the port 8080")
    assert from_json(Step, to_json(first)) == first
    # Another one that has ended does not have its ports any more; a container keeps its name.
    [up, after] = plan(wanted, old._replace(state="exited"), container("db"), rolled=())
    assert (up.id, after.after_healthy) == ("up", True)
    named = {"app": service("app", claims=("the name web-1",)), "db": service("db", "1")}
    assert plan(named, old._replace(state="exited"), container("db"), rolled=())[0].id == "remove web"


def test_what_only_one_container_can_have() -> None:
    ports = [
        {"target": 80, "published": "8080", "protocol": "tcp"},
        {"target": 53, "published": "53", "protocol": "udp"},
        {"target": 81, "published": "9000-9009"},
    ]
    text = {"services": {"web": {"image": "a", "container_name": "shop", "ports": ports}}}
    found = parse_file(json.dumps(text).encode()).services["web"]
    assert found.claims == ("the name shop", "the port 8080")


def test_variables_without_a_value_are_told(tmp_path: Path) -> None:
    warning = r'time="now" level=warning msg="The \"NOPE\" variable is not set. Defaulting to a blank string."'
    errors = f'{warning}\n{warning}\nWARN[0000] The "OLD" variable is not set. Defaulting\nother'.encode()
    assert unset_variables(errors) == ("NOPE", "OLD")
    wanted = Wanted("f", {})
    merged = ("compose.yaml", "compose.override.yaml")
    assert list(notes_on("shop", wanted, ComposeObserved(unset=("NOPE", "OLD"), merged=merged))) == [
        "compose.override.yaml is merged over compose.yaml, as docker compose does it; file: compose.yaml leaves it out",
        "empty in the compose file, as they are not set: NOPE, OLD",
    ]


def test_a_rendered_file_is_started_without_the_env_file_of_the_folder(tmp_path: Path) -> None:
    answering(tmp_path, 'echo "$*" >> "$PWD/said"; echo web 12')
    clock = Clock()
    variables = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    program = ComposeProgram(variables, "shop", tmp_path, clock, Deadline(clock, clock.now() + 60))
    program.config(["compose.yaml"], ())
    program.hashes(b"{}")
    program.up(b"{}", [])
    read, *rendered = (tmp_path / "said").read_text().splitlines()
    assert "--env-file" not in read and all("--env-file /dev/null --file -" in line for line in rendered)

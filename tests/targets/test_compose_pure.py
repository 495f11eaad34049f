"""Rendered files, plans and verdicts of Compose projects, as tables."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from shipit.errors import DeployFailed, RemoteError
from shipit.http.fields import Field
from shipit.record import from_json, to_json
from shipit.release import Destruction, Place, Seen, State, Step
from shipit.targets.compose.config import Rollout
from shipit.targets.compose.content import Content, pack, starting_variables, unpack, wanted_of
from shipit.targets.compose.describe import describe, urls_of
from shipit.targets.compose.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.compose.file import parse_file
from shipit.targets.compose.judge import Limits, judge_project
from shipit.targets.compose.observed import ComposeObserved, ContainerFacts, Wanted, WantedService
from shipit.targets.compose.parse import is_outdated, parse_container, parse_tags
from shipit.targets.compose.plan import notes_on, plan_compose
from shipit.targets.compose.render import hidden_file, render_file
from shipit.targets.compose.steps import (
    ComposeUp,
    PullImage,
    RemoveService,
    RestartContainers,
    ScaleServices,
    SendImage,
)
from shipit.targets.compose.stopping import judge_start, judge_stop, plan_start, plan_stop
from shipit.targets.compose.verbs import judge_restart, judge_scale, plan_restart, plan_scale
from shipit.targets.engine.made_by import MadeBy
from shipit.targets.engine.owner import Owner
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder

OWNER = Owner("shop", "production", "stack")
PINNED = "docker.io/user/web@sha256:" + "1" * 64
WEB = WantedService(PINNED, "h1", None, marks={"MODE": "m1"})
JOB = WantedService("node", "j1", None, may_end=True, must_end=True)
WANTED = Wanted("f1", {"web": WEB}, {"web": PINNED}, {PINNED: "linux/amd64"})
LIMITS = Limits(30.0)


def container(service: str = "web", number: int = 1, **fields: Any) -> ContainerFacts:
    name = f"shop-{service}-{number}"
    usual: dict[str, Any] = {
        "hash": "h1", "image": PINNED, "marks": {"MODE": "m1", "PATH": "p"}, "state": "running", "started_at": "t",
    }  # fmt: skip
    return ContainerFacts(name, name, service, number, **{**usual, **fields})


def job(**fields: Any) -> ContainerFacts:
    return container("job", hash="j1", image="node", **{"state": "exited", **fields})


def plan(*found: ContainerFacts, wanted: Wanted = WANTED, **fields: Any) -> tuple[Step, ...]:
    return plan_compose("shop", wanted, ComposeObserved(found, images=frozenset([PINNED]), **fields), {}, {})


def detail(*found: ContainerFacts, wanted: Wanted = WANTED, **fields: Any) -> tuple[str, ...]:
    [step] = plan(*found, wanted=wanted, **fields)
    assert isinstance(step, ComposeUp)
    return step.detail


def verdict(*found: ContainerFacts, wanted: Wanted | None = WANTED, **seen: Any) -> tuple[State, str]:
    result = judge_project(
        wanted, ComposeObserved(found), Seen(**{"now_s": 0, "started_s": 0, "unchanged_since_s": 0, **seen}), LIMITS
    )
    return result.state, result.reason


def test_a_rendered_file_has_pinned_images_labels_and_no_build() -> None:
    row = {
        "build": {"context": "/a"},
        "profiles": ["x"],
        "pull_policy": "always",
        "labels": {"own": "a$$b", "dev.shipit.run": "x"},
    }
    file = parse_file(json.dumps({"name": "shop", "services": {"web": row, "db": None}}).encode())
    text = render_file(OWNER, file, {"web": PINNED})
    found = json.loads(text)["services"]
    assert found["web"] == {"image": PINNED, "labels": {"own": "a$$b", **OWNER.labels}}
    assert found["db"] == {"labels": OWNER.labels}
    assert render_file(OWNER, file, {"web": PINNED}) == text


def test_a_service_of_a_profile_that_is_not_used_is_needed_by_none() -> None:
    needs = {"db": {"condition": "service_started"}, "mail": {"condition": "service_started", "required": False}}
    file = parse_file(
        json.dumps({"services": {"web": {"image": "a", "depends_on": needs}, "db": {"image": "b"}}}).encode()
    )
    assert file.services["web"].needs == ("db",) and list(file.services["web"].awaits) == ["db"]
    assert json.loads(render_file(OWNER, file, {}))["services"]["web"]["depends_on"] == {"db": needs["db"]}


def test_facts_of_services() -> None:
    rows = {
        "web": {
            "image": "a", "scale": 2, "environment": {"A": "x$$y", "B": None},
            "depends_on": {"job": {"condition": "service_completed_successfully"}, "db": {"condition": "service_started", "restart": True}},
        },
        "db": {"image": "b", "deploy": {"replicas": 0}, "restart": "always"},
        "job": {"image": "c"},
        "once": {"image": "d", "restart": "on-failure:3"},
        "task": {"image": "d", "restart": "always", "deploy": {"restart_policy": {"condition": "none"}}},
        "daemon": {"image": "d", "restart": "no", "deploy": {"restart_policy": {"max_attempts": 3}}},
    }  # fmt: skip
    found = parse_file(json.dumps({"services": rows}).encode()).services
    assert [(one.name, one.quantity, one.may_end, one.is_awaited) for one in found.values()] == [
        ("web", 2, False, False),
        ("db", 0, False, False),
        ("job", None, True, True),
        ("once", None, True, False),
        ("task", None, True, False),
        ("daemon", None, False, False),
    ]
    assert found["web"].env == {"A": "x$y"}
    assert (found["web"].needs, found["web"].follows) == (("db", "job"), ("db",))


def test_a_file_for_people_has_no_values() -> None:
    value = {
        "services": {"web": {"environment": {"A": "x", "B": None}}, "db": {}},
        "configs": {"c": {"content": "s3cret"}},
        "secrets": {"s": {"environment": "TOKEN"}},
    }
    assert hidden_file(json.dumps(value).encode()) == {
        "services": {"web": {"environment": {"A": "<value>", "B": None}}, "db": {}},
        "configs": {"c": {"content": "<value>"}},
        "secrets": {"s": {"environment": "TOKEN"}},
    }


def test_variables_of_secrets_are_kept_with_the_file() -> None:
    file = parse_file(json.dumps({"services": {}, "secrets": {"s": {"environment": "TOKEN"}}}).encode())
    assert starting_variables(file, {"TOKEN": "t", "OTHER": "o"}) == {"TOKEN": "t"}
    with pytest.raises(RemoteError, match="the variable TOKEN is not set"):
        starting_variables(file, {})


def test_a_service_is_recreated_when_the_content_that_it_is_given_changes() -> None:
    def labels(token: str, config: str) -> dict[str, str]:
        value = {
            "services": {
                "web": {"image": "a", "secrets": [{"source": "s"}]},
                "proxy": {"image": "b", "configs": [{"source": "c", "target": "/x"}]},
                "db": {"image": "c", "secrets": [{"source": "f"}]},
            },
            "secrets": {"s": {"environment": "TOKEN"}, "f": {"file": "/a"}},
            "configs": {"c": {"content": config}},
        }
        text = render_file(OWNER, parse_file(json.dumps(value).encode()), {}, {"TOKEN": token})
        assert "s3cret" not in text.decode()
        rows = json.loads(text)["services"].items()
        return {name: row["labels"].get("dev.shipit.content", "") for name, row in rows}

    first, again, rotated, edited = (
        labels(*pair) for pair in (("s3cret", "x"), ("s3cret", "x"), ("t", "x"), ("s3cret", "y"))
    )
    assert first == again and first["db"] == "" and len(first["web"]) == 32
    assert first["web"] != rotated["web"] and first["proxy"] == rotated["proxy"]
    assert first["web"] == edited["web"] and first["proxy"] != edited["proxy"]


@pytest.mark.parametrize(
    "value",
    [
        {"secrets": ["s"]},
        {"secrets": {"s": None}},
        {"configs": {"c": {"content": 3}}},
        {"secrets": {"s": {"environment": ["TOKEN"]}}},
        {"services": {"web": {"labels": ["a=b"]}}},
        {"services": {"web": {"secrets": ["s"]}}},
        {"services": {"web": {"configs": [{"target": "/x"}]}}},
    ],
)
def test_a_file_of_another_form_is_an_error(value: dict[str, Any]) -> None:
    with pytest.raises(RemoteError):
        parse_file(json.dumps(value).encode())


CONTENT = Content(
    json.dumps({"services": {"web": {"image": PINNED, "environment": {"MODE": "test"}, "labels": {"x": "ü"}}}}),
    {"web": "12"},
    {"web": PINNED},
    {PINNED: "linux/amd64"},
    {"TOKEN": "s3cret"},
)


def test_a_kept_file_comes_back_equal_and_a_plan_has_no_value_of_it() -> None:
    assert unpack(pack(CONTENT)) == CONTENT
    wanted = wanted_of(CONTENT, lambda text: f"<{len(text)}>")
    assert "s3cret" not in json.dumps(to_json(wanted)) and "test" not in json.dumps(to_json(wanted))
    assert wanted.services["web"] == WantedService(PINNED, "<2>", None, marks={"MODE": "<4>"})


def test_what_is_no_kept_file_is_left_out() -> None:
    def packed(data: bytes) -> str:
        return base64.b64encode(zlib.compress(data)).decode()

    bomb = packed(b'{"a": "' + b" " * (20 * 1024 * 1024) + b'"}')
    texts = [
        "",
        "!",
        "YWJj",
        packed(b"{"),
        packed(b"[]"),
        packed(b'{"text": 3}'),
        pack(CONTENT)[:-8],
        bomb,
        "a" * 400_000,
    ]
    assert [unpack(text) for text in texts] == [None] * len(texts)


def test_the_answer_of_the_engine_about_a_container() -> None:
    labels = {
        **OWNER.labels, "com.docker.compose.service": "web", "com.docker.compose.container-number": "2",
        "com.docker.compose.config-hash": "abc", "com.docker.compose.image": "sha256:2",
    }  # fmt: skip
    answer = {
        "Id": "1", "Name": "/shop-web-2", "RestartCount": 1, "Image": "sha256:1",
        "Config": {"Image": PINNED, "Labels": labels, "Env": ["MODE=test", "odd"]},
        "State": {"Status": "running", "StartedAt": "t", "Health": {"Status": "none"}},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostPort": "8080"}, {"HostPort": "x"}, {"HostIp": "127.0.0.1", "HostPort": "8080"}], "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "81"}], "53/udp": [{"HostPort": "53"}], "90/tcp": None}},
    }  # fmt: skip
    found = parse_container(Field(answer, "x"), OWNER, str.upper)
    assert found == ContainerFacts(
        "1",
        "shop-web-2",
        "web",
        2,
        "ABC",
        PINNED,
        {"MODE": "TEST"},
        True,
        "running",
        "",
        "",
        1,
        0,
        "",
        False,
        "t",
        (81, 8080),
        ("sha256:1", "sha256:2"),
        local_ports=(81,),
    )


@pytest.mark.parametrize(
    ("image", "ids", "expected"),
    [
        ("postgres:16", ("sha256:old",), True),
        ("docker.io/library/postgres:16", ("sha256:old", "sha256:older"), True),
        ("postgres:16", ("sha256:now",), False),
        ("postgres:16", ("sha256:old", "sha256:now"), False),
        ("redis", ("sha256:old",), True),
        ("postgres:16", (), False),
        ("gone:1", ("sha256:old",), False),
        ("postgres@sha256:" + "1" * 64, ("sha256:old",), False),
        ("sha256:old", ("sha256:old",), False),
    ],
)
def test_a_tag_that_names_another_image_now_is_seen(image: str, ids: tuple[str, ...], expected: bool) -> None:
    rows = [
        {"Id": "sha256:now", "RepoTags": ["postgres:16", "redis:latest"]},
        {"Id": "x", "RepoTags": ["<none>:<none>"]},
    ]
    tags = parse_tags(Field(rows, "x"))
    assert is_outdated(container(image=image, image_ids=ids), tags) is expected


def test_a_first_deploy_brings_the_images_and_starts_the_project() -> None:
    sent = "localhost/shop/production/api:12"
    wanted = WANTED._replace(
        services={"web": WEB, "api": WantedService(sent, "a")}, images={"web": PINNED, "api": sent}
    )
    pull, send, up = plan_compose("shop", wanted, ComposeObserved(), {sent: "sha256:12"}, {})
    assert isinstance(pull, PullImage) and (pull.image, pull.platform) == (PINNED, "linux/amd64")
    assert isinstance(send, SendImage) and send.image == "sha256:12"
    assert isinstance(up, ComposeUp) and up.effect == "create"
    assert up.summary == "start web, api of the project shop"
    assert up.detail == ("web  create, image 111111111111", f"api  create, image {sent}")
    assert all(from_json(Step, json.loads(json.dumps(to_json(step)))) == step for step in (pull, send, up))


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ([container(hash="h0", image="old@sha256:" + "2" * 64)], ["recreate: image 222222222222 -> 111111111111"]),
        ([container(hash="h0", marks={"MODE": "m0"})], ["recreate: MODE changed"]),
        ([container(hash="h0", marks={})], ["recreate: MODE new"]),
        ([container(hash="h0")], ["recreate: its settings changed"]),
        ([container(is_outdated=True)], [f"recreate: {PINNED} names another image on the engine now"]),
        ([container(state="exited", exit_code=2)], ["start shop-web-1, which exited with 2"]),
        ([container(state="created")], ["start shop-web-1, which was not started"]),
    ],
)
def test_what_changes_is_told(found: list[ContainerFacts], lines: list[str]) -> None:
    assert detail(*found) == tuple(f"web  {line}" for line in lines)


def test_what_runs_as_wanted_needs_no_step_whatever_its_number() -> None:
    assert plan(container()) == plan(container(), container(number=2)) == ()
    two = WANTED._replace(services={"web": WEB._replace(quantity=2)})
    assert detail(container(), wanted=two) == ("web  containers  1 -> 2",)
    assert plan(container(), wanted=WANTED._replace(services={"web": WEB, "none": WEB._replace(quantity=0)})) == ()


def test_a_job_that_has_ended_needs_no_step_and_runs_again_with_a_change() -> None:
    wanted = WANTED._replace(services={"web": WEB._replace(needs=("job",)), "job": JOB})
    assert plan(container(), job(), wanted=wanted) == ()
    assert detail(container(hash="h0"), job(), wanted=wanted) == (
        "web  recreate: its settings changed",
        "job  runs again",
    )
    assert detail(container(), job(exit_code=1), wanted=wanted) == ("job  start shop-job-1, which exited with 1",)


def test_only_what_changed_and_what_it_needs_is_started_with_followers() -> None:
    needy = WEB._replace(needs=("db", "gone"), quantity=3)
    services = {
        "db": WEB._replace(quantity=2), "web": needy, "proxy": WEB._replace(needs=("web",)),
        "side": WEB._replace(needs=("web",), follows=("web",)), "job": JOB,
    }  # fmt: skip
    found = [container(name) for name in ("proxy", "side")] + [
        container("web", number, hash="h0") for number in (1, 2, 3)
    ]
    found += [container("db", number) for number in (1, 2)] + [job()]
    [step] = plan(*found, wanted=WANTED._replace(services=services))
    assert isinstance(step, ComposeUp)
    assert step.services == ("web", "side") and step.quantities == {"db": 2, "web": 3}
    assert step.detail == ("web  recreate: its settings changed", "side  restart with web")


def test_the_plan_names_containers_that_compose_recreates_for_labels_of_another_run() -> None:
    first, second = container(origin={"run": "1"}), container(number=2, origin={"run": "2"})
    assert detail(second, first) == ("web  recreate: shop-web-2 has labels of another run than shop-web-1",)
    assert plan(first, second._replace(origin=first.origin)) == ()
    assert "another run" not in str(detail(first, second._replace(hash="h0")))


def test_a_container_that_lies_about_its_settings_is_stale() -> None:
    [step] = plan(container(marks={"MODE": "rival"}))
    assert isinstance(step, ComposeUp) and step.stale == ("shop-web-1",) and step.known == ("shop-web-1",)
    assert step.detail == ("web  recreate: MODE changed",)


def test_a_variable_that_left_the_file_is_told() -> None:
    before = Wanted("f0", {"web": WEB._replace(hash="h0", marks={"MODE": "m1", "EXTRA": "e"})}, is_kept=True)
    found = container(hash="h0", marks={"MODE": "m1", "EXTRA": "e"})
    assert detail(found, files=(before,)) == ("web  recreate: EXTRA removed",)


def test_services_that_left_the_file_are_removed_and_containers_of_others_stay() -> None:
    own, other = container("old", hash="x"), container("dev", hash="x", is_own=False)
    [step] = plan(container(), own, other)
    assert isinstance(step, RemoveService) and step.names == ("shop-old-1",) and step.after_healthy
    observed = ComposeObserved((container(is_own=False, hash="h0"), other))
    assert list(notes_on("shop", WANTED, observed)) == [
        "takes over the project shop, which docker compose started: shop-web-1; its volumes stay; this deploy can't be rolled back",
        "left alone, as shipit did not create them: shop-dev-1",
    ]


def test_the_current_file_is_the_one_that_runs() -> None:
    old = Wanted("f0", {"web": WEB._replace(hash="h0")}, is_kept=True)
    observed = ComposeObserved((container(),), (old, WANTED))
    assert observed.current is WANTED
    assert observed._replace(containers=(container(state="exited", exit_code=1),)).current is None
    assert observed._replace(containers=(container(), container("more", hash="x"))).current is None
    assert ComposeObserved((), (WANTED,)).current is None


@pytest.mark.parametrize(
    ("found", "state", "reason"),
    [
        ([container()], State.HEALTHY, "web: 1 running on 111111111111"),
        ([container(health="healthy")], State.HEALTHY, "web: 1 running on 111111111111, healthy"),
        ([], State.FAILED, "web has 0 of 1 containers"),
        ([container(health="starting")], State.WAITING, "shop-web-1 is starting"),
        ([container(health="unhealthy", said="no")], State.FAILED, "shop-web-1 is unhealthy: no"),
        ([container(state="exited", exit_code=3)], State.FAILED, "shop-web-1 exited with 3"),
        ([container(state="exited")], State.FAILED, "shop-web-1 exited with 0"),
        ([container(state="exited", exit_code=137, is_out_of_memory=True)], State.FAILED, "shop-web-1 ran out of memory"),
        ([container(state="created", error="port is taken")], State.FAILED, "shop-web-1 was not started: port is taken"),
        ([container(state="restarting", exit_code=1, restarts=2)], State.FAILED, "shop-web-1 exited with 1, and was restarted 2 times"),
        ([container(restarts=1, exit_code=-1)], State.FAILED, "shop-web-1 ended, and was restarted once"),
        ([container(restarts=2, exit_code=3)], State.FAILED, "shop-web-1 exited with 3, and was restarted 2 times"),
        ([container(state="paused")], State.FAILED, "shop-web-1 is paused"),
        ([container(hash="h0")], State.FAILED, "superseded by someone else: shop-web-1 runs as web, with other settings"),
        ([container(image="x", made=MadeBy("anna", at="2026-01-31T12:00:00Z"))], State.FAILED, "superseded by someone else: shop-web-1 runs as web, image x -> 111111111111, from 2026-01-31T12:00:00Z, with the labels of anna"),
        ([container(image="x")], State.FAILED, "superseded by someone else: shop-web-1 runs as web, image x -> 111111111111"),
        ([container(marks={"MODE": "m9"})], State.FAILED, "superseded by someone else: shop-web-1 runs as web, MODE changed"),
    ],
)  # fmt: skip
def test_verdicts(found: list[ContainerFacts], state: State, reason: str) -> None:
    assert verdict(*found) == (state, reason)


def test_verdicts_on_jobs_and_numbers() -> None:
    jobs = WANTED._replace(services={"job": JOB})
    assert verdict(job(), wanted=jobs) == (State.HEALTHY, "job: ended with 0 on node")
    assert verdict(job(state="running"), wanted=jobs) == (State.WAITING, "shop-job-1 has not ended yet")
    assert verdict(job(exit_code=1), wanted=jobs)[0] is State.FAILED
    two = WANTED._replace(services={"web": WEB._replace(quantity=2)})
    assert verdict(container(), wanted=two) == (State.FAILED, "web has 1 of 2 containers")
    three = [container(number=number) for number in (1, 2, 3)]
    assert verdict(*three, wanted=two) == (State.FAILED, "superseded by someone else: web has 3 containers, not 2")
    assert verdict(wanted=None) == (State.FAILED, "what should run is not known")


def test_no_progress_is_a_failure_and_restarts_of_before_do_not_count() -> None:
    waiting = container(health="starting")
    assert verdict(waiting, now_s=31.0) == (State.FAILED, "shop-web-1 is starting for 31 s")
    checked = waiting._replace(undecided_s=180.0)
    assert verdict(checked, now_s=209.0)[0] is State.WAITING and verdict(checked, now_s=211.0)[0] is State.FAILED
    before = ComposeObserved((container(restarts=4),))
    assert verdict(container(restarts=4), before=before)[0] is State.HEALTHY


def test_scaling_needs_the_file_that_runs() -> None:
    order = ScaleOrder({"web": 2})
    observed = ComposeObserved((container(),), (WANTED,))
    [step] = plan_scale(order, observed)
    assert isinstance(step, ScaleServices) and (step.file, step.quantities) == ("f1", {"web": 2})
    assert (step.detail, step.undo) == (("web  1 -> 2",), "shipit scale web=1")
    assert plan_scale(ScaleOrder({"web": 1}), observed) == ()
    for wrong in (observed._replace(files=()), observed._replace(containers=())):
        with pytest.raises(DeployFailed):
            plan_scale(order, wrong)
    with pytest.raises(DeployFailed, match="other does not run"):
        plan_scale(ScaleOrder({"other": 2}), observed)
    found = judge_scale(order, observed, Seen(0, 0, 0), LIMITS)
    assert found.superseded_by and found.reason == "superseded by someone else: web has 1 running containers, not 2"
    both = observed._replace(containers=(container(), container(number=2)))
    assert judge_scale(order, both, Seen(0, 0, 0), LIMITS).state is State.HEALTHY


def test_a_container_that_crashes_after_scaling_is_not_said_to_be_someone_else() -> None:
    crashed = container(number=2, state="exited", exit_code=1)
    for found in ((container(), crashed), (crashed,)):
        judged = judge_scale(ScaleOrder({"web": 2}), ComposeObserved(found, (WANTED,)), Seen(0, 0, 0), LIMITS)
        assert (judged.reason, judged.superseded_by, judged.subject) == ("shop-web-2 exited with 1", "", "shop-web-2")


def test_jobs_that_have_ended_do_not_count_for_scaling_or_restarting_others() -> None:
    observed = ComposeObserved((container(), job()), (WANTED._replace(services={"web": WEB, "job": JOB}),))
    assert judge_scale(ScaleOrder({"web": 1}), observed, Seen(0, 0, 0), LIMITS).state is State.HEALTHY
    restarted = judge_restart(RestartOrder(("web", "job"), ""), observed, Seen(0, 0, 0), LIMITS)
    assert (restarted.state, restarted.reason) == (
        State.HEALTHY,
        "web: 1 running on 111111111111; job: ended with 0 on node",
    )


def test_a_service_restarts_after_the_one_that_it_follows() -> None:
    side = WEB._replace(needs=("web",), follows=("web",))
    wanted = WANTED._replace(services={"side": side, "web": WEB})
    before = ComposeObserved((container(service="side"), container()), (wanted,))
    for workloads in (("web",), ("side", "web")):
        order = RestartOrder(workloads, "")
        assert [step.id for step in plan_restart(order, before, {})] == ["restart web", "restart side"]
    step = plan_restart(RestartOrder(("web",), ""), before, {})[1]
    assert step.detail[-1] == "it is restarted with web, as the compose file says"
    assert [step.id for step in plan_restart(RestartOrder(("side",), ""), before, {})] == ["restart side"]
    half = before._replace(containers=(before.containers[0], container(started_at="t2")))
    judged = judge_restart(RestartOrder(("web",), ""), half, Seen(0, 0, 0, before, before), LIMITS)
    assert judged.state is State.WAITING and "shop-side-1 not yet restarted" in judged.reason


def test_restarting_is_done_when_every_container_is_new() -> None:
    order = RestartOrder(("web",), "2026-01-31T12:00:00Z")
    before = ComposeObserved((container(),), (WANTED,))
    [step] = plan_restart(order, before, {})
    assert to_json(step)["names"] == ["shop-web-1"]
    with pytest.raises(DeployFailed, match="web does not run"):
        plan_restart(order, ComposeObserved(), {})
    seen = Seen(0, 0, 0, before, before)
    assert judge_restart(order, before, seen, LIMITS).state is State.WAITING
    after = before._replace(containers=(container(started_at="t2"),))
    assert judge_restart(order, after, seen, LIMITS).state is State.HEALTHY
    gone = before._replace(containers=(container(state="exited", exit_code=3, started_at="t2"),))
    judged = judge_restart(order, gone, seen, LIMITS)
    assert (judged.state, judged.reason, judged.subject) == (State.FAILED, "shop-web-1 exited with 3", "shop-web-1")
    assert judge_restart(order, ComposeObserved(), seen, LIMITS).reason == "web has no container"
    # One that had ended before is not restarted: nobody waits for it.
    dead = container(number=2, state="exited", exit_code=1)
    before = before._replace(containers=(container(), dead))
    after = before._replace(containers=(container(started_at="t2"), dead))
    judged = judge_restart(order, after, Seen(0, 0, 0, before, before), LIMITS)
    assert judged.reason == "shop-web-2 exited with 1"


@pytest.mark.parametrize(
    ("count", "rollouts", "file", "detail"),
    [
        (1, {"web": Rollout(5.0)}, "f1", "one more container serves meanwhile, and is removed then"),
        (2, {"web": Rollout(5.0)}, "", "each container restarts when the one before is ready"),
        (2, {}, "", "each container restarts when the one before is ready"),
        (1, {}, "", "the service is down while its only container restarts"),
    ],
)
def test_an_only_container_restarts_while_another_one_serves_where_deploys_start_the_new_one_first(
    count: int, rollouts: dict[str, Rollout], file: str, detail: str
) -> None:
    found = ComposeObserved(tuple(container(number=number + 1) for number in range(count)), (WANTED,))
    [step] = plan_restart(RestartOrder(("web",), "t"), found, rollouts)
    assert isinstance(step, RestartContainers)
    assert (step.file, step.drain_s, step.detail[0]) == (file, 5.0 if rollouts else 0.0, detail)


def test_what_a_killed_restart_left_is_removed_by_the_next_deploy_and_used_by_the_next_restart() -> None:
    one = container()
    left = container(number=2, beside=one.id)
    [step] = [step for step in plan(one, left) if isinstance(step, ComposeUp)]
    assert (step.detail, step.quantities) == (("web  containers  2 -> 1",), {}), "Compose takes 1 for granted"
    found = ComposeObserved((one, left), (WANTED,))
    [restart] = plan_restart(RestartOrder(("web",), "t"), found, {"web": Rollout(5.0)})
    assert isinstance(restart, RestartContainers)
    assert (restart.names, restart.file) == ((one.name,), "f1")
    # It counts where the one beside which it served does not serve, is gone, or was scaled.
    for others in ((left,), (one._replace(health="unhealthy"), left), (container(number=3), left)):
        names = plan_restart(RestartOrder(("web",), "t"), ComposeObserved(others, (WANTED,)), {})[0]
        assert isinstance(names, RestartContainers) and left.name in names.names


@pytest.mark.parametrize(
    ("rollouts", "others", "names"),
    [
        ({"web": Rollout(5.0)}, (), ["shop-web-1"]),
        ({"web": Rollout(5.0, ("leave",))}, (), ["shop-web-1"]),
        ({}, (), ["shop-web-1", "shop-web-2"]),
        ({"web": Rollout(5.0)}, (container(number=3, state="exited"),), ["shop-web-1", "shop-web-2"]),
        ({"web": Rollout(5.0, ("leave",))}, (container(number=3, state="exited"),), ["shop-web-1", "shop-web-2"]),
    ],
)
def test_what_a_killed_restart_left_restarts_where_no_other_container_is_made(
    rollouts: dict[str, Rollout], others: tuple[ContainerFacts, ...], names: list[str]
) -> None:
    one = container()
    before = ComposeObserved((one, container(number=2, beside=one.id), *others), (WANTED,))
    order = RestartOrder(("web",), "t")
    [step] = plan_restart(order, before, rollouts)
    assert isinstance(step, RestartContainers)
    assert (list(step.names), bool(step.file)) == (names, len(names) == 1)
    assert "the service is down" not in step.detail[0]
    # What the step names is restarted; the rest is removed where one more container serves meanwhile.
    made = [found._replace(started_at="t2") for found in before.containers if found.name in names]
    judged = judge_restart(order, before._replace(containers=tuple(made)), Seen(0, 0, 0, before, before), LIMITS)
    assert judged.state is State.HEALTHY


def test_stopping_and_starting_keep_the_order_of_needs() -> None:
    services = {"web": WEB._replace(needs=("db", "job")), "db": WEB, "job": JOB._replace(needs=("web",))}
    observed = ComposeObserved((container(), container("db"), job()), (Wanted("f", services, is_kept=True),))
    order = StopOrder(("web", "db", "job"))
    assert [step.id for step in plan_stop(order, observed)] == ["stop web", "stop db"]
    assert judge_stop(order, observed).superseded_by
    stopped = observed._replace(
        containers=(container(state="exited", exit_code=143), container("db", state="exited"), job())
    )
    assert plan_stop(order, stopped) == () and judge_stop(order, stopped).state is State.HEALTHY
    assert [(step.id, step.detail) for step in plan_start(order, stopped)] == [
        ("start db", ("start shop-db-1",)),
        ("start web", ("start shop-web-1",)),
    ]
    assert judge_start(order, stopped, Seen(0, 0, 0), LIMITS).reason == "shop-web-1 exited with 143"
    assert judge_start(order, observed, Seen(0, 0, 0), LIMITS).state is State.HEALTHY
    assert plan_start(order, observed) == ()
    with pytest.raises(DeployFailed, match="web has no container"):
        plan_start(StopOrder(("web",)), ComposeObserved())


def test_destroying_keeps_volumes_and_what_others_made() -> None:
    observed = ComposeObserved((container(), container("dev", is_own=False)))
    inventory = Inventory(observed, ("shop_default",), ("shop_data",), 2)
    [step] = plan_destroy(inventory, Destruction(("volume/shop_data",)))
    assert step.destroys and step.detail == (
        "container shop-web-1",
        "volume shop_data, with its data",
        "the records of its releases",
    )
    [step] = plan_destroy(inventory._replace(observed=ComposeObserved((container(),))), Destruction())
    assert not step.destroys and step.detail[1] == "network shop_default"
    assert [one.name for one in leftovers(inventory, Destruction())] == ["", "volume/shop_data"]
    assert plan_destroy(Inventory(ComposeObserved(), ("shop_default",)), Destruction()) == ()


def test_what_runs_is_described_with_its_urls() -> None:
    observed = ComposeObserved(
        (container(ports=(80, 81, 8080), local_ports=(81,)), job(), container("bad", state="exited", exit_code=2))
    )
    status = describe("stack", Place("compose", "shop"), observed, tuple(urls_of("ssh://deploy@web1", observed)))
    assert status.urls == ("http://web1", "http://web1:8080")
    assert [(one.name, one.state, one.wanted, one.ready, one.error) for one in status.units] == [
        ("shop-web-1", "running", 1, 1, ""),
        ("shop-job-1", "exited", None, None, ""),
        ("shop-bad-1", "exited", 1, 0, "exited with 2"),
    ]
    assert list(urls_of("unix:///x", observed)) == ["http://localhost", "http://localhost:81", "http://localhost:8080"]

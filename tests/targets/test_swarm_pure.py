"""The kind swarm, values in and values out: specs, their comparison, the plan, the verdict, the way back."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from shipit.errors import DeployFailed, RemoteError
from shipit.http.fields import Field
from shipit.past_release import PastRelease
from shipit.record import from_json, to_json
from shipit.release import Destruction, Place, Seen, State, Unit
from shipit.targets.engine.container_spec import ContainerSpec
from shipit.targets.engine.container_values import Publish, Volume
from shipit.targets.engine.healthcheck import Healthcheck
from shipit.targets.engine.kernel_values import Ulimit
from shipit.targets.engine.label_store import short_name
from shipit.targets.engine.made_by import MadeBy
from shipit.targets.engine.owner import Owner, origin_labels
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command
from shipit.targets.swarm.compare import differences, mode_of, portable, settings_of
from shipit.targets.swarm.describe import describe
from shipit.targets.swarm.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.swarm.history import past_of, plan_rollback, versions_of
from shipit.targets.swarm.judge import Limits, judge_before, judge_release, judge_versions
from shipit.targets.swarm.kept import used_by
from shipit.targets.swarm.observed import GONE, KeptFacts, NodeFacts, ServiceFacts, SwarmObserved, TaskFacts
from shipit.targets.swarm.one_off import is_run_row, job_body
from shipit.targets.swarm.parse import Known, parse_kept, parse_service, parse_spec, stopped_count
from shipit.targets.swarm.plan import notes_on, plan_swarm
from shipit.targets.swarm.plan_back import Record, missing, plan_back
from shipit.targets.swarm.ports import bridge_address, published_by_swarm
from shipit.targets.swarm.render import service_body
from shipit.targets.swarm.secrets import content_hash, matching_mark
from shipit.targets.swarm.spec import (
    HASH,
    KEEPS,
    KEPT,
    SALT,
    SECRET,
    USES,
    ConfigFile,
    Placement,
    SwarmSpec,
    Update,
    config_name,
    run_name,
    service_name,
)
from shipit.targets.swarm.steps import (
    PruneService,
    RemoveAll,
    RemoveService,
    RestoreService,
    RunReleaseCommand,
    ScaleService,
    StartService,
    StopService,
    UpdateService,
)
from shipit.targets.swarm.stopping import judge_start, judge_stop, plan_start, plan_stop
from shipit.targets.swarm.verbs import judge_restart, judge_scale, plan_restart, plan_scale
from shipit.targets.swarm.wanted import WantedCommand, WantedService

OWNER = Owner("shop", "production", "swarm")
OLD, NEW = (f"docker.io/user/shop@sha256:{digit * 64}" for digit in "ab")
MARKS = {"TOKEN": "mark"}
LIMITS = Limits(30.0, 0, 5.0)
SEEN = Seen(10.0, 0.0, 10.0)
NETWORKS = {"n1": "shop-production-swarm"}


def spec(image: str = NEW, service: str = "web", **more: Any) -> SwarmSpec:
    return SwarmSpec(ContainerSpec(service, image), **more)


def wanted(image: str = NEW, replicas: int | None = None, **more: Any) -> WantedService:
    return WantedService(spec(image, **more), MARKS, replicas)


def task(number: int = 1, image: str = NEW, **more: Any) -> TaskFacts:
    facts = TaskFacts(
        f"task-{number}-{image[-4:]}", f"web.{number}", "node1", "running", "running", image=image, kept="k"
    )
    return facts._replace(**more)


def failed(**more: Any) -> TaskFacts:
    """A task of the new image that failed."""
    facts = task(
        1, id="crashed", state="failed", wanted="shutdown", said="task: non-zero exit (3)", exit_code=3, since="2"
    )
    return facts._replace(**more)


def service(own: SwarmSpec, *tasks: TaskFacts, **more: Any) -> ServiceFacts:
    facts = ServiceFacts(
        "id", "shop-production-web", own.service, own.hash, own.image, "k", "print", MARKS, replicas=1, tasks=tasks
    )
    return facts._replace(**more)


def observed(*services: ServiceFacts, **more: Any) -> SwarmObserved:
    return SwarmObserved({found.service: found for found in services}, **more)


def test_a_first_deploy_creates_the_service() -> None:
    [step] = plan_swarm({"web": wanted(replicas=2)}, observed())
    assert isinstance(step, UpdateService)
    assert (step.summary, step.effect, step.known, step.replicas) == ("create the service web", "create", "", 2)
    assert step.detail == ("image  none -> bbbbbbbbbbbb", "tasks  0 -> 2")


def test_a_service_that_is_as_wanted_is_left_alone() -> None:
    assert plan_swarm({"web": wanted()}, observed(service(spec(), task(), replicas=5))) == ()
    assert plan_swarm({"web": wanted(replicas=5)}, observed(service(spec(), task(), replicas=5))) == ()


ORDER = "start-first, 1 at a time"


@pytest.mark.parametrize(
    ("before", "detail"),
    [
        (service(spec(OLD)), ("image  aaaaaaaaaaaa -> bbbbbbbbbbbb", ORDER)),
        (
            service(spec(OLD, endpoint_mode="dnsrr")),
            ("image  aaaaaaaaaaaa -> bbbbbbbbbbbb", "settings of the service changed", ORDER),
        ),
        (service(spec(), marks={"TOKEN": "other"}), ("TOKEN  changed", ORDER)),
        (service(spec(), marks={**MARKS, "OLD": "x"}), ("OLD  removed", ORDER)),
        (service(spec(), marks={}), ("TOKEN  new", ORDER)),
        (service(spec(), spec="other"), ("settings of the service changed", ORDER)),
        (
            service(spec(), drift=("variable MODE", "Hosts")),
            ("changed by someone else, and set back: variable MODE, Hosts", ORDER),
        ),
        (
            service(spec(), drift=(GONE,)),
            ("the settings that shipit kept are gone, so they can't be compared: all of them are set again", ORDER),
        ),
        (service(spec(), update="paused"), ("its last update is paused: its tasks are replaced", ORDER)),
        (
            service(spec(), mode="global", spec="x"),
            ("mode  global -> replicated: the service is removed and created again, and is down meanwhile", ORDER),
        ),
    ],
)
def test_what_differs_is_updated_and_the_plan_says_why(before: ServiceFacts, detail: tuple[str, ...]) -> None:
    [step] = plan_swarm({"web": wanted()}, observed(before))
    assert isinstance(step, UpdateService)
    assert (step.detail, step.effect, step.known) == (detail, "replace", "print")


def test_only_another_number_of_tasks_is_scaled() -> None:
    [step] = plan_swarm({"web": wanted(replicas=3)}, observed(service(spec())))
    assert isinstance(step, ScaleService) and (step.replicas, step.detail) == (3, ("tasks  1 -> 3",))


def test_a_service_that_left_the_file_is_removed_after_the_others_are_healthy() -> None:
    left = service(spec(service="worker"), name="shop-production-worker")
    [step] = plan_swarm({"web": wanted()}, observed(service(spec()), left))
    assert isinstance(step, PruneService) and step.after_healthy and step.service == "worker"
    assert step.detail == ("shop-production-worker",)


def test_a_release_command_runs_before_the_services_and_only_when_one_is_updated() -> None:
    command = WantedCommand(spec(service="release"), MARKS, 60.0)
    steps = plan_swarm({"web": wanted()}, observed(), command)
    assert [type(step) for step in steps] == [RunReleaseCommand, UpdateService]
    assert plan_swarm({"web": wanted()}, observed(service(spec())), command) == ()


def test_a_service_of_others_with_the_same_name_is_named() -> None:
    found = list(notes_on(OWNER, {"web": wanted()}, observed(foreign=frozenset(["shop-production-web", "other"]))))
    assert found == [
        "the name shop-production-web is taken by a service that shipit did not create here: the deploy will refuse it"
    ]


@pytest.mark.parametrize(
    ("found", "state", "reason"),
    [
        (service(spec(), task()), State.HEALTHY, "web: 1 task runs on bbbbbbbbbbbb"),
        (service(spec(), task(), update="completed"), State.HEALTHY, "web: 1 task runs on bbbbbbbbbbbb"),
        (service(spec(), task(), update="updating"), State.WAITING, "Swarm watches the new tasks of web"),
        (service(spec(), task(), task(2, OLD, kept="old")), State.WAITING, "1 tasks of web still run the earlier version"),
        (service(spec(), task(kept="old")), State.WAITING, "0 of 1 tasks of web run"),
        (service(spec(), task(state="starting")), State.WAITING, "0 of 1 tasks of web run (starting)"),
        (
            service(spec(), task(state="pending", said="no suitable node")),
            State.WAITING,
            "0 of 1 tasks of web run (pending: no suitable node)",
        ),
        (service(spec(), task(), replicas=2), State.WAITING, "1 of 2 tasks of web run"),
        (service(spec(), task(), failed()), State.FAILED, "web.1 on node1 failed: task: non-zero exit (3)"),
        (
            service(spec(), task(), failed(state="complete", said="finished", exit_code=0)),
            State.FAILED,
            "web.1 on node1 ended with exit code 0",
        ),
        (service(spec(), task(), failed(), update="updating"), State.WAITING, "Swarm watches the new tasks of web"),
        (
            service(spec(), failed(state="rejected", said="No such image", exit_code=0)),
            State.FAILED,
            "web.1 on node1 rejected: No such image",
        ),
        (
            service(spec(), task(), failed(), update="paused"),
            State.FAILED,
            "Swarm paused the update of web: web.1 on node1 failed: task: non-zero exit (3)",
        ),
        (
            service(spec(OLD), task(image=OLD), failed(), update="rollback_completed"),
            State.FAILED,
            "Swarm rolled back web: web.1 on node1 failed: task: non-zero exit (3); 1 of 1 tasks of the earlier version serve on",
        ),
        (service(spec(OLD), task(image=OLD), update="rollback_started"), State.WAITING, "Swarm rolls web back"),
        (
            service(spec(OLD), task(image=OLD)),
            State.FAILED,
            "superseded by someone else: the service shop-production-web runs the image aaaaaaaaaaaa and not bbbbbbbbbbbb",
        ),
        (
            service(spec(OLD), task(image=OLD), made=MadeBy("anna", "r1", at="2026-01-31T12:00:00Z")),
            State.FAILED,
            "superseded by someone else: the service shop-production-web runs the image aaaaaaaaaaaa and not bbbbbbbbbbbb, from 2026-01-31T12:00:00Z, with the labels of anna (run r1)",
        ),
        (
            service(spec(), task(), marks={"TOKEN": "x"}),
            State.FAILED,
            "superseded by someone else: the service shop-production-web runs with another value of TOKEN",
        ),
        (
            service(spec(), task(), drift=("Hosts",)),
            State.FAILED,
            "superseded by someone else: the service shop-production-web runs with other settings: Hosts",
        ),
        (service(spec(), task(1), task(2), mode="global", tasks_wanted=2, replicas=0), State.HEALTHY, "web: 2 tasks run"),
        (service(spec(), mode="global", tasks_wanted=1, replicas=0), State.WAITING, "0 of 1 tasks of web run"),
        (service(spec(), mode="global", tasks_wanted=0, replicas=0), State.WAITING, "no node has a task of web"),
    ],
)  # fmt: skip
def test_the_verdict_on_a_release(found: ServiceFacts, state: State, reason: str) -> None:
    verdict = judge_release({"web": wanted()}, observed(found), SEEN, LIMITS)
    assert (verdict.state, verdict.reason[: len(reason)]) == (state, reason)


def test_a_task_that_failed_is_the_subject_whose_last_lines_are_shown() -> None:
    rolled_back = service(spec(OLD), task(image=OLD), failed(), update="rollback_completed")
    assert judge_release({"web": wanted()}, observed(rolled_back), SEEN, LIMITS).subject == "crashed"
    alone = judge_release({"web": wanted()}, observed(service(spec(), failed())), SEEN, LIMITS)
    assert (alone.subject, alone.down) == ("crashed", "web is DOWN: none of its tasks runs")
    assert judge_release({"web": wanted()}, observed(), SEEN, LIMITS).down == "web is DOWN: it has no task"


def test_a_failure_from_before_the_deploy_does_not_count() -> None:
    found = observed(service(spec(), task(), failed()))
    assert judge_release({"web": wanted()}, found, SEEN._replace(before=found), LIMITS).state is State.HEALTHY
    allowed = LIMITS._replace(restarts=1)
    assert judge_release({"web": wanted()}, found, SEEN, allowed).state is State.HEALTHY


def test_no_progress_is_a_failure_when_swarm_has_had_its_time_too() -> None:
    found = observed(service(spec(), task(state="pending", said="no suitable node")))
    late = SEEN._replace(unchanged_since_s=-24.0)
    assert judge_release({"web": wanted()}, found, late, LIMITS).state is State.WAITING
    verdict = judge_release({"web": wanted()}, found, late._replace(unchanged_since_s=-26.0), LIMITS)
    assert (verdict.state, verdict.subject) == (State.FAILED, ""), "a task without a container has no log"
    assert verdict.reason == "0 of 1 tasks of web run (pending: no suitable node) for 36 s"
    started = observed(service(spec(), task(state="starting", container="c")))
    checked = observed(service(spec(), task(state="starting")))
    patient = LIMITS._replace(undecided_s=180.0)
    for limits, expected in ((LIMITS, State.FAILED), (patient, State.WAITING)):
        verdict = judge_release({"web": wanted()}, checked, late._replace(unchanged_since_s=-26.0), limits)
        assert verdict.state is expected, "a health check takes its time"
    late = late._replace(unchanged_since_s=-26.0)
    assert judge_release({"web": wanted()}, started, late, LIMITS).subject == "task-1-bbbb"


def test_a_node_that_pulls_an_image_may_take_as_long_as_the_target() -> None:
    found = observed(service(spec(), task(state="preparing")))
    late = SEEN._replace(unchanged_since_s=-500.0)
    assert judge_release({"web": wanted()}, found, late, LIMITS).state is State.WAITING


def test_what_somebody_else_had_changed_before_a_deploy_is_part_of_what_ran_before() -> None:
    before = observed(service(spec(), task(), drift=("Hosts",)))
    assert judge_before(before, before, SEEN, LIMITS).state is State.HEALTHY
    other = observed(service(spec(), task(), fingerprint="other"))
    assert judge_before(before, other, SEEN, LIMITS).superseded_by


def test_the_way_back_restores_kept_specs_and_removes_what_did_not_run() -> None:
    kept = {"old": KeptFacts("web", OLD), "k": KeptFacts("web", NEW)}
    now = observed(service(spec(), task()), service(spec(service="extra")), kept=kept)
    restore, remove = plan_back({"web": "old"}, now)
    assert isinstance(restore, RestoreService) and isinstance(remove, RemoveService)
    assert (restore.kept, restore.known, restore.detail) == ("old", "print", ("image  bbbbbbbbbbbb -> aaaaaaaaaaaa",))
    assert (remove.service, remove.after_healthy) == ("extra", False)
    assert plan_back({"web": "k"}, observed(service(spec(), task()))) == ()
    [again] = plan_back({"web": "k"}, observed(kept=kept))
    assert isinstance(again, RestoreService) and again.known == ""
    past = PastRelease("r1", "healthy")
    assert missing(Record(past, {"web": "old"}), now) == ""
    assert missing(Record(past, {"web": "gone"}), now) == "the swarm does not keep the spec of web any more"
    assert missing(Record(past), now) == "it is not known which services it had"


def test_a_rollback_changes_only_what_the_deploy_changed() -> None:
    drifted = service(spec(), task(), kept="k", drift=("Hosts",), fingerprint="drifted")
    other = service(spec(service="api"), fingerprint="api-old", kept="api")
    before = observed(drifted, other)
    new = service(spec(service="api"), fingerprint="api-new", kept="api-2")
    own = {"api": WantedService(spec(service="api"), MARKS), "web": wanted()}
    [step] = plan_rollback(own, before, observed(drifted, new), {"api": {"service": "api", "before": "api-live"}})
    assert isinstance(step, RestoreService) and (step.service, step.kept) == ("api", "api-live")
    [step] = plan_rollback(own, before, observed(drifted, new), {})
    assert isinstance(step, RestoreService) and step.kept == "api"
    assert plan_rollback(own, before, observed(drifted, new._replace(image=OLD)), {}) == (), "it is somebody else's"
    [gone] = plan_rollback(own, observed(drifted), observed(drifted, new), {})
    assert isinstance(gone, RemoveService) and gone.service == "api"


def test_a_release_is_the_current_one_when_all_of_its_specs_run() -> None:
    records = [Record(PastRelease(name, "healthy"), {"web": kept}) for name, kept in (("r2", "k2"), ("r1", "k"))]
    now = observed(service(spec(), task()), kept={"k": KeptFacts("web", NEW)})
    newer, older = past_of(records, now, tells_current=True)
    assert (newer.is_current, newer.gone) == (False, "the swarm does not keep the spec of web any more")
    assert (older.is_current, older.gone) == (True, "")
    assert not any(past.is_current for past in past_of(records, now, tells_current=False))
    assert versions_of({"web": wanted()}, now) == {"web": "k"}
    assert versions_of({"web": wanted(), "api": wanted()}, now) == {} == versions_of({"web": wanted(OLD)}, now)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ((service(spec(), task()),), State.HEALTHY),
        ((service(spec(), task(), kept="other"),), State.FAILED),
        ((service(spec(), task(), drift=("Hosts",)),), State.FAILED),
        ((), State.FAILED),
        ((service(spec(), task()), service(spec(service="extra"))), State.FAILED),
    ],
)
def test_the_verdict_on_a_release_that_was_returned_to(found: tuple[ServiceFacts, ...], state: State) -> None:
    assert judge_versions({"web": "k"}, observed(*found), SEEN, LIMITS).state is state


@pytest.mark.parametrize(
    ("restart", "policy"),
    [
        ("unless-stopped", {"Condition": "any"}),
        ("no", {"Condition": "none"}),
        ("on-failure:3", {"Condition": "on-failure", "MaxAttempts": 3}),
    ],
)
def test_a_restart_policy_of_docker_run_is_one_of_a_swarm(restart: str, policy: dict[str, Any]) -> None:
    own = FULL._replace(container=FULL.container._replace(restart=restart))
    found = service_body(OWNER, own, {}, {}, 2)["TaskTemplate"]["RestartPolicy"]
    assert found == {**policy, "Delay": 5 * 10**9}


def test_scaling_and_restarting() -> None:
    up = observed(service(spec(), task()))
    [step] = plan_scale(ScaleOrder({"web": 3}), up)
    assert isinstance(step, ScaleService) and (step.replicas, step.undo) == (3, "shipit scale web=1")
    assert plan_scale(ScaleOrder({"web": 1}), up) == ()
    assert judge_scale(ScaleOrder({"web": 3}), up, SEEN, LIMITS).superseded_by
    assert judge_scale(ScaleOrder({"web": 1}), up, SEEN, LIMITS).state is State.HEALTHY
    with pytest.raises(DeployFailed, match="every node"):
        plan_scale(ScaleOrder({"web": 3}), observed(service(spec(), mode="global")))
    with pytest.raises(DeployFailed, match="has no service worker"):
        plan_scale(ScaleOrder({"worker": 3}), up)
    order = RestartOrder(("web",), "2026-01-31T12:00:00Z")
    assert [step.summary for step in plan_restart(order, up)] == ["restart the service web"]
    assert judge_restart(order, up, SEEN, LIMITS).state is State.WAITING
    done = service(spec(), task(forced=1), restarted=order.at, forced=1)
    assert judge_restart(order, observed(done), SEEN, LIMITS).state is State.HEALTHY
    half = service(spec(), task(forced=1), task(2), replicas=2, restarted=order.at, forced=1)
    assert judge_restart(order, observed(half), SEEN, LIMITS).state is State.WAITING
    assert judge_restart(order, observed(), SEEN, LIMITS).state is State.FAILED
    ended = observed(service(spec(), task(), update="rollback_completed", update_said="rollback completed"))
    assert judge_restart(order, ended, SEEN, LIMITS).reason == "Swarm rolled web back: rollback completed"
    paused = observed(service(spec(), task(), failed(), update="paused", restarted=order.at))
    assert judge_restart(order, paused, SEEN, LIMITS).state is State.FAILED


def test_a_status_has_each_service_with_its_tasks() -> None:
    place = Place("swarm", "shop")
    found = describe("swarm", place, observed(service(spec(), task(), replicas=2, since="2026-01-31T12:00:00Z")), ())
    assert found.units == (Unit("web", "replicated", NEW, 2, 1, None, "2026-01-31T12:00:00Z", ""),)
    bad = service(spec(), failed(), update="rollback_completed", drift=("Hosts",))
    [unit] = describe("swarm", place, observed(bad), ()).units
    assert unit.state == "replicated, update rollback_completed, changed by someone else"
    assert (unit.ready, unit.restarts, unit.error) == (0, 1, "web.1 on node1 failed: task: non-zero exit (3)")
    [unit] = describe("swarm", place, observed(service(spec(), task(), drift=(GONE,))), ()).units
    assert unit.state == "replicated, the spec that shipit kept is gone"


def test_destroy_keeps_volumes_that_are_not_named() -> None:
    inventory = Inventory(observed(service(spec())), ("data",), 2, 3)
    [step] = plan_destroy(inventory, Destruction())
    assert isinstance(step, RemoveAll) and (step.volumes, step.destroys) == ((), False)
    assert step.detail == ("service shop-production-web", "3 configs and secrets", "the records of its releases")
    assert [one.name for one in leftovers(inventory, Destruction())] == ["volume/data"]
    [step] = plan_destroy(inventory, Destruction(("volume/data",)))
    assert isinstance(step, RemoveAll) and (step.volumes, step.destroys) == (("data",), True)
    assert plan_destroy(Inventory(observed(), ("data",)), Destruction()) == ()


FULL = SwarmSpec(
    ContainerSpec(
        "web", NEW, ("node", "x.js"), ("/entry",), {"PORT": "3000"}, (Publish(3000, 80), Publish(53, 0, "", "udp")),
        (Volume("data", "/data"), Volume("/etc/ssl", "/ssl", is_read_only=True)), ("proxy",), 1024, 5, "on-failure", 3.0,
        "1000", "/app", "host", True, True, ("/tmp",), {"team": "a"}, ("NET_ADMIN",), ("ALL",), ("db:10.0.0.5",), ("10.0.0.2",),
    ),
    healthcheck=Healthcheck(("CMD", "true"), 5, 0, 3),
    update=Update("stop-first", 2, 1, 7, "pause", 0.5),
    placement=Placement(("node.role==worker",), ("node.labels.zone",), 1),
    secret_files=("KEY",),
    configs=(ConfigFile("/etc/app.conf", "app.conf", "c" * 64),),
)  # fmt: skip


def test_a_log_driver_and_settings_of_the_rollback_are_part_of_the_hash_where_they_are_set() -> None:
    logged = FULL._replace(
        container=FULL.container._replace(log_driver="json-file", log_options={"max-size": "1m"}),
        rollback=Update("start-first", 0, 3, 9, "continue", 0.25),
    )
    assert len({FULL.hash, logged.hash, logged._replace(rollback=None).hash}) == 3
    body, before = (service_body(OWNER, one, {}, {}, 2) for one in (logged, FULL))
    assert body["TaskTemplate"]["LogDriver"] == {"Name": "json-file", "Options": {"max-size": "1m"}}
    assert before["RollbackConfig"] == {**before["UpdateConfig"], "FailureAction": "pause"}
    assert body["RollbackConfig"] == {
        "Parallelism": 0,
        "Delay": 3,
        "Monitor": 9,
        "FailureAction": "continue",
        "MaxFailureRatio": 0.25,
        "Order": "start-first",
    }
    assert from_json(SwarmSpec, to_json(logged)) == logged


def test_settings_of_the_kernel_are_those_of_docker_service_create() -> None:
    own = FULL.container._replace(
        ulimits={"nofile": Ulimit(1, 2)}, sysctls={"net.core.somaxconn": "512"}, pids_limit=99, stop_signal="SIGINT",
        group_add=("video",), dns_search=("example.com",),
    )  # fmt: skip
    spec = FULL._replace(container=own)
    task = service_body(OWNER, spec, {}, {}, 2)["TaskTemplate"]
    assert task["Resources"]["Limits"]["Pids"] == 99
    assert task["ContainerSpec"]["DNSConfig"] == {"Nameservers": ["10.0.0.2"], "Search": ["example.com"]}
    assert task["ContainerSpec"]["Ulimits"] == [{"Name": "nofile", "Soft": 1, "Hard": 2}]
    assert task["ContainerSpec"]["Sysctls"] == {"net.core.somaxconn": "512"}
    assert (task["ContainerSpec"]["StopSignal"], task["ContainerSpec"]["Groups"]) == ("SIGINT", ["video"])
    assert from_json(SwarmSpec, to_json(spec)) == spec and spec.hash != FULL.hash


def test_the_spec_that_is_sent() -> None:
    body = service_body(OWNER, FULL, {"TOKEN": "value"}, {"KEY": "shop-production-KEY-1"}, 2)
    assert body["Name"] == "shop-production-web" == service_name(OWNER, "web")
    assert body["Labels"] == {
        "team": "a",
        "dev.shipit.app": "shop",
        "dev.shipit.environment": "production",
        "dev.shipit.target": "swarm",
        "dev.shipit.service": "web",
        "dev.shipit.spec": FULL.hash,
        "dev.shipit.variables": "KEY,TOKEN",
    }
    assert body["Mode"] == {"Replicated": {"Replicas": 2}}
    assert body["UpdateConfig"] == {
        "Parallelism": 2,
        "Delay": 1,
        "Monitor": 7,
        "FailureAction": "pause",
        "MaxFailureRatio": 0.5,
        "Order": "stop-first",
    }
    assert body["EndpointSpec"] == {
        "Mode": "vip",
        "Ports": [
            {"Protocol": "tcp", "TargetPort": 3000, "PublishedPort": 80, "PublishMode": "ingress"},
            {"Protocol": "udp", "TargetPort": 53, "PublishMode": "ingress"},
        ],
    }
    task = body["TaskTemplate"]
    assert task["Networks"] == [
        {"Target": "shop-production-swarm", "Aliases": ["web"]},
        {"Target": "proxy", "Aliases": ["web"]},
    ]
    named = FULL._replace(container=FULL.container._replace(aliases=("www",)))
    networks = service_body(OWNER, named, {}, {}, 2)["TaskTemplate"]["Networks"]
    assert [network["Aliases"] for network in networks] == [["web", "www"]] * 2 and named.hash != FULL.hash
    assert task["Resources"] == {"Limits": {"MemoryBytes": 1024, "NanoCPUs": 5}}
    assert "LogDriver" not in task
    assert task["RestartPolicy"] == {"Condition": "on-failure", "Delay": 5 * 10**9}
    assert task["Placement"] == {
        "Constraints": ["node.role==worker"],
        "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
        "MaxReplicas": 1,
    }
    container = task["ContainerSpec"]
    assert (container["Command"], container["Args"]) == (["/entry"], ["node", "x.js"])
    assert container["Env"] == ["PORT=3000", "TOKEN=value"] and container["Hosts"] == ["10.0.0.5 db"]
    assert container["StopGracePeriod"] == 3_000_000_000
    assert container["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 5, "Retries": 3}
    assert container["Mounts"] == [
        {"Type": "volume", "Source": "data", "Target": "/data", "VolumeOptions": {"Labels": OWNER.labels}},
        {"Type": "bind", "Source": "/etc/ssl", "Target": "/ssl", "ReadOnly": True},
        {"Type": "tmpfs", "Target": "/tmp"},
    ]
    assert [one["SecretName"] for one in container["Secrets"]] == ["shop-production-KEY-1"]
    assert [one["ConfigName"] for one in container["Configs"]] == [config_name(OWNER, FULL.configs[0])]
    assert used_by(body) == ("shop-production-KEY-1", config_name(OWNER, FULL.configs[0]))
    assert service_body(OWNER, spec(mode="global"), {}, {}, None)["Mode"] == {"Global": {}}
    assert service_body(OWNER, spec(), {}, {}, None)["Mode"] == {"Replicated": {}}


def live(body: dict[str, Any]) -> dict[str, Any]:
    """A spec as an engine answers it: with ids, defaults and without what is empty."""
    found: dict[str, Any] = json.loads(json.dumps(body))
    task, container = found["TaskTemplate"], found["TaskTemplate"]["ContainerSpec"]
    task.update(ForceUpdate=2, Runtime="container")
    container["Isolation"] = "default"
    task["Networks"][0]["Target"] = "n1"
    task["Placement"] = {**task["Placement"], "Platforms": [{"OS": "linux"}]}
    task["RestartPolicy"]["MaxAttempts"] = 0
    for row in container.get("Secrets", ()):
        row["SecretID"] = "s1"
    for row in container.get("Configs", ()):
        row["ConfigID"] = "c1"
    if "Replicated" in found["Mode"]:
        found["Mode"]["Replicated"]["Replicas"] = 9
    return found


@pytest.mark.parametrize("own", [FULL, spec(), spec(endpoint_mode="dnsrr"), spec(mode="global")])
def test_what_the_engine_adds_is_no_difference(own: SwarmSpec) -> None:
    body = service_body(OWNER, own, {"TOKEN": "value"}, dict.fromkeys(own.secret_files, "s"), None)
    assert differences(settings_of(body, {}), settings_of(live(body), NETWORKS)) == ()
    assert settings_of(portable(live(body), NETWORKS), {}) == settings_of(body, {})


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda s: s["TaskTemplate"]["ContainerSpec"]["Env"].append("MODE=rival"), ("variable MODE",)),
        (lambda s: s["TaskTemplate"]["ContainerSpec"].update(Env=["PORT=1", "TOKEN=value"]), ("variable PORT",)),
        (lambda s: s["Labels"].update(x="y"), ("label x",)),
        (lambda s: s["TaskTemplate"]["ContainerSpec"].update(Image="other"), ("Image",)),
        (lambda s: s["TaskTemplate"]["Resources"]["Limits"].update(MemoryBytes=1), ("Resources.Limits.MemoryBytes",)),
        (lambda s: s["TaskTemplate"].update(Networks=[]), ("Networks",)),
        (lambda s: s["TaskTemplate"]["ContainerSpec"].pop("Secrets"), ("Secrets",)),
        (lambda s: s["EndpointSpec"].update(Ports=None), ("EndpointSpec.Ports",)),
        (lambda s: s.update(Mode={"Global": {}}), ("Mode",)),
        (lambda s: s["UpdateConfig"].update(Order="start-first"), ("UpdateConfig.Order",)),
    ],
)
def test_what_somebody_else_changed_is_named(change: Any, names: tuple[str, ...]) -> None:
    body = service_body(OWNER, FULL, {"TOKEN": "value"}, {"KEY": "s"}, None)
    other = live(body)
    change(other)
    assert differences(settings_of(body, {}), settings_of(other, NETWORKS)) == names


def test_a_service_is_read_from_the_answers_of_the_engine() -> None:
    body = service_body(OWNER, FULL, {"TOKEN": "value"}, {"KEY": "s"}, 2)
    for labels in (body["Labels"], body["TaskTemplate"]["ContainerSpec"]["Labels"]):
        labels[KEPT] = "k"
    body["Labels"] |= origin_labels("r1", "0123abc", "anna")
    answer = {
        "ID": "id",
        "UpdatedAt": "2026-01-31T12:00:00Z",
        "Spec": live(body),
        "ServiceStatus": {"DesiredTasks": 2, "RunningTasks": 1},
        "UpdateStatus": {"State": "updating", "Message": "update in progress"},
    }
    row = {
        "ID": "t", "NodeID": "node", "Slot": 1, "DesiredState": "running", "CreatedAt": "2026-01-31T12:00:01Z",
        "Spec": {**live(body)["TaskTemplate"]},
        "Status": {"State": "failed", "Err": "task: non-zero exit (3)", "ContainerStatus": {"ExitCode": 3, "ContainerID": "c"}},
    }  # fmt: skip
    known = Known(NETWORKS, {"node": NodeFacts("vm")}, {"s": "mark of key"}, {"k": body})
    found = parse_service(Field(answer, "GET"), [Field(row, "GET")], known, lambda value: f"mark of {value}"[:20])
    [one] = found.tasks
    assert (found.spec, found.image, found.kept, found.drift) == (FULL.hash, NEW, "k", ())
    assert found.marks == {"TOKEN": "mark of value", "KEY": "mark of key"}
    assert (found.mode, found.replicas, found.tasks_wanted, found.forced, found.update) == (
        "replicated",
        9,
        2,
        2,
        "updating",
    )
    assert (one.name, one.node, one.state, one.exit_code, one.kept, one.forced) == ("web.1", "vm", "failed", 3, "k", 2)
    assert one.ended == "web.1 on vm failed: task: non-zero exit (3)"
    gone = parse_service(Field(answer, "GET"), (), known._replace(kept={}), str)
    assert gone.drift == (GONE,)
    assert found.made == MadeBy("anna", "r1", "0123abc", "2026-01-31T12:00:00Z")
    assert gone.made == MadeBy(at="2026-01-31T12:00:00Z"), "the labels of a run say nothing of a later change by hand"


@pytest.mark.parametrize("spec_of", [{"Mode": []}, {"Mode": {"ReplicatedJob": {}}}, {}])
def test_other_modes_are_named_as_the_engine_has_them(spec_of: dict[str, Any]) -> None:
    assert mode_of(spec_of) in ("replicated", "ReplicatedJob")


@pytest.mark.parametrize(
    "answer",
    [{}, {"ID": "x"}, {"ID": "x", "Spec": []}, {"ID": "x", "Spec": {"Name": "n", "TaskTemplate": 3}},
     {"ID": "x", "Spec": {"Name": "n", "Mode": {"Replicated": {"Replicas": "many"}}}}],
)  # fmt: skip
def test_an_answer_of_another_shape_is_an_error_and_no_crash(answer: dict[str, Any]) -> None:
    with pytest.raises(RemoteError):
        parse_service(Field(answer, "GET /services"), (), Known({}, {}, {}, {}), str)


SENT: dict[str, Any] = {"Labels": {}, "Mode": {"Global": {}}, "TaskTemplate": {"ContainerSpec": {}}}
FORGED: list[dict[str, Any]] = [
    {"Labels": []},
    {"Mode": {"Replicated": None}},
    {"TaskTemplate": {"ContainerSpec": {}, "Networks": ["n"]}},
    {"TaskTemplate": {"ContainerSpec": {}, "Networks": [{"Target": []}]}},
    {"TaskTemplate": {"ContainerSpec": {"Secrets": {"SecretName": "s"}}}},
    {"TaskTemplate": {"ContainerSpec": {"Configs": [{"ConfigName": 3}]}}},
]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "%%%",
        *(base64.b64encode(text).decode() for text in (b"[]", b"{", b"{}", b'{"TaskTemplate": {"ContainerSpec": []}}')),
        *(base64.b64encode(json.dumps(SENT | change).encode()).decode() for change in FORGED),
    ],
)
def test_a_kept_spec_that_is_none_is_left_out(data: str) -> None:
    assert parse_spec(data) is None


def test_a_kept_spec_is_what_was_sent() -> None:
    for body in (SENT, service_body(OWNER, FULL, {"TOKEN": "value"}, {"KEY": "s"}, 2)):
        assert parse_spec(base64.b64encode(json.dumps(body).encode()).decode()) == body


def test_kept_specs_are_told_by_their_labels() -> None:
    assert parse_kept({}) is None
    assert parse_kept({KEEPS: "web", USES: "a,b"}) == KeptFacts("web", "", ("a", "b"))


def test_a_secret_is_found_again_by_its_content() -> None:
    labels = {SECRET: "KEY", SALT: "salt", HASH: content_hash("value", "salt")}
    assert matching_mark(labels, {"KEY": "value"}, lambda value: f"mark of {value}") == "mark of value"
    assert matching_mark(labels, {"KEY": "other"}, str) == "" == matching_mark(labels, {}, str)
    assert "value" not in labels[HASH]


def test_long_names_are_shortened_to_what_a_swarm_takes() -> None:
    long = "a" * 70
    assert len(short_name(long)) <= 64 and short_name(long) != short_name(f"b{long}")
    assert short_name("short") == "short"


LOST = NodeFacts("worker1", "down")
DRAINED = NodeFacts("worker2", availability="drain")


def test_nodes_that_take_no_task_are_named_in_the_plan_and_in_a_failure() -> None:
    waits = task(state="pending", said="no suitable node")
    found = observed(service(spec(), waits, replicas=1), nodes=(NodeFacts("m1"), LOST, DRAINED))
    assert list(notes_on(OWNER, {"web": wanted()}, found)) == [
        "the node worker1 is down",
        "the node worker2 is drained",
    ]
    verdict = judge_release({"web": wanted()}, found, SEEN._replace(now_s=70.0), LIMITS)
    assert verdict.state is State.FAILED
    assert verdict.reason.endswith("; the node worker1 is down; the node worker2 is drained")
    many = SwarmObserved(nodes=(LOST,) * 1000)
    assert many.troubles[-1] == "995 more nodes take no task" and len(many.troubles) == 6


def test_tasks_of_a_lost_node_that_run_elsewhere_are_healthy() -> None:
    left = task(id="left", node="worker1", wanted="shutdown")
    found = observed(service(spec(), task(), left), nodes=(LOST,))
    assert judge_release({"web": wanted()}, found, SEEN, LIMITS).state is State.HEALTHY


def test_a_stopped_service_keeps_its_number_for_start_and_for_a_deploy() -> None:
    order = StopOrder(("web",))
    [stop] = plan_stop(order, observed(service(spec(), task(), replicas=3)))
    assert isinstance(stop, StopService) and stop.detail[0] == "tasks  3 -> 0"
    stopped = observed(service(spec(), replicas=0, stopped=3))
    assert plan_stop(order, stopped) == () and judge_stop(order, stopped).state is State.HEALTHY
    ends = observed(service(spec(), task(wanted="shutdown"), replicas=0, stopped=3))
    assert judge_stop(order, ends).state is State.WAITING
    assert judge_stop(order, observed(service(spec(), task()))).state is State.FAILED
    [start] = plan_start(order, stopped)
    assert isinstance(start, StartService) and start.detail == ("tasks  0 -> 3",)
    assert plan_start(order, observed(service(spec(), task()))) == ()
    assert judge_start(order, stopped, SEEN, LIMITS).state is State.FAILED
    assert judge_start(order, observed(service(spec(), task())), SEEN, LIMITS).state is State.HEALTHY
    [scale] = plan_swarm({"web": wanted()}, stopped)
    assert isinstance(scale, ScaleService) and scale.replicas == 3
    assert plan_swarm({"web": wanted()}, observed(service(spec(), replicas=0))) == ()


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (observed(), "the swarm has no service web"),
        (observed(service(spec(), replicas=0)), "has no task, and shipit did not stop it"),
    ],
)
def test_what_shipit_did_not_stop_is_not_started(found: SwarmObserved, what: str) -> None:
    with pytest.raises(DeployFailed, match=what):
        plan_start(StopOrder(("web",)), found)


def test_a_service_on_every_node_is_not_stopped() -> None:
    with pytest.raises(DeployFailed, match="runs on every node, and can't be stopped"):
        plan_stop(StopOrder(("web",)), observed(service(spec(), mode="global")))


@pytest.mark.parametrize(
    ("labels", "replicas", "count"),
    [
        ({"dev.shipit.stopped": "3"}, 0, 3),
        ({"dev.shipit.stopped": "3"}, 1, 0),
        ({"dev.shipit.stopped": "-1"}, 0, 0),
        ({}, 0, 0),
    ],
)
def test_the_number_of_a_stopped_service_is_read_from_its_label(
    labels: dict[str, str], replicas: int, count: int
) -> None:
    live_spec = {"Labels": labels, "Mode": {"Replicated": {"Replicas": replicas}}}
    assert stopped_count(Field(live_spec, "GET")) == count


def test_the_job_of_a_one_off_command_is_like_its_service_and_publishes_nothing() -> None:
    own = service_body(OWNER, FULL, {"TOKEN": "value"}, {"KEY": "stored"}, 2)
    name = run_name(OWNER, "web", "abcd")
    job = job_body(own, OWNER, "web", name, Command(("sh", "-c", "true")))
    container = job["TaskTemplate"]["ContainerSpec"]
    assert container["Command"] == ["sh", "-c", "true"] and "Args" not in container
    assert container["Env"] == own["TaskTemplate"]["ContainerSpec"]["Env"]
    assert container["Secrets"] == own["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert container["Healthcheck"] == {"Test": ["NONE"]}
    assert "EndpointSpec" not in job and "ReplicatedJob" in job["Mode"]
    assert all(set(network) == {"Target"} for network in job["TaskTemplate"]["Networks"])
    row = {"Spec": {"Name": name, "Labels": job["Labels"]}}
    assert is_run_row(Field(row, "GET"), OWNER)
    copied = {"Spec": {"Name": "shop-production-db", "Labels": job["Labels"]}}
    assert not is_run_row(Field(copied, "GET"), OWNER)
    assert not is_run_row(Field(row, "GET"), OWNER._replace(target="other"))


def test_ports_of_a_task_are_found_on_its_bridge_or_published() -> None:
    bridge = Field(
        {"Containers": {"c": {"IPv4Address": "172.18.0.3/16"}, "d": {"IPv4Address": "-oProxyCommand=x"}}}, "GET"
    )
    assert [bridge_address(bridge, one) for one in ("c", "d", "e", "")] == ["172.18.0.3", "", "", ""]
    ports = [
        {"Protocol": "udp", "TargetPort": 3000, "PublishedPort": 1, "PublishMode": "ingress"},
        {"Protocol": "tcp", "TargetPort": 3000, "PublishedPort": 80, "PublishMode": "ingress"},
        {"Protocol": "tcp", "TargetPort": 9, "PublishedPort": 99, "PublishMode": "host"},
    ]
    row = Field({"Endpoint": {"Ports": ports}}, "GET")
    assert [published_by_swarm(row, port) for port in (3000, 9, 8)] == [80, 0, 0]

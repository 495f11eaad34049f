"""Several Docker hosts: those that do not answer, what each runs, and the steps that are applied side by side."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.past_release import PastRelease
from shipit.release import Place, Seen, State, Step, Unit
from shipit.targets.docker.describe import describe
from shipit.targets.docker.history import missing
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, HostFacts, Unreached
from shipit.targets.docker.plan_back import Kept, Record
from shipit.targets.docker.reach import (
    aim_at_names,
    aim_at_release,
    check_distinct,
    check_reached,
    forget_replaced,
    judge_reached,
    running_text,
    with_last_sights,
)
from shipit.targets.docker.steps import PullImage, ReplaceService, StopService
from shipit.targets.docker.waves import waves_of
from shipit.targets.session import Clients, Session
from tests.runs import SkippingClock
from tests.targets.answering_host import answering_host
from tests.targets.test_docker_config import load
from tests.targets.test_docker_pure import NEW, OLD, container, spec, wanted

LOST = Unreached(
    "ssh://web3", "no Docker engine answers: connection refused", "check: docker --host ssh://web3 version"
)
NEWER, OLDER = container(spec(NEW)), container(spec(OLD))
SPLIT = DockerObserved(
    {"ssh://web1": HostFacts((NEWER, OLDER._replace(id="another", state="exited"))), "ssh://web2": HostFacts((OLDER,))},
    unreached={"ssh://web3": LOST},
)
RUNS = ["ssh://web1 runs web bbbbbbbbbbbb", "ssh://web2 runs web aaaaaaaaaaaa"]


def test_a_host_that_is_not_reached_is_an_error_with_what_the_others_run() -> None:
    check_reached(DockerObserved(SPLIT.hosts))
    with pytest.raises(RemoteError) as caught:
        check_reached(SPLIT._replace(unreached={**SPLIT.unreached, "ssh://web4": LOST._replace(what="too old")}))
    assert (str(caught.value), caught.value.hint) == (f"ssh://web3: {LOST.what}", LOST.hint)
    assert list(caught.value.detail) == [*RUNS, "ssh://web4 is not reached: too old"]


@pytest.mark.parametrize(
    ("containers", "text"),
    [
        ((), "no service"),
        ((OLDER._replace(state="exited"),), "no service"),
        ((NEWER, container(spec(NEW), 2)), "web bbbbbbbbbbbb"),
        ((NEWER, OLDER), "web bbbbbbbbbbbb and aaaaaaaaaaaa"),
        ((NEWER._replace(state="restarting"),), "web bbbbbbbbbbbb (restarting)"),
    ],
)
def test_what_a_host_runs_in_words(containers: tuple[ContainerFacts, ...], text: str) -> None:
    assert running_text(HostFacts(containers)) == text


def test_each_host_is_told_with_whether_it_runs_the_new_release() -> None:
    lost = f"ssh://web3 is not reached, and what it runs is not known: {LOST.what}"
    assert aim_at_release({"web": wanted(NEW)}).lines(SPLIT) == (
        "ssh://web1 runs the new release: web bbbbbbbbbbbb",
        "ssh://web2 does not run the new release: web aaaaaaaaaaaa",
        lost,
    )
    # One of two containers is not the release.
    assert "does not run" in aim_at_release({"web": wanted(NEW, replicas=2)}).lines(SPLIT)[0]
    names = {"ssh://web1": frozenset([OLDER.name]), "ssh://web2": frozenset([OLDER.name])}
    assert aim_at_names(names, "what ran before").lines(SPLIT) == (
        "ssh://web1 does not run what ran before: web bbbbbbbbbbbb",
        "ssh://web2 runs what ran before: web aaaaaaaaaaaa",
        lost,
    )


def test_a_lost_host_is_named_with_what_it_ran_when_it_was_seen_last() -> None:
    sights: dict[str, str] = {}
    before = DockerObserved({**SPLIT.hosts, "ssh://web3": HostFacts((OLDER,))})
    assert with_last_sights(before, sights, 10.0) == before
    assert with_last_sights(SPLIT, {}, 52.0) == SPLIT, "it was never seen"
    lost = with_last_sights(SPLIT, sights, 52.0)
    said = f"is not known (it ran web aaaaaaaaaaaa at 00:00:10 UTC): {LOST.what}"
    assert said in aim_at_release({"web": wanted(NEW)}).lines(lost)[-1]
    assert with_last_sights(SPLIT, sights, 59.0) == lost, "a later look says the same"
    images = PullImage("pull", "", host="ssh://web3", image=NEW, platform="linux/amd64")
    for step in (images, replace("ssh://web1")):
        forget_replaced(step, sights)
    assert with_last_sights(SPLIT, sights, 59.0) == lost
    forget_replaced(replace("ssh://web3"), sights)
    assert with_last_sights(SPLIT, sights, 59.0) == SPLIT, "it ran another version since"


@pytest.mark.parametrize(("unchanged_s", "state"), [(29.0, State.WAITING), (31.0, State.FAILED)])
def test_a_host_that_is_lost_is_waited_for_and_then_a_failure(unchanged_s: float, state: State) -> None:
    seen, aim = Seen(unchanged_s, 0.0, 0.0), aim_at_release({"web": wanted(NEW)})
    verdict = judge_reached(SPLIT, seen, 120.0, aim)
    assert verdict is not None and verdict.state is state and LOST.what in verdict.reason
    assert ("ssh://web1 runs the new release" in verdict.reason) == (state is State.FAILED)
    assert judge_reached(DockerObserved(SPLIT.hosts), seen, 120.0, aim) is None
    early = judge_reached(SPLIT, Seen(9.0, 0.0, 0.0), 8.0)
    assert early is not None and early.state is State.FAILED, "pending: is shorter"


def test_an_engine_that_is_listed_twice_is_an_error() -> None:
    twice = DockerObserved({"ssh://web1": HostFacts((NEWER, OLDER)), "context web": HostFacts((OLDER,))})
    said = f"ssh://web1 and context web are the same engine: both have the container {OLDER.name}"
    with pytest.raises(RemoteError, match=re.escape(said)):
        check_distinct(twice)
    verdict = judge_reached(twice, Seen(1.0, 0.0, 0.0), 120.0)
    assert verdict is not None and (verdict.state, verdict.reason) == (State.FAILED, said)
    apart = twice._replace(hosts={"ssh://web1": HostFacts((NEWER,)), "ssh://web2": HostFacts((OLDER,))})
    check_distinct(apart)
    assert judge_reached(apart, Seen(1.0, 0.0, 0.0), 120.0) is None


def test_a_status_names_the_host_and_no_release_is_returned_to_without_it() -> None:
    status = describe("docker", Place("docker", "shop"), SPLIT, ())
    assert status.units[-1] == Unit("ssh://web3", "not reached", error=LOST.what)
    assert status.unread == ("ssh://web3",)
    record = Record(PastRelease("1", "healthy"), {"ssh://web3": (Kept("web", 1, OLDER.name),)})
    assert missing(record, SPLIT) == f"ssh://web3 is not reached: {LOST.what}"


def replace(host: str, service: str = "web", order: str = "start-first") -> ReplaceService:
    return ReplaceService(f"{service} {host}", "", host=host, service=service, marks={}, create={}, order=order)


def test_the_first_host_is_alone_and_the_others_replace_a_service_side_by_side() -> None:
    images = [PullImage(f"pull {host}", "", host=host, image=NEW, platform="linux/amd64") for host in "abc"]
    steps: list[Step] = [replace(host, service) for host in "abc" for service in ("web", "jobs")]
    stop = StopService("stop", "", host="c", names=())
    waves = [[step.id for step in wave] for wave in waves_of([*images, *steps, stop], "a", None)]
    assert waves == [
        ["pull a", "pull b", "pull c"],
        ["web a"],
        ["jobs a"],
        ["web b", "web c"],
        ["jobs b", "jobs c"],
        ["stop"],
    ]
    assert len(waves_of(steps, "a", 1)) == len(steps), "max_parallel: 1"


def test_a_service_that_is_down_meanwhile_is_replaced_host_by_host() -> None:
    steps = [
        replace(host, order=order) for host, order in zip("abc", ["start-first"] * 2 + ["stop-first"], strict=True)
    ]
    assert [len(wave) for wave in waves_of(steps, "a", None)] == [1, 1, 1]


def test_a_host_lost_after_a_step_is_named_without_what_it_ran_before(tmp_path: Path) -> None:
    answers: dict[str, object] = {"GET /containers/json": [], "GET /images/json": []}
    (tmp_path / "b").mkdir()
    with answering_host(tmp_path, answers) as (first, _), answering_host(tmp_path / "b", answers) as (second, server):
        hosts = [client.engine.address.host for client in (first, second)]
        target = load(tmp_path, f"{{hosts: {hosts}}}")
        clock = SkippingClock()
        environment = ProcessEnvironment({}, tmp_path, tmp_path)
        session = Session(
            environment, clock, lambda event: None, str, clock.now() + 60, Clients(clock), is_planning=False
        )
        target.observe(session)
        steps = [StopService("stop", "", host=host, names=()) for host in hosts]
        list(target.apply(steps[0], session))
        server.is_stopped = True
        assert target.observe(session).unreached[hosts[1]].ran.startswith("it ran no service at ")
        server.is_stopped = False
        list(target.apply(steps[1], session))
        server.is_stopped = True
        assert target.observe(session).unreached[hosts[1]].ran == ""

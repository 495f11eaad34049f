"""Docker hosts, values in and values out: the plan, the verdict, the way back, and what is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.errors import DeployFailed
from shipit.http.fields import Field
from shipit.past_release import PastRelease
from shipit.release import Destruction, Image, ImageUse, Leftover, Place, Seen, State, Unit
from shipit.targets.docker.describe import describe
from shipit.targets.docker.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.docker.judge import Limits, judge_names, judge_release
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, Foreign, HostFacts, Lacking, ProbeFacts
from shipit.targets.docker.parse import image_ids, parse_container
from shipit.targets.docker.plan import notes_on, plan_docker
from shipit.targets.docker.plan_back import Kept, Record, Way, plan_back
from shipit.targets.docker.probe import parse_answer
from shipit.targets.docker.proxy.observed import ProxyFacts, RouteFacts
from shipit.targets.docker.proxy.route import Ports, RouteSpec
from shipit.targets.docker.render import create_body
from shipit.targets.docker.spec import Health, container_name, other_number
from shipit.targets.docker.steps import (
    PullImage,
    RemoveAll,
    ReplaceService,
    RestartService,
    RunReleaseCommand,
    SendImage,
    StopContainers,
    StopService,
)
from shipit.targets.docker.stopping import judge_start, judge_stop, plan_start, plan_stop
from shipit.targets.docker.verbs import judge_restart, judge_scale, plan_restart, plan_scale
from shipit.targets.docker.wanted import WantedCommand, WantedService, names_of
from shipit.targets.engine.container_spec import ContainerSpec
from shipit.targets.engine.container_values import (
    Publish,
    Volume,
    parse_publish,
    parse_size,
    parse_tmpfs,
    parse_volume,
    render_size,
    tmpfs_options,
)
from shipit.targets.engine.copied import copied_body
from shipit.targets.engine.disk import parse_free
from shipit.targets.engine.facts import pinned_images, undecided_for_s
from shipit.targets.engine.healthcheck import Healthcheck
from shipit.targets.engine.made_by import MadeBy
from shipit.targets.engine.owner import Owner, origin_labels
from shipit.targets.engine.records import kept_records, parse_record
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.swarm.spec import SwarmSpec

HOST = "ssh://deploy@web1"
OWNER = Owner("shop", "production", "docker")
OLD, NEW = (f"docker.io/user/shop@sha256:{digit * 64}" for digit in "ab")
USE = ImageUse("shop", "docker.io/user/shop", "oci", "linux/amd64")
IMAGES = {
    f"docker.io/user/shop@{digest}": Image(USE, "docker.io/user/shop", Digest.of(b"config"), digest)
    for digest in (Digest(f"sha256:{digit * 64}") for digit in "ab")
}
MARKS = {"TOKEN": "mark"}
LIMITS = Limits(30.0)
SEEN = Seen(10.0, 0.0, 10.0)


def spec(image: str = NEW, **more: Any) -> ContainerSpec:
    return ContainerSpec("web", image, **more)


def wanted(image: str = NEW, replicas: int | None = None, order: Any = "start-first", **more: Any) -> WantedService:
    return WantedService(spec(image, **more), MARKS, replicas, order)


def container(own: ContainerSpec, number: int = 1, **more: Any) -> ContainerFacts:
    name = container_name(OWNER, own, MARKS, number)
    facts = ContainerFacts(f"id-{name}", name, own.service, number, own.hash, own.image, MARKS, "running")
    return facts._replace(**more)


def observed(*containers: ContainerFacts, **more: Any) -> DockerObserved:
    return DockerObserved({HOST: HostFacts(containers, images=frozenset([OLD, NEW]), **more)})


def way(service: str) -> Way:
    return Way()


def test_a_first_deploy_pulls_and_creates() -> None:
    empty = DockerObserved({HOST: HostFacts()})
    pull, replace = plan_docker(OWNER, {"web": wanted(replicas=2)}, empty, IMAGES)
    assert isinstance(pull, PullImage) and (pull.host, pull.image, pull.platform) == (HOST, NEW, "linux/amd64")
    assert isinstance(replace, ReplaceService)
    assert (replace.summary, replace.effect, replace.stop, replace.known) == ("start web", "create", (), ())
    assert sorted(replace.create.values()) == [1, 2]
    assert all(name.startswith("shop-production-web-") for name in replace.create)


SENT = Image(USE._replace(repository="", publish=False), "", Digest.of(b"config"), Digest.of(b"manifest"))


def test_an_image_without_a_registry_is_sent_to_hosts_that_lack_it_and_create_a_container() -> None:
    pinned = str(Digest.of(b"manifest"))
    own, running = wanted(pinned), container(spec(pinned))
    empty = HostFacts(lacks={pinned: Lacking(2, 3 << 20)})
    hosts = {
        "tcp://empty": empty,
        "tcp://unknown": empty._replace(lacks={}),
        "tcp://classic": HostFacts(images=frozenset([Digest.of(b"config")])),
        "tcp://containerd": HostFacts(images=frozenset([Digest.of(b"manifest")])),
        # What its container runs has another id here, as an engine's own build does.
        "tcp://runs": HostFacts((running,)),
    }
    steps = plan_docker(OWNER, {"web": own}, DockerObserved(hosts), {pinned: SENT})
    assert [(step.host, step.summary, step.detail) for step in steps if isinstance(step, SendImage)] == [
        ("tcp://empty", "send shop to tcp://empty", ("sends 2 layers, 3.0 MiB",)),
        ("tcp://unknown", "send shop to tcp://unknown", ("sends what the host lacks",)),
    ]
    assert [step.host for step in steps if isinstance(step, ReplaceService)] == list(hosts)[:4]
    # A container that ran by it keeps the image, whatever its id.
    kept = HostFacts((container(spec(pinned, memory=1), state="exited"),))
    [only] = plan_docker(OWNER, {"web": own}, DockerObserved({HOST: kept}), {pinned: SENT})
    assert isinstance(only, ReplaceService)
    command = WantedCommand(ContainerSpec("", pinned, ("migrate",), restart="no"), MARKS, 600.0)
    first, *_ = plan_docker(OWNER, {"web": own}, DockerObserved({HOST: empty}), {pinned: SENT}, command)
    assert isinstance(first, SendImage) and spec(pinned).is_sent and not spec().is_sent


def test_names_of_sent_images_are_those_of_one_environment() -> None:
    name = OWNER.image_name("Web_App", Digest.of(b"config"))
    assert name == f"localhost/shop/production/web-app:{Digest.of(b'config').short}"
    assert OWNER.is_sent_image(name) and OWNER._replace(target="other").is_sent_image(name)
    for other in (OWNER._replace(environment="staging"), OWNER._replace(environment=""), OWNER._replace(app="sho")):
        assert not other.is_sent_image(name)
    assert Owner("§", "", "t").image_name("§", Digest.of(b"")).startswith("localhost/x/x:")


def test_the_pinned_image_of_a_container_counts_while_it_runs_by_the_id_that_was_sent() -> None:
    identity, own = str(Digest.of(b"config")), spec(str(Digest.of(b"manifest")))
    body = create_body(OWNER, own, 1, {}, [], identity)
    assert body["Image"] == identity
    rows = {"Id": "abc", "Name": "/web", "Image": identity, "Config": body, "State": {}, "NetworkSettings": {}}

    def image(**more: Any) -> str:
        return parse_container(Field({**rows, **more}, "GET"), str).image

    assert image() == own.image
    # Podman puts a name there.
    assert image(Config={**body, "Image": "localhost/shop/web:1"}) == own.image
    assert image(Image="sha256:other", Config={**body, "Image": "rival"}) == "rival"
    assert parse_container(Field({**rows, "Config": create_body(OWNER, own, 1, {}, [])}, "GET"), str).image == own.image
    copied = copied_body(Field(rows, "GET"), 2)
    assert copied["Image"] == identity and copied["Labels"]["dev.shipit.image"] == own.image


def test_a_release_command_runs_on_the_first_host_before_any_service() -> None:
    command = WantedCommand(ContainerSpec("", OLD, ("migrate",), restart="no"), MARKS, 600.0)
    empty = DockerObserved({HOST: HostFacts(), "ssh://web2": HostFacts()})
    steps = plan_docker(OWNER, {"web": wanted()}, empty, IMAGES, command)
    assert [(type(step), getattr(step, "host", "")) for step in steps] == [
        (PullImage, HOST),
        (PullImage, HOST),
        (PullImage, "ssh://web2"),
        (RunReleaseCommand, HOST),
        (ReplaceService, HOST),
        (ReplaceService, "ssh://web2"),
    ]
    assert plan_docker(OWNER, {"web": wanted()}, observed(container(spec())), IMAGES, command) == ()


def test_what_runs_as_wanted_is_left_alone_whatever_its_name() -> None:
    other_machine = container(spec(), name="shop-production-web-1-00000000")
    assert plan_docker(OWNER, {"web": wanted()}, observed(other_machine), IMAGES) == ()


@pytest.mark.parametrize(
    ("before", "detail"),
    [
        (container(spec(OLD)), ("image  aaaaaaaaaaaa -> bbbbbbbbbbbb",)),
        (container(spec(), marks={"TOKEN": "other"}), ("TOKEN  changed",)),
        (container(spec(), marks={**MARKS, "OLD": "gone"}), ("OLD  removed",)),
        (container(spec(), marks={}), ("TOKEN  new",)),
        (container(spec(memory=1)), ("settings of the container changed",)),
    ],
)
def test_what_differs_is_replaced_and_the_plan_says_why(before: ContainerFacts, detail: tuple[str, ...]) -> None:
    [step] = plan_docker(OWNER, {"web": wanted()}, observed(before), IMAGES)
    assert isinstance(step, ReplaceService)
    assert (step.summary, step.detail, step.stop, step.known) == ("replace web", detail, (before.name,), (before.id,))


def test_a_kept_container_of_the_same_settings_is_started_again() -> None:
    kept, running = container(spec(), state="exited"), container(spec(OLD))
    [step] = plan_docker(OWNER, {"web": wanted()}, observed(kept, running), IMAGES)
    assert isinstance(step, ReplaceService)
    assert (dict(step.create), step.start, step.stop) == ({}, (kept.name,), (running.name,))


def test_a_plan_says_that_stop_first_means_an_outage() -> None:
    [step] = plan_docker(OWNER, {"web": wanted(order="stop-first")}, observed(container(spec(OLD))), IMAGES)
    assert isinstance(step, ReplaceService) and step.order == "stop-first"
    assert "the service is down from the stop" in step.detail[-1]
    # Also where only the old container publishes a port.
    [step] = plan_docker(OWNER, {"web": wanted()}, observed(container(spec(OLD), is_fixed=True)), IMAGES)
    assert isinstance(step, ReplaceService) and step.order == "stop-first"


def test_a_service_that_left_the_file_is_stopped_after_the_others_are_healthy() -> None:
    worker = container(spec())._replace(service="worker", name="shop-production-worker-1-1", id="w")
    [step] = plan_docker(OWNER, {"web": wanted()}, observed(container(spec()), worker), IMAGES)
    assert isinstance(step, StopService) and step.after_healthy and step.names == (worker.name,)


def test_the_number_of_containers_stays_unless_the_file_names_one() -> None:
    two = (container(spec(), 1), container(spec(), 2))
    assert plan_docker(OWNER, {"web": wanted()}, observed(*two), IMAGES) == ()
    [step] = plan_docker(OWNER, {"web": wanted(replicas=1)}, observed(*two), IMAGES)
    assert isinstance(step, ReplaceService) and (step.stop, dict(step.create)) == ((two[1].name,), {})
    assert step.summary == "stop extra containers of web"


def test_containers_of_others_in_the_way_are_named() -> None:
    [name] = names_of(OWNER, wanted(publish=(Publish(3000, 80),)), HostFacts())
    foreign = (Foreign(name), Foreign("nginx", (Publish(80, 80, "0.0.0.0"),)), Foreign("other", (Publish(1, 81),)))
    found = list(notes_on(OWNER, {"web": wanted(publish=(Publish(3000, 80),))}, observed(foreign=foreign)))
    assert found == [
        f"the name {name} on {HOST} is taken by a container that shipit did not create here",
        f"the port 0.0.0.0:80/tcp on {HOST}, which web publishes, is taken by the container nginx",
    ]


@pytest.mark.parametrize(
    ("containers", "state", "reason"),
    [
        ([], State.FAILED, "web has 0 of 1 containers"),
        ([container(spec())], State.HEALTHY, "web: 1 running on bbbbbbbbbbbb"),
        ([container(spec(), health="starting")], State.WAITING, "is starting"),
        ([container(spec(), health="healthy")], State.HEALTHY, "1 running on bbbbbbbbbbbb, healthy"),
        ([container(spec(), health="unhealthy", said="no db")], State.FAILED, "is unhealthy: no db"),
        ([container(spec(), state="exited", exit_code=3)], State.FAILED, "exited with 3"),
        ([container(spec(), state="exited", is_out_of_memory=True)], State.FAILED, "ran out of memory"),
        ([container(spec(), restarts=1, exit_code=-1)], State.FAILED, "ended, and was restarted 1 times"),
        ([container(spec(), state="restarting", exit_code=2)], State.FAILED, "exited with 2"),
        ([container(spec(), state="paused")], State.FAILED, "is paused"),
        ([container(spec(OLD))], State.FAILED, "superseded by someone else"),
        (
            [container(spec(OLD), made=MadeBy("anna@laptop", "r1", at="2026-01-31T12:00:00Z"))],
            State.FAILED,
            ", from 2026-01-31T12:00:00Z, with the labels of anna@laptop (run r1)",
        ),
        ([container(spec(), marks={"TOKEN": "x"})], State.FAILED, "another value of TOKEN"),
        ([container(spec()), container(spec(OLD))], State.FAILED, "with the image aaaaaaaaaaaa"),
    ],
)
def test_the_verdict_on_a_release(containers: list[ContainerFacts], state: State, reason: str) -> None:
    verdict = judge_release({"web": wanted()}, observed(*containers), SEEN, LIMITS, way)
    assert (verdict.state, reason in verdict.reason) == (state, True), verdict.reason


def test_a_container_that_ended_is_named_with_its_host_for_its_last_lines() -> None:
    one = container(spec(), state="exited", exit_code=3)
    of_release = judge_release({"web": wanted()}, observed(one), SEEN, LIMITS, way)
    of_names = judge_names({HOST: frozenset([one.name])}, observed(one), SEEN, LIMITS, way)
    assert of_release.subject == of_names.subject == f"{HOST} {one.id}"


@pytest.mark.parametrize("text", ["-oProxyCommand=x", "10.0.0.1\r\nX: y", "web1", "fe80::1%eth0"])
def test_text_that_is_no_address_is_not_connected_to(text: str) -> None:
    answer = {"Id": "abc", "NetworkSettings": {"Networks": {"a": {"IPAddress": text}, "b": {"IPAddress": "10.0.0.2"}}}}
    assert parse_container(Field(answer, "engine"), str).address == "10.0.0.2"


def test_an_answer_is_claimed_only_where_it_was_asked_for() -> None:
    one = container(spec())
    asked = observed(one)._replace(probes={one.id: ProbeFacts("/up", 503)})

    def with_health(service: str) -> Way:
        return Way(health=Health("/up", 80))

    verdict = judge_release({"web": wanted()}, asked, SEEN, LIMITS, with_health)
    assert (verdict.state, verdict.reason) == (State.WAITING, f"{one.name}: GET /up answers 503")
    late = judge_release({"web": wanted()}, asked, SEEN._replace(unchanged_since_s=-30.0), LIMITS, with_health)
    assert late.state is State.FAILED and "for 40 s" in late.reason
    good = judge_release(
        {"web": wanted()}, asked._replace(probes={one.id: ProbeFacts("/up", 204)}), SEEN, LIMITS, with_health
    )
    assert good.reason == "web: 1 running on bbbbbbbbbbbb, GET /up answers 204"


@pytest.mark.parametrize(
    ("check", "expected_s"),
    [
        ({}, 180.0),
        ({"Test": ["CMD", "x"], "Interval": 90 * 10**9, "Timeout": 10**9, "Retries": 2}, 182.0),
        ({"Interval": 90 * 10**9, "Timeout": 2 * 10**9, "Retries": 2, "StartPeriod": 10**9}, 187.0),
        ({"Interval": 2**63 - 1, "Retries": 2**63 - 1}, (2**63 - 1) * (2**63 - 1 + 30 * 10**9) / 1e9),
        ({"Interval": -1, "Timeout": -(2**63), "Retries": -1}, 180.0),
    ],
)
def test_a_health_check_takes_its_time_beyond_pending(check: dict[str, Any], expected_s: float) -> None:
    answer = {"Config": {"Healthcheck": check}, "State": {"Health": {"Status": "starting"}}}
    assert undecided_for_s(Field(answer, "GET")) == pytest.approx(expected_s)
    assert undecided_for_s(Field({**answer, "State": {"Health": {"Status": "healthy"}}}, "GET")) == 0
    one = container(spec(), health="starting")._replace(undecided_s=180.0)
    for ago_s, state in ((180.0, State.WAITING), (211.0, State.FAILED)):
        seen = SEEN._replace(unchanged_since_s=SEEN.now_s - ago_s)
        verdict = judge_release({"web": wanted()}, observed(one), seen, LIMITS, way)
        assert (
            verdict.state is state and f"{one.name} is starting (its health check decides within 3m)" in verdict.reason
        )


def test_restarts_before_the_deploy_do_not_count() -> None:
    one = container(spec(), restarts=3, started_at="2026-01-31T12:00:00Z")
    before = observed(one)
    assert judge_release({"web": wanted()}, before, SEEN._replace(before=before), LIMITS, way).state is State.HEALTHY
    again = observed(one._replace(restarts=4, started_at="2026-01-31T12:01:00Z"))
    assert judge_release({"web": wanted()}, again, SEEN._replace(before=before), LIMITS, way).state is State.FAILED


def test_the_way_back_starts_what_is_kept_and_stops_what_runs() -> None:
    old, new = container(spec(OLD), state="exited"), container(spec())
    kept = {HOST: (Kept("web", 1, old.name),)}
    [step] = plan_back(kept, observed(old, new), way)
    assert isinstance(step, ReplaceService)
    assert (step.start, step.stop, dict(step.create), step.spec) == ((old.name,), (new.name,), {}, None)
    assert plan_back(kept, observed(old._replace(state="running"), new._replace(state="exited")), way) == ()
    names = {HOST: frozenset([old.name])}
    assert judge_names(names, observed(old, new), SEEN, LIMITS, way).state is State.FAILED
    assert judge_names(names, observed(new), SEEN, LIMITS, way).reason == (
        f"{old.name} does not run on {HOST}: somebody removed it"
    )
    up = old._replace(state="running")
    assert judge_names(names, observed(up), SEEN, LIMITS, way).state is State.HEALTHY
    assert judge_names(names, observed(up, new), SEEN, LIMITS, way).superseded_by


def test_scaling_copies_the_first_container_and_stops_the_last() -> None:
    first, second = container(spec(), 1), container(spec(), 2)
    [more] = plan_scale(ScaleOrder({"web": 3}), observed(first, second), way)
    assert isinstance(more, ReplaceService)
    assert (more.like, dict(more.create)) == (first.name, {other_number(first.name, 3): 3})
    [less] = plan_scale(ScaleOrder({"web": 1}), observed(first, second), way)
    assert isinstance(less, ReplaceService) and less.stop == (second.name,)
    assert plan_scale(ScaleOrder({"web": 2}), observed(first, second), way) == ()
    with pytest.raises(DeployFailed, match="publishes a port of the host"):
        plan_scale(ScaleOrder({"web": 2}), observed(first._replace(is_fixed=True)), way)
    with pytest.raises(DeployFailed, match="does not run"):
        plan_scale(ScaleOrder({"web": 2}), observed(), way)
    assert judge_scale(ScaleOrder({"web": 2}), observed(first, second), SEEN, LIMITS, way).state is State.HEALTHY
    assert judge_scale(ScaleOrder({"web": 2}), observed(first), SEEN, LIMITS, way).superseded_by
    crashed = second._replace(state="exited", exit_code=3)
    seen = SEEN._replace(before=observed(first))
    verdict = judge_scale(ScaleOrder({"web": 2}), observed(first, crashed), seen, LIMITS, way)
    assert (verdict.reason, verdict.superseded_by) == (f"{second.name} on {HOST} exited with 3", "")


def test_a_status_has_each_container_that_runs_and_what_is_left_of_a_service_without_any() -> None:
    made = MadeBy(run="3f9c01ab22ee")
    runs, kept = container(spec(), started_at="2026-01-31T12:00:00Z", made=made), container(spec(OLD), state="exited")
    starting = container(spec(OLD), 2, health="starting", restarts=3)
    crashed = container(spec())._replace(
        service="worker", name="worker", state="exited", exit_code=3, error="no such file"
    )
    place = Place("host", HOST)
    found = describe("docker", place, observed(runs, kept, starting, crashed), ("http://web1",))
    assert (found.target, found.place, found.urls) == ("docker", place, ("http://web1",))
    assert found.units == (
        Unit(runs.name, "running", NEW, 1, 1, 0, "2026-01-31T12:00:00Z", "", "3f9c01ab22ee"),
        Unit(starting.name, "running, starting", OLD, 1, 0, 3, "", ""),
        Unit("worker", "exited", NEW, 1, 0, 0, "", "exited with 3: no such file"),
    )
    two = DockerObserved({HOST: HostFacts((runs,)), "ssh://web2": HostFacts((runs,))})
    assert [unit.name for unit in describe("docker", place, two, ()).units] == [
        f"{runs.name} {HOST}",
        f"{runs.name} ssh://web2",
    ]


def test_a_restart_is_over_when_every_container_has_started_again() -> None:
    order, one = RestartOrder(("web",), "2026-01-31T12:00:00Z"), container(spec(), started_at="1")
    before = observed(one)
    [step] = plan_restart(order, before, way)
    assert isinstance(step, RestartService)
    assert (step.names, step.beside, step.number) == ((one.name,), f"{one.name}-beside-1", 1)
    assert step.detail == (f"{one.name}-beside-1 serves meanwhile, and is removed then",)
    seen = SEEN._replace(before=before)
    assert judge_restart(order, before, seen, LIMITS, way).state is State.WAITING
    assert judge_restart(order, observed(one._replace(started_at="2")), seen, LIMITS, way).state is State.HEALTHY
    assert judge_restart(order, observed(one._replace(state="exited")), seen, LIMITS, way).state is State.FAILED
    other = container(spec(), 2, started_at="1")
    crashed = other._replace(state="exited", started_at="2", exit_code=3)
    seen = SEEN._replace(before=observed(one, other))
    verdict = judge_restart(order, observed(one._replace(started_at="2"), crashed), seen, LIMITS, way)
    assert (verdict.state, verdict.reason) == (State.FAILED, f"{other.name} on {HOST} exited with 3")
    with pytest.raises(DeployFailed, match="does not run"):
        plan_restart(order, observed(), way)


def test_a_container_that_ends_after_a_deploy_without_replicas_is_a_failure() -> None:
    old = [container(spec(OLD), number, started_at="1") for number in (1, 2)]
    scaled = container(spec(), 3, state="exited", started_at="0")
    seen = SEEN._replace(before=observed(*old, scaled))
    stopped = [one._replace(state="exited") for one in old]
    new = [container(spec(), number, started_at="2") for number in (1, 2)]
    assert judge_release({"web": wanted()}, observed(*stopped, *new, scaled), seen, LIMITS, way).state is State.HEALTHY
    assert judge_release({"web": wanted()}, observed(*new, scaled), SEEN, LIMITS, way).state is State.HEALTHY
    beside = new[1]._replace(id="beside", name="beside", started_at="0")
    both = SEEN._replace(before=observed(*new, beside))
    left = beside._replace(state="exited")
    assert judge_release({"web": wanted()}, observed(*new, left), both, LIMITS, way).state is State.HEALTHY
    crashed = new[1]._replace(state="exited", exit_code=3)
    verdict = judge_release({"web": wanted()}, observed(*stopped, new[0], crashed, scaled), seen, LIMITS, way)
    assert (verdict.state, verdict.reason) == (State.FAILED, f"{crashed.name} on {HOST} exited with 3")


@pytest.mark.parametrize(
    ("numbers", "more", "order", "detail"),
    [
        ((2, 1), {}, "start-first", "each container restarts when the one before is ready"),
        ((1,), {}, "stop-first", "the service is down while its only container restarts: no second one may run beside it"),
        ((1,), {"is_fixed": True}, "start-first", "the service is down while its only container restarts: no second one may run beside it"),
    ],
)  # fmt: skip
def test_a_restart_without_a_second_container_beside_the_only_one(
    numbers: tuple[int, ...], more: dict[str, Any], order: str, detail: str
) -> None:
    found = observed(*(container(spec(), number, **more) for number in numbers))
    [step] = plan_restart(RestartOrder(("web",), "t"), found, lambda service: Way(order))
    assert isinstance(step, RestartService)
    assert (step.names, step.beside) == (tuple(container(spec(), number).name for number in sorted(numbers)), "")
    assert step.detail == (detail,)


def test_a_restart_leads_the_proxy_only_where_it_has_the_hosts_of_the_service() -> None:
    route = RouteSpec("shipit:shop:production:docker:web", "web", ("shop.test",), 3000)
    for hosts, led in ((("shop.test",), route), (("other.test",), None)):
        proxy = ProxyFacts("p", "caddy", Ports(), routes={"web": RouteFacts("https", hosts, (), "")})
        ways = lambda service: Way(route=route)  # noqa: E731
        [step] = plan_restart(RestartOrder(("web",), "t"), observed(container(spec()), proxy=proxy), ways)
        assert isinstance(step, RestartService) and step.route == led


def test_what_a_killed_restart_leaves_is_stopped_by_the_next_deploy_and_the_next_restart_has_another_name() -> None:
    one = container(spec())
    beside = one._replace(name=f"{one.name}-beside-1", id="second")
    [step] = plan_docker(OWNER, {"web": wanted()}, observed(beside, one), IMAGES)
    assert isinstance(step, ReplaceService) and (step.create, step.start, step.stop) == ({}, (), (beside.name,))
    left = observed(beside, one._replace(state="exited"))
    assert plan_docker(OWNER, {"web": wanted()}, left, IMAGES) == (), "the one that serves stays"
    [again] = plan_restart(RestartOrder(("web",), "t"), left, way)
    assert isinstance(again, RestartService)
    assert (again.names, again.beside) == ((beside.name,), f"{one.name}-beside-2")


@pytest.mark.parametrize(
    ("more", "names", "beside"),
    [
        ({}, ("",), "-beside-1"),
        # Somebody deployed since then: it is another one.
        ({"spec": "other"}, ("", "-beside-1"), ""),
    ],
)
def test_a_restart_after_one_that_was_killed_uses_the_container_that_it_left(
    more: dict[str, Any], names: tuple[str, ...], beside: str
) -> None:
    one = container(spec())
    left = one._replace(name=f"{one.name}-beside-1", id="second", **more)
    [step] = plan_restart(RestartOrder(("web",), "t"), observed(left, one), way)
    assert isinstance(step, RestartService)
    assert sorted(step.names) == [f"{one.name}{end}" for end in names]
    assert step.beside == (f"{one.name}{beside}" if beside else "")


def test_destroy_keeps_volumes_that_are_not_named() -> None:
    inventory = Inventory(observed(container(spec())), {HOST: ("data",)}, {HOST: 2})
    [step] = plan_destroy(inventory, Destruction())
    assert isinstance(step, RemoveAll) and (step.volumes, step.destroys) == ((), False)
    assert [one.name for one in leftovers(inventory, Destruction())] == ["volume/data"]
    named = Destruction(("volume/data",))
    [step] = plan_destroy(inventory, named)
    assert isinstance(step, RemoveAll) and (step.volumes, step.destroys) == (("data",), True)
    assert list[Leftover](leftovers(inventory, named)) == []
    assert plan_destroy(Inventory(observed()), Destruction()) == ()


def test_the_request_that_creates_a_container() -> None:
    own = spec(
        env={"PORT": "3000"}, publish=(Publish(3000, 80, "127.0.0.1"), Publish(53, 0, "", "udp")),
        volumes=(Volume("data", "/data"), Volume("/etc/ssl", "/ssl", is_read_only=True)), memory=1024, nano_cpus=5,
        user="1000", cap_drop=("ALL",), tmpfs=("/tmp",), command=("node", "x.js"), grace_s=5.0,
    )  # fmt: skip
    body = create_body(OWNER, own, 2, {"TOKEN": "secret"}, ["TOKEN"])
    assert body["Env"] == ["PORT=3000", "TOKEN=secret"]
    assert body["Cmd"] == ["node", "x.js"] and body["StopTimeout"] == 5 and body["User"] == "1000"
    assert body["Labels"] == {
        "dev.shipit.app": "shop",
        "dev.shipit.environment": "production",
        "dev.shipit.target": "docker",
        "dev.shipit.service": "web",
        "dev.shipit.number": "2",
        "dev.shipit.spec": own.hash,
        "dev.shipit.variables": "TOKEN",
    }
    host = body["HostConfig"]
    assert host["PortBindings"] == {
        "3000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "80"}],
        "53/udp": [{"HostIp": "", "HostPort": ""}],
    }
    assert host["Binds"] == ["data:/data:rw", "/etc/ssl:/ssl:ro"]
    assert (host["Memory"], host["NanoCpus"], host["CapDrop"], host["Tmpfs"]) == (1024, 5, ["ALL"], {"/tmp": ""})
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"shop-production": {"Aliases": ["web"]}}}
    named = create_body(OWNER, spec(aliases=("www",)), 2, {}, [])
    assert named["NetworkingConfig"]["EndpointsConfig"] == {"shop-production": {"Aliases": ["web", "www"]}}
    assert "Entrypoint" not in body and "Dns" not in host
    assert host["RestartPolicy"] == {"Name": "unless-stopped"} and "Healthcheck" not in body


def test_restart_policies_and_health_checks_are_those_of_the_engine() -> None:
    check = Healthcheck(("CMD", "check"), 10**9, 0, 2, 3 * 10**9)
    body = create_body(OWNER, spec(restart="on-failure:3", healthcheck=check), 1, {}, [])
    assert body["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert body["Labels"]["dev.shipit.restart"] == "on-failure:3"
    assert body["Healthcheck"] == {"Test": ["CMD", "check"], "Interval": 10**9, "Retries": 2, "StartPeriod": 3 * 10**9}
    assert create_body(OWNER, spec(restart="no"), 1, {}, [])["HostConfig"]["RestartPolicy"] == {"Name": "no"}


def test_a_container_is_read_from_the_answer_of_the_engine() -> None:
    own = spec(publish=(Publish(3000, 80),))
    answer: dict[str, Any] = {
        "Id": "abc",
        "Name": "/shop-production-web-2-1",
        "RestartCount": 1,
        "Config": create_body(OWNER, own, 2, {"TOKEN": "secret", "OTHER": "x"}, ["TOKEN"]),
        "Created": "2026-01-31T11:59:59.5Z",
        "HostConfig": {"PortBindings": {"3000/tcp": [{"HostIp": "", "HostPort": "80"}]}},
        "State": {
            "Status": "running", "ExitCode": 0, "StartedAt": "2026-01-31T12:00:00Z",
            "Health": {"Status": "unhealthy", "Log": [{"Output": "first"}, {"Output": "last\n"}]},
        },
        "NetworkSettings": {"Networks": {"shop-production": {"IPAddress": "172.18.0.2"}}},
    }  # fmt: skip
    answer["Config"]["Labels"] |= origin_labels("r1", "", "anna")
    found = parse_container(Field(answer, "GET"), lambda value: f"mark of {value}")
    assert found == ContainerFacts(
        "abc", "shop-production-web-2-1", "web", 2, own.hash, NEW, {"TOKEN": "mark of secret"}, "running", "unhealthy",
        "last", 1, started_at="2026-01-31T12:00:00Z", address="172.18.0.2", is_fixed=True,
        made=MadeBy("anna", "r1", at="2026-01-31T11:59:59Z"),
    )  # fmt: skip
    copied = copied_body(
        Field({**answer, "NetworkSettings": {"Networks": {"n": {"Aliases": ["web", "abc"]}}}}, "GET"), 3
    )
    assert copied["Labels"]["dev.shipit.number"] == "3" and copied["Image"] == NEW
    assert copied["NetworkingConfig"] == {"EndpointsConfig": {"n": {"Aliases": ["web"]}}}


def test_images_of_docker_hub_are_known_by_their_whole_name() -> None:
    rows = Field(
        [
            {"Id": "sha256:1", "RepoDigests": [f"postgres@sha256:{'c' * 64}", "<none>@<none>"]},
            {"Id": "sha256:2", "RepoDigests": None},
        ],
        "GET",
    )
    assert list(pinned_images(rows)) == [f"docker.io/library/postgres@sha256:{'c' * 64}"]
    assert list(image_ids(rows)) == ["sha256:1", "sha256:2"]


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("3000", Publish(3000)),
        ("80:3000", Publish(3000, 80)),
        ("127.0.0.1:80:3000", Publish(3000, 80, "127.0.0.1")),
        ("127.0.0.1::3000", Publish(3000, 0, "127.0.0.1")),
        ("[::1]:53:53/udp", Publish(53, 53, "::1", "udp")),
    ],
)
def test_ports_that_docker_run_takes(text: str, port: Publish) -> None:
    assert parse_publish(text) == port


@pytest.mark.parametrize("text", ["", "x", "0", "80:0", "80:70000", "1:2:3", "80:3000/icmp"])
def test_ports_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="should"):
        parse_publish(text)


def test_a_folder_in_memory_has_its_options() -> None:
    body = create_body(OWNER, spec(tmpfs=("/tmp", "/run:rw,size=64m,nr_inodes=1k")), 1, {}, [])
    assert body["HostConfig"]["Tmpfs"] == {"/tmp": "", "/run": "rw,size=64m,nr_inodes=1k"}
    body = create_body(
        OWNER,
        spec(tmpfs=("/a:size=64Mi,mode=1777", "/b:size=10%", "/c:size=1GB", "/d:size=1t,nr_inodes=1Ki")),
        1,
        {},
        [],
    )
    sizes = {
        "/a": f"size={64 * 1024**2},mode=1777",
        "/b": "size=10%",
        "/c": f"size={1024**3}",
        "/d": "size=1t,nr_inodes=1024",
    }
    assert body["HostConfig"]["Tmpfs"] == sizes
    assert tmpfs_options(parse_tmpfs("/run:size=64m,mode=1777")) == {"SizeBytes": 64 * 1024 * 1024, "Mode": 0o1777}
    assert tmpfs_options(parse_tmpfs("/run")) == {}
    for other in ("rw", "size=all", "mode=9"):
        with pytest.raises(ValueError, match="in a swarm, which takes size=64m and mode=1777"):
            tmpfs_options(parse_tmpfs(f"/run:{other}"))


def test_volumes_and_sizes() -> None:
    assert parse_volume("data:/data:ro") == Volume("data", "/data", is_read_only=True)
    assert not parse_volume("/srv:/srv").is_named
    assert parse_volume("./here:/x").is_relative and not parse_volume("../here:/x").is_named
    for text in ("data", "data:relative", ".here:/x", "data:/x:z"):
        with pytest.raises(ValueError, match="should be NAME:/PATH"):
            parse_volume(text)
    assert [parse_size(text) for text in ("6Mi", "512m", "1Gi", "7g")] == [6 << 20, 512 << 20, 1 << 30, 7 << 30]
    assert [render_size(size) for size in (6 << 20, 1 << 30, (6 << 20) + 1)] == ["6Mi", "1Gi", str((6 << 20) + 1)]
    for wrong in ("", "1", "5Mi", "x", True, 1.5):
        with pytest.raises(ValueError, match="should be"):
            parse_size(wrong)


def test_records_that_are_none_are_left_out_and_healthy_ones_are_counted() -> None:
    assert [parse_record(text, Record) for text in ("", "{", "[]", '{"past": 3}', json.dumps({"x": 1}))] == [None] * 5
    states: list[Any] = ["failed", "healthy", "failed", "healthy", "healthy"]
    records = [Record(PastRelease(str(number), state)) for number, state in enumerate(states)]
    assert [one.past.version for one in kept_records(records, 1)] == ["0", "1", "2", "3"]


def test_the_answer_that_ssh_passes_on() -> None:
    assert parse_answer("/", b"HTTP/1.0 204 No Content\r\n\r\n") == ProbeFacts("/", 204)
    early = b"Warning: added\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 503 No\r\n\r\n"
    assert parse_answer("/", early) == ProbeFacts("/", 503)
    refused = parse_answer("/", b"Warning\nchannel 0: open failed: connect failed\n")
    assert refused == ProbeFacts("/", 0, "channel 0: open failed: connect failed")
    assert parse_answer("/", b"SSH-2.0").reason == "no answer of HTTP"
    assert parse_answer("/", b"").reason == "no answer of HTTP"


def test_the_free_space_that_df_prints() -> None:
    head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
    assert parse_free(f"{head}/dev/sda1 100 40 60 40% /var/lib\n") == 60 * 1024
    for other in ("", head, "df: no such file", f"{head}/dev/sda1 100 40 - 40% /\n"):
        assert parse_free(other) is None


def test_a_service_is_stopped_and_its_last_containers_are_started() -> None:
    order = StopOrder(("web",))
    older = container(spec(OLD), state="exited", finished_at="2026-01-01T00:00:00Z")
    two = [container(spec(), number, finished_at="2026-01-02T00:00:00Z") for number in (1, 2)]
    other = container(ContainerSpec("worker", NEW))
    [stop] = plan_stop(order, observed(older, *two, other))
    assert isinstance(stop, StopContainers) and stop.names == tuple(one.name for one in two)
    assert judge_stop(order, observed(*two)).state is State.FAILED
    ended = [one._replace(state="exited") for one in two]
    after = observed(older, *ended, other)
    assert plan_stop(order, after) == () and judge_stop(order, after).reason == "web stopped"
    [start] = plan_start(order, after, way)
    assert isinstance(start, ReplaceService) and start.start == tuple(one.name for one in two) and start.stop == ()
    assert plan_start(order, observed(*two), way) == ()
    with pytest.raises(DeployFailed, match="has no container of web"):
        plan_start(order, observed(other), way)
    assert judge_start(order, after, SEEN, LIMITS, way).state is State.FAILED
    assert judge_start(order, observed(*two, other), SEEN, LIMITS, way).state is State.HEALTHY


@pytest.mark.parametrize(
    ("ended", "started"),
    [
        pytest.param(("10Z", "11Z", "12Z"), (1, 2, 3), id="stopped"),
        pytest.param(("10Z", "11Z", "07.9Z"), (1, 2), id="scaled before"),
        pytest.param(("10.03Z", "10.02Z", "10.1Z"), (1, 2, 3), id="at once"),
        pytest.param(("10Z", "10Z", "10Z"), (1, 2, 3), id="equal times"),
        pytest.param(("10Z", "09.99999Z", "07Z"), (1, 2), id="no fraction"),
        pytest.param(("07Z", "10Z", "11Z"), (1, 2, 3), id="crashed before"),
        pytest.param(("10Z", "11Z", "nonsense"), (1, 2), id="no time"),
    ],
)
def test_as_many_containers_as_ran_are_started_again_also_after_a_scale_to_another_number(
    ended: tuple[str, ...], started: tuple[int, ...]
) -> None:
    order = StopOrder(("web",))
    found = [
        container(spec(), number, state="exited", finished_at=f"2026-01-01T00:00:{second}")
        for number, second in enumerate(ended, 1)
    ]
    names = tuple(found[number - 1].name for number in started)
    before = observed(*found)
    [start] = plan_start(order, before, way)
    assert isinstance(start, ReplaceService) and start.start == names
    [step] = plan_docker(OWNER, {"web": wanted()}, before, IMAGES)
    assert isinstance(step, ReplaceService) and step.start == names, "a deploy keeps the number, too"
    after = [one._replace(state="running") if one.name in names else one for one in found]
    seen = SEEN._replace(before=before)
    assert judge_start(order, observed(*after), seen, LIMITS, way).state is State.HEALTHY
    crashed = [after[0], after[1]._replace(state="exited", exit_code=3), *after[2:]]
    assert judge_start(order, observed(*crashed), seen, LIMITS, way).reason == f"{names[1]} on {HOST} exited with 3"
    assert "any more" in judge_start(order, observed(after[0], *after[2:]), seen, LIMITS, way).reason


def test_hashes_of_settings_are_those_of_earlier_versions_where_no_newer_key_is_set() -> None:
    hashed = "df068f765ff5f8aca908250a89bf3a44d1407fa2aaa2b4e81009a43d185b267a"
    assert ContainerSpec("web", "app").hash == hashed != ContainerSpec("web", "app", aliases=("www",)).hash
    assert ContainerSpec("web", "app", healthcheck=Healthcheck(("NONE",))).hash != hashed
    plain, sized = (ContainerSpec("web", "app", tmpfs=(text,)) for text in ("/run", "/run:size=64m"))
    assert plain.hash == "720419a045d2da1844ebe5e725d07f93057fe84a51beafa2596c74f7c19d7fd0"
    assert sized.hash != "3b3b40c46d86988c4128822f3063dee04c90ac1d8d8f26b59d02a36106b07493", (
        "a container whose path has the options is replaced"
    )
    swarm = SwarmSpec(ContainerSpec("web", "app"))
    assert swarm.hash == "fa444154af7ef755cc0424f96165a4525611786a0ba9762d22cd508e64203fdf"

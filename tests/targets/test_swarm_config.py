"""The keys of a swarm in deploy.yml, and the specs that they become."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.digest import Digest
from shipit.errors import ConfigErrors
from shipit.release import Image, Release
from shipit.targets.engine.healthcheck import Healthcheck
from shipit.targets.kinds import KindModels
from shipit.targets.swarm.config import SwarmConfig
from shipit.targets.swarm.observed import ServiceFacts, SwarmObserved
from shipit.targets.swarm.spec import ConfigFile, Placement, Update
from shipit.targets.swarm.target import SwarmTarget, create
from shipit.targets.swarm.wanted import WantedService

HEAD = "app: shop\nimage: user/shop\nsecrets: {TOKEN: {env: TOKEN}}\n"
DIGEST = Digest(f"sha256:{'a' * 64}")


def load(folder: Path, target: str, head: str = HEAD) -> SwarmTarget:
    (folder / "deploy.yml").write_text(f"{head}targets:\n  swarm: {target}\n")
    environment = ProcessEnvironment({}, folder, folder)
    project = load_project(folder / "deploy.yml", environment, KindModels())
    config = project.targets["swarm"]
    assert isinstance(config, SwarmConfig)
    return create("swarm", config, project, environment)


def release(target: SwarmTarget) -> Release:
    images = tuple(Image(use, "docker.io/user/shop", DIGEST, DIGEST) for use in target.images())
    return Release("shop", "production", images, {"TOKEN": "mark", "MODE": "mark"})


def wanted(target: SwarmTarget) -> dict[str, WantedService]:
    return target.services.wanted(release(target))


def test_keys_of_one_service_make_a_service_named_after_the_app(tmp_path: Path) -> None:
    target = load(tmp_path, "{port: 3000}")
    assert target.workloads() == ("shop",)
    assert target.place.identity == "shop-production in the swarm of unix:///var/run/docker.sock"
    [one] = wanted(target).values()
    assert one.spec.container.env == {"PORT": "3000"} and one.marks == {"TOKEN": "mark", "MODE": "mark"}
    assert (one.spec.update, one.spec.mode, one.spec.healthcheck) == (Update(), "replicated", None)
    assert one.spec.image == f"docker.io/user/shop@{DIGEST}"


def test_containers_and_a_service_of_a_swarm_may_have_one_name_on_one_engine(tmp_path: Path) -> None:
    head = f"{HEAD}targets:\n  hosts: {{kind: docker, hosts: ['ssh://web1'], services: {{web: {{port: 3000}}}}}}\n"
    own = "swarm: {host: 'ssh://web1', services: {web: {port: 3000}}}"
    environment = ProcessEnvironment({}, tmp_path, tmp_path)
    (tmp_path / "deploy.yml").write_text(f"{head}  {own}\n")
    assert set(load_project(tmp_path / "deploy.yml", environment, KindModels()).targets) == {"hosts", "swarm"}
    (tmp_path / "deploy.yml").write_text(f"{head}  {own}\n  again: {{kind: swarm, {own.removeprefix('swarm: {')}\n")
    with pytest.raises(ConfigErrors, match="same place as swarm: swarm service web on ssh://web1"):
        load_project(tmp_path / "deploy.yml", environment, KindModels())


def test_all_that_a_swarm_has_beside_the_keys_of_docker_hosts(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("events {}")
    target = load(
        tmp_path,
        "{services: {web: {env: {MODE: own, TOKEN: null}, healthcheck: {test: [check], interval: 5s, retries: 2, start_period: 1m}, "
        "update: {order: stop-first, parallelism: 0, delay: 2s, monitor: 0s, failure_action: pause, max_failure_ratio: 0.5}, "
        "rollback: {parallelism: 0, monitor: 20s}, logging: {driver: json-file, options: {max-size: 1m}}, "
        "placement: {constraints: ['node.role == worker'], spread: [node.labels.zone], max_per_node: 2}, "
        "secret_files: [TOKEN], configs: {/etc/nginx.conf: nginx.conf}, replicas: 3}}}",
    )
    one = wanted(target)["web"]
    assert one.spec.healthcheck == Healthcheck(("CMD", "check"), 5 * 10**9, 0, 2, 60 * 10**9)
    assert one.spec.update == Update("stop-first", 0, 2 * 10**9, 1, "pause", 0.5)
    assert one.spec.rollback == Update("start-first", 0, 0, 20 * 10**9, "pause", 0.0)
    assert (one.spec.container.log_driver, one.spec.container.log_options) == ("json-file", {"max-size": "1m"})
    assert (target.services.longest_wait_s, target.services.undecided_s) == (20.0, 60 + 30 + 2 * (5 + 30))
    assert one.spec.placement == Placement(("node.role == worker",), ("node.labels.zone",), 2)
    content = hashlib.sha256(b"events {}").hexdigest()
    assert one.spec.configs == (ConfigFile("/etc/nginx.conf", "nginx.conf", content),)
    assert (one.spec.secret_files, one.marks, one.replicas) == (("TOKEN",), {"TOKEN": "mark"}, 3)
    off = load(tmp_path, "{healthcheck: {disable: true}}")
    assert wanted(off)["shop"].spec.healthcheck == Healthcheck(("NONE",))


@pytest.mark.parametrize(
    ("keys", "mode", "order"),
    [
        ("publish: ['80:3000']", "ingress", "start-first"),
        ("publish: ['80:3000'], endpoint_mode: dnsrr", "host", "stop-first"),
        ("publish: ['80:3000'], publish_mode: host", "host", "stop-first"),
        ("publish: ['3000'], publish_mode: host", "host", "start-first"),
        ("publish: ['80:3000'], publish_mode: host, update: {order: start-first}", "host", "start-first"),
        ("publish: ['80:3000'], publish_mode: host, rollback: {}", "host", "stop-first"),
    ],
)
def test_a_port_of_the_nodes_themselves_is_replaced_stop_first(
    tmp_path: Path, keys: str, mode: str, order: str
) -> None:
    spec = wanted(load(tmp_path, f"{{{keys}}}"))["shop"].spec
    assert (spec.publish_mode, spec.update.order, (spec.rollback or spec.update).order) == (mode, order, order)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("{host: web1}", "should be unix://SOCKET"),
        ("{services: {}}", "should not be empty"),
        ("{port: 1, services: {web: {}}}", "can't be combined with services"),
        ("{publish: ['127.0.0.1:80:3000']}", "can't have an address"),
        ("{publish: ['80:3000'], endpoint_mode: dnsrr, publish_mode: ingress}", "can't be ingress with endpoint_mode"),
        ("{mode: global, replicas: 2}", "can't be set with mode: global"),
        ("{mode: global, placement: {max_per_node: 1}}", "can't be set with mode: global"),
        ("{placement: {constraints: [worker]}}", "should be NAME==VALUE"),
        ("{placement: {spread: [zone]}}", "should be node.labels.NAME"),
        ("{healthcheck: {test: [x], disable: true}}", "can't be combined with disable: true"),
        ("{update: {max_failure_ratio: 2}}", "max_failure_ratio"),
        ("{rollback: {failure_action: rollback}}", "failure_action"),
        ("{logging: {options: {max-size: 1m}}}", "should have driver"),
        ("{secret_files: [OTHER]}", "OTHER is no secret of the file for this target"),
        ("{configs: {/etc/x: missing.conf}}", "missing.conf"),
        ("{configs: {/etc/x: empty.conf}}", "empty.conf is empty"),
        ("{configs: {etc: empty.conf}}", "should be the path of a file within the container"),
        ("{labels: {dev.shipit.app: x}}", "is a label that shipit keeps for itself"),
        (f"{{services: {{{'a' * 40}: {{}}}}}}", "more than 63 characters"),
        ("{services: {a: {publish: ['80:1']}, b: {publish: ['80:2']}}}", "is a port that a publishes, too"),
    ],
)
def test_mistakes_are_said_at_their_keys(tmp_path: Path, target: str, what: str) -> None:
    (tmp_path / "empty.conf").write_text("")
    head = HEAD.replace("shop", "shop-of-many-things") if "63" in what else HEAD
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, target, head)
    assert what in str(raised.value), str(raised.value)


def test_an_image_without_a_repository_can_not_be_pulled_by_nodes(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="for the nodes to pull from"):
        load(tmp_path, "", "app: shop\nimage: {build: .}\n")


def test_a_release_command_is_a_job_of_its_own(tmp_path: Path) -> None:
    target = load(tmp_path, "", f"{HEAD}release: [migrate]\n")
    command = target.services.command(release(target))
    assert command is not None
    assert (command.spec.container.command, command.spec.container.restart) == (("migrate",), "no")
    assert target.services.command(release(target)) == command


def test_no_service_has_the_name_of_the_job_of_the_release_command(tmp_path: Path) -> None:
    services = "{services: {release-command: {}}}"
    assert load(tmp_path, services).workloads() == ("release-command",)
    with pytest.raises(ConfigErrors, match="is the name of the job that runs the release command"):
        load(tmp_path, services, f"{HEAD}release: [migrate]\n")


def test_urls_are_ports_that_every_node_publishes(tmp_path: Path) -> None:
    target = load(
        tmp_path,
        "{host: 'tcp://m1:2375', services: {web: {publish: ['80:1']}, api: {publish: ['8080:1/udp', '8081:1']}, "
        "own: {publish: ['82:1'], publish_mode: host}, down: {publish: ['83:1']}}}",
    )
    up = {name: ServiceFacts(name, name, name) for name in ("web", "api", "own")}
    assert target.urls(SwarmObserved(up)) == ("http://m1", "http://m1:8081")

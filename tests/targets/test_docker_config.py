"""The keys of Docker hosts in deploy.yml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.digest import Digest
from shipit.errors import ConfigErrors
from shipit.release import Image, Release
from shipit.targets.docker.config import DockerConfig
from shipit.targets.docker.describe import urls_of
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, HostFacts
from shipit.targets.docker.render import create_body
from shipit.targets.docker.target import DockerTarget, create
from shipit.targets.engine.container_spec import ContainerSpec, container_spec
from shipit.targets.engine.healthcheck import Healthcheck
from shipit.targets.kinds import KindModels
from tests import runs

HEAD = "app: shop\nimage: user/shop\n"
# Fields of the settings of a container.
KERNEL = (
    "dns_search", "group_add", "stop_signal", "pids_limit", "ulimits", "sysctls", "shm_size", "devices", "security_opt", "privileged",
)  # fmt: skip


def load(folder: Path, target: str, head: str = HEAD) -> DockerTarget:
    (folder / "deploy.yml").write_text(f"{head}targets:\n  docker: {target}\n")
    environment = ProcessEnvironment({}, folder, folder)
    project = load_project(folder / "deploy.yml", environment, KindModels())
    config = project.targets["docker"]
    assert isinstance(config, DockerConfig)
    return create("docker", config, project, environment)


def release(target: DockerTarget, marks: Mapping[str, str] | None = None) -> Release:
    use = target.images()[0]
    image = Image(use, use.repository, Digest.of(b"config"), Digest.of(b"manifest"))
    return Release("shop", "production", (image,), marks or {})


def mistake(folder: Path, target: str, head: str = HEAD) -> str:
    with pytest.raises(ConfigErrors) as raised:
        load(folder, target, head)
    return str(raised.value)


def test_keys_of_one_service_make_a_service_named_after_the_app(tmp_path: Path) -> None:
    target = load(tmp_path, "{port: 3000}")
    assert target.workloads() == ("shop",)
    assert target.hosts.names == ("unix:///var/run/docker.sock",)
    assert load(tmp_path, "").workloads() == ("shop",)


def test_a_context_is_one_of_the_docker_command(tmp_path: Path) -> None:
    target = load(tmp_path, "{hosts: ['tcp://web1:2375', 'context:prod']}")
    assert target.hosts.names == ("tcp://web1:2375", "context prod")


def test_a_folder_of_this_machine_is_refused_for_a_context_of_another_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, "{hosts: ['context:none'], volumes: ['./data:/data']}")
    assert "which the host context none does not have" in str(raised.value.problems[0])


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("'no'", "no"),
        ("no", "no"),
        ("always", "unless-stopped"),
        ("unless-stopped", "unless-stopped"),
        ("on-failure", "on-failure"),
        ("on-failure:3", "on-failure:3"),
    ],
)
def test_restart_takes_what_docker_run_takes(tmp_path: Path, written: str, policy: str) -> None:
    config = load(tmp_path, f"{{restart: {written}}}").config
    assert container_spec("web", config.services[""], "app").restart == policy


def test_a_health_check_is_given_to_the_engine(tmp_path: Path) -> None:
    keys = "{healthcheck: {test: check it, interval: 5s, timeout: 2s, retries: 2, start_period: 1m}}"
    target = load(tmp_path, f"{{pending: 30s, services: {{web: {keys}, other: {{}}}}}}")
    web, other = target.services.wanted(release(target)).values()
    test = ("CMD", "/bin/sh", "-c", "check it")
    assert web.spec.healthcheck == Healthcheck(test, 5 * 10**9, 2 * 10**9, 2, 60 * 10**9)
    assert other.spec.healthcheck is None


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        (
            "postgres",
            "images here: shop; one that is not built stands there, too: images: {postgres: {use: postgres:TAG}}",
        ),
        ("ghcr.io/team/db:16", "images: {db: {use: ghcr.io/team/db:16}}"),
        ("two words", "images here: shop"),
        ("ghcr.io/é/db:16", "images here: shop"),
        ("postgres@sha256:zz", "images here: shop"),
        (f"postgres:16@sha256:{'1' * 64}", f"images: {{postgres: {{use: postgres:16@sha256:{'1' * 64}}}}}"),
    ],
)
def test_an_image_that_is_not_built_stands_under_images(tmp_path: Path, image: str, hint: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, f"{{services: {{db: {{image: '{image}'}}}}}}")
    shown = raised.value.render()
    assert f"there is no image {image!r}" in shown and shown.rstrip().endswith(hint)


def test_a_published_port_is_replaced_stop_first(tmp_path: Path) -> None:
    config = load(tmp_path, "{services: {web: {publish: ['80:3000']}, any: {publish: ['3000']}}}").config
    assert {name: service.order for name, service in config.services.items()} == {
        "web": "stop-first",
        "any": "start-first",
    }


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("{restart: 'on-failure:0'}", "should be no, always, unless-stopped, on-failure or on-failure:N"),
        ("{restart: 'always:3'}", "should be no, always, unless-stopped, on-failure or on-failure:N"),
        ("{healthcheck: {test: [x], disable: true}}", "can't be combined with disable: true"),
        ("{hosts: [web1]}", "should be unix://SOCKET"),
        ("{hosts: ['ssh://a', 'ssh://a']}", "is in the list twice"),
        ("{services: {}}", "should not be empty"),
        ("{port: 1, services: {web: {}}}", "can't be combined with services:"),
        ("{services: {Web: {}}}", "lower-case letters"),
        ("{health: /up}", "needs the port"),
        ("{publish: ['x:y']}", "should be [[IP:]HOST:]PORT"),
        ("{publish: ['80:80'], replicas: 2}", "by one container only"),
        ("{services: {a: {publish: ['80:1']}, b: {publish: ['80:2']}}}", "is a port that a publishes, too"),
        ("{volumes: ['data']}", "should be NAME:/PATH"),
        (
            "{hosts: ['ssh://a'], volumes: ['./data:/data']}",
            "./data is a folder of this machine, which the host ssh://a",
        ),
        ("{secret_files: [TOKEN]}", "TOKEN is no secret of this target"),
        ("{services: {web: {secret_files: [TOKEN]}}}", "TOKEN is no secret of this target"),
        ("{memory: 5Mi}", "at least 6Mi"),
        ("{memory: 999999Gi}", "should be at most 64Ti"),
        ("{labels: {dev.shipit.app: x}}", "keeps for itself"),
        ("{hosts: ['tcp://web1:2375'], port: 80, health: /}", "can't be asked on tcp://web1:2375"),
        ("{image: other}", "other"),
        ("{ulimits: {files: 1}}", "should be one of core, cpu"),
        ("{ulimits: {nofile: {soft: 2, hard: 1}}}", "should be at most as high as hard"),
        ("{ulimits: {nofile: {soft: -1, hard: 1}}}", "should be at most as high as hard"),
        ("{ulimits: {nofile: {soft: 2}}}", "should have hard:"),
        ("{sysctls: {somaxconn: 1}}", "should be the name of a kernel setting"),
        ("{stop_signal: int}", "should be a signal such as SIGINT"),
        ("{pids_limit: 0}", "should be at least 1"),
        (f"{{pids_limit: {2**63}}}", f"should be at most {2**63 - 1}"),
        (f"{{ulimits: {{nofile: {10**30}}}}}", f"should be at most {2**63 - 1}"),
        (f"{{healthcheck: {{retries: {2**31}}}}}", "should be at most 2147483647"),
        ("{shm_size: 1}", "should be from 64Ki to 64Ti"),
        ("{devices: [sda]}", "should be /DEVICE, /DEVICE:/PATH or /DEVICE:/PATH:rwm"),
        ("{devices: ['/dev/sda:rr']}", "should be /DEVICE"),
        ("{security_opt: ['seccomp=profile.json']}", "seccomp=unconfined"),
        ("{network_mode: host}", "unknown key"),
        ("{extra_hosts: ['db=10.0.0.5']}", "should be NAME:ADDRESS, such as db:10.0.0.5"),
        ("{extra_hosts: ['db:here']}", "should be NAME:ADDRESS"),
        ("{extra_hosts: ['db:10.0.0.500']}", "should be NAME:ADDRESS"),
        ("{dns: [10.0.2]}", "should be the address of a DNS server"),
        ("{dns: [ns.example]}", "should be the address of a DNS server"),
        ("{tmpfs: [run]}", "should be /PATH or /PATH:OPTIONS"),
        ("{tmpfs: ['/run:size=1m:x']}", "should be /PATH or /PATH:OPTIONS"),
        ("{tmpfs: ['/run:rw,size=64Mo']}", "should have a size such as size=64m or size=64Mi"),
    ],
)
def test_mistakes_are_named_at_their_keys(tmp_path: Path, target: str, what: str) -> None:
    assert what in mistake(tmp_path, target)


def test_a_signal_that_ends_a_container(tmp_path: Path) -> None:
    for signal in ("SIGUSR1", "SIGQUIT", "SIGRTMIN+3", "SIGVTALRM"):
        assert load(tmp_path, f"{{stop_signal: {signal}}}").config.services[""].stop_signal == signal
    for other in ("SIGUSR3", "SIGINT1", "'15'", "SIGQUIT ok"):
        assert "should be a signal such as SIGINT" in mistake(tmp_path, f"{{stop_signal: {other}}}")


def test_settings_of_the_kernel_are_those_of_docker_run(tmp_path: Path) -> None:
    keys = (
        "{ulimits: {nofile: 1024, memlock: {soft: -1, hard: -1}}, sysctls: {net.core.somaxconn: 512}, pids_limit: 99, shm_size: 128Mi,"
        " stop_signal: SIGRTMIN+3, group_add: [video], dns_search: [example.com], privileged: true,"
        " devices: ['/dev/fuse', '/dev/sda:/dev/xvda:r'], security_opt: ['no-new-privileges:true']}"
    )
    target = load(tmp_path, keys)
    [wanted] = target.services.wanted(release(target)).values()
    body = create_body(target.owner, wanted.spec, 1, {}, [])
    unset = {name: ContainerSpec._field_defaults[name] for name in KERNEL}
    host, plain = body["HostConfig"], create_body(target.owner, wanted.spec._replace(**unset), 1, {}, [])
    assert body["StopSignal"] == "SIGRTMIN+3" and "StopSignal" not in plain
    assert {key: value for key, value in host.items() if key not in plain["HostConfig"]} == {
        "Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}, {"Name": "nofile", "Soft": 1024, "Hard": 1024}],
        "Sysctls": {"net.core.somaxconn": "512"},
        "PidsLimit": 99,
        "ShmSize": 128 * 1024 * 1024,
        "GroupAdd": ["video"],
        "DnsSearch": ["example.com"],
        "Privileged": True,
        "Devices": [
            {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
            {"PathOnHost": "/dev/sda", "PathInContainer": "/dev/xvda", "CgroupPermissions": "r"},
        ],
        "SecurityOpt": ["no-new-privileges:true"],
    }


def test_an_image_without_a_repository_is_sent_to_the_hosts_and_others_with_load(tmp_path: Path) -> None:
    head = "app: shop\nimages: {web: {build: .}, db: {use: postgres}, api: {repository: user/api}}\n"
    services = "services: {web: {image: web}, db: {image: db}, api: {image: api}}"
    for target, repositories in (
        (f"{{{services}}}", ["docker.io/user/api", "postgres", ""]),
        (f"{{load: true, {services}}}", ["", "postgres", ""]),
    ):
        uses = load(tmp_path, target, head).images()
        assert [use.repository for use in uses] == repositories
        assert [use.publish for use in uses] == [name == "docker.io/user/api" for name in repositories]
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, "{port: 3000}", "app: shop\n")
    assert raised.value.parts[0].hint == "add image: REPOSITORY, or image: {build: .}, at the top"


def test_a_folder_beside_the_file_is_mounted_by_its_whole_path(tmp_path: Path) -> None:
    target = load(tmp_path, "{volumes: ['./data:/data:ro', '../up:/up', 'named:/named']}")
    [wanted] = target.services.wanted(release(target)).values()
    sources = [volume.source for volume in wanted.spec.volumes]
    assert sources == [f"{tmp_path}/data", f"{tmp_path.parent}/up", "named"]
    assert [volume.is_named for volume in wanted.spec.volumes] == [False, False, True]


def test_secrets_are_files_and_the_log_has_a_driver(tmp_path: Path) -> None:
    head = f"{HEAD}secrets: {{TOKEN: {{env: TOKEN}}, OTHER: {{env: OTHER}}}}\n"
    target = load(tmp_path, "{secret_files: [TOKEN], logging: local}", head)
    [wanted] = target.services.wanted(release(target, {"TOKEN": "mark", "OTHER": "mark"})).values()
    body = create_body(target.owner, wanted.spec, 1, {"TOKEN": "x", "OTHER": "y"}, wanted.marks)
    assert body["Env"] == ["OTHER=y"] and body["Volumes"] == {"/run/secrets": {}}
    assert (body["Labels"]["dev.shipit.secret-files"], body["Labels"]["dev.shipit.variables"]) == ("TOKEN", "OTHER")
    assert body["HostConfig"]["LogConfig"] == {"Type": "local", "Config": {}}


def test_the_urls_are_the_published_ports_of_services_that_run(tmp_path: Path) -> None:
    services = "{services: {web: {port: 3000, publish: ['80:3000', '5432:5432']}, api: {publish: ['8080:80', '53:53/udp']}, off: {publish: ['9000:9']}}}"
    target = load(tmp_path, services)
    running = tuple(ContainerFacts(name, name, name, 1, "", "", {}, "running") for name in ("web", "api"))
    seen = DockerObserved({"ssh://deploy@web1": HostFacts(running), "unix:///run/docker.sock": HostFacts(running[:1])})
    assert list(urls_of(target.services, seen)) == ["http://web1", "http://web1:8080", "http://localhost"]


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("{memory: 256}", "write 256Mi"),
        ("{memory: 1}", "leave it out for no limit"),
        ("{memory: 3Mi}", "leave it out for no limit"),
        ("{cpu: 250m}", "write 0.25"),
        ("{cpu: 250Mi}", "write 0.25"),
        ("{port: 1, host: 'https://A.example.com:80/x'}", "write a.example.com"),
        ("{port: 1, host: [b.example.com, Shop.Example.com]}", "write shop.example.com"),
        ("{port: 1, host: '*.example.com'}", ""),
        ("{port: 1, host: a_b}", ""),
    ],
)
def test_mistakes_have_the_fix(tmp_path: Path, target: str, hint: str) -> None:
    for kind in ("docker", "swarm") if "host" not in target else ("docker",):
        with pytest.raises(ConfigErrors) as raised:
            runs.project(tmp_path, f"{HEAD}targets: {{{kind}: {target}}}\n", runs.environment(tmp_path))
        assert [problem.hint for problem in raised.value.problems] == [hint]


@pytest.mark.parametrize(
    ("target", "warnings"),
    [
        ("{cpu: 250}", ["is 250 CPUs, more than most hosts have; 250 thousandths of a CPU are 0.25"]),
        ("{memory: 600Gi}", ["is more memory than most hosts have"]),
        ("{cpu: 64, memory: 512Gi}", []),
    ],
)
def test_amounts_that_are_unlikely_are_warnings(tmp_path: Path, target: str, warnings: list[str]) -> None:
    for kind in ("docker", "swarm"):
        loaded = runs.project(tmp_path, f"{HEAD}targets: {{{kind}: {target}}}\n", runs.environment(tmp_path))
        assert [warning.what for warning in loaded.warnings] == warnings
        assert [warning.where.partition(":")[0] for warning in loaded.warnings] == ["deploy.yml"] * len(warnings)

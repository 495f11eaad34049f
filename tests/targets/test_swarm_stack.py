"""Stack files: a compose file as docker stack deploy takes it becomes the services that a swarm should run."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.digest import Digest
from shipit.errors import ConfigErrors, OwnedByOthers
from shipit.record import from_json, to_json
from shipit.release import Image, Release, Step
from shipit.targets.kinds import KindModels
from shipit.targets.swarm.config import SwarmConfig
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.render import service_body
from shipit.targets.swarm.spec import ConfigFile, SecretFile, Update
from shipit.targets.swarm.steps import UpdateService
from shipit.targets.swarm.target import SwarmTarget, create
from shipit.targets.swarm.wanted import WantedService
from tests.sampled import sampled

HEAD = "app: shop\nimage: user/shop\nsecrets: {TOKEN: {env: TOKEN}}\nenv: {LEVEL: info}\n"
DIGEST = Digest(f"sha256:{'a' * 64}")
PINNED = f"docker.io/user/shop@{DIGEST}"
VARIABLES = {"TAG": "1.2", "DB_PASSWORD": "hunter2-4711"}


def load(folder: Path, stack: str, target: str = "file: stack.yml", head: str = HEAD) -> SwarmTarget:
    (folder / "deploy.yml").write_text(f"{head}targets:\n  swarm: {{{target}}}\n")
    (folder / "stack.yml").write_text(stack)
    environment = ProcessEnvironment(VARIABLES, folder, folder)
    project = load_project(folder / "deploy.yml", environment, KindModels())
    config = project.targets["swarm"]
    assert isinstance(config, SwarmConfig)
    return create("swarm", config, project, environment)


def wanted(target: SwarmTarget, **given: str) -> dict[str, WantedService]:
    images = tuple(Image(use, "docker.io/user/shop", DIGEST, DIGEST) for use in target.images())
    release = Release("shop", "production", images, {"TOKEN": "mark", "LEVEL": "mark"})
    return target.services.wanted(release, {f"file.{name}": mark for name, mark in given.items()})


def body(target: SwarmTarget, service: str, **given: str) -> dict[str, Any]:
    found = wanted(target, **given)[service]
    secrets = {name: f"stored-{name}" for name in found.spec.secret_files}
    values = {name: f"value of {name}" for name in found.marks if name not in secrets}
    return service_body(target.owner, found.spec, values, secrets, found.replicas)


STACK = """\
version: "3.8"
services:
  web:
    image: user/shop:${TAG}
    command: serve --port 3000
    environment:
      - TOKEN
      - API_TOKEN=${TOKEN}
      - LEVEL
      - PRICE=5$$
      - "TAG=$TAG"
    ports: ["80:3000", {target: 9, published: 53, protocol: udp, mode: host}]
    networks: {front: {aliases: [shop]}, default: }
    volumes: ["data:/data", "/etc/ssl:/ssl:ro", {type: tmpfs, target: /run, tmpfs: {size: 1M}}]
    secrets: [key, {source: outside, target: out, mode: 0400}]
    configs: [{source: motd, target: /etc/motd, uid: "5"}]
    healthcheck: {test: "wget -qO- localhost:3000", interval: 1m30s, retries: 2}
    labels: {of: container}
    logging: {driver: json-file, options: {max-size: 1m}}
    extra_hosts: ["db:10.0.0.5"]
    ulimits: {nofile: 100, memlock: {soft: 64, hard: -1}, stack: -1}
    stop_grace_period: 20s
    depends_on: [cache]
    restart: always
    deploy:
      replicas: 3
      labels: [of=service]
      update_config: {order: start-first, parallelism: 2, delay: 1s, failure_action: rollback}
      rollback_config: {parallelism: 0}
      placement: {constraints: [node.role == worker], preferences: [{spread: node.labels.zone}], max_replicas_per_node: 2}
      resources: {limits: {cpus: '0.5', memory: 64M, pids: 9}, reservations: {memory: 32M}}
      restart_policy: {condition: on-failure, delay: 5s, max_attempts: 3}
  cache:
    image: redis:8
    deploy: {mode: global, endpoint_mode: dnsrr}
networks: {front: {attachable: true, driver_opts: {encrypted: ""}}}
volumes: {data: }
secrets: {key: {file: key.txt}, outside: {external: true, name: real}}
configs: {motd: {file: motd}}
"""


def files(folder: Path) -> None:
    (folder / "key.txt").write_text("k")
    (folder / "motd").write_text("hello")


def test_a_service_of_a_stack_file_is_what_docker_stack_deploy_would_create(tmp_path: Path) -> None:
    files(tmp_path)
    target = load(tmp_path, STACK)
    assert target.workloads() == ("web", "cache")
    found = body(target, "web", key="mark of key")
    task = found["TaskTemplate"]
    container = task["ContainerSpec"]
    assert container["Image"] == PINNED
    assert container["Args"] == ["serve", "--port", "3000"]
    assert container["Env"] == [
        "API_TOKEN=value of API_TOKEN", "LEVEL=info", "PRICE=5$", "TAG=1.2", "TOKEN=value of TOKEN",
    ]  # fmt: skip
    assert container["Healthcheck"] == {
        "Test": ["CMD-SHELL", "wget -qO- localhost:3000"],
        "Retries": 2,
        "Interval": 90 * 10**9,
    }
    assert container["Hosts"] == ["10.0.0.5 db"] and container["StopGracePeriod"] == 20 * 10**9
    limits = [(one["Name"], one["Soft"], one["Hard"]) for one in container["Ulimits"]]
    assert limits == [("memlock", 64, -1), ("nofile", 100, 100), ("stack", -1, -1)]
    volume, bind, tmpfs = container["Mounts"]
    assert (volume["Type"], volume["Source"], volume["Target"]) == ("volume", "shop-production_data", "/data")
    assert volume["VolumeOptions"]["Labels"]["dev.shipit.app"] == "shop"
    assert bind == {"Type": "bind", "Source": "/etc/ssl", "Target": "/ssl", "ReadOnly": True}
    assert tmpfs == {"Type": "tmpfs", "Target": "/run", "TmpfsOptions": {"SizeBytes": 1024**2}}
    assert [one["SecretName"] for one in container["Secrets"]] == ["real", "stored-key"]
    assert container["Secrets"][0]["File"] == {"Name": "out", "UID": "0", "GID": "0", "Mode": 0o400}
    assert container["Configs"][0]["File"]["UID"] == "5"
    assert task["Resources"] == {
        "Limits": {"NanoCPUs": 5 * 10**8, "MemoryBytes": 64 * 1024**2, "Pids": 9},
        "Reservations": {"MemoryBytes": 32 * 1024**2},
    }
    assert task["RestartPolicy"] == {"Condition": "on-failure", "Delay": 5 * 10**9, "MaxAttempts": 3}
    assert task["Placement"]["MaxReplicas"] == 2 and task["LogDriver"]["Name"] == "json-file"
    assert task["Networks"] == [
        {"Target": "shop-production_default", "Aliases": ["web"]},
        {"Target": "shop-production_front", "Aliases": ["web", "shop"]},
    ]
    assert found["Mode"] == {"Replicated": {"Replicas": 3}} and found["RollbackConfig"]["Parallelism"] == 0
    assert found["Labels"]["of"] == "service" and container["Labels"]["of"] == "container"
    assert found["Labels"]["com.docker.stack.namespace"] == "shop-production"
    assert found["EndpointSpec"]["Ports"] == [
        {"Protocol": "udp", "TargetPort": 9, "PublishedPort": 53, "PublishMode": "host"},
        {"Protocol": "tcp", "TargetPort": 3000, "PublishedPort": 80, "PublishMode": "ingress"},
    ]
    assert target.urls(SwarmObserved({})) == ()


def test_a_grace_time_of_nothing_is_sent(tmp_path: Path) -> None:
    files(tmp_path)
    target = load(tmp_path, "services: {web: {image: redis, stop_grace_period: 0s}, plain: {image: redis}}")
    containers = [body(target, name)["TaskTemplate"]["ContainerSpec"] for name in ("web", "plain")]
    assert [one.get("StopGracePeriod") for one in containers] == [0, None]


def test_values_and_content_are_named_and_what_is_of_others_stays_as_it_is_written(tmp_path: Path) -> None:
    files(tmp_path)
    target = load(tmp_path, STACK)
    web, cache = wanted(target, key="mark of key").values()
    assert web.marks == {"TOKEN": "mark", "API_TOKEN": "mark", "key": "mark of key"}
    assert web.spec.update == Update("start-first", 2, 10**9, 0, "rollback", 0.0)
    assert web.spec.configs == (ConfigFile("/etc/motd", "motd", hashlib.sha256(b"hello").hexdigest(), uid="5"),)
    assert web.spec.stack and web.spec.stack.secrets == (SecretFile("key", "file.key", "key.txt"),)
    assert (cache.spec.image, cache.spec.mode, cache.replicas) == ("redis:8", "global", None)
    assert cache.spec.update == Update("stop-first", 1, 0, 0, "pause", 0.0)
    assert [network.name for network in web.spec.stack.networks] == ["shop-production_default", "shop-production_front"]
    step = UpdateService("web", "update", service="web", spec=web.spec, marks=web.marks)
    assert from_json(Step, to_json(step)) == step
    [note] = target.notes(Release("shop", "production", release_images(target)), SwarmObserved())
    assert note == "stack.yml: depends_on have no effect in a swarm"


def release_images(target: SwarmTarget) -> tuple[Image, ...]:
    return tuple(Image(use, "docker.io/user/shop", DIGEST, DIGEST) for use in target.images())


def test_a_stack_that_docker_made_is_refused_and_its_volumes_can_be_used(tmp_path: Path) -> None:
    target = load(
        tmp_path, "services: {web: {build: ., volumes: ['d:/d']}}\nvolumes: {d: }\n", "file: stack.yml, stack: old"
    )
    assert body(target, "web")["TaskTemplate"]["ContainerSpec"]["Mounts"][0]["Source"] == "old_d"
    release = Release("shop", "production", release_images(target))
    found = SwarmObserved(stacks={"old": ("old_web",)})
    with pytest.raises(
        OwnedByOthers, match="the stack old was made by docker stack deploy, and runs old_web"
    ) as raised:
        target.plan(release, found)
    assert raised.value.where == "swarm" and "take_over: true" in raised.value.hint
    assert len(target.plan(release, SwarmObserved(stacks={"other": ("other_web",)}))) == 1
    with pytest.raises(OwnedByOthers, match="the stack old is that of another target: a/b/c"):
        target.plan(release, SwarmObserved(others={"old": ("a/b/c",)}))


def test_a_release_command_runs_in_the_networks_of_the_stack(tmp_path: Path) -> None:
    target = load(tmp_path, "services: {web: {build: .}}\n", head=f"{HEAD}release: [migrate]\n")
    release = Release("shop", "production", release_images(target), {"TOKEN": "mark"})
    command = target.services.command(release)
    assert command is not None
    found = service_body(target.owner, command.spec, {"TOKEN": "x"}, {}, None)
    assert found["TaskTemplate"]["Networks"] == [{"Target": "shop-production_default"}]
    assert found["TaskTemplate"]["ContainerSpec"]["Args"] == ["migrate"]


def test_env_files_are_read_as_docker_reads_them_and_secrets_in_them_are_those_of_deploy_yml(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("# a comment\nMODE= a 'b'\nTOKEN=from the file\nLEVEL\n")
    target = load(tmp_path, "services: {web: {build: ., env_file: web.env, environment: {MODE: above}}}\n")
    [web] = wanted(target).values()
    assert web.spec.container.env == {"MODE": "above", "LEVEL": "info"} and web.marks == {"TOKEN": "mark"}


def test_only_line_feeds_end_the_lines_of_an_env_file(tmp_path: Path) -> None:
    text = "\ufeffA=1\r\n  B=x\x85y\x0cz\u2028w \nspring.datasource.url=jdbc\nC='it''s'\n\r\nD="
    (tmp_path / "web.env").write_bytes(text.encode())
    [web] = wanted(load(tmp_path, "services: {web: {build: ., env_file: [web.env]}}\n")).values()
    read = {"A": "1", "B": "x\x85y\x0cz\u2028w ", "spring.datasource.url": "jdbc", "C": "'it''s'", "D": ""}
    assert web.spec.container.env == read


KEY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f'SIGNING="-----BEGIN PRIVATE KEY-----\n{KEY}\nMzEfYyji==\n-----END PRIVATE KEY-----"\n', 2),
        ('SIGNING="-----BEGIN PRIVATE KEY-----\nMzEfYyji\n-----END PRIVATE KEY-----"\n', 2),
        ("SIGNING=-----BEGIN PRIVATE KEY-----\nMzEfYyji\n", 2),
        (f"# a key\n\n{KEY[:41]}\nMzEfYyji\n", 3),
        ("A=1\nMzEf/Yyji\n", 2),
        ("MzEfYyji =1\n", 1),
        ("=MzEfYyji\n", 1),
        ("SIGNING='-----BEGIN PRIVATE KEY-----\nMzEfYyji.password=x\n'", 2),
    ],
)
def test_no_part_of_a_key_in_an_env_file_is_shown(tmp_path: Path, text: str, number: int) -> None:
    (tmp_path / "web.env").write_text(text)
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, "services: {web: {build: ., env_file: web.env}}\n")
    [problem] = raised.value.problems
    assert str(problem).startswith(f"stack.yml:1:38: the variable in line {number} of web.env "), str(problem)
    assert "MIIEvQ" not in problem.render() and "MzEf" not in problem.render()
    assert "secrets: in deploy.yml" in problem.hint


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("MY.TOKEN=abc", "is named like a secret", "add to deploy.yml: dotenv: FILE, and secrets: {NAME: {env: NAME}}"),
        (f"{'LONG_' * 9}TOKEN=abc", "is named like a secret", "secrets: {NAME: {env: NAME}}"),
        ("my.name", "is not set", "set it, or add it to env: or secrets: of deploy.yml: NAME"),
    ],
)
def test_a_name_in_one_line_that_is_not_shown_has_the_hint_of_its_mistake(
    tmp_path: Path, line: str, what: str, hint: str
) -> None:
    (tmp_path / "web.env").write_text(f"A=1\n{line}\n")
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, "services: {web: {build: ., env_file: web.env}}\n")
    [problem] = raised.value.problems
    assert problem.what.startswith(f"the variable in line 2 of web.env {what}") and problem.hint.endswith(hint)
    assert line.partition("=")[0] not in problem.render() and "abc" not in problem.render()


def test_a_plain_name_of_an_env_file_is_shown_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("A=1\nMISSING\nDB_PASSWORD\nDB_PASSWORD=hunter2-4711\nOTHER\n")
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, "services: {web: {build: ., env_file: web.env}}\n")
    assert [problem.what for problem in raised.value.problems] == [
        "MISSING in line 2 of web.env is not set",
        "DB_PASSWORD in line 3 of web.env is named like a secret, and would be shown in plans",
        "DB_PASSWORD in line 4 of web.env is named like a secret, and would be shown in plans",
        "OTHER in line 5 of web.env is not set",
    ]
    assert raised.value.problems[2].hint.endswith("secrets: {DB_PASSWORD: {env: DB_PASSWORD}}")
    assert "hunter2" not in raised.value.render()


@pytest.mark.parametrize(
    ("service", "where", "what"),
    [
        ("privileged: true", "4:17", "privileged can't be taken over into a swarm"),
        ("healtcheck: {}", "4:5", "healtcheck is no key that a stack has here"),
        ("ports: ['127.0.0.1:80:80']", "4:13", "can't have an address"),
        ("ports: ['80-82:80-81']", "4:13", "two ranges of the same length"),
        ("ports: [x]", "4:13", "should be [PUBLISHED:]PORT"),
        ("volumes: ['./src:/src']", "4:15", "is relative to this machine"),
        ("volumes: ['data:/data']", "4:15", "data is no volume of this file"),
        ("volumes: ['/a:/b:z']", "4:15", "z is no option"),
        ("networks: [back]", "4:16", "back is no network of this file"),
        ("secrets: [key]", "4:15", "key is no secret of this file"),
        ("environment: {X: 'a${TOKEN}'}", "4:22", "TOKEN is a secret of deploy.yml, which can only be the whole value"),
        ("command: $TOKEN", "4:14", "TOKEN is a secret of deploy.yml"),
        ("environment: {X: $DB_PASSWORD}", "4:22", "DB_PASSWORD is named like a secret"),
        ("environment: [DB_PASSWORD]", "4:19", "DB_PASSWORD is named like a secret"),
        ("environment: [MISSING]", "4:19", "MISSING is not set"),
        ("hostname: $MISSING", "4:15", "MISSING is not set"),
        ("hostname: a$-b", "4:15", "should be $NAME or ${NAME}"),
        ("env_file: none.env", "4:15", "none.env"),
        ("restart: on-failure", "4:14", "has no effect in a stack"),
        ("deploy: {mode: replicated-job}", "4:20", "should be replicated or global"),
        ("deploy: {mode: global, replicas: 2}", "4:38", "can't be set with mode: global"),
        (
            "deploy: {resources: {reservations: {generic_resources: []}}}",
            "4:41",
            "generic_resources can't be taken over",
        ),
        ("deploy: {update_config: {delay: 5}}", "4:37", "should be a duration"),
        ("deploy: {endpoint_mode: dnsrr}\n    ports: ['80:80']", "5:5", "can't be published by ingress"),
        ("labels: {dev.shipit.app: x}", "4:5", "is a label that shipit keeps for itself"),
        ("healthcheck: {test: a, disable: true}", "4:25", "can't be combined with disable"),
        ("read_only: maybe", "4:16", "should be true or false"),
        ("tty: yes", "4:10", "should be true or false"),
        ("ulimits: {memlock: {soft: 5}}", "4:15", "should have hard"),
        ("ulimits: {memlock: {}}", "4:15", "should have soft"),
        ("deploy: {resources: {limits: {memory: 512i}}}", "4:43", "should be a size"),
        ("deploy: {resources: {limits: {memory: 99999999P}}}", "4:43", "should be a size"),
        ("deploy: {resources: {limits: {cpus: .}}}", "4:41", "should be a number"),
        ("command: >\n      run --a\n      # note\n      --b", "4:14", "docker drops the rest of the line"),
        ("command: run 'a", "4:14", "has a ' that is never closed"),
        ("entrypoint: run \\", "4:17", "should not end with a backslash"),
        ("environment: {A: '${NOPE:-$TOKEN}'}", "4:22", "TOKEN is a secret of deploy.yml"),
        ("environment: {A: '${NOPE:-$-}'}", "4:22", "should be $NAME or ${NAME}"),
    ],
)
def test_what_can_not_be_taken_over_is_an_error_at_its_line(
    tmp_path: Path, service: str, where: str, what: str
) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, f"services:\n  web:\n    build: .\n    {service}\n")
    [problem] = raised.value.problems
    assert f"stack.yml:{where}: " in str(problem) and what in str(problem), str(problem)
    assert "hunter2" not in problem.render()


def container(target: SwarmTarget, service: str = "web") -> dict[str, Any]:
    found: dict[str, Any] = body(target, service)["TaskTemplate"]["ContainerSpec"]
    return found


@pytest.mark.parametrize(
    ("memory", "size"),
    [
        ("1.5g", 3 * 512 * 1024**2), ("512 MB", 512 * 1024**2), ("512", 512), ("512b", 512), (".5GiB", 512 * 1024**2),
        ("2.KB", 2048), ("1p", 1024**5), ("1.0001k", 1024),
    ],
)  # fmt: skip
def test_sizes_are_read_as_docker_reads_them(tmp_path: Path, memory: str, size: int) -> None:
    limits = f"{{limits: {{memory: {memory}, cpus: '.5'}}, reservations: {{cpus: '1.'}}}}"
    found = body(load(tmp_path, f"services: {{web: {{image: redis, deploy: {{resources: {limits}}}}}}}"), "web")
    assert found["TaskTemplate"]["Resources"] == {
        "Limits": {"NanoCPUs": 5 * 10**8, "MemoryBytes": size},
        "Reservations": {"NanoCPUs": 10**9},
    }


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("0440", 0o440),
        ("0o440", 0o440),
        ("288", 0o440),
        ("0", 0),
        ("", 0o444),
        ("'${NOPE:-288}'", 0o440),
        ("'${NOPE:-0}'", 0),
    ],
)
def test_the_mode_of_a_file_is_octal_behind_a_zero(tmp_path: Path, text: str, mode: int) -> None:
    stack = f"services: {{web: {{image: redis, secrets: [{{source: a, mode: {text}}}]}}}}\nsecrets: {{a: {{external: true}}}}"
    assert container(load(tmp_path, stack))["Secrets"][0]["File"]["Mode"] == mode


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("440", "which docker takes for the mode 0670", "write 0440 or 0670, whichever is meant"),
        ("7", "which docker takes for the mode 0007", "write 07 or 0007"),
        ("0489", "should be a mode in octal digits", ""),
        ("rw", "should be a mode in octal digits", ""),
        ("9999", "should be a mode of at most 07777", ""),
        ("'0440'", "is a mode in quotes, which docker refuses", "write 0440 without quotes"),
        ("'rw'", "should be a mode in octal digits", ""),
        (
            "'${NOPE:-0440}'",
            "is 0440 by a variable, a decimal number, which docker takes for the mode 0670",
            "write mode: 0440 or mode: 0670 without a variable",
        ),
        ("'${NOPE:-440}'", "which docker takes for the mode 0670", "write mode: 0440 or mode: 0670"),
        ("'${NOPE:-0o440}'", "should be a decimal number", "write mode: 0440"),
        ("'${NOPE:-}'", "should be a decimal number", "write mode: 0440"),
        ("'${NOPE:-9999}'", "should be a mode of at most 07777", ""),
        ("$NOPE", "NOPE is not set", ""),
        ("$TOKEN", "TOKEN is a secret of deploy.yml", ""),
    ],
)
def test_a_mode_that_docker_takes_for_another_is_an_error(tmp_path: Path, text: str, what: str, hint: str) -> None:
    stack = f"services: {{web: {{image: redis, configs: [{{source: a, mode: {text}}}]}}}}\nconfigs: {{a: {{external: true}}}}"
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, stack)
    [problem] = raised.value.problems
    assert what in problem.what and hint in problem.hint and problem.position[0] == 1


def test_a_network_that_every_node_has_gives_no_name_of_its_own(tmp_path: Path) -> None:
    networks = "networks: {nodes: {external: true, name: host}, bridge: {external: true}, proxy: {external: true}}\n"
    of_web = "{nodes: , proxy: {aliases: [shop]}, bridge: {aliases: [own]}}"
    found = body(load(tmp_path, f"services: {{web: {{image: redis, networks: {of_web}}}}}\n{networks}"), "web")
    assert found["TaskTemplate"]["Networks"] == [
        {"Target": "bridge", "Aliases": ["own"]},
        {"Target": "host"},
        {"Target": "proxy", "Aliases": ["web", "shop"]},
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${NOPE:-$TAG}", "1.2"), ("${NOPE:-${TAG}}", "1.2"), ("${NOPE:-${NEITHER-a$TAG}b}", "a1.2b"), ("${TAG:+<$TAG>}", "<1.2>"),
        ("${NOPE:-a$$b}", "a$b"), ("$${TAG}", "${TAG}"), ("$$$TAG", "$1.2"), ("${NOPE:-$$$TAG}", "$1.2"), ("${NOPE-}", ""),
        ("$TAG-$LEVEL", "1.2-info"),
    ],
)  # fmt: skip
def test_variables_are_expanded_in_defaults_too(tmp_path: Path, text: str, value: str) -> None:
    target = load(tmp_path, f"services: {{web: {{image: redis, environment: {{A: '{text}'}}}}}}")
    assert container(target)["Env"] == [f"A={value}"]


def test_names_and_labels_may_begin_with_x(tmp_path: Path) -> None:
    stack = """\
x-shared: &shared {x-note: mine, environment: {x-a: "1", B: "2"}, x-other: 3}
services:
  web:
    <<: *shared
    image: redis
    labels: {x-team: a}
    deploy: {labels: {x-owner: me}, x-note: mine}
    volumes: ["x-data:/data"]
    networks: {x-net: {x-note: mine}}
    ulimits: {x-limit: 5}
    logging: {driver: syslog, options: {x-tag: shop}}
    configs: [x-config]
  x-ray: {image: xray}
volumes: {x-data: {driver_opts: {x-type: nfs}, x-note: mine}}
networks: {x-net: {x-note: mine}}
configs: {x-config: {external: true}}
"""
    target = load(tmp_path, stack)
    assert target.workloads() == ("web", "x-ray")
    found = body(target, "web")
    own = container(target)
    assert own["Env"] == ["B=2", "x-a=1"] and own["Labels"]["x-team"] == "a" and found["Labels"]["x-owner"] == "me"
    [mount] = own["Mounts"]
    assert mount["Source"] == "shop-production_x-data"
    assert mount["VolumeOptions"]["DriverConfig"]["Options"] == {"x-type": "nfs"}
    assert found["TaskTemplate"]["Networks"] == [{"Target": "shop-production_x-net", "Aliases": ["web"]}]
    assert [one["Name"] for one in own["Ulimits"]] == ["x-limit"]
    assert found["TaskTemplate"]["LogDriver"]["Options"] == {"x-tag": "shop"}
    assert [one["ConfigName"] for one in own["Configs"]] == ["x-config"]


def test_words_of_a_variable_ports_and_addresses_are_read_as_docker_reads_them(tmp_path: Path) -> None:
    web = (
        "{image: redis, tty: '${YES:-yes}', read_only: '${NO:-off}', ports: ['53:53/UDP'], extra_hosts: ['six:[::1]']}"
    )
    target = load(tmp_path, f"services: {{web: {web}}}")
    assert container(target)["TTY"] is True and "ReadOnly" not in container(target)
    assert container(target)["Hosts"] == ["::1 six"]
    assert body(target, "web")["EndpointSpec"]["Ports"][0]["Protocol"] == "udp"


@pytest.mark.parametrize(
    ("stack", "target", "what"),
    [
        ("services: {}", "file: stack.yml", "should have services"),
        ("services: {web: {}}", "file: stack.yml", "should have image: or build:"),
        ("version: '2.4'\nservices: {web: {build: .}}", "file: stack.yml", "should be 3, or 3.x"),
        ("services: {'a b': {build: .}}", "file: stack.yml", "should be a name of letters"),
        (
            "services: {web: {build: .}}\nnetworks: {a: {driver: bridge}}",
            "file: stack.yml",
            "can't connect tasks on several",
        ),
        ("services: {web: {build: .}}\nsecrets: {a: {}}", "file: stack.yml", "should have file: or external: true"),
        ("services: {web: {build: .}}\nsecrets: {a: {environment: A}}", "file: stack.yml", "a stack has none"),
        ("services: {web: {build: .}}", "file: other.yml", "other.yml"),
        ("services: {web: {build: .}}", "file: stack.yml, port: 3000", "can't be combined with file"),
        ("services: {web: {build: .}}", "stack: a", "is for a stack file"),
        ("services: {web: {build: .}}", "file: stack.yml, images: {web: other}", "no image 'other'"),
    ],
)
def test_mistakes_of_a_stack_file_and_its_keys(tmp_path: Path, stack: str, target: str, what: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, stack, target)
    assert what in raised.value.render(), raised.value.render()


def test_what_is_rendered_has_the_networks_of_the_stack_and_no_value(tmp_path: Path) -> None:
    files(tmp_path)
    target = load(tmp_path, STACK)
    release = Release("shop", "production", release_images(target), {"TOKEN": "mark"})
    parts = target.render(release, SwarmObserved(given={"file.key": "mark"})).parts
    names = [part.body["Name"] for part in parts]
    assert names[:2] == ["shop-production_default", "shop-production_front"]
    env = parts[2].body["TaskTemplate"]["ContainerSpec"]["Env"]
    assert "API_TOKEN=<secret API_TOKEN>" in env and "TOKEN=<secret TOKEN>" in env


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value of a tree."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def with_value(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(tree)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


TREE = yaml.safe_load(STACK)
# YAML writes a number without a leading zero: this one can only be decimal.
TREE["services"]["web"]["secrets"][1]["mode"] = 0o440
ODD: tuple[Any, ...] = (
    None,
    "",
    "x",
    "-1:a",
    1,
    10**30,
    True,
    [],
    [None],
    [[]],
    {},
    {"a": None},
    {"a": [{}]},
    "$TOKEN",
    "a$TOKEN",
)


@pytest.mark.sampled
@pytest.mark.parametrize("path", sampled(list(places(TREE)), 6))
def test_a_value_of_another_shape_is_an_error_with_a_position_or_fine(tmp_path: Path, path: tuple[Any, ...]) -> None:
    files(tmp_path)
    for odd in ODD:
        try:
            target = load(tmp_path, yaml.safe_dump(with_value(TREE, path, odd)))
        except ConfigErrors as error:
            assert all(problem.position != (0, 0) for problem in error.problems), (path, odd, str(error))
            continue
        for name in wanted(target, key="mark"):
            body(target, name, key="mark")


def is_filled(path: tuple[Any, ...]) -> bool:
    found = TREE
    for key in path:
        found = found[key]
    return not isinstance(found, dict | list)


@pytest.mark.sampled
@pytest.mark.parametrize("path", sampled([path for path in places(TREE) if is_filled(path)], 6))
def test_a_variable_that_is_not_set_is_one_mistake(tmp_path: Path, path: tuple[Any, ...]) -> None:
    files(tmp_path)
    for text in ("${UNSET_A}", "A=${UNSET_A}"):
        with pytest.raises(ConfigErrors) as raised:
            load(tmp_path, yaml.safe_dump(with_value(TREE, path, text)))
        assert [problem.what for problem in raised.value.problems] == ["UNSET_A is not set"]


@pytest.mark.parametrize(
    "service",
    [
        "environment: ['A=${UNSET_A}']",
        "environment: {A: '${UNSET_A}'}",
        "env_file: $UNSET_A",
        "extra_hosts: $UNSET_A",
        "healthcheck: {test: $UNSET_A, interval: 1s}",
        "secrets: [{source: $UNSET_A}]",
        "labels: ['a=$UNSET_A']",
        "read_only: $UNSET_A",
    ],
)
def test_a_value_that_can_not_be_expanded_is_not_judged_again(tmp_path: Path, service: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, f"services: {{web: {{image: redis, {service}}}}}")
    assert [problem.what for problem in raised.value.problems] == ["UNSET_A is not set"]

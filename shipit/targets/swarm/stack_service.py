"""A service of a stack file as `docker stack deploy` would create it. Pure.

Source: docker/cli, cli/compose/convert/service.go and cli/compose/types/types.go; Docker Engine API 1.41, ServiceSpec.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from shipit.targets.engine.healthcheck import Healthcheck, undecided_s
from shipit.targets.engine.owner import LABEL
from shipit.targets.swarm.spec import NAMESPACE, STACK_IMAGE, ConfigFile, SecretFile, StackNetwork, Update
from shipit.targets.swarm.stack_deploy import Deploy, read_deploy
from shipit.targets.swarm.stack_environment import Environment
from shipit.targets.swarm.stack_given import Contents, read_configs, read_secrets
from shipit.targets.swarm.stack_node import Fields, Node
from shipit.targets.swarm.stack_places import read_mounts, read_networks, read_ports
from shipit.targets.swarm.stack_top import Top

_KNOWN = (
    "build", "cap_add", "cap_drop", "command", "configs", "deploy", "dns", "dns_search", "entrypoint", "env_file",
    "environment", "extra_hosts", "healthcheck", "hostname", "image", "init", "labels", "logging", "networks", "ports",
    "read_only", "restart", "secrets", "stdin_open", "stop_grace_period", "stop_signal", "sysctls", "tmpfs", "tty",
    "ulimits", "user", "volumes", "working_dir",
)  # fmt: skip
# What docker stack deploy leaves out, too, and what runs is the same without it.
_UNUSED = ("container_name", "depends_on", "expose", "pull_policy")
_OUT = "leave it out: docker stack deploy leaves it out, too"
_REFUSED = {
    **dict.fromkeys(
        (
            "cgroup_parent", "cgroupns_mode", "devices", "domainname", "external_links", "ipc", "links", "mac_address",
            "network_mode", "pid", "privileged", "security_opt", "shm_size", "userns_mode",
        ),
        _OUT,
    ),
    "cpus": "write deploy: {resources: {limits: {cpus: '0.5'}}}",
    "mem_limit": "write deploy: {resources: {limits: {memory: 512M}}}",
    "scale": "write deploy: {replicas: N}",
    "extends": "write its keys here",
    "profiles": "remove the service, or write it in another file",
    "platform": "write it under platforms: of the image in deploy.yml",
    "credential_spec": "it is for Windows",
    "isolation": "it is for Windows",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")


class StackService(NamedTuple):
    """`body` is as the engine takes it, without image, variables, secrets and configs of files. `build` is as it is written."""

    name: str
    image: str
    build: Node
    deploy: Deploy
    body: Mapping[str, Any]
    environment: Environment
    secrets: tuple[SecretFile, ...]
    configs: tuple[ConfigFile, ...]
    networks: tuple[StackNetwork, ...]

    @property
    def longest_wait_s(self) -> float:
        """Seconds that Swarm may wait between two changes; without monitor: it watches a task for five."""
        update: Update = self.deploy.update
        return float(update.delay_ns + (update.monitor_ns or 5 * 10**9)) / 1e9

    @property
    def undecided_s(self) -> float:
        """Seconds that the health check of a task may take until it decides."""
        check = self.body["TaskTemplate"]["ContainerSpec"].get("Healthcheck", {})
        times = (check.get(name, 0) for name in ("Interval", "Timeout", "Retries", "StartPeriod"))
        return undecided_s(Healthcheck(tuple(check.get("Test", ())), *times))


def read_service(
    name: str, node: Node, top: Top, stack: str, contents: Contents, environment: Callable[[Fields], Environment]
) -> StackService:
    keys = node.fields(_KNOWN, _UNUSED, _REFUSED)
    if not _NAME.fullmatch(name):
        node.wrong("should be a name of letters, digits, '-' and '_'")
    if not keys.has("image") and not keys.has("build"):
        node.wrong("should have image: or build:")
    if keys.has("restart") and keys["restart"].text() not in ("always", "unless-stopped"):
        keys["restart"].wrong("has no effect in a stack", "write deploy: {restart_policy: {condition: on-failure}}")
    deploy = read_deploy(keys["deploy"])
    networks = read_networks(keys["networks"], name, top.networks)
    secrets, external_secrets = read_secrets(keys["secrets"], top.secrets)
    configs, external_configs = read_configs(keys["configs"], top.configs, contents)
    container = {
        **_container(keys, stack),
        "Mounts": read_mounts(keys["volumes"], keys["tmpfs"], top.volumes),
        "Secrets": external_secrets,
        "Configs": external_configs,
    }
    task = {
        # A grace time of 0 is one, too.
        "ContainerSpec": {key: value for key, value in container.items() if value or key == "StopGracePeriod"},
        "Resources": deploy.resources,
        "RestartPolicy": deploy.restart,
        "Placement": deploy.placement,
        "Networks": networks,
        "LogDriver": _logging(keys["logging"]),
    }
    image = keys["image"].text()
    own = {NAMESPACE: stack, STACK_IMAGE: image}
    body = {
        "Labels": {**_labels(deploy.labels, keys["deploy"]), **own},
        "TaskTemplate": {key: value for key, value in task.items() if value},
        "EndpointSpec": {"Mode": deploy.endpoint_mode, "Ports": _ports(keys["ports"], deploy)},
    }
    used = tuple(top.made[one["Target"]] for one in networks if one["Target"] in top.made)
    return StackService(name, image, keys["build"], deploy, body, environment(keys), secrets, configs, used)


def _ports(node: Node, deploy: Deploy) -> list[dict[str, Any]]:
    ports = read_ports(node)
    if deploy.endpoint_mode == "dnsrr" and any(port["PublishMode"] == "ingress" for port in ports):
        node.wrong("can't be published by ingress with endpoint_mode: dnsrr", "write mode: host")
    return sorted(ports, key=lambda port: (port.get("PublishedPort", 0), port["TargetPort"]))


def _container(keys: Fields, stack: str) -> dict[str, Any]:
    dns = {"Nameservers": keys["dns"].texts(), "Search": keys["dns_search"].texts()}
    grace = {"StopGracePeriod": keys["stop_grace_period"].duration_ns()} if keys.has("stop_grace_period") else {}
    return {
        "Labels": {**_labels(keys["labels"].mapping(), keys["labels"]), NAMESPACE: stack},
        "Command": keys["entrypoint"].words(),
        "Args": keys["command"].words(),
        "Hostname": keys["hostname"].text(),
        "Hosts": [f"{_bare(address)} {name}" for name, address in _hosts(keys["extra_hosts"])],
        "DNSConfig": {key: value for key, value in dns.items() if value},
        "Healthcheck": _healthcheck(keys["healthcheck"]),
        "Dir": keys["working_dir"].text(),
        "User": keys["user"].text(),
        "StopSignal": keys["stop_signal"].text(),
        "TTY": keys["tty"].flag(),
        "OpenStdin": keys["stdin_open"].flag(),
        "ReadOnly": keys["read_only"].flag(),
        "Init": keys["init"].flag(),
        "Sysctls": keys["sysctls"].mapping(),
        "CapabilityAdd": keys["cap_add"].texts(),
        "CapabilityDrop": keys["cap_drop"].texts(),
        "Ulimits": [_ulimit(name, node) for name, node in sorted(keys["ulimits"].items().items())],
        **grace,
    }


def _labels(labels: dict[str, str], node: Node) -> dict[str, str]:
    if reserved := next((name for name in labels if name.startswith(f"{LABEL}.")), ""):
        node.wrong(f"{reserved} is a label that shipit keeps for itself", "choose another name")
    return labels


def _hosts(node: Node) -> list[tuple[str, str]]:
    """Host name and address; a list has NAME:ADDRESS or NAME=ADDRESS."""
    if node.is_map:
        return sorted(node.mapping().items())
    found: list[tuple[str, str]] = []
    for row in [node] if node.is_scalar else node.rows():
        pair = re.split("[:=]", row.text(), maxsplit=1)
        if len(pair) == 2:
            found.append((pair[0], pair[1]))
        else:
            row.wrong("should be NAME:ADDRESS")
    return found


def _bare(address: str) -> str:
    """An address without the brackets of [::1]."""
    return address[1:-1] if address.startswith("[") and address.endswith("]") else address


def _healthcheck(node: Node) -> dict[str, Any]:
    keys = node.fields(
        ("test", "disable", "interval", "timeout", "retries", "start_period"),
        refused={"start_interval": "leave it out"},
    )
    if keys["disable"].flag():
        if keys.has("test"):
            keys["test"].wrong("can't be combined with disable: true")
        return {"Test": ["NONE"]}
    test = ["CMD-SHELL", keys["test"].text()] if keys["test"].is_scalar else keys["test"].texts()
    times = {"Interval": "interval", "Timeout": "timeout", "StartPeriod": "start_period"}
    found = {"Test": test, "Retries": keys["retries"].whole()}
    found |= {name: keys[key].duration_ns() for name, key in times.items()}
    return {name: value for name, value in found.items() if value}


def _ulimit(name: str, node: Node) -> dict[str, Any]:
    if node.is_scalar:
        return {"Name": name, "Soft": _limit(node), "Hard": _limit(node)}
    keys = node.fields(("soft", "hard"))
    if missing := [key for key in ("soft", "hard") if not keys.has(key)]:
        node.wrong(f"should have {missing[0]}: docker takes both or one number", "write {soft: N, hard: N}")
    return {"Name": name, "Soft": _limit(keys["soft"]), "Hard": _limit(keys["hard"])}


def _limit(node: Node) -> int:
    return -1 if node.is_scalar and node.text() == "-1" else node.whole()


def _logging(node: Node) -> dict[str, Any]:
    keys = node.fields(("driver", "options"))
    found = {"Name": keys["driver"].text(), "Options": keys["options"].mapping()}
    return {name: value for name, value in found.items() if value}

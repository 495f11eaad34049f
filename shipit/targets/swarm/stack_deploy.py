"""`deploy:` of a service of a stack file, as the engine takes it. Pure.

Source: docker/cli, cli/compose/convert/service.go; Docker Engine API 1.41, ServiceSpec.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from shipit.targets.swarm.spec import Update
from shipit.targets.swarm.stack_node import Fields, Node

_KEYS = (
    "endpoint_mode", "labels", "mode", "placement", "replicas", "resources", "restart_policy", "rollback_config",
    "update_config",
)  # fmt: skip
_UPDATE = ("delay", "failure_action", "max_failure_ratio", "monitor", "order", "parallelism")
_CONDITIONS = ("any", "none", "on-failure")
_NO_DEVICES = "generic resources are not taken over: deploy the service by docker stack deploy"


class Deploy(NamedTuple):
    """`resources`, `restart` and `placement` are those of the API; `update` is what Swarm does where the file says nothing."""

    mode: str
    replicas: int | None
    endpoint_mode: str
    labels: dict[str, str]
    resources: dict[str, Any]
    restart: dict[str, Any]
    placement: dict[str, Any]
    update: Update
    rollback: Update | None


# The values of Swarm without update_config.
_DEFAULT = Update("stop-first", 1, 0, 0, "pause", 0.0)


def read_deploy(node: Node) -> Deploy:
    keys = node.fields(_KEYS, refused={"devices": "leave it out", "job": "leave it out"})
    mode = keys["mode"].one_of(("replicated", "global"), "replicated")
    if mode == "global" and keys.has("replicas"):
        keys["replicas"].wrong("can't be set with mode: global", "leave it out")
    replicas = keys["replicas"].whole(1, most=10_000) if keys.has("replicas") else None
    return Deploy(
        mode,
        replicas if mode == "replicated" else None,
        keys["endpoint_mode"].one_of(("vip", "dnsrr"), "vip"),
        keys["labels"].mapping(),
        _resources(keys["resources"]),
        _restart(keys["restart_policy"]),
        _placement(keys["placement"]),
        _update(keys["update_config"]) if keys.has("update_config") else _DEFAULT,
        _update(keys["rollback_config"]) if keys.has("rollback_config") else None,
    )


def _resources(node: Node) -> dict[str, Any]:
    keys = node.fields(("limits", "reservations"))
    limits = keys["limits"].fields(("cpus", "memory", "pids"))
    reserved = keys["reservations"].fields(
        ("cpus", "memory"), refused={"generic_resources": _NO_DEVICES, "devices": _NO_DEVICES}
    )
    pids = {"Pids": limits["pids"].whole()} if limits.has("pids") else {}
    return {
        name: found
        for name, found in (("Limits", {**_amounts(limits), **pids}), ("Reservations", _amounts(reserved)))
        if found
    }


def _amounts(keys: Fields) -> dict[str, int]:
    found = {"NanoCPUs": round(keys["cpus"].number() * 1e9), "MemoryBytes": keys["memory"].size()}
    return {name: value for name, value in found.items() if value}


def _restart(node: Node) -> dict[str, Any]:
    if node.is_missing:
        return {}
    keys = node.fields(("condition", "delay", "max_attempts", "window"))
    found: dict[str, Any] = {"Condition": keys["condition"].one_of(_CONDITIONS, "any")}
    for key, name in (("delay", "Delay"), ("window", "Window")):
        if keys.has(key):
            found[name] = keys[key].duration_ns()
    if keys.has("max_attempts"):
        found["MaxAttempts"] = keys["max_attempts"].whole()
    return found


def _placement(node: Node) -> dict[str, Any]:
    keys = node.fields(("constraints", "preferences", "max_replicas_per_node"))
    spread = [row.fields(("spread",))["spread"].text() for row in keys["preferences"].rows()]
    found = {
        "Constraints": keys["constraints"].texts(),
        "Preferences": [{"Spread": {"SpreadDescriptor": label}} for label in spread],
        "MaxReplicas": keys["max_replicas_per_node"].whole(),
    }
    return {key: value for key, value in found.items() if value}


def _update(node: Node) -> Update:
    keys = node.fields(_UPDATE)
    ratio = keys["max_failure_ratio"].number()
    if ratio > 1:
        keys["max_failure_ratio"].wrong("should be at most 1")
    return Update(
        keys["order"].one_of(("start-first", "stop-first"), "stop-first"),
        keys["parallelism"].whole(1, most=10_000),
        keys["delay"].duration_ns(),
        keys["monitor"].duration_ns(),
        keys["failure_action"].one_of(("pause", "continue", "rollback"), "pause"),
        ratio,
    )

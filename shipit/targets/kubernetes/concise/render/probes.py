"""The probes of a container. Pure.

Source: Kubernetes API reference, v1 Probe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.targets.kubernetes.concise.keys import ProbedContainer
from shipit.targets.kubernetes.concise.probes import PROBES, Handler, HealthConfig, ProbeConfig, ProbeKind
from shipit.targets.kubernetes.render import Manifest, literal_words

_EVERY_S, _FAILURES, _LIVENESS_EVERY_S = 2, 3, 10


def render_probes(container: ProbedContainer, health: HealthConfig | None, port: int | None) -> Manifest:
    """The probes that a container says, and those that `health` makes."""
    own = {"startup": container.startup, "readiness": container.readiness, "liveness": container.liveness}
    return {f"{kind}Probe": probe for kind in PROBES if (probe := _probe(kind, own[kind], health, port))}


def _probe(kind: ProbeKind, own: ProbeConfig | None, health: HealthConfig | None, port: int | None) -> Manifest | None:
    """A probe: what it says itself, over what `health` makes of it."""
    made = health if health and kind in health.probes else None
    if (own is None and made is None) or (own is not None and not own.enabled):
        return None
    asked: Handler | None = own if own and own.handlers else health
    if asked is None:
        return None
    times = {**(_times(kind, health) if health else {}), **(dict(_own_times(own)) if own else {})}
    return {**_handler(asked, port), **times}


def _handler(asked: Handler, port: int | None) -> Manifest:
    if asked.path is not None:
        return {"httpGet": {"path": asked.path, "port": asked.port or port}}
    if asked.command is not None:
        return {"exec": {"command": literal_words(asked.command)}}
    return {"tcpSocket": {"port": asked.tcp}} if asked.tcp is not None else {"grpc": {"port": asked.grpc}}


def _times(kind: ProbeKind, health: HealthConfig) -> Mapping[str, int]:
    """The times of a probe that `health` makes: asked often until it is ready, seldom whether it still lives."""
    timeout = {"timeoutSeconds": _whole(health.timeout)} if health.timeout is not None else {}
    every_s = _LIVENESS_EVERY_S if kind == "liveness" else _EVERY_S
    failures = max(1, _whole(health.start) // every_s) if kind == "startup" else _FAILURES
    return {"periodSeconds": every_s, "failureThreshold": failures, **timeout}


def _own_times(probe: ProbeConfig) -> Iterator[tuple[str, int]]:
    rows = (
        ("initialDelaySeconds", probe.delay),
        ("periodSeconds", probe.every),
        ("timeoutSeconds", probe.timeout),
        ("failureThreshold", probe.failures),
    )
    return ((key, _whole(value)) for key, value in rows if value is not None)


def _whole(seconds: float) -> int:
    return int(seconds)

"""The status of a swarm target, and the requests that it would send. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shipit.release import Place, RenderedPart, Status, Unit
from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.observed import GONE, ServiceFacts, SwarmObserved
from shipit.targets.swarm.plan import Wanted
from shipit.targets.swarm.render import service_body
from shipit.targets.swarm.spec import network_name, secret_name, source_of


def describe(target: str, place: Place, observed: SwarmObserved, urls: tuple[str, ...]) -> Status:
    """A unit for each service."""
    return Status(target, place, "", tuple(_unit(found) for found in observed.services.values()), urls)


def _unit(found: ServiceFacts) -> Unit:
    ready = sum(one.state == "running" for one in found.tasks if one.is_wanted)
    failed = [one for one in found.tasks if one.has_failed]
    error = max(failed, key=lambda one: one.since).ended if failed and ready < found.wanted else ""
    update = f", update {found.update}" if found.update not in ("", "completed") else ""
    changed = f", {GONE}" if found.drift == (GONE,) else ", changed by someone else" if found.drift else ""
    return Unit(
        found.service, f"{found.mode}{update}{changed}", found.image, found.wanted, ready, len(failed) or None,
        found.since, error, found.made.run,
    )  # fmt: skip


def rendered_parts(
    owner: Owner, wanted: Wanted, secrets: Collection[str], env: Mapping[str, str]
) -> tuple[RenderedPart, ...]:
    """The requests of a first deploy, without the values of secrets."""
    own = {"Name": network_name(owner), "Driver": "overlay", "Attachable": True}
    stacks = [service.spec.stack for service in wanted.values() if service.spec.stack]
    made = {one.name: {**one.body, "Name": one.name} for stack in stacks for one in stack.networks}
    parts = [RenderedPart("POST /networks/create", body) for body in (made.values() if stacks else [own])]
    for service in wanted.values():
        files = service.spec.secret_files
        names = [name for name in sorted(service.marks) if name not in files]
        left_out = tuple(name for name in names if name in secrets or name not in env)
        values = {name: f"<secret {name}>" if name in left_out else env[name] for name in names}
        kept = {name: secret_name(owner, source_of(service.spec, name), "CONTENT") for name in files}
        body = service_body(owner, service.spec, values, kept, service.replicas or 1)
        parts.append(RenderedPart("POST /services/create", body, left_out))
    return tuple(parts)

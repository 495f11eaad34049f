"""The releases of a target as the swarm tells them, and what a rollback of a deploy brings back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipit.past_release import PastRelease
from shipit.release import Facts, Step
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.plan import Wanted
from shipit.targets.swarm.plan_back import Record, missing, plan_back


def past_of(records: Sequence[Record], observed: SwarmObserved, *, tells_current: bool) -> tuple[PastRelease, ...]:
    """The releases of records; the newest whose specs all run is the current one."""
    running = observed.versions
    current = next((one for one in records if running and dict(one.services) == running), None)
    return tuple(
        one.past._replace(is_current=one is current and tells_current, gone=missing(one, observed)) for one in records
    )


def versions_of(wanted: Wanted, now: SwarmObserved) -> dict[str, str]:
    """Service -> the kept spec of a release that runs; empty where one of its services does not run as wanted."""
    found = {name: now.services[name] for name in wanted if name in now.services}
    services = {name: one.kept for name, one in found.items() if wanted[name].is_met_by(one)}
    return services if len(services) == len(wanted) else {}


def plan_rollback(
    wanted: Wanted, before: SwarmObserved, now: SwarmObserved, applied: Mapping[str, Facts]
) -> tuple[Step, ...]:
    """The steps to what ran before a deploy, for the services that it changed; empty where somebody else changed one."""
    same = {name for name, found in now.services.items() if _fingerprint(name, before) == found.fingerprint}
    for service, found in now.services.items():
        if service not in same and (service not in wanted or not wanted[service].is_met_by(found)):
            return ()
    return tuple(step for step in plan_back(_kept_before(before, applied), now) if step.service not in same)


def _fingerprint(service: str, observed: SwarmObserved) -> str:
    return observed.services[service].fingerprint if service in observed.services else ""


def _kept_before(before: SwarmObserved, applied: Mapping[str, Facts]) -> dict[str, str]:
    """Service -> the config that keeps what ran before a deploy, as its steps reported it."""
    reported = {str(facts["service"]): str(facts["before"]) for facts in applied.values() if "before" in facts}
    return {name: reported.get(name) or found.kept for name, found in before.services.items()}

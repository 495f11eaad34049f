"""The releases of a target as its hosts tell them, and what a rollback of a deploy brings back. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.past_release import PastRelease
from shipit.release import Step
from shipit.targets.docker.observed import DockerObserved
from shipit.targets.docker.plan import Wanted
from shipit.targets.docker.plan_back import Kept, Record, Ways, kept_of, names_in, plan_back
from shipit.targets.docker.wanted import names_of
from shipit.targets.engine.owner import Owner


def past_of(records: Sequence[Record], observed: DockerObserved, *, tells_current: bool) -> tuple[PastRelease, ...]:
    """The releases of records; the newest whose containers all run, and no others, is the current one."""
    running = observed.running_names()
    current = next((one for one in records if any(running.values()) and names_in(one) == running), None)
    return tuple(
        one.past._replace(is_current=one is current and tells_current, gone=missing(one, observed)) for one in records
    )


def containers_of(owner: Owner, wanted: Wanted, observed: DockerObserved) -> dict[str, tuple[Kept, ...]]:
    """Host -> the containers of a release."""
    return {
        host: tuple(
            Kept(service, number, name)
            for service, one in wanted.items()
            for name, number in names_of(owner, one, facts).items()
        )
        for host, facts in observed.hosts.items()
    }


def plan_rollback(
    owner: Owner, wanted: Wanted, before: DockerObserved, now: DockerObserved, ways: Ways
) -> tuple[Step, ...]:
    """The steps to the containers that ran before a deploy; empty where somebody else started others meanwhile."""
    old = before.running_names()
    for host, names in now.running_names().items():
        facts = before.hosts[host] if host in before.hosts else now.hosts[host]
        own = {name for service in wanted.values() for name in names_of(owner, service, facts)}
        if names - old.get(host, frozenset()) - own:
            return ()
    return plan_back(kept_of(before), now, ways)


def missing(record: Record, observed: DockerObserved) -> str:
    """Why the hosts can't return to a release; empty where all its containers are there."""
    for host, kept in record.containers.items():
        if unreached := observed.unreached.get(host):
            return f"{host} is not reached: {unreached.what}"
        facts = observed.hosts.get(host)
        if facts is None:
            return f"{host} is not a host of the target any more"
        if lost := [one.name for one in kept if facts.find(one.name) is None]:
            return f"{host} does not have the container {lost[0]} any more"
    return "" if any(record.containers.values()) else "it is not known which containers it had"

"""Hosts that do not answer, and what the others run. Pure, but for `sights`, which are written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import NamedTuple

from shipit.errors import RemoteError, ShipitError
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.docker.observed import DockerObserved, HostFacts, Unreached
from shipit.targets.docker.plan import Wanted, short_image
from shipit.targets.docker.steps import RemoveAll, ReplaceService, StopContainers, StopService

# Seconds that a host may give no answer while it is watched: an engine that is restarted takes some.
_UNREACHED_S = 30.0
_DISTINCT = "remove one of them from hosts:"

# (host, what was found there) -> whether it runs what it should.
IsMet = Callable[[str, HostFacts], bool]


def unreached_of(error: ShipitError) -> Unreached:
    return Unreached(error.where, error.what, error.hint, error.retryable)


def with_last_sights(observed: DockerObserved, sights: MutableMapping[str, str], now_s: float) -> DockerObserved:
    """The same with what each host that is not reached ran when it was seen last.

    `sights`: host -> that and the time as a text, to which what is seen now is added. `now_s` is in seconds since the epoch.
    """
    at = f"{datetime.fromtimestamp(now_s, UTC):%H:%M:%S} UTC"
    sights.update({host: f"it ran {running_text(facts)} at {at}" for host, facts in observed.hosts.items()})
    lost = {host: found._replace(ran=sights.get(host, "")) for host, found in observed.unreached.items()}
    return observed._replace(unreached=lost)


def forget_replaced(step: Step, sights: MutableMapping[str, str]) -> None:
    """Drop the sight of a host whose containers the step replaced, stopped or removed."""
    if isinstance(step, ReplaceService | StopService | StopContainers | RemoveAll):
        sights.pop(step.host, None)


def check_reached(observed: DockerObserved) -> None:
    """Raises: RemoteError for the first host that is not reached, with what is known of the others."""
    for host, lost in observed.unreached.items():
        others = (line for other, line in _states(observed) if other != host)
        raise RemoteError(lost.what, where=lost.where, hint=lost.hint, retryable=lost.retryable, detail=tuple(others))


def check_distinct(observed: DockerObserved) -> None:
    """Raises: RemoteError where two hosts are the same engine."""
    if same := same_engine(observed):
        raise RemoteError(same, hint=_DISTINCT)


def same_engine(observed: DockerObserved) -> str:
    """The hosts that are the same engine, as a sentence: they have the same container. Empty where there are none."""
    owners: dict[str, str] = {}
    for host, facts in observed.hosts.items():
        for one in facts.containers:
            if (other := owners.setdefault(one.id, host)) != host:
                return f"{other} and {host} are the same engine: both have the container {one.name}"
    return ""


def _states(observed: DockerObserved) -> Iterator[tuple[str, str]]:
    for host, facts in observed.hosts.items():
        yield host, f"{host} runs {running_text(facts)}"
    for host, lost in observed.unreached.items():
        yield host, f"{host} is not reached: {lost.what}"


def running_text(facts: HostFacts) -> str:
    """The services that run, each with the images of its containers."""
    return ", ".join(f"{name} {_images(name, facts)}" for name in facts.services) or "no service"


def _images(service: str, facts: HostFacts) -> str:
    texts = (
        short_image(one.image) + ("" if one.state == "running" else f" ({one.state})") for one in facts.running(service)
    )
    return " and ".join(dict.fromkeys(texts))


class Aim(NamedTuple):
    """The release that the hosts should run: its name, and whether a host runs it."""

    is_met: IsMet
    called: str

    def lines(self, observed: DockerObserved) -> tuple[str, ...]:
        """A line for each host: whether it runs that, or that this is not known."""
        found = [
            f"{host} {'runs' if self.is_met(host, facts) else 'does not run'} {self.called}: {running_text(facts)}"
            for host, facts in observed.hosts.items()
        ]
        lost = [
            f"{host} is not reached, and what it runs is not known{f' ({found.ran})' if found.ran else ''}: {found.what}"
            for host, found in observed.unreached.items()
        ]
        return (*found, *lost)


def aim_at_release(wanted: Wanted) -> Aim:
    """Every service of a release, in its number, and no other container of it."""

    def is_met(host: str, facts: HostFacts) -> bool:
        return all(_runs(name, facts, wanted) for name in wanted)

    return Aim(is_met, "the new release")


def _runs(service: str, facts: HostFacts, wanted: Wanted) -> bool:
    found = facts.running(service)
    return len(found) == wanted[service].count(facts) and all(map(wanted[service].is_met_by, found))


def aim_at_names(names: Mapping[str, frozenset[str]], called: str) -> Aim:
    """The containers of these names, by host, and no others."""

    def is_met(host: str, facts: HostFacts) -> bool:
        running = {one.name for one in facts.containers if one.is_running and one.service}
        return running == names.get(host, frozenset())

    return Aim(is_met, called)


def judge_reached(observed: DockerObserved, seen: Seen, pending_s: float, aim: Aim | None = None) -> Verdict | None:
    """The verdict where a host is not reached, or is another one, too; None where all are reached."""
    if same := same_engine(observed):
        return Verdict(State.FAILED, same, hint=_DISTINCT)
    if not observed.unreached:
        return None
    lost = [f"{host} is not reached: {found.what}" for host, found in observed.unreached.items()]
    hint = next(iter(observed.unreached.values())).hint
    if seen.unchanged_s > min(pending_s, _UNREACHED_S):
        said = aim.lines(observed) if aim else lost
        return Verdict(State.FAILED, "; ".join(said), " ".join(lost), hint=hint)
    return Verdict(State.WAITING, "; ".join(lost), " ".join(lost), parts=tuple(lost))

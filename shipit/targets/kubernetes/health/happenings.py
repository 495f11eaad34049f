"""Events about an object or a container, the newest last. Pure.

Source: Kubernetes API reference, v1 Event. An event that is seen again keeps its name, and gets another time and count.
"""

from __future__ import annotations

from collections.abc import Sequence

from shipit.targets.kubernetes.live import Container, Happening, Live, Pod

Events = Sequence[Happening] | None
_SECOND = len("2026-01-31T12:00:00")


def about(uid: str, events: Events, *reasons: str, since: str = "") -> list[Happening]:
    """The events of an object with one of some reasons, since a time."""
    found = [
        event
        for event in events or ()
        if event.uid == uid and event.reason in reasons and not is_before(event.time, since)
    ]
    return sorted(found, key=lambda event: second(event.time))


def about_container(pod: Pod, container: Container, events: Events, *reasons: str) -> list[Happening]:
    return [event for event in about(pod.meta.uid, events, *reasons) if event.container == container.name]


def applied_at(live: Live) -> str:
    """When a deploy last changed an object, by the clock of the server; empty where it is not known."""
    return max((manager.time for manager in live.meta.managers if manager.is_ours), default="")


def is_before(time: str, other: str) -> bool:
    """Whether a time is before another one, by the second: times of events have no more. False where one is not known."""
    return bool(time and other) and second(time) < second(other)


def second(time: str) -> str:
    return time[:_SECOND]

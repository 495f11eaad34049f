"""The steps of a target in groups that are applied side by side. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeGuard

from shipit.release import Step
from shipit.targets.docker.steps import PullImage, ReplaceService, SendImage


def waves_of(steps: Sequence[Step], first_host: str, most: int | None) -> Sequence[Sequence[Step]]:
    """The images on all hosts; then a step at a time, except that the hosts behind the first one replace a service side by side.

    `most` is how many at once; None for no limit. A service that is down while it is replaced is replaced host by host.
    """
    images = [step for step in steps if isinstance(step, PullImage | SendImage)]
    others = [step for step in steps if step not in images]
    return ([images] if images else []) + [
        wave
        for is_later, group in groupby(others, lambda step: _is_later(step, first_host))
        for wave in (_by_service(list(group), most) if is_later else [[step] for step in group])
    ]


def _is_later(step: Step, first_host: str) -> bool:
    return isinstance(step, ReplaceService) and step.host != first_host


def _by_service(steps: Sequence[Step], most: int | None) -> Iterator[Sequence[Step]]:
    replacing = [step for step in steps if _replaces(step)]
    for service in dict.fromkeys(step.service for step in replacing):
        alike = [step for step in replacing if step.service == service]
        if any(step.order == "stop-first" for step in alike):
            yield from ([step] for step in alike)
        else:
            for at in range(0, len(alike), most or len(alike)):
                yield alike[at : at + (most or len(alike))]


def _replaces(step: Step) -> TypeGuard[ReplaceService]:
    return isinstance(step, ReplaceService)

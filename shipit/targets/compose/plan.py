"""The steps from a Compose project as it is to a rendered file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shipit.release import Step
from shipit.targets.compose.change import ServiceChange, runs_again, service_change, short_image, with_followers
from shipit.targets.compose.config import Rollout
from shipit.targets.compose.observed import ComposeObserved, Wanted
from shipit.targets.compose.rollout import Batch, awaited, batches, needed
from shipit.targets.compose.steps import ComposeUp, PullImage, RemoveFirst, RemoveService, RollService, SendImage


def plan_compose(
    project: str,
    wanted: Wanted,
    observed: ComposeObserved,
    sent: Mapping[str, str],
    rollouts: Mapping[str, Rollout],
    *,
    is_back: bool = False,
) -> tuple[Step, ...]:
    """The images, one `up` for the whole project, and the removal of services that left the file; empty when up to date.

    A service of `rollouts` that runs is replaced by a step of its own, after those that it needs and before those that need it.
    `sent`: name of an image that is sent to the engine -> its digest.
    """
    current = observed.current
    before = current.services if current else {}
    found = [
        service_change(name, service, observed.of(name), before.get(name), is_start_first=name in rollouts)
        for name, service in wanted.services.items()
    ]
    found = with_followers(wanted, observed, found)
    changes = [change for change in found if change.lines]
    quantities = {one.service: one.quantity for one in found if one.quantity > 1}
    steps: list[Step] = []
    for batch in batches([*changes, *_jobs_again(changes, wanted, observed)], wanted):
        if rolled := batch.rolled:
            steps.append(_roll(rolled, wanted, observed, rollouts[rolled.service]))
        else:
            steps.append(_up(project, wanted, observed, batch, quantities, is_back=is_back))
    removals = tuple(_removals(wanted, observed))
    return (
        *(_images(wanted, observed, sent) if changes else ()),
        *(step for step in removals if isinstance(step, RemoveFirst)),
        *_numbered(steps),
        *(step for step in removals if not isinstance(step, RemoveFirst)),
    )


def _numbered(steps: list[Step]) -> Iterator[Step]:
    """The steps with ids that differ."""
    seen: list[str] = []
    for step in steps:
        seen.append(step.id)
        count = seen.count(step.id)
        yield step if count == 1 else replace(step, id=f"{step.id} {count}")


def _jobs_again(changes: list[ServiceChange], wanted: Wanted, observed: ComposeObserved) -> Iterator[ServiceChange]:
    """The services that have ended, and run again before one that is rolled, as Compose does it."""
    rolled, changed = [one.service for one in changes if one.is_rolled], {one.service for one in changes}
    for name in sorted(needed(rolled, wanted) - changed):
        if runs_again(wanted.services[name], observed.of(name)):
            yield ServiceChange(name, ("runs again",), len(observed.of(name)))


def _roll(change: ServiceChange, wanted: Wanted, observed: ComposeObserved, rollout: Rollout) -> Step:
    drain = (
        f"the old ones run on for {rollout.drain_s:g} s, and are removed"
        if rollout.drain_s
        else "the old ones are removed then"
    )
    return RollService(
        f"roll {change.service}",
        f"replace {change.service}, new containers first",
        (
            *(f"{change.service}  {line}" for line in change.lines),
            f"{change.service}  when the new containers are ready, {drain}",
        ),
        effect="replace",
        undo="shipit rollback" if observed.current else "",
        file=wanted.file,
        is_kept=wanted.is_kept,
        images=wanted.images,
        platforms=wanted.platforms,
        service=change.service,
        quantity=change.quantity,
        awaits=awaited([change.service], wanted),
        drain_s=rollout.drain_s,
        before_stop=rollout.before_stop,
        known=tuple(one.id for one in observed.containers),
    )


def _images(wanted: Wanted, observed: ComposeObserved, sent: Mapping[str, str]) -> Iterator[Step]:
    """The steps that bring the engine the images that it lacks."""
    for image in dict.fromkeys(wanted.images.values()):
        if image in observed.images:
            continue
        if "@" in image:
            platform = wanted.platforms.get(image, "")
            name = f"pull {short_image(image)}"
            yield PullImage(name, f"pull {image}", effect="create", image=image, platform=platform)
        elif image in sent:
            yield SendImage(
                f"send {image}", f"send {image} to the engine", effect="create", image=sent[image], name=image
            )


def _up(
    project: str,
    wanted: Wanted,
    observed: ComposeObserved,
    batch: Batch,
    quantities: Mapping[str, int],
    *,
    is_back: bool,
) -> Step:
    changes = batch.changes
    changed = [change.service for change in changes]
    # A service that has ended runs once, also when what waits for it changes in two steps.
    jobs = (name for name in needed(changed, wanted) if runs_again(wanted.services[name], observed.of(name)))
    is_alone = not batch.is_first and any(jobs)
    touched = frozenset(changed) if is_alone else needed(changed, wanted)
    again = [name for name in wanted.services if name in touched and name not in changed]
    detail = [f"{change.service}  {line}" for change in changes for line in change.lines]
    detail += [f"{name}  runs again" for name in again if runs_again(wanted.services[name], observed.of(name))]
    has_containers = any(observed.of(change.service) for change in changes)
    verb = "bring back" if is_back else "update" if observed.containers else "start"
    return ComposeUp(
        "up",
        f"{verb} {', '.join(changed)} of the project {project}",
        tuple(detail),
        effect="replace" if has_containers else "create",
        undo="shipit rollback" if observed.current else "",
        file=wanted.file,
        is_kept=wanted.is_kept,
        images=wanted.images,
        platforms=wanted.platforms,
        services=tuple(changed),
        quantities={name: quantity for name, quantity in quantities.items() if name in touched},
        stale=tuple(name for change in changes for name in change.stale),
        is_alone=is_alone,
        awaits=awaited(changed, wanted) if is_alone else {},
        known=tuple(one.id for one in observed.containers),
    )


def _removals(wanted: Wanted, observed: ComposeObserved) -> Iterator[RemoveService]:
    """The services that left the file: those that have what another one needs are removed before it starts, the others at the end."""
    needed_by = {claim: name for name, service in wanted.services.items() for claim in service.claims}
    for service in observed.services:
        own = [one for one in observed.of(service) if one.is_own]
        if service in wanted.services or not own:
            continue
        taken = sorted(claim for one in own for claim in one.claims if claim in needed_by)
        kind = RemoveFirst if taken else RemoveService
        detail = tuple(f"{needed_by[claim]} needs {claim}" for claim in dict.fromkeys(taken))
        names = tuple(one.name for one in own)
        yield kind(
            f"remove {service}", f"remove {service}, which left the compose file", (*names, *detail), "delete",
            undo="add it to the file again", names=names,
        )  # fmt: skip


def notes_on(project: str, wanted: Wanted, observed: ComposeObserved) -> Iterator[str]:
    """Notes on an override that deploy.yml does not name, on variables without a value, and on objects that are taken over or left alone."""
    if observed.merged:
        file, override = observed.merged
        yield f"{override} is merged over {file}, as docker compose does it; file: {file} leaves it out"
    if observed.unset:
        yield f"empty in the compose file, as they are not set: {', '.join(observed.unset)}"
    others = [one for one in observed.containers if not one.is_own]
    if taken := [one for one in others if one.service in wanted.services]:
        files = ", ".join(sorted({one.file for one in taken if one.file}))
        names = ", ".join(one.name for one in taken)
        yield (
            f"takes over the project {project}, which docker compose started{f' from {files}' if files else ''}: {names}; "
            "its volumes stay; this deploy can't be rolled back"
        )
    if left := [one.name for one in others if one.service not in wanted.services]:
        yield f"left alone, as shipit did not create them: {', '.join(left)}"

"""The health of an app after a release, against what the run wanted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.digest import Digest
from shipit.release import Seen, State, Verdict
from shipit.targets.heroku.descriptions import (
    changes_images,
    describe_release,
    is_about_config,
    released_images,
    sets_variables,
)
from shipit.targets.heroku.observed import (
    NOTHING_BEFORE,
    RELEASE,
    UP,
    WEB,
    Before,
    DynoFacts,
    HerokuObserved,
    ReleaseFacts,
    ShortDigest,
)
from shipit.targets.heroku.wanted import Wanted

# Heroku kills a web dyno that has not bound its port by then (R10).
BOOT_S = 60.0
STATUSES = ("pending", "succeeded", "failed", "expired")


def judge_heroku(wanted: Wanted, observed: HerokuObserved, seen: Seen, *, pending_s: float) -> Verdict:
    """Judge the release of these images first, then the running images, config vars, dynos, and the probe.

    Only releases of our images after the plan count: the outcome of somebody else's release shows in the running images.
    """
    return (
        _judge_release(wanted.images, observed, seen)
        or _judge_formation(wanted, observed, seen)
        or _judge_config(wanted, observed, seen)
        or judge_dynos(wanted, observed, seen, pending_s)
    )


def _judge_release(images: Mapping[str, Digest | ShortDigest], observed: HerokuObserved, seen: Seen) -> Verdict | None:
    ours = next((release for release in _since(observed, seen) if _is_ours(release, images)), None)
    if ours is None and not all(_runs(observed, name, image) for name, image in images.items()):
        ours = next((release for release in _since(observed, seen) if not _is_described(release)), None)
    if ours is None or ours.status in ("succeeded", "expired"):
        return None
    if ours.status == "pending":
        return Verdict(State.WAITING, f"release v{ours.version} is pending", f"v{ours.version} pending")
    if ours.status == "failed":
        what = f"release v{ours.version} failed{as_many_up(observed, _before(seen))}"
        return Verdict(State.FAILED, what, subject=f"release:{ours.id}", down=outage(observed, _before(seen)))
    known = ", ".join(STATUSES)
    what = f"release v{ours.version} has the status {ours.status!r}, which is none of {known}"
    return Verdict(State.FAILED, what, hint=f"heroku releases --app {observed.app}")


def _runs(observed: HerokuObserved, name: str, image: Digest | ShortDigest) -> bool:
    return name in observed.formation and bool(observed.formation[name].runs(image))


def _is_described(release: ReleaseFacts) -> bool:
    """Whether the description of a release says what it changed: images, or config vars."""
    return changes_images(release) or is_about_config(release)


def as_many_up(observed: HerokuObserved, before: Before) -> str:
    """The end of a sentence that says that as many dynos are up as before, of any release; empty where they are not, or none were."""
    counts = {name: count for name, count in before.dynos.items() if count}
    is_up = counts and all(observed.up(name) >= count for name, count in counts.items())
    return "; as many dynos are up as before" if is_up else ""


def _judge_formation(wanted: Wanted, observed: HerokuObserved, seen: Seen) -> Verdict | None:
    for name, image in wanted.images.items():
        running = observed.formation.get(name)
        if (running is None or not running.runs(image)) and (earlier := _pending(observed, name, image)):
            what = f"release v{earlier.version} of an earlier run is pending"
            return Verdict(State.WAITING, what, f"v{earlier.version} pending")
        if running is None:
            return Verdict(State.FAILED, f"the formation has no process type {name}", hint="deploy again")
        if running.runs(image) is None:
            what = f"neither Heroku's formation nor its releases tell which image {name} runs"
            return Verdict(State.FAILED, what, hint=f"heroku releases --app {observed.app}")
        if not running.runs(image):
            return replaced(f"{name} runs {running.short}, not {image.short}", _culprit(observed, seen, wanted))
        quantity, size = wanted.quantities.get(name), wanted.sizes.get(name)
        if quantity not in (None, running.quantity):
            return replaced(f"{name} is scaled to {running.quantity}, not {quantity}", None)
        if size is not None and size.lower() != running.size.lower():
            return replaced(f"{name} is of the size {running.size}, not {size}", None)
    return None


def _pending(observed: HerokuObserved, name: str, image: Digest | ShortDigest) -> ReleaseFacts | None:
    """A release of an image for a process type whose release command still runs, as a killed run leaves it."""
    return next(
        (
            release
            for release in observed.releases
            if release.status == "pending" and released_images(release).get(name) == image.short
        ),
        None,
    )


def _judge_config(wanted: Wanted, observed: HerokuObserved, seen: Seen) -> Verdict | None:
    changed = [name for name, mark in wanted.marks.items() if observed.config_marks.get(name) != mark]
    if not changed:
        return None
    culprit = next((release for release in _since(observed, seen) if sets_variables(release, changed)), None)
    verb = "are" if len(changed) > 1 else "is"
    return replaced(f"{', '.join(sorted(changed))} {verb} not what this run wanted", culprit)


def replaced(what: str, culprit: ReleaseFacts | None) -> Verdict:
    """A failure because somebody else changed the app, with who that was, as far as known."""
    by = (culprit.user if culprit else "") or "someone else"
    how = f"someone else released {describe_release(culprit)}" if culprit else "someone else changed it"
    return Verdict(State.FAILED, f"{what}: {how}", hint="deploy again when they are done", superseded_by=by)


def _culprit(observed: HerokuObserved, seen: Seen, wanted: Wanted) -> ReleaseFacts | None:
    """The newest release since the plan that has none of our images: preferably one that changed images."""
    others = [release for release in _since(observed, seen) if not _is_ours(release, wanted.images)]
    return next((release for release in others if changes_images(release)), others[0] if others else None)


def _since(observed: HerokuObserved, seen: Seen) -> Iterator[ReleaseFacts]:
    """Releases since the plan was made, newest first."""
    before = seen.before or seen.baseline
    base = before.version if isinstance(before, HerokuObserved) else 0
    return (release for release in observed.releases if release.version > base)


def _is_ours(release: ReleaseFacts, images: Mapping[str, Digest | ShortDigest]) -> bool:
    return any(name in images and images[name].short == short for name, short in released_images(release).items())


def judge_dynos(wanted: Wanted, observed: HerokuObserved, seen: Seen, pending_s: float) -> Verdict:
    """The health of the dynos of the wanted process types, and what the app answered to the probe."""
    waiting, states = [], []
    for name in sorted(set(wanted.images) - {RELEASE}):
        own = [dyno for dyno in observed.dynos if dyno.process == name]
        current = [dyno for dyno in own if dyno.version >= observed.running_version]
        if crashed := [dyno for dyno in current if dyno.state == "crashed"]:
            first = crashed[0]
            what = f"{first.name} crashed at v{first.version}"
            return Verdict(State.FAILED, what, subject=f"dyno:{first.name}", down=outage(observed, _before(seen)))
        up, quantity = sum(dyno.state in UP for dyno in current), observed.formation[name].quantity
        states += [f"{dyno.name}:{dyno.state}:{dyno.version}" for dyno in own]
        if up < quantity:
            waiting.append(f"{name} {up} of {quantity} up{_others(own)}")
    probe = observed.probe
    if not waiting and probe and probe.is_required and not probe.is_good:
        waiting.append(probe.summary)
    progress = " ".join([*sorted(states), probe.summary if probe else ""]).strip()
    if not waiting:
        return Verdict(State.HEALTHY, _summary(wanted, observed), progress, warnings=tuple(_warnings(wanted, observed)))
    if seen.unchanged_s > BOOT_S + pending_s:
        first_down = next((dyno.name for dyno in observed.dynos if dyno.state not in UP), "")
        return Verdict(
            State.FAILED,
            f"{'; '.join(waiting)} for {seen.unchanged_s:.0f} s",
            progress,
            subject=f"dyno:{first_down}" if first_down else "",
            down=outage(observed, _before(seen), is_late=True),
        )
    return Verdict(State.WAITING, "; ".join(waiting), progress, parts=tuple(waiting))


def _before(seen: Seen) -> Before:
    before = seen.before or seen.baseline
    if not isinstance(before, HerokuObserved):
        return NOTHING_BEFORE
    # A release whose web dynos were down is no way back.
    return before.before if before.up(WEB) else Before(before.before.dynos)


def outage(observed: HerokuObserved, before: Before, *, is_late: bool = False) -> str:
    """A message that no web dyno is up, and how to return to what ran before; empty while one is or may come up."""
    web = observed.formation.get(WEB)
    if web is None or not web.quantity or observed.up(WEB):
        return ""
    if not is_late and any(dyno.process == WEB and dyno.state != "crashed" for dyno in observed.dynos):
        return ""
    what = f"{observed.app} is DOWN at v{observed.running_version}"
    if before.version in (0, observed.running_version):
        return what
    return f"{what}; to return to v{before.version}: heroku rollback v{before.version} --app {observed.app}"


def _warnings(wanted: Wanted, observed: HerokuObserved) -> Iterator[str]:
    """Warnings for an app that is as wanted, and serves nobody."""
    if WEB not in wanted.images:
        return
    if not observed.formation[WEB].quantity:
        yield f"web is scaled to 0 dynos: nothing serves. heroku ps:scale web=1 --app {observed.app}"
    elif observed.maintenance:
        yield f"the app is in maintenance mode: visitors see Heroku's page. heroku maintenance:off --app {observed.app}"
    elif observed.probe and not observed.probe.is_good:
        yield f"web may not serve: {observed.probe.summary}. With health: a path of web is asked before it is called healthy"


def _others(dynos: list[DynoFacts]) -> str:
    states = sorted({dyno.state for dyno in dynos if dyno.state != "up"})
    return f" ({', '.join(states)})" if states else ""


def _summary(wanted: Wanted, observed: HerokuObserved) -> str:
    parts = []
    for name in sorted(set(wanted.images) - {RELEASE}):
        quantity = observed.formation[name].quantity
        parts.append(f"{name} {quantity} up" if quantity else f"{name} scaled to 0")
    note = ", in maintenance mode" if observed.maintenance else ""
    return f"v{observed.running_version}: {', '.join(parts)}{note}"

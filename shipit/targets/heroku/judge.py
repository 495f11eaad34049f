"""What to think of an app after a release. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from shipit.release import Seen, State, Verdict, short
from shipit.targets.heroku.observed import DynoFacts, HerokuObserved

# Heroku kills a web dyno that has not bound its port by then (R10).
BOOT_S = 60.0


def judge_heroku(images: Mapping[str, str], observed: HerokuObserved, seen: Seen, *, pending_s: float) -> Verdict:
    """Judge by release status first, then by what runs, then by dynos. `images`: process type -> config digest."""
    base = seen.baseline.version if isinstance(seen.baseline, HerokuObserved) else 0
    new = [release for release in observed.releases if release.version > base]
    for release in new:
        if release.status in ("failed", "expired"):
            return Verdict(
                State.FAILED,
                f"release v{release.version} failed; what ran before still runs",
                subject=f"release:{release.id}",
            )
    if pending := [release for release in observed.releases[:1] if release.status == "pending"]:
        return Verdict(State.WAITING, f"release v{pending[0].version} is pending", f"v{pending[0].version} pending")
    for name, image in images.items():
        running = observed.formation.get(name)
        if running is not None and running.image not in (None, image):
            what = f"{name} runs {short(running.image or '')}, not {short(image)}: someone else released v{observed.version}"
            hint = "deploy again when they are done"
            return Verdict(State.FAILED, what, hint=hint, superseded_by="someone else")
        if running is None:
            return Verdict(State.FAILED, f"the formation has no process type {name}", hint="deploy again")
    return _judge_dynos(images, observed, seen, pending_s)


def _judge_dynos(images: Mapping[str, str], observed: HerokuObserved, seen: Seen, pending_s: float) -> Verdict:
    waiting, states = [], []
    for name in sorted(images):
        quantity = observed.formation[name].quantity
        own = [dyno for dyno in observed.dynos if dyno.process == name]
        if name == "release":
            continue
        current = [dyno for dyno in own if dyno.version >= observed.version]
        crashed = [dyno for dyno in current if dyno.state == "crashed"]
        if crashed:
            return Verdict(
                State.FAILED, f"{crashed[0].name} crashed at v{crashed[0].version}", subject=f"dyno:{crashed[0].name}"
            )
        up = [dyno for dyno in current if dyno.state in ("up", "idle")]
        states += [f"{dyno.name}:{dyno.state}:{dyno.version}" for dyno in own]
        if len(up) < quantity:
            waiting.append(f"{name} {len(up)} of {quantity} up{_others(own)}")
    progress = " ".join(sorted(states))
    if not waiting:
        return Verdict(State.HEALTHY, _summary(images, observed), progress)
    if seen.unchanged_s > BOOT_S + pending_s:
        first = next((dyno.name for dyno in observed.dynos if dyno.state != "up"), "")
        return Verdict(
            State.FAILED,
            f"{'; '.join(waiting)} for {seen.unchanged_s:.0f} s",
            progress,
            subject=f"dyno:{first}" if first else "",
        )
    return Verdict(State.WAITING, "; ".join(waiting), progress)


def _others(dynos: list[DynoFacts]) -> str:
    states = sorted({dyno.state for dyno in dynos if dyno.state != "up"})
    return f" ({', '.join(states)})" if states else ""


def _summary(images: Mapping[str, str], observed: HerokuObserved) -> str:
    parts = []
    for name in sorted(images):
        if name != "release":
            quantity = observed.formation[name].quantity
            parts.append(f"{name} {quantity} up" if quantity else f"{name} scaled to 0")
    note = ", in maintenance mode" if observed.maintenance else ""
    return f"v{observed.version}: {', '.join(parts)}{note}"

"""From an app as it is to an app as it should be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipit.release import Step, short
from shipit.targets.heroku.observed import HerokuObserved

RELEASE = "release"


@dataclass(frozen=True)
class Wanted:
    """What should be: config digests, quantities and sizes by process type; env by value; secrets by mark."""

    images: Mapping[str, str]
    quantities: Mapping[str, int]
    sizes: Mapping[str, str]
    env: Mapping[str, str]
    env_marks: Mapping[str, str]
    secret_marks: Mapping[str, str]


def plan_heroku(wanted: Wanted, observed: HerokuObserved) -> tuple[Step, ...]:
    """Config vars first, in one request; then every stale process type in one release; then quantities and sizes."""
    steps = (plan_config(wanted, observed), plan_release(wanted, observed), plan_scale(wanted, observed))
    return tuple(step for step in steps if step)


def plan_config(wanted: Wanted, observed: HerokuObserved) -> Step | None:
    marks = {**wanted.env_marks, **wanted.secret_marks}
    stale = sorted(name for name, mark in marks.items() if observed.config_marks.get(name) != mark)
    if not stale:
        return None
    literal = {name: wanted.env[name] for name in stale if name in wanted.env}
    detail = [f"{name}={value}" for name, value in literal.items()]
    detail += [f"{name} (secret)" for name in stale if name in wanted.secret_marks]
    secrets = [name for name in stale if name in wanted.secret_marks]
    return Step("config", f"set {', '.join(stale)}", tuple(detail), payload={"set": literal, "secrets": secrets})


def plan_release(wanted: Wanted, observed: HerokuObserved) -> Step | None:
    """One release for all stale types.

    Source: Heroku Platform API, PATCH /apps/{app}/formation, `updates[].docker_image`, the config digest.
    """
    running = {name: facts.image for name, facts in observed.formation.items()}
    stale = sorted(name for name, image in wanted.images.items() if running.get(name) != image)
    if not stale:
        return None
    detail = [f"{name}  {_image(running.get(name))} -> {short(wanted.images[name])}" for name in stale]
    if RELEASE in wanted.images:
        detail.append("runs the release command first; if it fails, what runs now stays")
    updates = [{"type": name, "docker_image": wanted.images[name]} for name in stale]
    return Step(
        "release",
        f"release {', '.join(stale)}",
        tuple(detail),
        payload={"updates": updates, "baseline": observed.version},
    )


def plan_scale(wanted: Wanted, observed: HerokuObserved) -> Step | None:
    updates, detail = [], []
    for name in sorted({*wanted.quantities, *wanted.sizes}):
        facts = observed.formation.get(name)
        update: dict[str, object] = {}
        quantity, size = wanted.quantities.get(name), wanted.sizes.get(name)
        if quantity is not None and (facts is None or facts.quantity != quantity):
            update["quantity"] = quantity
            detail.append(f"{name}  {facts.quantity if facts else 0} -> {quantity} dynos")
        if size is not None and (facts is None or facts.size.lower() != size.lower()):
            update["dyno_size"] = {"name": size}
            detail.append(f"{name}  {facts.size if facts else 'none'} -> {size}")
        if update:
            updates.append({"type": name, **update})
    return (
        Step(
            "scale", f"scale {', '.join(str(u['type']) for u in updates)}", tuple(detail), payload={"updates": updates}
        )
        if updates
        else None
    )


def plan_back(before: HerokuObserved, now: HerokuObserved, ours: Mapping[str, str]) -> tuple[Step, ...]:
    """The way back to what was observed before: one rollback, config vars, then quantities and sizes.

    `ours`: process type -> the config digest that this deploy released. Where another runs, someone else released
    since, and nothing is done. Nor is it where nothing ran before, or its release can't be released again.

    Source: Heroku Platform API, POST /apps/{app}/releases, `release`.
    """
    known = {name: {facts.image, ours.get(name)} for name, facts in before.formation.items()}
    if not before.formation or any(
        facts.image not in known.get(name, {ours.get(name)}) for name, facts in now.formation.items()
    ):
        return ()
    images = {name: facts.image for name, facts in before.formation.items()}
    moved = {name: facts.image for name, facts in now.formation.items()} != images
    release = next((release for release in before.releases if release.status == "succeeded"), None)
    steps = []
    if moved and release and release.is_eligible:
        payload = {"rollback": release.id, "baseline": now.version}
        steps.append(Step("rollback", f"roll back to v{release.version}", payload=payload))
    changed = [name for name, mark in now.config_marks.items() if before.config_marks.get(name) != mark]
    if changed:
        # Whether a rollback brings config vars back is Heroku's to say; what it left is set, by name.
        steps.append(Step("config back", f"put {', '.join(sorted(changed))} back", payload={"names": sorted(changed)}))
    quantities = {name: facts.quantity for name, facts in before.formation.items()}
    sizes = {name: facts.size for name, facts in before.formation.items()}
    scale = plan_scale(Wanted({}, quantities, sizes, {}, {}, {}), now)
    return (*steps, *((scale,) if scale else ()))


def _image(digest: str | None) -> str:
    return short(digest) if digest else "none"

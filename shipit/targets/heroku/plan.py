"""From an app as it is to an app as it should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from shipit.digest import Digest
from shipit.release import PayloadStep as Step
from shipit.targets.heroku.observed import OWNED, HerokuObserved, ProcessFacts, Told

RELEASE = "release"


@dataclass(frozen=True)
class Wanted:
    """What should be: images, quantities and sizes by process type; env by value; secrets by mark.

    `prune` is whether what shipit made and deploy.yml no longer has is removed.
    """

    images: Mapping[str, Digest | Told]
    quantities: Mapping[str, int]
    sizes: Mapping[str, str]
    env: Mapping[str, str]
    env_marks: Mapping[str, str]
    secret_marks: Mapping[str, str]
    prune: bool = True

    @property
    def marks(self) -> dict[str, str]:
        return {**self.env_marks, **self.secret_marks}


def plan_heroku(wanted: Wanted, observed: HerokuObserved) -> tuple[Step, ...]:
    """Config vars in one request, process types that go, every stale process type in one release, quantities and sizes.

    Each of the first three makes a release, and each release runs the release command that the app has then. Where a
    new one comes last, the one of before is taken out first: it does not run on the new config vars, and the new one
    runs once.
    """
    config, release, scale = plan_config(wanted, observed), plan_release(wanted, observed), plan_scale(wanted, observed)
    gone = plan_removals(wanted, observed)
    command = next((step for step in gone if step.payload["process"] == RELEASE), None)
    others = [step for step in (config, *gone) if step and step is not command]
    if release and others and RELEASE in observed.formation and RELEASE in _types(release):
        command = _removal(RELEASE, observed.formation[RELEASE], "take out the release command of before")
    releasing = [step for step in (command, *others, release) if step]
    return (*_numbered(releasing, wanted, observed), *([scale] if scale else ()))


def plan_config(wanted: Wanted, observed: HerokuObserved) -> Step | None:
    """One request that sets what differs, and removes what shipit set and deploy.yml no longer has."""
    marks = wanted.marks
    stale = sorted(name for name, mark in marks.items() if observed.config_marks.get(name) != mark)
    gone = sorted(_no_longer_wanted(wanted, observed)) if wanted.prune else []
    if not stale and not gone:
        return None
    secrets = [name for name in stale if name in wanted.secret_marks]
    literal: dict[str, str | None] = {name: wanted.env[name] for name in stale if name in wanted.env}
    detail = [f"{name}={value}" for name, value in literal.items()]
    detail += [f"{name} (secret)" for name in secrets]
    detail += [f"{name}  no longer in deploy.yml" for name in gone]
    owned = (observed.owned - set(gone)) | set(stale)
    if owned != observed.owned:
        detail.append(f"{OWNED} names what shipit has set")
    note = {OWNED: ",".join(sorted(owned)) or None} if owned != observed.owned else {}
    summary = "; ".join(f"{verb} {', '.join(names)}" for verb, names in (("set", stale), ("remove", gone)) if names)
    payload = {"set": literal, "secrets": secrets, "remove": gone, "note": note}
    return Step("config", summary, tuple(detail), payload=payload)


def _no_longer_wanted(wanted: Wanted, observed: HerokuObserved) -> set[str]:
    """Config vars that shipit set, that are there, and that deploy.yml does not have."""
    return {name for name in observed.owned if name in observed.config_marks and name not in wanted.marks}


def plan_removals(wanted: Wanted, observed: HerokuObserved) -> list[Step]:
    """Process types whose image shipit pushed and that deploy.yml no longer has."""
    gone = _types_no_longer_wanted(wanted, observed) if wanted.prune else []
    return [_removal(name, observed.formation[name], f"remove {name}") for name in gone]


def _types_no_longer_wanted(wanted: Wanted, observed: HerokuObserved) -> list[str]:
    return sorted(name for name, facts in observed.formation.items() if name not in wanted.images and facts.is_ours)


def _removal(name: str, facts: ProcessFacts, summary: str) -> Step:
    detail = (f"{name}  {facts.short or 'unknown'} -> none",)
    return Step(f"remove {name}", summary, detail, payload={"process": name, "image": facts.short})


def plan_release(wanted: Wanted, observed: HerokuObserved) -> Step | None:
    """One release for all stale types.

    Source: Heroku Platform API, PATCH /apps/{app}/formation, `updates[].docker_image`, the config digest.
    """
    running = observed.formation
    stale = sorted(name for name, image in wanted.images.items() if not (name in running and running[name].runs(image)))
    if not stale:
        return None
    detail = [f"{name}  {_image(running.get(name))} -> {wanted.images[name].short}" for name in stale]
    updates = [{"type": name, "docker_image": str(wanted.images[name])} for name in stale]
    return Step("release", f"release {', '.join(stale)}", tuple(detail), payload={"updates": updates})


def _types(release: Step) -> set[str]:
    return {update["type"] for update in release.payload["updates"]}


def _numbered(steps: list[Step], wanted: Wanted, observed: HerokuObserved) -> Iterator[Step]:
    """Steps that each make a release, with which of how many it is and which command runs in which image."""
    facts = observed.formation.get(RELEASE)
    command = (facts.short or "the image of before") if facts else ""
    images = {name: image.short for name, image in wanted.images.items()}
    base = {"baseline": observed.version, "app": observed.id, "images": images}
    taken_out: list[str] = []
    for number, step in enumerate(steps, 1):
        if step.payload.get("process") == RELEASE:
            command = ""
        for update in step.payload.get("updates", ()):
            if update["type"] == RELEASE:
                command = Digest(update["docker_image"]).short
        said = f"runs the release command in {command} first; if it fails, what runs now stays" if command else ""
        if len(steps) > 1:
            which = f"release {number} of {len(steps)}"
            said = f"{which}, {said or 'without a release command'}"
        payload = {**step.payload, **base, "is_later": number > 1, "taken_out": list(taken_out)}
        yield replace(step, detail=(*step.detail, said) if said else step.detail, payload=payload)
        taken_out += [step.payload["process"]] if "process" in step.payload else []


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
    if not updates:
        return None
    summary = f"scale {', '.join(str(update['type']) for update in updates)}"
    return Step("scale", summary, tuple(detail), payload={"updates": updates, "app": observed.id})


def notes_on(wanted: Wanted, observed: HerokuObserved) -> tuple[str, ...]:
    """What the plan says beside its steps: what deploy.yml does not have, and stays."""
    notes = []
    if not wanted.prune:
        kept = [*_types_no_longer_wanted(wanted, observed), *sorted(_no_longer_wanted(wanted, observed))]
        notes += [f"{name} is no longer in deploy.yml, and stays: prune is false" for name in kept]
    for name, facts in sorted(observed.formation.items()):
        if name not in wanted.images and not facts.is_ours:
            why = "is not known to be ours" if facts.is_ours is None else "was not pushed by shipit"
            notes.append(f"{name} is not in deploy.yml, and stays: its image {why}")
    return tuple(notes)


def _image(facts: ProcessFacts | None) -> str:
    return (facts.short or "unknown") if facts else "none"

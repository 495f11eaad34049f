"""The switch of a Service from one Deployment to another, and what happens to the earlier one. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from shipit.config.units import render_duration
from shipit.release import Step
from shipit.targets.kubernetes.applyset import PART_OF_LABEL
from shipit.targets.kubernetes.concise.blue_green import BlueGreenConfig, slot_names
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.details import lines_of
from shipit.targets.kubernetes.drift import object_differences
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import spec_of
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.render import NAME_LABEL, Manifest
from shipit.targets.kubernetes.slots import Slot, active_slot, selected_name
from shipit.targets.kubernetes.steps import ApplyObject, AwaitPods, ObjectStep, RemoveObject
from shipit.targets.kubernetes.waves import RUN_WAVE, rank


def with_switches(
    steps: Sequence[Step], wanted: Mapping[str, Manifest], desired: Desired, observed: KubernetesObserved
) -> tuple[Step, ...]:
    """The steps in which a Service changes to another Deployment when the pods of that are ready.

    `wanted`: key -> object as it is applied.
    """
    switches: list[tuple[AwaitPods, Step]] = []
    for step in steps:
        if (name := _switched(step, desired, observed)) and (runner := wanted.get(f"Deployment/{_selected_by(step)}")):
            switches.append((_await_pods(name, runner, desired), step))
    if not switches:
        return tuple(steps)
    moved = [step for _, step in switches]
    rest = [step for step in steps if step not in moved]
    place = next((index for index, step in enumerate(rest) if _comes_after(step)), len(rest))
    pairs = (item for pair in switches for item in pair)
    return (*rest[:place], *pairs, *rest[place:])


def with_changes(steps: Sequence[Step], slots: Mapping[str, Slot], observed: KubernetesObserved) -> tuple[Step, ...]:
    """The steps, those of new versions with what differs from the version that is selected now."""
    active = {slot.name: active_slot(name, observed) for name, slot in slots.items()}
    return tuple(_with_changes(step, active, observed) if isinstance(step, ApplyObject) else step for step in steps)


def _with_changes(step: ApplyObject, active: Mapping[str, str], observed: KubernetesObserved) -> Step:
    name = str(step.manifest["metadata"]["name"])
    other = active.get(name, "") if step.manifest["kind"] == "Deployment" else ""
    live = observed.objects.get(f"Deployment/{other}")
    if live is None or other == name:
        return step
    found = object_differences(step.manifest, live)
    pods = [one for one in found if one.keys[:2] == ("spec", "template") and NAME_LABEL not in one.keys]
    lines = lines_of(pods, live)
    more = (f"beside Deployment/{other}, from which it differs in:", *(f"  {line}" for line in lines)) if lines else ()
    return replace(step, detail=(*step.detail, *more))


def idle_steps(
    steps: Sequence[Step], slots: Mapping[str, Slot], desired: Desired, observed: KubernetesObserved
) -> tuple[Step, ...]:
    """The steps that remove earlier versions which were kept for long enough."""
    return tuple(
        RemoveObject(
            f"remove Deployment/{live.meta.name}", f"remove Deployment/{live.meta.name}, the version before the switch", (), "delete",
            undo="deploy the earlier version again", manifest=_identity(live), uid=live.meta.uid,
        )
        for name, config, live in _idle(slots, desired, observed)
        if _left_s(name, config, f"apply Service/{name}" in {step.id for step in steps}, observed) <= 0
    )  # fmt: skip


def idle_notes(slots: Mapping[str, Slot], desired: Desired, observed: KubernetesObserved) -> Iterator[str]:
    for name, config, live in _idle(slots, desired, observed):
        if (left_s := _left_s(name, config, False, observed)) > 0 and active_slot(name, observed) == slots[name].name:
            left = render_duration(math.ceil(left_s / 60) * 60)
            yield f"Deployment/{live.meta.name}, the version before the switch, stays for another {left}"


def _idle(
    slots: Mapping[str, Slot], desired: Desired, observed: KubernetesObserved
) -> Iterator[tuple[str, BlueGreenConfig, Live]]:
    """The Deployments of this target that will not be selected."""
    for key, workload in desired.config.workloads.items():
        name = desired.workload_name(key)
        if workload.blue_green is None or name not in slots:
            continue
        for other in slot_names(name):
            live = observed.objects.get(f"Deployment/{other}")
            if other != slots[name].name and live and live.meta.labels.get(PART_OF_LABEL) == desired.set_id:
                yield name, workload.blue_green, live


def _left_s(name: str, config: BlueGreenConfig, switches: bool, observed: KubernetesObserved) -> float:
    """For how many more seconds the earlier version is kept, counted from when shipit last changed the Service."""
    service = observed.objects.get(f"Service/{name}")
    times = [manager.time for manager in service.meta.managers if manager.is_ours] if service else []
    if switches or not times or not observed.time:
        return config.keep
    return config.keep - (_parsed(observed.time) - _parsed(max(times))).total_seconds()


def _parsed(time: str) -> datetime:
    try:
        return datetime.fromisoformat(time).astimezone(UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _switched(step: Step, desired: Desired, observed: KubernetesObserved) -> str:
    """The workload whose Service a step changes to another Deployment; empty for none."""
    if not isinstance(step, ApplyObject) or step.manifest["kind"] != "Service":
        return ""
    name, key = str(step.manifest["metadata"]["name"]), key_of(step.manifest, desired.namespace)
    before, after = selected_name(observed.objects.get(key)), _selected_by(step)
    names = {name, *slot_names(name)}
    is_own = name in map(desired.workload_name, desired.config.workloads)
    return name if is_own and before != after and {before, after} <= names else ""


def _await_pods(name: str, runner: Manifest, desired: Desired) -> AwaitPods:
    check = desired.slot_check(name)
    key = f"Deployment/{runner['metadata']['name']}"
    detail = (f"{check} should answer 2xx",) if check else ()
    return AwaitPods(
        f"await {key}", f"wait until {key} is ready, which Service/{name} selects then", detail, "run",
        undo="nothing is changed", manifest=runner, service=name, check=check,
    )  # fmt: skip


def _comes_after(step: Step) -> bool:
    return isinstance(step, ObjectStep) and rank(step.manifest["kind"])[0] > RUN_WAVE


def _selected_by(step: Step) -> str:
    selector = spec_of(dict(step.manifest)).get("selector") if isinstance(step, ObjectStep) else None
    return str(selector.get(NAME_LABEL, "")) if isinstance(selector, dict) else ""


def _identity(live: Live) -> Manifest:
    metadata = {"name": live.meta.name, "namespace": live.meta.namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}

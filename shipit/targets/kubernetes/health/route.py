"""Ingresses, and the routes of the Gateway API. Pure.

Source: Kubernetes concepts, "Ingress"; Gateway API, RouteStatus: `parents[].conditions`, Accepted and ResolvedRefs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.conditions import conditions_of, said
from shipit.targets.kubernetes.health.service import SILENCE_S
from shipit.targets.kubernetes.objects import spec_of, status_of
from shipit.targets.kubernetes.render import Manifest

DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS = "kubernetes.io/ingress.class"
_TYPES = ("Accepted", "ResolvedRefs")


def judge_route(case: Case) -> Verdict:
    """A route is as good as its parents say. A parent that says nothing may have no controller."""
    rows = status_of(case.live.manifest).get("parents")
    parents = [conditions_of(row) for row in (rows if isinstance(rows, list) else [])]
    if any(_is_stale(row, case.live.meta.generation) for row in (rows if isinstance(rows, list) else [])):
        if case.seen.unchanged_s < SILENCE_S:
            return case.waiting("not yet observed by its parents", str(case.live.meta.generation))
        return case.healthy(warnings=(f"{case.key}: not all of its parents have observed its last change",))
    for conditions in parents:
        for condition in (conditions[name] for name in _TYPES if name in conditions):
            if condition.status == "False" and case.seen.unchanged_s >= SILENCE_S:
                return case.failed(f"its parent says {condition.reason}: {said(condition)}")
            if condition.status != "True":
                return case.waiting(f"{condition.type} is {condition.status}: {said(condition)}", condition.reason)
    if parents and all("Accepted" in conditions for conditions in parents):
        return case.healthy("is accepted")
    silent = "not all of its parents have accepted it" if parents else "no Gateway has taken it"
    if case.seen.baseline is not None and case.seen.unchanged_s < SILENCE_S:
        return case.waiting(f"{silent} yet", "no parent")
    return case.healthy(warnings=(f"{case.key}: {silent}: is there a controller of its parentRefs?",))


def _is_stale(parent: Any, generation: int) -> bool:
    """True for a condition of an earlier generation of the route. Source: metav1.Condition, observedGeneration."""
    rows = parent.get("conditions") if isinstance(parent, Mapping) else None
    observed = [
        row.get("observedGeneration") for row in (rows if isinstance(rows, list) else []) if isinstance(row, Mapping)
    ]
    return any(isinstance(one, int) and 0 < one < generation for one in observed)


def class_warnings(manifests: Mapping[str, Manifest], classes: Mapping[str, bool]) -> Iterator[str]:
    """A warning for each Ingress that no class of the cluster takes. `manifests`: key -> manifest; `classes`: name -> whether it is the default one."""
    for key, manifest in manifests.items():
        if not is_ingress(manifest):
            continue
        name = _class_of(manifest)
        if name and name not in classes:
            there = f"the cluster has {', '.join(sorted(classes))}" if classes else "the cluster has none"
            yield f"{key}: there is no IngressClass {name}, so nothing serves it; {there}"
        elif not name and not any(classes.values()):
            yield f"{key}: it has no ingressClassName, and no IngressClass is the default: nothing may serve it"


def is_ingress(manifest: Mapping[str, Any]) -> bool:
    return manifest["kind"] == "Ingress" and str(manifest["apiVersion"]).startswith("networking.k8s.io/")


def _class_of(manifest: Manifest) -> str:
    annotations = manifest["metadata"].get("annotations")
    old = annotations.get(_OLD_CLASS) if isinstance(annotations, Mapping) else ""
    return str(spec_of(manifest).get("ingressClassName") or old or "")

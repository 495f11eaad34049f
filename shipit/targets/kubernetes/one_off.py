"""The Job of a one-off command, from the pod template of what runs. Pure.

Source: Kubernetes API reference, batch/v1 Job, v1 PodTemplateSpec; concepts, "Automatic Cleanup for Finished Jobs",
"Sidecar Containers".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from shipit.targets.kubernetes.render import MANAGED_BY, Manifest, literal_words
from shipit.targets.kubernetes.running import DEFAULT_CONTAINER
from shipit.targets.remote import Command

RUN_LABEL = "shipit.dev/run"
# A Job ends so long after it was last held, when shipit was killed; then it is deleted after FORGOTTEN_S.
HELD_S, FORGOTTEN_S = 600, 60
# A Job that nobody waits for is kept so long after its end, for its log.
KEPT_S = 24 * 3600
# The command waits for one line, which is sent when its output is connected: nothing of it is lost.
_WAIT = 'IFS= read -r line || exit 125; exec "$@"'
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "ports")
# What the API server adds to a pod that it creates.
_ADDED = ("nodeName", "priority", "preemptionPolicy", "ephemeralContainers", "schedulingGates", "hostname")
_TOKEN = "kube-api-access-"
# What the controllers of Jobs and ReplicaSets add to labels: of another Job they are refused.
_CONTROLLED = {
    *(f"{prefix}{name}" for prefix in ("", "batch.kubernetes.io/") for name in ("controller-uid", "job-name")),
    "pod-template-hash",
}


def render_one_off(
    name: str,
    workload: Mapping[str, Any],
    command: Command,
    selectors: Iterable[Mapping[str, str]],
    *,
    is_detached: bool = False,
    waits: bool = True,
) -> Manifest:
    """The Job that runs a command once, with the image and settings of a live workload.

    `selectors` are those of Services and of the workload: no pod of the Job has the labels of one. With `waits` the
    command waits for a line on its input. A Job that is not detached ends after HELD_S seconds unless that is extended.
    The workload owns the Job: the cluster deletes it with the workload.
    """
    template = _template(workload)
    metadata = template.get("metadata") or {}
    spec = _pod_spec(template.get("spec") or {}, metadata, workload)
    main = spec["containers"][0]
    main.pop("args", None)
    gate = ["/bin/sh", "-c", _WAIT, "shipit"] if waits and not is_detached else []
    main["command"] = [*gate, *literal_words(command.words)]
    main |= {"stdin": not is_detached, "stdinOnce": not is_detached, "tty": command.terminal is not None}
    own = {"app.kubernetes.io/managed-by": MANAGED_BY, RUN_LABEL: workload["metadata"]["name"][:63].rstrip("-.")}
    labels = {**_unselected(metadata.get("labels") or {}, selectors), **own}
    pod = {"metadata": {"labels": labels, "annotations": metadata.get("annotations") or {}}, "spec": spec}
    job: Manifest = {"backoffLimit": 0, "template": pod}
    job["ttlSecondsAfterFinished"] = KEPT_S if is_detached else FORGOTTEN_S
    if not is_detached:
        job["activeDeadlineSeconds"] = HELD_S
    head = {"name": name, "labels": own, "ownerReferences": [_owner(workload)]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": head, "spec": job}


def _owner(workload: Mapping[str, Any]) -> dict[str, str]:
    metadata = workload["metadata"]
    named = {"apiVersion": workload["apiVersion"], "kind": workload["kind"], "name": metadata["name"]}
    return {**named, "uid": metadata["uid"]}


def _template(workload: Mapping[str, Any]) -> dict[str, Any]:
    spec = workload.get("spec") or {}
    if workload["kind"] == "Pod":
        return deepcopy({"metadata": workload["metadata"], "spec": spec})
    if workload["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return deepcopy(dict(spec.get("template") or {}))


def _pod_spec(spec: dict[str, Any], metadata: Mapping[str, Any], workload: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with one container that ends; others become sidecars, which end with it."""
    wanted = (metadata.get("annotations") or {}).get(DEFAULT_CONTAINER)
    containers = sorted(spec.get("containers") or (), key=lambda row: row["name"] != wanted)
    main, others = containers[:1], containers[1:]
    init = [*(spec.get("initContainers") or ()), *({**row, "restartPolicy": "Always"} for row in others)]
    for row in (*main, *init):
        for key in _PROBES:
            row.pop(key, None)
    main[0].pop("lifecycle", None)
    made = {key: value for key, value in spec.items() if key not in (*_ADDED, "topologySpreadConstraints")}
    made |= {"containers": main, "restartPolicy": "Never", **({"initContainers": init} if init else {})}
    # It would keep the pod away from those of the workload.
    if affinity := {key: value for key, value in (spec.get("affinity") or {}).items() if key != "podAntiAffinity"}:
        made["affinity"] = affinity
    else:
        made.pop("affinity", None)
    if workload["kind"] == "Pod":
        _without_token(made)
    claims = (workload.get("spec") or {}).get("volumeClaimTemplates") or ()
    if claims:
        # Its volumes belong to the pods of the StatefulSet.
        empty = [{"name": row["metadata"]["name"], "emptyDir": {}} for row in claims]
        made["volumes"] = [*(made.get("volumes") or ()), *empty]
    return made


def _without_token(spec: dict[str, Any]) -> None:
    """Remove the volume of the service account's token, which the API server adds to every pod."""
    spec["volumes"] = [row for row in spec.get("volumes") or () if not row["name"].startswith(_TOKEN)]
    for row in (*spec["containers"], *(spec.get("initContainers") or ())):
        row["volumeMounts"] = [at for at in row.get("volumeMounts") or () if not at["name"].startswith(_TOKEN)]


def _unselected(labels: Mapping[str, str], selectors: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The labels without those by which a selector would find the pod, and those that controllers add."""
    kept = {name: value for name, value in labels.items() if name not in _CONTROLLED}
    for selector in selectors:
        if selector and selector.items() <= kept.items():
            del kept[_least(selector)]
    return kept


def _least(selector: Mapping[str, str]) -> str:
    """The label of a selector that says least about the app: its name."""
    names: Sequence[str] = ("app.kubernetes.io/name", "app")
    return next((name for name in names if name in selector), min(selector))

"""What Deployments, ReplicaSets, StatefulSets and DaemonSets have in common. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.creation import judge_creation
from shipit.targets.kubernetes.health.failing import judge_failed
from shipit.targets.kubernetes.live import Pod


def judge_pods(case: Case, pods: Sequence[Pod] | None = None) -> Verdict | None:
    """A failure of pods that exist, or of pods that can't be created; None where there is none."""
    own = case.pods if pods is None else pods
    failure = judge_failed(case.key, own, case.seen, case.limits, case.observed)
    return failure or judge_creation(case, case.live.wanted_pods)


def ready(case: Case, count: int, warnings: Sequence[str] = ()) -> Verdict:
    """The verdict on a workload with all of its pods."""
    wanted = case.live.wanted_pods
    empty = () if wanted else (f"{case.key} has no pods: it is scaled to 0",)
    return case.healthy(f"{count}/{wanted} ready", (*empty, *warnings))


def outdated(case: Case) -> tuple[str, ...]:
    """A warning where pods stay as they are until somebody deletes them, and run another image than the object has now."""
    images = case.live.spec.images
    old = [pod for pod in case.pods if any(images.get(name, image) != image for name, image in pod.images.items())]
    if not old:
        return ()
    are = "pod of it runs" if len(old) == 1 else "pods of it run"
    return (f"{case.key}: {len(old)} {are} another image until deleted, such as {old[0].meta.name}",)

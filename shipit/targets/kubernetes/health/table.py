"""The rule for each kind: its verdict, and the pods by which its images are judged. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from shipit.release import Verdict
from shipit.targets.kubernetes.health import daemon_set, stateful_set
from shipit.targets.kubernetes.health.autoscaler import judge_autoscaler, judge_budget
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.claims import judge_claim
from shipit.targets.kubernetes.health.conditions import judge_conditions
from shipit.targets.kubernetes.health.daemon_set import judge_daemon_set
from shipit.targets.kubernetes.health.definition import judge_api_service, judge_definition
from shipit.targets.kubernetes.health.deployment import judge_deployment
from shipit.targets.kubernetes.health.job import judge_cron_job, judge_job
from shipit.targets.kubernetes.health.pod import judge_pod
from shipit.targets.kubernetes.health.replica_set import judge_replica_set
from shipit.targets.kubernetes.health.route import judge_route
from shipit.targets.kubernetes.health.service import judge_service
from shipit.targets.kubernetes.health.stateful_set import judge_stateful_set
from shipit.targets.kubernetes.live import Live, Pod

Rule = Callable[[Case], Verdict]
GATEWAY = "gateway.networking.k8s.io"
# (API group, kind) -> rule; of all others the conditions are judged.
RULES: Mapping[tuple[str, str], Rule] = {
    ("apps", "Deployment"): judge_deployment,
    ("apps", "ReplicaSet"): judge_replica_set,
    ("", "ReplicationController"): judge_replica_set,
    ("apps", "StatefulSet"): judge_stateful_set,
    ("apps", "DaemonSet"): judge_daemon_set,
    ("", "Pod"): judge_pod,
    ("batch", "Job"): judge_job,
    ("batch", "CronJob"): judge_cron_job,
    ("", "PersistentVolumeClaim"): judge_claim,
    ("", "Service"): judge_service,
    **{(GATEWAY, kind): judge_route for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")},
    ("autoscaling", "HorizontalPodAutoscaler"): judge_autoscaler,
    ("policy", "PodDisruptionBudget"): judge_budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): judge_definition,
    ("apiregistration.k8s.io", "APIService"): judge_api_service,
}  # fmt: skip


def judge(case: Case) -> Verdict:
    return RULES.get(_kind(case.live), judge_conditions)(case)


def released_pods(live: Live, pods: Sequence[Pod]) -> Sequence[Pod]:
    """The pods that should run what was released, without those that stay as they are until somebody deletes them."""
    kind = _kind(live)
    if live.spec.on_delete or kind in (("apps", "ReplicaSet"), ("", "ReplicationController")):
        return ()
    if kind == ("apps", "StatefulSet"):
        return stateful_set.current_pods(live, pods)
    return daemon_set.current_pods(live, pods) if kind == ("apps", "DaemonSet") else pods


def _kind(live: Live) -> tuple[str, str]:
    return str(live.manifest.get("apiVersion", "")).rpartition("/")[0], live.kind

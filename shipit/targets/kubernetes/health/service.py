"""Services of type LoadBalancer: their address comes from a controller, which a cluster may lack. Pure.

Source: Kubernetes concepts, "Service", type LoadBalancer; events of the cloud controller manager and MetalLB.
"""

from __future__ import annotations

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import spec_of, status_of

# How long a controller has to say that it makes an address.
SILENCE_S = 5.0
_WORKS = ("EnsuringLoadBalancer", "UpdatedLoadBalancer", "nodeAssigned", "IPAllocated")
_FAILS = ("SyncLoadBalancerFailed", "AllocationFailed")


def judge_service(case: Case) -> Verdict:
    if spec_of(case.live.manifest).get("type") != "LoadBalancer" or has_address(case.live):
        return case.healthy()
    none = (f"{case.key} has no external address",)
    if case.seen.baseline is None:
        return case.healthy(warnings=none)
    told = case.events(*_WORKS, *_FAILS)
    if told and told[-1].reason in _FAILS:
        return case.waiting(f"no external address: {told[-1].message}", "no address")
    if case.seen.unchanged_s < (case.limits.pending_s if told else SILENCE_S):
        return case.waiting("no external address yet", "no address")
    why = "" if told else ": is there a controller of load balancers in the cluster?"
    return case.healthy(warnings=(f"{none[0]}{why}",))


def has_address(live: Live) -> bool:
    balancer = status_of(live.manifest).get("loadBalancer")
    return isinstance(balancer, dict) and bool(balancer.get("ingress"))

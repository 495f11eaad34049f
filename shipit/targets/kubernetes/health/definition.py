"""CustomResourceDefinitions and APIServices: whether the API server serves their kinds. Pure.

Source: Kubernetes API reference, CustomResourceDefinitionStatus, APIServiceStatus; the rules of kstatus.
"""

from __future__ import annotations

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.conditions import conditions_of, said
from shipit.targets.kubernetes.objects import status_of


def judge_definition(case: Case) -> Verdict:
    found = conditions_of(status_of(case.live.manifest))
    names, established = found.get("NamesAccepted"), found.get("Established")
    if names and names.status == "False":
        return case.failed(f"its names are not accepted: {said(names)}", "another definition has them: rename the kind")
    if established and established.status == "True":
        return case.healthy("is established")
    if established and established.status == "False" and established.reason != "Installing":
        return case.failed(f"it is not established: {said(established)}")
    return case.waiting("being installed", "Installing")


def judge_api_service(case: Case) -> Verdict:
    available = conditions_of(status_of(case.live.manifest)).get("Available")
    if available is None:
        return case.waiting("not yet observed by its controller")
    if available.status == "True":
        return case.healthy("is available")
    return case.waiting(f"not available: {said(available)}", available.reason, "is the Service that it names running?")

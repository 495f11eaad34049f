"""The steps from a namespace as observed to a release: those of deploy.yml, or of a record. Pure."""

from __future__ import annotations

from shipit.release import Release, Step
from shipit.targets.kubernetes.applyset import ObservedSet
from shipit.targets.kubernetes.canary import end_canaries, with_canaries, without_canaries
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.env_secret import wanted_env_secret
from shipit.targets.kubernetes.non_root import check_users
from shipit.targets.kubernetes.objects import is_namespace
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.plan import plan_objects, plan_release_job
from shipit.targets.kubernetes.plan_secrets import plan_env_secret, plan_pull_secret
from shipit.targets.kubernetes.prune import LEFT, plan_removal, plan_widening
from shipit.targets.kubernetes.release_job import wanted_release_job
from shipit.targets.kubernetes.steps import ObjectStep
from shipit.targets.kubernetes.switch import idle_steps, with_changes, with_switches
from shipit.targets.kubernetes.wanted import stamped_by_key


def plan_release(desired: Desired, release: Release, observed: KubernetesObserved, why: str = LEFT) -> tuple[Step, ...]:
    """All of the steps, in their order. `why` says of an object that it is removed.

    Raises: ConfigErrors for an image that its pods could not run as they have to.
    """
    setting = desired.setting_of(observed)
    manifests = tuple(desired.manifests(release, observed))
    objects = plan_objects(manifests, observed, desired.namespace, desired.files)
    secret = wanted_env_secret(desired, release, observed)
    secrets = (
        plan_env_secret(secret, observed) if secret else None,
        plan_pull_secret(setting.pull_secret, observed),
    )
    job = wanted_release_job(desired, release, setting)
    check_users(desired, (*manifests, job) if job else manifests, release)
    run = plan_release_job(job, observed, objects) if job else None
    whole = observed.applied_set or ObservedSet()
    found = without_canaries(whole, desired)
    widen = plan_widening(desired, found)
    has_changes = bool(objects or widen or run or any(secrets))
    removal = plan_removal(desired, found, has_changes=has_changes, why=why)
    # The namespace of the target comes before what is in it.
    first = [
        item for item in objects if isinstance(item, ObjectStep) and is_namespace(item.manifest, desired.namespace)
    ]
    rest = with_canaries([step for step in objects if step not in first], desired, observed)
    ends = end_canaries(rest, desired, whole)
    if own := desired.slots(release, observed):
        ends = (*ends, *idle_steps(rest, own, desired, observed))
        rest = with_changes(rest, own, observed)
    rest = with_switches(rest, stamped_by_key(manifests, desired.namespace), desired, observed)
    return tuple(step for step in (*first, widen, *secrets, run, *rest, *ends, *removal) if step)

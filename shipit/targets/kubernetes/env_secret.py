"""The Secret of the env: as it is wanted, and the live one, which has the values in use or was written by an older shipit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from shipit.release import Release
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, labelled
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import spec_of, template_of
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.render import SECRETS_ANNOTATION, Manifest
from shipit.targets.kubernetes.render_secrets import render_secret
from shipit.targets.kubernetes.sealed import Mark
from shipit.targets.kubernetes.slow_marks import secret_mark
from shipit.targets.kubernetes.uses import used_by
from shipit.targets.kubernetes.versions import is_version_of, version_name, versioned


class EnvSecret(NamedTuple):
    """The name of the Secret that the pods should use, its annotation with the hash of the values, and what is there."""

    name: str
    mark: str
    live: Live | None = None


# Reads the Secret of a name, sealed.
Read = Callable[[str], Live | None]


def find_env_secret(desired: Desired, values: Mapping[str, str], read: Read, mark: Mark) -> EnvSecret:
    """The Secret of these values. One without a hash in its name stays in use until a value changes: no pod is replaced."""
    content = secret_mark(desired, values)
    name = version_name(desired.secret_key, content)
    if live := read(name):
        return EnvSecret(name, content, live)
    plain = read(desired.secret_key)
    if plain is not None and plain.meta.labels.get(PART_OF_LABEL, desired.set_id) == desired.set_id:
        held = plain.meta.annotations.get(SECRETS_ANNOTATION, "")
        if held and (plain.manifest.get("data") or {}) == {key: mark(value) for key, value in values.items()}:
            return EnvSecret(desired.secret_key, held, plain)
    return EnvSecret(name, content)


def find_used_secret(desired: Desired, objects: Iterable[Live | None], read: Read) -> EnvSecret:
    """The Secret that the live workloads use, where the values are not known."""
    pods = (spec_of(template_of(live.manifest)) for live in objects if live is not None)
    names = sorted({used.removeprefix("Secret/") for pod in pods for used in used_by(pod)})
    name = next((one for one in names if is_version_of(one, desired.secret_key)), desired.secret_key)
    live = read(name)
    return EnvSecret(name, live.meta.annotations.get(SECRETS_ANNOTATION, "") if live else "", live)


def wanted_env_secret(desired: Desired, release: Release, observed: KubernetesObserved) -> Manifest | None:
    """The Secret of the env's secrets, sealed; None where there are none."""
    marks = {name: release.marks.get(name, "") for name in desired.secret_names}
    if not marks:
        return None
    secret = render_secret(desired.setting(observed.secret_mark), marks)
    if observed.secret_name != desired.secret_key:
        secret = versioned(secret, observed.secret_mark)
    return labelled(secret, desired.set_id)

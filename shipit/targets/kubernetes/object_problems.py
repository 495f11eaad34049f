"""Errors about the wanted objects of a target: where each is written, and which can't be together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipit.errors import ConfigError, ConfigErrors
from shipit.targets.kubernetes.applyset import PART_OF_LABEL
from shipit.targets.kubernetes.config import ONLY
from shipit.targets.kubernetes.definitions import DEFINITION, defined_kinds, defines
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.render import Manifest


def check_labels(desired: Desired) -> None:
    """Check that no manifest says which set it belongs to. Raises: ConfigErrors."""
    field, wrong = f"metadata.labels[{PART_OF_LABEL}]", []
    for manifest in desired.raw:
        labels = manifest["metadata"].get("labels")
        if isinstance(labels, Mapping) and labels.get(PART_OF_LABEL, desired.set_id) != desired.set_id:
            key = key_of(manifest, desired.namespace)
            what = f"{key} has the label {PART_OF_LABEL}, which shipit sets"
            wrong.append(problem_of(desired, key, field, what, "remove the label"))
    if wrong:
        raise ConfigErrors(wrong)


def check_unique(desired: Desired) -> None:
    """Check that no two manifests are of the same object. Raises: ConfigErrors."""
    seen: set[str] = set()
    for key in (key_of(manifest, desired.namespace) for manifest in desired.identities()):
        if key in seen:
            first = f", first at {desired.places[key].where}" if key in desired.places else ""
            hint = "keep one of them, under workloads: or in the manifests"
            what = f"{key} is defined twice{first}"
            raise ConfigErrors([desired.project.problem(("targets", desired.target, "manifests"), what, hint)])
        seen.add(key)


def check_served(desired: Desired) -> None:
    """Check that a definition among the manifests serves the version of each object of its kind. Raises: ConfigErrors."""
    definitions = [manifest for manifest in desired.raw if manifest["kind"] == DEFINITION]
    wrong = []
    for manifest in desired.raw if definitions else ():
        version, own = manifest["apiVersion"].rpartition("/")[2], [one for one in definitions if defines(one, manifest)]
        if own and all(version not in defined_kinds(one)[2] for one in own):
            key, other = key_of(manifest, desired.namespace), key_of(own[0], desired.namespace)
            served = ", ".join(defined_kinds(own[0])[2])
            hint = f"write apiVersion with {served}" if served else f"serve a version in {other}"
            wrong.append(problem_of(desired, key, "apiVersion", f"{key}: {other} does not serve {version}", hint))
    if wrong:
        raise ConfigErrors(wrong)


def unknown_kind(desired: Desired, manifests: Sequence[Manifest], served: str) -> ConfigErrors:
    """The errors for objects of a kind that the cluster does not know. `served` is an apiVersion in which it has the kind."""
    version, kind = manifests[0]["apiVersion"], manifests[0]["kind"]
    what = f"the cluster knows no {kind} in {version}"
    hint = f"write apiVersion: {served}" if served else "install what defines it, or check apiVersion"
    keys = (key_of(manifest, desired.namespace) for manifest in manifests)
    return ConfigErrors([problem_of(desired, key, "apiVersion", what, hint) for key in keys])


def problem_of(desired: Desired, key: str, field: str, what: str, hint: str) -> ConfigError:
    """An error about an object: at a field of its manifest, or at its workload in deploy.yml."""
    from shipit.targets.kubernetes.manifests import problem_at

    place = desired.places.get(key)
    if place is not None:
        return problem_at(desired.project.folder, place, field, what, hint, desired.sources)
    if desired.config.namespace.create and key == f"Namespace/{desired.namespace}":
        return desired.project.problem(("targets", desired.target, "namespace"), what, hint)
    maker = _maker(desired, key)
    keys = ("targets", desired.target, *(("workloads", maker) if maker is not None else ()))
    return desired.project.problem(keys, what, hint)


def _maker(desired: Desired, key: str) -> str | None:
    """The workload that makes an object, by the beginning of its name: claims and the headless Service have more behind it."""
    name = "" if key.startswith("Secret/") else key.rpartition("/")[2]
    makers = [own for own in desired.config.workloads if own != ONLY and f"{name}-".startswith(f"{own}-")]
    return max(makers, key=len, default=None)

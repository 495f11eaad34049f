"""Changes that somebody else made to an object: by which field manager, when, and to which value. Pure.

Source: Kubernetes, "Server-Side Apply": an Update that changes a value takes its field from every other manager.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shipit.release import State, Verdict
from shipit.targets.kubernetes.drift import Difference, author_of, object_differences
from shipit.targets.kubernetes.live import Live, Manager
from shipit.targets.kubernetes.render import Manifest

# The field managers of a HorizontalPodAutoscaler and of KEDA, which scales to and from zero; also where they are not in deploy.yml.
_AUTOSCALERS = ("kube-controller-manager", "keda")
_DIGEST = re.compile(r"sha(?:256|512):([0-9a-f]{12})[0-9a-f]{52,116}")
_HINT = "deploy again when they are done"


class Released(NamedTuple):
    """What one run applies, by key. `known`: key -> hashes of the differences that an object had right after it was applied.

    `digests`: image as pinned -> the digests under which it may run. `secrets`: name -> keyed hash of the value. `uids`: key ->
    uid of the object that was applied.
    """

    objects: Mapping[str, Manifest] = {}
    known: Mapping[str, frozenset[str]] = {}
    digests: Mapping[str, frozenset[str]] = {}
    secret_key: str = ""
    secrets: Mapping[str, str] = {}
    uids: Mapping[str, str] = {}


class Change(NamedTuple):
    """A difference that somebody else made. `time` is empty where it is not known, `manager` None where nobody owns the field."""

    manager: Manager | None
    difference: Difference

    @property
    def by(self) -> str:
        """A field manager, for people. Every deploy has the same one."""
        if self.manager is None:
            return "someone else"
        return "another deploy" if self.manager.is_ours else self.manager.name or "someone else"

    @property
    def at(self) -> str:
        """` at TIME`, or nothing."""
        return f" at {self.manager.time}" if self.manager and self.manager.time else ""


def find_change(wanted: Mapping[str, Any], live: Live, known: Iterable[str] = ()) -> Change | None:
    """The first field that somebody else changed since `known`; None where nobody did.

    `known` are hashes of differences that are nobody's change: what an admission webhook set or the server dropped as
    the object was applied.
    """
    found = [item for item in object_differences(wanted, live) if item.hash not in known]
    real = [item for item in found if not item.is_own_mark] or found
    # The image comes first: it says the most.
    for item in sorted(real, key=lambda item: "image" not in item.path):
        manager = author_of(live, item)
        if not is_autoscaled(item, manager):
            return Change(manager, item)
    return None


def describe_change(change: Change, live: Live) -> str:
    """The field and its two values, without those of a Secret."""
    return _shown(change.difference, is_secret=live.kind == "Secret")


def judge_change(key: str, wanted: Manifest, live: Live, known: Iterable[str] = ()) -> Verdict | None:
    """A failure where somebody else changed an object; None where nobody did."""
    change = find_change(wanted, live, known)
    if change is None:
        return None
    reason = f"{key}: superseded by {change.by}{change.at}: {describe_change(change, live)}"
    return Verdict(State.FAILED, reason, hint=_HINT, subject=key, superseded_by=change.by)


def judge_values(key: str, wanted: Mapping[str, str], found: Mapping[str, str], live: Live | None) -> Verdict | None:
    """A failure where somebody else changed a value of the env's Secret; values are compared by their keyed hashes."""
    if live is None:
        return Verdict(State.FAILED, f"{key} is gone", hint="deploy again")
    stale = sorted(name for name, mark in wanted.items() if found.get(name) != mark)
    if not stale:
        return None
    difference = Difference("", ("data", stale[0]), None, None)
    change = Change(author_of(live, difference), difference)
    reason = f"{key}: superseded by {change.by}{change.at}: {', '.join(stale)} has another value"
    return Verdict(State.FAILED, reason, hint=_HINT, superseded_by=change.by)


def is_autoscaled(difference: Difference, manager: Manager | None) -> bool:
    """Whether a difference is a count of replicas that an autoscaler set."""
    return difference.path == "spec.replicas" and manager is not None and is_autoscaler(manager)


def is_autoscaler(manager: Manager) -> bool:
    """Whether a field manager is an autoscaler that set a count of replicas."""
    return manager.name in _AUTOSCALERS and manager.subresource == "scale"


def _shown(difference: Difference, *, is_secret: bool) -> str:
    path = difference.path.removeprefix("spec.template.").removeprefix("spec.")
    if difference.is_own_mark:
        return "it was applied again, with other settings"
    if is_secret:
        return f"{path} has another value"
    if difference.is_removed:
        return f"{path} is there, and should not be"
    texts = [
        _DIGEST.sub(r"\1", "none" if value is None else str(value)) for value in (difference.live, difference.wanted)
    ]
    return f"{path} is {texts[0]}, not {texts[1]}"

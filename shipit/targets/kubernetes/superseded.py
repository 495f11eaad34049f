"""Who changed an object since this run applied it, and to what. Pure.

Source: Kubernetes, "Server-Side Apply": an Update that changes a value takes its field from every other manager.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipit.release import State, Verdict
from shipit.targets.kubernetes.drift import Difference, find_differences
from shipit.targets.kubernetes.live import Live, Manager
from shipit.targets.kubernetes.render import Manifest

# Who decides how many replicas there are, where an autoscaler does that is none of ours.
_AUTOSCALER = "kube-controller-manager"
_DIGEST = re.compile(r"sha(?:256|512):([0-9a-f]{12})[0-9a-f]{52,116}")
_HINT = "deploy again when they are done"


class Released(NamedTuple):
    """What one run applies, and what the server made of it, by key: `answers` has what was applied until now.

    `digests`: image as pinned -> the digests under which it may run. `secrets`: name -> keyed hash of the value.
    """

    objects: Mapping[str, Manifest] = {}
    answers: Mapping[str, Live] = {}
    digests: Mapping[str, frozenset[str]] = {}
    secret_key: str = ""
    secrets: Mapping[str, str] = {}


class Change(NamedTuple):
    """A difference that somebody else made: who, when (empty where that is not known), and what."""

    by: str
    time: str
    difference: Difference


def find_change(wanted: Manifest, live: Live, answer: Live | None = None) -> Change | None:
    """What somebody else changed of what this run wants; None for nothing.

    `answer` is what the server made of it when this run applied it: what an admission webhook changed, or the server
    dropped, differs there already, and nobody superseded it.
    """
    known = {(item.path, repr(item.live)) for item in _differences(wanted, answer)} if answer else frozenset()
    found = [item for item in _differences(wanted, live) if (item.path, repr(item.live)) not in known]
    real = [item for item in found if not item.is_own_mark] or found
    # What runs says the most.
    for item in sorted(real, key=lambda item: "image" not in item.path):
        manager = _author(live, item)
        if not _is_autoscaled(item, manager):
            return Change(_name(manager), manager.time if manager else "", item)
    return None


def judge_change(key: str, wanted: Manifest, live: Live, answer: Live | None) -> Verdict | None:
    """A failure where somebody else changed an object; None where nobody did."""
    change = find_change(wanted, live, answer)
    if change is None:
        return None
    at = f" at {change.time}" if change.time else ""
    what = _shown(change.difference, is_secret=live.kind == "Secret")
    reason = f"{key}: superseded by {change.by}{at}: {what}"
    return Verdict(State.FAILED, reason, hint=_HINT, subject=key, superseded_by=change.by)


def judge_values(key: str, wanted: Mapping[str, str], found: Mapping[str, str], live: Live | None) -> Verdict | None:
    """The same of a Secret's values, which are compared by their marks and never shown."""
    if live is None:
        return Verdict(State.FAILED, f"{key} is gone", hint="deploy again")
    stale = sorted(name for name, mark in wanted.items() if found.get(name) != mark)
    if not stale:
        return None
    manager = _author(live, Difference("", ("data", stale[0]), None, None))
    at = f" at {manager.time}" if manager and manager.time else ""
    reason = f"{key}: superseded by {_name(manager)}{at}: {', '.join(stale)} is another"
    return Verdict(State.FAILED, reason, hint=_HINT, superseded_by=_name(manager))


def _differences(wanted: Manifest, live: Live) -> Iterator[Difference]:
    return find_differences(wanted, live.manifest)


def _author(live: Live, difference: Difference) -> Manager | None:
    """Who owns a value, and wrote last where there are several; None where nobody does, since it is gone."""
    owners = [
        m for m in live.meta.managers if m.subresource != "status" and m.owned.has(difference.keys, live.manifest)
    ]
    others = [manager for manager in owners if not manager.is_ours]
    return max(others or owners, key=lambda manager: manager.time, default=None)


def _name(manager: Manager | None) -> str:
    """A field manager, for people: ours is that of every deploy."""
    if manager is None:
        return "someone else"
    return "another deploy" if manager.is_ours else manager.name or "someone else"


def _is_autoscaled(difference: Difference, manager: Manager | None) -> bool:
    return (
        difference.path == "spec.replicas"
        and manager is not None
        and (manager.name, manager.subresource) == (_AUTOSCALER, "scale")
    )


def _shown(difference: Difference, *, is_secret: bool) -> str:
    path = difference.path.removeprefix("spec.template.").removeprefix("spec.")
    if difference.is_own_mark:
        return "it was applied anew, with other settings"
    if is_secret:
        return f"{path} is another"
    texts = [
        _DIGEST.sub(r"\1", "none" if value is None else str(value)) for value in (difference.live, difference.wanted)
    ]
    return f"{path} is {texts[0]}, not {texts[1]}"

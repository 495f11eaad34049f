"""Judges whether tags name the digests that they should. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shipit.digest import Digest
from shipit.release import State, Verdict
from shipit.targets.registry.observed import RegistryObserved

_HINT = "deploy again when they are done; tags such as latest stay where they are"


def judge_tags(
    repository: str, tags: Sequence[str], wanted: Digest, observed: RegistryObserved, before: Any
) -> Verdict | None:
    """A failed verdict where a tag names neither the digest `wanted` nor the one `before`: somebody else moved it.

    A tag that existed before still names its old digest: it is moved last, after verification.
    """
    known = before.manifests if isinstance(before, RegistryObserved) else {}
    for tag in tags:
        now, was = observed.manifests.get(f"{repository} {tag}"), known.get(f"{repository} {tag}")
        if now is not None and now not in (wanted, was):
            reason = f"superseded: someone else moved the tag {tag} to {now.short}, and this deploy is {wanted.short}"
            return Verdict(State.FAILED, reason, hint=_HINT, superseded_by="someone else")
    return None

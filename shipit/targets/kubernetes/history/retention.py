"""Which records are kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.targets.kubernetes.history.packed import RELEASED, STATE
from shipit.targets.kubernetes.live import Meta

KEPT = 10


def newest_first(records: Sequence[Meta]) -> list[Meta]:
    return sorted(records, key=lambda meta: (meta.created, meta.annotations.get(RELEASED, ""), meta.name), reverse=True)


def expired(records: Sequence[Meta]) -> list[Meta]:
    """The records that are removed: all but the newest ones, and the newest of a healthy release."""
    ordered = newest_first(records)
    healthy = next((meta for meta in ordered if meta.annotations.get(STATE) == "healthy"), None)
    return [meta for meta in ordered[KEPT:] if meta is not healthy]

"""Defaults that the server set by itself and refuses beside a new value, such as `rollingUpdate` beside `type: Recreate`. Pure.

They are no field manager's, so server-side apply leaves them, also where the manifest has null.
Source: kubernetes/kubernetes#24198; Kubernetes, "Server-Side Apply".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.render import Manifest

# A path without list items.
_PATH = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)+")


def leftover_patch(manifest: Manifest, live: Live | None, fields: Iterable[str]) -> dict[str, Any]:
    """The merge patch that removes the defaults among the fields that the server names in a refusal; empty without any.

    It has the other values of their map as the manifest has them. A field that another field manager owns is none.
    """
    patch: dict[str, Any] = {}
    for field in fields if live else ():
        assert live is not None
        path = tuple(field.split(".")) if _PATH.fullmatch(field) else ()
        *above, name = path or ("",)
        wanted, found = _at(manifest, above), _at(live.manifest, above)
        if name in wanted or not isinstance(found.get(name), dict):
            continue
        if any(one.owned.has(path, live.manifest) for one in live.meta.managers if not one.is_ours):
            continue
        part = patch
        for key in above:
            part = part.setdefault(key, {})
        part.update({**wanted, name: None})
    return patch


def _at(value: Any, keys: Iterable[str]) -> Mapping[str, Any]:
    """The map at a path; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}

"""The rendered compose file: that of the user with pinned images and the labels of their owner. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shipit.targets.compose.file import ComposeFile, written
from shipit.targets.host_owner import Owner

# Keys of a service that say how its image is made, which is done; profiles are chosen already.
_BUILD_KEYS = ("build", "pull_policy")
_HIDDEN = "<value>"


def render_file(owner: Owner, file: ComposeFile, images: Mapping[str, str]) -> bytes:
    """Equal for equal input. `images`: service -> its pinned image. The text may hold values of secrets."""
    rows = (file.text.get("services") or {}).items()
    services = {name: _service(owner, dict(row or {}), images.get(name, "")) for name, row in rows}
    return json.dumps({**file.text, "services": services}, sort_keys=True, separators=(",", ":")).encode()


def _service(owner: Owner, row: dict[str, Any], image: str) -> dict[str, Any]:
    if image:
        row = {key: value for key, value in row.items() if key not in _BUILD_KEYS}
        row["image"] = written(image)
    row.pop("profiles", None)
    labels = row.get("labels") or {}
    own = {key: written(value) for key, value in owner.labels.items()}
    return {**row, "labels": {**labels, **own}}


def hidden_file(text: bytes) -> dict[str, Any]:
    """A rendered file for people: variables without their values, secrets and configs without their content."""
    value: dict[str, Any] = json.loads(text)
    for row in value["services"].values():
        if env := row.get("environment"):
            row["environment"] = {name: None if said is None else _HIDDEN for name, said in env.items()}
    for kind in ("secrets", "configs"):
        for row in (value.get(kind) or {}).values():
            if "content" in row:
                row["content"] = _HIDDEN
    return value

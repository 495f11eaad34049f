"""The rendered compose file: that of the user with pinned images and the labels of their owner. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from shipit.targets.compose.file import GIVEN, ComposeFile, ServiceFacts, written
from shipit.targets.engine.owner import LABEL, Owner

# Keys of a service that say how its image is made, which is done; profiles are chosen already.
_BUILD_KEYS = ("build", "pull_policy")
# Of a service: a hash of the secrets and configs that Compose copies into its containers.
CONTENT = f"{LABEL}.content"
_HIDDEN = "<value>"


def render_file(
    owner: Owner, file: ComposeFile, images: Mapping[str, str], variables: Mapping[str, str] | None = None
) -> bytes:
    """Equal for equal input. `images`: service -> its pinned image. The text may hold values of secrets.

    `variables` are those of secrets and configs: with them, a service has a label that changes with the content that it is
    given, as the hash of Compose does not.
    """
    rows = file.text.get("services") or {}
    services = {
        name: _service(owner, _with_needs(dict(row or {}), rows), images.get(name, "")) for name, row in rows.items()
    }
    for name, service in file.services.items() if variables is not None else ():
        if content := _content(service, file, variables or {}):
            services[name]["labels"][CONTENT] = content
    return json.dumps({**file.text, "services": services}, sort_keys=True, separators=(",", ":")).encode()


def _service(owner: Owner, row: dict[str, Any], image: str) -> dict[str, Any]:
    if image:
        row = {key: value for key, value in row.items() if key not in _BUILD_KEYS}
        row["image"] = written(image)
    row.pop("profiles", None)
    # Labels by which shipit knows containers are its own.
    labels = {key: value for key, value in (row.get("labels") or {}).items() if not key.startswith(f"{LABEL}.")}
    own = {key: written(value) for key, value in owner.labels.items()}
    return {**row, "labels": {**labels, **own}}


def _with_needs(row: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The service without those of `depends_on` that no profile in use has: in a rendered file Compose takes them for mistakes."""
    if needs := row.get("depends_on"):
        row["depends_on"] = {name: wanted for name, wanted in needs.items() if name in names}
    return row


def _content(service: ServiceFacts, file: ComposeFile, variables: Mapping[str, str]) -> str:
    """A hash of the secrets and configs of a service that come from the environment or the compose file; empty without one."""
    found = []
    for kind, name in sorted(service.given):
        row = file.of_kind(kind).get(name) or {}
        if row.get("environment"):
            found.append((kind, name, variables.get(row["environment"], "")))
        elif row.get("content"):
            found.append((kind, name, row["content"]))
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:32] if found else ""


def hidden_file(text: bytes) -> dict[str, Any]:
    """A rendered file for people: variables without their values, secrets and configs without their content."""
    value: dict[str, Any] = json.loads(text)
    for row in value["services"].values():
        if env := row.get("environment"):
            row["environment"] = {name: None if said is None else _HIDDEN for name, said in env.items()}
    for kind in GIVEN:
        for row in (value.get(kind) or {}).values():
            if "content" in row:
                row["content"] = _HIDDEN
    return value

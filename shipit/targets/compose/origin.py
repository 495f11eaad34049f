"""Labels of the run that made the containers of a service, its commit and its author, which are no part of what is compared. Pure.

Compose counts labels among the settings of a service. So the hash of the settings without these labels is one of them, and a service
that runs as wanted is given to Compose with the labels that its containers have.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from shipit.json_text import parse_json
from shipit.targets.compose.content import Content
from shipit.targets.compose.file import written
from shipit.targets.compose.observed import ContainerFacts, Wanted
from shipit.targets.engine.owner import BESIDE, SPEC


def with_labels(content: Content, service: str, labels: Mapping[str, str]) -> Content:
    """The content as it is given to Compose, with more labels for new containers of a service."""
    text = parse_json(content.text)
    row = text["services"][service]
    row["labels"] = {**(row.get("labels") or {}), **{name: written(value) for name, value in labels.items()}}
    return content._replace(text=json.dumps(text, sort_keys=True, separators=(",", ":")))


def with_origins(
    content: Content,
    wanted: Wanted,
    containers: Sequence[ContainerFacts],
    origin: Mapping[str, str],
    renewed: Collection[str] = (),
) -> Content:
    """The content as it is given to Compose. `wanted` is the same for verdicts, and `origin` the labels of this run.

    `renewed` are services all of whose containers are replaced.
    """
    kept = {
        name: _labels_of(made[0])
        for name, service in wanted.services.items()
        if name not in renewed and (made := service.keeps(one for one in containers if one.service == name))
    }
    text = parse_json(content.text)
    rows = {name: dict(row) for name, row in text["services"].items()}
    for name, row in rows.items():
        if name in content.hashes:
            own = kept.get(name, {SPEC: content.hashes[name], **origin})
            row["labels"] = {**(row.get("labels") or {}), **{key: written(value) for key, value in own.items()}}
    body = json.dumps({**text, "services": rows}, sort_keys=True, separators=(",", ":"))
    return content._replace(text=body)


def _labels_of(found: ContainerFacts) -> dict[str, str]:
    """The labels of its run, and `BESIDE` of one that serves on because the container that restarted did not come up again."""
    return {**found.origin, **({BESIDE: found.beside} if found.beside else {})}

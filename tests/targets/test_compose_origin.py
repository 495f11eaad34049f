"""Labels of the run that made containers of a Compose project: Compose counts them as settings, and shipit does not."""

from __future__ import annotations

import json
from typing import Any

from shipit.http.fields import Field
from shipit.targets.compose.content import Content, wanted_of
from shipit.targets.compose.observed import ContainerFacts
from shipit.targets.compose.origin import with_origins
from shipit.targets.compose.parse import parse_container
from shipit.targets.engine.owner import BESIDE, BY, COMMIT, RELEASE, SPEC, Owner, origin_labels

OWNER = Owner("shop", "production", "stack")
TEXT = {"services": {name: {"image": name, "labels": {**OWNER.labels, "own": "a$$b"}} for name in ("web", "db")}}
CONTENT = Content(json.dumps(TEXT), {"web": "h1", "db": "h2"}, {}, {})
NEW = origin_labels("run2", "abc", "ana")
OLD = {SPEC: "h1", **origin_labels("run1", "", "$HOME")}


def container(service: str = "web", **fields: Any) -> ContainerFacts:
    usual = {"number": 1, "hash": "H1", "image": service, "origin": OLD}
    return ContainerFacts(**{"id": service, "name": service, "service": service, **usual, **fields})


def labels(*found: ContainerFacts) -> dict[str, dict[str, str]]:
    """Service -> its labels of the origin, in the text for Compose."""
    given = with_origins(CONTENT, wanted_of(CONTENT, str.upper), found, NEW)
    assert given._replace(text=CONTENT.text) == CONTENT
    rows = {name: row["labels"] for name, row in json.loads(given.text)["services"].items()}
    assert all(row.items() >= {**OWNER.labels, "own": "a$$b"}.items() for row in rows.values())
    return {
        name: {key: row[key] for key in (SPEC, RELEASE, COMMIT, BY, BESIDE) if key in row} for name, row in rows.items()
    }


def test_a_service_that_runs_as_wanted_keeps_its_labels_and_another_one_gets_those_of_the_run() -> None:
    new = {"web": {SPEC: "h1", **NEW}, "db": {SPEC: "h2", **NEW}}
    kept = {SPEC: "h1", RELEASE: "run1", BY: "$$HOME"}
    assert labels() == new
    assert labels(container()) == {**new, "web": kept}
    # The lowest number counts, whatever the order in which the engine lists them.
    later = container(number=2, origin={SPEC: "h1", **origin_labels("run3", "", "")})
    assert labels(container(), later) == labels(later, container()) == {**new, "web": kept}
    # One of two was made before a deploy was killed.
    assert labels(container(hash="H0", origin={}), container()) == {**new, "web": kept}
    assert labels(container(origin={})) == {**new, "web": {}}, "an earlier version of shipit made it"
    assert labels(container(beside="gone")) == {**new, "web": {**kept, BESIDE: "gone"}}, (
        "the other one failed to restart"
    )
    for changed in ({"hash": "H0"}, {"image": "other"}, {"is_outdated": True}, {"service": "other"}):
        assert labels(container(**changed)) == new


def facts(more: dict[str, str], owner: Owner = OWNER) -> ContainerFacts:
    given = {"com.docker.compose.config-hash": "real", "com.docker.compose.project.config_files": "-"}
    found = {**owner.labels, **given, **more}
    return parse_container(Field({"Id": "1", "Config": {"Labels": found}}, "x"), OWNER, str)


def test_containers_are_compared_by_the_hash_of_their_settings_without_these_labels() -> None:
    assert (facts(OLD).hash, facts(OLD).origin) == ("h1", OLD)
    assert (facts({}).hash, facts({}).origin) == ("real", {}), "an earlier version of shipit made it"
    # Somebody copied the labels of a container into a file of their own, and started that.
    assert facts({**OLD, "com.docker.compose.project.config_files": "/srv/compose.yaml"}).hash == "real"
    other = facts(OLD, Owner("other", "production", "stack"))
    assert (other.hash, other.origin) == ("real", {})

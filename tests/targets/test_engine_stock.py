"""What of a target nothing on an engine needs, and what is removed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Warned
from shipit.http.fields import Field
from shipit.record import to_json
from shipit.targets.engine.label_store import Labelled
from shipit.targets.engine.owner import IMAGE, IMAGES, LOCK, Owner
from shipit.targets.engine.prune import Networks, find_stock, remove_stock
from shipit.targets.engine.prune_step import PruneEngine
from shipit.targets.engine.stock import (
    Stock,
    StockImage,
    image_leftovers,
    only_images,
    own_images,
    plan_prune,
    prune_notes,
    unneeded,
)
from shipit.targets.locks import Holder
from tests.targets.answering_host import answering_host

OWNER = Owner("shop", "production", "hosts")
SENT = "localhost/shop/production/web"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REPOSITORIES = ("registry.example/shop", "docker.io/acme/shop")


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({"RepoTags": [f"{SENT}:1"]}, [f"{SENT}:1"]),
        ({"RepoTags": [f"{SENT}:1", "shop:dev"]}, []),
        ({"RepoTags": ["localhost/shop/staging/web:1"]}, []),
        ({"RepoTags": None, "RepoDigests": [f"registry.example/shop@{A}"]}, [f"registry.example/shop@{A}"]),
        ({"RepoTags": ["<none>:<none>"], "RepoDigests": [f"acme/shop@{A}"]}, [f"acme/shop@{A}"]),
        ({"RepoTags": ["registry.example/shop:v1"], "RepoDigests": [f"registry.example/shop@{A}"]}, []),
        ({"RepoDigests": [f"registry.example/shop@{A}", f"other.example/shop@{A}"]}, []),
        ({"RepoDigests": [f"postgres@{A}"]}, []),
        ({"RepoDigests": ["<none>@<none>"]}, []),
        ({"RepoDigests": ["not a name@sha256:1"]}, []),
        ({}, []),
    ],
)
def test_images_of_a_target_are_those_sent_for_it_and_those_pulled_by_digest_from_its_repositories(
    row: dict[str, Any], names: list[str]
) -> None:
    found = own_images(Field([{"Id": "1", "Size": 5, **row}], "GET /images/json"), OWNER, REPOSITORIES)
    assert list(found) == [("1", StockImage(name, 5)) for name in names]


@pytest.mark.parametrize(
    "needed", ["1", f"acme/shop@{A}", f"docker.io/acme/shop@{A}", f"acme/shop:v1@{A}", f"registry.example/shop@{A}"]
)
def test_an_image_is_needed_by_its_id_and_by_each_of_its_names(needed: str) -> None:
    found = [("1", StockImage(f"acme/shop@{A}")), ("1", StockImage(f"registry.example/shop@{A}"))]
    assert unneeded([*found, ("2", StockImage(f"acme/shop@{B}"))], {needed}) == (StockImage(f"acme/shop@{B}"),)


def test_a_step_names_everything_and_notes_count_what_stays() -> None:
    stock = Stock(("web-old",), (StockImage("a", 2048),), ("net",), ("file",), (2, 1), ("a note",))
    [step] = plan_prune({"ssh://web1": stock, "ssh://web2": Stock()})
    assert step.summary == "remove 4 objects that nothing needs from ssh://web1" and not step.destroys
    assert step.detail == (
        "container web-old", "image a  2.0 KiB", "network net", "file, of a release that is too old to return to",
    )  # fmt: skip
    assert prune_notes({"ssh://web1": stock, "ssh://web2": Stock()}) == (
        "1 stopped container and 2 images on ssh://web1 stay: they run, or a rollback needs them",
        "a note",
    )


def answers(**more: Any) -> dict[str, Any]:
    """An engine with six images of the target; one of a container, one of a kept file of another target, three of a swarm."""
    digests = {name: f"registry.example/shop@sha256:{name * 64}" for name in "abcdef"}
    spec = {
        "TaskTemplate": {
            "ContainerSpec": {"Image": f"registry.example/shop:v3@sha256:{'c' * 64}"},
            "Networks": [{"Target": "n1"}],
        }
    }
    before = {"TaskTemplate": {"ContainerSpec": {"Image": digests["d"]}}}
    kept = {"Spec": {"Name": "k", "Labels": {IMAGE: digests["e"], "dev.shipit.keeps": "web"}}}
    return {
        "GET /images/json": [{"Id": name, "RepoDigests": [text]} for name, text in digests.items()],
        "GET /volumes": {"Volumes": [{"Name": "f", "Labels": {IMAGES: f"{digests['b']} x"}}]},
        "GET /services": [{"ID": "s", "Spec": spec, "PreviousSpec": before}],
        "GET /configs": [kept],
        "GET /networks": [
            {"Id": "n1", "Name": "one"},
            {"Id": "n2", "Name": "two"},
            {"Id": "n3", "Name": "three"},
            {"Id": "n4", "Name": "four", "Scope": "swarm"},
        ],
        "GET /system/df": {"BuildCache": [{"Size": 1024}, {"Size": 1024}]},
        **more,
    }


ROWS = [
    {"Id": "1", "ImageID": "a", "State": "exited", "NetworkSettings": {"Networks": {"three": {}}}},
    {"Id": "2", "ImageID": "f", "State": "exited", "Names": ["/old"], "NetworkSettings": {"Networks": {"two": {}}}},
]


def read(client: Any, **more: Any) -> Stock:
    rows = [Field(row, "GET /containers/json") for row in ROWS]
    return find_stock(client, OWNER, REPOSITORIES, rows, rows[1:], Networks(OWNER.app_filters, "local"), **more)


def test_images_and_networks_that_anybody_needs_stay(tmp_path: Path) -> None:
    with answering_host(tmp_path, answers()) as (client, _):
        found = read(client)
        without = read(client, kept=("f", "k"), gone_services=("s",))
    name = "registry.example/shop@sha256:"
    assert found.containers == ("old",) and found.networks == ("two",)
    assert [image.name for image in found.images] == [name + "f" * 64]
    assert found.spared == (5, 0) and "2.0 KiB of build cache on engine stay" in found.notes[0]
    assert [image.name for image in without.images] == [name + one * 64 for one in "bcdef"]
    assert without.networks == ("one", "two") and without.kept == ("f", "k")


def lock(target: str, run: str) -> dict[str, Any]:
    labels = {LOCK: "1", "dev.shipit.lock-holder": json.dumps(to_json(Holder(run)))}
    return {"Name": f"{target}-lock", "Labels": {**OWNER._replace(target=target).labels, **labels}}


@pytest.mark.parametrize("target", ["hosts", "stack"])
def test_images_stay_while_another_target_changes_the_engine(tmp_path: Path, target: str) -> None:
    locks = [lock(target, "other run"), lock("hosts", "own run"), lock("more", "own run")]
    with answering_host(tmp_path, answers(**{"GET /volumes": {"Volumes": locks}})) as (client, _):
        found = read(client)
    is_other = target != "hosts"
    assert found.containers == ("old",) and bool(found.images) != is_other and bool(found.networks) != is_other
    assert found.busy == ("shop/production/stack" if is_other else "")
    said = "images and networks on engine stay: shop/production/stack is being changed there now"
    assert (f"{said}; run it again when that is over" in prune_notes({"engine": found})) == is_other
    assert [left.what for left in image_leftovers({"engine": only_images(found)})] == ([said] if is_other else [])


def test_nothing_is_planned_where_the_swarm_can_not_be_read(tmp_path: Path) -> None:
    more = {"GET /info": {"Swarm": {"LocalNodeState": "locked"}}}
    with answering_host(tmp_path, answers(**more)) as (client, server):
        server.answers["GET /services"] = (503, b'{"message": "Swarm is encrypted"}')
        with pytest.raises(RemoteError, match="the swarm is locked: what it needs is not known"):
            read(client)
        server.answers["GET /info"] = (200, b'{"Swarm": {"LocalNodeState": "inactive"}}')
        server.answers["GET /configs"] = (503, b"{}")
        assert len(read(client).images) == 4


def test_images_stay_while_another_target_with_the_lock_elsewhere_is_changed(tmp_path: Path) -> None:
    """A target of several hosts keeps its lock on the first one, and pulls images to all."""
    locks = [Labelled(found["Name"], found["Labels"]) for found in (lock("hosts", "own"), lock("stack", "other"))]
    with answering_host(tmp_path, answers()) as (client, _):
        assert read(client, locks=locks).busy == "shop/production/stack"
        assert read(client, locks=locks[:1]).busy == ""


def test_it_is_a_failure_when_another_target_is_changed_after_the_plan(tmp_path: Path) -> None:
    step = PruneEngine("prune", "", host="engine", containers=("a",), images=("i",))
    with answering_host(tmp_path, {"DELETE /containers/a": None}) as (client, server):
        with pytest.raises(DeployFailed, match="images and networks on engine stay: shop/staging/stack is being"):
            list(remove_stock(step, client, Stock(("a",), busy="shop/staging/stack"), client.drop, "hosts"))
        busy = Stock(("a",), busy="shop/staging/stack")
        assert list(remove_stock(replace(step, images=()), client, busy, client.drop, "hosts")) == []
    assert [path for path, _ in server.requests if "/images/" in path] == []


def test_only_what_still_nothing_needs_is_removed(tmp_path: Path) -> None:
    head = {"id": "prune", "summary": "", "host": "engine"}
    step = PruneEngine(**head, containers=("a", "b"), images=("i", "j"), networks=("n", "o"), kept=("k", "l"))  # type: ignore[arg-type]
    found = Stock(("b",), (StockImage("j"),), ("o",), ("l",))
    with answering_host(tmp_path, {}) as (client, server):
        for path in ("/containers/b", "/images/j", "/networks/o", "/volumes/l"):
            server.answers[f"DELETE {path}"] = (204 if path != "/images/j" else 200, b"")
        assert list(remove_stock(step, client, found, client.drop, "hosts")) == []
    done = [path.partition("?")[0] for path, _ in server.requests if path.startswith("DELETE")]
    assert done == [f"DELETE /v1.41{path}" for path in ("/containers/b", "/volumes/l", "/images/j", "/networks/o")]


def test_an_image_that_the_engine_keeps_is_a_warning_with_its_reason(tmp_path: Path) -> None:
    step = PruneEngine("prune", "", host="engine", images=("i", "j"))
    found = Stock(images=(StockImage("i"), StockImage("j")))
    with answering_host(tmp_path, {}) as (client, server):
        server.answers["DELETE /images/i"] = (409, b'{"message": "image has dependent child images"}')
        server.answers["DELETE /images/j"] = (200, b"[]")
        warnings = list(remove_stock(step, client, found, client.drop, "hosts"))
    assert warnings == [Warned("hosts", "engine keeps the image i: image has dependent child images")]

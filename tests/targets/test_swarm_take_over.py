"""Services that `docker stack deploy` made: whose a service is, the plan that takes one over, and what a destroy leaves."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.errors import OwnedByOthers
from shipit.http.fields import Field
from shipit.release import Destruction
from shipit.targets.engine.owner import COMMIT, RELEASE, SERVICE, Owner
from shipit.targets.swarm.compare import settings_of
from shipit.targets.swarm.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.swarm.observed import GONE, SwarmObserved
from shipit.targets.swarm.owned import is_name_of, is_of_docker, is_own, stacks_of_docker, stacks_of_targets
from shipit.targets.swarm.plan import check_stack, notes_on, plan_swarm
from shipit.targets.swarm.plan_back import plan_back
from shipit.targets.swarm.spec import NAMESPACE
from shipit.targets.swarm.steps import PruneService, RestoreService, UpdateService
from tests.targets.test_swarm_pure import observed, service, spec, wanted

OWNER = Owner("shop", "production", "swarm")
OTHER = Owner("blog", "", "swarm")
STACK = {NAMESPACE: "old"}
OF_DOCKER = service(spec(), name="old_web", spec="", kept="", marks={}, drift=(GONE,), is_own=False)


def row(name: str, labels: dict[str, str]) -> Field:
    return Field({"Spec": {"Name": name, "Labels": labels}}, "services")


@pytest.mark.parametrize(
    ("name", "labels", "own", "docker"),
    [
        ("shop-production-web", {**OWNER.labels, SERVICE: "web"}, True, False),
        ("old_web", {**OWNER.labels, **STACK, SERVICE: "web"}, True, False),
        ("old_web", STACK, False, True),
        # Labels that were copied to another name, and those of another target.
        ("copy", {**OWNER.labels, **STACK, SERVICE: "web"}, False, False),
        ("old_web", {**OWNER.labels, SERVICE: "web"}, False, False),
        ("old_web", {**OTHER.labels, **STACK, SERVICE: "web"}, False, False),
        ("other_web", STACK, False, False),
        ("old_", STACK, False, False),
        ("old_web", {NAMESPACE: ""}, False, False),
        ("web", {}, False, False),
    ],
)
def test_whose_a_service_is(name: str, labels: dict[str, str], own: bool, docker: bool) -> None:
    found = row(name, labels)
    assert (is_own(found, OWNER), is_of_docker(found)) == (own, docker)


def test_stacks_are_those_of_docker_and_those_of_other_targets() -> None:
    rows = [row("old_web", STACK), row("old_db", STACK), row("old_x", {**OTHER.labels, **STACK}), row("single", {})]
    assert stacks_of_docker(rows) == {"old": ("old_web", "old_db")}
    assert stacks_of_targets(rows) == {"old": ("blog//swarm",)}


@pytest.mark.parametrize(
    ("body", "is_so"),
    [
        ({"Name": "shop-production-web", "Labels": {}}, True),
        ({"Name": "old_web", "Labels": STACK}, True),
        ({"Name": "old_web", "Labels": {}}, False),
        ({"Name": "old_db", "Labels": STACK}, False),
        ({"Labels": {}}, False),
    ],
)
def test_a_kept_spec_has_a_name_of_its_service(body: dict[str, Any], is_so: bool) -> None:
    assert is_name_of(body, OWNER, "web") is is_so


def test_a_service_of_docker_is_taken_over_under_its_name_and_others_are_left_alone() -> None:
    found = observed(OF_DOCKER, stacks={"old": ("old_web", "old_db")})
    check_stack("swarm", "old", {"web": wanted()}, found)
    web, worker = plan_swarm({"web": wanted(), "worker": wanted(service="worker")}, found, stack="old")
    assert isinstance(web, UpdateService) and isinstance(worker, UpdateService)
    assert web.summary == "take over the service old_web, which docker stack deploy made"
    assert web.detail == (
        "its name and its volumes stay; all its settings become those of the stack file",
        "start-first, 1 at a time",
    )
    assert (web.name, web.known, web.effect, web.undo) == ("old_web", "print", "replace", "")
    # A service that the stack lacks gets a name as the others have.
    assert (worker.name, worker.summary) == ("old_worker", "create the service worker")
    assert list(notes_on(OWNER, {"web": wanted()}, found, "old")) == [
        "takes over old_web of the stack old, which docker stack deploy made; the first deploy can't be undone by shipit rollback",
        "left alone, as docker stack deploy made them and they are not taken over: old_db",
    ]


def test_a_service_that_was_taken_over_keeps_its_name_and_one_of_docker_is_never_removed() -> None:
    taken = service(spec(), name="old_web")
    assert plan_swarm({"web": wanted()}, observed(taken), stack="old") == ()
    [step] = plan_swarm({"web": wanted(replicas=1, mode="global")}, observed(taken), stack="old")
    assert isinstance(step, UpdateService) and step.name == "old_web"
    left = OF_DOCKER._replace(service="db", name="old_db")
    assert plan_swarm({}, observed(left), stack="old") == ()
    assert plan_back({}, observed(left)) == ()
    [prune] = plan_swarm({}, observed(taken, left), stack="old")
    assert isinstance(prune, PruneService) and prune.service == "web"
    [back] = plan_back({"web": "k0"}, observed(OF_DOCKER))
    assert isinstance(back, RestoreService) and back.known == "print"


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (SwarmObserved(stacks={"old": ("old_db",)}), "the stack old was made by docker stack deploy, and runs old_db"),
        # Somebody deployed the stack by hand beside services of the target.
        (
            observed(service(spec(service="worker")), stacks={"old": ("old_web",)}),
            "the stack old was made by docker stack deploy, and runs old_web",
        ),
        (SwarmObserved(others={"old": ("blog//swarm",)}), "the stack old is that of another target: blog//swarm"),
    ],
)
def test_a_stack_of_others_is_refused(found: SwarmObserved, what: str) -> None:
    with pytest.raises(OwnedByOthers) as raised:
        check_stack("swarm", "old", {"web": wanted()}, found)
    assert (raised.value.what, raised.value.where) == (what, "swarm")


def test_a_destroy_names_what_docker_made_and_leaves_it() -> None:
    taken, left = service(spec(), name="old_web"), OF_DOCKER._replace(service="db", name="old_db")
    made = (("network", "old_default"), ("volume", "old_data"))
    inventory = Inventory(observed(taken, left), of_docker=made)
    [step] = plan_destroy(inventory, Destruction())
    assert step.detail == ("service old_web",)
    assert [one.what for one in leftovers(inventory, Destruction())] == [
        "the service old_db stays: docker stack deploy made it",
        "the network old_default stays: docker stack deploy made it; docker network rm old_default",
        "the volume old_data stays with its data: docker stack deploy made it; docker volume rm old_data",
    ]


def test_labels_of_the_origin_are_no_settings() -> None:
    def labelled(**origin: str) -> dict[str, Any]:
        labels = {"mine": "1", **origin}
        return {"Labels": labels, "TaskTemplate": {"ContainerSpec": {"Labels": labels}}, "Mode": {"Replicated": {}}}

    one, other = labelled(**{RELEASE: "r1", COMMIT: "abc"}), labelled(**{RELEASE: "r2"})
    assert settings_of(one, {}) == settings_of(other, {})
    assert "label mine" in settings_of(one, {})

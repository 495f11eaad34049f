"""Saved plans on the real cluster: which changes of an object leave a plan as it is, and which stop its deploy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.errors import ShipitError
from shipit.history.saved_plan import SavedPlan, read_plan, write_plan
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.promise import plan_key, promise
from shipit.pipeline.shared_key import shared_key
from tests.e2e.test_cluster_changes import Object, Shop, config_map, deployment
from tests.servers.cluster import Cluster, namespace_of
from tests.waits import wait_until

pytestmark = pytest.mark.cluster
AFTER = (config_map("2"), deployment("two"))


class Promised(Shop):
    def saved(self, *objects: Object) -> SavedPlan:
        """A plan that was saved, and read from its file."""
        run, _ = self.run(*objects)
        file, key = self.folder / "plan.json", plan_key(shared_key(run.project, run.environment), run.environment)
        write_plan(file, promise(run, plan(run, is_deploy=True), 3600), key)
        return read_plan(file, key)

    def version(self, thing: str) -> str:
        return str(self.get(thing)["metadata"]["resourceVersion"])


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster, request: pytest.FixtureRequest) -> Promised:
    name = namespace_of(request.node)
    made = Promised(tmp_path, cluster, name)
    assert made.deploy(config_map("1"), deployment("one"))[0] == 0
    return made


def _new_status(shop: Promised) -> None:
    shop.kubectl("delete", "pod", "-l", "app=web", "--wait=true")


def _label_of_others(shop: Promised) -> None:
    shop.patch("deployment/web", {"metadata": {"labels": {"team": "shop"}}})


@pytest.mark.parametrize("change", [_new_status, _label_of_others])
def test_a_new_resource_version_alone_leaves_the_plan_as_it_is(
    shop: Promised, change: Callable[[Promised], None]
) -> None:
    saved, before = shop.saved(*AFTER), shop.version("deployment/web")
    change(shop)
    wait_until("another resourceVersion", lambda: shop.version("deployment/web") != before)
    run, _ = shop.run(*AFTER)
    assert deploy(run, saved) == 0
    assert shop.get("deployment/web")["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "two"


def _edited(shop: Promised) -> None:
    shop.patch("deployment/web", {"spec": {"replicas": 2}})


def _deleted(shop: Promised) -> None:
    shop.kubectl("delete", "configmap", "settings")


def _recreated(shop: Promised) -> None:
    shop.kubectl("delete", "configmap", "settings")
    shop.kubectl("create", "configmap", "settings", "--from-literal=a=1")


def _done_by_hand(shop: Promised) -> None:
    assert shop.deploy(config_map("2"), deployment("one"))[0] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_edited, r"k8s: change Deployment/web: .*replicas"),
        (_deleted, r"k8s: change ConfigMap/settings: it is 'create ConfigMap/settings"),
        (_recreated, r"k8s: change ConfigMap/settings: "),
        (_done_by_hand, r"k8s: no longer needed: change ConfigMap/settings"),
    ],
)
def test_a_change_of_what_the_plan_changes_stops_it_and_is_named(
    shop: Promised, change: Callable[[Promised], None], said: str
) -> None:
    saved = shop.saved(*AFTER)
    change(shop)
    generation = shop.get("deployment/web")["metadata"]["generation"]
    run, _ = shop.run(*AFTER)
    with pytest.raises(ShipitError, match="does not hold any more; nothing was changed") as caught:
        deploy(run, saved)
    assert re.search(said, "\n".join(caught.value.detail)), caught.value.render()
    assert shop.get("deployment/web")["metadata"]["generation"] == generation

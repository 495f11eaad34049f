"""Destroying what shipit made on Kubernetes, in an API server in memory, and on Heroku's stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipit.errors import ShipitError
from shipit.events import Event, PlanMade, StepDone, TargetFinished
from shipit.pipeline.destroy import destroy
from shipit.pipeline.run import Run
from shipit.rehearsal.server import Request, Response
from shipit.release import Destruction, Leftover
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, Member, ObservedSet
from shipit.targets.kubernetes.live import Meta
from shipit.targets.verbs import destroys
from tests.servers.kube_api import KubeApi
from tests.targets.heroku_place import APP, heroku_place
from tests.targets.kube_place import KubePlace, kube_place

OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: '1'}\n"
KEPT = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, annotations: {shipit.dev/keep: 'true'}}\n"


def kinds(place: KubePlace) -> set[tuple[str, str]]:
    """The objects that are left, without what the server's controllers made."""
    return {key for key in place.api.objects if key[0] not in ("pods", "replicasets")}


def removed(run: Run, *named: str, keep_data: bool = False) -> int:
    return destroy(run, Destruction(named, keep_data), is_selected=False)


def test_everything_that_shipit_made_is_removed_also_when_deploy_yml_has_changed(tmp_path: Path) -> None:
    with kube_place(tmp_path / "shop", f"{OWN}---\n{OWN.replace('one', 'two')}") as place:
        assert place.deploy()[0] == 0
        theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "labels": {}}}
        place.api.update_or_create("configmaps", "theirs", theirs)
        place.own = OWN
        run, events = place.run()
        secret, [record] = place.env_secret, place.records
        assert removed(run) == 0
        assert kinds(place) == {("configmaps", "theirs")}
        [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
        assert [step.summary for step in plan.targets[0].steps] == [
            "remove Deployment/web",
            "remove Service/web",
            f"remove Secret/{secret}",
            f"remove Secret/{record}",
            "remove ConfigMap/one",
            "remove ConfigMap/two",
            "wait until it is gone and remove ConfigMap/shipit.shop.production.k8s",
        ]
        assert removed(place.run()[0]) == 0
        assert place.deploy()[0] == 0, "it can be deployed again"


def test_what_is_kept_is_removed_only_where_it_is_named(tmp_path: Path) -> None:
    with kube_place(tmp_path / "shop", OWN + KEPT) as place:
        assert place.deploy()[0] == 0
        run, events = place.run()
        assert removed(run) == 0
        parent = ("configmaps", "shipit.shop.production.k8s")
        assert kinds(place) == {("configmaps", "kept"), parent}
        scope = place.api.objects[parent]["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"]
        assert scope == "ConfigMap"
        [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
        assert plan.targets[0].notes == ("ConfigMap/kept stays: --include ConfigMap/kept removes it",)
        with pytest.raises(ShipitError, match="there is no ConfigMap/one to include"):
            removed(place.run()[0], "ConfigMap/one")
        assert removed(place.run()[0], "ConfigMap/kept") == 0
        assert kinds(place) == set()


@pytest.mark.parametrize(
    ("api_version", "key"),
    [
        ("v1", "Namespace/shop-data"),
        ("v1", "PersistentVolume/disk"),
        ("v1", "PersistentVolumeClaim/data"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition/shops.example.com"),
    ],
)
def test_namespaces_volumes_and_definitions_stay_until_they_are_named(
    tmp_path: Path, api_version: str, key: str
) -> None:
    kind, _, name = key.partition("/")
    with kube_place(tmp_path / "shop", OWN) as place:
        [target] = place.run()[0].targets
        assert destroys(target)
        member = Member(api_version, kind, Meta(name, "prod" if kind.endswith("Claim") else ""), is_ours=True)
        inventory = ObservedSet(exists=True, members=(member,))
        assert target.plan_destroy(inventory, Destruction()) == ()
        assert list(target.leftovers(inventory, Destruction())) == [
            Leftover(f"{key} stays: --include {key} removes it", key, is_volume=kind.startswith("PersistentVolume"))
        ]
        wanted = Destruction((key,))
        removal, parent = target.plan_destroy(inventory, wanted)
        assert (removal.summary, removal.effect) == (f"remove {key}", "delete")
        assert parent.summary == "wait until it is gone and remove ConfigMap/shipit.shop.production.k8s"
        assert list(target.leftovers(inventory, wanted)) == []
        kept = target.plan_destroy(inventory, wanted._replace(keep_data=True))
        assert len(kept) == (0 if kind.startswith("PersistentVolume") else 2), "--keep-data is for volumes"


def test_an_object_that_is_not_gone_at_the_deadline_is_a_failure_and_the_next_run_ends_it(tmp_path: Path) -> None:
    with kube_place(tmp_path / "shop", OWN) as place:
        assert place.deploy()[0] == 0
        place.api.objects["configmaps", "one"]["metadata"]["finalizers"] = ["example.com/hold"]
        run, events = place.run()
        run.timeout_s = 6
        assert removed(run) == 1
        [end] = [event for event in events if isinstance(event, TargetFinished)]
        assert "ConfigMap/one is being deleted, which waits for example.com/hold" in end.reason
        del place.api.objects["configmaps", "one"]
        assert removed(place.run()[0]) == 0
        assert kinds(place) == set()


def test_an_object_that_somebody_deletes_already_is_told_as_long_as_it_is_there(tmp_path: Path) -> None:
    with kube_place(tmp_path / "shop", OWN) as place:
        assert place.deploy()[0] == 0
        metadata = place.api.objects["configmaps", "one"]["metadata"]
        metadata |= {"finalizers": ["example.com/hold"], "deletionTimestamp": "2026-01-31T12:00:00Z"}
        run, events = place.run()
        assert removed(run) == 0
        assert ("configmaps", "one") in kinds(place)
        [end] = [event for event in events if isinstance(event, TargetFinished)]
        waits = "ConfigMap/one is being deleted, and waits for example.com/hold"
        assert end.reason == f"what was to be removed is gone; {waits}"
        [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
        assert plan.targets[0].notes == (waits,)


PARENT = "shipit.shop.production.k8s"
KINDS: Any = {
    "metadata": {"annotations": {"applyset.kubernetes.io/contains-group-kinds": "ConfigMap,StatefulSet.apps"}}
}


def test_what_another_deploy_makes_during_a_destroy_is_not_lost(tmp_path: Path) -> None:
    """Its kind is not one of this deploy.yml: only the parent says where it is."""
    with kube_place(tmp_path / "shop", OWN) as place:
        assert place.deploy()[0] == 0
        metadata = place.api.objects["configmaps", "one"]["metadata"]

        def meddle(event: Event) -> None:
            if isinstance(event, StepDone) and event.summary == "remove ConfigMap/one":
                place.api.update("configmaps", PARENT, "shipit", KINDS)
                new = {"name": "new", "labels": metadata["labels"]}
                place.api.update_or_create(
                    "statefulsets", "new", {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": new}
                )
                place.api.objects["statefulsets", "new"]["metadata"]["managedFields"] = metadata["managedFields"]

        run, events = place.run(meddle=meddle)
        assert removed(run) == 1
        [end] = [event for event in events if isinstance(event, TargetFinished)]
        assert end.reason.startswith("StatefulSet/new was made since the plan")
        assert removed(place.run()[0]) == 0
        assert kinds(place) == set()


def test_a_parent_that_another_deploy_widens_just_before_it_is_deleted_stays(tmp_path: Path) -> None:
    class Racing(KubeApi):
        races = 1

        def answer(self, request: Request) -> Response:
            if request.method == "DELETE" and request.path.endswith(PARENT) and self.races:
                self.races = 0
                self.update("configmaps", PARENT, "shipit", KINDS)
            return super().answer(request)

    with kube_place(tmp_path / "shop", OWN, Racing) as place:
        assert place.deploy()[0] == 0
        run, events = place.run()
        assert removed(run) == 1
        [end] = [event for event in events if isinstance(event, TargetFinished)]
        assert end.reason.startswith(f"ConfigMap/{PARENT} was changed meanwhile")
        assert kinds(place) == {("configmaps", PARENT)}
        assert removed(place.run()[0]) == 0
        assert kinds(place) == set()


def test_without_the_right_to_list_nothing_is_removed(tmp_path: Path) -> None:
    class Strict(KubeApi):
        def answer(self, request: Request) -> Response:
            if request.method == "GET" and request.path.endswith("/secrets"):
                return Response(403, b'{"kind": "Status", "reason": "Forbidden"}')
            return super().answer(request)

    with kube_place(tmp_path / "shop", OWN, Strict) as place:
        assert place.deploy()[0] == 0
        before = kinds(place)
        with pytest.raises(ShipitError, match="you may not list secrets in namespace prod: what shipit made of these"):
            removed(place.run()[0])
        assert kinds(place) == before


def test_what_somebody_else_labelled_stays(tmp_path: Path) -> None:
    with kube_place(tmp_path / "shop", OWN) as place:
        assert place.deploy()[0] == 0
        labels = dict(place.api.objects["configmaps", "one"]["metadata"]["labels"])
        assert PART_OF_LABEL in labels
        forged: Any = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "labels": labels}}
        place.api.update_or_create("configmaps", "theirs", forged)
        run, events = place.run()
        assert removed(run) == 0
        assert ("configmaps", "theirs") in kinds(place)
        [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
        assert plan.targets[0].notes == ("ConfigMap/theirs stays: shipit did not make it, or it has an owner",)


def test_the_dynos_of_an_app_are_stopped_and_the_app_stays_until_it_is_named(tmp_path: Path) -> None:
    with heroku_place(tmp_path / "project") as place:
        assert place.deploy().code == 0
        place.app.formation["clock"] = {**place.app.formation["web"], "quantity": 1, "image": None}
        run, events = place.run()
        assert removed(run) == 0
        assert place.app.formation["web"]["quantity"] == 0
        [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
        assert plan.targets[0].notes == (
            f"the app {APP} stays, with its releases and config vars: --include app/{APP} deletes it",
            "the dynos of clock stay: shipit did not release them",
        )
        assert place.app.formation["clock"]["quantity"] == 1
        run, events = place.run()
        assert removed(run) == 0
        assert not [event for event in events if isinstance(event, TargetFinished)], "nothing is left to stop"
        run, events = place.run()
        assert removed(run, f"app/{APP}") == 0
        assert APP not in place.heroku.apps
        assert removed(place.run()[0]) == 0


def test_an_app_that_shipit_has_never_released_to_keeps_its_dynos(tmp_path: Path) -> None:
    """Its name in deploy.yml is wrong: it runs a process type that deploy.yml has, too."""
    with heroku_place(tmp_path / "project") as place:
        assert place.deploy().code == 0
        place.app.formation["web"]["image"] = f"sha256:{'7' * 64}"
        run, events = place.run()
        assert removed(run) == 0
        assert place.app.formation["web"]["quantity"] == 1
        [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
        assert "the dynos of web stay: shipit did not release them" in plan.targets[0].notes

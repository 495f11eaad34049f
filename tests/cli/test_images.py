"""`shipit images`: what the repositories hold, from which commits, and where it runs."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.history.lock_file import free_file, take_file
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import is_run_tag
from tests.servers.kube_api import KubeApi
from tests.servers.registry import RegistryServer
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit

K8S = "  k8s: {settle: 0s, workloads: {web: {port: 3000}}}\n"
DEPLOY_YML = f"""\
app: shop
image: {{repository: HOST/shop}}
targets:
{K8S}  heroku: {{app: shop-prod, settle: 0s}}
  hub: {{}}
"""


@pytest.fixture
def shipit(in_process: Shipit) -> Shipit:
    """Called, not started: what is tested is what commands say."""
    return in_process


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi() as server:
        yield server


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


@pytest.fixture
def app(shipit: Shipit, api: KubeApi, registry: EmbeddedRegistry, heroku: HerokuStandIn) -> Shipit:
    shipit.env |= {"KUBECONFIG": api.kubeconfig(shipit.folder.parent / "kube")}
    shipit.write(
        deploy__yml=DEPLOY_YML.replace("HOST", registry.host), Dockerfile=PYTHON_DOCKERFILE, app__py=SERVING_APP
    )
    return shipit


def commit(shipit: Shipit, at: str) -> str:
    """Commit everything at a time; the short name of the commit."""
    shipit.env |= {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
    shipit.git("add", "-A")
    shipit.git("commit", "-q", "-m", "a commit")
    return shipit.git("rev-parse", "HEAD")


def listed(shipit: Shipit) -> list[dict[str, Any]]:
    code, events = shipit.events("images")
    assert code == 0, events
    [event] = [event for event in events if event["event"] == "images_listed"]
    images: list[dict[str, Any]] = event["repositories"][0]["images"]
    return images


def test_images_of_commits_are_listed_with_the_places_where_they_run(app: Shipit) -> None:
    app.git("init", "-q")
    first = commit(app, "2026-01-01T00:00:00+00:00")
    deployed = app.run("deploy")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    app.write(app__py=SERVING_APP + "# second\n")
    second = commit(app, "2026-02-01T00:00:00+00:00")
    assert app.run("push").returncode == 0
    new, old = listed(app)
    assert new["tags"] == ["latest", second[:7]] or new["tags"] == [second[:7], "latest"]
    assert new["commit"] == second[:7] and new["committed"].startswith("2026-02-01") and new["runs"] == []
    assert old["tags"] == [first[:7]] and old["committed"].startswith("2026-01-01")
    assert sorted(old["runs"]) == ["heroku/web", "k8s/web"]
    assert old["created"] == "" and old["size_bytes"] > 0
    table = app.run("images")
    assert table.returncode == 0, table.stderr
    head, *rows = table.stdout.splitlines()[1:]
    assert head.split() == ["TAGS", "DIGEST", "COMMIT", "SIZE", "AGE", "RUNS"]
    assert len(rows) == 2 and rows[0].startswith(tuple(new["tags"])) and "k8s/web" in rows[1] and first[:7] in rows[1]


def test_what_runs_without_a_tag_is_listed_too(app: Shipit, registry: EmbeddedRegistry) -> None:
    assert app.run("deploy", "k8s").returncode == 0
    app.write(app__py=SERVING_APP + "# second\n")
    assert app.run("push").returncode == 0
    images = {tuple(image["tags"]): image["runs"] for image in listed(app)}
    assert images == {("latest",): [], (): ["k8s/web"]}
    assert "no tag" in app.run("images").stdout


def test_a_place_that_can_not_be_read_is_a_warning_and_not_claimed_to_run_nothing(app: Shipit) -> None:
    assert app.run("push").returncode == 0
    app.env["KUBECONFIG"] = "/nowhere"
    text = (app.folder / "deploy.yml").read_text().replace("app: shop-prod", "app: nowhere")
    app.write(deploy__yml=text.replace("  k8s: {settle: 0s, workloads: {web: {port: 3000}}}\n", ""))
    code, events = app.events("images")
    assert code == 0
    [event] = [event for event in events if event["event"] == "images_listed"]
    assert event["unread"] == ["heroku"]
    [warning] = [event for event in events if event["event"] == "warned" and event["target"] == "heroku"]
    assert "what runs there is not known" in warning["message"]


def test_an_empty_repository_and_no_repository(app: Shipit, registry: EmbeddedRegistry) -> None:
    done = app.run("images")
    assert done.returncode == 0 and done.stdout.splitlines() == [f"shop  {registry.host}/shop", "nothing is there"]
    unknown = app.run("images", "wob")
    assert unknown.returncode == 2 and "there is no image 'wob'" in unknown.stderr
    app.write(deploy__yml="app: shop\nimage: {build: .}\n")
    none = app.run("images")
    assert none.returncode == 2 and "no image has a repository" in none.stderr


def test_times_labels_and_indexes_of_images_that_others_pushed(app: Shipit, registry_server: RegistryServer) -> None:
    """A real registry with an image that has a label and a time, and an index."""
    from tests.servers.install import crane

    repository = f"{registry_server.host}/listed/shop"
    app.write(deploy__yml=f"app: shop\nimage: {{repository: {repository}, tags: [v1]}}\n")
    assert app.run("push").returncode == 0
    revision = "a" * 40
    label = f"org.opencontainers.image.revision={revision}"
    for words in (
        ["mutate", "--label", label, f"{repository}:v1", "-t", f"{repository}:v2"],
        ["index", "append", "-m", f"{repository}:v2", "-t", f"{repository}:all"],
    ):
        subprocess.run([crane(), *words], check=True, capture_output=True)
    images = {image["tags"][0]: image for image in listed(app)}
    assert set(images) == {"v1", "v2", "all"}
    assert images["v2"]["commit"] == revision
    assert images["all"]["size_bytes"] is None and images["all"]["config_digest"] == ""
    assert json.dumps(images["v1"]["runs"]) == "[]"


def commits(app: Shipit, count: int) -> list[str]:
    """Push an image of each of some commits; the first is deployed to every target. The short names of the commits."""
    app.git("init", "-q")
    names = []
    for number in range(count):
        app.write(app__py=SERVING_APP + f"# {number}\n")
        names.append(commit(app, f"2026-01-0{number + 1}T00:00:00+00:00")[:7])
        done = app.run(*(["push"] if number else ["deploy"]))
        assert done.returncode == 0, done.stdout + done.stderr
    return names


def tags(registry: EmbeddedRegistry) -> set[str]:
    """The tags of images, without those of the records of runs."""
    return {tag for _, tag in registry.tags if not is_run_tag(tag)}


def test_old_images_are_deleted_after_a_preview_and_a_question(app: Shipit, registry: EmbeddedRegistry) -> None:
    names = commits(app, 4)
    refused = app.run("prune", "--keep", "1")
    assert refused.returncode == 2
    assert "not confirmed: 2 images of" in refused.stderr and "2 images to delete, 2 kept" in refused.stdout
    assert "1 kept: it runs somewhere" in refused.stdout
    before = sum(is_run_tag(tag) for _, tag in registry.tags)
    assert tags(registry) == {*names, "latest"}
    code, shown = app.converse(["prune", "--keep", "1"], [("Delete?", "y")])
    assert code == 0, shown
    code, [event] = app.events("history", "--local")
    newest = event["runs"][0]
    assert (newest["command"], newest["state"], newest["summary"]) == ("prune", "done", "2 images deleted")
    assert [own["name"] for own in newest["targets"]] == ["k8s", "heroku", "hub"]
    assert tags(registry) == {names[0], names[3], "latest"}, "what runs and the newest stay"
    assert sum(is_run_tag(tag) for _, tag in registry.tags) < before, "the records of what is gone are gone"
    again = app.run("prune", "--keep", "1")
    assert again.returncode == 0 and "nothing to delete" in again.stdout
    assert app.run("deploy").returncode == 0


def test_images_are_not_deleted_while_another_run_has_a_lock(app: Shipit, registry: EmbeddedRegistry) -> None:
    # Without a cluster, whose lock would be taken, each place has a file.
    app.write(deploy__yml=(app.folder / "deploy.yml").read_text().replace(K8S, ""))
    names = commits(app, 3)
    taken = [take_file(app.folder, file.name, "{}") for file in (app.folder / ".shipit/locks").iterdir()]
    refused = app.run("prune", "--keep", "1", "--yes")
    for own in taken:
        free_file(own.handle)
    assert refused.returncode == 1 and "it is locked by another run" in refused.stderr, refused.stderr
    assert tags(registry) == {*names, "latest"}


def test_prune_keeps_the_images_that_a_rollback_needs(app: Shipit, registry: EmbeddedRegistry) -> None:
    names = commits(app, 1)
    for number, command in ((1, "deploy"), (2, "push"), (3, "push")):
        app.write(app__py=SERVING_APP + f"# {number}\n")
        names.append(commit(app, f"2026-01-0{number + 1}T00:00:00+00:00")[:7])
        done = app.run(command)
        assert done.returncode == 0, done.stdout + done.stderr
    done = app.run("prune", "--keep", "1", "--yes")
    assert done.returncode == 0 and "1 kept: a rollback needs it" in done.stdout, done.stdout + done.stderr
    assert tags(registry) == {names[0], names[1], names[3], "latest"}, "released before, runs, the newest"
    back = app.run("rollback", "k8s", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr


def test_a_rolled_back_cluster_is_left_alone_until_a_setting_changes(app: Shipit) -> None:
    text = (app.folder / "deploy.yml").read_text() + "keep_rolled_back: true\n"
    app.write(deploy__yml=text)
    commits(app, 1)
    app.write(app__py=SERVING_APP + "# other\n")
    assert app.run("deploy", "k8s").returncode == 0
    back = app.run("rollback", "k8s", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    same = app.run("deploy", "k8s")
    assert same.returncode == 0 and "0 of 1 targets healthy, 1 left as rolled back" in same.stdout, same.stderr
    app.write(deploy__yml=text.replace("port: 3000", "port: 3000, env: {A: b}"))
    assert "1 of 1 targets healthy in" in app.run("deploy", "k8s").stdout


def test_nothing_is_deleted_where_a_place_of_another_environment_can_not_be_read(
    app: Shipit, registry: EmbeddedRegistry
) -> None:
    names = commits(app, 3)
    text = (app.folder / "deploy.yml").read_text()
    app.write(deploy__yml=text + "environments: {staging: {targets: {heroku: {app: nowhere}}}}\n")
    code, events = app.events("prune", "--keep", "1", "--yes")
    assert code == 1
    [failure] = [event for event in events if event["event"] == "run_failed"]
    assert "nothing is deleted: what runs in staging:heroku is not known" in failure["message"]
    assert tags(registry) == {*names, "latest"}


def test_an_image_that_runs_only_in_a_workload_of_another_environment_stays(
    app: Shipit, registry: EmbeddedRegistry, api: KubeApi
) -> None:
    """Its target has the same name and namespace."""
    names = commits(app, 3)
    text = (app.folder / "deploy.yml").read_text()
    app.write(
        deploy__yml=text + "environments: {staging: {targets: {k8s: {workloads: {web: null, admin: {port: 3001}}}}}}\n"
    )
    assert app.run("deploy", "k8s", "-e", "staging").returncode == 0
    # Everything else is released again, from an image that comes after it.
    app.write(app__py=SERVING_APP + "# last\n")
    names.append(commit(app, "2026-01-09T00:00:00+00:00")[:7])
    assert app.run("deploy").returncode == 0
    done = app.run("prune", "--keep", "1", "--yes")
    assert done.returncode == 0, done.stderr
    admin = api.objects["deployments", "admin"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert app.run("prune", "--keep", "1", "--yes").returncode == 0
    assert admin.rpartition("@")[2] in {str(digest) for digest in registry.tags.values()}


def test_docker_hub_and_a_registry_that_deletes_nothing_say_so(app: Shipit, registry: EmbeddedRegistry) -> None:
    app.write(deploy__yml="app: shop\nimage: me/shop\n")
    done = app.run("prune", "--keep", "1", "--yes")
    assert done.returncode == 2 and "Docker Hub does not delete images by their digest" in done.stderr
    assert "hint: set keep_tags: N" in done.stderr
    none = app.run("prune", "--keep", "0")
    assert none.returncode == 2


def test_a_real_registry_deletes_what_is_old(app: Shipit, registry_server: RegistryServer) -> None:
    repository = f"{registry_server.host}/pruned/shop"
    app.write(deploy__yml=f"app: shop\nimage: {repository}\ntargets: {{hub: }}\n")
    commits(app, 3)
    code, events = app.events("prune", "--keep", "2", "--yes")
    assert code == 0, events
    planned, done = (event for event in events if event["event"] == "images_pruned")
    assert planned["repositories"][0]["removed"] == done["repositories"][0]["removed"] and done["is_done"]
    record, image = done["repositories"][0]["removed"]
    assert record["tags"][0].startswith("shipit-production-") and image["config_digest"], (
        "the record of its run goes, too"
    )
    assert len(listed(app)) == 2


def test_the_cache_is_emptied_by_hand_but_not_while_it_is_used(shipit: Shipit) -> None:
    shipit.write(deploy__yml="app: shop\nimage: {build: .}\n", Dockerfile="FROM scratch\nCOPY Dockerfile /\n")
    none = shipit.run("prune", "--cache")
    assert none.returncode == 0 and "removed 0 B" in none.stdout
    assert shipit.run("build").returncode == 0
    cache = Path(shipit.env["SHIPIT_CACHE_DIR"])
    refused = shipit.run("prune", "--cache")
    assert refused.returncode == 2 and "not confirmed" in refused.stderr and "of at most 10.0 GiB" in refused.stdout
    assert list(cache.glob("blobs/sha256/*"))
    with (cache / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        used = shipit.run("prune", "--cache", "--yes")
        assert used.returncode == 1 and "another shipit uses the cache" in used.stderr
    code, [event] = shipit.events("prune", "--cache", "--yes")
    assert code == 0 and event["event"] == "cache_pruned" and event["before_bytes"] > event["after_bytes"] == 0
    assert not list(cache.glob("blobs/sha256/*")) and not list(cache.glob("memo/*/*"))
    assert shipit.run("build").returncode == 0


def test_a_folder_that_is_no_cache_is_left_alone(shipit: Shipit, tmp_path: Path) -> None:
    file = tmp_path / "own" / "blobs" / "sha256" / "mine"
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    shipit.env["SHIPIT_CACHE_DIR"] = str(tmp_path / "own")
    assert shipit.run("prune", "--cache", "--yes").returncode == 0
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["prune"], "no target is on a Docker engine, and how many images stay is missing"),
        (["prune", "shop"], "how many images of shop stay is missing"),
        (["prune", "hub"], "hub is a registry, which keeps nothing to prune"),
        (["prune", "hub", "--keep", "3"], "its keep: in deploy.yml"),
        (["prune", "--cache", "--keep", "3"], "--cache takes neither --keep nor names"),
        (["gc"], "use shipit prune"),
    ],
)
def test_prune_says_what_is_missing(shipit: Shipit, words: list[str], error: str) -> None:
    shipit.write(deploy__yml="app: shop\nimage: registry.example/shop\ntargets: {hub: {}}\n")
    done = shipit.run(*words)
    assert done.returncode == 2 and error in done.stderr

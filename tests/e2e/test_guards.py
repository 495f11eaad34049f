"""Places that are pinned, environments that are protected: asked about, and looked at again before each change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.servers.cluster import Cluster
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit, settled


@pytest.fixture
def heroku(shipit: Shipit, heroku: HerokuStandIn) -> HerokuStandIn:
    shipit.env["TERM"] = "xterm"
    shipit.write(
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP,
        deploy__yml="app: shop\nimage: {build: .}\nenv: {MODE: live}\ntargets: {heroku: {app: shop-prod, settle: 0s}}\n"
        "environments:\n  production: {inherit: true, protected: true}\n  clean: {inherit: true, protected: true, require_clean: true}\n",
    )
    return heroku


def writes(heroku: HerokuStandIn) -> list[tuple[str, str]]:
    return [entry for entry in heroku.log if entry[0] not in ("GET", "HEAD")]


def test_a_protected_environment_needs_a_yes(shipit: Shipit, heroku: HerokuStandIn) -> None:
    for arguments in ((), ("-e", "production")):
        done = shipit.run("deploy", *arguments)
        assert done.returncode == 2
        assert "not confirmed: the environment production is protected" in done.stderr
        assert "hint: answer yes, or pass --yes where nobody can be asked" in done.stderr
        assert writes(heroku) == [] and heroku.registry.tags == {}
    code, shown = shipit.converse(
        ["deploy", "-e", "production"],
        [("the environment production is protected. Deploy to heroku (app shop-prod", "n")],
    )
    assert code == 2 and "not confirmed" in shown and writes(heroku) == []
    code, shown = shipit.converse(
        ["deploy", "-e", "production"],
        [("the environment production is protected. Deploy to heroku (app shop-prod", "y")],
    )
    assert code == 0, shown
    done = shipit.run("deploy", "-e", "production")
    assert done.returncode == 0 and "nothing changed" in done.stdout, "nothing to change, nothing to ask"


def test_the_app_that_has_the_name_now_is_another(shipit: Shipit, heroku: HerokuStandIn) -> None:
    def replaced() -> str:
        heroku.create_app("shop-prod")
        return "y"

    code, shown = shipit.converse(["deploy", "-e", "production"], [("Deploy to heroku (app shop-prod", replaced)])
    assert code == 1
    assert "the name shop-prod is another app's since the plan was made" in settled(shown)
    assert "hint: run it again to plan for the app that has it now" in settled(shown)
    assert writes(heroku) == [] and len(heroku.apps["shop-prod"].releases) == 1


def test_a_clean_tree_is_asked_for_at_the_beginning_and_before_each_change(
    shipit: Shipit, heroku: HerokuStandIn
) -> None:
    done = shipit.run("deploy", "-e", "clean", "--yes")
    assert done.returncode == 2 and "wants a clean git tree, and git can't tell" in done.stderr
    shipit.git("init", "-q")
    shipit.git("add", ".")
    shipit.git("commit", "-qm", "first")
    (shipit.folder / "app.py").write_text(SERVING_APP + "# changed\n")
    done = shipit.run("deploy", "-e", "clean", "--yes")
    assert done.returncode == 2 and "wants a clean git tree, and app.py is changed" in done.stderr
    shipit.git("commit", "-qam", "second")

    def changed() -> str:
        (shipit.folder / "new.txt").write_text("not committed")
        return "y"

    code, shown = shipit.converse(["deploy", "-e", "clean"], [("Deploy to heroku (app shop-prod", changed)])
    assert code == 1 and "new.txt is changed" in settled(shown) and writes(heroku) == []
    (shipit.folder / "new.txt").unlink()
    done = shipit.run("deploy", "-e", "clean", "--yes")
    assert done.returncode == 0, done.stderr


@pytest.mark.cluster
def test_a_context_that_leads_elsewhere_since_the_plan(shipit: Shipit, cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "guarded")
    config = shipit.folder.parent / "kubeconfig"
    config.write_text(cluster.kubeconfig.read_text())
    shipit.env |= {"KUBECONFIG": str(config), "TERM": "xterm"}

    def elsewhere() -> str:
        config.write_text(re.sub(r"https://127\.0\.0\.1:[0-9]+", "https://127.0.0.1:1", config.read_text()))
        return "y"

    with EmbeddedRegistry() as registry:
        shipit.write(
            Dockerfile='FROM scratch\nCOPY . /\nCMD ["x"]\n',
            deploy__yml=f"app: shop\nimage: {registry.host}/shop\ntargets: {{k8s: {{namespace: guarded, port: 80, protected: true}}}}\n",
        )
        code, shown = shipit.converse(["deploy"], [("k8s is protected. Deploy to k8s", elsewhere)])
    assert code == 1
    # A frame of the live view that came between has two lines: the second one is that of the step.
    told = settled(shown).replace("kinds of the app's objects ", "")
    assert "the place changed since the plan: it was context test, server https://" in told
    assert "and is context test, server https://127.0.0.1:1, namespace guarded" in told
    assert cluster.kubectl("-n", "guarded", "get", "deployments,services", "-o", "name") == ""


def test_a_pinned_server_that_the_context_does_not_lead_to(shipit: Shipit, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: prod\ncontexts: [{name: prod, context: {cluster: a}}]\n"
        'clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]\n'
    )
    shipit.env["KUBECONFIG"] = str(config)
    shipit.write(
        Dockerfile="FROM scratch\nCOPY . /\n",
        deploy__yml='app: shop\nimage: user/shop\ntargets:\n  k8s: {server: "https://10.0.0.1:6443", port: 80}\n',
    )
    done = shipit.run("plan")
    assert done.returncode == 2, done.stderr
    assert "deploy.yml:4:17: targets.k8s.server:" in done.stderr and "https://127.0.0.1:1" in done.stderr

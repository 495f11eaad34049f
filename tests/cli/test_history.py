"""`shipit history` and `shipit show`: runs that ended, that go on and that were killed, as people and programs read them."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.http.scripted import Start, answer
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit, unwrapped
from tests.waits import wait_until


def listed(shipit: Shipit, *arguments: str) -> list[dict[str, Any]]:
    code, [event] = shipit.events("history", *arguments)
    assert (code, event["event"]) == (0, "runs_listed")
    runs: list[dict[str, Any]] = event["runs"]
    return runs


def test_runs_that_changed_something_are_listed_and_shown(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    assert shipit.run("history").stdout == "nothing was released or changed yet\n"
    first = shipit.run("deploy")
    assert first.returncode == 0
    assert "nothing changed" in shipit.run("deploy").stdout
    assert shipit.run("push").returncode == 0
    assert len(listed(shipit)) == 1, "what changes nothing is no run"
    shipit.write(hello__txt="hello again\n")
    assert shipit.run("push").returncode == 0
    push, deploy = listed(shipit)
    assert [push["command"], deploy["command"]] == ["push", "deploy"]
    local = listed(shipit, "--local")
    assert all("@" in run["by"] for run in local) and local[1]["targets"][0]["elapsed_s"] > 0
    assert deploy["state"] == "done" and deploy["summary"] == "1 of 1 targets healthy"
    [target] = deploy["targets"]
    assert (target["name"], target["state"]) == ("hub", "healthy")
    assert target["place"].startswith(registry.host)
    [image] = target["images"]
    assert image["reference"].startswith(f"{registry.host}/shop@sha256:")
    table = shipit.run("history", "hub", "-n", "1")
    assert table.stdout.splitlines()[1].split()[0] == push["run"]
    assert table.stdout.splitlines()[2] == "older runs are left out: shipit history --limit 5"
    summary = shipit.run("history", "--local", "-n", "1").stdout.splitlines()
    assert [line.split()[:5] for line in summary[-2:]] == [
        ["deploy", "1", "0", "(0", "%)"],
        ["push", "1", "0", "(0", "%)"],
    ]
    _, [event] = shipit.events("history", "--local", "-n", "1")
    assert [own["runs"] for own in event["statistics"]] == [1, 1] and not event["is_whole"]
    shown = shipit.run("show", deploy["run"][:6])
    assert shown.stdout.startswith(f"run {deploy['run']}: deploy shop (production)\nstarted ")
    assert "1 of 1 targets healthy" in shown.stdout and "hub" in shown.stdout
    # Completion looks beside deploy.yml, also from a folder below it.
    for name in ("below", ".git"):
        (shipit.folder / name).mkdir()
    completed = Shipit(shipit.folder / "below", shipit.folder.parent / "home")
    completed.env |= {
        "_SHIPIT_COMPLETE": "complete_bash",
        "COMP_WORDS": f"shipit show {deploy['run'][:4]}",
        "COMP_CWORD": "2",
    }
    assert completed.run_program("shipit").stdout.split() == [deploy["run"]]
    code, events = shipit.events("show", deploy["run"])
    assert code == 0
    assert events[0]["event"] == "run_started"
    assert "plan_made" in {event["event"] for event in events} and events[-1]["event"] == "run_finished"


def test_other_environments_and_targets(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    text = (shipit.folder / "deploy.yml").read_text()
    shipit.write(deploy__yml=f"{text}environments:\n  staging: {{targets: {{hub: {{settle: 0s}}}}}}\n")
    assert shipit.run("deploy").returncode == 0
    assert listed(shipit, "-e", "staging") == []
    assert len(listed(shipit, "-e", "production")) == len(listed(shipit)) == 1
    [run] = listed(shipit)
    for words in (["diff", run["run"], run["run"][:6]], ["rollback", "--to", run["run"]]):
        other = shipit.run(*words, "-e", "staging")
        assert other.returncode == 2 and " is one of production, not of staging" in other.stderr, other.stderr
        assert "hint: add -e production" in other.stderr
    unknown = shipit.run("history", "heroku")
    assert (
        unknown.returncode == 2
        and "there is no target 'heroku'" in unknown.stderr
        and "targets here: hub" in unknown.stderr
    )


def test_a_release_of_heroku_that_failed_is_healthy_once_a_later_deploy_has_verified_it(
    shipit: Shipit, shop_prod: HerokuStandIn, registry: EmbeddedRegistry, serve: Start
) -> None:
    good, bad = [answer(b"ok")], [answer(b"", "500 Internal Server Error")]
    server = serve(good, bad, good, good, bad)

    def write(value: str, on_failure: str) -> None:
        shipit.write(
            deploy__yml=f"app: shop\nimage: {registry.host}/shop\nenv: {{V: '{value}'}}\ntargets:\n"
            f"  heroku: {{app: shop-prod, settle: 0s, pending: 0s, on_failure: {on_failure}, check: '{server.url}/'}}\n",
        )

    shipit.write(Dockerfile=PYTHON_DOCKERFILE, app__py=SERVING_APP)
    write("1", "stop")
    assert shipit.run("deploy").returncode == 0
    write("2", "stop")
    assert shipit.run("deploy").returncode == 1
    for _ in range(2):
        done = shipit.run("deploy")
        assert done.returncode == 0 and "nothing changed" in done.stdout
    kept = listed(shipit, "--local")
    assert [run["state"] for run in kept] == ["done", "failed", "done"], (
        "the first that verified it is kept, no later one"
    )
    write("3", "rollback")
    done = shipit.run("deploy")
    assert done.returncode == 1 and "rolled back to what ran before" in unwrapped(done.stdout)
    assert shop_prod.apps["shop-prod"].config["V"] == "2"


def test_a_killed_run_is_told_by_the_next_deploy(shipit: Shipit, heroku: HerokuStandIn) -> None:
    go = shipit.folder / "go"
    wait = f"import os, time\\nwhile not os.path.exists('{go}'): time.sleep(0.1)"
    shipit.write(
        deploy__yml=f'app: shop\nimage: {{repository: registry.example/shop, build: .}}\nrelease: {{command: [python, -c, "{wait}"]}}\n'
        "targets:\n  heroku: {app: shop-prod, settle: 0s}\n",
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP,
    )
    process = shipit.start("deploy")
    [running] = wait_until(
        "it releases", lambda: listed(shipit, "--local"), lambda runs: runs and runs[0]["begun"], 120
    )
    assert running["state"] == "running"
    assert running["begun"] == ["heroku: release release, web"]
    process.kill()
    process.communicate()
    [lost] = listed(shipit, "--local")
    assert (lost["state"], lost["exit_code"]) == ("lost", None)
    assert "no end" in shipit.run("history").stdout
    assert "not ended: heroku: release release, web" in shipit.run("show", lost["run"]).stdout
    go.touch()
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"warning: an earlier run has no end, as if it was killed: deploy {lost['run']} (started " in done.stderr
    assert ", while this was under way: heroku: release release, web." in done.stderr
    again = shipit.run("deploy")
    if "killed" in again.stderr:
        # The release went on by itself and nothing was left to do: such a deploy keeps no journal.
        assert "nothing changed" in done.stdout


def test_jobs_take_the_place_of_max_parallel(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    images = "".join(f"  {name}: {{repository: {registry.host}/{name}, build: .}}\n" for name in ("a", "b"))
    targets = "".join(f"  {name}: {{kind: registry, images: [{name}], settle: 0s}}\n" for name in ("a", "b"))
    shipit.write(deploy__yml=f"app: shop\nimages:\n{images}targets:\n{targets}max_parallel: 7\n")
    said = "is deployed first, alone; when it is healthy, the others follow, at most 3 at the same time"
    shipit.write(hello__txt="other\n")
    done = shipit.run("deploy", "--jobs", "3")
    assert done.returncode == 0 and said in done.stderr, done.stderr
    shipit.write(hello__txt="again\n")
    assert "at most 7 at the same time" in shipit.run("deploy").stderr
    assert shipit.run("rollback", "--jobs", "1").returncode == 0
    assert shipit.run("rollback", "--jobs", "0").returncode == 2


def limited(shipit: Shipit, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program, with files of a few bytes only: a disk that is full."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    # A module that is compiled first here would be cut off in the cache that every other test reads.
    environment = {**shipit.env, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "shipit", *arguments],
        cwd=shipit.folder, env=environment, capture_output=True, text=True, check=False, timeout=60, preexec_fn=limit,
    )  # fmt: skip


def test_a_full_disk_is_told_before_anything_changes(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    # What is built is in the cache already.
    assert shipit.run("build").returncode == 0
    done = limited(shipit, "deploy")
    assert done.returncode == 2, done.stdout + done.stderr
    assert ".shipit: the journal can't be written: File too large" in done.stderr
    assert "write `state: none` in deploy.yml to keep no journal" in done.stderr
    assert listed(shipit) == []
    assert "hub" in shipit.run("plan").stdout


@pytest.mark.parametrize("hide", [Path.touch, lambda path: path.symlink_to("/tmp")], ids=["file", "link"])
def test_a_state_folder_that_can_not_be_written(
    shipit: Shipit, registry: EmbeddedRegistry, hide: Callable[[Path], None]
) -> None:
    hide(shipit.folder / ".shipit")
    done = shipit.run("deploy")
    assert done.returncode == 2
    assert "the journal can't be written: it is no folder, or a symbolic link" in done.stderr
    text = (shipit.folder / "deploy.yml").read_text()
    shipit.write(deploy__yml=f"{text}state: none\n")
    without = shipit.run("deploy")
    assert without.returncode == 0, without.stderr
    refused = shipit.run("history")
    assert refused.returncode == 1 and "can't be read" in refused.stderr


def test_no_secret_is_in_the_journal(shipit: Shipit, heroku: HerokuStandIn) -> None:
    shipit.env["TOKEN"] = "canary-4711-of-the-journal"
    shipit.write(
        deploy__yml="app: shop\nimage: {repository: registry.example/shop, build: .}\nsecrets: {TOKEN: {env: TOKEN}}\n"
        "targets:\n  heroku: {app: shop-prod, settle: 0s}\n",
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP.replace("import http", "import os; print(os.environ['TOKEN'], flush=True); import http"),
    )
    assert shipit.run("deploy").returncode == 0
    [file] = (shipit.folder / ".shipit/runs").iterdir()
    written = file.read_text()
    assert "canary-4711" not in written and "TOKEN" in written
    assert json.loads(written.splitlines()[-1])["event"] == "run_finished"


def test_releases_of_heroku_are_listed_compared_and_returned_to(shipit: Shipit, heroku: HerokuStandIn) -> None:
    # Times of releases have seconds only: one in the second in which the deploy begins would be a part of it.
    heroku.apps["shop-prod"].releases[0]["created_at"] = "2026-01-31T12:00:00Z"
    shipit.write(
        deploy__yml="app: shop\nimage: {build: .}\nkeep_rolled_back: true\ntargets: {heroku: {app: shop-prod, settle: 0s}}\n",
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP,
    )
    assert shipit.run("deploy").returncode == 0
    shipit.write(app__py=f"{SERVING_APP}# again\n")
    assert shipit.run("deploy").returncode == 0
    *newest, initial = listed(shipit)
    assert [(run["targets"][0]["version"], run["state"], run["targets"][0]["is_current"]) for run in newest] == [
        ("v3", "done", True),
        ("v2", "done", False),
    ]
    assert (initial["run"], initial["by"]) == ("", "rehearsal@localhost")
    shown = shipit.run("show", "v3")
    assert shown.returncode == 0 and shown.stdout.startswith(f"run {newest[0]['run']}: deploy shop (production)")
    first = shipit.run("show", "v1").stdout.splitlines()
    assert first[0] == "a release whose run is not known: shop (production)"
    assert first[1].endswith(" by rehearsal@localhost, unknown") and first[2:4] == ["heroku v1", "  Initial release"]
    unknown = shipit.run("show", "v9")
    assert unknown.returncode == 2 and "this machine has no run 'v9' of this project" in unknown.stderr
    code, [event] = shipit.events("show", "v1")
    assert (code, event["event"], event["runs"][0]["targets"][0]["version"]) == (0, "runs_listed", "v1")
    diff = shipit.run("diff", "v2", newest[0]["run"])
    assert diff.returncode == 0, diff.stderr
    assert diff.stdout.splitlines()[0].startswith("heroku  v2 (run ") and "  ~ images.web  " in diff.stdout
    code, [event] = shipit.events("diff", "v2", "v3")
    assert (code, event["event"]) == (0, "releases_compared")
    wrong = shipit.run("diff", "v2", "v9")
    assert wrong.returncode == 2 and "heroku has no release 'v9'" in wrong.stderr
    back = shipit.run("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert "returns to v2 (run " in back.stderr and "1 of 1 targets rolled back and healthy" in back.stdout
    same = shipit.run("deploy")
    assert same.returncode == 0 and "0 of 1 targets healthy, 1 left as rolled back" in same.stdout, same.stdout
    assert "is left alone: v3 (run " in same.stderr and "shipit rollback heroku --to v3 brings it back" in same.stderr
    nothing = shipit.run("rollback", "--to", "v1")
    assert nothing.returncode == 2 and "can't return to v1: nothing ran then" in nothing.stderr
    undo = shipit.run("undo")
    assert undo.returncode == 2 and "use shipit rollback" in undo.stderr


def test_what_a_place_tells_is_no_command_of_a_ci_system(shipit: Shipit, heroku: HerokuStandIn) -> None:
    shipit.write(deploy__yml="app: shop\nimage: {build: .}\ntargets: {heroku: {app: shop-prod}}\n")
    [initial] = heroku.apps["shop-prod"].releases
    initial["user"]["email"] = "##[add-mask]o"
    initial["description"] = "##vso[task.complete]"
    history, show = shipit.run("history"), shipit.run("show", "v1")
    assert history.returncode == show.returncode == 0
    assert "#\\#[add-mask]o" in history.stdout and "##[" not in history.stdout
    assert "#\\#[add-mask]o" in show.stdout and "#\\#vso[task.complete]" in show.stdout


def test_a_release_of_another_machine_is_not_called_one_of_another_tool(shipit: Shipit, heroku: HerokuStandIn) -> None:
    shipit.write(
        deploy__yml="app: shop\nimage: {build: .}\ntargets: {heroku: {app: shop-prod, settle: 0s}}\n",
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP,
    )
    assert shipit.run("deploy").returncode == 0
    shutil.rmtree(shipit.folder / ".shipit")
    shown = shipit.run("show", "v2")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[0] == "a release whose run is not known: shop (production)"

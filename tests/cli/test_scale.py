"""`shipit scale` and `shipit restart`, on the stand-in of Heroku."""

from __future__ import annotations

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.shipit import SERVING_APP, Shipit

RUNS_NOTHING = "a registry runs nothing: name a target that does"


@pytest.fixture
def heroku(shipit: Shipit, shop_prod: HerokuStandIn) -> HerokuStandIn:
    """An app that runs one web dyno and no worker."""
    shipit.write(
        deploy__yml="app: shop\nimage: {repository: registry.example/shop, build: .}\n"
        "targets:\n  heroku: {app: shop-prod, settle: 0s, processes: {web: {quantity: 1}, worker: {command: [python, -c, 'import time; time.sleep(600)']}}}\n"
        "  hub: {}\n",
        Dockerfile='FROM scratch\nCOPY app.py /\nCMD ["python", "/app.py"]\n',
        app__py=SERVING_APP,
    )
    deployed = shipit.run("deploy", "heroku")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    return shop_prod


def test_dynos_are_scaled_and_the_plan_says_what_the_next_deploy_does(shipit: Shipit, heroku: HerokuStandIn) -> None:
    code, events = shipit.events("scale", "heroku/web=2", "heroku/worker=1")
    assert code == 0, events
    app = heroku.apps["shop-prod"]
    assert {name: row["quantity"] for name, row in app.formation.items()} == {"web": 2, "worker": 1}
    [plan] = [event for event in events if event["event"] == "plan_made"]
    [target] = plan["plan"]["targets"]
    assert [step["type"] for step in target["steps"]] == ["heroku.scale"]
    assert target["notes"] == [
        "deploy.yml says 1 for web: the next deploy sets it back",
        "deploy.yml has no number for worker: the next deploy leaves it as it is",
    ]
    assert [event["state"] for event in events if event["event"] == "target_finished"] == ["healthy"]
    [end] = events[-1]["ends"]
    assert (end["target"], end["state"]) == ("heroku", "changed"), "scaling makes no release"
    again = shipit.run("scale", "heroku/web=2")
    assert again.returncode == 0 and "nothing changed, 1 of 1 targets as ordered" in again.stdout


def test_dynos_are_replaced_by_a_restart(shipit: Shipit, heroku: HerokuStandIn) -> None:
    app = heroku.apps["shop-prod"]
    before, version = {dyno.id for dyno in app.dynos}, len(app.releases)
    code, events = shipit.events("restart")
    assert code == 0, events
    [plan] = [event["plan"] for event in events if event["event"] == "plan_made"]
    assert [step["summary"] for step in plan["targets"][0]["steps"]] == ["restart web"]
    assert [event["state"] for event in events if event["event"] == "target_finished"] == ["healthy"]
    assert [end["state"] for end in events[-1]["ends"]] == ["changed"]
    assert len(app.dynos) == 1 and not before & {dyno.id for dyno in app.dynos}
    assert len(app.releases) == version, "a restart makes no release"
    none = shipit.run("restart", "heroku/worker")
    assert none.returncode == 1 and "worker has no dynos" in none.stderr
    assert "hint: shipit scale starts some" in none.stderr


def test_several_dynos_restart_one_after_the_other_and_none_after_one_that_crashes(
    shipit: Shipit, heroku: HerokuStandIn
) -> None:
    assert shipit.run("scale", "heroku/web=3").returncode == 0
    app = heroku.apps["shop-prod"]
    before = {dyno.id for dyno in app.dynos}
    done = shipit.run("restart")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "web  3 dynos, one after the other" in done.stderr, done.stderr
    names = [f"web.{number}" for number in (1, 2, 3)]
    assert [path for method, path in heroku.log if method == "DELETE"] == [
        f"/apps/shop-prod/dynos/{name}" for name in names
    ]
    assert [dyno.name for dyno in app.dynos] == names and not before & {dyno.id for dyno in app.dynos}
    app.config["PYTHONHOME"] = "/nowhere"
    kept = {dyno.id for dyno in app.dynos[1:]}
    failed = shipit.run("restart")
    assert failed.returncode == 1, failed.stdout
    assert "web.1 crashed after the restart; the dynos after it were not restarted" in failed.stdout + failed.stderr
    assert {dyno.id for dyno in app.dynos[1:]} == kept


def test_a_dyno_that_does_not_come_up_again_fails_the_restart(shipit: Shipit, heroku: HerokuStandIn) -> None:
    app = heroku.apps["shop-prod"]
    app.config["PORT_IS_NO_NUMBER"] = "x"
    app.formation["web"]["image"] = "sha256:" + "0" * 64
    failed = shipit.run("restart", "heroku/web", "--timeout", "10s")
    assert failed.returncode == 1
    assert "~ restart web" in failed.stderr and "web 0 of 1 up at the deadline" in failed.stdout + failed.stderr


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (["scale", "heroku/web"], 2, "'heroku/web' should be TARGET/WORKLOAD=N", "for example k8s/web=3"),
        (["scale", "heroku/web=-1"], 2, "'heroku/web=-1' should be TARGET/WORKLOAD=N", "the number is 0 to 150000"),
        (["scale", "heroku/web=9999999999"], 2, "should be TARGET/WORKLOAD=N", ""),
        (["scale", "heroku/web=\u0663"], 2, "should be TARGET/WORKLOAD=N", ""),
        (["scale", "heroku=2"], 2, "heroku runs 2 workloads", "name one: heroku/web, heroku/worker"),
        (["scale", "heroku/web=1", "heroku/web=2"], 2, "heroku/web is given two numbers: 1 and 2", ""),
        (["scale", "hub=2"], 2, "hub is a target of the kind registry, which has no scale", RUNS_NOTHING),
        (["restart", "hub"], 2, "hub is a target of the kind registry, which has no restart", RUNS_NOTHING),
        (["stop", "hub"], 2, "hub is a target of the kind registry, which has no stop", RUNS_NOTHING),
        (["exec", "hub", "--", "sh"], 2, "hub is a target of the kind registry, which has no exec", RUNS_NOTHING),
        (["run", "hub", "--", "sh"], 2, "hub is a target of the kind registry, which has no run", RUNS_NOTHING),
        (["forward", "hub", "80"], 2, "hub is a target of the kind registry, which has no forward", RUNS_NOTHING),
        (["restart", "heroku/wob"], 2, "heroku has no workload 'wob'", "did you mean heroku/web?"),
        (["restart", "/web"], 2, "'/web' should be TARGET or TARGET/WORKLOAD", "for example k8s/web"),
        (["stop", "heroku/web"], 2, "heroku is a target of the kind heroku, which has no stop", "shipit scale"),
        (["start", "heroku/web"], 2, "heroku is a target of the kind heroku, which has no start", "shipit scale"),
        (["dynos"], 2, "unknown command 'dynos'", "use shipit scale"),
        (["ps:restart"], 2, "unknown command 'ps:restart'", "use shipit restart"),
    ],
)
def test_what_can_not_be_done_is_one_error_with_what_can(
    shipit: Shipit, heroku: HerokuStandIn, words: list[str], code: int, error: str, hint: str
) -> None:
    done = shipit.run(*words)
    assert done.returncode == code, done.stderr
    assert error in done.stderr and hint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_protected_target_is_asked_about(shipit: Shipit, heroku: HerokuStandIn) -> None:
    text = (shipit.folder / "deploy.yml").read_text().replace("settle: 0s", "settle: 0s, protected: true")
    shipit.write(deploy__yml=text)
    refused = shipit.run("scale", "heroku/web=2")
    assert refused.returncode == 2 and "not confirmed: heroku is protected" in refused.stderr
    assert heroku.apps["shop-prod"].formation["web"]["quantity"] == 1
    code, shown = shipit.converse(
        ["scale", "heroku/web=2"], [("heroku is protected. Scale heroku (app shop-prod", "y")]
    )
    assert code == 0, shown
    assert heroku.apps["shop-prod"].formation["web"]["quantity"] == 2

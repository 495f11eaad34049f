"""`shipit plan --save` and `shipit deploy --plan`, as programs, on the stand-in of Heroku."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit

SECRET = "value-of-the-secret"


@pytest.fixture
def heroku(shipit: Shipit, shop_prod: HerokuStandIn) -> HerokuStandIn:
    shipit.env["TOKEN"] = SECRET
    shipit.write(
        deploy__yml="app: shop\nimage: {build: .}\nsecrets: {TOKEN: {env: TOKEN}}\n"
        "targets:\n  heroku: {app: shop-prod, settle: 0s}\nenvironments: {production: {inherit: true, protected: true}}\n",
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP,
    )
    return shop_prod


def test_a_saved_plan_is_the_approval_of_a_protected_environment(shipit: Shipit, heroku: HerokuStandIn) -> None:
    planned = shipit.run("plan", "--save", "plan.json", "--exit-code")
    assert planned.returncode == 3, planned.stderr
    assert "saved to plan.json, for shipit deploy --plan until 20" in planned.stderr
    text = (shipit.folder / "plan.json").read_text()
    assert SECRET not in text and "token-of-heroku" not in text
    app = heroku.apps["shop-prod"]
    releases = len(app.releases)
    asked = shipit.run("deploy")
    assert asked.returncode == 2 and "not confirmed" in asked.stderr and len(app.releases) == releases
    done = shipit.run("deploy", "--plan", "plan.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert app.config["TOKEN"] == SECRET and app.formation["web"]["quantity"] == 1
    again = shipit.run("deploy", "--plan", "plan.json")
    assert again.returncode == 1
    assert "does not hold any more; nothing was changed" in again.stderr and "no longer needed" in again.stderr


@pytest.mark.parametrize("place", ["plan.json", "out/plan.json", "web/plan.json"])
def test_a_saved_plan_in_the_work_tree_changes_neither_the_commit_nor_the_image(
    shipit: Shipit, registry: EmbeddedRegistry, place: str
) -> None:
    deploy_yml = (
        f"app: shop\nimage: {{build: web, repository: {registry.host}/shop, tags: ['${{git.short}}', 'dirty-${{git.dirty}}']}}\n"
        "targets:\n  hub: {kind: registry, settle: 0s}\nenvironments: {production: {inherit: true, require_clean: true}}\n"
    )
    shipit.write(deploy__yml=deploy_yml)
    for folder in ("web", "out"):
        (shipit.folder / folder).mkdir()
    (shipit.folder / "web" / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    shipit.git("init", "-q")
    shipit.git("add", ".")
    shipit.git("commit", "-qm", "one")
    commit = shipit.git("rev-parse", "--short=7", "HEAD")
    planned = shipit.run("plan", "--save", place)
    assert planned.returncode == 0 and f"tag {commit}, dirty-false" in planned.stdout, planned.stdout + planned.stderr
    again = shipit.run("plan", "--save", place)
    assert again.returncode == 0 and again.stdout == planned.stdout, again.stdout + again.stderr
    done = shipit.run("deploy", "--plan", place)
    assert done.returncode == 0, done.stdout + done.stderr
    # Elsewhere and by a link, as a job gets what another one has made.
    (shipit.folder / "web/given").mkdir()
    (shipit.folder / place).rename(shipit.folder / "web/given/plan.json")
    (shipit.folder / "web/linked.json").symlink_to("given/plan.json")
    again = shipit.run("deploy", "--plan", "web/linked.json")
    assert "no longer needed: the push of shop" in again.stderr and "the image" not in again.stderr, again.stderr
    (shipit.folder / "web/linked.json").unlink()
    # Without --plan it is a file like any other.
    other = shipit.run("deploy")
    assert other.returncode == 2 and "wants a clean git tree, and " in other.stderr, other.stdout + other.stderr


def test_a_plan_is_markdown_on_standard_output(shipit: Shipit, heroku: HerokuStandIn) -> None:
    planned = shipit.run("plan", "--output", "markdown", "--exit-code")
    assert planned.returncode == 3
    assert planned.stdout.startswith("### shipit plan: `shop` to `production`\n\n**")
    assert "<b><code>heroku</code></b>: <code>app shop-prod" in planned.stdout and SECRET not in planned.stdout
    assert shipit.run("status", "--output", "markdown").returncode == 2


def test_a_rotated_secret_and_a_foreign_release_stop_the_deploy(shipit: Shipit, heroku: HerokuStandIn) -> None:
    assert shipit.run("plan", "--save", "plan.json").returncode == 0
    app = heroku.apps["shop-prod"]
    releases = len(app.releases)
    shipit.env["TOKEN"] = "another-value"
    moved = shipit.run("deploy", "--plan", "plan.json")
    assert moved.returncode == 1 and "heroku: TOKEN has another value" in moved.stderr
    assert "another-value" not in moved.stderr and SECRET not in moved.stderr
    assert len(app.releases) == releases


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["deploy", "--plan", "none.json"], "none.json: can't be read"),
        (["deploy", "--plan", "deploy.yml"], "deploy.yml: should be a saved plan, and is no JSON"),
        (["plan", "--save", "none/plan.json"], "none/plan.json: can't be written"),
        (["plan", "--expires", "1h"], "--expires is for a plan that is saved"),
        (["plan", "--save", "plan.json", "--expires", "soon"], "--expires should be a duration"),
        (["plan", "--save", "plan.json", "--expires", "0s"], "--expires should be longer than 0s"),
    ],
)
def test_wrong_files_and_options_are_usage_errors(
    shipit: Shipit, heroku: HerokuStandIn, words: list[str], error: str
) -> None:
    done = shipit.run(*words)
    assert done.returncode == 2 and error in done.stderr, done.stderr
    assert not (shipit.folder / "plan.json").exists()


def test_a_plan_of_another_machine_needs_the_shared_key(shipit: Shipit, heroku: HerokuStandIn, tmp_path: Path) -> None:
    code, events = shipit.events("plan", "--save", "plan.json", "--expires", "30m")
    assert code == 0
    [saved] = [event for event in events if event["event"] == "plan_saved"]
    assert saved["file"] == "plan.json"
    there = {"SHIPIT_CACHE_DIR": str(tmp_path / "there")}
    shipit.env |= there
    forged = shipit.run("deploy", "--plan", "plan.json")
    assert forged.returncode == 2 and "the signature of the plan is not valid" in forged.stderr
    key = "5d41402abc4b2a76b9719d911017c592"
    shipit.env |= {"SHIPIT_PLAN_KEY": key, "SHIPIT_CACHE_DIR": str(tmp_path / "here")}
    assert shipit.run("plan", "--save", "plan.json").returncode == 0
    data = json.loads((shipit.folder / "plan.json").read_text())
    assert key not in json.dumps(data)
    shipit.env |= there
    done = shipit.run("deploy", "heroku", "--plan", "plan.json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_machines_that_share_a_state_verify_each_others_plans(
    shipit: Shipit, heroku: HerokuStandIn, tmp_path: Path
) -> None:
    text = (shipit.folder / "deploy.yml").read_text()
    state, other = tmp_path / "state", tmp_path / "other-state"
    shipit.write(deploy__yml=f"state: {state}\n{text}")
    assert shipit.run("plan", "--save", "plan.json").returncode == 0
    key = (state / "keys/plans").read_text()
    everything = [path for path in shipit.folder.rglob("*") if path.is_file()]
    assert not [path for path in everything if key.encode() in path.read_bytes()], "the project has no key"
    # Another machine: its own home and cache, and nothing of this one but the project and the state.
    shipit.env |= {"SHIPIT_CACHE_DIR": str(tmp_path / "there"), "HOME": str(tmp_path / "there")}
    kept = (shipit.folder / "plan.json").read_text()
    shipit.write(plan__json=kept.replace('"quantity": 1', '"quantity": 2').replace("production", "staging"))
    changed = shipit.run("deploy", "--plan", "plan.json")
    assert changed.returncode == 2 and "the signature of the plan is not valid" in changed.stderr
    shipit.write(plan__json=kept, deploy__yml=f"state: {other}\n{text}")
    forged = shipit.run("deploy", "--plan", "plan.json")
    assert forged.returncode == 2 and "the signature of the plan is not valid" in forged.stderr
    assert not (other / "keys/plans").exists(), "only a plan that is saved makes the key"
    shipit.write(deploy__yml=f"state: {state}\n{text}")
    shipit.env["TOKEN"] = "another-value"
    moved = shipit.run("deploy", "--plan", "plan.json")
    assert moved.returncode == 1 and "heroku: TOKEN has another value" in moved.stderr, moved.stderr
    shipit.env["TOKEN"] = SECRET
    done = shipit.run("deploy", "--plan", "plan.json")
    assert done.returncode == 0 and key not in done.stdout + done.stderr, done.stdout + done.stderr
    (state / "keys/plans").write_text("no key")
    broken = shipit.run("plan", "--save", "plan.json")
    assert broken.returncode == 1 and "keys/plans: it is no key of saved plans" in broken.stderr


def test_a_plan_that_the_key_of_a_state_signed_approves_nothing(
    shipit: Shipit, heroku: HerokuStandIn, tmp_path: Path
) -> None:
    text = (shipit.folder / "deploy.yml").read_text().replace("settle: 0s", "settle: 0s, approve: true")
    shipit.write(deploy__yml=f"state: {tmp_path / 'state'}\n{text}")
    assert shipit.run("plan", "--save", "plan.json").returncode == 0
    done = shipit.run("deploy", "--plan", "plan.json")
    assert done.returncode == 2 and "not approved: the target heroku" in done.stderr, done.stderr


def test_a_state_beside_the_image_keeps_no_key(shipit: Shipit, heroku: HerokuStandIn, tmp_path: Path) -> None:
    with EmbeddedRegistry() as registry:
        text = (shipit.folder / "deploy.yml").read_text()
        image = f"image: {{repository: {registry.host}/shop, build: .}}"
        shipit.write(deploy__yml=f"state: registry\n{text.replace('image: {build: .}', image)}")
        planned = shipit.run("plan", "--save", "plan.json")
        assert planned.returncode == 0 and not registry.blobs, planned.stderr
        shipit.env["SHIPIT_CACHE_DIR"] = str(tmp_path / "there")
        assert "the signature of the plan is not valid" in shipit.run("deploy", "--plan", "plan.json").stderr


def test_the_plan_of_a_rollback_is_saved_and_done_elsewhere(shipit: Shipit, heroku: HerokuStandIn) -> None:
    for version in ("one", "two"):
        shipit.write(app__py=f"{SERVING_APP}# {version}\n")
        assert shipit.run("deploy", "--yes").returncode == 0
    app = heroku.apps["shop-prod"]
    releases, now = len(app.releases), app.formation["web"]["image"]
    planned = shipit.run("rollback", "--save", "back.json", "--expires", "2h")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "saved to back.json, for shipit rollback --plan until 20" in planned.stderr
    assert (len(app.releases), app.formation["web"]["image"]) == (releases, now)
    assert SECRET not in (shipit.folder / "back.json").read_text()
    wrong = shipit.run("deploy", "--plan", "back.json")
    assert wrong.returncode == 2 and "hint: shipit rollback --plan FILE" in wrong.stderr, wrong.stderr
    both = shipit.run("rollback", "--plan", "back.json", "--to", "v2")
    assert both.returncode == 2 and "--plan says what to return to" in both.stderr
    done = shipit.run("rollback", "--plan", "back.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert app.formation["web"]["image"] != now
    again = shipit.run("rollback", "--plan", "back.json")
    assert again.returncode == 1 and "heroku: it ran v" in again.stderr, again.stderr


def test_a_saved_plan_reads_a_deploy_yml_on_standard_input_once(shipit: Shipit, heroku: HerokuStandIn) -> None:
    text = (shipit.folder / "deploy.yml").read_text()
    assert shipit.run("plan", "-f", "-", "--save", "plan.json", input_text=text).returncode == 0
    done = shipit.run("deploy", "-f", "-", "--plan", "plan.json", input_text=text)
    assert done.returncode == 0, done.stdout + done.stderr

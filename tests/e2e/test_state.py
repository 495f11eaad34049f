"""`state:` in a bucket or beside the image: two machines without a common disk share the history of an app on Heroku."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import is_run_tag
from tests.servers.object_store import BUCKET, ObjectStoreServer
from tests.shipit import PYTHON_DOCKERFILE, Shipit

GOOD = "import http.server, os\nhttp.server.HTTPServer(('', int(os.environ.get('PORT', 8000))), http.server.BaseHTTPRequestHandler).serve_forever()\n"
BAD = "raise SystemExit('broken')\n"


def _write(shipit: Shipit, state: str, image: str, app: str) -> None:
    target = "targets:\n  heroku: {app: shop-prod, settle: 0s, pending: 20s}\n"
    text = f"app: shop\nstate: {state}\nimage: {image}\n{target}"
    shipit.write(Dockerfile=PYTHON_DOCKERFILE, app__py=app, deploy__yml=text)


@pytest.mark.tools
def test_a_machine_that_never_deployed_knows_the_verdicts_and_returns_to_the_last_healthy_release(
    shipit: Shipit, heroku: HerokuStandIn, object_store: ObjectStoreServer, tmp_path: Path
) -> None:
    shipit.env |= object_store.variables
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    laptop, said = _good_bad_bad_and_back(shipit, tmp_path, url, "{build: .}")
    doctor = laptop.run("doctor")
    assert f"a deploy locks it by the state in {url}" in doctor.stdout, doctor.stdout + doctor.stderr
    assert "secret-of-the-test" not in said + doctor.stdout


def test_without_anything_set_up_the_verdicts_are_beside_the_image_and_stay_one_artifact(
    shipit: Shipit, heroku: HerokuStandIn, tmp_path: Path
) -> None:
    with EmbeddedRegistry() as registry:
        image = f"{{repository: {registry.host}/shop, build: .}}"
        laptop, _ = _good_bad_bad_and_back(shipit, tmp_path, "registry", image)
        doctor = laptop.run("doctor")
        assert "keeps runs, and can keep no lock" in doctor.stdout, doctor.stdout + doctor.stderr
        assert len(registry.manifests) == len(registry.tags) == 1
        [(repository, tag)] = registry.tags
        assert repository == "shop" and is_run_tag(tag)
        listed = laptop.run("images")
        assert listed.returncode == 0 and tag not in listed.stdout, listed.stdout + listed.stderr


def _good_bad_bad_and_back(shipit: Shipit, tmp_path: Path, state: str, image: str) -> tuple[Shipit, str]:
    """Deploy a good release and two bad ones, and return to the good one from a machine that has deploy.yml only."""
    _write(shipit, state, image, GOOD)
    first = shipit.run("deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    for app in (BAD, f"{BAD}# again\n"):
        _write(shipit, state, image, app)
        assert shipit.run("deploy").returncode == 1
    laptop = Shipit(tmp_path / "laptop", tmp_path / "other-home")
    shutil.copytree(shipit.folder, laptop.folder, ignore=shutil.ignore_patterns(".shipit"))
    home = {name: laptop.env[name] for name in ("HOME", "SHIPIT_CACHE_DIR")}
    laptop.env |= {**shipit.env, **home}
    told = laptop.run("history", "--output", "json")
    assert told.returncode == 0, told.stdout + told.stderr
    [listed] = [event for line in told.stdout.splitlines() if (event := json.loads(line))["event"] == "runs_listed"]
    deploys = [run for run in listed["runs"] if run["command"] == "deploy"]
    assert [run["state"] for run in deploys] == ["failed", "failed", "done"]
    assert all(("@" in run["by"]) is (state != "registry") for run in deploys)
    back = laptop.run("rollback", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    version = deploys[-1]["targets"][0]["version"]
    assert f"returns to {version} (run {deploys[-1]['run']}" in back.stderr, back.stderr
    return laptop, told.stdout + back.stdout

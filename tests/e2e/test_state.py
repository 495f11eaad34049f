"""`state:` in a bucket: two machines without a common disk share the history and the lock of an app on Heroku."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.servers.object_store import BUCKET, ObjectStoreServer
from tests.shipit import PYTHON_DOCKERFILE, Shipit

GOOD = "import http.server, os\nhttp.server.HTTPServer(('', int(os.environ.get('PORT', 8000))), http.server.BaseHTTPRequestHandler).serve_forever()\n"
BAD = "raise SystemExit('broken')\n"


@pytest.mark.tools
def test_a_machine_that_never_deployed_knows_the_verdicts_and_returns_to_the_last_healthy_release(
    shipit: Shipit, heroku: HerokuStandIn, object_store: ObjectStoreServer, tmp_path: Path
) -> None:
    shipit.env |= object_store.variables

    def write(app: str) -> None:
        url = f"s3://{BUCKET}/{prefix}"
        target = "targets:\n  heroku: {app: shop-prod, settle: 0s, pending: 20s}\n"
        text = f"app: shop\nstate: {url}\nimage: {{build: .}}\n{target}"
        shipit.write(Dockerfile=PYTHON_DOCKERFILE, app__py=app, deploy__yml=text)

    prefix = uuid.uuid4().hex
    write(GOOD)
    first = shipit.run("deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    write(BAD)
    assert shipit.run("deploy").returncode == 1
    write(f"{BAD}# again\n")
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
    assert all("@" in run["by"] for run in deploys)
    back = laptop.run("rollback", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    version = deploys[-1]["targets"][0]["version"]
    assert f"returns to {version} (run {deploys[-1]['run']}" in back.stderr, back.stderr
    doctor = laptop.run("doctor")
    assert f"a deploy locks it by the state in s3://{BUCKET}/{prefix}" in doctor.stdout, doctor.stdout + doctor.stderr
    assert "secret-of-the-test" not in told.stdout + back.stdout + doctor.stdout

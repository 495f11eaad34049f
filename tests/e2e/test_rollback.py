"""`on_failure: rollback` on Heroku's stand-in and on the real cluster: what ran before runs again, and the deploy has failed."""

from __future__ import annotations

import base64
import json

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import PYTHON_DOCKERFILE, Shipit

GOOD = "import http.server, os\nhttp.server.HTTPServer(('', int(os.environ.get('PORT', 8000))), http.server.BaseHTTPRequestHandler).serve_forever()\n"
BAD = "raise SystemExit('broken')\n"
OLD = "env: {MODE: old}\nsecrets: {TOKEN: {env: TOKEN}}"


class Rival(HerokuStandIn):
    """Once `image` is set, somebody else releases it right after the next release of images."""

    image = ""

    def answer(self, request: Request) -> Response:
        answer = super().answer(request)
        if request.method == "PATCH" and b"docker_image" in request.body and self.image:
            app, image, self.image = self.apps["shop-prod"], self.image, ""
            app.formation["web"]["image"] = image
            app.add_release(f"Deployed web ({image.removeprefix('sha256:')[:12]})")
        return answer


@pytest.fixture
def heroku_kind() -> type[HerokuStandIn]:
    return Rival


def write(shipit: Shipit, app: str, target: str, more: str = "") -> None:
    shipit.write(
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=app,
        deploy__yml=f"app: shop\nimage: {{build: .}}\n{more}\ntargets:\n  heroku: {{app: shop-prod, settle: 0s, on_failure: rollback, {target}}}\n",
    )


@pytest.mark.parametrize("rolls_config_back", [True, False])
def test_heroku_comes_back_with_its_config_and_its_scale(
    shipit: Shipit, heroku: HerokuStandIn, rolls_config_back: bool
) -> None:
    heroku.releases.rolls_config_back = rolls_config_back
    shipit.env |= {"TOKEN": "token-of-before"}
    write(shipit, GOOD, "processes: {web: {quantity: 1}}", OLD)
    assert shipit.run("deploy").returncode == 0
    app = heroku.apps["shop-prod"]
    before = (json.dumps(app.formation, sort_keys=True), dict(app.config))
    shipit.env["TOKEN"] = "token-of-after"
    write(shipit, BAD, "processes: {web: {quantity: 2}}", OLD.replace("old", "new, MORE: x"))
    done = shipit.run("deploy")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "crashed at v5" in done.stdout and "; rolled back to what ran before (v" in done.stdout, (
        done.stdout + done.stderr
    )
    assert (json.dumps(app.formation, sort_keys=True), app.config) == before
    assert any(row["description"].startswith("Rollback to v") for row in app.releases)
    assert "token-of" not in done.stdout + done.stderr
    shipit.env["TOKEN"] = "token-of-before"
    assert {dyno.state for dyno in app.dynos} == {"up"}
    write(shipit, GOOD, "processes: {web: {quantity: 1}}", OLD)
    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout + again.stderr


def test_a_first_deploy_has_nothing_to_come_back_to(shipit: Shipit, heroku: HerokuStandIn) -> None:
    write(shipit, BAD, "processes: {web: {quantity: 1}}")
    done = shipit.run("deploy")
    assert done.returncode == 1, done.stdout + done.stderr
    stays = "; nothing was rolled back: nothing ran before, and what this deploy released stays: web"
    assert stays in done.stdout and "shop-prod is DOWN at v" in done.stdout, done.stdout + done.stderr
    assert [row["description"].split()[0] for row in heroku.apps["shop-prod"].releases] == ["Initial", "Deployed"]


def test_what_someone_else_released_meanwhile_is_left_alone(shipit: Shipit, heroku: HerokuStandIn) -> None:
    write(shipit, GOOD, "processes: {web: {quantity: 1}}")
    assert shipit.run("deploy").returncode == 0
    app = heroku.apps["shop-prod"]
    foreign = "sha256:" + "f" * 64
    assert isinstance(heroku, Rival)
    heroku.image = foreign
    write(shipit, BAD, "processes: {web: {quantity: 1}}")
    done = shipit.run("deploy")
    assert done.returncode == 1 and "someone else released" in done.stdout
    assert "; not rolled back: rehearsal@localhost changed this place since the plan" in done.stdout
    assert app.formation["web"]["image"] == foreign


@pytest.mark.cluster
@pytest.mark.registry
def test_a_cluster_comes_back_to_what_was_applied(
    shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str
) -> None:
    cluster.kubectl("create", "namespace", "rollback")
    shipit.env |= {
        "KUBECONFIG": str(cluster.kubeconfig),
        "SHIPIT_MIRRORS": f"docker.io={python_base}",
        "TOKEN": "token-of-before",
    }

    def start(app: str, keys: str, extra: str = "", more: str = "") -> None:
        workloads = f"web: {{port: 8000, grace: 1s, env: {{MODE: old}}, {keys}}}{extra}"
        shipit.write(
            Dockerfile='FROM python:3.12-alpine\nCOPY app.py /\nCMD ["python", "/app.py"]\n',
            app__py=app,
            deploy__yml=f"app: shop\nimage: {registry_server.host}/rollback\nsecrets: {{TOKEN: {{env: TOKEN}}}}\n{more}targets:\n"
            f"  k8s: {{namespace: rollback, on_failure: rollback, workloads: {{{workloads}}}}}\n",
        )

    def spec() -> dict[str, object]:
        found = json.loads(cluster.kubectl("-n", "rollback", "get", "deployment", "web", "-o", "json"))
        container = found["spec"]["template"]["spec"]["containers"][0]
        service = json.loads(cluster.kubectl("-n", "rollback", "get", "service", "web", "-o", "json"))
        [name] = {row["valueFrom"]["secretKeyRef"]["name"] for row in container["env"] if "valueFrom" in row}
        secret = json.loads(cluster.kubectl("-n", "rollback", "get", "secret", name, "-o", "json"))
        return {
            "image": container["image"], "env": container["env"], "resources": container["resources"],
            "replicas": found["spec"]["replicas"], "ports": service["spec"]["ports"], "token": secret["data"]["TOKEN"],
        }  # fmt: skip

    start(GOOD, "replicas: 2, memory: 64Mi")
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    before = spec()
    assert base64.b64decode(str(before["token"])) == b"token-of-before"
    shipit.env["TOKEN"] = "token-of-after"
    start(BAD, "replicas: 1, command: [python, /app.py]", ", other: {command: [sleep, '99']}")
    done = shipit.run("deploy")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "exited with 1" in done.stdout and "; rolled back to what ran before (" in done.stdout, (
        done.stdout + done.stderr
    )
    assert spec() == before, "the Secret of before is there, and is the one that the pods use"
    assert "token-of" not in done.stdout + done.stderr
    assert cluster.kubectl("-n", "rollback", "get", "deployments", "-o", "name").split() == ["deployment.apps/web"]
    shipit.env["TOKEN"] = "token-of-before"
    start(GOOD, "replicas: 2, memory: 64Mi")
    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout + again.stderr

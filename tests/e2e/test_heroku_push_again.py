"""Rolling back on another machine to a release whose image Heroku has deleted: it is in a real registry, and nowhere else."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from tests.servers.registry import RegistryServer
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit
from tests.targets.heroku_place import destroy_images
from tests.waits import SOON_S

pytestmark = pytest.mark.registry


class Held(HerokuStandIn):
    """Once `holds` is set, images are not released: `reached` says that somebody asked."""

    holds = False

    def __init__(self, **choices: object) -> None:
        super().__init__(**choices)  # type: ignore[arg-type]
        self.reached = threading.Event()

    def answer(self, request: Request) -> Response:
        if request.method == "PATCH" and b"docker_image" in request.body and self.holds:
            self.reached.set()
            return Response(503, b"")
        return super().answer(request)


@pytest.fixture
def heroku_kind() -> type[HerokuStandIn]:
    return Held


def on_another_machine(shipit: Shipit) -> None:
    """Delete everything but deploy.yml: the source, the journal, and the home with its content store."""
    for kept in (shipit.folder, Path(shipit.env["HOME"])):
        for path in kept.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "deploy.yml":
                path.unlink()


def test_killed_after_the_push_the_next_rollback_releases_the_image(
    shipit: Shipit, heroku: Held, registry_server: RegistryServer
) -> None:
    repository = f"{registry_server.host}/pushed-again"
    text = f"app: shop\nimage: {{repository: {repository}, tags: [TAG], build: .}}\ntargets:\n  heroku: {{app: shop-prod, settle: 0s}}\n  hub: {{}}\n"
    for tag in ("one", "two"):
        app = f"{SERVING_APP}# {tag}\n"
        shipit.write(Dockerfile=PYTHON_DOCKERFILE, app__py=app, deploy__yml=text.replace("TAG", tag))
        done = shipit.run("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
    place = heroku.apps["shop-prod"]
    first, second = destroy_images(heroku, place, 2), place.images()
    on_another_machine(shipit)
    heroku.holds = True
    process = shipit.start("rollback", "heroku", "--to", "v2")
    assert heroku.reached.wait(SOON_S)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert place.images() == second and _has(heroku, first), "pushed, and not released"
    heroku.holds = False
    heroku.registry.log.clear()
    on_another_machine(shipit)
    done = shipit.run("rollback", "heroku", "--to", "v2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"push shop again from {repository}" in done.stderr
    assert f"from {repository}@sha256:" in done.stderr
    assert place.images() == first and {dyno.state for dyno in place.dynos} == {"up"}
    assert {method for method, _ in heroku.registry.log} <= {"GET", "HEAD"}, "nothing is pushed twice"
    assert len([row for row in place.releases if row["description"].startswith("Deployed web")]) == 3


def _has(heroku: HerokuStandIn, images: object) -> bool:
    """Whether Heroku's registry has the image of web."""
    assert isinstance(images, dict)
    return ("shop-prod/web", f"sha-{images['web'].removeprefix('sha256:')[:12]}") in heroku.registry.tags

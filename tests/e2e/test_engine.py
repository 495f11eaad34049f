"""Dockerfiles with RUN, built by real engines, and what is said when one fails."""

from __future__ import annotations

import json
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.servers.engine import DockerEngine, install_buildx, path_without_docker
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

PYTHON = "FROM python:3.12-alpine"


@pytest.fixture
def app(shipit: Shipit, engine: DockerEngine, registry_server: RegistryServer, python_base: str) -> Shipit:
    """An app whose base is Docker Hub's by name, and comes from the mirror; the engine can't reach the Hub."""
    shipit.env |= {"DOCKER_HOST": engine.host, "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    name = shipit.folder.parent.name.replace("_", "-").strip("-").lower()
    deploy(shipit, f"{registry_server.host}/{name}")
    return shipit


def deploy(shipit: Shipit, repository: str, build: str = "args: {WHO: world}") -> None:
    shipit.write(
        deploy__yml=f"app: built\nimage: {{repository: {repository}, tags: [v1], build: {{{build}}}}}\ntargets: {{hub: }}\n"
    )


def rebuild(shipit: Shipit, build: str) -> None:
    text = (shipit.folder / "deploy.yml").read_text()
    shipit.write(deploy__yml=text.replace("args: {WHO: world}", build))


def build_with(shipit: Shipit, builder: str) -> None:
    """Let one builder build, with buildx at hand."""
    install_buildx(Path(shipit.env["HOME"]) / ".docker")
    rebuild(shipit, f"builder: {builder}")


def write(shipit: Shipit, *lines: str) -> None:
    shipit.write(Dockerfile="\n".join(lines) + "\n")


def config_of(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    repository = done.stdout.split()[2].split("@")[0]
    command = [find("skopeo"), "inspect", "--config", "--tls-verify=false", f"docker://{repository}:v1"]
    found: dict[str, object] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def test_what_an_engine_built_is_pushed_by_shipit(app: Shipit) -> None:
    write(app, PYTHON, "ARG WHO", "RUN echo hello $WHO > /greeting", 'CMD ["cat", "/greeting"]')
    done = app.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(the engine's BuildKit: RUN at Dockerfile:3)" in done.stderr
    config: dict[str, dict[str, object]] = config_of(done)  # type: ignore[assignment]
    assert config["config"]["Cmd"] == ["cat", "/greeting"]
    assert len(config["rootfs"]["diff_ids"]) == 2  # type: ignore[arg-type]
    assert "1 mounted" in done.stderr, "the base's layer is its registry's: it need not be sent"
    again = app.run("deploy")
    assert "nothing changed" in again.stdout, again.stdout + again.stderr


def test_a_run_that_fails_is_shown_with_its_line_and_last_words(app: Shipit) -> None:
    write(app, PYTHON, "ENV A=1", "RUN echo before && echo no such package && exit 7")
    done = app.run("build")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "Dockerfile:3: RUN ended with 7: echo before && echo no such package && exit 7" in lines
    assert "  no such package" in lines
    assert lines[-1] == "hint: the lines above are the last it wrote"


FAILING = [
    PYTHON + " AS one",
    "RUN echo fine",
    PYTHON,
    "COPY --from=one /etc/passwd /p",
    "RUN \\",
    "  echo alas; \\",
    "  exit 9",
]


@pytest.mark.parametrize("builder", ["engine", "buildx"])
def test_the_line_is_right_in_a_later_stage_whoever_builds(app: Shipit, builder: str) -> None:
    build_with(app, builder)
    write(app, *FAILING)
    done = app.run("build")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-3:] == [
        "Dockerfile:5: RUN ended with 9: echo alas;   exit 9",
        "  alas",
        "hint: the lines above are the last it wrote",
    ]


@pytest.mark.parametrize("builder", ["engine", "buildx"])
def test_mistakes_that_no_command_made(app: Shipit, builder: str) -> None:
    build_with(app, builder)
    write(app, PYTHON, "COPY nowhere /x", "RUN true")
    done = app.run("build")
    assert done.returncode == 1
    assert "Dockerfile:2: COPY: 'nowhere' does not exist\nhint: check the path, and .dockerignore" in done.stderr
    write(app, PYTHON, "RUN true", "HEALTHCHECK nonsense")
    done = app.run("build")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-2].startswith("Dockerfile:3: "), done.stderr


def test_a_base_that_is_not_there(app: Shipit, python_base: str) -> None:
    write(app, "FROM no/such:base", "RUN true")
    done = app.run("build")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "Dockerfile:1: the base no/such:base: there is no docker.io/no/such:base",
        "hint: check its name and tag",
    ]


def test_a_base_for_another_platform_is_an_error_at_its_line(app: Shipit) -> None:
    rebuild(app, "platforms: [linux/arm64]")
    write(app, PYTHON, "RUN true")
    done = app.run("build")
    assert done.returncode == 1
    assert "Dockerfile:1: the base python:3.12-alpine: " in done.stderr
    assert "is for linux/amd64, not for linux/arm64" in done.stderr
    write(app, PYTHON, "COPY Dockerfile /")
    done = app.run("build")
    assert done.returncode == 1
    assert "Dockerfile:1: the base python:3.12-alpine: " in done.stderr
    assert "is for linux/amd64, not for linux/arm64" in done.stderr


SECRET = "canary-of-the-build"


def test_secrets_are_mounted_and_nowhere_else(app: Shipit, tmp_path: Path) -> None:
    install_buildx(Path(app.env["HOME"]) / ".docker")
    app.env["TOKEN_FROM_ENV"] = SECRET
    rebuild(app, "secrets: {token: {env: TOKEN_FROM_ENV}, file: {file: the-file}}")
    (app.folder / "the-file").write_text("from a file\n")
    (app.folder / ".dockerignore").write_text("the-file\n")
    mounts = "RUN --mount=type=secret,id=token --mount=type=secret,id=file"
    write(app, PYTHON, f'{mounts} test "$(cat /run/secrets/token)" = {SECRET}')
    refused = app.run("deploy")
    assert refused.returncode == 1 and "Dockerfile:2: the line holds the value of a secret" in refused.stderr
    # So that what is mounted is known by its hash.
    digest = sha256(SECRET.encode()).hexdigest()
    same = f"test $(sha256sum < /run/secrets/token | cut -c1-64) = {digest}"
    write(app, PYTHON, f"{mounts} {same} && cat /run/secrets/token /run/secrets/file")
    done = app.run("deploy")
    assert done.returncode == 0, done.stderr
    assert "(docker buildx: mounts at Dockerfile:2)" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "[redacted]from a file" in done.stderr or "[redacted][redacted]" in done.stderr, done.stderr
    for file in Path(app.env["SHIPIT_CACHE_DIR"]).rglob("*.json"):
        assert b"from a file" not in file.read_bytes(), file


def test_secrets_without_buildx_are_an_error_at_their_line(app: Shipit, tmp_path: Path) -> None:
    app.env["PATH"] = path_without_docker(tmp_path / "bin")
    write(app, PYTHON, "RUN --mount=type=secret,id=a cat /run/secrets/a")
    done = app.run("build")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "Dockerfile:2: a mount of secrets or ssh needs docker buildx, which is not installed",
        "hint: install the buildx plugin: https://docs.docker.com/go/buildx",
    ]


def test_a_syntax_line_does_not_need_the_hub(app: Shipit, tmp_path: Path) -> None:
    app.env["PATH"] = path_without_docker(tmp_path / "bin")
    write(app, "# syntax=docker/dockerfile:1", PYTHON, "RUN exit 4")
    done = app.run("build")
    assert "Dockerfile:3: RUN ended with 4: exit 4" in done.stderr


@pytest.mark.parametrize("has_buildx", [True, False])
def test_an_engine_with_the_containerd_store_reaches_heroku(
    shipit: Shipit, modern_engine: DockerEngine, python_base: str, has_buildx: bool, tmp_path: Path
) -> None:
    """Its own images are OCI; what Heroku gets is the form that Heroku takes."""
    shipit.env |= {"DOCKER_HOST": modern_engine.host, "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    if has_buildx:
        install_buildx(Path(shipit.env["HOME"]) / ".docker")
    else:
        shipit.env["PATH"] = path_without_docker(tmp_path / "bin")
    server = "import http.server, os\nhttp.server.HTTPServer(('', int(os.environ['PORT'])), http.server.BaseHTTPRequestHandler).serve_forever()\n"
    write(shipit, PYTHON, "COPY app.py /", "RUN echo built > /built", 'CMD ["python3", "/app.py"]')
    shipit.write(
        app__py=server, deploy__yml="app: shop\nimage: {build: .}\ntargets: {heroku: {app: shop-prod, settle: 0s}}\n"
    )
    with HerokuStandIn(token="t") as heroku:
        heroku.create_app("shop-prod")
        shipit.env |= heroku.variables()
        done = shipit.run("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
    who = "docker buildx" if has_buildx else "the engine's classic builder"
    assert f"({who}: Engine 26.1.5+dfsg1 has no BuildKit over HTTP)" in done.stderr, done.stderr
    assert f"does not build over HTTP; {who} is used instead" in done.stderr
    assert "healthy" in done.stdout


def test_what_run_made_is_kept_in_the_registry_for_other_machines(
    shipit: Shipit, modern_engine: DockerEngine, registry_server: RegistryServer, python_base: str
) -> None:
    """The engine forgets everything in between, as on a new machine; RUN gives another result each time it runs."""
    install_buildx(Path(shipit.env["HOME"]) / ".docker")
    shipit.env |= {"DOCKER_HOST": modern_engine.host, "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    repository = f"{registry_server.host}/engine/cached"
    write(shipit, PYTHON, "RUN head -c 16 /dev/urandom > /random")
    deploy(shipit, repository, "cache: registry")
    plan = shipit.run("plan")
    assert "docker buildx: RUN at Dockerfile:2, cache: registry" in plan.stdout
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"kept the build cache of built as {repository}:buildcache" in done.stderr
    docker = [find("docker"), "--host", modern_engine.host]
    for what in ("builder", "system"):
        subprocess.run([*docker, what, "prune", "--all", "--force"], check=True, capture_output=True)
    shutil.rmtree(shipit.env["SHIPIT_CACHE_DIR"])
    again = shipit.run("deploy")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout + again.stderr
    assert "kept the build cache" not in again.stderr

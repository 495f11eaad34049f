"""What must not get into an image: files of secrets and variables by any way, git's own, deploy.yml, and values in its config."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.shipit import Shipit

CANARY = "canary-4711-of-production"
DOTENV = f"DB={CANARY}-dotenv\n"
FILES = {
    ".secrets/token": f"{CANARY}-token\n",
    ".secrets/staging": f"{CANARY}-staging\n",
    ".env": DOTENV,
    "shared.yml": "env: {A: b}\n",
    "sub/app.txt": "the app\n",
}


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


def project(
    shipit: Shipit, registry: EmbeddedRegistry, more: str = "", *, build: str = "{}", copy: str = "COPY . /app/"
) -> None:
    for name, text in FILES.items():
        (shipit.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (shipit.folder / name).write_text(text)
    shipit.env["FROM_ENV"] = f"{CANARY}-env"
    shipit.write(
        Dockerfile=f"FROM scratch\n{copy}\n",
        deploy__yml="# a comment\napp: hello\ninclude: shared.yml\ndotenv: .env\n"
        f"images: {{hello: {{repository: {registry.host}/hello, tags: [v1], build: {build}}}}}\n"
        "secrets:\n  TOKEN: {file: .secrets/token}\n  PRINTED: {command: 'cat .secrets/token'}\n  FROM_ENV: {env: FROM_ENV}\n"
        f"targets: {{hub: }}\n"
        "environments: {staging: {inherit: true, secrets: {OTHER: {file: .secrets/staging}}}}\n" + more,
    )


def held(registry: EmbeddedRegistry) -> dict[str, bytes]:
    """The files of all layers in the registry, by path."""
    files: dict[str, bytes] = {}
    for blob in registry.blobs.values():
        if blob.startswith(b"\x1f\x8b"):
            with tarfile.open(fileobj=io.BytesIO(blob)) as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isreg() else None
                    files[member.name] = content.read() if content else b""
    return files


def test_files_that_deploy_yml_names_are_in_no_image_and_the_plan_says_so(
    shipit: Shipit, registry: EmbeddedRegistry
) -> None:
    project(shipit, registry, build="{secrets: {npmrc: .secrets/npmrc}}")
    (shipit.folder / ".secrets/npmrc").write_text(f"{CANARY}-npmrc\n")
    subprocess.run(["git", "init", "-q", str(shipit.folder)], check=True)
    (shipit.folder / "sub/.git").write_text("gitdir: elsewhere\n")
    planned = shipit.run("plan")
    assert planned.returncode == 0, planned.stderr
    assert (
        "image  hello  left out of its context: .env (variables of deploy.yml), .git (git's own), "
        ".secrets/npmrc (the secret npmrc), .secrets/staging (the secret OTHER), .secrets/token (the secret TOKEN), "
        "shared.yml (included by deploy.yml), sub/.git (git's own)" in planned.stdout
    ), planned.stdout
    pushed = shipit.run("push")
    assert pushed.returncode == 0, pushed.stderr
    files = held(registry)
    assert {name for name, content in files.items() if content} == {"app/Dockerfile", "app/sub/app.txt"}
    assert not any(b"canary" in blob for blob in [*registry.blobs.values(), *files.values()])


def hard_link(folder: Path) -> None:
    os.link(folder / ".secrets/token", folder / "sub/harmless.txt")


def hard_link_of_dotenv(folder: Path) -> None:
    os.link(folder / ".env", folder / "settings")


def copy_of_file(folder: Path) -> None:
    (folder / "sub/token.bak").write_text(FILES[".secrets/token"])


def copy_of_dotenv(folder: Path) -> None:
    (folder / "env.old").write_text(DOTENV)


def copy_of_value(folder: Path) -> None:
    (folder / "value.txt").write_text(f"{CANARY}-env")


def copy_of_value_with_newline(folder: Path) -> None:
    (folder / "value.txt").write_bytes(f"{CANARY}-env\r\n".encode())


def link(folder: Path) -> None:
    (folder / "sub/link").symlink_to("../.secrets/token")


def link_of_folder(folder: Path) -> None:
    (folder / "also").symlink_to(".secrets")


def taken_back(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*\n!sub\n!.env\n!.secrets\n!.secrets/token\n!deploy.yml\n!.git\n")


def taken_back_for_one_dockerfile(folder: Path) -> None:
    (folder / "Dockerfile.dockerignore").write_text("!**/token\n!.*\n")


def secret_is_a_link(folder: Path) -> None:
    (folder / ".secrets/token").rename(folder / "sub/real")
    (folder / ".secrets/token").symlink_to("../sub/real")


def secret_through_a_link_of_a_folder(folder: Path) -> None:
    (folder / ".secrets").rename(folder / "kept")
    (folder / ".secrets").symlink_to("kept")


WAYS = [
    hard_link,
    hard_link_of_dotenv,
    copy_of_file,
    copy_of_dotenv,
    copy_of_value,
    copy_of_value_with_newline,
    link,
    link_of_folder,
    taken_back,
    taken_back_for_one_dockerfile,
    secret_is_a_link,
    secret_through_a_link_of_a_folder,
]


@pytest.mark.parametrize("way", WAYS)
def test_no_other_way_leads_a_secret_into_an_image(in_process: Shipit, registry: EmbeddedRegistry, way: object) -> None:
    project(in_process, registry)
    way(in_process.folder)  # type: ignore[operator]
    pushed = in_process.run("push")
    assert pushed.returncode == 0, pushed.stderr
    files = held(registry)
    assert "app/sub/app.txt" in files and "app/deploy.yml" not in files
    assert not any(b"canary" in content for content in files.values())


@pytest.mark.parametrize(
    "path", ["../project/.secrets/token", "sub/../.secrets/token", "{folder}/.secrets/token", "./.secrets//token"]
)
def test_a_secret_is_left_out_however_its_path_is_written(
    in_process: Shipit, registry: EmbeddedRegistry, path: str
) -> None:
    project(in_process, registry)
    file = in_process.folder / "deploy.yml"
    file.write_text(
        file.read_text().replace("{file: .secrets/token}", f"{{file: '{path.format(folder=in_process.folder)}'}}")
    )
    assert in_process.run("push").returncode == 0
    assert not any(b"canary" in content for content in held(registry).values())


def test_a_context_above_deploy_yml_leaves_the_same_files_out(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    project(shipit, registry, build="{context: .., dockerfile: project/Dockerfile}")
    (shipit.folder.parent / ".dockerignore").write_text("home\n")
    assert shipit.run("push").returncode == 0
    files = held(registry)
    assert "app/project/sub/app.txt" in files and "app/project/deploy.yml" not in files
    assert not any(b"canary" in content for content in files.values())


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        ("COPY .secrets/token /x", "'.secrets/token' does not exist"),
        ("COPY .env sub/app.txt /x/", "'.env' does not exist"),
        ("ADD deploy.yml /x", "'deploy.yml' does not exist"),
        ("COPY sub/link /x", "'sub/link' does not exist"),
    ],
)
def test_a_file_that_is_asked_for_and_left_out_is_told(
    shipit: Shipit, registry: EmbeddedRegistry, copy: str, said: str
) -> None:
    project(shipit, registry, copy=copy)
    link(shipit.folder)
    done = shipit.run("push")
    assert done.returncode == 1 and said in done.stderr, done.stderr
    if "link" not in copy:
        assert "it is left out of every build" in done.stderr
    if "token" in copy:
        assert "use build secrets: RUN --mount=type=secret" in done.stderr
    assert not registry.blobs and not registry.manifests


def test_what_is_asked_for_by_keep_is_in_the_context(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    project(shipit, registry, build="{keep: [deploy.yml, .git, ./shared.yml]}")
    subprocess.run(["git", "init", "-q", str(shipit.folder)], check=True)
    assert shipit.run("push").returncode == 0
    files = held(registry)
    assert {"app/deploy.yml", "app/shared.yml", "app/.git/HEAD"} <= set(files)
    assert not any(b"canary" in content for content in files.values())
    project(shipit, registry, build="{keep: [.secrets/../.secrets/token]}")
    done = shipit.run("push")
    assert done.returncode == 2 and "build.keep: .secrets/token is the file of the secret TOKEN" in done.stderr, (
        done.stderr
    )


def test_a_comment_in_deploy_yml_makes_no_new_image(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    project(shipit, registry)
    first = shipit.run("build").stdout
    file = shipit.folder / "deploy.yml"
    file.write_text(file.read_text().replace("# a comment", "# another comment"))
    (shipit.folder / "shared.yml").write_text("# mine\nenv: {A: b}\n")
    assert shipit.run("push").returncode == 0
    assert shipit.run("build").stdout == first
    (shipit.folder / "deploy.staging.yml").write_text(file.read_text())
    assert shipit.run("build", "-f", "deploy.staging.yml").stdout == first, "whichever file is named"
    (shipit.folder / "deploy.staging.yml").unlink()
    assert "up to date" in shipit.run("plan").stdout


@pytest.mark.parametrize(
    "value",
    [
        "${FROM_ENV}",
        "x-${FROM_ENV}-y",
        f"{CANARY}-token",
        base64.b64encode(f"{CANARY}-env".encode()).decode(),
        f"{CANARY}-dotenv".replace("-dotenv", "-env"),
    ],
)
def test_a_secret_as_a_build_argument_is_refused(shipit: Shipit, registry: EmbeddedRegistry, value: str) -> None:
    project(shipit, registry, build=f"{{args: {{OTHER: x, NPM_TOKEN: '{value}'}}}}", copy="ARG NPM_TOKEN\nCOPY sub /")
    done = shipit.run("push")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "build.args.NPM_TOKEN: holds the value of a secret" in done.stderr and "use build secrets" in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert not registry.blobs and not registry.manifests


@pytest.mark.parametrize(
    "line",
    [
        f"ENV TOKEN={CANARY}-token",
        f"LABEL token='{CANARY}-token'",
        f'CMD ["run", "--token={CANARY}-env"]',
        f"# {CANARY}-token",
        f"ARG A={CANARY}-env",
        f"HEALTHCHECK CMD curl -u x:{CANARY}-token localhost",
    ],
)
def test_a_dockerfile_with_a_secret_is_refused_at_its_line(
    shipit: Shipit, registry: EmbeddedRegistry, line: str
) -> None:
    project(shipit, registry, copy=f"COPY sub /\n{line}")
    done = shipit.run("push")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Dockerfile:3: the line holds the value of a secret" in done.stderr and "use build secrets" in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert not registry.blobs and not registry.manifests


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (f"ENV A={CANARY} B=-token\nENV C=$A$B", "config.Env.C"),
        (f"ARG A={CANARY}\nLABEL token=${{A}}-token", "config.Labels.token"),
        (f"ENV A={CANARY}\nWORKDIR /${{A}}-token", "config.WorkingDir"),
    ],
)
def test_a_config_that_comes_to_hold_a_secret_is_refused(
    shipit: Shipit, registry: EmbeddedRegistry, lines: str, place: str
) -> None:
    project(shipit, registry, copy=f"COPY sub /\n{lines}")
    done = shipit.run("push")
    assert done.returncode == 1 and f"its config holds the value of a secret, at {place}" in done.stderr, done.stderr
    assert not registry.blobs and not registry.manifests, "its layers did not go before"


def test_a_value_that_may_stand_there_by_chance_is_none(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    project(shipit, registry, build="{args: {MODE: production}}", copy="ARG MODE\nCOPY sub /\nENV PORT=8080 MODE=$MODE")
    shipit.env["FROM_ENV"] = "prod"
    assert shipit.run("push").returncode == 0
    for weak in ("postgres", "postgres://postgres:postgres@db/hello", "password", "production"):
        shipit.env["FROM_ENV"] = weak
        project(
            shipit,
            registry,
            copy="COPY sub /\nENV PGUSER=postgres NODE_ENV=production\nLABEL needs=postgresql-client\n# no password here",
        )
        shipit.env["FROM_ENV"] = weak
        assert shipit.run("push").returncode == 0, weak
    project(shipit, registry, copy="COPY sub /\nENV PORT=8080")
    shipit.env["FROM_ENV"] = "8080"
    refused = shipit.run("push")
    assert refused.returncode == 1 and "config.Env.PORT" in refused.stderr, "all of a value is no chance"


def test_scaling_builds_and_releases_nothing_new(shipit: Shipit, heroku: HerokuStandIn) -> None:
    text = (
        "app: hello\nimage: {build: {context: .}}\n"
        "targets: {heroku: {app: shop-prod, settle: 0s, processes: {worker: {command: sleep 999, quantity: 1}}}}\n"
    )
    shipit.write(Dockerfile="FROM scratch\nCOPY . /app/\n", deploy__yml=text)
    first = shipit.run("deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    image = shipit.run("build").stdout
    shipit.write(deploy__yml=f"# three of them\n{text.replace('quantity: 1', 'quantity: 3')}")
    assert shipit.run("build").stdout == image
    planned = shipit.run("plan").stdout
    assert "push " not in planned and "release" not in planned and "1 change" in planned, planned
    before = [release["version"] for release in heroku.apps["shop-prod"].releases]
    assert shipit.run("deploy").returncode == 0
    assert [release["version"] for release in heroku.apps["shop-prod"].releases] == before
    assert "up to date" in shipit.run("plan").stdout

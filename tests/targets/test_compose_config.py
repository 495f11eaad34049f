"""The keys of Compose projects in deploy.yml, which images services run, and what the program of Compose may answer."""

from __future__ import annotations

import json
import stat
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest

from shipit.clock import Clock, Deadline
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.digest import Digest
from shipit.docker.address import EngineAddress
from shipit.errors import ConfigErrors, RemoteError, ShipitError
from shipit.release import Image, Release
from shipit.targets.compose.config import ComposeConfig
from shipit.targets.compose.observed import ComposeObserved
from shipit.targets.compose.program import ComposeProgram, compose_variables
from shipit.targets.compose.secret_values import may_be_secret
from shipit.targets.compose.target import ComposeTarget, create
from shipit.targets.kinds import KindModels

HEAD = "app: shop\nimages: {web: {repository: user/web}, api: {build: ./api}, cache: {use: 'redis:8'}}\n"


def load(
    folder: Path, target: str = "{}", head: str = HEAD, *, is_untrusted: bool = False, **variables: str
) -> ComposeTarget:
    (folder / "deploy.yml").write_text(f"{head}targets:\n  compose: {target}\n")
    (folder / "compose.yaml").touch()
    environment = ProcessEnvironment(
        {"PATH": str(folder / "bin"), **variables}, folder, folder, is_untrusted=is_untrusted
    )
    project = load_project(folder / "deploy.yml", environment, KindModels())
    config = project.targets["compose"]
    assert isinstance(config, ComposeConfig)
    return create("compose", config, project, environment)


def answering(folder: Path, script: str) -> None:
    """The docker command is a script: `config` is what it is asked most."""
    (folder / "bin").mkdir(exist_ok=True)
    file = folder / "bin/docker"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def services(folder: Path, **rows: object) -> None:
    answering(folder, f"echo '{json.dumps({'name': 'shop', 'services': rows})}'")


def test_project_host_and_place(tmp_path: Path) -> None:
    target = load(tmp_path)
    assert target.place.identity == "shop-production on unix:///var/run/docker.sock"
    target = load(tmp_path, "{host: 'ssh://deploy@web1', project: old_shop, profiles: worker, file: compose.yaml}")
    assert target.place.identity == "old_shop on ssh://deploy@web1"
    assert (target.config.profiles, target.config.file) == (("worker",), ("compose.yaml",))


@pytest.mark.parametrize(
    ("there", "target", "read"),
    [
        ("", "{}", "compose.yaml"),
        (
            "compose.override.yaml docker-compose.override.yml docker-compose.yml",
            "{}",
            "compose.yaml compose.override.yaml",
        ),
        ("compose.override.yaml compose.override.yml", "{}", "compose.yaml compose.override.yml"),
        ("compose.override.yaml", "{file: compose.yaml}", "compose.yaml"),
    ],
)
def test_an_override_is_merged_as_compose_does_it(tmp_path: Path, there: str, target: str, read: str) -> None:
    answering(tmp_path, 'echo "$*" > "$PWD/said"; echo "{}"')
    for name in there.split():
        (tmp_path / name).touch()
    loaded = load(tmp_path, target)
    loaded.workloads()
    assert loaded.source.merged == (tuple(read.split()) if "override" in read else ()), "a plan says it"
    words = (tmp_path / "said").read_text().split()
    files = [Path(word).name for before, word in pairwise(words) if before == "--file"]
    assert files == read.split()


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("{file: other.yaml}", "targets.compose.file: is no file"),
        ("{file: [compose.yaml, other.yaml]}", "targets.compose.file[1]: is no file"),
        ("{file: --help}", "should be the path of a file"),
        ("{host: web1}", "should be unix://SOCKET"),
        ("{project: Shop}", "should be at most 63 lower-case letters"),
        ("{images: {web: nothing}}", "no image 'nothing'"),
        ("{images: {'a b': web}}", "should be letters, digits"),
        ("{keep: 0}", "should be at least 1"),
    ],
)
def test_mistakes_are_told_at_their_keys(tmp_path: Path, target: str, what: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path, target)
    assert what in str(raised.value)


def test_a_service_runs_an_image_by_images_repository_build_or_name(tmp_path: Path) -> None:
    target = load(tmp_path, "{images: {named: web}}")
    context = {"context": f"{tmp_path}/x/../api", "dockerfile": "Dockerfile"}
    services(
        tmp_path,
        named={"image": "other/thing:1"},
        by_repository={"image": "docker.io/user/web:dev"},
        by_build={"build": context},
        cache={},
        db={"image": "postgres:16"},
        web={"image": "nginx"},
    )
    uses = target.source.uses(target.source.plainly())
    assert {service: use.image for service, use in uses.items()} == {
        "named": "web",
        "by_repository": "web",
        "by_build": "api",
        "cache": "cache",
    }
    assert [(use.image, use.repository, use.publish) for use in target.images()] == [
        ("api", "", False),
        ("cache", "redis:8", False),
        ("web", "docker.io/user/web", True),
    ]
    direct = load(tmp_path, "{images: {named: web}, load: true}")
    assert [use.repository for use in direct.images()] == ["", "redis:8", ""]


def test_a_rendered_project_has_pinned_images_and_no_values(tmp_path: Path) -> None:
    head = f"{HEAD}env: {{MODE: test}}\nsecrets: {{TOKEN: {{env: TOKEN}}}}\n"
    target = load(tmp_path, head=head)
    services(tmp_path, web={"image": "user/web", "environment": {"MODE": "test"}}, cache={}, db={"image": "postgres"})
    digest = Digest("sha256:" + "1" * 64)
    images = tuple(Image(use, use.repository, digest, digest) for use in target.images())
    rendered = target.render(Release("shop", "production", images), ComposeObserved())
    [part] = rendered.parts
    assert part.name == "docker compose -p shop-production up" and part.left_out == ("TOKEN",)
    found = part.body["services"]
    assert found["web"]["image"] == f"docker.io/user/web@{digest}" and found["web"]["environment"] == {
        "MODE": "<value>"
    }
    assert found["cache"]["image"] == f"redis:8@{digest}" and found["db"]["image"] == "postgres"
    assert target.workloads() == ("web", "cache", "db")
    assert target.declared_scale() == {"web": None, "cache": None, "db": None}


def test_a_rendered_project_shows_no_secret_of_its_env_file_or_of_the_process(tmp_path: Path) -> None:
    """Compose has put them into the file: into commands, health checks and labels, too."""
    (tmp_path / ".env").write_text(
        "REDIS_PASSWORD=hunter2-from-dotenv\nAUTH_ENABLED=true\nLEVEL=verbose\nAPI_KEY='a$b-4711'\n"
    )
    head = "app: shop\nimages: {cache: {use: 'redis:8'}}\n"
    target = load(tmp_path, head=head, DB_PASSWORD="of-the-process", OTHER_TOKEN="not-in-the-file")
    command = ["redis-server", "--requirepass", "hunter2-from-dotenv", "verbose", "true", "a$$b-4711"]
    test = ["CMD", "redis-cli", "-u", "redis://:of-the-process@localhost", "ping"]
    services(
        tmp_path,
        cache={
            "image": "redis:8",
            "command": command,
            "healthcheck": {"test": test},
            "labels": {"user": "me:hunter2-from-dotenv"},
        },
    )
    digest = Digest("sha256:" + "1" * 64)
    images = tuple(Image(use, use.repository, digest, digest) for use in target.images())
    redactor = target.source.environment.redactor
    [part] = redactor.value(target.render(Release("shop", "production", images), ComposeObserved())).parts
    shown = part.body["services"]["cache"]
    assert shown["command"] == ["redis-server", "--requirepass", "[redacted]", "verbose", "true", "[redacted]"]
    assert shown["healthcheck"]["test"][3] == "redis://:[redacted]@localhost"
    assert shown["labels"]["user"] == "me:[redacted]"
    assert redactor.text("not-in-the-file") == "not-in-the-file"


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("MYSQL_PWD", "hunter2", True),
        ("APP_KEY", "base64:4711", True),
        ("JWT", "a.b.c", True),
        ("DBPASS", "letmein", True),
        ("API_KEY_2", "word", True),
        ("SECRET_KEY_BASE", "4a5b6c7d8e", True),
        ("SECRET_KEY_BASE", "correct horse battery", True),
        ("KEY_PREFIX", "production", False),
        ("TOKEN_TTL", "3600", False),
        ("AUTH", "true", False),
        ("LEVEL", "a8Fk29slQ0xz", False),
        ("PWD", "/somewhere/else", False),
        ("OLDPWD", "/somewhere/else", False),
        ("SSH_AUTH_SOCK", "/run/user/1000/keyring/ssh", False),
        ("OWN_PWD", "/srv/shop/app", False),
        ("OWN_PWD", "/srv/shop/app/", False),
        ("OWN_PWD", "/srv/shop", False),
        ("APP_KEY", "shop", False),
        ("JWT_KEY", "/srv/shop/app/keys/jwt.pem", False),
        ("APP_KEY", "/srv/shop/apples", True),
        ("APP_KEY", "sho8", True),
    ],
)
def test_a_value_is_a_secret_by_the_name_of_its_variable(name: str, value: str, is_secret: bool) -> None:
    assert may_be_secret(name, value, PurePosixPath("/srv/shop/app")) is is_secret


def test_no_path_is_a_part_of_the_folder_of_everything() -> None:
    assert may_be_secret("APP_KEY", "/a/b", PurePosixPath("/"))


def test_ordinary_variables_stay_readable(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY_PREFIX=production\nAPI_KEY=not-in-the-file\nPRIVATE_KEY=4711-of-dotenv\n")
    target = load(tmp_path, PWD=str(tmp_path), SSH_AUTH_SOCK="/run/agent.sock", GPG_KEY="0D96DF4D4110E5C4")
    folders = [str(tmp_path), "/run/agent.sock", "production", "--key=4711-of-dotenv"]
    env = {"MYSQL_PWD": "hunter2", "KEY_PREFIX": "production", "PWD": "/app", "LEVEL": "verbose"}
    services(tmp_path, web={"image": "user/web", "command": folders, "environment": env})
    target.workloads()
    text = f"{tmp_path}/compose.yaml /run/agent.sock production not-in-the-file 0D96DF4D4110E5C4 /app verbose"
    redactor = target.source.environment.redactor
    assert redactor.text(text) == text
    assert redactor.text("hunter2 4711-of-dotenv") == "[redacted] [redacted]"


def test_an_env_file_that_is_no_text_is_left_to_compose(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"TOKEN=\xff\xfe")
    target = load(tmp_path)
    services(tmp_path, web={"image": "user/web"})
    assert target.workloads() == ("web",)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (
            {"x": {"build": {"context": "/elsewhere"}}},
            "the service x has build:, and no image of deploy.yml has this build",
        ),
        ({"x": {"image": "postgres"}}, "the compose file has no service 'gone'"),
    ],
)
def test_services_that_do_not_fit_are_errors_before_the_build(
    tmp_path: Path, rows: dict[str, object], what: str
) -> None:
    target = load(tmp_path, "{images: {gone: web}}" if "gone" in what else "{}")
    services(tmp_path, **rows)
    with pytest.raises(ShipitError) as raised:
        target.images()
    assert what in str(raised.value)


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo '{'", "the output is not JSON"),
        ("echo '[]'", "should be a map"),
        ('echo \'{"services": {"web": 3}}\'', "should be a map"),
        ('echo \'{"services": {"web": {"image": [1]}}}\'', "services.web.image should be text"),
        ("exec /usr/bin/yes " + "a" * 1000, "printed more than 16,777,216 bytes"),
        ('case "$*" in *version*) exit 1;; esac; exit 1', "the Compose plugin of the docker command is not installed"),
        ('case "$*" in *version*) echo 1.29.2;; *) exit 1;; esac', "Compose 1.29.2 is too old"),
        (
            "case \"$*\" in *version*) echo v2.26;; *) echo 'yaml: line 3: no' >&2; exit 15;; esac",
            "the compose file can't be used: yaml: line 3: no",
        ),
    ],
)
def test_hostile_answers_of_compose_are_errors(tmp_path: Path, script: str, what: str) -> None:
    target = load(tmp_path)
    answering(tmp_path, script)
    with pytest.raises(ShipitError) as raised:
        target.images()
    assert what in raised.value.render()


def test_without_the_docker_command_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(RemoteError) as raised:
        load(tmp_path).images()
    assert raised.value.what == "the docker command is not installed" and "docker-compose" in raised.value.hint


def test_the_compose_file_of_an_untrusted_project_is_not_read(tmp_path: Path) -> None:
    target = load(tmp_path, is_untrusted=True)
    services(tmp_path, web={})
    with pytest.raises(ShipitError, match="of an untrusted project is not read"):
        target.images()


def test_values_go_to_the_environment_and_not_to_the_command_line(tmp_path: Path) -> None:
    answering(
        tmp_path,
        'echo "$0 $*" > "$PWD/said"; echo "$TOKEN $COMPOSE_FILE $DOCKER_HOST" >> "$PWD/said"; cat >> "$PWD/said"; echo web 12',
    )
    own = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "COMPOSE_FILE": "evil.yaml", "DOCKER_CONTEXT": "other"}
    variables = compose_variables(own, {"TOKEN": "s3cret"}, EngineAddress("ssh://web1", "host:"), "ssh://web1")
    clock = Clock()
    program = ComposeProgram(variables, "shop", tmp_path, clock, Deadline(clock, clock.now() + 60))
    assert program.hashes(b'{"a": "s3cret"}') == {"web": "12"}
    command, environment, given = (tmp_path / "said").read_text().splitlines()
    assert "s3cret" not in command and environment == "s3cret  ssh://web1" and given == '{"a": "s3cret"}'


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("context:prod", "context prod", {"DOCKER_CONTEXT": "prod"}),
        ("unix:///own", "host:", {"DOCKER_HOST": "unix:///a"}),
        (None, "", {"DOCKER_HOST": "unix:///a"}),
        (None, "DOCKER_HOST", {"DOCKER_HOST": "unix:///mine"}),
    ],
)
def test_compose_is_led_to_the_engine_of_the_target(host: str | None, origin: str, expected: dict[str, str]) -> None:
    found = compose_variables({"DOCKER_HOST": "unix:///mine"}, {}, EngineAddress("unix:///a", origin), host)
    assert {key: value for key, value in found.items() if key.startswith("DOCKER")} == expected


def test_variables_of_deploy_yml_lead_compose_to_no_other_engine() -> None:
    own = {"DOCKER_HOST": "tcp://dind:2375", "DOCKER_CERT_PATH": "/evil", "DOCKER_GID": "999"}
    found = compose_variables({"DOCKER_HOST": "unix:///mine"}, own, EngineAddress("unix:///mine", "DOCKER_HOST"), None)
    assert found == {"DOCKER_HOST": "unix:///mine", "DOCKER_GID": "999", "COMPOSE_IGNORE_ORPHANS": "true"}

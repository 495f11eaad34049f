"""Files of a project and of its user: deploy.yml and what it names, git's files, what `init` reads, credentials and kubeconfigs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from shipit.clock import Deadline
from shipit.config.folder import ProjectFolder
from shipit.config.git import Git
from shipit.config.load import load_project
from shipit.config.names import GIT_FACTS
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.resolved import render_resolved
from shipit.errors import RemoteError
from shipit.reference import parse_reference
from shipit.registry.credentials import CredentialFinder
from shipit.setup.found import Found, look
from shipit.targets.heroku.token import Token, find_token
from shipit.targets.kinds import KindModels, kind_drafts
from shipit.targets.kubernetes.kubeconfig import read_context
from shipit.targets.kubernetes.manifests import read_manifests
from shipit.targets.kubernetes.server import ApiServer
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import as_json, mutated, mutated_json
from tests.runs import FakeClock, environment
from tests.shipit import ROOT

SMALL = b"app: hello\nimage: user/hello\nenv: {A: '${A:-1}', B: 'x'}\nsecrets: {S: {env: S}}\ntargets: {k8s: {port: 3000}}\n"
EXAMPLE = (ROOT / "deploy.example.yml").read_bytes()


def process_environment(folder: Path, **variables: str) -> ProcessEnvironment:
    return ProcessEnvironment({"PATH": "/nowhere", "A": "value", **variables}, folder, folder)


def load(folder: Path, text: bytes, **others: bytes) -> Project:
    """The project of a deploy.yml, beside files such as `m__yml` for m.yml."""
    for name, data in {"deploy__yml": text, **others}.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return load_project(folder / "deploy.yml", process_environment(folder), KindModels())


def load_including(folder: Path, data: bytes) -> Project:
    return load(folder, b"include: other.yml\n" + SMALL, other__yml=data)


def load_with_dotenv(folder: Path, data: bytes) -> Project:
    return load(folder, b"dotenv: .env\n" + SMALL, __env=data)


def check_resolved(folder: Path, project: Project) -> None:
    """The resolved file is a deploy.yml of its own, which resolves to itself."""
    resolved = bounded(lambda: render_resolved(project))
    assert isinstance(resolved, str)
    assert bounded(lambda: render_resolved(load(folder, resolved.encode()))) == resolved


@fuzzed
@given(mutated(SMALL, EXAMPLE))
def test_deploy_yml(tmp_path: Path, data: bytes) -> None:
    loaded = bounded(lambda: load(tmp_path, data))
    if isinstance(loaded, Project):
        check_resolved(tmp_path, loaded)


INCLUDED = (
    b"env: {A: 1}\ntargets: {k8s: {replicas: 2}}\n",
    b"env: &a {A: 1}\ntargets:\n  k8s: {env: {<<: *a, B: 2}}\n",
)


@fuzzed
@given(mutated(*INCLUDED))
def test_an_included_file(tmp_path: Path, data: bytes) -> None:
    loaded = bounded(lambda: load_including(tmp_path, data))
    if isinstance(loaded, Project):
        check_resolved(tmp_path, loaded)


DOTENV = (b"A=1\nB='two words'\nexport C=\"x\\ny\"\n# note\nD=${A}\nE=`ls`\n", b"A=1\r\nB=\r\n")


@fuzzed
@given(mutated(*DOTENV))
def test_a_dotenv_file(tmp_path: Path, data: bytes) -> None:
    found = bounded(lambda: load_with_dotenv(tmp_path, data).variables)
    if isinstance(found, dict):
        assert not any("\0" in name + value for name, value in found.items()), "no process takes such a variable"


MANIFEST = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers: [{name: a, image: user/hello}]\n---\nkind: List\napiVersion: v1\nitems: []\n"


def load_with_manifest(folder: Path, data: bytes) -> Project:
    return load(folder, b"app: a\nimage: user/hello\ntargets: {k8s: {manifests: [m.yml]}}\n", m__yml=data)


@fuzzed
@given(mutated(MANIFEST))
def test_a_manifest(tmp_path: Path, data: bytes) -> None:
    loaded = bounded(lambda: load_with_manifest(tmp_path, data))
    if isinstance(loaded, Project):
        found = bounded(lambda: read_manifests(ProjectFolder(tmp_path, tmp_path), ("m.yml",)))
        assert json.dumps(found, allow_nan=False), "checked when loaded, and sent as JSON"


@fuzzed
@given(
    mutated(b"ref: refs/heads/main\n", b"0123456789012345678901234567890123456789\n"),
    mutated(b"0123456789012345678901234567890123456789\n"),
    mutated(b"# pack-refs with: peeled\n0123456789012345678901234567890123456789 refs/heads/main\n"),
)
def test_the_files_of_git(tmp_path: Path, head: bytes, ref: bytes, packed: bytes) -> None:
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True, exist_ok=True)
    (git / "HEAD").write_bytes(head)
    (git / "refs/heads/main").write_bytes(ref)
    (git / "packed-refs").write_bytes(packed)

    def read() -> list[str | None]:
        facts = Git(tmp_path, environment(tmp_path))
        return [facts.lookup(fact) for fact in GIT_FACTS if fact not in ("tag", "dirty")]

    found = bounded(read)
    assert isinstance(found, list)
    (git / "refs/heads/main").unlink()
    assert isinstance(bounded(read), list)


@fuzzed
@given(mutated(b"gitdir: .elsewhere\n", b"gitdir: /nowhere/at/all\n"))
def test_a_git_file_that_points_elsewhere(tmp_path: Path, data: bytes) -> None:
    (tmp_path / ".git").write_bytes(data)
    assert isinstance(
        bounded(lambda: [Git(tmp_path, environment(tmp_path)).sha, Git(tmp_path, environment(tmp_path)).branch]), list
    )


FOUND = {
    "compose.yaml": b"services:\n  web: {build: {context: ., dockerfile: Dockerfile}, ports: ['80:3000'], environment: {A: b}}\n  db: {image: postgres}\n",
    "package.json": b'{"name": "shop", "scripts": {"start": "node ."}, "dependencies": {"express": "4"}}',
    "app.json": b'{"name": "shop", "env": {"SECRET": {"generator": "secret"}, "A": "b"}, "formation": {"web": {"quantity": 1}}}',
    "heroku.yml": b"build:\n  docker: {web: Dockerfile}\nrun: {web: npm start, worker: {command: [node, w.js], image: web}}\nrelease: {command: [npm run migrate]}\n",
    "Procfile": b"web: npm start\nworker: node worker.js\nrelease: npm run migrate\n",
    "Dockerfile": b"ARG PORT=3000\nFROM node:22\nEXPOSE 3000/tcp $PORT\nCMD node .\n",
    "pyproject.toml": b'[project]\nname = "shop"\ndependencies = ["flask"]\n',
    "go.mod": b"module example.com/shop\n\ngo 1.22\n",
    "fly.toml": b"app = 'shop'\n[build]\ndockerfile = 'Dockerfile'\n[env]\nA = 'b'\n[processes]\nweb = 'npm start'\nworker = 'node w.js'\n[http_service]\ninternal_port = 3000\nprocesses = ['web']\n[deploy]\nrelease_command = 'npm run migrate'\n",
    "skaffold.yaml": b"apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {name: shop}\nbuild:\n  artifacts: [{image: me/shop, context: ., docker: {dockerfile: Dockerfile, buildArgs: {A: b}}}]\nmanifests: {rawYaml: [k8s/*.yaml]}\n",
    "config/deploy.yml": b"service: shop\nimage: me/shop\nservers: {web: {hosts: [10.0.0.1]}, job: {hosts: [10.0.0.2], cmd: bin/jobs}}\nproxy: {app_port: 3000}\nregistry: {server: ghcr.io, username: me, password: [TOKEN]}\nbuilder: {arch: amd64, args: {A: b}}\nenv: {clear: {A: b}, secret: [KEY]}\naccessories: {db: {image: postgres}}\n",
    ".git/config": b'[remote "origin"]\n\turl = git@github.com:me/shop.git\n[remote "heroku"]\n\turl = https://git.heroku.com/shop.git\n',
}


def look_at(folder: Path, files: Mapping[str, bytes]) -> Found:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return look(folder, process_environment(folder), kind_drafts())


@fuzzed
@given(st.sampled_from(sorted(FOUND)).flatmap(lambda name: st.tuples(st.just(name), mutated(FOUND[name]))))
def test_what_init_reads(tmp_path: Path, changed: tuple[str, bytes]) -> None:
    """A file that can't be read is as if it were not there: `init` only makes suggestions."""
    found = bounded(lambda: look_at(tmp_path, {**FOUND, changed[0]: changed[1]}))
    assert not isinstance(found, Exception)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_init_takes_facts_from_each_file_before_it_is_mutated(tmp_path: Path, name: str) -> None:
    other = "Procfile" if name == "Dockerfile" else "Dockerfile"
    besides = {other: FOUND[other]}
    without = look_at(tmp_path / "shop", besides).project
    assert look_at(tmp_path / "shop", {**besides, name: FOUND[name]}).project != without


NETRC = (
    b"machine api.heroku.com\n  login me@example.com\n  password token-of-heroku\n",
    b"# mine\nmacdef init\ncd /\n\nmachine other.example.com login a password b account c\ndefault login x password y\n",
)


def read_netrc(folder: Path, data: bytes) -> Token | None:
    (folder / ".netrc").write_bytes(data)
    (folder / ".netrc").chmod(0o600)
    return find_token(process_environment(folder))


@fuzzed
@given(mutated(*NETRC))
def test_the_netrc_file(tmp_path: Path, data: bytes) -> None:
    bounded(lambda: read_netrc(tmp_path, data))


KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "prod",
    "clusters": [{"name": "eu", "cluster": {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}}],
    "contexts": [{"name": "prod", "context": {"cluster": "eu", "user": "me", "namespace": "shop"}}],
    "users": [
        {"name": "me", "user": {"token": "t"}},
        {"name": "other", "user": {"username": "a", "password": "b"}},
        {"name": "cert", "user": {"client-certificate-data": "eA==", "client-key-data": "eA==", "as": "me"}},
        {
            "name": "exec",
            "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}},
        },
    ],
}


def read_cluster(folder: Path) -> object:
    """The context of a file, and a request with its login to a port that nobody listens on."""
    environment = process_environment(folder, KUBECONFIG=str(folder / "kubeconfig"))
    server = ApiServer(read_context(environment, None), environment)
    try:
        return server.send("GET", "/version", Deadline.after(FakeClock(), 5))
    finally:
        server.close()


@fuzzed
@given(
    mutated_json(KUBECONFIG).map(as_json) | mutated(yaml.safe_dump(KUBECONFIG).encode(), as_json(KUBECONFIG)),
    st.sampled_from(["me", "other", "cert", "exec"]),
)
def test_a_kubeconfig(tmp_path: Path, data: bytes, user: str) -> None:
    data = data.replace(b'"user": "me"', b'"user": "' + user.encode() + b'"')
    (tmp_path / "kubeconfig").write_bytes(data)
    bounded(lambda: read_cluster(tmp_path))


AUTH = base64.b64encode(b"me:secret").decode()
DOCKER: dict[str, Any] = {
    "auths": {
        "https://index.docker.io/v1/": {"auth": AUTH},
        "registry.example.com": {"username": "me", "password": "p", "identitytoken": "t"},
        "registry.example.com/team/app": {"auth": AUTH},
    },
    "credHelpers": {"registry.example.com": "none"},
    "credsStore": "none",
}
REFERENCES = [parse_reference(text) for text in ("me/app", "registry.example.com/team/app:1", "127.0.0.1:5000/x")]


def find_credentials(folder: Path, **variables: str) -> list[Any]:
    finder = CredentialFinder(process_environment(folder, **variables), lambda text: None)
    return [finder.find(reference) for reference in REFERENCES]


@fuzzed
@given(mutated(as_json(DOCKER)) | mutated_json(DOCKER).map(as_json))
@example(b"\xff\xfe{}")
def test_the_configuration_of_docker(tmp_path: Path, data: bytes) -> None:
    (tmp_path / ".docker").mkdir(exist_ok=True)
    (tmp_path / ".docker/config.json").write_bytes(data)
    bounded(lambda: find_credentials(tmp_path))


@fuzzed
@given(mutated_json(DOCKER).map(as_json) | mutated(as_json(DOCKER)))
def test_credentials_in_a_variable(tmp_path: Path, data: bytes) -> None:
    text = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    bounded(lambda: find_credentials(tmp_path, DOCKER_AUTH_CONFIG=text))


SAMPLES: list[tuple[Callable[[Path, bytes], object], bytes]] = [
    *((load, data) for data in (SMALL, EXAMPLE)),
    *((load_including, data) for data in INCLUDED),
    *((load_with_dotenv, data) for data in DOTENV),
    (load_with_manifest, MANIFEST),
    (read_netrc, NETRC[0]),
]


@pytest.mark.parametrize(("read", "data"), SAMPLES)
def test_each_sample_is_valid_before_it_is_mutated(
    tmp_path: Path, read: Callable[[Path, bytes], object], data: bytes
) -> None:
    """A mutation of what is refused at once would test nothing behind that check."""
    assert read(tmp_path, data)


def test_the_samples_of_credentials_are_valid_before_they_are_mutated(tmp_path: Path) -> None:
    assert [bool(found) for found in find_credentials(tmp_path, DOCKER_AUTH_CONFIG=as_json(DOCKER).decode())] == [
        True,
        True,
        False,
    ]
    for user in ("me", "other"):
        data = as_json(KUBECONFIG).replace(b'"user": "me"', b'"user": "' + user.encode() + b'"')
        (tmp_path / "kubeconfig").write_bytes(data)
        with pytest.raises(RemoteError, match="no connection: connection refused"):
            read_cluster(tmp_path)

"""`shipit doctor`: what stands in the way of a deploy, each with one thing to do."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.http.skew import judge_skew
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Finding
from tests.servers.cluster import Cluster
from tests.servers.install import find
from tests.shipit import Shipit

TOKEN = "token-of-heroku"


@pytest.fixture
def shipit(in_process: Shipit) -> Shipit:
    """Called, not started: what is tested is what commands say."""
    return in_process


@pytest.fixture
def registry(shipit: Shipit) -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        shipit.write(
            Dockerfile='FROM scratch\nCOPY deploy.yml /\nCMD ["x"]\n',
            deploy__yml=f"app: shop\nimage: {server.host}/shop\ntargets: {{hub: }}\n",
        )
        yield server


def findings(shipit: Shipit, *words: str) -> dict[str, dict[str, str]]:
    done = shipit.run("doctor", "--output", "json", *words)
    rows = json.loads(done.stdout)["findings"]
    assert done.returncode == (1 if any(row["level"] == "failure" for row in rows) else 0)
    return {row["subject"]: row for row in rows}


def test_nothing_stands_in_the_way(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    done = shipit.run("doctor")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1] == "no problems found"
    subjects = [re.split(r"  +", line)[1] for line in lines[:-1]]
    host = registry.host
    assert subjects == [
        "deploy.yml",
        "disk",
        "proxy",
        "git",
        "image shop",
        f"registry {host}",
        "clock",
        "target hub",
        "lock of hub",
    ]
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert not [entry for entry in registry.log if entry[0] not in ("GET", "HEAD")], "nothing is changed"


def test_without_a_file_the_machine_is_looked_at(shipit: Shipit) -> None:
    found = findings(shipit)
    assert found["deploy.yml"]["level"] == "warning" and found["deploy.yml"]["hint"] == "shipit init writes one"
    assert found["disk"]["level"] == "ok"
    assert shipit.run("doctor", "-f", "gone.yml").returncode == 2


def test_mistakes_in_the_file_are_findings(shipit: Shipit) -> None:
    shipit.write(deploy__yml="app: Shop\ntargets: {herku: {}}\n")
    done = shipit.run("doctor")
    assert done.returncode == 1
    assert "FAILURE deploy.yml  deploy.yml:1:6: app: should be at most 63 lower-case" in done.stdout
    assert "FAILURE deploy.yml  deploy.yml:2:11: targets.herku: is not a kind of target" in done.stdout
    assert "hint: did you mean heroku?" in done.stdout and done.stdout.endswith("2 failures\n")


def test_what_a_deploy_would_trip_over(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    shipit.env |= {"DOCKER_HOST": "unix:///nowhere.sock", "SHORT": "abc"}
    shipit.write(
        Dockerfile="FROM scratch\nRUN x\n",
        deploy__yml=f"app: shop\nimages:\n  shop: {registry.host}/shop\n  other: {{repository: 127.0.0.1:{nobody}/other}}\n"
        "secrets:\n  A: {env: NOT_SET}\n  B: {file: gone}\n  C: {command: no-such-program}\n  D: {env: SHORT}\n"
        "targets: {hub: {images: [shop, other]}}\n",
    )
    found = findings(shipit)
    levels = {subject: row["level"] for subject, row in found.items()}
    assert levels == {
        "deploy.yml": "ok", "disk": "ok", "proxy": "ok", "git": "ok", "clock": "ok", f"registry {registry.host}": "ok",
        "secret A": "failure", "secret B": "failure", "secret C": "ok", "secret D": "warning",
        "image shop": "failure", "image other": "failure", f"registry 127.0.0.1:{nobody}": "failure", "target hub": "failure",
    }  # fmt: skip
    assert found["image shop"]["what"].startswith("Dockerfile:2: RUN needs an engine, and none answers")
    assert all(row["hint"] for row in found.values() if row["level"] != "ok"), found


def test_what_plan_would_refuse_is_known(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    shipit.env |= {"EMPTY": "", "HOME": str(shipit.folder / "home"), "DOCKER_HOST": "unix:///nowhere.sock"}
    (shipit.folder / "home/.docker").mkdir(parents=True)
    (shipit.folder / "home/.docker/config.json").write_text("{broken")
    (shipit.folder / "latin").write_bytes(b"caf\xe9")
    (shipit.folder / "folder").mkdir()
    (shipit.folder / "nothing").write_text("\n")
    shipit.write(
        deploy__yml=f"app: shop\nimages:\n  shop: {{repository: {registry.host}/shop, build: {{secrets: {{npmrc: gone}}}}}}\n"
        f"  lost: {{repository: {registry.host}/lost, build: ./nosuch}}\n"
        "secrets:\n  E: {env: EMPTY}\n  L: {file: latin}\n  F: {file: folder}\n  N: {file: nothing}\n  C: {command: [no-such-program]}\n"
        "  K: {keyring: {service: a, username: b}}\n"
        "targets: {hub: {images: [shop, lost]}}\n",
    )
    found = findings(shipit)
    failed = {subject: row["what"] for subject, row in found.items() if row["level"] == "failure"}
    assert failed.pop("image lost").endswith("images.lost.build: there is no folder ./nosuch")
    assert failed == {
        "secret E": "the variable EMPTY is empty",
        "secret L": "latin can't be read: it is not text",
        "secret F": "folder can't be read: Is a directory",
        "secret N": "nothing is empty",
        "secret C": "there is no program no-such-program",
        "build secret npmrc": "gone can't be read: No such file or directory",
    }
    assert "config.json" in found["credentials"]["what"] and found["credentials"]["level"] == "warning"
    assert all(row["hint"] for row in found.values() if row["level"] != "ok"), found
    untrusted = findings(shipit, "--untrusted")
    said = {untrusted[subject]["what"] for subject in ("secret C", "secret K")}
    assert said == {"is had from a program, and none is run with --untrusted"}


def test_a_helper_for_credentials_that_is_not_there(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    shipit.env["HOME"] = str(shipit.folder)
    (shipit.folder / ".docker").mkdir()
    (shipit.folder / ".docker/config.json").write_text(json.dumps({"credsStore": "nowhere"}))
    found = findings(shipit)["credentials"]
    assert (found["level"], "docker-credential-nowhere" in found["what"]) == ("warning", True)


def test_a_keyring_without_its_package(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    """A finder that comes first says that the package is not there, as an installation without it does."""
    (shipit.folder / "site").mkdir()
    (shipit.folder / "site/sitecustomize.py").write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'keyring' else found(name, package)\n"
    )
    shipit.env["PYTHONPATH"] += f":{shipit.folder / 'site'}"
    (shipit.folder / "deploy.yml").write_text(
        (shipit.folder / "deploy.yml").read_text() + "secrets: {K: {keyring: {service: a, username: b}}}\n"
    )
    program = Shipit(shipit.folder, Path(shipit.env["HOME"]))
    program.env = shipit.env
    found = findings(program)["secret K"]
    assert (found["level"], found["hint"]) == ("failure", "pipx inject shipit keyring")


def test_without_targets_every_image_is_looked_at(shipit: Shipit) -> None:
    shipit.write(
        deploy__yml="app: a\nimages: {web: {build: .}, api: {build: api}}\n", Dockerfile="FROM scratch\nCOPY a /\n"
    )
    found = findings(shipit)
    assert found["image web"]["level"] == "ok" and found["image api"]["level"] == "failure"


def test_files_of_a_context_that_look_like_secrets_are_a_warning(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    for name in (".env", "id_rsa", ".env.example"):
        (shipit.folder / name).write_text("x\n")
    found = findings(shipit)["image shop"]
    assert (found["level"], found["what"]) == (
        "warning",
        "the build context has .env, id_rsa, which can get into the image",
    )
    (shipit.folder / ".dockerignore").write_text(".env\nid_rsa\n")
    assert findings(shipit)["image shop"]["level"] == "ok"


def test_a_proxy_that_does_not_answer(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    shipit.env["HTTPS_PROXY"] = f"http://user:canary@127.0.0.1:{nobody}"
    done = shipit.run("doctor")
    assert done.returncode == 1 and "canary" not in done.stdout
    assert "FAILURE proxy" in done.stdout and "hint: correct HTTPS_PROXY, or unset it" in done.stdout


@pytest.mark.parametrize("proxy", ["http://[::1", "http://user:canary", "http://user:canary@host:canary"])
def test_a_proxy_that_is_no_url(shipit: Shipit, registry: EmbeddedRegistry, proxy: str) -> None:
    shipit.env["HTTPS_PROXY"] = proxy
    done = shipit.run("doctor")
    assert done.returncode == 1 and "canary" not in done.stdout + done.stderr
    assert "FAILURE proxy" in done.stdout and "should be a URL with a host and a port" in done.stdout
    assert "hint: correct HTTPS_PROXY, or unset it" in done.stdout


def test_a_tree_that_should_be_clean(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    text = (shipit.folder / "deploy.yml").read_text()
    shipit.write(deploy__yml=f"{text}environments: {{production: {{inherit: true, require_clean: true}}}}\n")
    assert findings(shipit, "-e", "production")["git"]["level"] == "failure"
    subprocess.run(["git", "init", "-q", "."], cwd=shipit.folder, check=True)
    found = findings(shipit, "-e", "production")["git"]
    assert found["level"] == "failure" and "wants a clean git tree" in found["what"]


def test_heroku_with_and_without_a_token(shipit: Shipit) -> None:
    with HerokuStandIn(token=TOKEN) as heroku:
        heroku.create_app("shop-prod")
        shipit.env |= heroku.variables()
        shipit.write(
            Dockerfile='FROM scratch\nCOPY deploy.yml /\nCMD ["x"]\n',
            deploy__yml="app: shop\nimage: {build: .}\ntargets: {heroku: {app: shop-prod}}\n",
        )
        found = findings(shipit)
        assert found["heroku"]["what"] == "takes the token from HEROKU_API_KEY"
        assert found["target heroku"]["level"] == "ok"
        shipit.env["HEROKU_API_KEY"] = "token-of-nobody"
        found = findings(shipit)
        assert found["target heroku"]["level"] == "failure"
        assert "wrong or expired" in found["target heroku"]["hint"]
        shipit.env["HEROKU_API_KEY"] = TOKEN
        shipit.write(deploy__yml="app: shop\nimage: {build: .}\ntargets: {heroku: {app: another-app}}\n")
        assert "there is no app 'another-app'" in findings(shipit)["target heroku"]["what"]


@pytest.mark.cluster
def test_permissions_are_asked_of_the_cluster(shipit: Shipit, cluster: Cluster) -> None:
    """A service account that may read everything and change Services and Secrets only."""
    cluster.kubectl("create", "namespace", "doctor")
    for words in (
        ["create", "serviceaccount", "reader"],
        ["create", "rolebinding", "reads", "--clusterrole=view", "--serviceaccount=doctor:reader"],
        ["create", "role", "some", "--verb=get,list,create,patch,delete", "--resource=services,secrets"],
        ["create", "rolebinding", "some", "--role=some", "--serviceaccount=doctor:reader"],
        ["create", "clusterrole", "doctor-namespaces", "--verb=get", "--resource=namespaces"],
        ["create", "clusterrolebinding", "doctor-namespaces", "--clusterrole=doctor-namespaces", "--serviceaccount=doctor:reader"],
    ):  # fmt: skip
        cluster.kubectl("-n", "doctor", *words)
    token = cluster.kubectl("-n", "doctor", "create", "token", "reader").strip()
    config = shipit.folder.parent / "kubeconfig"
    config.write_text(cluster.kubeconfig.read_text())
    variables = {"KUBECONFIG": str(config)}
    for words in (
        ["config", "set-credentials", "reader", f"--token={token}"],
        ["config", "set-context", "reader", "--cluster=test", "--user=reader", "--namespace=doctor"],
    ):
        subprocess.run([find("kubectl"), *words], env={**shipit.env, **variables}, check=True, capture_output=True)
    shipit.env |= variables
    shipit.write(
        Dockerfile='FROM scratch\nCOPY deploy.yml /\nCMD ["x"]\n',
        deploy__yml="app: shop\nimages: {shop: {repository: 127.0.0.1:1/shop}}\nsecrets: {A: {env: PATH}}\nrelease: migrate\n"
        "targets: {k8s: {context: reader, port: 80}}\n",
    )
    done = shipit.run("doctor", "k8s")
    assert done.returncode == 1
    assert "the user of reader may not create, delete, patch deployments.apps in namespace doctor" in done.stdout
    assert "the user of reader may not create, delete, patch jobs.batch in namespace doctor" in done.stdout
    assert "the user of reader may not create, patch configmaps in namespace doctor" in done.stdout
    assert "hint: ask for a Role with these verbs" in done.stdout
    assert "services" not in done.stdout and "secrets in namespace" not in done.stdout
    shipit.write(
        deploy__yml=(shipit.folder / "deploy.yml")
        .read_text()
        .replace("context: reader", "context: test, namespace: doctor")
    )
    assert "the user of test has every permission that a deploy needs" in shipit.run("doctor", "k8s").stdout


DATE = "Tue, 24 Nov 2026 12:00:00 GMT"
NOON_S = 1795521600.0


@pytest.mark.parametrize(
    ("date", "now_s", "expected"),
    [
        (DATE, NOON_S, Finding("ok", "clock", "agrees with x")),
        (DATE, NOON_S + 29, Finding("ok", "clock", "agrees with x")),
        (DATE, NOON_S + 90, Finding("warning", "clock", "90 s ahead of x", "set this machine's clock, for example with NTP")),
        (DATE, NOON_S - 4000, Finding("failure", "clock", "4000 s behind x", "set this machine's clock, for example with NTP")),
        (None, NOON_S, None),
        ("yesterday", NOON_S, None),
    ],
)  # fmt: skip
def test_clock_skew(date: str | None, now_s: float, expected: Finding | None) -> None:
    assert judge_skew("x", date, now_s) == expected


def test_a_registry_that_can_not_be_reached_is_told_once(shipit: Shipit) -> None:
    shipit.write(
        Dockerfile="FROM scratch\n",
        deploy__yml="app: shop\nimage: {repository: registry.invalid/shop}\ntargets: {hub: {kind: hub}, two: {kind: hub}}\n",
    )
    found = findings(shipit)
    assert "registry.invalid" in found["registry registry.invalid"]["what"]
    told = {found[f"target {name}"]["what"] for name in ("hub", "two")}
    assert told == {"not checked: see registry registry.invalid"}


def test_servers_that_agree_with_the_clock_share_a_row(shipit: Shipit) -> None:
    with EmbeddedRegistry() as one, EmbeddedRegistry() as two:
        shipit.write(
            Dockerfile="FROM scratch\n",
            deploy__yml=f"app: shop\nimages: {{a: {one.host}/a, b: {two.host}/b}}\ntargets: {{hub: {{images: [a, b]}}}}\n",
        )
        done, hosts = shipit.run("doctor", "--output", "json"), sorted((one.host, two.host))
    rows = [row["what"] for row in json.loads(done.stdout)["findings"] if row["subject"] == "clock"]
    assert rows == [f"agrees with {', '.join(hosts)}"]

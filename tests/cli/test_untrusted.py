"""A deploy.yml that nobody trusts: it runs no program, reads nothing outside of its project, and makes no message repeat a file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.shipit import Shipit

# Each repeats whole runs many times.
pytestmark = pytest.mark.slow

CANARY = "canary-4711"
# What a file outside of the project holds: lines that YAML, Dockerfiles and variables read each in their way.
SHADOW = f"root:$6${CANARY}:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"
HEAD = "app: hello\n"


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


@pytest.fixture
def untrusted(shipit: Shipit, tmp_path: Path) -> Shipit:
    return beside_others(shipit, tmp_path)


@pytest.fixture
def called(in_process: Shipit, tmp_path: Path) -> Shipit:
    """As `untrusted`, for tables of many cases."""
    return beside_others(in_process, tmp_path)


def beside_others(shipit: Shipit, tmp_path: Path) -> Shipit:
    """A project, and files outside of it."""
    shipit.write(Dockerfile="FROM scratch\nCOPY app /\n", app="app", deploy__yml=HEAD)
    (tmp_path / "shadow").write_text(SHADOW)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / "outside/canary.txt").write_text(CANARY)
    (tmp_path / "outside/k8s.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    (tmp_path / "outside/base.yml").write_text("env: {A: b}\n")
    return shipit


def test_plan_and_validate_work(untrusted: Shipit, registry: EmbeddedRegistry, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    untrusted.env["FROM_ENV"] = "a value of the job"
    untrusted.write(
        deploy__yml=f"{HEAD}image: {registry.host}/hello\ninclude: base.yml\ndotenv: .env\n"
        f"secrets:\n  A: {{command: 'touch {mark}; echo secret'}}\n  B: {{env: FROM_ENV}}\n  C: {{file: token}}\n"
        "  D: {keyring: {service: a, username: b}}\ntargets: {hub: }\n",
        base__yml="env: {X: y}\n",
        token="a token of the project",
        __env="Y=z\n",
    )
    for flag, variables in ((["--untrusted"], {}), ([], {"SHIPIT_UNTRUSTED": "1"}), ([], {"SHIPIT_UNTRUSTED": "true"})):
        untrusted.env |= variables
        assert untrusted.run("validate", *flag).returncode == 0
        planned = untrusted.run("plan", *flag)
        assert planned.returncode == 0, planned.stderr
        assert f"push {registry.host}/hello" in planned.stdout
        # What publishing needs, it has: no place gets the secrets.
        assert untrusted.run("doctor", *flag).returncode in (0, 1)
        assert not mark.exists()
        untrusted.env.pop("SHIPIT_UNTRUSTED", None)
    untrusted.env["SHIPIT_UNTRUSTED"] = "0"
    assert untrusted.run("deploy").returncode in (0, 2)
    assert mark.exists(), "trusted, it is run"


def test_no_file_of_the_project_takes_it_back(untrusted: Shipit, tmp_path: Path) -> None:
    untrusted.env["SHIPIT_UNTRUSTED"] = "1"
    untrusted.write(__env="SHIPIT_UNTRUSTED=0\n", deploy__yml=f"dotenv: .env\n{HEAD}include: ../outside/base.yml\n")
    done = untrusted.run("validate")
    assert done.returncode == 2 and "it lies outside of the project" in done.stderr, done.stderr


@pytest.mark.parametrize(
    "source", ["{command: 'touch %s'}", "{command: [touch, '%s']}", "{keyring: {service: a, username: b}}"]
)
@pytest.mark.parametrize("command", ["deploy", "build"])
def test_no_program_of_a_secret_is_run(
    called: Shipit, registry: EmbeddedRegistry, tmp_path: Path, source: str, command: str
) -> None:
    mark = tmp_path / "mark"
    secret = source % mark if "%" in source else source
    build = f", build: {{secrets: {{x: {secret}}}}}" if command == "build" else ""
    called.write(
        deploy__yml=f"{HEAD}image: {{repository: {registry.host}/hello{build}}}\n"
        f"secrets: {{A: {secret}}}\ntargets: {{hub: }}\n"
    )
    done = called.run(command, "--untrusted")
    assert done.returncode == 2 and "none is run with --untrusted" in done.stderr, done.stdout + done.stderr
    assert not mark.exists() and not registry.manifests


# What leaves the project -> the deploy.yml, and what else to make.
PATHS = {
    "include": "include: {path}\napp: hello\n",
    "dotenv": "app: hello\ndotenv: {path}\n",
    "context": "app: hello\nimage: {{repository: HOST/hello, build: {{context: {folder}}}}}\n",
    "dockerfile": "app: hello\nimage: {{repository: HOST/hello, build: {{dockerfile: {path}}}}}\n",
    "manifest": "app: hello\ntargets: {{k8s: {{manifests: [{path}]}}}}\n",
    "manifests": "app: hello\ntargets: {{k8s: {{manifests: [{folder}]}}}}\n",
    "readme": "app: hello\nimage: user/hello\ntargets: {{hub: {{readme: {path}}}}}\n",
    "secret": "app: hello\nimage: HOST/hello\nsecrets: {{A: {{file: {path}}}}}\ntargets: {{hub: }}\n",
    "build secret": "app: hello\nimage: {{repository: HOST/hello, build: {{secrets: {{x: {path}}}}}}}\n",
}
WAYS = {
    "above": ("../shadow", "../outside"),
    "absolute": ("{top}/shadow", "{top}/outside"),
    "home": ("~/shadow", "~/outside"),
    "a link": ("link.yml", "linked"),
    "a link of a folder": ("up/shadow", "up/outside"),
    "through the project": ("sub/../../shadow", "sub/../../outside"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", PATHS)
def test_no_path_and_no_link_leaves_the_project(
    called: Shipit, registry: EmbeddedRegistry, tmp_path: Path, place: str, way: str
) -> None:
    path, folder = (text.format(top=tmp_path) for text in WAYS[way])
    home = Path(called.env["HOME"])
    (home / "shadow").write_text(SHADOW)
    (home / "outside").symlink_to(tmp_path / "outside")
    (called.folder / "sub").mkdir()
    (called.folder / "link.yml").symlink_to("../shadow")
    (called.folder / "linked").symlink_to("../outside")
    (called.folder / "up").symlink_to("..")
    text = PATHS[place].format(path=path, folder=folder).replace("HOST", registry.host)
    called.write(deploy__yml=text)
    commands = (
        [["validate"], ["build"]]
        if "build" in place or place in ("context", "dockerfile")
        else [["validate"], ["plan"]]
    )
    results = [called.run(*command, "--untrusted") for command in commands]
    assert all(done.returncode != 0 for done in results if place != "secret" or done is results[-1])
    shown = "".join(done.stdout + done.stderr for done in results)
    assert "it lies outside of the project" in shown, shown
    assert CANARY not in shown and "root:" not in shown and "Traceback" not in shown
    assert not registry.blobs


@pytest.mark.parametrize("name", ["deploy.yml", ".dockerignore", "Dockerfile", "Dockerfile.dockerignore", "k8s/x.yaml"])
def test_no_file_that_is_found_by_its_name_is_a_link_out_of_the_project(called: Shipit, name: str) -> None:
    called.write(deploy__yml="app: hello\nimage: localhost:1/hello\ntargets: {k8s: {manifests: [k8s], port: 80}}\n")
    file = called.folder / name
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    file.symlink_to(called.folder.parent / "shadow")
    if name != "k8s/x.yaml":
        (called.folder / "k8s").mkdir(exist_ok=True)
        (called.folder / "k8s/fine.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    results = [called.run(command, "--untrusted") for command in ("validate", "build")]
    shown = "".join(done.stdout + done.stderr for done in results)
    assert results[-1].returncode != 0 and "it lies outside of the project" in shown, shown
    assert CANARY not in shown and "root:" not in shown


def test_what_lies_in_the_git_tree_is_of_the_project(
    untrusted: Shipit, registry: EmbeddedRegistry, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "project")], check=True)
    app = untrusted.folder / "apps/web"
    app.mkdir(parents=True)
    (app / "deploy.yml").write_text(
        f"include: ../../base.yml\n{HEAD}image: {{repository: {registry.host}/hello, build: {{context: ../..}}}}\ntargets: {{hub: }}\n"
    )
    untrusted.write(base__yml="env: {A: b}\n")
    done = untrusted.run("plan", "--untrusted", "-f", "apps/web/deploy.yml")
    assert done.returncode == 0, done.stderr
    (untrusted.folder / "base.yml").unlink()
    (untrusted.folder / "base.yml").symlink_to("../outside/base.yml")
    assert untrusted.run("plan", "--untrusted", "-f", "apps/web/deploy.yml").returncode == 2


def test_a_link_in_a_context_stays_a_link(untrusted: Shipit, registry: EmbeddedRegistry) -> None:
    untrusted.write(
        deploy__yml=f"{HEAD}image: {registry.host}/hello\ntargets: {{hub: }}\n", Dockerfile="FROM scratch\nCOPY . /\n"
    )
    (untrusted.folder / "shadow").symlink_to("../shadow")
    (untrusted.folder / "all").symlink_to("../outside")
    assert untrusted.run("push", "--untrusted").returncode == 0
    import gzip

    layers = [gzip.decompress(blob) for blob in registry.blobs.values() if blob.startswith(b"\x1f\x8b")]
    assert layers and not any(CANARY.encode() in layer for layer in layers)


def git_runs(folder: Path, mark: Path) -> None:
    """Programs that a repository's configuration names, and git runs for a status."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    script = folder / ".git/evil"
    script.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    script.chmod(0o755)
    subprocess.run(["git", "-C", str(folder), "config", "core.fsmonitor", str(script)], check=True)
    commit = [
        "git",
        "-C",
        str(folder),
        "-c",
        "core.fsmonitor=false",
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.com",
    ]
    subprocess.run([*commit, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    mark.unlink(missing_ok=True)


def test_git_runs_no_program_for_it(untrusted: Shipit, registry: EmbeddedRegistry, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    untrusted.write(deploy__yml=f"{HEAD}image: {registry.host}/hello\ntargets: {{hub: }}\n")
    git_runs(untrusted.folder, mark)
    assert untrusted.run("plan", "--untrusted").returncode == 0
    assert not mark.exists()


# What a repository configures that makes git run a program: keys of its configuration.
PROGRAMS = {
    "a filter": {"filter.x.clean": "PROGRAM"},
    "a process as filter": {"filter.x.process": "PROGRAM", "filter.x.required": "true"},
    "a filter whose name holds an equals sign": {"filter.a=b.clean": "PROGRAM"},
    "signatures": {"log.showSignature": "true", "gpg.program": "PROGRAM"},
}


@pytest.mark.parametrize("times", ["content", "commit"])
@pytest.mark.parametrize("configured", PROGRAMS.values(), ids=PROGRAMS)
def test_no_program_of_a_repository_is_run(
    called: Shipit, registry: EmbeddedRegistry, tmp_path: Path, configured: dict[str, str], times: str
) -> None:
    mark, folder = tmp_path / "mark", called.folder
    called.write(
        deploy__yml=f"{HEAD}image: {{repository: {registry.host}/hello, build: {{times: {times}}}}}\n"
        "env: {A: '${git.dirty}'}\ntargets: {hub: }\n",
        __gitattributes="app filter=a=b\nDockerfile filter=x\n",
    )
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    for key, value in configured.items():
        subprocess.run([*git, "config", key, value.replace("PROGRAM", f"touch {mark}; cat")], check=True)
    # Of another time, so that git has to look into them.
    for name in ("app", "Dockerfile"):
        os.utime(folder / name, (1, 1))
    done = called.run("push", "--untrusted")
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


@pytest.mark.parametrize("path", ["{folder}/bin:{path}", ".:{path}", "bin:{path}", ":{path}", "{folder}/link:{path}"])
def test_no_program_is_found_in_the_project(called: Shipit, tmp_path: Path, path: str) -> None:
    mark, folder = tmp_path / "mark", called.folder
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for name in ("git", "bin/git"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (folder / name).chmod(0o755)
    (folder / "link").symlink_to("bin")
    called.write(deploy__yml=f"{HEAD}env: {{A: '${{git.tag:-none}}'}}\n")
    called.env["PATH"] = path.format(folder=folder, path=called.env["PATH"])
    done = called.run("validate", "--untrusted", "--resolved")
    assert done.returncode == 0 and "A: none" in done.stdout, done.stdout + done.stderr
    assert not mark.exists()


def test_a_folder_that_looks_like_a_repository_is_none(
    untrusted: Shipit, registry: EmbeddedRegistry, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    git_runs(untrusted.folder, tmp_path / "other")
    bare = untrusted.folder / "bare"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
    script = bare / "evil"
    script.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    script.chmod(0o755)
    (bare / "config").write_text(
        f"[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = {bare}\n\tfsmonitor = {script}\n"
    )
    (bare / "deploy.yml").write_text(f"{HEAD}image: {registry.host}/hello\ntargets: {{hub: }}\n")
    (bare / "Dockerfile").write_text("FROM scratch\nCOPY deploy.yml /\n")
    for words in (["plan", "--untrusted"], ["plan"]):
        untrusted.run(*words, "-f", "bare/deploy.yml")
        assert not mark.exists()


@pytest.mark.parametrize("head", ["ref: ../../shadow", "ref: refs/heads/../../../shadow", f"{CANARY}"])
def test_no_file_is_told_as_a_commit(called: Shipit, head: str) -> None:
    called.write(deploy__yml=f"{HEAD}env: {{A: '${{git.sha:-none}} ${{git.branch:-none}}'}}\n")
    (called.folder / ".git").mkdir()
    (called.folder / ".git/HEAD").write_text(f"{head}\n")
    for words in ([], ["--untrusted"]):
        done = called.run("validate", "--resolved", *words)
        assert done.returncode == 0 and 'A: "none none"' in done.stdout, done.stdout + done.stderr


def helper(folder: Path, mark: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "docker-credential-evil").write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    (folder / "docker-credential-evil").chmod(0o755)


def test_no_credential_helper_that_the_project_names_is_run(
    untrusted: Shipit, registry: EmbeddedRegistry, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    helper(tmp_path / "bin", mark)
    untrusted.env["PATH"] = f"{tmp_path}/bin:{untrusted.env['PATH']}"
    untrusted.write(deploy__yml=f"{HEAD}image: {registry.host}/hello\ntargets: {{hub: }}\n")
    config = untrusted.folder / ".docker/config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"credsStore": "evil"}))
    for place in (str(config.parent), ".docker"):
        untrusted.env["DOCKER_CONFIG"] = place
        done = untrusted.run("plan", "--untrusted")
        assert done.returncode == 0 and "helpers that it names are not run with --untrusted" in done.stderr, done.stderr
        assert not mark.exists()
    own = Path(untrusted.env["HOME"]) / ".docker"
    own.mkdir()
    (own / "config.json").write_text(json.dumps({"credsStore": "evil"}))
    del untrusted.env["DOCKER_CONFIG"]
    untrusted.run("plan", "--untrusted")
    assert mark.exists(), "the user's own is"


@pytest.mark.parametrize("words", [["--untrusted"], []])
def test_a_helper_is_no_file_of_anybody(
    untrusted: Shipit, registry: EmbeddedRegistry, tmp_path: Path, words: list[str]
) -> None:
    mark = tmp_path / "mark"
    helper(untrusted.folder / "docker-credential-x", mark)
    untrusted.write(deploy__yml=f"{HEAD}image: {registry.host}/hello\ntargets: {{hub: }}\n")
    own = Path(untrusted.env["HOME"]) / ".docker"
    own.mkdir()
    (own / "config.json").write_text(json.dumps({"credsStore": "x/docker-credential-evil"}))
    untrusted.run("plan", *words)
    assert not mark.exists()


def test_no_plugin_of_a_kubeconfig_is_run(untrusted: Shipit, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [
            {
                "name": "u",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1",
                        "interactiveMode": "Never",
                        "command": "touch",
                        "args": [str(mark)],
                    }
                },
            }
        ],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    untrusted.env["KUBECONFIG"] = str(tmp_path / "kubeconfig")
    untrusted.write(deploy__yml=f"{HEAD}image: localhost:1/hello\ntargets: {{k8s: {{port: 80, context: c}}}}\n")
    done = untrusted.run("plan", "--untrusted")
    assert done.returncode == 1 and "--untrusted does not allow" in done.stderr, done.stderr
    assert not mark.exists()


@pytest.mark.parametrize("where", ["project", "home"])
@pytest.mark.parametrize("file", ["/{top}/token", "../token", "link"])
def test_a_kubeconfig_of_the_project_names_no_file_outside(
    called: Shipit, tmp_path: Path, where: str, file: str
) -> None:
    (tmp_path / "token").write_text(CANARY)
    user = {"tokenFile": file.format(top=tmp_path)}
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
    }
    folder = called.folder if where == "project" else Path(called.env["HOME"])
    (folder / "link").symlink_to(tmp_path / "token")
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    called.env["KUBECONFIG"] = "kubeconfig" if where == "project" else str(folder / "kubeconfig")
    called.write(deploy__yml=f"{HEAD}image: localhost:1/hello\ntargets: {{k8s: {{port: 80, context: c}}}}\n")
    done = called.run("plan", "--untrusted", timeout_s=120)
    assert done.returncode == 1 and CANARY not in done.stderr
    assert ("users[0].user.tokenFile lies outside of the project" in done.stderr) is (where == "project"), done.stderr


def test_the_ssh_agent_is_not_lent_to_its_build(untrusted: Shipit) -> None:
    untrusted.write(deploy__yml=f"{HEAD}image: {{repository: localhost:1/hello, build: {{ssh: true}}}}\n")
    for command in ("validate", "build"):
        done = untrusted.run(command, "--untrusted")
        assert done.returncode == 2 and "build.ssh: forwards the ssh agent" in done.stderr, done.stderr


FOREIGN = {
    "include": ("include: {path}\napp: hello\n", ["validate"]),
    "dotenv": ("app: hello\ndotenv: {path}\n", ["validate"]),
    "dockerfile": ("app: hello\nimage: {{repository: localhost:1/hello, build: {{dockerfile: {path}}}}}\n", ["build"]),
    "dockerfile of an engine": (
        "app: hello\nimage: {{repository: localhost:1/hello, build: {{dockerfile: {path}, builder: engine}}}}\n",
        ["build"],
    ),
    "manifest": ("app: hello\ntargets: {{k8s: {{manifests: [{path}]}}}}\n", ["validate"]),
    "-f": ("", ["validate", "-f", "{path}"]),
    "readme": ("app: hello\nimage: localhost:1/hello\ntargets: {{hub: {{readme: {path}}}}}\n", ["validate"]),
}
CONTENTS = {
    "shadow": SHADOW,
    "variables": f"API={CANARY}\nOTHER={CANARY}\n",
    "pairs": f"server: {CANARY}\nimage: {CANARY}\n",
    "words": f"user {CANARY}\npassword {CANARY}\n",
    "key": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n",
    "git": f"[core]\n\tbare = false\n[http]\n\textraheader = AUTHORIZATION: basic {CANARY}\n",
    "one word": f"{CANARY}\n",
    "a word": "swordfish\n",
    "json": f'{{"token": "{CANARY}", "x": ["{CANARY}"]\n',
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("place", FOREIGN)
@pytest.mark.parametrize("is_link", [False, True])
def test_no_message_repeats_a_file_that_is_none_of_ours(
    called: Shipit, tmp_path: Path, place: str, content: str, is_link: bool
) -> None:
    """Trusted or not; a link that is called like YAML makes it no YAML."""
    (tmp_path / "foreign").write_text(CONTENTS[content])
    path = "../foreign"
    if is_link:
        (called.folder / "foreign.yml").symlink_to("../foreign")
        path = "foreign.yml"
    text, command = FOREIGN[place]
    if text:
        called.write(deploy__yml=text.format(path=path))
    done = called.run(*(word.format(path=path) for word in command))
    shown = done.stdout + done.stderr
    assert CANARY not in shown and "swordfish" not in shown, shown
    assert "root:" not in shown and "extraheader" not in shown and "Traceback" not in shown, shown

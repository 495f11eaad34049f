"""What deploy.yml means: scalars, overlays, shorthands, secrets, git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shipit.config.document import parse_document, plain_data
from shipit.config.load import load_project
from shipit.config.project import Project
from shipit.config.secrets import resolve_secrets
from shipit.errors import ConfigErrors, ShipitError
from shipit.targets.heroku.config import HerokuConfig
from shipit.targets.kinds import KindModels
from shipit.targets.kubernetes.config import KubernetesConfig
from tests.runs import environment


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("0755", "0755"), ("22:22", "22:22"), ("1_000", "1_000"), ("1e3", 1000.0),
        ("0o17", 15), ("0x1F", 31), ("-7", -7), ("1.10", 1.1), (".inf", float("inf")), ("~", None), ("null", None), ("", None),
        ("true", True), ("False", False), ("'true'", "true"), ('"12"', "12"), ("2001-01-01", "2001-01-01"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_scalars_are_yaml_1_2(text: str, value: object) -> None:
    assert plain_data(parse_document(f"key: {text}\n".encode(), "x")) == {"key": value}


def test_values_of_env_keep_their_text() -> None:
    data = plain_data(parse_document(b"env: {A: 1.10, B: true, C: 0x1F, D: null}\nx-mine: {a: 1}\n", "x"))
    assert data == {"env": {"A": "1.10", "B": "true", "C": "0x1F", "D": None}}


def test_merge_keys_and_anchors() -> None:
    data = plain_data(parse_document(b"x-base: &base {a: 1, b: 2}\nmine: {<<: *base, b: 3}\n", "x"))
    assert data == {"mine": {"a": 1, "b": 3}}


def load(folder: Path, text: str, selected: str | None = None, **variables: str) -> Project:
    (folder / "deploy.yml").write_text(text)
    return load_project(folder / "deploy.yml", environment(folder, **variables), KindModels(), selected=selected)


def test_six_lines_are_a_whole_file(tmp_path: Path) -> None:
    project = load(
        tmp_path,
        "app: hello\nimage: marcwright/hello\ntargets:\n  heroku: {app: hello-prod}\n  k8s: {port: 3000, replicas: 3}\n",
    )
    heroku, k8s = project.targets["heroku"], project.targets["k8s"]
    assert isinstance(heroku, HerokuConfig) and isinstance(k8s, KubernetesConfig)
    assert project.images["hello"].repository == "docker.io/marcwright/hello"
    assert list(heroku.processes) == ["web"]
    workload = k8s.workloads[""]
    assert (workload.port, workload.replicas) == (3000, 3)
    assert (k8s.timeout, k8s.pending, k8s.settle, k8s.restarts_allowed) == (600, 30, 2, 0)


OVERLAID = """\
app: hello
image: user/hello
env: {A: one, B: two}
targets:
  heroku: {app: hello-prod}
  k8s: {namespace: prod, port: 3000, replicas: 3}
environments:
  staging: {env: {A: other, B: null}, targets: {k8s: {namespace: staging, replicas: ~}}}
  all: {inherit: true, protected: true}
"""


def test_an_environment_selects_only_what_it_names(tmp_path: Path) -> None:
    staging = load(tmp_path, OVERLAID, "staging")
    assert list(staging.targets) == ["k8s"]
    k8s = staging.targets["k8s"]
    assert isinstance(k8s, KubernetesConfig)
    assert (k8s.namespace, k8s.workloads[""].replicas, k8s.workloads[""].port) == ("staging", None, 3000)
    assert staging.env == {"A": "other"}
    everything = load(tmp_path, OVERLAID, "all")
    assert (list(everything.targets), everything.protected) == (["heroku", "k8s"], True)
    assert load(tmp_path, OVERLAID).environment == "production"


def test_an_unknown_environment_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ShipitError) as caught:
        load(tmp_path, OVERLAID, "stagin")
    assert caught.value.render() == "deploy.yml: there is no environment 'stagin'\nhint: did you mean staging?"


def test_interpolation_is_parsed_as_the_field(tmp_path: Path) -> None:
    text = "app: hello\nimage: user/hello\ntargets:\n  k8s:\n    port: ${PORT:-3000}\n    namespace: ${app}-${environment}\n"
    k8s = load(tmp_path, text, PORT="8080").targets["k8s"]
    assert isinstance(k8s, KubernetesConfig)
    assert (k8s.workloads[""].port, k8s.namespace) == (8080, "hello-production")


def test_default_tags_outside_of_git_are_latest(tmp_path: Path) -> None:
    assert load(tmp_path, "app: hello\nimage: user/hello\n").tags("hello") == ("latest",)


def test_secrets_from_everywhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    text = "app: a\nsecrets:\n  E: {env: MINE}\n  F: {file: token}\n  C: {command: [printf, from-command]}\n"
    project = load(tmp_path, text)
    surroundings = environment(tmp_path, MINE="from-env")
    values = resolve_secrets(["E", "F", "C"], project.secrets, tmp_path, surroundings)
    assert values == {"C": "from-command", "E": "from-env", "F": "from-file"}


def test_every_secret_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    text = "app: a\nsecrets:\n  E: {env: MINE}\n  F: {file: gone}\n  C: {command: 'echo canary; exit 4'}\n"
    project = load(tmp_path, text)
    with pytest.raises(ConfigErrors) as caught:
        resolve_secrets(["E", "F", "C"], project.secrets, tmp_path, environment(tmp_path))
    shown = caught.value.render()
    assert "secrets.E: the variable MINE is not set" in shown
    assert "secrets.F: gone can't be read: No such file or directory" in shown
    assert "secrets.C: its command ended with 4" in shown


def test_default_tags_in_a_git_tree_tell_a_changed_tree(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(tmp_path), *words]
        subprocess.run(command, check=True, capture_output=True)

    project = load(tmp_path, "app: hello\nimage: user/hello\n")
    git("init", "-b", "main")
    assert load(tmp_path, "app: hello\nimage: user/hello\n").tags("hello") == ("latest",), "there is no commit yet"
    git("add", ".")
    git("commit", "-m", "first")
    project = load(
        tmp_path,
        "app: hello\nimage: user/hello\nenv:\n  SHA: ${git.sha}\n  BRANCH: ${git.branch}\n  TAG: ${git.tag:-none}\n",
    )
    assert project.env["BRANCH"] == "main" and project.env["TAG"] == "none"
    short = project.env["SHA"][:7]
    assert project.tags("hello") == (f"{short}-dirty", "latest")
    git("commit", "-am", "second")
    git("pack-refs", "--all")
    clean = load(tmp_path, (tmp_path / "deploy.yml").read_text())
    assert clean.tags("hello") == (clean.env["SHA"][:7], "latest")
    assert clean.env["SHA"] != project.env["SHA"]

"""What deploy.yml means: scalars, overlays, shorthands, secrets, git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from shipit.config.document import parse_document, plain_data
from shipit.config.load import load_project
from shipit.config.model import EnvironmentConfig, ProjectFile
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


def test_keys_that_begin_with_x_are_left_out_where_keys_or_names_of_the_file_stand() -> None:
    text = b"""
targets:
  x-base: {kind: heroku}
  k8s:
    x-note: mine
    env: {x-a: "1"}
    node: {x-team: gpu}
    patch: {Deployment: {spec: {selector: {x-a: b}, env: [{value: 1.10}], args: [true], command: [1.10], paused: false}}}
    images: {x-web: app}
    helm: {set: {x-a: 1, env: {count: 3, enabled: false}, tags: {frontend: false}, command: [1.10]}}
    logging: {options: {x-opt: "1"}}
  env: {x-note: mine, replicas: 3}
"""
    assert plain_data(parse_document(text, "x"))["targets"] == {
        "k8s": {
            "env": {"x-a": "1"},
            "node": {"x-team": "gpu"},
            "patch": {
                "Deployment": {
                    "spec": {
                        "selector": {"x-a": "b"},
                        "env": [{"value": "1.10"}],
                        "args": ["true"],
                        "command": ["1.10"],
                        "paused": False,
                    }
                }
            },
            "images": {"x-web": "app"},
            "helm": {
                "set": {
                    "x-a": 1,
                    "env": {"count": 3, "enabled": False},
                    "tags": {"frontend": False},
                    "command": [1.1],
                }
            },
            "logging": {"options": {"x-opt": "1"}},
        },
        "env": {"replicas": 3},
    }


def test_a_name_that_is_left_out_is_a_warning(tmp_path: Path) -> None:
    text = "app: a\nimage: user/a\nx-top: 1\ntargets:\n  k8s: {x-key: 1, workloads: {web: {port: 80, node: {x-a: b}}, x-ray: {port: 2000}}}\n"
    [warning] = load(tmp_path, text).warnings
    assert str(warning).startswith(
        "deploy.yml:5:64: targets.k8s.workloads.x-ray: is left out, as all that begins with x-"
    )


# As `helm --set` reads them; a version, and a number that may be one, is text.
@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("${V}", "false", False),
        ("${V:-true}", "", True),
        ("${NOPE:-${V}}", "true", True),
        ("${A:-${B:-${C:-${V}}}}", "5", 5),
        ("${A:-x}${V}", "5", "x5"),
        ("${V}", "null", None),
        ("${V}", "3", 3),
        ("${V}", "0", 0),
        ("${V}", "-12", -12),
        ("${V}", "1.10", "1.10"),
        ("${V}", "007", "007"),
        ("${V}", "1234567", "1234567"),
        ("${V}", "True", "True"),
        ("a${V}", "1", "a1"),
        ("${V}${V}", "1", "11"),
        ("false", "", "false"),
    ],
)
def test_a_value_of_a_chart_that_is_one_variable_is_read_as_helm_does(
    tmp_path: Path, written: str, value: str, expected: object
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c/Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
    text = f"app: a\nimage: user/a\ntargets: {{k8s: {{helm: {{chart: ./c, set: {{it: '{written}'}}}}}}}}\n"
    k8s = load(tmp_path, text, V=value).targets["k8s"]
    assert isinstance(k8s, KubernetesConfig) and k8s.helm is not None
    assert k8s.helm.set == {"it": expected}


def test_a_value_of_a_patch_from_a_variable_is_text(tmp_path: Path) -> None:
    text = "app: a\nimage: user/a\ntargets: {k8s: {port: 80, patch: {Deployment: {spec: {it: '${V}'}}}}}\n"
    k8s = load(tmp_path, text, V="3").targets["k8s"]
    assert isinstance(k8s, KubernetesConfig)
    assert [own.patch for own in k8s.workloads.values()] == [{"Deployment": {"spec": {"it": "3"}}}]


@pytest.mark.parametrize("place", ["patch: {Deployment: {it: '${V'}}", "helm: {chart: ./c, set: {it: '${V'}}"])
def test_a_variable_that_is_never_closed_is_told_once(tmp_path: Path, place: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, f"app: a\nimage: user/a\ntargets: {{k8s: {{{place}}}}}\n")
    assert str(caught.value).count("is never closed") == 1


WORDS = "[migrate, --to, 1.10, false, True, 0x1F, 0o17, 1e3, 0755, 2026-01-01, 22:22, no, null, ~, .inf, 1_000, -0, '', \"1\"]"
WRITTEN = (
    "migrate", "--to", "1.10", "false", "True", "0x1F", "0o17", "1e3", "0755", "2026-01-01", "22:22", "no", "null", "~", ".inf",
    "1_000", "-0", "", "1",
)  # fmt: skip


@pytest.mark.parametrize(
    "place",
    [
        "release: WORDS",
        "release: {command: WORDS}",
        "secrets: {S: {command: WORDS}}",
        "image: {build: {secrets: {S: {command: WORDS}}}}",
        "targets: {heroku: {processes: {web: {command: WORDS}}}}",
        "targets: {k8s: {command: WORDS}}",
        "targets: {k8s: {workloads: {command: {command: WORDS}}}}",
        "targets: {docker: {services: {a: {entrypoint: WORDS}}}}",
        "targets: {docker: {services: {a: {command: WORDS}}}}",
        "targets: {swarm: {services: {a: {entrypoint: WORDS}}}}",
        "targets: {swarm: {services: {a: {healthcheck: {test: WORDS}}}}}",
        "environments: {production: {inherit: true, release: {command: WORDS}}}",
    ],
)
def test_words_of_a_command_keep_their_text(tmp_path: Path, place: str) -> None:
    text = "app: a\n" + ("" if "image:" in place else "image: user/a\n") + place.replace("WORDS", WORDS)
    assert WRITTEN in commands_in(load(tmp_path, text))


def commands_in(value: object) -> list[object]:
    """Every command in what a file says."""
    if isinstance(value, Project):
        return commands_in([value.release, value.images, value.secrets, value.targets])
    if isinstance(value, BaseModel):
        return commands_in(dict(value))
    if isinstance(value, dict):
        own = [value[key] for key in ("command", "entrypoint", "test") if key in value]
        return [*own, *commands_in(list(value.values()))]
    return [found for item in value for found in commands_in(item)] if isinstance(value, list) else []


@pytest.mark.parametrize("word", ["", "{a: b}", "[a]", '"a\\0b"'])
def test_what_is_no_word_of_a_command(tmp_path: Path, word: str) -> None:
    with pytest.raises(ConfigErrors):
        load(tmp_path, f"app: a\nimage: user/a\nrelease:\n  - migrate\n  - {word}\n")


def test_build_arguments_and_tags_keep_their_text(tmp_path: Path) -> None:
    values = ["1.10", "false", "0x1F", "1e3", "2026-01-01", "0755"]
    args = ", ".join(f"A{index}: {value}" for index, value in enumerate(values))
    image = load(
        tmp_path, f"app: a\nimage: {{repository: user/a, tags: [{', '.join(values)}], build: {{args: {{{args}}}}}}}\n"
    ).images["a"]
    assert image.build and list(image.build.args.values()) == values
    assert image.tags == tuple(values)


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
    assert (k8s.timeout, k8s.pending, k8s.settle, k8s.restarts_allowed) == (600, 120, 2, 0)


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
    assert (k8s.namespace.name, k8s.workloads[""].replicas, k8s.workloads[""].port) == ("staging", None, 3000)
    assert staging.env == {"A": "other"}
    everything = load(tmp_path, OVERLAID, "all")
    assert (list(everything.targets), everything.protected) == (["heroku", "k8s"], True)
    assert load(tmp_path, OVERLAID).environment == "production"


PLAIN = "app: shop\nimage: {repository: user/shop, tags: [one]}\nenv: {A: one}\ntargets: {heroku: {app: shop-a}, k8s: {port: 3000}}\n"
# Key of an overlay -> what production says of it, and what of a project then differs.
OVERLAYS = {
    "inherit": ("true", lambda project: tuple(project.targets)),
    "protected": ("true", lambda project: project.protected),
    "approve": ("true", lambda project: project.approve),
    "require_clean": ("true", lambda project: project.require_clean),
    "app": ("other", lambda project: project.app),
    "image": ("{tags: [two]}", lambda project: project.images["shop"].tags),
    "images": ("{b: user/b}", None),
    "env": ("{A: two, B: three}", lambda project: project.env),
    "dotenv": (".env", lambda project: project.variables.get("OF_DOTENV")),
    "secrets": ("{S: {env: S}}", lambda project: tuple(project.secrets)),
    "release": ("migrate", lambda project: project.release),
    "targets": ("{heroku: {app: shop-b}}", lambda project: project.targets["heroku"].app),
    "state": ("none", lambda project: project.keeps_state),
    "rollback": ("all", lambda project: project.rolls_back_all),
    "keep_rolled_back": ("true", lambda project: project.keeps_rolled_back),
    "max_parallel": ("4", lambda project: project.max_parallel),
    "freeze": ("[{start: fri 16:00, end: mon 08:00, zone: UTC}]", lambda project: project.freeze),
    "hooks": ("{before: ./check}", lambda project: project.hooks),
    "version": ("2", None),
    "requires": (">=9", None),
    "include": ("other.yml", None),
    "environments": ("{}", None),
}  # fmt: skip


def test_every_key_of_an_overlay_is_tried() -> None:
    assert set(OVERLAYS) == set(EnvironmentConfig.model_fields) | set(ProjectFile.model_fields)


@pytest.mark.parametrize("key", OVERLAYS)
def test_what_is_called_production_is_production(tmp_path: Path, key: str) -> None:
    """Without -e an overlay of that name applies, each key of it as with -e production."""
    value, differs = OVERLAYS[key]
    (tmp_path / ".env").write_text("OF_DOTENV=yes\n")
    others = "" if key in ("inherit", "targets") else "inherit: true, "
    text = f"{PLAIN}environments: {{production: {{{others}{key}: {value}}}}}\n"
    if differs is None:
        with pytest.raises(ConfigErrors) as unnamed:
            load(tmp_path, text)
        with pytest.raises(ConfigErrors) as named:
            load(tmp_path, text, "production")
        assert unnamed.value.render() == named.value.render()
        return
    unnamed_project, named_project = load(tmp_path, text), load(tmp_path, text, "production")
    assert unnamed_project.environment == named_project.environment == "production"
    assert differs(unnamed_project) == differs(named_project)
    bare = PLAIN + ("environments: {production: }\n" if key == "inherit" else "")
    assert differs(unnamed_project) != differs(load(tmp_path, bare))


def test_production_selects_only_the_targets_that_it_names(tmp_path: Path) -> None:
    assert list(load(tmp_path, f"{PLAIN}environments: {{production: {{targets: {{k8s: {{}}}}}}}}\n").targets) == ["k8s"]
    assert list(load(tmp_path, f"{PLAIN}environments: {{staging: {{targets: {{k8s: {{}}}}}}}}\n").targets) == [
        "heroku",
        "k8s",
    ]


def test_an_unknown_environment_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ShipitError) as caught:
        load(tmp_path, OVERLAID, "stagin")
    assert caught.value.render() == "deploy.yml: there is no environment 'stagin'\nhint: did you mean staging?"


def test_interpolation_is_parsed_as_the_field(tmp_path: Path) -> None:
    text = "app: hello\nimage: user/hello\ntargets:\n  k8s:\n    port: ${PORT:-3000}\n    namespace: ${app}-${environment}\n"
    k8s = load(tmp_path, text, PORT="8080").targets["k8s"]
    assert isinstance(k8s, KubernetesConfig)
    assert (k8s.workloads[""].port, k8s.namespace.name) == (8080, "hello-production")


def test_default_tags_outside_of_git_are_latest(tmp_path: Path) -> None:
    assert load(tmp_path, "app: hello\nimage: user/hello\n").tags("hello") == ("latest",)


def test_secrets_from_everywhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    text = "app: a\nsecrets:\n  E: {env: MINE}\n  F: {file: token}\n  C: {command: [printf, from-command]}\n"
    project = load(tmp_path, text, MINE="from-env")
    environ = environment(tmp_path, MINE="from-env")
    values = resolve_secrets(["E", "F", "C"], project.secrets, project.folder, environ, known=project.names)
    assert values == {"C": "from-command", "E": "from-env", "F": "from-file"}


def test_every_secret_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    text = "app: a\nsecrets:\n  E: {env: MINE}\n  F: {file: gone}\n  C: {command: 'echo canary; exit 4'}\n"
    project = load(tmp_path, text)
    with pytest.raises(ConfigErrors) as caught:
        resolve_secrets(["E", "F", "C"], project.secrets, project.folder, environment(tmp_path), known=project.names)
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
    # Without git nobody sees whether the tree is clean: no fact says that it is, and the clean commit's tag is not taken.
    unseen = load(tmp_path, "app: hello\nimage: user/hello\nenv: {D: '${git.dirty:-unknown}'}\n", PATH="/nowhere")
    assert unseen.tags("hello") == (f"{clean.env['SHA'][:7]}-dirty", "latest")
    assert unseen.env == {"D": "unknown"} and unseen.git.is_dirty is None
    with pytest.raises(ConfigErrors, match=r"git\.dirty is not set"):
        load(tmp_path, "app: hello\nimage: user/hello\nenv: {D: '${git.dirty}'}\n", PATH="/nowhere")

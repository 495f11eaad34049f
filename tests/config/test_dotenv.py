"""Variables from files, empty ones, and paths at home: as Compose reads them, or an error that says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.config.project import Project
from shipit.delivery.images import build_options
from shipit.errors import ConfigErrors
from shipit.targets.kinds import KindModels
from tests.runs import environment

HEAD = "app: hello\nimage: user/hello\n"


def load(folder: Path, text: str, dotenv: str | bytes = "", **variables: str) -> Project:
    data = dotenv if isinstance(dotenv, bytes) else dotenv.encode()
    (folder / ".env").write_bytes(data)
    (folder / "deploy.yml").write_text(text)
    environ = environment(folder, **variables)._replace(home=folder / "home")
    return load_project(folder / "deploy.yml", environ, KindModels())


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("A=${OTHER}", "above"),
        ("A=x-${OTHER}-${OTHER}", "x-above-above"),
        ('A="${OTHER} and more"', "above and more"),
        ("A='${OTHER}'", "${OTHER}"),
        ("export A=${OTHER}", "above"),
        ("A = ${OTHER} # a comment", "above"),
        ("A=${NOPE:-default}", "default"),
        ("A=${NOPE-${OTHER}}", "above"),
        ("A=${EMPTY:+x}", ""),
        ("A=${OF_PROCESS}", "of the process"),
        ("A=${BOTH}", "of the process"),
        ("A=$OTHER and pa$$word", "$OTHER and pa$$word"),
        ("A=$${OTHER}", "${OTHER}"),
        ('A="\\${OTHER}"', "${OTHER}"),
        ('A="two\nlines ${OTHER}"', "two\nlines above"),
        ("A=", ""),
        ("A=''", ""),
    ],
)
def test_a_value_may_name_variables_as_in_compose(tmp_path: Path, line: str, value: str) -> None:
    text = f"OTHER=above\nEMPTY=\nBOTH=of the file\n{line}\n"
    project = load(tmp_path, f"{HEAD}dotenv: .env\n", text, OF_PROCESS="of the process", BOTH="of the process")
    assert project.variables["A"] == value


def test_a_later_file_may_name_what_an_earlier_one_sets(tmp_path: Path) -> None:
    (tmp_path / "more.env").write_text("B=${A}-more\n")
    project = load(tmp_path, f"{HEAD}dotenv: [.env, more.env]\nenv: {{C: '${{B}}'}}\n", "A=one\n")
    assert project.env == {"C": "one-more"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("A=${NOPE}\n", ".env:1:1: A: NOPE is not set\nhint: write ${NOPE:-default}; put single quotes"),
        ("A=x\nB=${1}\n", ".env:2:1: B: a variable should be written as ${NAME}"),
        ('X=1\nA="canary\nB=2\n', ".env:2:3: this quote is never closed"),
        ("export A='canary\n", ".env:1:10: this quote is never closed"),
        ("A=x\0canary\n", ".env:1:1: holds a null character"),
        ("A=1\n\0", ".env:2:1: holds a null character"),
        (
            "A\x00=\x001\x00\n\x00",
            ".env:1:1: holds a null character, which no variable can\nhint: is it UTF-16? save it as UTF-8",
        ),
        ("what is this canary\n", ".env:1:1: should be NAME=value, or # and a comment"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_once_and_not_repeated(tmp_path: Path, content: str, said: str) -> None:
    """Also where deploy.yml uses what could not be read."""
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, f"{HEAD}dotenv: .env\nenv: {{E: '${{A}} ${{B:-x}}'}}\n", content)
    shown = caught.value.render()
    assert said in shown and len(caught.value.problems) == 1, shown
    assert "canary" not in shown


def test_a_variable_without_a_value_is_a_mistake_that_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, f"{HEAD}env: {{HOME: , B: x}}\n")
    shown = caught.value.render()
    assert "deploy.yml:3:7: env.HOME: has no value" in shown
    assert '"" is an empty one, and ${HOME} that of the environment' in shown
    assert load(tmp_path, f"{HEAD}env: {{HOME: '', B: '${{HOME}}'}}\n", HOME="/me").env == {"HOME": "", "B": "/me"}


def test_null_still_takes_away_what_an_overlay_or_an_including_file_does_not_want(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text("env: {A: one, B: two}\n")
    assert load(tmp_path, f"include: base.yml\n{HEAD}env: {{A: null}}\n").env == {"B": "two"}
    text = f"{HEAD}env: {{A: one}}\ntargets: {{hub: }}\nenvironments: {{qa: {{inherit: true, env: {{A: }}}}}}\n"
    load(tmp_path, text)
    project = load_project(tmp_path / "deploy.yml", environment(tmp_path), KindModels(), selected="qa")
    assert project.env == {}


@pytest.mark.parametrize(
    "text",
    [
        f"x-later: ${{NOPE}}\n{HEAD}",
        f"x-map: {{a: {{b: ['${{NOPE}}', '${{1}}']}}}}\n{HEAD}",
        f"{HEAD}targets: {{k8s: {{port: 80, x-note: '${{NOPE}}'}}}}\n",
    ],
)
def test_what_is_the_users_own_is_not_read(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).app == "hello"


def test_a_variable_called_x_is_none_of_the_users_own_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="NOPE is not set"):
        load(
            tmp_path,
            f"{HEAD}image: {{repository: user/hello, build: {{args: {{x-arg: '${{NOPE}}'}}}}}}\n".replace(
                "image: user/hello\n", ""
            ),
        )


def test_home_is_where_every_path_may_begin(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "app").mkdir(parents=True)
    (home / "shared.yml").write_text("env: {A: '${FROM_HOME}'}\n")
    (home / "variables").write_text("FROM_HOME=yes\n")
    (home / "README.md").write_text("# hello\n")
    (home / "k8s.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    project = load(
        tmp_path,
        "include: ~/shared.yml\ndotenv: ~/variables\napp: hello\n"
        "image: {repository: user/hello, build: {context: ~/app, dockerfile: ~/Dockerfile}}\n"
        "targets: {hub: {readme: ~/README.md}, k8s: {manifests: [~/k8s.yaml]}}\n",
    )
    assert project.env == {"A": "yes"}
    options = build_options(project, "hello", "linux/amd64", None)
    assert (options.context, options.dockerfile) == (home / "app", home / "Dockerfile")


@pytest.mark.parametrize("path", ["a~b", "~me/x", "sub/~/x"])
def test_a_tilde_anywhere_else_is_a_character(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("A=here\n")
    assert load(tmp_path, f"{HEAD}dotenv: {path}\nenv: {{A: '${{A}}'}}\n").env == {"A": "here"}

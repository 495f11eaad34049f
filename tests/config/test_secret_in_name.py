"""The value of a secret as a name, which is printed as it is, and in the arguments of a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.errors import ConfigErrors
from shipit.targets.kinds import KindModels
from tests.config.test_language import load
from tests.runs import environment

SECRET = "hunter2secret"
HEAD = "secrets: {TOKEN: {env: TOKEN}}\n"
WHAT = "would show the value of TOKEN, which a secret is read from"
# A file whose name is taken from the secret's variable -> where the error is.
NAMES = {
    "app: ${TOKEN}\n": "app",
    "app: x-${TOKEN}\n": "app",
    "app: a\nimage: docker.io/me/${TOKEN}\n": "image",
    "app: a\nimage: {repository: '${TOKEN}.example.com/me/app'}\n": "image.repository",
    "app: a\nimage: {repository: me/app, tags: ['v-${TOKEN}']}\n": "image.tags[0]",
    "app: a\nimages: {web: {use: 'redis:${TOKEN}'}}\n": "images.web.use",
    "app: a\nimage: me/app\ntargets: {heroku: {app: '${TOKEN:-x}'}}\n": "targets.heroku.app",
    "app: a\nimage: me/app\ntargets: {k8s: {context: '${TOKEN}'}}\n": "targets.k8s.context",
    "app: a\nimage: me/app\ntargets: {k8s: {namespace: '${TOKEN}'}}\n": "targets.k8s.namespace",
    "app: a\nimage: me/app\ntargets: {k8s: {port: 80, host: '${TOKEN}.example.com'}}\n": "targets.k8s.host",
    "app: a\nimage: me/app\ntargets: {k8s: {port: 80, health: '/${TOKEN}'}}\n": "targets.k8s.health",
    "app: a\nimage: me/app\ntargets: {hub: {images: ['${TOKEN}']}}\n": "targets.hub.images[0]",
    # Written out.
    f"app: {SECRET}\n": "app",
    f"app: a\nimage: me/app\ntargets: {{k8s: {{namespace: {SECRET}}}}}\n": "targets.k8s.namespace",
    f"app: a\nimage: me/app\ntargets: {{k8s: {{workloads: {{{SECRET}: {{}}}}}}}}\n": "targets.k8s.workloads",
    f"app: a\nimage: me/app\ntargets: {{heroku: {{processes: {{{SECRET}: {{}}}}}}}}\n": "targets.heroku.processes",
    f"app: a\nimages: {{{SECRET}: me/app}}\n": "images",
}


@pytest.mark.parametrize("text", NAMES)
def test_the_value_of_a_secret_is_no_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, f"{HEAD}{text}", TOKEN=SECRET)
    shown = caught.value.render()
    assert f"{NAMES[text]}: {WHAT}" in shown and SECRET not in shown
    assert SECRET not in str([problem.path for problem in caught.value.problems])


def test_an_environment_is_checked_too(tmp_path: Path) -> None:
    text = f"app: a\n{HEAD}image: me/app\ntargets: {{k8s: {{port: 80}}}}\nenvironments: {{staging: {{targets: {{k8s: {{namespace: '${{TOKEN}}'}}}}}}}}\n"
    assert load(tmp_path, text, TOKEN=SECRET).targets
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text, "staging", TOKEN=SECRET)
    assert f"targets.k8s.namespace: {WHAT}" in caught.value.render()


@pytest.mark.parametrize(
    "text",
    [
        # Where values of secrets belong.
        "app: a\nsecrets: {TOKEN: {env: TOKEN}}\nenv: {OTHER: 'x-${TOKEN}'}\n",
        "app: a\nsecrets: {T: {command: 'echo ${TOKEN}'}}\nenv: {A: hunter2secret}\n",
        # A variable whose value is the default, and one without a value.
        "app: a\nsecrets: {X: {env: UNSET_TOKEN}}\nimage: 'me/${UNSET_TOKEN:-app}'\n",
        "app: a\nsecrets: {TOKEN: {env: TOKEN}}\nimage: 'me/${TOKEN:+app}'\n",
        # Not called like a secret, and written out: a database may have the app's name.
        "app: hunter2secret\nsecrets: {DB_NAME: {env: DB_NAME}}\n",
        # The user's own keys.
        "app: a\nsecrets: {TOKEN: {env: TOKEN}}\nx-note: '${TOKEN}'\n",
    ],
)
def test_a_file_without_such_a_name_is_good(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text, TOKEN=SECRET, DB_NAME=SECRET).app


def test_a_short_value_is_no_name_of_a_secret(tmp_path: Path) -> None:
    """It is not searched for in output either."""
    assert load(tmp_path, f"app: a\n{HEAD}image: me/${{TOKEN}}\n", TOKEN="web").app == "a"


def warned(folder: Path, command: str) -> list[str]:
    (folder / "deploy.yml").write_text(f"app: a\nsecrets:\n  T: {{command: {command}}}\n")
    project = load_project(folder / "deploy.yml", environment(folder, VAULT_TOKEN=SECRET, FOLDER="keys"), KindModels())
    return [f"{warning.path}: {warning.what}" for warning in project.warnings]


IN_ARGUMENTS = "puts the value of VAULT_TOKEN into the arguments of %s, which every user of this machine can see"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ('[curl, -H, "X: ${VAULT_TOKEN}"]', ["secrets.T.command[2]: " + IN_ARGUMENTS % "curl"]),
        ('[curl, "${VAULT_TOKEN}", "${VAULT_TOKEN:-x}"]', [f"secrets.T.command[{i}]: {IN_ARGUMENTS % 'curl'}" for i in (1, 2)]),
        # A shell reads its text's variables from the environment; words behind the text are arguments.
        ('"vault read -field=x ${VAULT_TOKEN}"', []),
        ('[sh, -c, "printf ${VAULT_TOKEN}"]', []),
        ('[sh, -c, "printf $1", sh, "${VAULT_TOKEN}"]', ["secrets.T.command[4]: " + IN_ARGUMENTS % "sh"]),
        ('[env, bash, -ec, "printf ${VAULT_TOKEN}"]', []),
        # Not a secret, not a variable of deploy.yml.
        ('[cat, "${FOLDER}/token"]', []),
        ('[vault, read, "$${VAULT_TOKEN}"]', []),
    ],
)  # fmt: skip
def test_a_secret_in_the_arguments_of_a_program_is_a_warning(tmp_path: Path, command: str, found: list[str]) -> None:
    assert warned(tmp_path, command) == found


def test_a_secret_in_the_arguments_of_a_build_secret(tmp_path: Path) -> None:
    (tmp_path / "deploy.yml").write_text(
        'app: a\nsecrets: {TOKEN: {env: TOKEN}}\nimage: {repository: me/a, build: {secrets: {n: {command: [curl, "${TOKEN}"]}}}}\n'
    )
    project = load_project(tmp_path / "deploy.yml", environment(tmp_path, TOKEN=SECRET), KindModels())
    (warning,) = project.warnings
    assert warning.path == "image.build.secrets.n.command[1]" and SECRET not in warning.render()
    assert 'printf %s "${TOKEN}" | PROGRAM' in warning.hint

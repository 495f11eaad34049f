"""Commands that run here: shown as written, and their variables in the environment, whatever quotes stand around them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.config.interpolate import InterpolationError
from shipit.config.load import load_project
from shipit.config.local_command import is_local_command, local_command, shell_text_index
from shipit.config.resolved import render_resolved
from shipit.config.secrets import resolve_secrets
from shipit.errors import ConfigErrors
from shipit.targets.kinds import KindModels
from tests.runs import environment
from tests.shipit import Shipit

CANARY = "canary-4711; echo $(id) 'x' \"y\" \\ `z` *"
VALUES = {"TOKEN": CANARY, "EMPTY": "", "PLAIN": "plain", "app": "hello", "git.short": "abc1234", "environment": "qa"}


def run(*words: str) -> str:
    """What a command prints, run as it would be."""
    command = local_command(words, VALUES.get)
    assert CANARY not in " ".join(command.words) or shell_text_index(words) < 0
    done = subprocess.run(
        command.words, env={"PATH": os.environ["PATH"], **command.variables}, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('printf %s "${TOKEN}"', CANARY),
        ("printf %s 'X-Vault-Token: ${TOKEN}'", f"X-Vault-Token: {CANARY}"),
        ("printf '%s|' '${TOKEN}${PLAIN}' \"a${PLAIN}'${PLAIN}'\"", f"{CANARY}plain|aplain'plain'|"),
        ("printf %s \"$(printf %s '${TOKEN}')\"", CANARY),
        ('printf %s "$(printf %s "${TOKEN}")"', CANARY),
        ("printf %s \"`printf %s '${PLAIN}'`\"", "plain"),
        ("printf %s ${EMPTY:-'${PLAIN}'}", "'plain'"),
        (
            'printf %s "${NOPE:-${PLAIN}} ${TOKEN:+it is} ${app} ${git.short} ${environment}"',
            "plain it is hello abc1234 qa",
        ),
        ('app=mine; printf %s "${app}$app"', "hellomine"),
        ('X=local; printf %s "$${X} $X"', "local local"),
        ('printf %s "\\${PLAIN}"', "${PLAIN}"),
        ("# it's ${PLAIN}\nprintf %s '${PLAIN}' # don't\nprintf %s '${PLAIN}'", "plainplain"),
        ("cat <<EOF\nit's ${TOKEN} \"${PLAIN}\"\nEOF\nprintf %s '${PLAIN}'", f'it\'s {CANARY} "plain"\nplain'),
        ("cat <<'EOF'\nit's ${PLAIN}\nEOF\nprintf %s '${PLAIN}'", "it's ${PLAIN}\nplain"),
        ("cat <<-EOF\n\tdon't ${PLAIN}\n\tEOF\nprintf %s '${PLAIN}'", "don't plain\nplain"),
        ("printf %s $((1<<2)) '${PLAIN}'\nprintf %s '${PLAIN}'", "4plainplain"),
        ("(printf %s '${PLAIN}'); case x in x) printf %s '${PLAIN}';; esac", "plainplain"),
        ("f() { printf %s \"$1\"; }; f '${TOKEN}'", CANARY),
        ("printf %s a'b'${PLAIN}\"c\"", "abplainc"),
    ],
)
def test_a_shell_gets_values_from_its_environment(text: str, printed: str) -> None:
    assert run("/bin/sh", "-c", text) == printed


@pytest.mark.parametrize(
    ("words", "index"),
    [
        (("/bin/sh", "-c", "x"), 2),
        (("bash", "-euo", "pipefail", "-c", "x"), -1),
        (("bash", "-eu", "-c", "x"), 3),
        (("bash", "-ec", "x", "a"), 2),
        (("env", "zsh", "-c", "x"), 3),
        (("/usr/bin/env", "sh", "-c", "x"), 3),
        (("op", "read", "-c", "x"), -1),
        (("sh", "script", "-c", "x"), -1),
        (("ssh", "host", "sh", "-c", "x"), -1),
        (("sh",), -1),
        (("env",), -1),
    ],
)
def test_which_word_a_shell_reads(words: tuple[str, ...], index: int) -> None:
    assert shell_text_index(words) == index


def test_a_word_of_a_list_gets_the_value_and_nothing_reads_it_as_syntax() -> None:
    assert run("printf", "%s|%s", "op://${app}/x", "${TOKEN}") == f"op://hello/x|{CANARY}"
    assert run("sh", "-c", 'printf "%s" "$1${PLAIN}"', "sh", "${app}") == "helloplain"


def test_what_is_not_set_is_told() -> None:
    with pytest.raises(InterpolationError, match="NOPE is not set"):
        local_command(("sh", "-c", "echo ${NOPE}"), VALUES.get)


@given(
    st.lists(
        st.sampled_from(
            ["'", '"', "${PLAIN}", "${app}", "a", " ", "\\", "$(printf x", ")", "`", "\n", "# ", "$${app}", "(", "EOF"]
        ),
        max_size=14,
    )
)
def test_any_text_is_walked_to_its_end(pieces: list[str]) -> None:
    """What a shell would refuse stays something that it refuses; nothing is lost but quotes that are added."""
    text = "".join(pieces)
    words = local_command(("sh", "-c", text), VALUES.get).words

    def shape(shell: str) -> str:
        # What is escaped for us loses its escape, but in a comment, which nothing reads. A text may hold quotes like ours.
        shell = re.sub(r"\$?\$\{(SHIPIT_VALUE_\d+|PLAIN|app)\}", "V", shell)
        while (bare := shell.replace("'\"V\"'", "V")) != shell:
            shell = bare
        return shell

    assert shape(words[2]) == shape(text)


@pytest.mark.parametrize(
    ("keys", "is_one"),
    [
        (("secrets", "A", "command"), True),
        (("secrets", "A", "command", 0), True),
        (("images", "web", "build", "secrets", "npmrc", "command", 2), True),
        (("image", "build", "secrets", "npmrc", "command"), True),
        (("release", "command"), False),
        (("targets", "heroku", "processes", "web", "command"), False),
        (("targets", "k8s", "workloads", "secrets", "command"), False),
        (("env", "command"), False),
    ],
)
def test_which_commands_run_here(keys: tuple[str | int, ...], is_one: bool) -> None:
    assert is_local_command(keys) is is_one


def resolved(folder: Path, command: str) -> dict[str, str]:
    (folder / ".env").write_text("FROM_DOTENV='two words'\n")
    text = f"app: shop\ndotenv: .env\nsecrets:\n  T: {{command: {command}}}\n"
    (folder / "deploy.yml").write_text(text)
    environ = environment(folder, TOKEN=CANARY)
    project = load_project(folder / "deploy.yml", environ, KindModels())
    shown = render_resolved(project)
    assert "canary" not in shown and "two words" not in shown
    (folder / "again.yml").write_text(shown)
    again = load_project(folder / "again.yml", environment(folder, TOKEN=CANARY, FROM_DOTENV="two words"), KindModels())
    assert again.secrets == project.secrets, "the resolved file means the same"
    return resolve_secrets(["T"], project.secrets, project.folder, environ, known=project.names)


def test_variables_of_the_process_and_of_dotenv_files_reach_a_command(tmp_path: Path) -> None:
    assert resolved(tmp_path, "'printf %s \"${TOKEN}${FROM_DOTENV}$FROM_DOTENV\"'") == {
        "T": f"{CANARY}two wordstwo words"
    }
    assert resolved(tmp_path, '[printf, "%s", "${FROM_DOTENV}"]') == {"T": "two words"}
    assert resolved(tmp_path, "'printf %s \"$${FROM_DOTENV} ${app} ${environment}\"'") == {
        "T": "two words shop production"
    }


def test_a_variable_of_a_command_that_is_not_set_is_a_mistake_at_its_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        resolved(tmp_path, "'curl -H \"X: ${NOPE}\"'")
    assert "deploy.yml:4:29: secrets.T.command: NOPE is not set" in caught.value.render()


def test_a_command_that_fails_is_shown_as_it_is_written(shipit: Shipit) -> None:
    """In hints, resolved files and the machine's list of processes, in every output."""
    shipit.env["VAULT_TOKEN"] = "canary-of-vault"
    command = "sleep 0.5; : 'X-Vault-Token: ${VAULT_TOKEN}' \"${VAULT_TOKEN}\" ; exit 22"
    shipit.write(
        deploy__yml=f"app: hello\nimage: localhost:1/hello\nsecrets:\n  A:\n    command: |-\n      {command}\ntargets: {{hub: }}\n",
        Dockerfile="FROM scratch\nCOPY a /\n",
        a="",
    )
    seen: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(entry.read_bytes())
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    for words in (["plan"], ["plan", "--output", "json"], ["plan", "-v"], ["validate", "--resolved", "--origin"]):
        done = shipit.run(*words)
        shown = done.stdout + done.stderr
        assert "canary" not in shown, shown
        assert "${VAULT_TOKEN}" in shown
        assert words[0] == "validate" or (done.returncode == 2 and "its command ended with 22" in shown), shown
    over.set()
    watcher.join()
    assert sys.platform != "linux" or any(b"X-Vault-Token" in line for line in seen)
    assert not any(b"canary-of-vault" in line for line in seen)

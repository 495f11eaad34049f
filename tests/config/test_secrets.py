"""Secrets: from where, when, which, and that no value of one is ever told."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.config.secrets import resolve_secrets
from shipit.errors import ConfigErrors
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.targets.kinds import KindModels
from tests.runs import environment
from tests.sampled import sampled
from tests.servers.process import descendants
from tests.shipit import PYTHON_DOCKERFILE, Shipit

# Of this run alone: other runs on the machine are seen in its list of processes, too.
CANARIES = {name: f"canary-{name}-{os.getpid()}" for name in ("env", "file", "command", "keyring", "dotenv", "build")}
BACKEND = "import keyring.backend\nclass Backend(keyring.backend.KeyringBackend):\n    priority = 1\n" + (
    "    def get_password(self, service, username):\n"
    "        return open(__file__ + '.value').read() if (service, username) == ('shop', 'deploy') else None\n"
    "    def set_password(self, service, username, password): raise NotImplementedError\n"
)


def backend(folder: Path, value: str) -> dict[str, str]:
    """The variables that make `keyring` keep one value in a file."""
    (folder / "own_keyring.py").write_text(BACKEND)
    (folder / "own_keyring.py.value").write_text(value)
    return {"PYTHONPATH": str(folder), "PYTHON_KEYRING_BACKEND": "own_keyring.Backend"}


def resolve(folder: Path, secrets: str, names: list[str], **variables: str) -> dict[str, str]:
    (folder / "deploy.yml").write_text(f"app: shop\nsecrets:\n{secrets}")
    environ = environment(folder, **variables)
    project = load_project(folder / "deploy.yml", environ, KindModels())
    return resolve_secrets(names, project.secrets, project.folder, environ, known=project.names)


def test_the_keyring_is_asked_in_a_process_of_its_own(tmp_path: Path) -> None:
    secret = "  T: {keyring: {service: shop, username: deploy}}\n"
    assert resolve(tmp_path, secret, ["T"], **backend(tmp_path, "kept")) == {"T": "kept"}
    with pytest.raises(ConfigErrors) as caught:
        resolve(tmp_path, secret.replace("deploy", "nobody"), ["T"], **backend(tmp_path, "kept"))
    shown = caught.value.render()
    assert "secrets.T: the keyring ended with 1" in shown and "keep it there: keyring set shop nobody" in shown


def test_only_what_is_asked_for_is_read_and_all_of_it_at_once(tmp_path: Path) -> None:
    """Each command waits for the others: one after the other they would never end."""
    wait = "touch {n}; while [ ! -e 0 ] || [ ! -e 1 ] || [ ! -e 2 ] || [ ! -e 3 ]; do sleep 0.05; done; echo {n}"
    together = "".join(f"  S{n}: {{command: [sh, -c, '{wait.format(n=n)}'], timeout: 60s}}\n" for n in range(6))
    values = resolve(tmp_path, together, ["S0", "S1", "S2", "S3"])
    assert values == {f"S{n}": str(n) for n in range(4)}
    assert not (tmp_path / "4").exists() and not (tmp_path / "5").exists()


def test_a_command_is_no_shell_unless_it_is_text(tmp_path: Path) -> None:
    text = "  ARGV: {command: [printf, '%s', '$HOME; echo x']}\n  SHELL: {command: 'printf $((1+1))'}\n"
    assert resolve(tmp_path, text, ["ARGV", "SHELL"]) == {"ARGV": "$HOME; echo x", "SHELL": "2"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{command: [sleep, '9'], timeout: 1s}", "secrets.T: its command did not end within 1 s"),
        ("{command: [no-such-program]}", "secrets.T: its command can't be run: "),
        ("{command: 'echo canary >&2; echo canary; exit 3'}", "secrets.T: its command ended with 3"),
        ("{file: gone}", "secrets.T: gone can't be read: No such file or directory"),
        ("{env: GONE}", "secrets.T: the variable GONE is not set"),
    ],
)
def test_what_can_not_be_had_is_named_and_not_told(tmp_path: Path, source: str, expected: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        resolve(tmp_path, f"  T: {source}\n", ["T"])
    shown = caught.value.render()
    assert expected in shown and "hint: " in shown
    assert "canary" not in shown.replace("run it by hand: echo canary >&2; echo canary; exit 3", "")


EMPTY = {
    "a command that prints nothing": "{command: 'true'}",
    "a command that prints newlines": "{command: 'echo; echo'}",
    "a file of one newline": "{file: newline}",
    "a file of a Windows newline": "{file: windows}",
    "a file of nothing": "{file: nothing}",
    "a file of spaces": "{file: spaces}",
    "a variable": "{env: EMPTY}",
    "a variable of a dotenv file": "{env: DOTENV}",
    "a keyring": "{keyring: {service: shop, username: deploy}}",
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_value_is_a_mistake_unless_it_is_wanted(tmp_path: Path, name: str) -> None:
    for file, content in {"newline": "\n", "windows": "\r\n", "nothing": "", "spaces": " \n"}.items():
        (tmp_path / file).write_bytes(content.encode())
    source, variables = EMPTY[name], {**backend(tmp_path, ""), "EMPTY": "", "DOTENV": ""}
    with pytest.raises(ConfigErrors) as caught:
        resolve(tmp_path, f"  T: {source}\n", ["T"], **variables)
    assert "hint: give it a value, or write allow_empty: true beside it" in caught.value.render()
    wanted = resolve(tmp_path, f"  T: {source[:-1]}, allow_empty: true}}\n", ["T"], **variables)
    assert wanted["T"].strip() == ""


def test_a_variable_that_is_not_set_is_a_mistake_even_where_empty_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="the variable GONE is not set"):
        resolve(tmp_path, "  T: {env: GONE, allow_empty: true}\n", ["T"])


@pytest.mark.parametrize(
    ("content", "value"), [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), ("\ufeffx", "x"), ("x\r", "x\r")]
)
def test_one_last_newline_of_a_file_or_a_command_is_dropped(tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / "file").write_bytes(content.encode())
    assert resolve(tmp_path, "  T: {file: file}\n", ["T"]) == {"T": value}
    if not content.startswith("\ufeff"):
        assert resolve(tmp_path, "  T: {command: [cat, file]}\n", ["T"]) == {"T": value}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{command: [printf, '\\377\\376']}", "its command printed what is not text"),
        ("{command: [printf, 'a\\0b']}", "holds a null character, which no variable can"),
        ("{command: 'yes'}", "its command printed more than 1,048,576 bytes"),
        ("{command: 'sleep 30 | cat', timeout: 1s}", "its command did not end within 1 s"),
        ("{command: 'kill -INT $$'}", "its command was ended by SIGINT"),
        ("{file: /dev/zero}", "/dev/zero can't be read: it is a device, and should be a regular file"),
        ("{file: latin}", "latin can't be read: it is not text"),
    ],
)
def test_what_is_no_text_or_has_no_end_is_told(tmp_path: Path, source: str, expected: str) -> None:
    (tmp_path / "latin").write_bytes(b"gr\xfc\xdfe")
    with pytest.raises(ConfigErrors) as caught:
        resolve(tmp_path, f"  T: {source}\n", ["T"])
    assert f"secrets.T: {expected}" in caught.value.render()


EVIL = "open({mark!r}, 'w').write('executed')\n"


MODULES = ("json.py", "keyring/__init__.py", "keyring/__main__.py", "sitecustomize.py", "typer.py")
PATHS = ("", "PYTHONPATH=.\n", "PYTHONPATH={folder}\n", "PYTHONHOME={folder}\nPYTHONUSERBASE={folder}\n")


@pytest.mark.sampled
@pytest.mark.parametrize(("where", "path"), sampled(list(product(MODULES, PATHS)), 8))
def test_no_file_of_the_project_is_taken_for_a_module(shipit: Shipit, tmp_path: Path, where: str, path: str) -> None:
    """Neither by the Python that asks the keyring nor by the one that was asked, and whatever a .env file says."""
    keys = tmp_path / "keys"
    keys.mkdir()
    shipit.env |= backend(keys, "kept")
    shipit.env["PYTHONPATH"] = f"{keys}:{Path(__file__).parents[2]}"
    file = shipit.folder / where
    file.parent.mkdir(exist_ok=True)
    mark = tmp_path / "mark"
    file.write_text(EVIL.format(mark=str(mark)))
    (shipit.folder / ".env").write_text(path.format(folder=shipit.folder))
    shipit.write(
        deploy__yml="app: shop\ndotenv: .env\nimage: localhost:1/shop\ntargets: {hub: }\n"
        "secrets: {T: {keyring: {service: shop, username: deploy}}, U: {command: 'echo value; exit 3'}}\n",
        Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
    )
    done = shipit.run("plan")
    assert "secrets.U: its command ended with 3" in done.stderr and "secrets.T" not in done.stderr, done.stderr
    assert not mark.exists()


@pytest.mark.parametrize(
    "entry", ["{service: '--keyring-path=.', username: '-bevil.Keyring'}", "{service: '-p.', username: '--disable'}"]
)
def test_the_names_of_an_entry_are_no_options_of_the_keyring(tmp_path: Path, entry: str) -> None:
    (tmp_path / "evil.py").write_text(EVIL.format(mark=str(tmp_path / "mark")))
    with pytest.raises(ConfigErrors, match="the keyring ended with 1"):
        resolve(tmp_path, f"  T: {{keyring: {entry}}}\n", ["T"], **backend(tmp_path, "kept"))
    assert not (tmp_path / "mark").exists()


@pytest.fixture
def shop(shipit: Shipit, tmp_path: Path) -> Iterator[Shipit]:
    """An app whose process prints all that it is given and dies, with a secret from everywhere."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "token").write_text(CANARIES["file"])
    (keys / "command").write_text(CANARIES["command"])
    with HerokuStandIn(token="token-of-heroku") as heroku, EmbeddedRegistry() as registry:
        heroku.create_app("shop-prod")
        shipit.env |= {**heroku.variables(), **backend(keys, CANARIES["keyring"]), "FROM_ENV": CANARIES["env"]}
        shipit.env["PYTHONPATH"] = os.pathsep.join((str(keys), os.environ.get("PYTHONPATH", "")))
        shipit.write(
            Dockerfile=PYTHON_DOCKERFILE,
            app__py="import os, sys\nprint(dict(os.environ), flush=True)\nsys.exit(os.environ['FROM_FILE'])\n",
            __env="",
            deploy__yml="app: shop\n"
            f"dotenv: {keys}/dotenv\n"
            f"image: {{repository: {registry.host}/shop, tags: [v1], build: {{secrets: {{npmrc: {{file: {keys}/build}}}}}}}}\n"
            'env: {COPIED: "x-${FROM_ENV}"}\n'
            "secrets:\n"
            "  FROM_ENV: {env: FROM_ENV}\n"
            "  FROM_DOTENV: {env: DOTENV}\n"
            f"  FROM_FILE: {{file: {keys}/token}}\n"
            f"  FROM_COMMAND: {{command: [cat, {keys}/command]}}\n"
            "  FROM_KEYRING: {keyring: {service: shop, username: deploy}}\n"
            "targets: {heroku: {app: shop-prod, settle: 0s}, hub: }\n",
        )
        (keys / "dotenv").write_text(f"DOTENV={CANARIES['dotenv']}\n")
        (keys / "build").write_text(CANARIES["build"])
        yield shipit


@pytest.mark.sampled
def test_no_canary_is_ever_seen(shop: Shipit, tmp_path: Path) -> None:
    """In no output of any command at any verbosity, in no file that the program writes, in no command line."""
    seen = CommandLines()
    told = []
    commands = ("validate", "plan", "deploy", "status", "doctor", "build", "push", "schema")
    for command in commands:
        outputs: tuple[list[str], ...] = (
            [],
            ["-v"],
            ["--output", "json"],
            ["--output", "plain"],
            ["--output", "github"],
        )
        for words in ([],) if command == "schema" else sampled(outputs, 3, of=command):
            done = shop.run(command, *words)
            assert done.returncode in (0, 1), done.stdout + done.stderr
            told.append(done.stdout + done.stderr)
    for words in (["validate", "--resolved", "--origin"], ["plan", "--exit-code", "-v"]):
        done = shop.run(*words)
        told.append(done.stdout + done.stderr)
    deployed = "".join(told)
    assert "[redacted]" in deployed, "what the app printed of its secrets was shown without them"
    assert "web.1 crashed at v3" in deployed
    for name, canary in CANARIES.items():
        assert canary not in deployed, name
        assert canary.encode() not in files_below(Path(shop.env["HOME"])), name
        assert canary.encode() not in files_below(shop.folder), name
    lines = seen.stop()
    assert sys.platform != "linux" or any("shipit deploy" in line for line in lines)
    shown = [line for line in lines if any(canary in line for canary in CANARIES.values())]
    assert shown == [], "a secret stood in a command line"


def files_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


class CommandLines:
    """Every command line of a program that these tests start, seen from now until `stop`."""

    def __init__(self) -> None:
        self._lines: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            for pid in descendants(os.getpid()) if sys.platform == "linux" else ():
                try:
                    line = Path(f"/proc/{pid}/cmdline").read_bytes()
                except OSError:
                    continue
                self._lines.add(line.replace(b"\0", b" ").decode("utf-8", "replace"))

    def stop(self) -> set[str]:
        self._over.set()
        self._thread.join()
        return self._lines

"""Secrets written where they do not belong: no message shows them, and each still shows where it points."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.config.masking import private_parts, shown_line
from shipit.config.position import Position, excerpt
from shipit.config.secret_names import is_secret_name
from tests.shipit import Shipit

CANARY = "swordfish-4711"
HEAD = "app: hello\nimage: user/hello\n"
K8S = "targets: {k8s: {port: 80}}\n"

WRITTEN = {
    "under a misspelt name": f"{HEAD}secretz: {{A: {CANARY}}}\n",
    "under another misspelt name": f"{HEAD}sercets:\n  A: {CANARY}\n",
    "as a list": f"{HEAD}secrets: [A={CANARY}]\n",
    "as a block list": f"{HEAD}secrets:\n  - A={CANARY}\n",
    "as a list of maps": f"{HEAD}secrets:\n  - A: {CANARY}\n",
    "as text": f"{HEAD}secrets: {CANARY}\n",
    "as quoted text": f"{HEAD}secrets: '{CANARY}'\n",
    "as block text": f"{HEAD}secrets: |\n  A={CANARY}\n",
    "as text in lines": f"{HEAD}secrets:\n  A={CANARY}\n  B={CANARY}\n",
    "as a value": f"{HEAD}secrets: {{A: {CANARY}}}\n",
    "as a value in a block": f"{HEAD}secrets:\n  A: {CANARY}\n",
    "as a value of an unknown key": f"{HEAD}secrets: {{A: {{value: {CANARY}}}}}\n",
    "before a mistake": f"{HEAD}secrets: {{B: {CANARY}, A: {{envv: X}}}}\n",
    "behind a mistake": f"{HEAD}secrets: {{A: {{envv: X}}, B: {CANARY}}}\n",
    "as a value with a key's duplicate": f"{HEAD}secrets:\n  A: {CANARY}\n  A: {CANARY}2\n",
    "in a flow with a duplicate": f"{HEAD}secrets: {{A: {CANARY}, A: {CANARY}2}}\n",
    "with a tab": f"{HEAD}secrets:\n\tA: {CANARY}\n",
    "with a tab behind": f"{HEAD}secrets:\n  A:\n\t{CANARY}\n",
    "with an unclosed quote": f'{HEAD}secrets:\n  A: "{CANARY}\n{K8S}',
    "with an unclosed single quote": f"{HEAD}secrets: {{A: '{CANARY}}}\n{K8S}",
    "with an unclosed bracket": f"{HEAD}secrets: {{A: {CANARY}\n{K8S}",
    "with a colon": f"{HEAD}secrets:\n  A: {CANARY}: x\n",
    "with a colon in a flow": f"{HEAD}secrets: {{A: x: {CANARY}: y}}\n",
    "beginning with what YAML reserves": f"{HEAD}secrets:\n  A: @{CANARY}\n",
    "beginning with a percent sign": f"{HEAD}secrets:\n  A: %{CANARY}\n",
    "as a tag": f"{HEAD}secrets:\n  A: !{CANARY} x\n",
    "as an alias": f"{HEAD}secrets:\n  A: *{CANARY}\n",
    "as an anchor": f"{HEAD}secrets:\n  A: &{CANARY} x\n  B: x\n",
    "as a variable's odd form": f"{HEAD}secrets:\n  A: {{file: '${{1{CANARY}}}'}}\n",
    "as a variable's default": f"{HEAD}secrets:\n  A: {{file: '${{NOPE:?{CANARY}}}'}}\n",
    "with an odd escape": f'{HEAD}secrets:\n  A: "{CANARY}\\q"\n',
    "without indentation": f"{HEAD}secrets:\nA: {CANARY}\nB: {CANARY}\n{K8S}",
    "with a list where a map belongs": f"{HEAD}secrets:\n  A: [{CANARY}]\n",
    "over lines": f"{HEAD}secrets: {{A: {{value:\n  {CANARY}}},\nB: {CANARY}}}\n",
    "over lines of a quote": f'{HEAD}secrets:\n  A: {{only: "x\n   {CANARY}: y\n {CANARY}", env: 1}}\n',
    "in an environment": f"{HEAD}environments: {{qa: {{secrets: {{A: {CANARY}}}}}}}\n",
    "in an environment's block": f"{HEAD}environments:\n  qa:\n    secretz:\n      A: {CANARY}\n",
    "in an environment with a tab": f"{HEAD}environments:\n  qa:\n    secrets:\n    \tA: {CANARY}\n",
    "in a build": f"app: hello\nimage: {{repository: user/hello, build: {{secrets: {{npmrc: {CANARY}}}}}}}\n",
    "in a build as a list": f"app: hello\nimage: {{repository: user/hello, build: {{secrets: [npmrc={CANARY}]}}}}\n",
    "in a build's unknown key": f"app: hello\nimage: {{repository: user/hello, build: {{secrets: {{npmrc: {{text: {CANARY}}}}}}}}}\n",
    "in a build of several": f"app: hello\nimages:\n  web:\n    repository: user/hello\n    build:\n      secret:\n        npmrc: {CANARY}\n",
    "in a target": f"{HEAD}targets: {{k8s: {{secrets: {{A: {CANARY}}}}}}}\n",
    "in a workload": f"{HEAD}targets:\n  k8s:\n    workloads:\n      web:\n        secrets:\n          A: {CANARY}\n",
    "as a password of a target": f"{HEAD}targets: {{heroku: {{app: hello-prod, api_key: {CANARY}}}}}\n",
    "as a token at the top": f"{HEAD}token: {CANARY}\n",
    "as a password in env": f"{HEAD}env: {{DB_PASSWORD: [{CANARY}]}}\n",
    "as a key of camels": f"{HEAD}x: {{}}\napiKey: {CANARY}\n",
    "as credentials": f"{HEAD}credentials:\n  user: me\n  pass: {CANARY}\n",
    "as a variable's name": f"{HEAD}secrets: {{A: {{env: '{CANARY}!'}}}}\n",
    "in an url": f"{HEAD}database: postgres://me:{CANARY}@host/db\n",
    "as a name with a value": f"{HEAD}secrets: {{A={CANARY}: {{env: X}}}}\n",
    "behind an alias": f"x-value: &v {CANARY}\n{HEAD}secrets: {{A: *v}}\n",
    "as a variable in the wrong place": f"{HEAD}DATABASE_URL: {CANARY}\n",
    "as a variable in the wrong map": f"{HEAD}targets: {{k8s: {{port: 80, SOME_THING: {CANARY}}}}}\n",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_no_output_shows_a_secret_that_was_written_into_the_file(in_process: Shipit, name: str) -> None:
    in_process.write(deploy__yml=WRITTEN[name], Dockerfile="FROM scratch\n")
    text = in_process.run("validate")
    assert text.returncode == 2, text.stdout
    data = in_process.run("validate", "--output", "json")
    for done in (text, data, in_process.run("validate", "--output", "github"), in_process.run("plan", "-v")):
        assert CANARY not in done.stdout + done.stderr, done.stdout + done.stderr
        # The id of a run is random, and may have any digits.
        assert "4711" not in re.sub(r'"run": "[0-9a-f]{12}"', "", done.stdout + done.stderr)
    assert "^" in text.stderr, text.stderr
    for row in json.loads(data.stdout)["problems"]:
        assert row["line"] and row["column"]


@pytest.mark.parametrize("name", ["under a misspelt name", "as a value", "with a colon", "as a list", "in a build"])
def test_an_included_file_is_masked_as_well(in_process: Shipit, name: str) -> None:
    in_process.write(deploy__yml="include: shared.yml\n", shared__yml=WRITTEN[name])
    done = in_process.run("validate")
    assert done.returncode == 2 and "shared.yml:" in done.stderr and "^" in done.stderr
    assert CANARY not in done.stderr


def shown(text: str, line: int, column: int, width: int = 1) -> str:
    lines = text.split("\n")
    return "\n".join(excerpt(lines, Position(line, column, width), private_parts(lines).get(line - 1)))


def test_names_and_the_caret_stay() -> None:
    text = "secrets: {B: hidden, A: {envv: hidden}, C: hidden}"
    assert shown(text, 1, 26, 4) == "1 | secrets: {B: ..., A: {envv...\n  |                       ^^^^"
    assert shown(text, 1, 32, 6) == "1 | secrets: {B: ..., A: {envv: ...\n  |                             ^^^"
    assert shown(text, 1, 1, 7) == "1 | secrets...\n  | ^^^^^^^"
    assert shown("a: b\nsecretz:\n  A: hidden: x", 3, 12) == "3 |   A: ...\n  |      ^^^"
    assert shown("a: {env: {A: x}, token: hidden}", 1, 11) == "1 | a: {env: {A: x}, token:...\n  |           ^"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("secrets:\n  A: x\nimage: user/hello", 3),
        ("secrets:\nimage: user/hello", 2),
        ("env:\n  KEY: |\n    text\n  NAME: shown", 4),
        ("release: run the tokens thing", 1),
        ("secrets: {A: {env: B}}\nport: 80", 2),
        ("# secrets: x\nport: 80", 2),
    ],
)
def test_what_stands_beside_secrets_is_shown(text: str, line: int) -> None:
    own = text.split("\n")[line - 1]
    assert shown(text, line, 1, 3).startswith(f"{line} | {own}\n")


@pytest.mark.parametrize(
    "name",
    [
        "secrets",
        "secretz",
        "SECRET_KEY",
        "apiToken",
        "passwrod",
        "DB_PASSWORD",
        "npm_token",
        "ssh-key",
        "PRIVATE_KEY",
        "credentials",
        "creds",
        "auth",
        "pass",
        "dsn",
    ],
)
def test_names_that_say_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "keyring",
        "keep_tags",
        "health",
        "services",
        "app",
        "image",
        "env",
        "monkeys?",
        "host",
        "readme",
        "author",
        "replicas",
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not is_secret_name(name.rstrip("?")) or name == "monkeys?"


@given(
    st.lists(
        st.sampled_from(
            ["secrets", "A", ": ", ":", "{", "}", "[", "]", ",", "'", '"', "- ", "\n", "  ", "|", "#", "\\", "hid"]
        ),
        max_size=24,
    ),
    st.integers(1, 6),
    st.integers(1, 12),
    st.integers(1, 8),
)
def test_any_text_has_an_excerpt_with_its_caret(pieces: list[str], line: int, column: int, width: int) -> None:
    text = "".join(pieces)
    lines = text.split("\n")
    part = private_parts(lines).get(line - 1)
    found = excerpt(lines, Position(line, column, width), part)
    assert found == () or "^" in found[1]
    if part is not None and line <= len(lines):
        assert shown_line(lines[line - 1], column - 1, width, part).width >= 1


@pytest.mark.large
def test_a_file_of_many_lines_and_one_of_one_are_walked_quickly() -> None:
    import time

    started = time.process_time()
    private_parts([f"  key{number}: {{name{number}: value}}" for number in range(50_000)])
    private_parts(["{" + ", ".join(f"key{number}x: v" for number in range(100_000)) + "}"])
    private_parts(["secrets: {" + "a: [" * 100_000])
    assert time.process_time() - started < 10


def test_a_manifest_with_a_secret_is_masked(shipit: Shipit) -> None:
    (shipit.folder / "k8s").mkdir()
    (shipit.folder / "k8s/secret.yaml").write_text(f"apiVersion: v1\nkind: Secret\nstringData:\n  url: {CANARY}: x\n")
    shipit.write(deploy__yml=f"{HEAD}targets: {{k8s: {{manifests: [k8s/]}}}}\n")
    done = shipit.run("validate")
    assert done.returncode == 2 and "k8s/secret.yaml:4" in done.stderr and "^" in done.stderr
    assert CANARY not in done.stderr, done.stderr
    assert Path(shipit.folder / "k8s").is_dir()

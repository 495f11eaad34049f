"""The JSON Schema, read by validators and an editor's language server that no one here wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]

from shipit.config.document import parse_document, plain_data
from shipit.config.schema import render_schema
from shipit.errors import ShipitError
from shipit.targets.kinds import KindModels
from tests.config.bad_files import CASES, deploy_file
from tests.servers.language_server import LanguageServer
from tests.shipit import ROOT

SCHEMA_FILE = ROOT / "docs/deploy.schema.json"
FILES = [ROOT / "deploy.example.yml", *sorted((ROOT / "examples").glob("*/deploy.yml"))]
# What a schema of one file can't say: other files, variables, what names lead to, and comparisons.
BEYOND = ("include-", "dotenv-", "missing-", "secret-file-", "k8s-manifest-", "variable-")
BEYOND_NAMES = {
    "settle-huge",
    "build-cache-without-repository",
    "build-context-file",
    "build-secret-missing",
    "env-and-secret",
    "env-port",
    "environment-kind",
    "environment-removes-app",
    "environment-removes-needed",
    "heroku-image-unknown",
    "hint-heroku-two-images",
    "hint-k8s-two-images",
    "heroku-image-unnamed",
    "hub-image-unknown",
    "hub-images-unnamed",
    "hub-image-used",
    "hub-no-repository",
    "k8s-no-repository",
    "hub-readme-elsewhere",
    "hub-readme-missing",
    "image-tag-shared",
    "k8s-env-and-secret",
    "k8s-env-port",
    "k8s-env-port-workload",
    "k8s-hosts-shared",
    "k8s-image-unknown",
    "k8s-manifests-empty",
    "k8s-memory-much",
    "k8s-scale-min-over-max",
    "k8s-service-name",
    "k8s-workloads-empty",
    "release-image",
    "release-image-unnamed",
    "scalar-exponent",
    "secret-only-unknown",
    "secret-port",
    "target-needs-cycle",
    "target-needs-far",
    "target-needs-itself",
    "target-needs-unknown",
    "target-place-by-default",
    "target-places-shared",
    "target-without-image",
    "top-requires-newer",
    "top-requires-older",
}


def test_check_jsonschema_takes_the_example_and_every_file_under_examples() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    words = [str(program), "--schemafile", str(SCHEMA_FILE), *map(str, FILES)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_validate_refuses_the_schema_refuses_where_it_can() -> None:
    schema = render_schema(KindModels())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    taken = set()
    for case in CASES:
        try:
            data = plain_data(parse_document(deploy_file(case).read_bytes(), "deploy.yml"))
        except ShipitError:
            continue
        if validator.is_valid(data) and not case.stem.startswith(BEYOND):
            taken.add(case.stem)
    assert taken == {case.stem for case in CASES} & BEYOND_NAMES


HEAD = "# yaml-language-server: $schema=./deploy.schema.json\napp: hello\nimage: user/hello\n"


def test_an_editor_completes_keys_and_values(language_server: LanguageServer) -> None:
    top = language_server.complete(f"{HEAD}", line=3, character=0)
    assert {"targets", "secrets", "env", "release", "environments"} <= top
    targets = language_server.complete(f"{HEAD}targets:\n  ", line=4, character=2)
    assert {"heroku", "k8s", "hub"} <= targets
    workload = language_server.complete(f"{HEAD}targets:\n  k8s:\n    po", line=5, character=6)
    assert "port" in workload
    values = language_server.complete(f"{HEAD}targets:\n  hub:\n    on_failure: ", line=5, character=16)
    assert {"stop", "continue"} <= values


def test_an_editor_says_what_a_key_is_for(language_server: LanguageServer) -> None:
    text = f"{HEAD}targets:\n  k8s:\n    replicas: 3\n    health: /up\n    port: 80\n"
    assert "How many pods" in language_server.hover(text, line=5, character=6)
    assert "A path that answers 200" in language_server.hover(text, line=6, character=6)


def test_an_editor_marks_mistakes_and_nothing_else(language_server: LanguageServer) -> None:
    for file in FILES:
        text = file.read_text()
        assert language_server.diagnose(f"# yaml-language-server: $schema=./deploy.schema.json\n{text}") == [], file
    marked = language_server.diagnose(f"{HEAD}targets:\n  k8s: {{prot: 80}}\n")
    assert [line for line, _ in marked] == [4] and "prot" in marked[0][1]

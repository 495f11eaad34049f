"""The JSON Schema, read by validators and an editor's language server that no one here wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from shipit.config.document import parse_document, plain_data
from shipit.config.schema import render_schema
from shipit.errors import ShipitError
from shipit.targets.kinds import KindModels
from shipit.targets.kubernetes.concise.names import MOST_PODS
from tests.config.bad_files import CASES, deploy_file
from tests.servers.language_server import LanguageServer
from tests.shipit import ROOT

SCHEMA_FILE = ROOT / "docs/deploy.schema.json"
FILES = [ROOT / "deploy.example.yml", *sorted((ROOT / "examples").glob("*/deploy.yml"))]
# What a schema of one file can't say: other files, variables, what names lead to, and comparisons.
BEYOND = ("include-", "dotenv-", "missing-", "secret-file-", "k8s-manifest-", "variable-")
BEYOND_NAMES = {
    "build-cache-without-repository",
    "build-context-file",
    "build-secret-missing",
    "check-too-long",
    "env-and-secret",
    "env-port",
    "env-port-text",
    "env-without-value-in-targets",
    "environment-kind",
    "environment-removes-app",
    "environment-removes-needed",
    "heroku-image-unknown",
    "heroku-image-unnamed",
    "hint-heroku-two-images",
    "hooks-header",
    "hint-k8s-two-images",
    "hub-image-unknown",
    "hub-image-used",
    "hub-images-unnamed",
    "hub-no-repository",
    "hub-readme-elsewhere",
    "hub-readme-missing",
    "image-tag-shared",
    "k8s-annotation-of-shipit",
    "k8s-args-with-shell",
    "k8s-canary-check-without-port",
    "k8s-canary-long-name",
    "k8s-canary-name",
    "k8s-canary-order",
    "k8s-canary-recreate",
    "k8s-canary-timeout",
    "k8s-canary-volume",
    "k8s-contexts-beside-context",
    "k8s-contexts-cycle",
    "k8s-contexts-empty",
    "k8s-contexts-name",
    "k8s-contexts-same-place",
    "k8s-contexts-twice",
    "k8s-cronjob-without-schedule",
    "k8s-env-and-secret",
    "k8s-env-port",
    "k8s-env-port-of-ports",
    "k8s-env-port-of-ports-workload",
    "k8s-env-port-workload",
    "k8s-env-two-sources",
    "k8s-files-missing",
    "k8s-files-none",
    "k8s-files-on-volume",
    "k8s-gateway-without-host",
    "k8s-health-empty",
    "k8s-hosts-shared",
    "k8s-hosts-twice",
    "k8s-hosts-without-port",
    "k8s-image-unknown",
    "k8s-init-image",
    "k8s-label-of-shipit",
    "k8s-manifests-empty",
    "k8s-memory-much",
    "k8s-no-repository",
    "k8s-node-value",
    "k8s-patch-kind",
    "k8s-patch-name",
    "k8s-patch-operation",
    "k8s-patch-operation-key",
    "k8s-patch-path",
    "k8s-patch-value",
    "k8s-pdb-both",
    "k8s-ports-name-twice",
    "k8s-ports-service-twice",
    "k8s-ports-twice",
    "k8s-probe-two-handlers",
    "k8s-probe-without-handler",
    "k8s-probe-without-port",
    "k8s-retries-of-deployment",
    "k8s-scale-min-over-max",
    "k8s-schedule-of-deployment",
    "k8s-security-named-user",
    "k8s-security-root-image",
    "k8s-security-root-user",
    "k8s-service-name",
    "k8s-sidecar-name-twice",
    "k8s-sidecar-port-twice",
    "k8s-sidecar-probe",
    "k8s-slots-canary",
    "k8s-slots-name",
    "k8s-slots-volume",
    "k8s-slots-without-port",
    "k8s-statefulset-name",
    "k8s-strategy-none",
    "k8s-strategy-of-statefulset",
    "k8s-strategy-partition",
    "k8s-strategy-recreate-surge",
    "k8s-tls-empty",
    "k8s-tls-with-gateway",
    "k8s-tls-without-host",
    "k8s-toleration-seconds",
    "k8s-volume-host",
    "k8s-volume-limit",
    "k8s-volume-none",
    "k8s-volume-of-many-pods",
    "k8s-volume-two",
    "k8s-workloads-empty",
    "release-image",
    "release-image-unnamed",
    "scalar-exponent",
    "secret-only-unknown",
    "secret-port",
    "settle-huge",
    "swarm-missing-files",
    "target-needs-cycle",
    "target-needs-far",
    "target-needs-itself",
    "target-needs-unknown",
    "target-place-by-default",
    "target-places-shared",
    "target-settle-timeout",
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


SCHEMA = "# yaml-language-server: $schema=./deploy.schema.json\n"
HEAD = f"{SCHEMA}app: hello\nimage: user/hello\n"


def _complete(server: LanguageServer, text: str) -> dict[str, str]:
    """What an editor offers at the end of a text: label -> inserted text."""
    lines = text.split("\n")
    return server.complete(text, line=len(lines) - 1, character=len(lines[-1]))


def test_an_editor_completes_keys_with_a_useful_value(language_server: LanguageServer) -> None:
    top = _complete(language_server, HEAD)
    assert top["env"] == "env:\n  NODE_ENV: production"
    assert top["secrets"] == "secrets:\n  API_TOKEN:\n    env: API_TOKEN"
    assert top["targets"] == "targets:\n  "
    assert "environments" in top and "image" not in top
    workload = _complete(language_server, f"{HEAD}targets:\n  k8s:\n    po")
    assert workload["port"] == "port: ${1:3000}"
    assert workload["timeout"] == "timeout: ${1:10m}", "the default where there is one"
    assert _complete(language_server, f"{HEAD}secrets:\n  A:\n    ")["env"] == "env: ${1:API_TOKEN}"
    values = _complete(language_server, f"{HEAD}targets:\n  hub:\n    on_failure: ")
    assert {"stop", "continue"} <= set(values) and "rollback" not in values


PLACES = {
    "top": HEAD,
    "targets": f"{HEAD}targets:\n  ",
    "k8s": f"{HEAD}targets:\n  k8s:\n    ",
    "heroku": f"{HEAD}targets:\n  heroku:\n    ",
    "hub": f"{HEAD}targets:\n  hub:\n    ",
    "kind": f"{HEAD}targets:\n  eu:\n    kind: kubernetes\n    ",
    "workload": f"{HEAD}targets:\n  k8s:\n    workloads:\n      web:\n        ",
    "process": f"{HEAD}targets:\n  heroku:\n    processes:\n      web:\n        ",
    "secret": f"{HEAD}secrets:\n  A:\n    ",
    "image": f"{SCHEMA}app: a\nimage:\n  ",
    "build": f"{SCHEMA}app: a\nimage:\n  build:\n    ",
    "release": f"{HEAD}release:\n  ",
    "environment": f"{HEAD}environments:\n  staging:\n    ",
    "environment targets": f"{HEAD}environments:\n  staging:\n    targets:\n      ",
}


@pytest.mark.parametrize("place", PLACES)
def test_an_editor_offers_no_null_and_no_word_of_other_tools(language_server: LanguageServer, place: str) -> None:
    offered = _complete(language_server, PLACES[place])
    assert offered, place
    assert not [text for text in offered.values() if "null" in text]
    assert not {"services", "networks", "environment", "dynos", "resources"} & set(offered)


def test_an_editor_completes_the_name_of_a_target_with_a_colon(language_server: LanguageServer) -> None:
    for place in ("targets", "environment targets"):
        offered = _complete(language_server, PLACES[place])
        assert {name: offered[name] for name in ("heroku", "hub", "k8s")} == {
            "heroku": "heroku:\n  ",
            "hub": "hub:\n  ",
            "k8s": "k8s:\n  ",
        }


def test_an_editor_says_what_a_key_is_for(language_server: LanguageServer) -> None:
    text = f"{HEAD}targets:\n  k8s:\n    replicas: 3\n    health: /up\n    port: 80\n    timeout: 5m\n"
    replicas = language_server.hover(text, line=5, character=6)
    assert "#### replicas" in replicas and "The number of pods" in replicas
    assert "A path that answers 200" in language_server.hover(text, line=6, character=6)
    assert "Default: 10m." in language_server.hover(text, line=8, character=6)
    assert "#### k8s" in language_server.hover(text, line=4, character=3)


def test_an_editor_marks_nothing_in_good_files(language_server: LanguageServer) -> None:
    for file in FILES:
        assert language_server.diagnose(f"{SCHEMA}{file.read_text()}") == [], file


# What is written below app: and image: -> its mistakes as an editor shows them.
MISTAKES = {
    "targets: {k8s: {prot: 80}}": ["Property prot is not allowed."],
    "targets: {k8s: {port: abc}}": ["should be a whole number from 1 to 65535"],
    "targets: {k8s: {timeout: 10}}": ["should be a duration such as 90s, 10m or 1h30m, longer than 0s"],
    "targets: {k8s: {memory: 256}}": ["should be an amount of memory with its unit, such as 256Mi or 1Gi"],
    "targets: {k8s: {cpu: 250}}": ["should be cores such as 0.5, or thousandths of a core such as 250m"],
    "targets: {k8s: {protected: yes}}": ["should be true or false"],
    "targets: {k8s: {host: 'http://a'}}": [
        "should be a host name such as shop.example.com, without scheme, port and path",
        "host: needs a port: add port:, which makes a Service",
    ],
    "targets: {k8s: [a]}": ["should be a map of keys"],
    "targets: {hub: {on_failure: rollback}}": ["should be stop or continue"],
    "targets: {heroku: {app: A_B}}": [
        "should be the name of a Heroku app: 3 to 30 lower-case letters, digits and '-', beginning with a letter"
    ],
    "targets: {eu: {}}": [
        "should have kind: compose, docker, dockerhub, heroku, hub, k8s, kubernetes, registry or swarm"
    ],
    "targets: {k8s: {port: 80, workloads: {web: {}}}}": [
        "can't be combined with workloads: move it into one of the workloads"
    ],
    "images: {b: redis:8}": [
        "should be a repository without tag or digest, such as docker.io/user/app",
        "should have image or images, not both: move image: into images:",
    ],
    "env: [A]": [
        "should be a map, and each name in it a variable's name: letters, digits and _, not beginning with a digit"
    ],
    "secrets: {A: x}": [
        "should name where it is kept, such as {env: NAME}, {file: PATH} or {command: [...]}; never write the value here"
    ],
    "secrets: {A: {}}": ["should have exactly one of env, file, command and keyring"],
    "secrets: {A: {env: A, file: B}}": ["should have exactly one of env, file, command and keyring: keep env or file"],
    "release: ''": ["should be a command, not empty text"],
    "services: {web: {}}": ["is not a key here: write targets: for where it runs, and images: for what is built"],
    "targets: {k8s: {port: 80, resources: {}}}": ["is not a key here: write cpu: 250m and memory: 256Mi"],
    "environments: {staging: {targets: {k8s: {replicas: a}}}}": [f"should be a whole number from 0 to {MOST_PODS}"],
}


@pytest.mark.parametrize("text", MISTAKES)
def test_an_editor_says_in_a_sentence_what_should_be_there(language_server: LanguageServer, text: str) -> None:
    assert [message for _, message in language_server.diagnose(f"{HEAD}{text}\n")] == MISTAKES[text]


def test_an_editor_takes_variables_and_nulls(language_server: LanguageServer) -> None:
    text = 'targets: {k8s: {port: "${PORT}", replicas: null, on_failure: "${X:-stop}", timeout: "${T}"}}\n'
    overlay = "environments: {staging: {env: {A: null}, targets: {k8s: {port: null, health: null}}, release: null}}\n"
    assert language_server.diagnose(f"{HEAD}{text}{overlay}") == []


@pytest.mark.parametrize("value", ["compose.yaml", ["compose.yaml", "compose.prod.yaml"]])
def test_a_compose_file_may_be_one_or_several(value: object) -> None:
    target = {"kind": "compose", "file": value, "profiles": "worker"}
    validator = jsonschema.Draft7Validator(render_schema(KindModels()))
    assert not list(validator.iter_errors({"app": "shop", "image": "acme/shop", "targets": {"stack": target}}))

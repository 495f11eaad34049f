"""Mistakes in deploy.yml, read as their writer would."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.errors import ConfigErrors, ShipitError
from shipit.targets.kinds import KindModels
from tests.runs import environment

HEAD = "app: hello\nimage: user/hello\n"

CASES = [
    pytest.param("", "deploy.yml:1:1: the file is empty\nhint: it needs at least app:", id="empty"),
    pytest.param(
        "- a\n",
        "deploy.yml:1:1: the file should be a map of keys such as app: and targets:\n  1 | - a\n    | ^",
        id="list",
    ),
    pytest.param(
        "app: hello\ntargets: {heroku: {app: [}\n",
        "deploy.yml:2:26: should be YAML: did not find expected node content\n  2 | targets: {heroku: {app: [}\n    |                          ^",
        id="not-yaml",
    ),
    pytest.param(
        "app: hello\n\tx: 1\n",
        "deploy.yml:2:1: should be YAML: found a tab character that violates indentation\n  2 |  x: 1\n    | ^\nhint: indent with spaces: YAML takes no tabs there",
        id="tab",
    ),
    pytest.param(
        "app: a\napp: b\n", "deploy.yml:2:1: the key 'app' stands here twice, first on line 1", id="duplicate"
    ),
    pytest.param(
        "image: user/hello\n",
        "deploy.yml:1:1: should have app:\n  1 | image: user/hello\n    | ^\nhint: add it",
        id="no-app",
    ),
    pytest.param(
        "app: Hello\n",
        "deploy.yml:1:6: app: should be lower-case letters, digits and '-', beginning with a letter\n  1 | app: Hello\n    |      ^^^^^",
        id="app-name",
    ),
    pytest.param(
        "app: 12\n",
        "deploy.yml:1:6: app: should be text; put quotes around it\n  1 | app: 12\n    |      ^^",
        id="number-for-text",
    ),
    pytest.param(
        "app: hello\nimage: redis:8\n",
        "deploy.yml:2:8: image: should be a repository without tag or digest: write redis here, the tag under tags, or use: redis:8\n"
        "  2 | image: redis:8\n    |        ^^^^^^^",
        id="image-with-tag",
    ),
    pytest.param(
        f"{HEAD}targets: {{herku: {{}}}}\n",
        "deploy.yml:3:11: targets.herku: 'herku' is no kind of target, so it should say kind:\n"
        "  3 | targets: {herku: {}}\n    |           ^^^^^\nhint: did you mean heroku?",
        id="unknown-kind",
    ),
    pytest.param(
        f"{HEAD}targets:\n  eu: {{kind: kubernets}}\n",
        "deploy.yml:4:14: targets.eu.kind: 'kubernets' is no kind of target\n  4 |   eu: {kind: kubernets}\n    |              ^^^^^^^^^\n"
        "hint: did you mean kubernetes?",
        id="kind-near-miss",
    ),
    pytest.param(
        f"{HEAD}targets:\n  k8s: {{prot: 3000}}\n",
        "deploy.yml:4:9: targets.k8s.prot: is not a key that is known here\n  4 |   k8s: {prot: 3000}\n    |         ^^^^\nhint: did you mean port?",
        id="workload-key-near-miss",
    ),
    pytest.param(
        f"{HEAD}targets:\n  k8s: {{port: 99999}}\n",
        "deploy.yml:4:15: targets.k8s.port: should be less than or equal to 65535\n  4 |   k8s: {port: 99999}\n    |               ^^^^^",
        id="port",
    ),
    pytest.param(
        f"{HEAD}targets:\n  heroku: {{timeout: 10}}\n",
        "deploy.yml:4:21: targets.heroku.timeout: should be a duration with a unit: 10s or 10m\n"
        "  4 |   heroku: {timeout: 10}\n    |                     ^^",
        id="duration",
    ),
    pytest.param(
        f"{HEAD}targets:\n  heroku: {{needs: [hub]}}\n",
        "deploy.yml:4:20: targets.heroku.needs[0]: there is no target 'hub'\n  4 |   heroku: {needs: [hub]}\n    |                    ^^^\nhint: targets here: heroku",
        id="needs-unknown",
    ),
    pytest.param(
        f"{HEAD}targets:\n  heroku: {{needs: [hub]}}\n  hub: {{needs: [heroku]}}\n",
        "deploy.yml:4:12: targets.heroku.needs: targets wait for each other: heroku -> hub -> heroku\n"
        "  4 |   heroku: {needs: [hub]}\n    |            ^^^^^\nhint: remove one of them",
        id="needs-cycle",
    ),
    pytest.param(
        "app: hello\nimages: {web: user/web, api: user/api}\ntargets:\n  heroku: {processes: {web: {image: wep}}}\n",
        "deploy.yml:4:37: targets.heroku.processes.web.image: there is no image 'wep'\n"
        "  4 |   heroku: {processes: {web: {image: wep}}}\n    |                                     ^^^\nhint: did you mean web?",
        id="image-unknown",
    ),
    pytest.param(
        "app: hello\nimages: {web: user/web, api: user/api}\ntargets:\n  k8s: {port: 1}\n",
        "deploy.yml:4:3: targets.k8s: should name its image, since there are several\n  4 |   k8s: {port: 1}\n    |   ^^^\nhint: image: one of web, api",
        id="image-unnamed",
    ),
    pytest.param(
        f"{HEAD}env:\n  A: ${{NOPE}}\n",
        "deploy.yml:4:6: env.A: NOPE is not set\n  4 |   A: ${NOPE}\n    |      ^^^^^^^\nhint: set it, or give a default: ${NAME:-default}",
        id="unset",
    ),
    pytest.param(
        f"{HEAD}targets:\n  k8s: {{port: 1, workloads: {{web: {{}}}}}}\n",
        "deploy.yml:4:3: targets.k8s: port stands beside workloads: move it into one of them\n  4 |   k8s: {port: 1, workloads: {web: {}}}\n    |   ^^^",
        id="port-beside-workloads",
    ),
    pytest.param(
        f"{HEAD}requires: '>=9'\n",
        "deploy.yml:3:11: requires: needs shipit >=9, and this is 0.1.0\n  3 | requires: '>=9'\n    |           ^^^^^\nhint: install it with: pipx upgrade shipit",
        id="requires",
    ),
    pytest.param(
        f"{HEAD}secrets: {{TOKEN: {{value: hunter2}}}}\n",
        "deploy.yml:3:19: secrets.TOKEN.value: is not a key that is known here\n"
        "  3 | secrets: {TOKEN: {value...\n    |                   ^^^^^\nhint: keys here: command, env, file, keyring, only, timeout",
        id="secret-written",
    ),
    pytest.param("app: &a [*a]\n", "deploy.yml:1:6: an alias should not lead back to itself", id="alias-loop"),
]


def message(folder: Path, text: str, **variables: str) -> str:
    (folder / "deploy.yml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ShipitError) as caught:
        load_project(folder / "deploy.yml", environment(folder, **variables), KindModels())
    assert caught.value.exit_code == 2
    return caught.value.render()


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_one_mistake(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, text) == expected


def test_all_mistakes_at_once_in_order(tmp_path: Path) -> None:
    text = "app: HELLO\nimage: user/hello\ncolour: red\ntargets:\n  k8s: {port: many}\n  heroku: {app: x}\n"
    lines = [line for line in message(tmp_path, text).splitlines() if line.startswith("deploy.yml")]
    assert lines == [
        "deploy.yml:1:6: app: should be lower-case letters, digits and '-', beginning with a letter",
        "deploy.yml:3:1: colour: is not a key that is known here",
        "deploy.yml:5:15: targets.k8s.port: should be a whole number",
        "deploy.yml:6:17: targets.heroku.app: should be the name of a Heroku app: 3 to 30 lower-case letters, digits and '-', "
        "beginning with a letter",
    ]


def test_a_billion_laughs_end_at_once(tmp_path: Path) -> None:
    levels = ["app: hello", "x-a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    levels += [f"x-{n}: &{n} [{', '.join([f'*{p}'] * 9)}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)]
    assert "at most 100,000 values, aliases counted" in message(tmp_path, "\n".join(levels))


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000 + "x", "a: " + "[" * 300 + "]" * 300])
def test_deep_nesting_is_refused(tmp_path: Path, text: str) -> None:
    assert "deploy.yml:1:" in message(tmp_path, text)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deploy.yml").write_bytes("app: hellö".encode("latin-1"))
    with pytest.raises(ConfigErrors, match="should be UTF-8"):
        load_project(tmp_path / "deploy.yml", environment(tmp_path), KindModels())


def test_no_value_of_a_secret_shows_in_a_message(tmp_path: Path) -> None:
    text = f"{HEAD}secrets: {{TOKEN: {{file: 1, env: canary-4711}}}}\n"
    shown = message(tmp_path, text)
    assert "canary" not in shown

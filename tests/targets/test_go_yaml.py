"""Manifests mean what they mean to kubectl, and can be sent as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shipit.config.folder import ProjectFolder
from shipit.errors import ConfigErrors
from shipit.targets.kubernetes.manifests import read_manifests

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def value_of(folder: Path, text: str) -> object:
    (folder / "m.yml").write_text(f"{HEAD}value: {text}\n")
    [manifest] = read_manifests(ProjectFolder(folder, folder), ("m.yml",))
    return json.loads(json.dumps(manifest, allow_nan=False))["value"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-01", "2026-01-01"), ("2026-01-01T10:20:30Z", "2026-01-01T10:20:30Z"), ("!!timestamp 2026-01-01", "2026-01-01"),
        ("22:22", "22:22"), ("1:20:30", "1:20:30"), ("20:30.5", "20:30.5"), ("12:30:45.5", "12:30:45.5"),
        ("0755", 493), ("0o755", 493), ("0x1F", 31), ("0b101", 5), ("1_000", 1000), ("-7", -7), ("+7", 7), ("0", 0), ("09", 9.0),
        ("1.10", 1.1), ("1e3", 1000.0), (".5", 0.5), ("-1.5e-3", -0.0015), ("1.2.3", "1.2.3"), ("1.10.", "1.10."),
        ("yes", True), ("off", False), ("true", True), ("~", None), ("", None), ("null", None),
        ("'yes'", "yes"), ('"1.10"', "1.10"), ("!!str 1.10", "1.10"), ("!!int '3'", 3), ("!!binary aGk=", "hi"),
        ("{1: a, true: b, 1.5: c}", {"1": "a", "true": "b", "1.5": "c"}), ("=", "="),
    ],
)  # fmt: skip
def test_a_scalar_is_what_kubectl_reads(tmp_path: Path, text: str, value: object) -> None:
    found = value_of(tmp_path, text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        ".inf",
        "-.INF",
        ".nan",
        "1e999",
        "!!set {a, b}",
        "!!omap [a: b]",
        "!!binary /w==",
        "!!int x",
        "!mine x",
        "{[a]: b}",
        "{? {a: b} : c}",
    ],
)
def test_what_json_can_not_hold_is_told_at_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        value_of(tmp_path, text)
    assert caught.value.problems[0].position[0] == 4

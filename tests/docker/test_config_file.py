"""Docker's config.json as values: keys of hosts, credential helpers, and what is secret in it."""

from __future__ import annotations

import base64
import json

import pytest

from shipit.docker.config_file import AuthEntry, DockerConfig, is_key_of, parse_docker_config, secrets_in


def auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("key", "host", "belongs"),
    [
        ("ghcr.io", "ghcr.io", True),
        ("GHCR.io", "ghcr.io", True),
        ("https://ghcr.io", "ghcr.io", True),
        ("https://ghcr.io/v2/", "ghcr.io", True),
        ("ghcr.io/v1", "ghcr.io", True),
        ("ghcr.io/team", "ghcr.io", False),
        ("ghcr.io:443", "ghcr.io", False),
        ("other.io", "ghcr.io", False),
        ("https://index.docker.io/v1/", "docker.io", True),
        ("registry-1.docker.io", "docker.io", True),
        ("docker.io/library", "docker.io", False),
    ],
)
def test_keys_of_a_host(key: str, host: str, belongs: bool) -> None:
    assert is_key_of(key, host) == belongs


def test_entries_and_helpers_of_a_config() -> None:
    text = json.dumps(
        {
            "auths": {"https://ghcr.io": {"auth": auth("old:1")}, "ghcr.io": {"auth": auth("me:a:b")}, "x": {}},
            "credHelpers": {"ghcr.io": "own"},
            "credsStore": "store",
        }
    )
    config = parse_docker_config(text, "config.json", pytest.fail)
    assert list(config.entries_for("ghcr.io")) == [AuthEntry("me", "a:b"), AuthEntry("old", "1")]
    assert config.helpers_for("ghcr.io") == ["own", "store"] and config.helpers_for("other.io") == ["store"]
    assert config.entries["x"].is_empty


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("{", "config.json is not JSON and is ignored"),
        ("[]", "config.json should be a JSON object, and is ignored"),
        ('{"auths": 1}', "config.json: auths should be an object, and is ignored"),
        ('{"auths": {"a": 1}}', "config.json: auths for a should be an object"),
        ('{"auths": {"a": {"auth": "%"}}}', "config.json has an auth that is not base64"),
        ('{"credsStore": 1}', "config.json: credsStore should be the name of a helper"),
    ],
)
def test_invalid_parts_are_warnings(text: str, warning: str) -> None:
    warnings: list[str] = []
    config = parse_docker_config(text, "config.json", warnings.append)
    assert warnings == [warning]
    assert all(entry.is_empty for entry in config.entries.values()) and config.store == ""


def test_a_config_without_anything() -> None:
    assert parse_docker_config("{}", "config.json", pytest.fail) == DockerConfig("config.json")


def test_every_secret_of_a_config_is_found() -> None:
    entry = {"auth": auth("me:first"), "password": "second", "identitytoken": "third", "registrytoken": "fourth"}
    found = set(secrets_in(json.dumps({"auths": {"a": entry, "b": 1}})))
    assert found == {auth("me:first"), "first", "second", "third", "fourth"}
    assert not list(secrets_in("{")) and not list(secrets_in("[1]"))

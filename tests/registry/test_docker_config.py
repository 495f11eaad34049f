"""Docker's config.json and its helpers as they are found: what is odd is a warning, and never the end of it."""

from __future__ import annotations

import base64
import json
import resource
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import UsageError
from shipit.reference import ImageRef, parse_reference
from shipit.registry.credentials import CredentialFinder, Credentials
from shipit.registry.login import erase_login, store_login
from tests.runs import environment

HOST = "registry.example"
GOOD = {"auth": base64.b64encode(b"me:secret-word").decode()}


def config(folder: Path, content: bytes | str | dict[str, Any]) -> Path:
    file = folder / ".docker/config.json"
    file.parent.mkdir(exist_ok=True)
    data = json.dumps(content) if isinstance(content, dict) else content
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def found(folder: Path, ref: str = f"{HOST}/team/app", **variables: str) -> tuple[Credentials | None, list[str]]:
    warnings: list[str] = []
    finder = CredentialFinder(environment(folder, **variables), warnings.append)
    return finder.find(parse_reference(ref)), warnings


def auth(text: bytes) -> dict[str, str]:
    return {"auth": base64.b64encode(text).decode()}


ODD: dict[str, bytes | str | dict[str, Any]] = {
    "empty": b"",
    "spaces": b" \n",
    "not JSON": b"{auths: }",
    "cut": b'{"auths": {"registry.example": {"auth": "',
    "binary": bytes(range(256)),
    "Latin-1": '{"x": "ü"}'.encode("latin-1"),
    "UTF-16": '{"auths": {}}'.encode("utf-16"),
    "null": b"null",
    "a list": b"[]",
    "a text": b'"auths"',
    "a number": b"7",
    "nested": b'{"auths":' * 5000,
    "deep": b"[" * 500 + b"]" * 500,
    "NaN": b'{"auths": NaN}',
    "auths a list": {"auths": ["registry.example"]},
    "auths a text": {"auths": "registry.example"},
    "auths a number": {"auths": 1},
    "auths true": {"auths": True},
    "an entry a list": {"auths": {HOST: []}},
    "an entry a text": {"auths": {HOST: "bWU6c2VjcmV0"}},
    "an entry a number": {"auths": {HOST: 5}},
    "auth a number": {"auths": {HOST: {"auth": 12345}}},
    "auth a list": {"auths": {HOST: {"auth": ["a"]}}},
    "auth no base64": {"auths": {HOST: {"auth": "§§§"}}},
    "auth no UTF-8": {"auths": {HOST: auth(b"me:\xff\xfe")}},
    "auth without a colon": {"auths": {HOST: auth(b"secret-word")}},
    "auth without a user": {"auths": {HOST: auth(b":secret-word")}},
    "auth without a password": {"auths": {HOST: auth(b"me:")}},
    "a password a number": {"auths": {HOST: {"username": "me", "password": 12345678}}},
    "a user a list": {"auths": {HOST: {"username": ["me"], "password": "secret-word"}}},
    "a token an object": {"auths": {HOST: {"identitytoken": {"a": "b"}}}},
    "credHelpers a list": {"credHelpers": [HOST]},
    "credHelpers a text": {"credHelpers": "registry.example"},
    "a helper null": {"credHelpers": {HOST: None}},
    "a helper a list": {"credHelpers": {HOST: ["x"]}},
    "a helper with a path": {"credHelpers": {HOST: "../../tmp/evil"}},
    "a helper of nothing": {"credHelpers": {HOST: ""}},
    "a helper with spaces": {"credHelpers": {HOST: "x; touch /tmp/x"}},
    "a helper with a zero": {"credHelpers": {HOST: "x\x00y"}},
    "a helper that is not there": {"credsStore": "not-there"},
    "credsStore a list": {"credsStore": []},
    "credsStore an object": {"credsStore": {"a": 1}},
    "credsStore a number": {"credsStore": 3},
}


@pytest.mark.parametrize("name", ODD)
def test_invalid_values_are_ignored_with_a_warning(tmp_path: Path, name: str) -> None:
    config(tmp_path, ODD[name])
    credentials, warnings = found(tmp_path)
    assert credentials is None
    quiet = ("null", "a helper null", "a helper of nothing", "auth without a user", "auth without a password")
    assert bool(warnings) or name in quiet, name
    for warning in warnings:
        assert "secret-word" not in warning and "\n" not in warning


@pytest.mark.parametrize("name", ODD)
def test_an_invalid_entry_of_one_host_leaves_the_others_usable(tmp_path: Path, name: str) -> None:
    odd = ODD[name]
    if not isinstance(odd, dict) or "credsStore" in odd:
        return
    auths = odd.get("auths")
    config(tmp_path, {**odd, "auths": {**(auths if isinstance(auths, dict) else {}), "other.example": GOOD}})
    credentials, _ = found(tmp_path, "other.example/app")
    assert credentials and (credentials.username, credentials.password) == ("me", "secret-word")


@pytest.mark.parametrize(
    "key",
    [HOST, f"https://{HOST}", f"http://{HOST}", f"https://{HOST}/", f"https://{HOST}/v1/", f"https://{HOST}/v2/",
     f"https://{HOST}/v2", f"{HOST}/", f"{HOST}/v2/", "https://Registry.Example/v2/", f"HTTPS://{HOST}/any/path"],
)  # fmt: skip
def test_a_key_may_be_a_url(tmp_path: Path, key: str) -> None:
    config(tmp_path, {"auths": {"https://evil.example/registry.example": auth(b"no:no"), key: GOOD}})
    credentials, _ = found(tmp_path)
    assert credentials and credentials.password == "secret-word"


@pytest.mark.parametrize(
    "key", ["evil.example", "registry.example.evil", "https://evil.example/registry.example", "registry.example:5000", "xregistry.example"]
)  # fmt: skip
def test_a_key_of_another_host_is_not_ours(tmp_path: Path, key: str) -> None:
    config(tmp_path, {"auths": {key: GOOD}})
    assert found(tmp_path) == (None, [])


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "https://index.docker.io/v2/", "index.docker.io", "docker.io", "https://docker.io"]
)  # fmt: skip
def test_the_names_of_docker_hub(tmp_path: Path, key: str) -> None:
    config(tmp_path, {"auths": {key: GOOD}})
    credentials, _ = found(tmp_path, "redis")
    assert credentials and credentials.password == "secret-word"


def test_an_auth_with_line_breaks_or_without_padding_is_read(tmp_path: Path) -> None:
    text = base64.b64encode(b"me:secret-word-long").decode().rstrip("=")
    config(tmp_path, {"auths": {HOST: {"auth": f"{text[:6]}\r\n {text[6:]}\n"}}})
    credentials, warnings = found(tmp_path)
    assert credentials and credentials.password == "secret-word-long" and warnings == []


def test_a_folder_named_config_json_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / ".docker/config.json").mkdir(parents=True)
    credentials, warnings = found(tmp_path)
    assert credentials is None and "can't be read" in warnings[0]


def helper(folder: Path, script: str, name: str = "odd") -> str:
    path = folder / "bin" / f"docker-credential-{name}"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"{folder}/bin:/usr/bin:/bin"


GARBAGE = {
    "nothing": "true",
    "text": "echo hello",
    "binary": "head -c 1000 /dev/urandom",
    "a list": "echo '[]'",
    "null": "echo null",
    "nested": "yes '[' | head -c 100000 | tr -d '\\n'",
    "without a secret": """echo '{"Username": "me"}'""",
    "a secret that is none": """echo '{"Username": "me", "Secret": ["a"]}'""",
    "a user that is none": """echo '{"Username": {}, "Secret": "a"}'""",
    "an error": "echo secret-word >&2; exit 3",
    "a signal": "kill -9 $$",
    "no end": "yes",
    "much": "head -c 100000000 /dev/zero",
    "errors without end": "yes >&2",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name == "errors without end" else []) for name in GARBAGE],
)
def test_a_helper_with_invalid_output_is_a_warning(tmp_path: Path, name: str) -> None:
    config(tmp_path, {"credHelpers": {f"https://{HOST}/v2/": "odd"}, "auths": {HOST: GOOD}})
    path = helper(tmp_path, GARBAGE[name])
    warnings: list[str] = []
    deadline, began = Deadline.after(Clock(), 3), time.monotonic()
    finder = CredentialFinder(environment(tmp_path, PATH=path), warnings.append, deadline)
    credentials = finder.find(ImageRef(HOST, "app"))
    assert time.monotonic() - began < 14, "less than the 15 s that a helper may take"
    assert credentials and credentials.password == "secret-word", "what stands in the file is taken then"
    assert len(warnings) == 1 and "docker-credential-odd gave " in warnings[0] and "secret-word" not in warnings[0]


def test_a_helper_that_hangs_ends_at_the_deadline(tmp_path: Path) -> None:
    config(tmp_path, {"credsStore": "odd"})
    path = helper(tmp_path, "sleep 60")
    warnings: list[str] = []
    began = time.monotonic()
    finder = CredentialFinder(environment(tmp_path, PATH=path), warnings.append, Deadline.after(Clock(), 0.5))
    assert finder.find(ImageRef(HOST, "app")) is None
    assert time.monotonic() - began < 14 and "did not end within" in warnings[0]


def test_every_password_that_is_read_is_masked(tmp_path: Path) -> None:
    entries = {
        HOST: {**GOOD, "identitytoken": "identity-token-1"},
        "other.example": {"registrytoken": "registry-token-1"},
    }
    config(tmp_path, {"auths": entries, "credHelpers": {"third.example": "odd"}})
    path = helper(tmp_path, """echo '{"Username": "<token>", "Secret": "of-the-helper"}'""")
    process_environment = environment(tmp_path, PATH=path)
    finder = CredentialFinder(process_environment, lambda text: None)
    finder.find(ImageRef("third.example", "app"))
    for secret in ("secret-word", GOOD["auth"], "identity-token-1", "registry-token-1", "of-the-helper"):
        assert secret not in process_environment.redactor.text(f"said {secret} aloud")


@pytest.mark.parametrize("auths", [None, {}, {HOST: None}, {HOST: 7, "https://other.example": GOOD}])
def test_login_and_logout_work_beside_invalid_entries(tmp_path: Path, auths: dict[str, Any] | None) -> None:
    file = config(tmp_path, {"auths": auths, "HttpHeaders": {"X": "y"}, "credHelpers": None})
    process_environment = environment(tmp_path)
    store_login(HOST, Credentials("me", "new-word"), process_environment)
    kept = json.loads(file.read_text())
    assert kept["HttpHeaders"] == {"X": "y"} and kept["auths"][HOST] == auth(b"me:new-word")
    assert erase_login(HOST, process_environment) == [str(file)] and HOST not in json.loads(file.read_text())["auths"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"auths": []}', b'{"auths":' * 5000, b"\xff"])
def test_login_refuses_to_change_an_invalid_file(tmp_path: Path, content: bytes) -> None:
    file = config(tmp_path, content)
    with pytest.raises(UsageError, match=r"config\.json"):
        store_login(HOST, Credentials("me", "new-word"), environment(tmp_path))
    assert file.read_bytes() == content


def test_a_login_that_can_not_be_written_leaves_no_part_of_it(tmp_path: Path) -> None:
    before = {"auths": {HOST: GOOD}}
    file = config(tmp_path, before)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk: the write fails after its first bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(UsageError, match="can't be written: File too large"):
            store_login(HOST, Credentials("me", "new-word" * 20), environment(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(file.parent.iterdir()) == [file] and json.loads(file.read_text()) == before


def test_a_login_is_for_its_owner_only_and_follows_a_link(tmp_path: Path) -> None:
    file = config(tmp_path, {"auths": {}})
    kept = file.rename(tmp_path / "kept.json")
    kept.chmod(0o644)
    file.symlink_to(kept)
    store_login(HOST, Credentials("me", "new-word"), environment(tmp_path))
    assert file.is_symlink() and json.loads(kept.read_text())["auths"][HOST] == auth(b"me:new-word")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

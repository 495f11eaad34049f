"""Netrc files as people have them, and the token of Heroku in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.targets.heroku.netrc import find_password
from shipit.targets.heroku.token import Token, find_token
from tests.runs import environment

HOST = "api.heroku.com"
OURS = b"machine api.heroku.com login me@example.com password ours\n"


@pytest.mark.parametrize(
    ("data", "password"),
    [
        (b"machine api.heroku.com\n  login me@example.com\n  password ours\nmachine git.heroku.com\n  password other\n", "ours"),
        (b"machine api.heroku.com\n\tlogin\n\tme@example.com\n\tpassword\n\tours", "ours"),
        (b"machine x.example login caf\xe9 password p\n" + OURS, "ours"),
        (b"machine x.example login caf\xc3\xa9 password p\n" + OURS, "ours"),
        (b"\xef\xbb\xbf" + OURS, "ours"),
        (OURS.replace(b"\n", b"\r\n"), "ours"),
        (b"machine x.example foo bar\n" + OURS, "ours"),
        (b"machine x.example\n  port 22\n  method password\n" + OURS, "ours"),
        (b"nonsense\n[section]\n" + OURS, "ours"),
        (OURS + b"default login anonymous password guest\n", "ours"),
        (b"default login anonymous password guest\n" + OURS, "ours"),
        (b"default login anonymous password guest\n", ""),
        (b"machine x.example login a\ndefault login anonymous password guest\n", ""),
        (b"machine api.heroku.com login me@example.com\ndefault password guest\n", ""),
        (b"machine api.heroku.com login a\nmachine x.example password other\n", ""),
        (b"machine api.heroku.com password first\nmachine api.heroku.com password second\n", "first"),
        (b"machine api.heroku.com login a\nmachine api.heroku.com password second\n", "second"),
        (b"macdef init\nmachine api.heroku.com password macro\n\n" + OURS, "ours"),
        (b"machine x.example macdef all\ncd /pub\ndefault\n\n" + OURS, "ours"),
        (b"macdef init\nmachine api.heroku.com password macro\n", ""),
        (b"# machine api.heroku.com password comment\n" + OURS, "ours"),
        (b"machine api.heroku.com # mine\n  login a # my own\n  password ours # secret\n", "ours"),
        (b"machine api.heroku.com password #ours\n", "#ours"),
        (b'machine api.heroku.com login "a b" password "o u r s"\n', "o u r s"),
        (b'machine api.heroku.com password "ou\\"rs\\\\"\n', 'ou"rs\\'),
        (b"machine api.heroku.com password ou\\rs\n", "ou\\rs"),
        (b"machine API.Heroku.com password ours\n", "ours"),
        (b"machine api.heroku.com.example password other\nmachine xapi.heroku.com password other\n", ""),
        (b"machine heroku.com password other\nmachine *.heroku.com password other\n", ""),
        (b"machine api.heroku.com password\n", ""),
        (b"machine\n", ""),
        (b"", ""),
        (b"\x00\x01\xff", ""),
    ],
)  # fmt: skip
def test_the_password_that_was_written_for_heroku(data: bytes, password: str) -> None:
    assert find_password(data, HOST) == password


@given(st.binary())
def test_any_bytes_are_a_netrc_file(data: bytes) -> None:
    assert isinstance(find_password(data, HOST), str)
    assert find_password(data.replace(b"heroku", b"") + b"\ndefault password guest\n", HOST) == ""


@given(
    st.lists(
        st.sampled_from(
            ["machine", HOST, "x.example", "default", "login", "password", "account", "macdef", "\n", '"', "#", "a"]
        )
    )
)
def test_only_what_follows_the_machine_is_its_password(words: list[str]) -> None:
    if HOST not in words:
        assert find_password(" ".join(words).encode(), HOST) == ""


def test_a_netrc_that_is_not_a_regular_file_gives_no_token(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".netrc")
    assert find_token(environment(tmp_path)) is None
    assert find_token(environment(tmp_path, NETRC="/dev/zero")) is None
    (tmp_path / "large").write_bytes(OURS + b"\n" * 2 * 1024 * 1024)
    assert find_token(environment(tmp_path, NETRC=str(tmp_path / "large"))) is None


def test_an_encrypted_netrc_is_read_as_the_cli_reads_it(tmp_path: Path) -> None:
    (tmp_path / ".netrc.gpg").write_bytes(b"encrypted")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/gpg"
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "--batch --quiet --decrypt {tmp_path}/.netrc.gpg" ] && echo "{OURS.decode()}"\n'
    )
    program.chmod(0o755)
    found = find_token(environment(tmp_path, PATH=f"{tmp_path}/bin:/usr/bin:/bin"))
    assert found == Token("ours", str(tmp_path / ".netrc.gpg"))


def test_another_api_gets_no_token_that_was_kept_for_heroku(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_bytes(OURS)
    there = {"SHIPIT_HEROKU_API": "https://api.heroku.example"}
    assert find_token(environment(tmp_path)) == Token("ours", str(tmp_path / ".netrc"))
    assert find_token(environment(tmp_path, **there)) is None
    (tmp_path / ".netrc").write_bytes(OURS + b"machine api.heroku.example password theirs\n")
    assert find_token(environment(tmp_path, **there)) == Token("theirs", str(tmp_path / ".netrc"))
    assert find_token(environment(tmp_path, **there, HEROKU_API_KEY="given")) == Token("given", "HEROKU_API_KEY")


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", '{"account": 7}', "\xff", ""])
def test_an_invalid_login_file_of_the_cli_gives_no_token(tmp_path: Path, text: str) -> None:
    state = tmp_path / ".local/share/heroku/login.json"
    state.parent.mkdir(parents=True)
    state.write_bytes(text.encode("latin-1"))
    assert find_token(environment(tmp_path)) is None

"""Only digests become a Digest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.digest import Digest, InvalidDigest, parse_digest

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha512:{HEX}{HEX}"])
def test_a_digest_is_text_with_an_algorithm_and_digits(text: str) -> None:
    digest = Digest(text)
    assert (str(digest), f"{digest}", json.loads(json.dumps(digest))) == (text, text, text)
    assert f"{digest.algorithm}:{digest.hex}" == text
    assert digest.short == HEX[:12]
    assert Digest(digest) is digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX[1:]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX}\n",
        f"sha256:{HEX[:-1]}\u0661",
        f"sha512:{HEX}",
        f"md5:{HEX[:32]}",
        "sha256:../../../../victim/new",
        "sha256:/home/me/.ssh/id_rsa",
        f"sha256:{HEX}@sha256:{HEX}",
        None,
        7,
        b"sha256:" + HEX.encode(),
        ["sha256"],
    ],
)
def test_nothing_else_becomes_a_digest(text: object) -> None:
    with pytest.raises(InvalidDigest):
        Digest(text)
    assert parse_digest(text) is None


def test_an_error_shows_a_long_or_hostile_text_short_and_escaped() -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest("\x1b]52;c;aGk=\x07\n" * 100_000)
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)


@given(st.binary(max_size=100))
def test_content_matches_its_own_digest_only(data: bytes) -> None:
    digest = Digest.of(data)
    assert digest.matches(data)
    assert not digest.matches(data + b"x")
    hasher = Digest(f"sha512:{HEX}{HEX}").hasher()
    hasher.update(data)
    assert Digest.from_hash(hasher).matches(data)

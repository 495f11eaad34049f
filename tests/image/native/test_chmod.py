"""--chmod, octal and symbolic: the same modes as with the code that BuildKit uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.image.native.chmod import parse_mode
from tests.servers.moby import Moby, Refused

PARTS = [*"augo+-=rwxXst,", "u+", "go=", "a-", "=rX", "755"]
TEXTS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join)
CLAUSES = st.builds(
    lambda clauses: ",".join(clauses),
    st.lists(st.from_regex(r"[augo]{0,3}([-+=][rwxXstugo]{0,4}){1,3}", fullmatch=True), min_size=1, max_size=3),
)


@given(st.one_of(TEXTS, CLAUSES), st.integers(0, 0o7777), st.booleans())
def test_random_modes_are_applied_as_in_buildkit(moby: Moby, text: str, mode: int, is_folder: bool) -> None:
    try:
        expected = moby.chmod(text, mode, is_folder=is_folder)
    except Refused:
        with pytest.raises(ValueError, match="should be octal, such as 755, or symbolic"):
            parse_mode(text)
        return
    assert parse_mode(text).applied(mode, is_folder=is_folder) == expected


@pytest.mark.parametrize(
    ("text", "mode", "is_folder", "result"),
    [
        ("+x", 0o644, False, 0o755),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, True, 0o755),
        ("a-w", 0o755, False, 0o555),
        ("755", 0o600, False, 0o755),
        ("0755", 0o600, True, 0o755),
        ("4755", 0o600, False, 0o4755),
        ("g=u", 0o640, False, 0o660),
    ],
)
def test_modes_are_applied(text: str, mode: int, is_folder: bool, result: int) -> None:
    assert parse_mode(text).applied(mode, is_folder=is_folder) == result


@pytest.mark.parametrize(
    "text",
    ["", "8", "99999", "77777", "x", "u", "u=rwx,", ",u=r", "u=q", "-1", "0o755", "7" * 10_000, "+" * 100_000 + "q"],
)
def test_invalid_modes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="should be octal"):
        parse_mode(text)

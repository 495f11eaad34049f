"""Owners of COPY --chown: numbers, and names in the image's /etc/passwd and /etc/group."""

from __future__ import annotations

import pytest

from shipit.image.native.copy_trees import CopyError, Owner
from shipit.image.native.owner import find_row, parse_owner

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:100:101::/:/bin/false\nodd:x:5\nbad:x:many:0\n",
    "etc/group": "root:x:0:\nweb:x:33:\n",
}


def row(file: str, name: str) -> str | None:
    return find_row(FILES[file], name)


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("5", Owner(5, 5)),
        ("5:6", Owner(5, 6)),
        ("5:web", Owner(5, 33)),
        ("app", Owner(100, 101)),
        ("app:web", Owner(100, 33)),
        ("app:7", Owner(100, 7)),
        ("app:", Owner(100, 101)),
        ("odd", Owner(5, 5)),
        ("4294967295", Owner(2**32 - 1, 2**32 - 1)),
    ],
)
def test_users_and_groups(text: str, owner: Owner) -> None:
    assert parse_owner(text, row) == owner


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody", "the image has no 'nobody' in /etc/passwd"),
        ("app:app", "the image has no 'app' in /etc/group"),
        ("bad", "the image has no 'bad' in /etc/passwd"),
        ("4294967296", "the image has no '4294967296' in /etc/passwd"),
        ("\u0665", "the image has no '\u0665' in /etc/passwd"),
    ],
)
def test_unknown_names_are_refused(text: str, message: str) -> None:
    with pytest.raises(CopyError) as caught:
        parse_owner(text, row)
    assert (str(caught.value), caught.value.hint) == (message, "use a number")

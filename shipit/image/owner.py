"""Owners and modes as COPY takes them. Pure.

Source: Dockerfile reference, "COPY --chown --chmod"; passwd(5), group(5).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from shipit.image.copy import CopyError, Owner


def parse_owner(text: str, row: Callable[[str, str], str | None]) -> Owner:
    """The owner in `user`, `user:group` or their numbers; a lone number is the group's, too, a lone name has its own.

    `row(file, name)` gives the line of a name in a file of the image.
    Raises: CopyError for a name that the image does not know.
    """
    user, _, group = text.partition(":")
    uid, own_gid = (int(user), int(user)) if _is_id(user) else _named(user, "etc/passwd", row)
    gid = own_gid if not group else int(group) if _is_id(group) else _named(group, "etc/group", row)[0]
    return Owner(uid, gid)


def _named(name: str, file: str, row: Callable[[str, str], str | None]) -> tuple[int, int]:
    """Id and group id of a name in /etc/passwd; in /etc/group the id twice over."""
    cells = (row(file, name) or "").split(":")
    if len(cells) > 2 and _is_id(cells[2]):
        primary = cells[3] if file == "etc/passwd" and len(cells) > 3 and _is_id(cells[3]) else cells[2]
        return int(cells[2]), int(primary)
    raise CopyError(f"the image has no {name!r} in /{file}", "use a number")


def _is_id(text: str) -> bool:
    """Whether a text is a number that can own a file."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32


def row_of(text: str, name: str) -> str | None:
    """The first line of a file of columns, such as /etc/passwd, whose first column is a name."""
    return next((line for line in text.split("\n") if line.partition(":")[0] == name), None)


def parse_mode(text: str | None) -> int | None:
    """The permission bits of `--chmod`, which is octal; None when there is none."""
    if text is None:
        return None
    if not re.fullmatch(r"0?[0-7]{3,4}", text):
        raise CopyError(f"--chmod={text} should be octal, such as 755")
    return int(text, 8)

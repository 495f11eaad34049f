"""Owners and modes as COPY takes them. Pure.

Source: Dockerfile reference, "COPY --chown --chmod"; passwd(5), group(5).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from shipit.image.copy import CopyError, Owner


def parse_owner(text: str, lines: Callable[[str], list[str]]) -> Owner:
    """The owner in `user`, `user:group` or their numbers; a lone number is the group's, too, a lone name has its own.

    `lines` gives the lines of a file of the image, for names.
    Raises: CopyError for a name that the image does not know.
    """
    user, _, group = text.partition(":")
    uid, own_gid = (int(user), int(user)) if user.isdigit() else _named(user, "etc/passwd", lines)
    gid = own_gid if not group else int(group) if group.isdigit() else _named(group, "etc/group", lines)[0]
    return Owner(uid, gid)


def _named(name: str, file: str, lines: Callable[[str], list[str]]) -> tuple[int, int]:
    """Id and group id of a name in /etc/passwd; in /etc/group the id twice over."""
    for row in (line.split(":") for line in lines(file)):
        if row[0] == name and len(row) > 2 and row[2].isdigit():
            primary = row[3] if file == "etc/passwd" and len(row) > 3 and row[3].isdigit() else row[2]
            return int(row[2]), int(primary)
    raise CopyError(f"the image has no {name!r} in /{file}", "use a number")


def parse_mode(text: str | None) -> int | None:
    """The permission bits of `--chmod`, which is octal; None when there is none."""
    if text is None:
        return None
    if not re.fullmatch(r"0?[0-7]{3,4}", text):
        raise CopyError(f"--chmod={text} should be octal, such as 755")
    return int(text, 8)

"""Parses owners, as in `COPY --chown`. Pure.

Source: Dockerfile reference, "COPY --chown"; passwd(5), group(5).
"""

from __future__ import annotations

from collections.abc import Callable

from shipit.image.native.copy_trees import CopyError, Owner


def parse_owner(text: str, row: Callable[[str, str], str | None]) -> Owner:
    """The owner in `user`, `user:group` or numbers. Without a group, a number is also the group; a name has its own.

    `row(file, name)` is the line of a name in a file of the image, or None.
    Raises: CopyError for a name that the image lacks.
    """
    user, _, group = text.partition(":")
    uid, own_gid = _ids(user, "etc/passwd", row)
    return Owner(uid, _ids(group, "etc/group", row)[0] if group else own_gid)


def _ids(text: str, file: str, row: Callable[[str, str], str | None]) -> tuple[int, int]:
    """User and group id of a name or number in /etc/passwd; for /etc/group the group id twice."""
    if (number := _number(text)) is not None:
        return number, number
    cells = (row(file, text) or "").split(":")
    own = _number(cells[2]) if len(cells) > 2 else None
    if own is None:
        raise CopyError(f"the image has no {text!r} in /{file}", "use a number")
    primary = _number(cells[3]) if file == "etc/passwd" and len(cells) > 3 else None
    return own, own if primary is None else primary


def _number(text: str) -> int | None:
    """A 32-bit id; None for other text."""
    is_number = text.isascii() and text.isdigit() and len(text) <= 10
    return int(text) if is_number and int(text) < 2**32 else None


def find_row(text: str, name: str) -> str | None:
    """The first line whose first column is `name`, in a file such as /etc/passwd; None without one."""
    return next((line for line in text.split("\n") if line.partition(":")[0] == name), None)

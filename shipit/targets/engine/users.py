"""The user of a container as numbers. Pure.

Source: Docker Engine API 1.41, ContainerConfig.User: `user`, `user:group`, each a name or a number; passwd(5), group(5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

_MOST = 2**31


class User(NamedTuple):
    uid: int = 0
    gid: int = 0


def find_user(text: str, read: Callable[[str], str]) -> User:
    """The numbers of a user; root for a name that the container does not know, with which it does not start.

    `read` gives the text of a file of the container, empty where there is none.
    """
    name, _, group = text.partition(":")
    if not name:
        return User()
    uid, gid = _number(name), _number(group)
    if uid is None or not group:
        rows = [line.split(":") for line in read("/etc/passwd").splitlines()]
        row = next((row for row in rows if len(row) > 3 and name in (row[0], row[2])), [])
        uid = uid if uid is not None else _number(row[2]) if row else None
        gid = gid if group else _number(row[3]) if row else None
    if group and gid is None:
        rows = [line.split(":") for line in read("/etc/group").splitlines()]
        gid = next((_number(row[2]) for row in rows if len(row) > 2 and row[0] == group), None)
    return User(uid or 0, gid or 0)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 and int(text) < _MOST else None

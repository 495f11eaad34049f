"""Secrets as files of containers: who may read them, and the tars in which they go there and come back."""

from __future__ import annotations

import io
import tarfile

import pytest

from shipit.http.fields import Field
from shipit.targets.engine.archive import only_file
from shipit.targets.engine.secret_files import archive_of, names_of_files
from shipit.targets.engine.users import User, find_user

FILES = {
    "/etc/passwd": "root:x:0:0::/:/bin/sh\nbroken\nnode:x:1000:1001::/home/node:/bin/sh\nodd:x:many:1:::\n",
    "/etc/group": "root:x:0:\nstaff:x:50:node\nodd\n",
}


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User(0, 0)),
        ("node", User(1000, 1001)),
        ("1000", User(1000, 1001)),
        ("5", User(5, 0)),
        ("5:6", User(5, 6)),
        ("node:staff", User(1000, 50)),
        ("node:7", User(1000, 7)),
        ("nobody", User(0, 0)),
        ("node:nothing", User(1000, 0)),
        ("odd", User(0, 1)),
        ("99999999999:²", User(0, 0)),
    ],
)
def test_the_numbers_of_a_user(text: str, user: User) -> None:
    assert find_user(text, lambda path: FILES[path]) == user


def test_only_the_user_of_the_container_may_read_a_file() -> None:
    data = archive_of({"TOKEN": "é", "A": ""}, User(1000, 50))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        rows = [(row.name, row.mode, row.uid, row.gid, row.size) for row in tar]
    assert rows == [("A", 0o400, 1000, 50, 0), ("TOKEN", 0o400, 1000, 50, 2)]
    assert only_file(archive_of({"TOKEN": "é"}, User()), 2) == "é".encode()


@pytest.mark.parametrize("archive", [b"", b"no tar at all", bytes(1024), archive_of({"TOKEN": "too long"}, User())])
def test_what_is_no_file_is_none(archive: bytes) -> None:
    assert only_file(archive, 3) is None


def test_a_folder_or_a_link_is_no_file() -> None:
    for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            info = tarfile.TarInfo("TOKEN")
            info.type, info.linkname = kind, "/etc/shadow"
            tar.addfile(info)
        assert only_file(data.getvalue(), 100) is None


def test_names_of_files_are_no_paths() -> None:
    label = {"dev.shipit.secret-files": "TOKEN,../etc/shadow,,..,OTHER"}
    assert names_of_files(Field({"Config": {"Labels": label}}, "GET")) == ("TOKEN", "OTHER")
    assert names_of_files(Field({"Config": {}}, "GET")) == ()

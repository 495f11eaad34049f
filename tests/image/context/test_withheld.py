"""Files that no build may read: by path, name, inode and content, and what is reported of them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from shipit.image.context.dockerfile_path import is_outside_context, path_in_context
from shipit.image.context.folder import read_context
from shipit.image.options import BuildOptions
from shipit.image.withheld import Withheld, node_of

SECRET = b"canary-canary"


def test_files_are_withheld_by_path_name_inode_and_content(tmp_path: Path) -> None:
    for name in ("keep", "token", "sub/token", "sub/.git/config", "near"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"plain " + name.encode())
    (tmp_path / "copy").write_bytes(SECRET)
    os.link(tmp_path / "near", tmp_path / "sub/hard")
    node = node_of(tmp_path / "near")
    assert node is not None
    withheld = Withheld(
        paths={"token": "the secret TOKEN"},
        names={".git": ""},
        nodes={node: "a key"},
        contents={len(SECRET): {sha256(SECRET).digest(): "a copy of the secret TOKEN"}},
    )
    options = BuildOptions(tmp_path, tmp_path / "Dockerfile", withheld=withheld)
    assert sorted(read_context(options)) == ["keep", "sub", "sub/token"]
    assert withheld.found == {
        "token": "the secret TOKEN",
        "near": "a key",
        "sub/hard": "a key",
        "copy": "a copy of the secret TOKEN",
    }


def test_a_missing_file_has_no_inode(tmp_path: Path) -> None:
    assert node_of(tmp_path / "nowhere") is None and node_of(Path("a\0b")) is None


def test_the_path_of_a_dockerfile_in_its_context(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    inside = BuildOptions(tmp_path / "app", tmp_path / "app/docker/Dockerfile")
    outside = BuildOptions(tmp_path / "app", tmp_path / "Dockerfile")
    assert path_in_context(inside) == "docker/Dockerfile" and path_in_context(outside) == ""
    assert is_outside_context(outside) and not is_outside_context(inside)
    (tmp_path / "app/.dockerignore").write_text("docker\n")
    assert is_outside_context(inside)

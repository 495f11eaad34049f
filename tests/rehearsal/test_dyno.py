"""Images unpacked for a dyno that is a process: into its folder, and never out of it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from shipit.rehearsal.dyno import unpack


def layer(*members: tuple[str, str]) -> bytes:
    """A tar of (name, content); a content that begins with -> is a link."""
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in members:
                info = tarfile.TarInfo(name)
                if content.startswith("->"):
                    info.type, info.linkname = tarfile.SYMTYPE, content[2:]
                info.size = len(content) if info.isreg() else 0
                archive.addfile(info, io.BytesIO(content.encode()))
        return buffer.getvalue()


def test_later_layers_win_and_links_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    unpack([layer(("run/x", "1"), ("var/run", "->/run"), ("a", "old")), layer(("var/run/y", "2"), ("a", "new"))], root)
    assert (root / "a").read_text() == "new"
    assert (root / "run/y").read_text() == "2"


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    unpack(
        [
            layer(
                ("up", "->../outside"),
                ("up/evil", "1"),
                ("../outside/evil", "2"),
                ("link", "->../outside/evil"),
                ("link", "3"),
            )
        ],
        root,
    )
    assert list(outside.iterdir()) == []
    assert (root / "link").read_text() == "3"

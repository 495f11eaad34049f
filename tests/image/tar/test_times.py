"""File times: derived from content, so that servers send another ETag for a changed file; or taken from commits."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.errors import BuildError
from shipit.image.image import BuiltImage
from shipit.image.tar.times import FIRST_S, SPAN_S, checksum, time_of
from shipit.image.tar.write import tar_stream
from shipit.image.tree.entries import Entry, Inline, LocalFile
from shipit.rehearsal.dyno import free_port
from tests.conftest import started
from tests.image.native.test_builder import Builder
from tests.servers.install import express_folder, find
from tests.servers.process import Background, accepts

STATIC = "FROM scratch\nCOPY site /srv\n"
NGINX = """
daemon off; error_log /dev/stderr; pid {folder}/pid; events {{}}
http {{
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d;
  scgi_temp_path {folder}/e; access_log off;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
EXPRESS = "const e = require('express'); e().use(e.static(process.argv[1])).listen(process.argv[2], '127.0.0.1')"

Serve = Callable[[Path, Path, int], Background]


def nginx(root: Path, folder: Path, port: int) -> Background:
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, root=root))
    return Background("nginx", [started(partial(find, "nginx")), "-c", str(config), "-p", str(folder)], folder)


def express(root: Path, folder: Path, port: int) -> Background:
    modules = started(express_folder)
    command = [started(partial(find, "node")), "-e", EXPRESS, str(root), str(port)]
    return Background("express", command, folder, {"NODE_PATH": str(modules)})


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def unpack(builder: Builder, image: BuiltImage, root: Path) -> None:
    """Unpack an image's files with their times, as in a container."""
    for old in (root / "srv").glob("*"):
        old.unlink()
    for layer in image.layers:
        with tarfile.open(builder.store.path(layer.digest)) as archive:
            archive.extractall(root, filter="fully_trusted")


def ask(port: int, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/app.js", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), b""


@pytest.fixture(params=[nginx, express], ids=["nginx", "express"])
def web_server(request: pytest.FixtureRequest) -> Serve:
    """The command that starts a web server with ETag and Last-Modified."""
    start: Serve = request.param
    return start


def test_servers_send_changed_content_of_the_same_size(builder: Builder, tmp_path: Path, web_server: Serve) -> None:
    root, folder, port = tmp_path / "root", tmp_path / "server", free_port()
    root.mkdir()
    folder.mkdir()
    builder.write("site/app.js", "version 1\n")
    unpack(builder, builder.build(STATIC), root)
    # nginx drops its privileges when root starts it.
    for path in (*tmp_path.parents, tmp_path, root):
        path.chmod(path.stat().st_mode | 0o055)
    server = web_server(root / "srv", folder, port)
    try:
        server.wait_until(lambda: accepts(port), 120)
        status, first, body = ask(port, {})
        assert (status, body) == (200, b"version 1\n")
        held = {"If-None-Match": first["ETag"], "If-Modified-Since": first["Last-Modified"]}
        assert ask(port, held)[0] == 304
        builder.write("site/app.js", "version 2\n")
        unpack(builder, builder.build(STATIC), root)
        status, second, body = ask(port, held)
        assert (status, body) == (200, b"version 2\n")
        assert second["ETag"] != first["ETag"] and second["Last-Modified"] != first["Last-Modified"]
        # A rollback: a visitor's cached copy of the earlier content is valid again.
        builder.write("site/app.js", "version 1\n")
        unpack(builder, builder.build(STATIC), root)
        assert ask(port, held)[0] == 304
    finally:
        server.stop()


def members(builder: Builder, image: BuiltImage) -> dict[str, int]:
    return {name: int(member.mtime) for name, member in builder.files(image).items()}


def test_times_are_in_the_past_and_depend_on_content(builder: Builder) -> None:
    for path in ("site/a", "site/b", "site/sub/c", "site/empty"):
        builder.write(path, "" if path.endswith("empty") else path)
    (builder.folder / "site/link").symlink_to("a")
    first = members(builder, builder.build(STATIC))
    assert all(FIRST_S <= found < FIRST_S + SPAN_S for found in first.values())
    builder.write("site/a", "another content")
    (builder.folder / "site/link").unlink()
    (builder.folder / "site/link").symlink_to("b")
    builder.write("site/sub/d", "new")
    second = members(builder, builder.build(STATIC))
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"srv/a", "srv/link", "srv/sub"}


def test_times_do_not_depend_on_the_disk_or_the_source_of_a_file(builder: Builder) -> None:
    with tarfile.open(builder.folder / "t.tar", "w") as tar:
        builder.write("site/f", "same")
        tar.add(builder.folder / "site/f", "f")
        tar.add(builder.folder / "site/f", "g")
    dockerfile = (
        "FROM scratch AS one\nCOPY site /a/\nADD t.tar /b/\nCOPY <<'E' /c/f\nE\nFROM scratch\nCOPY --from=one / /\n"
    )
    first = members(builder, builder.build(dockerfile))
    os.utime(builder.folder / "site/f", (5, 5))
    assert members(builder, builder.build(dockerfile)) == first
    assert first["a/f"] == first["b/f"] == first["b/g"] == time_of(checksum(b"same", 0))


def test_the_time_of_a_large_file_depends_on_all_its_content(tmp_path: Path) -> None:
    data = os.urandom(1024) * 9 * 1024
    (tmp_path / "f").write_bytes(data)
    large = Entry("file", 0o644, size=len(data), content=LocalFile(str(tmp_path), "f", ""))
    assert b"".join(tar_stream({"f": large})) == b"".join(tar_stream({"f": large._replace(content=Inline(data))}))
    with pytest.raises(BuildError, match="changed while it was read"):
        for number, _ in enumerate(tar_stream({"f": large})):
            if number == 0:
                (tmp_path / "f").write_bytes(bytes(len(data)))


@given(st.binary(min_size=1, max_size=200), st.integers(0, 199), st.integers(1, 255))
def test_one_changed_byte_changes_the_time(data: bytes, place: int, bits: int) -> None:
    place %= len(data)
    other = data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :]
    assert time_of(checksum(data, 0)) != time_of(checksum(other, 0))


@pytest.fixture
def plain_server(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Python's http.server, which supports If-Modified-Since only."""
    root = tmp_path / "root/srv"
    root.mkdir(parents=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield root.parent, server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def git(folder: Path, *words: str, time_s: int = 0) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    variables = {**os.environ, "GIT_COMMITTER_DATE": f"@{time_s} +0000", "GIT_AUTHOR_DATE": "@1000000000 +0000"}
    subprocess.run(["git", *identity, *words], cwd=folder, env=variables, check=True, capture_output=True)


@pytest.fixture
def committed(builder: Builder) -> Builder:
    """A context in a git tree with two commits, and some untracked files."""
    git(builder.folder, "init", "-q", "-b", "main")
    for path in ("site/old", "site/app.js", "site/c d"):
        builder.write(path, path)
    git(builder.folder, "add", ".")
    git(builder.folder, "commit", "-qm", "one", time_s=1_500_000_000)
    builder.write("site/app.js", "version 1\n")
    git(builder.folder, "commit", "-qam", "two", time_s=1_600_000_000)
    builder.write("site/c d", "changed")
    builder.write("site/new", "in no commit")
    for name in ("c d", "new"):
        os.utime(builder.folder / "site" / name, (1_650_000_000, 1_650_000_000))
    return builder


def with_commits(builder: Builder) -> BuiltImage:
    return builder.build(STATIC, times="commit", variables=dict(os.environ))


def test_files_have_the_time_of_their_last_commit(committed: Builder) -> None:
    found = members(committed, with_commits(committed))
    assert {name: found[f"srv/{name}"] for name in ("old", "app.js", "c d", "new")} == {
        "old": 1_500_000_000,
        "app.js": 1_600_000_000,
        "c d": 1_650_000_000,
        "new": 1_650_000_000,
    }


def test_a_merge_counts_for_the_files_that_it_brings(committed: Builder) -> None:
    git(committed.folder, "add", ".")
    git(committed.folder, "commit", "-qm", "all", time_s=1_620_000_000)
    git(committed.folder, "checkout", "-qb", "side")
    committed.write("site/old", "from the side")
    git(committed.folder, "commit", "-qam", "side", time_s=1_550_000_000)
    git(committed.folder, "checkout", "-q", "main")
    git(committed.folder, "merge", "-q", "--no-ff", "-m", "merge", "side", time_s=1_700_000_000)
    found = members(committed, with_commits(committed))
    assert (found["srv/old"], found["srv/app.js"]) == (1_700_000_000, 1_600_000_000)


def test_commit_times_are_the_same_in_a_clone_and_fail_in_a_shallow_one(committed: Builder, tmp_path: Path) -> None:
    git(committed.folder, "add", ".")
    git(committed.folder, "commit", "-qam", "all", time_s=1_700_000_000)
    first = with_commits(committed)
    (tmp_path / "other").mkdir()
    for words in ([], ["--depth", "1"]):
        clone = Builder(tmp_path / "other")
        clone.folder.rmdir()
        git(tmp_path, "clone", "-q", *words, f"file://{committed.folder}", str(clone.folder))
        if not words:
            assert [layer.diff_id for layer in with_commits(clone).layers] == [layer.diff_id for layer in first.layers]
            shutil.rmtree(tmp_path / "other")
            (tmp_path / "other").mkdir()
        else:
            with pytest.raises(BuildError, match="the clone is shallow"):
                with_commits(clone)


def test_commit_times_fail_without_a_git_tree(builder: Builder) -> None:
    builder.write("site/a", "a")
    with pytest.raises(BuildError, match="times: commit needs a git tree with commits"):
        with_commits(builder)


def test_a_server_with_dates_only_sends_a_newer_commit(committed: Builder, plain_server: tuple[Path, int]) -> None:
    root, port = plain_server
    unpack(committed, with_commits(committed), root)
    held = {"If-Modified-Since": ask(port, {})[1]["Last-Modified"]}
    assert ask(port, held)[0] == 304
    committed.write("site/app.js", "version 2\n")
    git(committed.folder, "commit", "-qam", "three", time_s=1_600_000_100)
    unpack(committed, with_commits(committed), root)
    assert ask(port, held)[::2] == (200, b"version 2\n")

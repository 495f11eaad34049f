"""Untrusted tars: read as engines read them, in bounded memory, or refused."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.image.tar.header import BadTar, SparseFile
from shipit.image.tar.read import MAX_HEADER_BYTES, Member, TarReader, clean_path
from shipit.image.tar.write import CAPABILITY

NAMES = st.text("abü/.\\ \n", min_size=1, max_size=150)
KINDS = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "special": tarfile.FIFOTYPE,
}


def read(data: bytes) -> list[tuple[Member, bytes]]:
    reader = TarReader(io.BytesIO(data))
    return [(member, b"".join(reader.content())) for member in reader]


def header(name: str = "f", **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def raw(info: tarfile.TarInfo, data: bytes = b"") -> bytes:
    """A member unchanged, whatever size its header has."""
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def special(kind: bytes, data: bytes) -> bytes:
    return raw(header("x", type=kind, size=len(data)), data)


def record(key: str, value: bytes | str) -> bytes:
    """A record of a pax header."""
    value = value.encode() if isinstance(value, str) else value
    body = b" " + key.encode() + b"=" + value + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def pax(*records: bytes) -> bytes:
    return special(tarfile.XHDTYPE, b"".join(records))


def with_prefix(magic: bytes, prefix: bytes) -> bytes:
    """A header with a magic, and a value in the place of the prefix."""
    block = bytearray(header("f").tobuf(tarfile.USTAR_FORMAT))
    block[257 : 257 + len(magic)] = magic
    block[345 : 345 + len(prefix)] = prefix
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(1024)
FILE = raw(header("f", size=1), b"f")


@st.composite
def members(draw: st.DrawFn) -> list[tuple[tarfile.TarInfo, bytes]]:
    found = []
    for kind in draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=6)):
        data = draw(st.binary(max_size=1500)) if kind == "file" else b""
        info = header(
            draw(NAMES),
            type=KINDS[kind],
            size=len(data),
            linkname=draw(NAMES) if kind.endswith("link") else "",
            mode=draw(st.integers(0, 0o7777)),
            uid=draw(st.integers(0, 2**32 - 1)),
            gid=draw(st.integers(0, 2**21 - 1)),
        )
        if kind == "file" and draw(st.booleans()):
            info.pax_headers = {CAPABILITY: draw(st.text("\0\1äb", min_size=1, max_size=20))}
        found.append((info, data))
    return found


@given(members(), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_archives_of_tarfile_are_read(written: list[tuple[tarfile.TarInfo, bytes]], form: int) -> None:
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
            for info, data in written:
                tar.addfile(info, io.BytesIO(data))
        found = read(buffer.getvalue())
    for (member, content), (info, data) in zip(found, written, strict=True):
        kind = next(name for name, flag in KINDS.items() if flag == info.type)
        target = clean_path(info.linkname) if kind == "hardlink" else info.linkname
        capability = info.pax_headers.get(CAPABILITY, "") if form == tarfile.PAX_FORMAT else ""
        owners = info.uid, info.gid
        assert member == (clean_path(info.name), kind, info.mode, *owners, target, len(data), capability)
        assert content == data


@given(st.binary(max_size=4096), st.integers(0, 3000), st.binary(max_size=40))
def test_random_bytes_raise_bad_tar_only(noise: bytes, at: int, patch: bytes) -> None:
    sound = pax(record("path", "p" * 300)) + FILE + raw(header("d/", type=tarfile.DIRTYPE)) + END
    for data in (noise, FILE + noise, sound[:at] + patch + sound[at + len(patch) :], sound[:at]):
        try:
            read(data)
        except BadTar:
            continue


def names(data: bytes) -> list[str]:
    return [member.name for member, _ in read(data)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (END, []),
        (b"", []),
        (bytes(512), []),
        (FILE, ["f"]),
        (FILE + bytes(512), ["f"]),
        (FILE[:513], ["f"]),
        (FILE + pax(record("path", "p"))[:700], ["f"]),
        (with_prefix(b"ustar\0", b"a/b"), ["a/b/f"]),
        (with_prefix(b"ustar  \0", b"a/b"), ["a/b/f"]),
        (with_prefix(b"ustar  \0", b"00000000001\0"), ["f"]),
        (with_prefix(b"ustar  \0", b"\xfc/b"), ["f"]),
        (with_prefix(b"\0\0\0\0\0\0\0\0", b"a/b"), ["f"]),
        (FILE + END + b"whatever", ["f"]),
        (raw(header("../../a/../b")), ["b"]),
        (raw(header("/abs//x/.")), ["abs/x"]),
        (raw(header("dir/", type=tarfile.AREGTYPE)), ["dir"]),
        (pax(record("path", "long")) + FILE, ["long"]),
        (pax(record("path", "")) + FILE, ["f"]),
        (pax(record("path", "one")) + pax(record("path", "two")) + FILE, ["two"]),
        (pax(record("path", "gone")) + special(tarfile.XGLTYPE, record("path", "all")) + FILE + FILE, ["f", "f"]),
        (special(tarfile.GNUTYPE_LONGNAME, b"gnu\0rest") + pax(record("path", "p")) + FILE, ["gnu"]),
        (special(tarfile.GNUTYPE_LONGNAME, b"gnu") * 3000 + FILE, ["gnu"]),
        (pax(*[record("comment", "")] * 50_000) + FILE, ["f"]),
        # Only files have content, whatever the size in the header.
        (raw(header("d", type=tarfile.DIRTYPE, size=512)) + FILE, ["d", "f"]),
        (raw(header("h", type=tarfile.LNKTYPE, size=2**60, linkname="f")) + FILE, ["h", "f"]),
    ],
)
def test_members_are_read_as_engines_do(data: bytes, said: list[str]) -> None:
    assert names(data) == said


LARGE = 2**60
DEEP = "/".join("d" * 200_000)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (raw(header(size=LARGE)), "it is truncated"),
        (pax(record("size", str(LARGE))) + FILE, "it is truncated"),
        (raw(header("x", type=tarfile.XHDTYPE, size=3 * 2**30)), "at most 1 MiB"),
        (raw(header("x", type=tarfile.GNUTYPE_LONGNAME, size=3 * 2**30)), "at most 1 MiB"),
        (raw(header("x", type=tarfile.GNUTYPE_LONGLINK, size=LARGE)), "at most 1 MiB"),
        (raw(header("x", type=tarfile.XGLTYPE, size=MAX_HEADER_BYTES + 1)), "at most 1 MiB"),
        (special(tarfile.GNUTYPE_LONGNAME, b"n" * 400_000) + FILE, "at most 4096 bytes"),
        (pax(record("path", DEEP)) + FILE, "at most 4096 bytes"),
        (pax(record("path", "ü" * 2100)) + FILE, "at most 4096 bytes"),
        (pax(record("linkpath", "a" * 5000)) + raw(header(type=tarfile.SYMTYPE)), "at most 4096 bytes"),
        (pax(record("linkpath", "a" * 5000)) + raw(header(type=tarfile.LNKTYPE)), "at most 4096 bytes"),
        (pax(record("path", b"a\0b")) + FILE, "NUL byte"),
        (pax(record("size", "-1")) + FILE, "not a number"),
        (pax(record("size", "1_0")) + FILE, "not a number"),
        (pax(record("size", "\u0661")) + FILE, "not a number"),
        (pax(record("size", "9" * 5000)) + FILE, "not a number"),
        (pax(record("uid", "1.5")) + FILE, "not a number"),
        (pax(record("uid", str(2**32))) + FILE, "below 2\\^32"),
        (pax(record(CAPABILITY, "x" * 257)) + FILE, "capability"),
        (raw(header(uid=2**32)), "below 2\\^32"),
        (raw(header(gid=-1)), "negative gid"),
        (raw(header(size=-512)), "negative size"),
        (special(tarfile.XHDTYPE, b"x"), "not a list of records"),
        (special(tarfile.XHDTYPE, b"9999999999 a=b\n"), "not a list of records"),
        (special(tarfile.XHDTYPE, b"0 a=b\n"), "not a list of records"),
        (special(tarfile.XHDTYPE, b"-6 a=b\n"), "not a list of records"),
        (special(tarfile.XHDTYPE, b"6 a=b\n"[:-1] + b"x"), "not a list of records"),
        (special(tarfile.XHDTYPE, b"6 abc\n"), "not a list of records"),
        (raw(header(type=b"V")), "unknown type"),
        (raw(header(type=b"\xff")), "unknown type"),
        (bytes(512) + FILE, "zero block before a header"),
        (b"x" * 512, "no number|checksum"),
        (FILE[:200], "it is truncated"),
        (FILE[:512], "it is truncated"),
        (pax(record("path", "p"))[:515], "it is truncated"),
        (raw(header(mode=0)).replace(b"0000000", b"00008 0", 1), "no number|checksum"),
    ],
)
def test_archives_that_no_engine_unpacks_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadTar, match=said):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        raw(header(type=tarfile.GNUTYPE_SPARSE)),
        pax(record("GNU.sparse.major", "1"), record("GNU.sparse.minor", "0"), record("GNU.sparse.name", "x")) + FILE,
        pax(record("GNU.sparse.map", "0,9" * 1000)) + FILE,
    ],
)
def test_sparse_files_need_an_engine(data: bytes) -> None:
    with pytest.raises(SparseFile):
        read(data)


class Endless:
    """A source that repeats the same bytes, and counts what was read."""

    def __init__(self, begin: bytes, rest: bytes) -> None:
        self._begin, self._rest = begin, rest
        self.taken = 0

    def read(self, amount: int, /) -> bytes:
        data, self._begin = self._begin or self._rest, b""
        self.taken += len(data)
        return data


def test_a_large_header_is_refused_before_its_content_is_read() -> None:
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
        source = Endless(raw(header("x", type=kind, size=LARGE)), b"x" * 65536)
        with pytest.raises(BadTar, match="at most 1 MiB"):
            list(TarReader(source))
        assert source.taken <= 65536


def test_content_may_be_skipped_or_read_partially() -> None:
    data = b"".join(raw(header(name, size=size), b"x" * size) for name, size in (("a", 3_000_000), ("b", 0), ("c", 7)))
    reader = TarReader(io.BytesIO(data + END))
    found: list[tuple[str, int]] = []
    for member in reader:
        pieces: Iterable[bytes] = reader.content()
        found.append((member.name, len(next(iter(pieces), b""))))
    assert [name for name, _ in found] == ["a", "b", "c"]
    assert 0 < found[0][1] < 3_000_000 and found[1:] == [("b", 0), ("c", 7)]
